"""The job queue: one piece of work at a time, shared, cancelled when nobody waits, and never stuck."""

from __future__ import annotations

import atexit
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import Cancelled, PathwayError
from core.progress import Progress
from explorer.compute import task_queue
from explorer.compute.cache import Results
from explorer.compute.task_queue import KEPT_ERRORS, NO_MEMORY, RETURN, TaskQueue
from explorer.compute.tasks import Lane, Task, Ticket
from tests.waiting import finished, until

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Made:
    name: str
    nbytes: int = 1


Compute = Callable[[Progress], Any]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """Compute that stands still between two steps until it is let on, and notes what became of it."""

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


def submit(queue: TaskQueue, key: str, compute: Compute, waiter: str = "me") -> Ticket[Any]:
    return queue.submit(Task(key, "a title", compute), waiter)


def finish(queue: TaskQueue, key: str, compute: Compute, waiter: str = "me") -> Ticket[Any]:
    """Submit until it is done or failed."""
    return finished(Task(key, "a title", compute), waiter, queue)


def never(progress: Progress) -> Made:
    pytest.fail("ran work that was there already")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> Iterator[TaskQueue]:
    queue = TaskQueue(Results(1000), patience=60, clock=clock)
    yield queue
    queue.close()


# --------------------------------------------------------------------------------------------------- asking, sharing


def test_identical_requests_are_one_piece_of_work(queue: TaskQueue):
    gate = Gate()
    submit(queue, "key", gate, "first")
    gate.started()
    for waiter in ("first", "second", "third"):
        assert submit(queue, "key", never, waiter).state == "running"
    gate.on(4)
    results = [finish(queue, "key", never, waiter).result for waiter in ("first", "second", "third")]
    assert gate.runs == 1
    assert results[0] == Made("gate")
    assert all(result is results[0] for result in results)
    assert queue.pending() == 0


def test_a_result_that_is_there_needs_no_job():
    results = Results(1000)
    results.put("key", Made("before"))
    queue = TaskQueue(results)
    task = Task("key", "a title", never)
    assert queue.submit(task, "me") == queue.peek(task) == Ticket(task, "ready", Made("before"))
    assert queue.pending() == 0


def test_position_in_line_counts_down(queue: TaskQueue):
    gates = {name: Gate(name, 1) for name in "abc"}
    submit(queue, "a", gates["a"], "me")
    gates["a"].started()
    assert [submit(queue, name, gates[name], "me").position for name in "bc"] == [1, 2]
    assert submit(queue, "c", gates["c"], "other").state == "queued"
    assert queue.pending() == 3
    gates["a"].on()
    gates["b"].started()
    ticket = submit(queue, "c", gates["c"], "me")
    assert ticket == Ticket(ticket.work, "queued", None, position=1)
    gates["b"].on()
    gates["c"].started()
    assert submit(queue, "c", gates["c"], "me").state == "running"
    gates["c"].on()
    until(lambda: queue.pending() == 0)


def test_progress_is_told_with_the_time_it_should_still_take(queue: TaskQueue, clock: Clock):
    gate = Gate("halves", 4)
    submit(queue, "key", gate, "me")
    gate.started()
    ticket = submit(queue, "key", gate, "me")
    assert (ticket.state, ticket.done, ticket.total, ticket.note) == ("running", 0, 4, "halves steps")
    assert (ticket.fraction, ticket.seconds_left) == (0.0, None)
    clock.now += 6
    gate.on()
    gate.started()
    ticket = submit(queue, "key", gate, "me")
    assert (ticket.done, ticket.fraction, ticket.seconds, ticket.seconds_left) == (1, 0.25, 6, 18)
    gate.on(3)
    until(lambda: queue.pending() == 0)


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
def test_an_error_is_kept_as_text_until_it_is_forgotten(
    queue: TaskQueue, clock: Clock, error: BaseException, text: str
):
    runs = []

    def fails(progress: Progress) -> Made:
        runs.append(1)
        clock.now += 2
        raise error

    ticket = finish(queue, "key", fails)
    assert (ticket.state, ticket.error.removesuffix(": "), ticket.seconds) == ("failed", text, 2)
    assert submit(queue, "key", fails, "other").state == "failed"
    assert len(runs) == 1
    assert queue.pending() == 0
    queue.retry("key")
    assert finish(queue, "key", lambda progress: Made("second try")).result == Made("second try")


