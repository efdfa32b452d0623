"""Work of several parts, each shared by itself: those made are shown while the others are still to come."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from core.progress import Progress
from explorer.compute import cache, jobs
from explorer.compute.jobs import Status

__all__ = ["Errand", "Part", "errand"]


@dataclass(frozen=True)
class Part:
    """One part: under which key it is shared, what people call it, and what makes it."""

    key: tuple[Hashable, ...]
    title: str
    make: Callable[[Progress], Any]


@dataclass(frozen=True)
class Errand:
    """What was asked for, part by part, None for what is still to come.

    Attributes:
        parts: in the order in which they were asked for.
        key: the job's.
        ask: asks where the job stands; see ``Jobs.ask``.
    """

    parts: tuple[Any, ...]
    key: tuple[Hashable, ...]
    ask: Callable[[], Status]

    @property
    def complete(self) -> bool:
        """Return whether no part is missing."""
        return None not in self.parts


@dataclass(frozen=True)
class _Run:
    """That an errand was run; its parts lie each under a key of its own."""


def errand(parts: Sequence[Part], steps: int, waiter: str) -> Errand:
    """Return the parts that are there, and how to ask for the others.

    Args:
        parts: in order; equal keys are one part.
        steps: how many each tells of.
        waiter: who asks.
    """
    keys = [part.key for part in parts]
    whole = ("errand", *keys)

    def work(progress: Progress) -> _Run:
        missing = [key for key in dict.fromkeys(keys) if cache.RESULTS.peek(key) is None]

        def make(part: Part) -> Any:
            before = steps * missing.index(part.key) if part.key in missing else 0

            def told(done: int, total: int, note: str) -> None:
                share = done * steps // total if total else 0  # of its own steps, whatever it counts
                progress(before + share, steps * len(missing), f"{note}: {part.title}")

            return cache.RESULTS.get(part.key, lambda: part.make(told))

        for part in parts:
            make(part)
        return _Run()

    def ask() -> Status:
        return jobs.ERRANDS.ask(whole, work, waiter)

    found = tuple(cache.RESULTS.peek(key) for key in keys)
    if None not in found:
        return Errand(found, whole, lambda: Status("done"))
    cache.RESULTS.drop(whole)  # of a run whose parts are gone since
    return Errand(found, whole, ask)
