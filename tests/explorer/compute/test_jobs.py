"""The job queue: one piece of work at a time, shared, cancelled when nobody waits, and never stuck."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch

from core.errors import Cancelled, PathwayError
from core.progress import Progress
from explorer.compute.cache import Results
from explorer.compute.jobs import KEPT_ERRORS, NO_MEMORY, RETURN, Jobs, Status, Work
from tests.waiting import until


@dataclass(frozen=True)
class Made:
    name: str
    nbytes: int = 1


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """Work that stands still between two steps until it is let on, and notes what became of it."""

    def __init__(self, name: str = "gate", steps: int = 4) -> None:
        self.name, self.steps = name, steps
        self.runs, self.ended, self.went_on = 0, 0, threading.Semaphore(0)
        self.at_step, self.idle = threading.Semaphore(0), True

    def __call__(self, progress: Progress) -> Made:
        self.runs += 1
        try:
            for step in range(self.steps):
                progress(step, self.steps, f"{self.name} steps")
                self.at_step.release()
                assert self.went_on.acquire(timeout=60)
            return Made(self.name)
        finally:
            self.ended += 1

    def started(self) -> None:
        """Wait until it stands at its next step."""
        assert self.at_step.acquire(timeout=60)

    def on(self, steps: int = 1) -> None:
        self.went_on.release(steps)


def finished(jobs: Jobs, key: str, work: Work, waiter: str = "me") -> Status:
    """Ask until it is done or failed."""
    until(lambda: jobs.ask(key, work, waiter).state in ("done", "failed"))
    return jobs.ask(key, work, waiter)


def never(progress: Progress) -> Made:
    pytest.fail("ran work that was there already")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(clock: Clock) -> Iterator[Jobs]:
    jobs = Jobs(Results(1000), patience=60, clock=clock)
    yield jobs
    jobs.close()


# --------------------------------------------------------------------------------------------------- asking, sharing


def test_identical_requests_are_one_piece_of_work(jobs: Jobs):
    gate = Gate()
    jobs.ask("key", gate, "first")
    gate.started()
    for waiter in ("first", "second", "third"):
        assert jobs.ask("key", never, waiter).state == "running"
    gate.on(4)
    results = [finished(jobs, "key", never, waiter).result for waiter in ("first", "second", "third")]
    assert gate.runs == 1
    assert results[0] == Made("gate")
    assert all(result is results[0] for result in results)
    assert jobs.pending == 0


def test_a_result_that_is_there_needs_no_job():
    results = Results(1000)
    results.put("key", Made("before"))
    jobs = Jobs(results)
    assert jobs.ask("key", never, "me") == Status("done", Made("before"))
    assert jobs.pending == 0


def test_position_in_line_counts_down(jobs: Jobs):
    gates = {name: Gate(name, 1) for name in "abc"}
    jobs.ask("a", gates["a"], "me")
    gates["a"].started()
    assert [jobs.ask(name, gates[name], "me").position for name in "bc"] == [1, 2]
    assert jobs.ask("c", gates["c"], "other").state == "waiting"
    assert jobs.pending == 3
    gates["a"].on()
    gates["b"].started()
    assert jobs.ask("c", gates["c"], "me") == Status("waiting", position=1)
    gates["b"].on()
    gates["c"].started()
    assert jobs.ask("c", gates["c"], "me").state == "running"
    gates["c"].on()
    until(lambda: jobs.pending == 0)


def test_progress_is_told_with_the_time_it_should_still_take(jobs: Jobs, clock: Clock):
    gate = Gate("halves", 4)
    jobs.ask("key", gate, "me")
    gate.started()
    status = jobs.ask("key", gate, "me")
    assert (status.state, status.done, status.total, status.note) == ("running", 0, 4, "halves steps")
    assert (status.fraction, status.seconds_left) == (0.0, None)
    clock.now += 6
    gate.on()
    gate.started()
    status = jobs.ask("key", gate, "me")
    assert (status.done, status.fraction, status.seconds, status.seconds_left) == (1, 0.25, 6, 18)
    gate.on(3)
    until(lambda: jobs.pending == 0)


def test_fraction_and_seconds_left_of_a_status_by_hand():
    assert Status("running", done=3, total=2).fraction == 1.0
    assert Status("waiting").fraction == 0.0
    assert Status("running", done=5, total=20, seconds=10.0).seconds_left == 30.0
    assert Status("done", done=5, total=20, seconds=10.0).seconds_left is None


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PathwayError("Got 3, wanted 4."), "Got 3, wanted 4."),
        (PathwayError(), "PathwayError"),
        (ValueError("seven"), "ValueError: seven"),
        (MemoryError("no 9 GB"), NO_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory."), NO_MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), NO_MEMORY),
        (RuntimeError("another"), "RuntimeError: another"),
        (SystemExit(1), "SystemExit: 1"),
    ],
)
def test_an_error_is_kept_as_text_until_it_is_forgotten(jobs: Jobs, clock: Clock, error: BaseException, text: str):
    runs = []

    def fails(progress: Progress) -> Made:
        runs.append(1)
        clock.now += 2
        raise error

    status = finished(jobs, "key", fails)
    assert (status.state, status.error.removesuffix(": "), status.seconds) == ("failed", text, 2)
    assert jobs.ask("key", fails, "other").state == "failed"
    assert len(runs) == 1
    assert jobs.pending == 0
    jobs.forget_error("key")
    assert finished(jobs, "key", lambda progress: Made("second try")).result == Made("second try")


def test_without_memory_what_was_computed_before_makes_room(jobs: Jobs):
    assert finished(jobs, "before", lambda progress: Made("before")).state == "done"

    def fails(progress: Progress) -> Made:
        raise MemoryError

    assert finished(jobs, "large", fails).error == NO_MEMORY
    assert jobs._results.nbytes == 0
    assert jobs._results.peek("before") is None


def test_the_queue_goes_on_after_an_error(jobs: Jobs):
    assert finished(jobs, "bad", lambda progress: Made("x", 1 // 0)).error.startswith("ZeroDivisionError: ")
    assert finished(jobs, "good", lambda progress: Made("good")).result == Made("good")


class Unknown:
    """A result whose size nobody can tell."""

    @property
    def nbytes(self) -> int:
        raise ValueError("no size")


def test_a_best_so_far_that_cannot_be_kept_does_not_end_the_queue(jobs: Jobs):
    def stopped(progress: Progress) -> Made:
        stop = Cancelled("enough")
        stop.best = Unknown()
        raise stop

    assert finished(jobs, "bad", stopped).error.startswith("ValueError: ")
    assert finished(jobs, "good", lambda progress: Made("good")).result == Made("good")


def test_only_so_many_errors_are_kept(jobs: Jobs):
    def fails(progress: Progress) -> Made:
        raise PathwayError("no")

    for i in range(KEPT_ERRORS + 2):
        finished(jobs, f"key {i}", fails)
    assert finished(jobs, "key 0", lambda progress: Made("now")).state == "done"  # its error was dropped: tried again
    assert jobs.ask(f"key {KEPT_ERRORS + 1}", never, "me").state == "failed"


def test_results_are_bounded_by_bytes(clock: Clock):
    results = Results(100)
    jobs = Jobs(results, clock=clock)
    for name in "abc":
        finished(jobs, name, lambda progress, name=name: Made(name, 40))
    assert results.nbytes == 80
    assert [results.peek(name) for name in "abc"] == [None, Made("b", 40), Made("c", 40)]
    jobs.close()


def test_what_a_job_took_long_for_outlives_newer_results(clock: Clock):
    def slow(progress: Progress) -> Made:
        clock.now += 10
        return Made("slow", 40)

    results = Results(100)
    jobs = Jobs(results, clock=clock)
    finished(jobs, "slow", slow)
    for name in "abc":
        finished(jobs, name, lambda progress, name=name: Made(name, 40))
    assert [results.peek(name) for name in ("slow", *"abc")] == [Made("slow", 40), None, None, Made("c", 40)]
    jobs.close()


# ------------------------------------------------------------------------------------------------ leaving, patience


def test_the_only_waiter_leaves_and_it_stops_between_two_steps(jobs: Jobs):
    gate = Gate()
    jobs.ask("key", gate, "me")
    gate.started()
    jobs.leave("key", "me")
    gate.on()
    until(lambda: jobs.pending == 0)
    assert (gate.runs, gate.ended) == (1, 1)
    assert not gate.at_step.acquire(blocking=False)  # it never reached its second step
    again = Gate("again", 1)
    again.on()
    assert finished(jobs, "key", again).result == Made("again")  # cancelled is not failed


def test_one_of_two_leaves_and_it_goes_on(jobs: Jobs):
    gate = Gate()
    jobs.ask("key", gate, "me")
    jobs.ask("key", gate, "other")
    gate.started()
    jobs.leave("key", "me")
    jobs.leave("key", "me")
    jobs.leave("key", "a stranger")
    gate.on(4)
    assert finished(jobs, "key", never, "other").result == Made("gate")


def test_a_job_in_line_goes_when_its_last_waiter_leaves(jobs: Jobs):
    gate, last = Gate(steps=1), Gate("last", 1)
    jobs.ask("running", gate, "me")
    gate.started()
    jobs.ask("in line", never, "me")
    jobs.ask("in line", never, "other")
    assert jobs.ask("last", last, "me").position == 2
    jobs.leave("in line", "me")
    assert jobs.pending == 3
    jobs.leave("in line", "other")
    assert jobs.pending == 2
    assert jobs.ask("last", last, "me").position == 1
    jobs.leave("nothing", "me")
    gate.on()
    last.on()
    assert finished(jobs, "last", last).result == Made("last")


def goes_on_for(seconds: float, jobs: Jobs, gate: Gate, clock: Clock) -> None:
    """Running work does its next step after so many seconds, and stops two seconds later."""
    clock.now += seconds
    gate.on()
    gate.started()
    clock.now += 2
    gate.on()
    until(lambda: jobs.pending == 0)
    assert gate.ended == 1


def test_work_that_nobody_asked_for_in_a_minute_stops(jobs: Jobs, clock: Clock):
    gate = Gate()
    jobs.ask("key", gate, "me")
    gate.started()
    clock.now += 59
    gate.on()
    gate.started()
    jobs.ask("key", gate, "other")
    goes_on_for(59, jobs, gate, clock)  # "me" asked 118 seconds ago, "other" 59
    assert not gate.at_step.acquire(blocking=False)


def test_work_whose_waiters_closed_their_browsers_stops_sooner(clock: Clock):
    gone: set[str] = set()
    jobs, gate = Jobs(Results(1000), clock=clock, connected=lambda waiter: waiter not in gone), Gate()
    jobs.ask("key", gate, "me")
    jobs.ask("key", gate, "other")
    jobs.ask("in line", never, "me")
    gate.started()
    gone.add("me")
    clock.now += RETURN + 1  # "other" is there, and only slow to ask
    gate.on()
    gate.started()
    assert jobs.ask("key", gate, "me").state == "running"  # a connection that came back
    gone.add("other")
    goes_on_for(RETURN - 1, jobs, gate, clock)
    jobs.close()


def test_a_job_in_line_that_nobody_asked_for_in_a_minute_never_starts(jobs: Jobs, clock: Clock):
    gate, last = Gate(steps=1), Gate("last", 1)
    jobs.ask("running", gate, "me")
    gate.started()
    jobs.ask("closed tab", never, "gone")
    clock.now += 61
    jobs.ask("last", last, "me")
    gate.on()
    last.on()
    assert finished(jobs, "last", last).result == Made("last")
    assert jobs.pending == 0


def test_asking_again_revives_what_was_about_to_stop(jobs: Jobs, clock: Clock):
    gate = Gate()
    jobs.ask("key", gate, "me")
    gate.started()
    jobs.leave("key", "me")
    assert jobs.ask("key", gate, "me").state == "running"
    gate.on()
    gate.started()
    clock.now += 100
    jobs.ask("key", gate, "me")
    gate.on(3)
    assert finished(jobs, "key", never).result == Made("gate")
    assert gate.runs == 1


def test_closing_stops_the_work_and_the_thread():
    jobs, gate = Jobs(Results(100)), Gate()
    jobs.ask("key", gate, "me")
    jobs.ask("in line", never, "me")
    gate.started()
    gate.on()
    jobs.close()
    assert jobs.pending == 0
    assert gate.ended == 1
    assert not any(thread.name == "jobs" for thread in threading.enumerate())
    jobs.close()


# -------------------------------------------------------------------------------------------------------------- race


class SlowToMiss(Results):
    """Gives work half a second to end between looking up a result that is missing and saying so."""

    def __init__(self) -> None:
        super().__init__(100)
        self.looked = threading.Event()

    def peek(self, key: object) -> object:
        found = super().peek(key)
        if found is None and threading.current_thread().name == "slow":
            self.looked.set()
            time.sleep(0.5)
        return found


def test_work_that_ends_while_somebody_asks_for_it_runs_once(clock: Clock):
    results, gate = SlowToMiss(), Gate(steps=1)
    jobs = Jobs(results, clock=clock)
    jobs.ask("key", gate, "me")
    gate.started()
    slow = threading.Thread(target=jobs.ask, args=("key", gate, "slow"), name="slow")
    slow.start()
    assert results.looked.wait(60)
    gate.on(2)
    slow.join(60)
    assert finished(jobs, "key", gate).result == Made("gate")
    until(lambda: jobs.pending == 0)
    assert gate.runs == 1
    jobs.close()


def test_many_threads_asking_leaving_and_forgetting_at_random():
    results, keys, end = Results(12), [f"key {i}" for i in range(20)], time.monotonic() + 2
    jobs = Jobs(results, patience=5)
    running: list[str] = []
    wrong: list[str] = []
    made: list[str] = []

    def work(key: str) -> Work:
        def make(progress: Progress) -> Made:
            running.append(key)
            if len(running) > 1:
                wrong.append(f"{running} at once")
            try:
                for step in range(3):
                    progress(step, 3, key)
                    time.sleep(0.0005)
                if key.endswith("7"):
                    raise PathwayError(key)
                made.append(key)
                return Made(key)
            finally:
                running.remove(key)

        return make

    def check(key: str, status: Status) -> None:
        right = {
            "done": status.result == Made(key) and not key.endswith("7"),
            "failed": status.error == key and key.endswith("7"),
            "running": status.total in (0, 3) and status.note in ("", key),
            "waiting": 0 <= status.position < len(keys),
        }
        if not right[status.state]:
            wrong.append(f"{key}: {status}")

    def person(seed: int) -> None:
        chance, me = random.Random(seed), f"person {seed}"
        while time.monotonic() < end:
            key = chance.choice(keys)
            what = chance.randrange(6)
            if what == 0:
                jobs.leave(key, me)
            elif what == 1:
                jobs.forget_error(key)
            else:
                check(key, jobs.ask(key, work(key), me))
            time.sleep(chance.random() * 0.002)
        for key in keys:
            jobs.leave(key, me)

    people = [threading.Thread(target=person, args=(seed,)) for seed in range(16)]
    for thread in people:
        thread.start()
    workers = max(sum(t.name == "jobs" and t.is_alive() for t in threading.enumerate()) for _ in range(50))
    for thread in people:
        thread.join(20)
    until(lambda: jobs.pending == 0)
    assert wrong == []
    assert workers == 1
    assert len(made) > 50
    assert results.nbytes <= 12
    assert running == []
    assert finished(jobs, "key 0", work("key 0")).result == Made("key 0")  # still at work
    jobs.close()
