"""How many pages are drawn at once, and who is next.

Python runs one thread at a time, so thirty pages that are drawn at once are all ready when the last of them would have
been; and they hold each other up at every lock on the way. In turns each has the machine nearly to itself.
"""

from __future__ import annotations

from collections import deque
from threading import Lock

__all__ = ["TURNS", "Turns"]


class Turns:
    """Let a number of threads run at once, and the others in the order of their arrival; a context manager.

    Args:
        at_once: how many go on at once.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: deque[Lock] = deque()
        self._lock = Lock()

    @property
    def free(self) -> int:
        """Return how many could go on now."""
        return self._free

    def __enter__(self) -> None:
        self._take()

    def __exit__(self, *_: object) -> None:
        self._give()

    def let_others(self) -> None:
        """Give the turn to the threads that wait now; for a page that has drawn its most important part."""
        if self._waiting:
            self._give()
            self._take()

    def _take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            gate = Lock()
            gate.acquire()
            self._waiting.append(gate)
        gate.acquire()  # until a thread that leaves releases it

    def _give(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


TURNS = Turns(2)
"""Whoever draws a page has one of these; more than one, as a page may wait for what another thread computes."""
