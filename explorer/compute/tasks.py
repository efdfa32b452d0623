"""Long work as values: what is to be made, what of it is there, and where it stands in the queue.

A page makes a task, and the queue returns a ticket for it:

    task = Task(("scores", ...), "NeuronIntGrad", lambda progress: ..., lane="long")
    ticket = task_queue.QUEUE.submit(task, waiter)
    ticket.state, ticket.result, ticket.position
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeVar

from core.progress import Progress
from explorer.compute.cache import Results

__all__ = ["Lane", "State", "Task", "TaskGroup", "Ticket", "Work"]

T = TypeVar("T")
R = TypeVar("R")
Lane = Literal["long", "short"]
State = Literal["new", "queued", "running", "ready", "cancelled", "failed"]


class Work(Protocol[R]):
    """What a queue takes: a task, or whatever else knows where its results are and how they are made."""

    @property
    def key(self) -> Hashable:
        """Return its name; equal keys are one piece of work."""

    @property
    def lane(self) -> Lane:
        """Return the lane that it waits in."""

    def find(self, results: Results) -> R:
        """Return what is there of it."""

    def is_complete(self, found: R) -> bool:
        """Return whether nothing is missing in what was found."""

    def make(self, results: Results, progress: Progress) -> Any:
        """Make what is missing; return what the queue is to keep under the key, None for nothing."""


@dataclass(frozen=True)
class Task(Generic[T]):
    """A piece of work whose result all sessions share.

    Attributes:
        key: under which it is shared; equal keys are one piece of work.
        title: what people call it.
        compute: makes the result; told nothing but a progress callback.
        lane: "long" for a thousand passes, "short" for what need not wait behind those.
    """

    key: Hashable
    title: str
    compute: Callable[[Progress], T]
    lane: Lane = "short"

    def find(self, results: Results) -> T | None:
        """Return the result, None where there is none."""
        return results.peek(self.key)

    def is_complete(self, found: T | None) -> bool:
        """Return whether there is a result."""
        return found is not None

    def make(self, results: Results, progress: Progress) -> T:  # noqa: ARG002
        """Return the result, made anew."""
        return self.compute(progress)


@dataclass(frozen=True)
class TaskGroup(Generic[T]):
    """Tasks wanted together, each shared by itself: those done are shown while the others are still to come.

    Attributes:
        tasks: in order; equal keys are one.
        steps: how many each tells of.
        lane: as of a task.
    """

    tasks: Sequence[Task[T]]
    steps: int
    lane: Lane = "short"

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Return the key of all of them together."""
        return ("group", *(task.key for task in self.tasks))

    def find(self, results: Results) -> tuple[T | None, ...]:
        """Return the result of each task, None for what is still to come."""
        return tuple(task.find(results) for task in self.tasks)

    def is_complete(self, found: tuple[T | None, ...]) -> bool:
        """Return whether every task has its result."""
        return all(result is not None for result in found)

    def make(self, results: Results, progress: Progress) -> None:
        """Make and keep the missing results one by one; progress runs over those."""
        missing = [key for key in dict.fromkeys(t.key for t in self.tasks) if results.peek(key) is None]
        for task in self.tasks:
            place = missing.index(task.key) if task.key in missing else 0
            told = partial(self._tell, progress, place, len(missing), task.title)
            results.get(task.key, partial(task.compute, told))

    def _tell(self, progress: Progress, place: int, count: int, title: str, done: int, total: int, note: str) -> None:
        share = done * self.steps // total if total else 0  # of its own steps, whatever it counts
        progress(place * self.steps + share, count * self.steps, f"{note}: {title}")


@dataclass(frozen=True)
class Ticket(Generic[R]):
    """Where a piece of work stands.

    Attributes:
        work: whose ticket it is.
        state: "new" where nobody has submitted it, "cancelled" where nobody waits any longer.
        result: what there is of it.
        position: how many in its lane are before it, while it is queued.
        done, total, note: its own progress while it runs.
        seconds: since it started, or until it failed.
        error: why it failed.
    """

    work: Work[R]
    state: State
    result: R
    position: int = 0
    done: int = 0
    total: int = 0
    note: str = ""
    seconds: float = 0.0
    error: str = ""

    @property
    def fraction(self) -> float:
        """Return the share done, in [0, 1]."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Return how long it should still take at the pace so far; None before its first step."""
        return self.seconds * (self.total - self.done) / self.done if self.done and self.state == "running" else None
