"""Waiting for other threads and processes; the time limit only ends tests that would hang."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from explorer.compute import task_queue
from explorer.compute.task_queue import TaskQueue
from explorer.compute.tasks import Ticket, Work

T = TypeVar("T")
R = TypeVar("R")


def until(there: Callable[[], T], every: float = 0.005) -> T:
    """Call a function until its result is true, and return it."""
    end = time.monotonic() + 120
    while not (found := there()):
        if time.monotonic() > end:
            pytest.fail("It did not come within two minutes.")
        time.sleep(every)
    return found


def finished(work: Work[R], waiter: str = "me", queue: TaskQueue | None = None) -> Ticket[R]:
    """Submit work again and again, as a page does, until it is made or has failed; without a queue, to the app's."""
    queue = queue or task_queue.QUEUE
    until(lambda: queue.submit(work, waiter).state in ("ready", "failed"))
    return queue.submit(work, waiter)
