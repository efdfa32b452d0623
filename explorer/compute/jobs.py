"""Long work: one queue for the whole server.

A session ``ask``s for a result by its key, again and again while it waits. Asking joins what is queued or running
under the same key, and is the sign that somebody still waits: work that nobody has asked for in ``patience`` seconds
is cancelled, and sooner, in ``RETURN``, where the browsers of all who asked are gone. A finished result goes to the
shared ``Results``; an error is kept as text until somebody asks to try again.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from core.errors import Cancelled, PathwayError
from core.progress import Progress
from explorer.compute import malloc
from explorer.compute.cache import RESULTS, Results

__all__ = [
    "ERRANDS",
    "JOBS",
    "NO_MEMORY",
    "Jobs",
    "Status",
    "Work",
    "ask_who_left",
    "best_key",
    "forget_error",
    "leave",
    "out_of_memory",
]

Work = Callable[[Progress], Any]
State = Literal["done", "running", "waiting", "failed"]
KEPT_ERRORS = 100
RETURN = 10.0  # seconds in which a lost connection may come back
NO_MEMORY = (
    "There was not enough memory. What had been computed before was given up to make room, so trying again can help; "
    "if it does not, choose a smaller network or fewer columns, or start the app with a smaller PATHWAY_CACHE_MB."
)


@dataclass(frozen=True)
class Status:
    """Where a piece of work stands.

    Attributes:
        state: where it stands.
        result: what it made, once done.
        position: how many are before it, while it waits.
        done, total, note: its own progress while it runs.
        seconds: since it started, or that it took.
        error: why it failed.
    """

    state: State
    result: Any = None
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


@dataclass
class _Job:
    key: Hashable
    work: Work
    waiters: dict[str, float] = field(default_factory=dict)  # who, and when they last asked
    started: float | None = None
    done: int = 0
    total: int = 0
    note: str = ""
    stopped: bool = False  # by the last one who waited


def out_of_memory(problem: BaseException) -> bool:
    """Return whether something failed for want of memory, of the machine or of the accelerator."""
    allocator = isinstance(problem, RuntimeError) and "DefaultCPUAllocator" in str(problem)
    return allocator or isinstance(problem, MemoryError | torch.OutOfMemoryError)


def best_key(key: Hashable) -> Hashable:
    """Return under what the best result so far of cancelled work lies, where it had one."""
    return ("best", key)


class Jobs:
    """The queue and the one thread that works it off, started with the first job.

    Args:
        results: where finished work goes.
        patience: seconds without anybody asking after which a job is cancelled.
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
        self._jobs: OrderedDict[Hashable, _Job] = OrderedDict()  # the first may be running
        self._errors: OrderedDict[Hashable, Status] = OrderedDict()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def ask(self, key: Hashable, work: Work, waiter: str) -> Status:
        """Return where the work under a key stands, having queued it if it is neither made, queued nor failed.

        Args:
            key: what is wanted; equal keys are one piece of work.
            work: makes the result; told nothing but a progress callback.
            waiter: who asks; keep asking to keep it alive.
        """
        with self._changed:  # a result is put before its job goes, so one of the two is found here
            result = self._results.peek(key)
            if result is not None:
                return Status("done", result)
            if key in self._errors:
                return self._errors[key]
            job = self._jobs.setdefault(key, _Job(key, work))
            job.waiters[waiter] = self._clock()
            job.stopped = False
            self._start()
            return self._status(job)

    def leave(self, key: Hashable, waiter: str) -> None:
        """Stop waiting; a job that nobody else waits for is cancelled."""
        with self._changed:
            job = self._jobs.get(key)
            if job is None:
                return
            job.waiters.pop(waiter, None)
            if not job.waiters:
                job.stopped = True
                if job.started is None:
                    del self._jobs[key]

    def forget_error(self, key: Hashable) -> None:
        """Let failed work be tried again."""
        with self._changed:
            self._errors.pop(key, None)

    def close(self) -> None:
        """Cancel everything and end the thread, once the running job comes to its next step."""
        with self._changed:
            self._closed = True
            for job in self._jobs.values():
                job.stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(10)

    @property
    def pending(self) -> int:
        """Return how many jobs run or wait."""
        with self._changed:
            return len(self._jobs)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work_off, name="jobs", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _status(self, job: _Job) -> Status:
        if job.started is None:
            return Status("waiting", position=list(self._jobs).index(job.key))
        return Status("running", done=job.done, total=job.total, note=job.note, seconds=self._seconds(job))

    def _seconds(self, job: _Job) -> float:
        return self._clock() - (job.started or 0.0)

    def _work_off(self) -> None:
        while self._do_next():
            pass

    def _do_next(self) -> bool:
        """Wait for a job and do it, holding nothing of the one before; return False once there will be none."""
        malloc.give_back()
        with self._changed:
            while not self._jobs:
                if self._closed:
                    return False
                self._changed.wait()
            job = next(iter(self._jobs.values()))
            if self._abandoned(job):
                del self._jobs[job.key]
                return True
            job.started = self._clock()
        self._run(job)
        return True

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
            del self._jobs[job.key]
            if error:
                self._errors[job.key] = Status("failed", error=error, seconds=self._seconds(job))
                while len(self._errors) > KEPT_ERRORS:
                    self._errors.popitem(last=False)

    def _finish(self, job: _Job) -> None:
        """Do a job and keep its result, or what a cancelled one had so far."""
        try:
            result = job.work(lambda done, total, note: self._step(job, done, total, note))
            self._results.put(job.key, result, self._seconds(job))
        except Cancelled as stop:
            if stop.best is not None:
                self._results.put(best_key(job.key), stop.best, self._seconds(job))

    def _step(self, job: _Job, done: int, total: int, note: str) -> None:
        with self._changed:
            job.done, job.total, job.note = done, total, note
            if self._abandoned(job):
                raise Cancelled(f"Nobody waits for {job.key}.")

    def _abandoned(self, job: _Job) -> bool:
        return job.stopped or not any(self._waits(who, asked) for who, asked in job.waiters.items())

    def _waits(self, waiter: str, asked: float) -> bool:
        patience = self._patience if self.connected(waiter) else min(self._patience, RETURN)
        return self._clock() - asked <= patience


# A thread that computes gives up Python's lock in each of thousands of tensor operations. A page that draws meanwhile
# would keep it for 5 ms every time, and a pass beside it take many times as long: python -m tests.benchmark --busy
SWITCH = 0.0002  # seconds for which a thread may keep the lock while another waits
sys.setswitchinterval(SWITCH)

JOBS = Jobs(RESULTS)
ERRANDS = Jobs(RESULTS)  # work of some passes, which need not wait behind that of a thousand
for _line in (JOBS, ERRANDS):
    atexit.register(_line.close)  # torch aborts the process if a thread is in it when Python goes


def ask_who_left(connected: Callable[[str], bool]) -> None:
    """Let both queues ask whether the browser of someone who waits is still there."""
    for line in (JOBS, ERRANDS):
        line.connected = connected


def leave(key: Hashable, waiter: str) -> None:
    """Stop waiting for a job, in whichever line it is."""
    JOBS.leave(key, waiter)
    ERRANDS.leave(key, waiter)


def forget_error(key: Hashable) -> None:
    """Let a job that failed be tried again."""
    JOBS.forget_error(key)
    ERRANDS.forget_error(key)
