"""Results that all sessions share: the most recently used ones, bounded by the bytes they hold, each made once.

``get`` is single-flight: of many that ask for the same missing key at once one makes it while the others wait.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["Drawn", "Results"]

T = TypeVar("T")


@dataclass(frozen=True)
class Drawn:
    """A picture as a file, to be kept among results."""

    data: bytes

    @property
    def nbytes(self) -> int:
        """Return the bytes it holds."""
        return len(self.data)


class Results:
    """A cache of at most ``max_bytes``; the newest entry stays even if it alone is larger. Safe between threads.

    Args:
        max_bytes: what all entries together may hold, by their ``nbytes``.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    @property
    def nbytes(self) -> int:
        """Return the bytes held."""
        return self._bytes

    def peek(self, key: Hashable) -> Any | None:
        """Return an entry, or None where there is none."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value, which has ``nbytes``, and drop what was used longest ago if it takes too much room."""
        with self._lock:
            self._drop(key)
            self._entries[key] = value
            self._bytes += value.nbytes
            while self._bytes > self.max_bytes and len(self._entries) > 1:
                self._drop(next(iter(self._entries)))

    def drop(self, key: Hashable) -> None:
        """Forget an entry, if there is one."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the entry, made now if there is none; while one makes it, others that want it wait."""
        found: T | None = self.peek(key)
        if found is not None:
            return found
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            found = self.peek(key)
            if found is None:
                try:
                    found = make()
                    self.put(key, found)
                finally:
                    with self._lock:
                        self._making.pop(key, None)
            return found

    def _drop(self, key: Hashable) -> None:
        value = self._entries.pop(key, None)
        self._bytes -= value.nbytes if value is not None else 0
