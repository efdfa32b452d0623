"""Fixtures of all tests: one thread per tensor operation (toys do not gain from more), the app's queues and results."""

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
settings.register_profile("busy", deadline=None)  # machines are shared; pytest's timeout ends slow tests
settings.load_profile("busy")


@pytest.fixture(autouse=True, scope="session")
def components_are_looked_for_once() -> Iterator[None]:
    """Look for components once; with AppTest, Streamlit reads all installed packages before every run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            manifest_scanner, "scan_component_manifests", functools.cache(manifest_scanner.scan_component_manifests)
        )
        yield


@pytest.fixture
def own_queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give a test queues of its own, stopped at its end."""
    yield from _own(monkeypatch, cache.RESULTS)


@pytest.fixture
def nothing_made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give a test an empty cache of results and queues of its own."""
    yield from _own(monkeypatch, Results(2**30))


def _own(monkeypatch: pytest.MonkeyPatch, results: Results) -> Iterator[None]:
    queue = TaskQueue(results)
    monkeypatch.setattr(cache, "RESULTS", results)
    monkeypatch.setattr(task_queue, "QUEUE", queue)
    yield
    queue.close()


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return an event that GreedyPruning waits for at its first step."""
    method, event = METHODS["GreedyPruning"], threading.Event()

    def held(*inputs: Any, progress: Any, steps: int, **options: int) -> Any:
        while not event.wait(0.01):
            progress(0, steps, "steps")
        return method.function(*inputs, progress=progress, steps=steps, **options)

    monkeypatch.setitem(METHODS, "GreedyPruning", replace(method, function=held))
    return event
