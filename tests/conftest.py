"""What tests share: one thread a tensor operation (toys gain nothing from more), and the app's queues and results.

Torch and the app are imported by the fixtures, not here: this file is also read by the process that only hands out the
tests to the others, which would spend seconds on them before the others begin.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.browser import browser, context, page, server  # noqa: F401

if TYPE_CHECKING:
    from explorer.compute.cache import Results

settings.register_profile("busy", deadline=None)  # machines are shared; what takes too long hits pytest's timeout
settings.load_profile("busy")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def components_are_looked_for_once() -> Iterator[None]:
    """AppTest has Streamlit read what all installed packages are, in search of components, before every run."""
    from streamlit.components.v2 import manifest_scanner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def own_queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test with queues of its own, stopped at its end."""
    from explorer.compute import compute

    yield from _own(monkeypatch, compute.RESULTS)


@pytest.fixture
def nothing_made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No results from other tests, and queues of its own."""
    from explorer.compute.cache import Results

    yield from _own(monkeypatch, Results(2**30))


def _own(monkeypatch: pytest.MonkeyPatch, results: Results) -> Iterator[None]:
    from explorer.compute import compute
    from explorer.compute.jobs import Jobs

    jobs, errands = Jobs(results), Jobs(results)
    monkeypatch.setattr(compute, "RESULTS", results)
    monkeypatch.setattr(compute, "JOBS", jobs)
    monkeypatch.setattr(compute, "ERRANDS", errands)
    yield
    jobs.close()
    errands.close()


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """GreedyPruning begins its work, and waits at its first step until this is set."""
    from core.methods import METHODS

    method, event = METHODS["GreedyPruning"], threading.Event()

    def held(*inputs: Any, progress: Any, steps: int, **options: int) -> Any:
        while not event.wait(0.01):
            progress(0, steps, "steps")
        return method.function(*inputs, progress=progress, steps=steps, **options)

    monkeypatch.setitem(METHODS, "GreedyPruning", replace(method, function=held))
    return event
