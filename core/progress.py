"""How long computations report their progress."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "silent"]

Progress = Callable[[int, int, str], None]
"""Called between steps as ``progress(done, total, note)``; raise ``Cancelled`` in it to stop the work there."""


def silent(done: int, total: int, note: str = "") -> None:
    """Say nothing."""
