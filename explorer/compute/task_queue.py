"""The one queue of the server, with a lane for what takes minutes and one for what takes some passes.

A session submits its work again and again while it waits. Submitting joins what is queued or running under the same
key, and is the sign that somebody still waits: work that nobody has submitted for ``patience`` seconds is cancelled,
and sooner, in ``RETURN``, where the browsers of all who did are gone. A finished result goes to the shared
``Results``; an error is kept as text until somebody wants to try again.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import torch

from core.errors import Cancelled, PathwayError
from explorer import malloc
from explorer.compute.cache import RESULTS, Results
from explorer.compute.tasks import Lane, State, Task, Ticket, Work

__all__ = ["NO_MEMORY", "QUEUE", "SWITCH", "TaskQueue", "out_of_memory", "start"]

R = TypeVar("R")
T = TypeVar("T")
KEPT_ERRORS = 100
RETURN = 10.0  # seconds in which a lost connection may come back
NO_MEMORY = (
    "There was not enough memory. What had been computed before was given up to make room, so trying again can help; "
    "if it does not, choose a smaller network or fewer columns, or start the app with a smaller PATHWAY_CACHE_MB."
)
# A thread that computes gives up Python's lock in each of thousands of tensor operations. A page that draws meanwhile
# would keep it for 5 ms every time, and a pass beside it take many times as long: python -m tests.benchmark --busy
SWITCH = 0.0002  # seconds for which a thread may keep the lock while another waits


@dataclass
class _Job:
    work: Work[Any]
    waiters: dict[str, float] = field(default_factory=dict)  # who, and when they last submitted it
    started: float | None = None
    done: int = 0
    total: int = 0
    note: str = ""
    stopped: bool = False  # by the last one who waited


@dataclass(frozen=True)
class _Failure:
    error: str
    seconds: float


def out_of_memory(problem: BaseException) -> bool:
    """Return whether something failed for want of memory, of the machine or of the accelerator."""
    allocator = isinstance(problem, RuntimeError) and "DefaultCPUAllocator" in str(problem)
    return allocator or isinstance(problem, MemoryError | torch.OutOfMemoryError)


class TaskQueue:
    """The queue, and the thread that works off each lane, started with the lane's first job.

    Args:
        results: where finished work goes.
        patience: seconds without anybody submitting it after which work is cancelled.
        clock: seconds; tests bring their own.
        connected: whether a waiter's browser is still there.
    """

    def __init__(
        self,
        results: Results,
        patience: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        connected: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._results, self._patience, self._clock, self.connected = results, patience, clock, connected
        self._jobs: OrderedDict[Hashable, _Job] = OrderedDict()  # the first of each lane may be running
        self._failures: OrderedDict[Hashable, _Failure] = OrderedDict()
        self._changed = threading.Condition()
        self._threads: dict[Lane, threading.Thread] = {}
        self._closed = False

    def submit(self, work: Work[R], waiter: str) -> Ticket[R]:
        """Return where work stands, having queued it if it is neither made, queued nor failed.

        Args:
            work: what is wanted.
            waiter: who wants it; keep submitting to keep it alive.
        """
        with self._changed:
            ticket = self._settled(work)
            if ticket.state != "new":
                return ticket
            job = self._jobs.setdefault(work.key, _Job(work))
            job.waiters[waiter] = self._clock()
            job.stopped = False
            self._start(work.lane)
            return self._placed(ticket, job)

    def peek(self, work: Work[R]) -> Ticket[R]:
        """Return where work stands; nothing is queued, and nobody waits."""
        with self._changed:
            ticket, job = self._settled(work), self._jobs.get(work.key)
            return self._placed(ticket, job) if job and ticket.state == "new" else ticket

    def best(self, task: Task[T]) -> T | None:
        """Return the best that a cancelled task had found, None where it had nothing."""
        return self._results.peek(_best_key(task.key))

    def leave(self, key: Hashable, waiter: str) -> None:
        """Stop waiting; work that nobody else waits for is cancelled."""
        with self._changed:
            job = self._jobs.get(key)
            if job is None:
                return
            job.waiters.pop(waiter, None)
            if not job.waiters:
                job.stopped = True
                if job.started is None:
                    del self._jobs[key]

    def retry(self, key: Hashable) -> None:
        """Let failed work be submitted again."""
        with self._changed:
            self._failures.pop(key, None)

    def close(self) -> None:
        """Cancel everything and end the threads, once what runs comes to its next step."""
        with self._changed:
            self._closed = True
            for job in self._jobs.values():
                job.stopped = True
            self._changed.notify_all()
        for thread in self._threads.values():
            thread.join(10)

    def pending(self, lane: Lane | None = None) -> int:
        """Return how many run or wait, in one lane or in both."""
        with self._changed:
            return sum(lane in (None, job.work.lane) for job in self._jobs.values())

    def _settled(self, work: Work[R]) -> Ticket[R]:
        """Return the ticket of what is made or failed, else a new one.

        A result is kept before its job goes; who looks for it first, and then for the job, finds one of the two.
        """
        found, failure = work.find(self._results), self._failures.get(work.key)
        if work.is_complete(found):
            return Ticket(work, "ready", found)
        if failure:
            return Ticket(work, "failed", found, error=failure.error, seconds=failure.seconds)
        return Ticket(work, "new", found)

    def _placed(self, ticket: Ticket[R], job: _Job) -> Ticket[R]:
        if job.started is None:
            lane = [key for key, other in self._jobs.items() if other.work.lane == job.work.lane]
            return replace(ticket, state="queued", position=lane.index(job.work.key))
        state: State = "cancelled" if job.stopped else "running"
        seconds = self._seconds(job)
        return replace(ticket, state=state, done=job.done, total=job.total, note=job.note, seconds=seconds)

    def _start(self, lane: Lane) -> None:
        if lane not in self._threads:
            thread = threading.Thread(target=self._work_off, args=(lane,), name=f"{lane} tasks", daemon=True)
            self._threads[lane] = thread
            thread.start()
        self._changed.notify_all()

    def _seconds(self, job: _Job) -> float:
        return self._clock() - (job.started or 0.0)

    def _work_off(self, lane: Lane) -> None:
        while self._do_next(lane):
            pass

    def _do_next(self, lane: Lane) -> bool:
        """Wait for a job and do it, holding nothing of the one before; return False once there will be none."""
        malloc.give_back()
        with self._changed:
            while (job := self._first(lane)) is None:
                if self._closed:
                    return False
                self._changed.wait()
            if self._abandoned(job):
                del self._jobs[job.work.key]
                return True
            job.started = self._clock()
        self._run(job)
        return True

    def _first(self, lane: Lane) -> _Job | None:
        return next((job for job in self._jobs.values() if job.work.lane == lane), None)

    def _run(self, job: _Job) -> None:
        error = ""
        try:
            self._finish(job)
        except PathwayError as problem:
            error = str(problem) or type(problem).__name__
        except BaseException as problem:  # the queue outlives whatever one job does
            error = f"{type(problem).__name__}: {problem}"
            if out_of_memory(problem):
                self._results.clear()
                error = NO_MEMORY
        with self._changed:
            del self._jobs[job.work.key]
            if error:
                self._failures[job.work.key] = _Failure(error, self._seconds(job))
                while len(self._failures) > KEPT_ERRORS:
                    self._failures.popitem(last=False)

    def _finish(self, job: _Job) -> None:
        """Do a job and keep its result, or what a cancelled one had so far."""
        try:
            result = job.work.make(self._results, partial(self._step, job))
            if result is not None:
                self._results.put(job.work.key, result, self._seconds(job))
        except Cancelled as stop:
            if stop.best is not None:
                self._results.put(_best_key(job.work.key), stop.best, self._seconds(job))

    def _step(self, job: _Job, done: int, total: int, note: str) -> None:
        with self._changed:
            job.done, job.total, job.note = done, total, note
            if self._abandoned(job):
                raise Cancelled(f"Nobody waits for {job.work.key}.")

    def _abandoned(self, job: _Job) -> bool:
        return job.stopped or not any(self._waits(who, asked) for who, asked in job.waiters.items())

    def _waits(self, waiter: str, asked: float) -> bool:
        patience = self._patience if self.connected(waiter) else min(self._patience, RETURN)
        return self._clock() - asked <= patience


def _best_key(key: Hashable) -> Hashable:
    return ("best", key)


QUEUE = TaskQueue(RESULTS)


def start(connected: Callable[[str], bool]) -> None:
    """Prepare this process for computing while it serves pages; every run of the app may call it.

    Args:
        connected: whether the browser of someone who waits is still there.
    """
    QUEUE.connected = connected
    sys.setswitchinterval(SWITCH)
    atexit.unregister(_end)
    atexit.register(_end)


def _end() -> None:
    """Close the queue: torch aborts the process if a thread is in it when Python goes."""
    QUEUE.close()
