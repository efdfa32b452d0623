"""The examples of CONTRIBUTING.md, run as they are."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

import core
from core.methods import METHODS, Method
from explorer.state import lessons
from explorer.ui import navigation
from tests.app import APP, PAGES, opened, ran, view
from tests.core.methods.test_methods import toy
from tests.networks import image_of

TEXT = (Path(__file__).resolve().parent.parent / "CONTRIBUTING.md").read_text("utf-8")


def examples(heading: str, language: str = "python") -> list[str]:
    """Return the code under a heading."""
    part = re.split(r"^## (?=A )", TEXT, flags=re.MULTILINE)
    (section,) = (text for text in part if text.startswith(f"{heading}\n"))
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def test_the_method_scores_what_it_says(monkeypatch):
    file, entry = examples("A method")
    names: dict[str, Any] = {"Method": Method}
    exec(compile(file, "activation.py", "exec"), names)
    method = eval(entry, names)
    network = toy("Straight")[1]
    image = image_of(network)
    wanted = [activation[0] for activation in network.run(image, record=True).activations]
    assert [scores.tolist() for scores in method(network, image, 0)] == [each.tolist() for each in wanted]
    images = torch.cat([image, image_of(network, seed=1)])
    for alone, together in zip(images, method.batch(network, images, [0, 1]), strict=True):
        for one, other in zip(method(network, alone[None], 0), together, strict=True):
            torch.testing.assert_close(one, other)
    assert core.rank(method(network, image, 0)).pathway(0.5).sparsity == pytest.approx(0.5, abs=0.01)
    assert method.name not in METHODS


def test_the_network_is_traced_and_has_a_pathway():
    (example,) = examples("A network")
    names: dict[str, Any] = {}
    exec(compile(example, "network.py", "exec"), names)
    assert names["network"].class_names == ("cat", "cup")
    assert names["pathway"].sparsity == pytest.approx(0.9, abs=0.001)


@pytest.mark.usefixtures("own_queue")
def test_the_page_is_drawn_and_in_the_navigation(tmp_path, monkeypatch):
    page, line = examples("A page")
    folder = tmp_path / "pages"
    shutil.copytree(PAGES, folder)
    (folder / "dead.py").write_text(page, "utf-8")
    monkeypatch.setattr(navigation, "FOLDER", folder)
    monkeypatch.setattr(navigation, "_PAGES", navigation._PAGES | ast.literal_eval(line))
    at = AppTest.from_file(str(APP), default_timeout=60).switch_page(str(folder / "dead.py"))
    at = ran(at)
    assert "How much of the network is silent here?" in "\n".join(text.value for text in at.markdown)
    (table,) = at.table
    assert len(table.value) == 25


@pytest.mark.usefixtures("own_queue")
def test_the_lesson_is_read_and_its_step_opens():
    (text,) = examples("A lesson", "markdown")
    lesson = lessons.read_lesson("8-louder-or-later", text)
    assert lesson.name == "louder-or-later"
    (step,) = lesson.steps
    wanted = step.view("", 1, present=False)
    assert view(opened(wanted.params(), step.page)) == wanted
