"""Waiting for other threads and processes; the time limit only ends tests that would hang."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def until(there: Callable[[], T], every: float = 0.005) -> T:
    """Call a function until its result is true, and return it."""
    end = time.monotonic() + 120
    while not (found := there()):
        if time.monotonic() > end:
            pytest.fail("It did not come within two minutes.")
        time.sleep(every)
    return found
