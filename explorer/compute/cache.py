"""Results that all sessions share: those most worth their room, bounded by the bytes they hold, each made once.

``get`` is single-flight: of many that ask for the same missing key at once one makes it while the others wait.

Worth is what making took, in seconds a byte, so that a scene of 20 ms makes room before a ranking of 5 s that is as
large. What is not used loses against what is: worth counts from the worth of what went last, when an entry was last
used. This is GreedyDual-Size [CaoIrani97]; between equals it is least recently used. What costs more than ``MOST`` is
worth no more than that, or what took an hour and fills little would never go.

``size_of`` says how many bytes a value holds. It is not ``dask.sizeof``, which knows neither tensors nor dataclasses,
and of more than ten parts weighs ten at random: the same activations at a third of their size and at twice.

References:
    [CaoIrani97] Cao and Irani, Cost-Aware WWW Proxy Caching Algorithms, USITS 1997.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, TypeVar

import pandas as pd
from torch import Tensor

__all__ = ["RESULTS", "Results", "size_of"]

T = TypeVar("T")
MOST = 1e-6  # seconds a byte: one second a megabyte


def size_of(value: object) -> int:
    """Return how many bytes a value holds: its own, and those of all that it consists of, each part once.

    Args:
        value: of tensors, arrays, tables, text and numbers, in dataclasses and containers. Tensors that share their
            memory count it once. What has ``nbytes`` is as large as it says.
    """
    sizes: dict[int, int] = {}
    left = [value]
    while left:
        part = left.pop()
        if id(part) in sizes:
            continue
        if isinstance(part, Tensor):
            storage = part.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
        elif isinstance(part, pd.DataFrame):
            sizes[id(part)] = int(part.memory_usage(deep=True).sum())
        elif hasattr(part, "nbytes"):
            sizes[id(part)] = part.nbytes
        else:
            sizes[id(part)] = sys.getsizeof(part)
            left += _parts(part)
    return sum(sizes.values())


def _parts(value: object) -> Collection[object]:
    """Return what a dataclass or a container consists of; nothing of anything else."""
    if is_dataclass(value) and not isinstance(value, type):
        return vars(value).values()
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, tuple | list | set | frozenset) else ()


@dataclass
class _Entry:
    value: Any
    nbytes: int
    price: float  # seconds a byte
    worth: float = 0.0


class Results:
    """A cache of at most ``max_bytes``; the newest entry stays even if it alone is larger. Safe between threads.

    Args:
        max_bytes: what all entries together may hold, by ``size_of``.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._bytes = 0
        self._gone = 0.0  # worth of what went last
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    @property
    def nbytes(self) -> int:
        """Return the bytes held."""
        return self._bytes

    def peek(self, key: Hashable) -> Any | None:
        """Return an entry, or None where there is none."""
        with self._lock:
            entry = self._entries.get(key)
            return self._used(key, entry) if entry else None

    def put(self, key: Hashable, value: Any, seconds: float = 0.0) -> None:
        """Keep a value, and drop what is least worth its room while there is too little.

        Args:
            key: what it is.
            value: what ``size_of`` can weigh.
            seconds: what making it took.
        """
        nbytes = size_of(value)
        entry = _Entry(value, nbytes, min(seconds / max(nbytes, 1), MOST))
        with self._lock:
            self._drop(key)
            least_first = iter(sorted(self._entries, key=self._worth)) if self._full(entry) else iter(())
            while self._full(entry) and (least := next(least_first, None)) is not None:
                self._gone = self._worth(least)
                self._drop(least)
            self._entries[key] = entry
            self._bytes += entry.nbytes
            self._used(key, entry)

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
                start = time.perf_counter()
                try:
                    found = make()
                    self.put(key, found, time.perf_counter() - start)
                finally:
                    with self._lock:
                        self._making.pop(key, None)
            return found

    def _full(self, entry: _Entry) -> bool:
        return self._bytes + entry.nbytes > self.max_bytes

    def _worth(self, key: Hashable) -> float:
        return self._entries[key].worth

    def _used(self, key: Hashable, entry: _Entry) -> Any:
        entry.worth = self._gone + entry.price
        self._entries.move_to_end(key)
        return entry.value

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        self._bytes -= entry.nbytes if entry else 0


RESULTS = Results(int(os.environ.get("PATHWAY_CACHE_MB", "544")) * 2**20)
"""What all sessions of this process share, keyed by content: hashes of weights and image, crop, target, options."""
