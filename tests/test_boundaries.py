"""Rules that import-linter, which checks the layers (``pyproject.toml``), cannot: public names, and what core loads."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def sources(*folders: str) -> dict[str, Path]:
    """Return the paths of modules by dotted name."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


@pytest.mark.parametrize("name", sources("core"))
def test_public_names_exist(name):
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    assert [public for public in module.__all__ if not hasattr(module, public)] == []


@pytest.mark.parametrize("name", sources("core"))
def test_core_imports_names_from_where_they_are_defined(name):
    """Inside core, ``from core import rank`` would be a circular import."""
    assert not re.search(r"^\s*(from core import|from \.|import core$)", sources("core")[name].read_text("utf-8"), re.M)


@pytest.mark.thorough
def test_importing_core_loads_no_streamlit_and_nothing_that_takes_a_second():
    code = "import sys, core; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "torch" in loaded.stdout.split()
    slow = {"scipy", "skimage", "pandas", "pyarrow", "distributed"}
    assert not ({"streamlit", "plotly", "captum", "explorer"} | slow) & set(loaded.stdout.split())


def test_the_command_line_answers_before_anything_heavy_is_loaded():
    code = "import sys, explorer.__main__; print(*{'torch', 'plotly', 'pandas', 'streamlit'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == ""
