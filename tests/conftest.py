"""What tests share: one thread a tensor operation (toys gain nothing from more), and the app's queue and results."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import settings
from streamlit.components.v2 import manifest_scanner

from core.methods import METHODS
from explorer.compute import cache, task_queue
from explorer.compute.cache import Results
from explorer.compute.task_queue import TaskQueue
from tests.browser import browser, page, server  # noqa: F401

torch.set_num_threads(1)
settings.register_profile("busy", deadline=None)  # machines are shared; what takes too long hits pytest's timeout
settings.load_profile("busy")


@pytest.fixture(autouse=True, scope="session")
def components_are_looked_for_once() -> Iterator[None]:
    """AppTest has Streamlit read what all installed packages are, in search of components, before every run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            manifest_scanner, "scan_component_manifests", functools.cache(manifest_scanner.scan_component_manifests)
        )
        yield


@pytest.fixture
def own_queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test with a queue of its own, stopped at its end."""
    yield from _own(monkeypatch, cache.RESULTS)


@pytest.fixture
def nothing_made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No results from other tests, and a queue of its own."""
    yield from _own(monkeypatch, Results(2**30))


def _own(monkeypatch: pytest.MonkeyPatch, results: Results) -> Iterator[None]:
    queue = TaskQueue(results)
    monkeypatch.setattr(cache, "RESULTS", results)
    monkeypatch.setattr(task_queue, "QUEUE", queue)
    yield
    queue.close()


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """GreedyPruning begins its work, and waits at its first step until this is set."""
    method, event = METHODS["GreedyPruning"], threading.Event()

    def held(*inputs: Any, progress: Any, steps: int, **options: int) -> Any:
        while not event.wait(0.01):
            progress(0, steps, "steps")
        return method.function(*inputs, progress=progress, steps=steps, **options)

    monkeypatch.setitem(METHODS, "GreedyPruning", replace(method, function=held))
    return event
