"""Slots in which pages are drawn: a few at once, the others in the order of their arrival.

Python runs one thread at a time, so thirty pages drawn at once would all be ready at the time of the last one, and
would wait for each other at every lock. In turns, each has the machine nearly to itself.
"""

from __future__ import annotations

from collections import deque
from threading import Lock

__all__ = ["TURNS", "Turns"]


class Turns:
    """A context manager that lets a number of threads run at once, and the others in the order of their arrival.

    Args:
        at_once: how many threads run at once.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: deque[Lock] = deque()
        self._lock = Lock()

    @property
    def free(self) -> int:
        """Return how many more threads could run now."""
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
"""Every page is drawn in one of these slots. There are two, as a page may wait for a result of another thread."""