def test_without_memory_what_was_computed_before_makes_room(queue: TaskQueue):
    assert finish(queue, "before", lambda progress: Made("before")).state == "ready"

    def fails(progress: Progress) -> Made:
        raise MemoryError

    assert finish(queue, "large", fails).error == NO_MEMORY
    assert queue._results.nbytes == 0
    assert queue._results.peek("before") is None


def test_the_queue_goes_on_after_an_error(queue: TaskQueue):
    assert finish(queue, "bad", lambda progress: Made("x", 1 // 0)).error.startswith("ZeroDivisionError: ")
    assert finish(queue, "good", lambda progress: Made("good")).result == Made("good")


class Unknown:
    """A result whose size cannot be told."""

    @property
    def nbytes(self) -> int:
        raise ValueError("no size")


def test_a_best_so_far_that_cannot_be_kept_does_not_end_the_queue(queue: TaskQueue):
    def stopped(progress: Progress) -> Made:
        stop = Cancelled("enough")
        stop.best = Unknown()
        raise stop

    assert finish(queue, "bad", stopped).error.startswith("ValueError: ")
    assert finish(queue, "good", lambda progress: Made("good")).result == Made("good")


def test_only_so_many_errors_are_kept(queue: TaskQueue):
    def fails(progress: Progress) -> Made:
        raise PathwayError("no")

    for i in range(KEPT_ERRORS + 2):
        finish(queue, f"key {i}", fails)
    assert finish(queue, "key 0", lambda progress: Made("now")).state == "ready"  # its error was dropped: tried again
    assert submit(queue, f"key {KEPT_ERRORS + 1}", never, "me").state == "failed"


def test_results_are_bounded_by_bytes(clock: Clock):
    results = Results(100)
    queue = TaskQueue(results, clock=clock)
    for name in "abc":
        finish(queue, name, lambda progress, name=name: Made(name, 40))
    assert results.nbytes == 80
    assert [results.peek(name) for name in "abc"] == [None, Made("b", 40), Made("c", 40)]
    queue.close()


def test_what_a_job_took_long_for_outlives_newer_results(clock: Clock):
    def slow(progress: Progress) -> Made:
        clock.now += 10
        return Made("slow", 40)

    results = Results(100)
    queue = TaskQueue(results, clock=clock)
    finish(queue, "slow", slow)
    for name in "abc":
        finish(queue, name, lambda progress, name=name: Made(name, 40))
    assert [results.peek(name) for name in ("slow", *"abc")] == [Made("slow", 40), None, None, Made("c", 40)]
    queue.close()


# ------------------------------------------------------------------------------------------------ leaving, patience


def test_the_only_waiter_leaves_and_it_stops_between_two_steps(queue: TaskQueue):
    gate = Gate()
    submit(queue, "key", gate, "me")
    gate.started()
    queue.leave("key", "me")
    gate.on()
    until(lambda: queue.pending() == 0)
    assert (gate.runs, gate.ended) == (1, 1)
    assert not gate.at_step.acquire(blocking=False)  # it never reached its second step
    again = Gate("again", 1)
    again.on()
    assert finish(queue, "key", again).result == Made("again")  # cancelled is not failed


def test_one_of_two_leaves_and_it_goes_on(queue: TaskQueue):
    gate = Gate()
    submit(queue, "key", gate, "me")
    submit(queue, "key", gate, "other")
    gate.started()
    queue.leave("key", "me")
    queue.leave("key", "me")
    queue.leave("key", "a stranger")
    gate.on(4)
    assert finish(queue, "key", never, "other").result == Made("gate")


def test_a_job_in_line_goes_when_its_last_waiter_leaves(queue: TaskQueue):
    gate, last = Gate(steps=1), Gate("last", 1)
    submit(queue, "running", gate, "me")
    gate.started()
    submit(queue, "in line", never, "me")
    submit(queue, "in line", never, "other")
    assert submit(queue, "last", last, "me").position == 2
    queue.leave("in line", "me")
    assert queue.pending() == 3
    queue.leave("in line", "other")
    assert queue.pending() == 2
    assert submit(queue, "last", last, "me").position == 1
    queue.leave("nothing", "me")
    gate.on()
    last.on()
    assert finish(queue, "last", last).result == Made("last")


def goes_on_for(seconds: float, queue: TaskQueue, gate: Gate, clock: Clock) -> None:
    """Running work does its next step after so many seconds, and stops two seconds later."""
    clock.now += seconds
    gate.on()
    gate.started()
    clock.now += 2
    gate.on()
    until(lambda: queue.pending() == 0)
    assert gate.ended == 1


def test_work_that_nobody_asked_for_in_a_minute_stops(queue: TaskQueue, clock: Clock):
    gate = Gate()
    submit(queue, "key", gate, "me")
    gate.started()
    clock.now += 59
    gate.on()
    gate.started()
    submit(queue, "key", gate, "other")
    goes_on_for(59, queue, gate, clock)  # "me" asked 118 seconds ago, "other" 59
    assert not gate.at_step.acquire(blocking=False)


def test_work_whose_waiters_closed_their_browsers_stops_sooner(clock: Clock):
    gone: set[str] = set()
    queue, gate = TaskQueue(Results(1000), clock=clock, connected=lambda waiter: waiter not in gone), Gate()
    submit(queue, "key", gate, "me")
    submit(queue, "key", gate, "other")
    submit(queue, "in line", never, "me")
    gate.started()
    gone.add("me")
    clock.now += RETURN + 1  # "other" is there, and only slow to ask
    gate.on()
    gate.started()
    assert submit(queue, "key", gate, "me").state == "running"  # a connection that came back
    gone.add("other")
    goes_on_for(RETURN - 1, queue, gate, clock)
    queue.close()


def test_a_job_in_line_that_nobody_asked_for_in_a_minute_never_starts(queue: TaskQueue, clock: Clock):
    gate, last = Gate(steps=1), Gate("last", 1)
    submit(queue, "running", gate, "me")
    gate.started()
    submit(queue, "closed tab", never, "gone")
    clock.now += 61
    submit(queue, "last", last, "me")
    gate.on()
    last.on()
    assert finish(queue, "last", last).result == Made("last")
    assert queue.pending() == 0


def test_asking_again_revives_what_was_about_to_stop(queue: TaskQueue, clock: Clock):
    gate = Gate()
    submit(queue, "key", gate, "me")
    gate.started()
    queue.leave("key", "me")
    assert submit(queue, "key", gate, "me").state == "running"
    gate.on()
    gate.started()
    clock.now += 100
    submit(queue, "key", gate, "me")
    gate.on(3)
    assert finish(queue, "key", never).result == Made("gate")
    assert gate.runs == 1


def test_closing_stops_the_work_and_the_thread():
    queue, gate = TaskQueue(Results(100)), Gate()
    submit(queue, "key", gate, "me")
    submit(queue, "in line", never, "me")
    gate.started()
    gate.on()
    queue.close()
    assert queue.pending() == 0
    assert gate.ended == 1
    assert not any(thread.name == "short tasks" for thread in threading.enumerate())
    queue.close()


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
    queue = TaskQueue(results, clock=clock)
    submit(queue, "key", gate, "me")
    gate.started()
    slow = threading.Thread(target=submit, args=(queue, "key", gate, "slow"), name="slow")
    slow.start()
    assert results.looked.wait(60)
    gate.on(2)
    slow.join(60)
    assert finish(queue, "key", gate).result == Made("gate")
    until(lambda: queue.pending() == 0)
    assert gate.runs == 1
    queue.close()


def test_many_threads_asking_leaving_and_forgetting_at_random():
    results, keys, end = Results(12), [f"key {i}" for i in range(20)], time.monotonic() + 2
    queue = TaskQueue(results, patience=5)
    running: list[str] = []
    wrong: list[str] = []
    made: list[str] = []

    def work(key: str) -> Compute:
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

    def check(key: str, ticket: Ticket[Any]) -> None:
        right = {
            "ready": ticket.result == Made(key) and not key.endswith("7"),
            "failed": ticket.error == key and key.endswith("7"),
            "running": ticket.total in (0, 3) and ticket.note in ("", key),
            "queued": 0 <= ticket.position < len(keys),
        }
        if not right[ticket.state]:
            wrong.append(f"{key}: {ticket}")

    def person(seed: int) -> None:
        chance, me = random.Random(seed), f"person {seed}"
        while time.monotonic() < end:
            key = chance.choice(keys)
            what = chance.randrange(6)
            if what == 0:
                queue.leave(key, me)
            elif what == 1:
                queue.retry(key)
            else:
                check(key, submit(queue, key, work(key), me))
            time.sleep(chance.random() * 0.002)
        for key in keys:
            queue.leave(key, me)

    people = [threading.Thread(target=person, args=(seed,)) for seed in range(16)]
    for thread in people:
        thread.start()
    workers = max(sum(t.name == "short tasks" and t.is_alive() for t in threading.enumerate()) for _ in range(50))
    for thread in people:
        thread.join(20)
    until(lambda: queue.pending() == 0)
    assert wrong == []
    assert workers == 1
    assert len(made) > 50
    assert results.nbytes <= 12
    assert running == []
    assert finish(queue, "key 0", work("key 0")).result == Made("key 0")  # still at work
    queue.close()


# ------------------------------------------------------------------------------------------------- lanes, and starting


def in_lane(lane: Lane, key: str, compute: Compute) -> Task[Any]:
    return Task(key, "a title", compute, lane)


def test_what_takes_some_passes_does_not_wait_for_what_takes_minutes(queue: TaskQueue):
    slow, quick = Gate("slow", 1), Gate("quick", 1)
    queue.submit(in_lane("long", "slow", slow), "me")
    slow.started()
    assert queue.submit(in_lane("long", "next", never), "me").position == 1
    quick.on()
    assert finished(in_lane("short", "quick", quick), "me", queue).result == Made("quick")
    assert queue.submit(in_lane("short", "last", Gate("last", 0)), "me").position == 0  # of its own lane
    assert (queue.pending("long"), queue.peek(in_lane("long", "slow", slow)).state) == (2, "running")
    queue.leave("next", "me")
    slow.on()
    until(lambda: queue.pending() == 0)


@pytest.mark.parametrize("lane", ["long", "short"])
def test_leaving_and_trying_again_reach_work_in_either_lane(queue: TaskQueue, lane: Lane):
    def fail(progress: Progress) -> Made:
        raise PathwayError("no luck")

    gate = Gate("before", 1)
    queue.submit(in_lane(lane, "before", gate), "another")
    gate.started()
    assert queue.submit(in_lane(lane, "left", never), "me").state == "queued"
    queue.leave("left", "another")
    assert queue.pending(lane) == 2
    queue.leave("left", "me")
    assert queue.pending(lane) == 1
    gate.on()
    assert finished(in_lane(lane, "failing", fail), "me", queue).error == "no luck"
    queue.retry("failing")
    assert finished(in_lane(lane, "failing", lambda progress: Made("now")), "me", queue).result == Made("now")


def test_looking_queues_nothing_and_keeps_nothing_alive(queue: TaskQueue, clock: Clock):
    gate = Gate()
    task = Task("key", "a title", gate)
    assert queue.peek(task) == Ticket(task, "new", None)
    assert (queue.pending(), queue._threads) == (0, {})
    queue.submit(task, "me")
    gate.started()
    assert queue.peek(task).state == "running"
    clock.now += 61
    assert queue.peek(task).state == "running"
    gate.on()
    until(lambda: queue.pending() == 0)  # it was only looked at for a minute
    assert queue.peek(task) == Ticket(task, "new", None)


def test_work_that_is_about_to_stop_is_cancelled(queue: TaskQueue):
    gate = Gate()
    task = Task("key", "a title", gate)
    queue.submit(task, "me")
    gate.started()
    queue.leave("key", "me")
    assert queue.peek(task).state == "cancelled"
    gate.on()
    until(lambda: queue.pending() == 0)


@pytest.fixture
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """A queue of its own, and what is registered for the end of the process."""
    registered: list[object] = []
    interval = sys.getswitchinterval()
    monkeypatch.setattr(task_queue, "QUEUE", TaskQueue(Results(100)))
    monkeypatch.setattr(atexit, "register", registered.append)
    monkeypatch.setattr(atexit, "unregister", lambda end: end in registered and registered.remove(end))
    yield registered
    sys.setswitchinterval(interval)


def test_starting_twice_is_starting_once(own_process: list[Callable[[], None]]):
    """Streamlit runs the app's entry again for every visitor."""
    sys.setswitchinterval(0.005)
    for _ in range(2):
        task_queue.start(lambda waiter: waiter == "me")
    assert sys.getswitchinterval() == pytest.approx(0.0002)
    assert [task_queue.QUEUE.connected(waiter) for waiter in ("me", "you")] == [True, False]
    (end,) = own_process
    gate = Gate(steps=1)
    submit(task_queue.QUEUE, "key", gate, "me")
    gate.started()
    gate.on()
    end()
    assert not any(thread.name == "short tasks" for thread in threading.enumerate())


def test_importing_starts_nothing():
    code = """
import atexit, sys, threading
ends, register = [], atexit.register
atexit.register = lambda end, *args, **more: ends.append(str(end.__module__)) or register(end, *args, **more)
from explorer.compute import catalogue, rankings, task_queue
ours = [name for name in ends if name.startswith("explorer")]
print(sys.getswitchinterval(), ours, [thread.name for thread in threading.enumerate() if "tasks" in thread.name])
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "0.005 [] []"
