"""Fixtures of all tests: one thread per tensor operation (toys do not gain from more), the app's queue and results.

The fixtures import torch and the app, not this file: the process that hands out the tests to the workers reads it too,
and would spend seconds on them before the workers begin.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.browser import browser, context, page, server  # noqa: F401

if TYPE_CHECKING:
    from explorer.compute.cache import Results

settings.register_profile("busy", deadline=None)  # machines are shared; pytest's timeout ends slow tests
settings.load_profile("busy")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def components_are_looked_for_once() -> Iterator[None]:
    """Look for components once; with AppTest, Streamlit reads all installed packages before every run."""
    from streamlit.components.v2 import manifest_scanner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            manifest_scanner, "scan_component_manifests", functools.cache(manifest_scanner.scan_component_manifests)
        )
        yield


@pytest.fixture
def own_queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give a test a queue of its own, stopped at its end."""
    from explorer.compute import cache

    yield from _own(monkeypatch, cache.RESULTS)


@pytest.fixture
def nothing_made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give a test an empty cache of results and a queue of its own."""
    from explorer.compute.cache import Results

    yield from _own(monkeypatch, Results(2**30))


def _own(monkeypatch: pytest.MonkeyPatch, results: Results) -> Iterator[None]:
    from explorer.compute import cache, task_queue

    queue = task_queue.TaskQueue(results)
    monkeypatch.setattr(cache, "RESULTS", results)
    monkeypatch.setattr(task_queue, "QUEUE", queue)
    yield
    queue.close()


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return an event that GreedyPruning waits for at its first step."""
    from core.methods import METHODS

    method, event = METHODS["GreedyPruning"], threading.Event()

    def held(*inputs: Any, progress: Any, steps: int, **options: int) -> Any:
        while not event.wait(0.01):
            progress(0, steps, "steps")
        return method.function(*inputs, progress=progress, steps=steps, **options)

    monkeypatch.setitem(METHODS, "GreedyPruning", replace(method, function=held))
    return event
