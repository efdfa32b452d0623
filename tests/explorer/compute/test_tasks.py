"""Tasks, groups of them and tickets, by hand."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from core.progress import Progress
from explorer.compute.cache import Results
from explorer.compute.tasks import State, Task, TaskGroup, Ticket


@dataclass(frozen=True)
class Made:
    name: str
    nbytes: int = 1


def letter(name: str, steps: int = 2) -> Task[Made]:
    def compute(progress: Progress) -> Made:
        for done in range(1, steps + 1):
            progress(done, steps, "strokes")
        return Made(name)

    return Task(name, f"letter {name}", compute)


def never(progress: Progress) -> Made:
    pytest.fail("computed what was there already")


def test_a_task_finds_what_lies_under_its_key():
    results, task = Results(10), Task("a", "letter a", never)
    assert not task.is_complete(task.find(results))
    results.put("a", Made("a"))
    assert task.find(results) == Made("a")
    assert task.is_complete(task.find(results))


def test_a_group_makes_what_is_missing_and_keeps_each_under_its_own_key():
    results, told = Results(10), []
    results.put("b", Made("b"))
    group = TaskGroup([letter("a"), Task("b", "letter b", never), letter("c"), letter("a")], steps=2)
    assert group.find(results) == (None, Made("b"), None, None)
    assert group.make(results, lambda *step: told.append(step)) is None
    assert group.find(results) == (Made("a"), Made("b"), Made("c"), Made("a"))
    assert group.is_complete(group.find(results))
    assert told == [
        (1, 4, "strokes: letter a"),
        (2, 4, "strokes: letter a"),
        (3, 4, "strokes: letter c"),
        (4, 4, "strokes: letter c"),
    ]


def test_progress_of_a_group_counts_its_own_steps_whatever_a_task_counts():
    told: list[tuple[int, int, str]] = []
    TaskGroup([letter("a", 5)], steps=2).make(Results(10), lambda *step: told.append(step))
    assert [step[:2] for step in told] == [(0, 2), (0, 2), (1, 2), (1, 2), (2, 2)]


def test_a_group_is_one_piece_of_work_by_the_keys_of_its_tasks():
    a, b = letter("a"), letter("b")
    assert TaskGroup([a, b], 2).key == TaskGroup([letter("a"), letter("b")], 9).key
    assert len({TaskGroup(tasks, 2).key for tasks in ([a, b], [b, a], [a], [a, a])}) == 4
    assert TaskGroup([a], 2).key != a.key


def test_an_empty_group_is_complete():
    group: TaskGroup[Made] = TaskGroup([], 2)
    assert group.find(Results(10)) == ()
    assert group.is_complete(())


@pytest.mark.parametrize(
    ("state", "done", "total", "fraction", "left"),
    [
        ("running", 3, 2, 1.0, -10 / 3),
        ("running", 5, 20, 0.25, 30.0),
        ("running", 0, 20, 0.0, None),
        ("queued", 0, 0, 0.0, None),
        ("ready", 5, 20, 0.25, None),
    ],
)
def test_fraction_and_seconds_left_of_a_ticket(
    state: State, done: int, total: int, fraction: float, left: float | None
):
    ticket = Ticket(letter("a"), state, None, done=done, total=total, seconds=10.0)
    assert ticket.fraction == fraction
    assert ticket.seconds_left == (None if left is None else pytest.approx(left))
