"""What a person sees when something breaks under the app: in words, with a way on, and nothing of theirs lost."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.data import samples
from core.methods import METHODS
from core.models import weights
from explorer.compute import cache, catalogue, restriction
from explorer.compute.task_queue import NO_MEMORY
from explorer.ui.errors import UNFORESEEN
from explorer.ui.render_slots import TURNS, Turns
from explorer.views import sidebar
from tests.app import button, html, opened, ran, until_done, view

pytestmark = pytest.mark.usefixtures("nothing_made")
SMALL = {"network": "fashion_vgg"}
QUICK = {"second": "Random", **SMALL}


def errors(at: AppTest) -> str:
    """What the page's error boxes say, without the marks that keep Markdown from reading them."""
    assert [problem.value for problem in at.exception] == []
    return "\n".join(error.value for error in at.error).replace("\\", "")


def broken(problem: Exception) -> Any:
    def breaks(*_: Any, **__: Any) -> Any:
        raise problem

    return breaks


@pytest.mark.parametrize("problem", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_page_that_runs_out_of_memory_gives_up_what_is_cached_and_can_be_tried_again(problem, monkeypatch):
    at = opened(QUICK)
    assert cache.RESULTS.nbytes > 0
    monkeypatch.setattr(restriction, "_answer", broken(problem))
    at.select_slider(key="view_sparsity").set_value(0.95).run()
    assert errors(at) == NO_MEMORY
    assert cache.RESULTS.nbytes == 0
    assert view(at).sparsity == 0.95
    monkeypatch.undo()
    at = ran(button(at, "Try again").click())
    assert not at.error
    assert view(at).sparsity == 0.95
    assert "NeuronMCT" in html(at)


def test_what_nobody_foresaw_is_said_without_a_traceback_and_leads_back(monkeypatch, caplog):
    at = opened({**QUICK, "sparsity": "0.95"})
    monkeypatch.setattr(restriction, "_answer", broken(KeyError("/home/somebody/secret")))
    at.select_slider(key="view_sparsity").set_value(0.96).run()
    assert errors(at).startswith(f"{UNFORESEEN} (KeyError). ")
    assert "secret" not in errors(at)
    assert "Traceback" in caplog.text
    assert "secret" in caplog.text
    monkeypatch.undo()
    at = ran(button(at, "Back to the first view").click())
    assert view(at).params() == {}


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (MemoryError(), NO_MEMORY),
        pytest.param(ValueError("of a kind"), "ValueError: of a kind", marks=pytest.mark.thorough),
    ],
)
def test_a_job_that_fails_says_why_beside_what_works_and_starts_again(problem, said, monkeypatch):
    with monkeypatch.context() as patch:
        method = METHODS["GreedyPruning"]
        patch.setitem(METHODS, "GreedyPruning", type(method)(**{**vars(method), "function": broken(problem)}))
        at = until_done(opened({"GreedyPruning.steps": "10", **SMALL}))
        assert errors(at) == f"That did not work: {said}"
        assert len(at.image) >= 3
    at = until_done(ran(button(at, "Try again").click()))
    assert not at.error
    assert "GreedyPruning" in html(at)


def test_a_changed_photo_is_named_and_the_others_work(tmp_path, monkeypatch):
    folder = tmp_path / "images"
    shutil.copytree(samples.FOLDER, folder)
    whole = (folder / "coffee.png").read_bytes()
    (folder / "coffee.png").write_bytes(whole[:-1])
    monkeypatch.setattr(samples, "FOLDER", folder)
    catalogue.sample.cache_clear()
    sidebar._sample_thumbnail.cache_clear()
    at = opened({**QUICK, "image": "coffee"})
    assert f"The photo {folder / 'coffee.png'} was changed: SHA-256" in errors(at)
    assert "Restore it: python assets/build.py" in errors(at)
    at = ran(button(at, "Back to the first view").click())
    assert not at.error
    at.query_params["image"] = "rocket"
    assert view(ran(at)).image == "rocket"
    (folder / "coffee.png").write_bytes(whole)
    at.query_params["image"] = "coffee"
    assert not ran(at).error
    catalogue.sample.cache_clear()


def test_changed_weights_are_named_and_the_other_networks_work(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    shutil.copytree(weights.MODELS, folder)
    file = folder / "efficientnet_lite0.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    monkeypatch.setattr(weights, "MODELS", folder)
    at = opened({**QUICK, "network": "efficientnet_lite0"})
    assert f"{file} was changed: SHA-256" in errors(at)
    at = ran(button(at, "Back to squeezenet1_1").click())
    assert not at.error
    assert "NeuronMCT" in html(at)


def test_a_disk_that_is_full_ends_a_download_in_words_and_leaves_no_part(tmp_path, monkeypatch):
    monkeypatch.setenv("PATHWAY_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "_receive", broken(OSError(28, "No space left on device")))
    at = opened({**QUICK, "network": "squeezenet1_0"})
    at = until_done(ran(button(at, "Download").click()))
    assert "No space left on device" in errors(at)
    assert "Set PATHWAY_WEIGHTS to a folder that can be written." in errors(at)
    assert list(Path(tmp_path / "weights").iterdir()) == []


def test_a_page_gives_its_turn_back_whatever_happens(monkeypatch):
    turns = TURNS.free
    assert turns >= 2
    at = opened(QUICK)
    monkeypatch.setattr(restriction, "_answer", broken(KeyError("no")))
    at.select_slider(key="view_sparsity").set_value(0.95).run()
    assert UNFORESEEN in errors(at)
    assert TURNS.free == turns


def test_a_page_waits_for_its_turn():
    drawn = threading.Event()

    def visit() -> None:
        opened(QUICK)
        drawn.set()

    visitor = threading.Thread(target=visit)
    with TURNS:
        with TURNS:
            assert TURNS.free == 0
            visitor.start()
            assert not drawn.wait(1.0)
        assert drawn.wait(60)
        visitor.join()
    assert TURNS.free == 2


def test_turns_go_to_who_came_first_and_those_who_let_others_go_on_after_them():
    turns, order = Turns(1), []

    def draw(name: str) -> None:
        with turns:
            order.append(name)
            turns.let_others()
            order.append(f"rest of {name}")

    threads = [threading.Thread(target=draw, args=(name,)) for name in "abc"]
    with turns:
        for place, thread in enumerate(threads):
            thread.start()
            while len(turns._waiting) <= place:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == ["a", "b", "c", "rest of a", "rest of b", "rest of c"]
    assert turns.free == 1
