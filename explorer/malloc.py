"""Memory that is free, and that the C library keeps all the same; with glibc less of it, elsewhere nothing changes."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["give_back", "share"]

_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h


def share() -> None:
    """Let all threads take memory from two pools; by default there are up to eight a core, and each keeps its own."""
    _call("mallopt", M_ARENA_MAX, 2)
    _call("mallopt", M_MMAP_THRESHOLD, 4 * 2**20)
    _call("mallopt", M_TRIM_THRESHOLD, 128 * 2**20)


def give_back() -> None:
    """Give free memory back to the system."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    function = getattr(_LIBRARY, name, None)
    if function is not None:
        function(*arguments)
