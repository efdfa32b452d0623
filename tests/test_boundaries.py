"""Which module may import which, read from the sources; and that core stands without the app."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SPINE = [
    *("errors", "progress", "tracing", "program", "calls", "class_maps", "probe", "network", "scores", "pathway"),
    *("gradient", "metrics", "methods.base"),
]
BELOW_METHODS = {f"core.{name}" for name in SPINE}


def sources(*folders: str) -> dict[str, Path]:
    """Modules by dotted name."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


def imports(path: Path) -> set[str]:
    """Every module a source imports when it runs, wherever in it, those for type checking left out."""
    return set(_imported(ast.parse(path.read_text(encoding="utf-8")).body))


def _imported(nodes: list[ast.stmt]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _imported(node.orelse)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from _from(node)
        else:
            yield from _imported(
                [child for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node]
            )


def _from(node: ast.ImportFrom) -> Iterator[str]:
    """``from core import network`` names the module core.network; ``from core import trace`` only core."""
    known, package = sources("core", "explorer", "pages"), str(node.module)
    for alias in node.names:
        name = f"{package}.{alias.name}"
        yield name if name in known else package


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("name", sources("core"))
def test_core_knows_neither_app_nor_streamlit(name):
    assert not tops(sources("core")[name]) & {"streamlit", "plotly", "explorer", "pages", "tests", "pickle"}


@pytest.mark.parametrize("name", sources("explorer"))
def test_explorer_knows_no_page_and_figures_no_streamlit(name):
    drawing = name.removeprefix("explorer.") in {"charts", "figures", "flow_graph", "palette", "strip"}
    banned = {"pages", "tests"} | ({"streamlit", "torch"} if drawing else set())
    assert not tops(sources("explorer")[name]) & banned


@pytest.mark.parametrize("name", sources("pages"))
def test_pages_know_no_torch_and_no_other_page(name):
    assert not tops(sources("pages")[name]) & {"torch", "torchvision", "captum", "pages", "tests"}


def test_core_imports_run_one_way():
    known = sources("core")
    graph = {name: {i for i in imports(path) if i in known} for name, path in known.items()}
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError
    assert not [name for name, used in graph.items() if "core" in used]
    for place, name in enumerate(SPINE):
        later = graph[f"core.{name}"] - {f"core.{earlier}" for earlier in SPINE[:place]}
        assert not later, f"core.{name} imports {later}"


@pytest.mark.parametrize(
    "name", [n for n in sources("core") if n.startswith("core.methods.") and n != "core.methods.base"]
)
def test_methods_do_not_import_each_other(name):
    used = {module for module in imports(sources("core")[name]) if module.startswith("core")}
    assert used <= BELOW_METHODS, used - BELOW_METHODS


@pytest.mark.parametrize("name", sources("core"))
def test_public_names_exist(name):
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    assert [public for public in module.__all__ if not hasattr(module, public)] == []


def test_importing_core_loads_no_streamlit_and_nothing_that_takes_a_second():
    code = "import sys, core; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "torch" in loaded.stdout.split()
    slow = {"scipy", "skimage", "pandas", "pyarrow", "distributed"}
    assert not ({"streamlit", "plotly", "captum", "explorer"} | slow) & set(loaded.stdout.split())


def test_the_reader_of_imports_reads(tmp_path):
    source = """
import a.b
if TYPE_CHECKING:
    import hidden
def f():
    try:
        from core.network import trace
    except ImportError:
        from core import pathway, rank
"""
    (tmp_path / "m.py").write_text(source)
    assert imports(tmp_path / "m.py") == {"a.b", "core.network", "core.pathway", "core"}
