"""Comparisons are what core says of each strategy alone and what sets say of any two, part by part and made once."""

from __future__ import annotations

from itertools import product
from math import nan
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.preprocessing import Crop, Preprocessing
from core.errors import PathwayError
from core.methods import METHODS
from core.network import trace
from core.pathways.fidelity import fidelity
from core.pathways.overlap import chance_overlap, overlap
from core.pathways.ranking import rank
from core.pathways.restriction import pathway_gradient, saliency_map
from core.pathways.scores import Scores
from core.strategy import Strategy
from explorer.compute import cache, comparison, rankings, restriction, task_queue
from explorer.compute.comparison import CURVE, STRIP, Curve
from explorer.compute.rankings import Scored, Selection
from explorer.compute.scene import Scene, make_scene
from explorer.compute.tasks import Task, TaskGroup
from tests.networks import SHAPE, TOYS, seeded
from tests.waiting import finished, until

KINDS = ["Straight", "Residual", "Functional", "Split", "Branches", "Saturating"]
PHOTO = Image.fromarray(np.random.default_rng(3).integers(0, 256, (9, 12, 3), np.uint8))
pytestmark = pytest.mark.usefixtures("nothing_made")


def scene_of(kind: str, target: int | None = 1) -> Scene:
    preprocessing = Preprocessing(size=8, resize=9)
    network = trace(seeded(TOYS[kind]()), SHAPE, name=kind, preprocessing=preprocessing, weights_hash="toy")
    return make_scene(network, PHOTO, Crop(), target)


@pytest.fixture
def scene() -> Scene:
    return scene_of("Residual")


def scored(scene: Scene, name: str, **options: int) -> Scored:
    strategy = Strategy.of(name, **options)
    scores = METHODS[name](scene.network, scene.image, scene.target, **strategy.chosen)
    return Scored(rankings.scores_key(scene, strategy), strategy, rank(scores), scores.trajectory, 0.0)


def three(scene: Scene) -> list[Scored]:
    return [scored(scene, "NeuronMCT"), scored(scene, "Random"), scored(scene, "NeuronIntGrad", n_steps=2)]


def there(group: TaskGroup[Any]) -> tuple[Any, ...]:
    return task_queue.QUEUE.peek(group).result


GROUPS = pytest.mark.parametrize("tasks", [comparison.curve_tasks, comparison.strip_tasks], ids=["curves", "strip"])


# ------------------------------------------------------------------------------------------------------------ members

Neurons = set[tuple[int, int]]  # site, flat position


def neurons_of(masks: tuple[torch.Tensor, ...]) -> Neurons:
    return {(s, i) for s, mask in enumerate(masks) for i, on in enumerate(mask.flatten().tolist()) if on}


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else nan


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_members_are_what_sets_of_neurons_say(kind, sparsity):
    scene = scene_of(kind)
    methods = [scored(scene, "NeuronMCT"), scored(scene, "NeuronIntGrad", n_steps=2), scored(scene, "Random", seed=5)]
    everything = neurons_of(tuple(torch.ones(site.shape, dtype=torch.bool) for site in scene.network.sites))
    dead = neurons_of(tuple(activation[0] == 0 for activation in scene.activations))
    on = [everything, everything - dead, *(neurons_of(m.ranking.pathway(sparsity).masks) for m in methods)]
    names = ("Original", "ActiveSubnet")
    selections = [*(rankings.reference(scene, Strategy(name)) for name in names), *methods]

    found = comparison.members(scene, selections, sparsity)
    n = len(everything)
    shares = [len(neurons) / n for neurons in on]
    overlaps = [[ratio(len(a & b), len(a | b)) for b in on] for a in on]
    chances = [[ratio(k * m, k + m - k * m) for m in shares] for k in shares]
    np.testing.assert_allclose(found.overlaps(), overlaps, rtol=1e-12)
    np.testing.assert_allclose(found.chances(), chances, rtol=1e-12)
    np.testing.assert_allclose(found.dead_shares(), [ratio(len(a & dead), len(a)) for a in on], rtol=1e-12)
    for p, q in product(range(len(on)), repeat=2):
        parts = [on[p] - on[q], on[p] & on[q], on[q] - on[p]]
        sites = range(len(scene.network.sites))
        split = [
            [[sum(i == s for i, _ in some) for s in sites] for some in (part - dead, part & dead)] for part in parts
        ]
        assert found.split(p, q).tolist() == split


def test_members_are_in_the_order_asked_for(scene):
    mct, random, _ = three(scene)
    active = rankings.reference(scene, Strategy("ActiveSubnet"))
    found = comparison.members(scene, [random, active, mct], 0.8)
    turned = comparison.members(scene, [mct, random, active], 0.8)
    sizes = {"random": round(0.2 * 512), "mct": mct.size(0.8), "active": active.chosen.size}
    assert found.sizes().sum(1).tolist() == [sizes["random"], sizes["active"], sizes["mct"]]
    assert turned.sizes().sum(1).tolist() == [sizes["mct"], sizes["random"], sizes["active"]]
    assert found.overlaps()[0, 2] == turned.overlaps()[0, 1]


def test_two_members_are_cores_overlap_and_chance(scene):
    first, second = scored(scene, "NeuronMCT"), scored(scene, "Random", seed=1)
    a, b = first.ranking.pathway(0.8), second.ranking.pathway(0.8)
    found = comparison.members(scene, [first, second], 0.8)
    assert found.overlaps()[0, 1] == found.overlaps()[1, 0] == overlap(a, b)
    assert 0 < found.overlaps()[0, 1] < 1
    assert found.chances()[0, 1] == pytest.approx(chance_overlap(a.size / a.neurons, b.size / b.neurons))
    assert comparison.members(scene, [first, first], 0.8).overlaps().tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert comparison.members(scene, [first, second], 0.3).overlaps()[0, 1] != overlap(a, b)


def test_the_overlap_of_nothing_with_nothing_is_not_a_number(scene):
    none = rank(Scores([torch.zeros(site.shape) for site in scene.network.sites], keeps_zeros=False))
    nothing = Scored(("nothing",), Strategy("Random"), none, (), 0.0)
    found = comparison.members(scene, [nothing, nothing], 0.5)
    assert np.isnan(found.overlaps()).all()
    assert np.isnan(found.chances()).all()
    assert np.isnan(found.dead_shares()).all()


def test_members_are_made_once_for_the_same_neurons(scene):
    mct, random, _ = three(scene)
    active = rankings.reference(scene, Strategy("ActiveSubnet"))
    made = comparison.members(scene, [mct, random, active], 0.8)
    assert comparison.members(scene, [mct, random, active], 0.8) is made
    again = rankings.reference(scene, Strategy("ActiveSubnet"))
    assert comparison.members(scene, (scored(scene, "NeuronMCT"), random, again), 0.8) is made
    assert comparison.members(scene, [mct, random, active], 0.7) is not made
    assert comparison.members(scene, [random, mct, active], 0.8) is not made
    assert comparison.members(scene, [mct, random], 0.8) is not made
    assert comparison.members(scene, [mct, scored(scene, "Random", seed=1), active], 0.8) is not made


def test_members_at_sparsities_that_keep_the_same_neurons_are_one(scene):
    mct, active = scored(scene, "NeuronMCT"), rankings.reference(scene, Strategy("ActiveSubnet"))
    made = comparison.members(scene, [mct, active], 0.8)
    assert mct.size(0.8) == mct.size(0.8001) == mct.size(0.8 + 0.3 / scene.network.neurons)
    assert comparison.members(scene, [mct, active], 0.8001) is made
    assert comparison.members(scene, [mct, active], 0.9) is not made


def test_members_of_another_photo_are_their_own(scene):
    flipped = make_scene(scene.network, PHOTO.transpose(Image.Transpose.FLIP_LEFT_RIGHT), Crop(), 1)
    names = [Strategy("Original"), Strategy("ActiveSubnet")]
    found, other = (comparison.members(s, [rankings.reference(s, n) for n in names], 0.5) for s in (scene, flipped))
    for table, own in ((found, scene), (other, flipped)):
        assert table.dead_shares().tolist() == [own.dead_share, 0.0]
    assert scene.dead_share != flipped.dead_share


# ------------------------------------------------------------------------------------------------------------- curves


@pytest.mark.parametrize("off", ["zero", "frozen"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_curve_is_the_fidelity_at_every_sparsity(kind, off):
    scene = scene_of(kind)
    ranked = three(scene)
    found = finished(comparison.curve_tasks(scene, ranked, off))
    assert found.state == "ready"
    for part, one in zip(found.result, ranked, strict=True):
        assert len(part.points) == len(CURVE) == 16
        for point, sparsity in zip(part.points, CURVE, strict=True):
            wanted = fidelity(scene.network, scene.image, 1, one.ranking.pathway(sparsity), off=off)
            assert point.p_ratio == pytest.approx(wanted.p_ratio, rel=1e-5)
            assert point.fate == wanted.fate
            assert (point.dead_share, point.sparsity) == (wanted.dead_share, wanted.sparsity)
    if off == "frozen":
        assert all(point.p_ratio == pytest.approx(1, rel=1e-5) for part in found.result for point in part.points)


@pytest.mark.parametrize("target", [0, 3])
def test_a_ranking_shared_between_targets_has_a_curve_and_a_row_for_each(target):
    one, other = scene_of("Residual", 1), scene_of("Residual", target)
    random = scored(one, "Random")
    assert random.key == scored(other, "Random").key
    for tasks in (comparison.curve_tasks, comparison.strip_tasks):
        finished(tasks(one, [random], "zero"))
        assert None not in there(tasks(one, [random], "zero"))
        assert there(tasks(other, [random], "zero")) == (None,)
        finished(tasks(other, [random], "zero"))
    points = there(comparison.curve_tasks(other, [random], "zero"))[0].points
    wanted = [fidelity(other.network, other.image, target, random.pathway(sparsity)).p_ratio for sparsity in CURVE]
    assert [point.p_ratio for point in points] == pytest.approx(wanted, rel=1e-5)


# -------------------------------------------------------------------------------------------------------------- strip


@pytest.mark.parametrize("off", ["zero", "frozen"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_strip_is_the_pathway_gradient_at_every_sparsity(kind, off):
    scene = scene_of(kind)
    ranked = three(scene)
    found = finished(comparison.strip_tasks(scene, ranked, off))
    assert found.state == "ready"
    for row, one in zip(found.result, ranked, strict=True):
        assert row.maps.shape == (8, 8, 8)
        assert (row.maps.dtype, row.maps.nbytes) == (np.float32, 8 * 8 * 8 * 4)
        assert len(row.p_ratios) == len(row.fates) == len(STRIP) == 8
        for values, p_ratio, became, sparsity in zip(row.maps, row.p_ratios, row.fates, STRIP, strict=True):
            pathway = one.ranking.pathway(sparsity)
            gradient = pathway_gradient(scene.network, scene.image, 1, pathway, off=off)
            np.testing.assert_allclose(values, saliency_map(gradient).numpy(), rtol=1e-5, atol=1e-8)
            wanted = fidelity(scene.network, scene.image, 1, pathway, off=off)
            assert p_ratio == pytest.approx(wanted.p_ratio, rel=1e-5)
            assert became == wanted.fate


def test_the_papers_sparsities_and_99_percent():
    assert STRIP == (0, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
    assert list(CURVE) == sorted(set(CURVE))
    assert (CURVE[0], CURVE[-1]) == (0, 0.99)


# ---------------------------------------------------------------------------------------------------- part by part


@GROUPS
def test_nothing_is_there_at_first_then_all_of_it_and_the_same_each_time(scene, tasks):
    ranked = three(scene)
    first = tasks(scene, ranked, "zero")
    assert there(first) == (None, None, None)
    assert task_queue.QUEUE.pending() == 0  # it waits to be submitted
    assert finished(first).state == "ready"
    once, twice = (task_queue.QUEUE.submit(tasks(scene, ranked, "zero"), "me") for _ in range(2))
    assert once.state == "ready"
    assert [id(part) for part in once.result] == [id(part) for part in twice.result]
    assert once.work.key == first.key
    until(lambda: task_queue.QUEUE.pending() == 0)


@GROUPS
def test_parts_that_are_made_are_there_while_another_is_missing(scene, tasks):
    mct, random, intgrad = three(scene)
    made = finished(tasks(scene, [mct, random], "zero")).result
    group = tasks(scene, [random, intgrad, mct], "zero")
    found = there(group)
    assert (found[0] is made[1], found[1], found[2] is made[0]) == (True, None, True)
    assert there(tasks(scene, [random, mct], "zero")) == (made[1], made[0])
    assert there(tasks(scene, [mct, random], "frozen")) == (None, None)
    again = finished(group)
    assert again.state == "ready"
    assert again.result[0] is made[1]


@GROUPS
def test_the_same_strategy_twice_is_one_part_in_two_places(scene, tasks):
    mct, random, _ = three(scene)
    finished(tasks(scene, [mct, random, scored(scene, "NeuronMCT")], "zero"))
    parts = there(tasks(scene, [mct, random, mct], "zero"))
    assert parts[0] is parts[2]
    assert parts[0] is not parts[1]


@GROUPS
def test_without_rankings_there_is_nothing_to_wait_for(scene, tasks):
    ticket = task_queue.QUEUE.submit(tasks(scene, [], "zero"), "me")
    assert (ticket.state, ticket.result) == ("ready", ())
    assert not task_queue.QUEUE._threads


def told_by(group: TaskGroup[Any]) -> list[tuple[int, int, str]]:
    """Make a group here and now; return its progress."""
    told: list[tuple[int, int, str]] = []
    group.make(cache.RESULTS, lambda *step: told.append(step))
    return told


@pytest.mark.parametrize(
    ("tasks", "steps", "what"), [(comparison.curve_tasks, 16, "sparsities"), (comparison.strip_tasks, 8, "gradients")]
)
def test_progress_runs_over_the_parts_that_are_missing(scene, tasks, steps, what):
    mct, random, intgrad = three(scene)
    assert told_by(tasks(scene, [random], "zero")) == [(done, steps, f"{what}: Random") for done in range(1, steps + 1)]
    titles = ["NeuronMCT", "NeuronIntGrad (n_steps=2)"]
    assert told_by(tasks(scene, [mct, random, intgrad], "zero")) == [
        (steps * i + done, 2 * steps, f"{what}: {title}")
        for i, title in enumerate(titles)
        for done in range(1, steps + 1)
    ]


@GROUPS
def test_progress_comes_to_its_end_where_a_strategy_stands_twice(scene, tasks):
    mct, random, _ = three(scene)
    done, total, _ = told_by(tasks(scene, [mct, random, mct], "zero"))[-1]
    assert done == total


# ----------------------------------------------------------------------------------------------- failing, and leaving


def refuse(monkeypatch: pytest.MonkeyPatch, unwanted: Scored, problem: Exception) -> None:
    """Let everything about one ranking go wrong."""
    curve, answer = comparison.fidelity_curve, restriction.answer

    def curve_or_error(network, image, target, ranking, *args, **kwargs):
        if ranking is unwanted.ranking:
            raise problem
        return curve(network, image, target, ranking, *args, **kwargs)

    def answer_or_error(scene: Scene, selection: Selection, *args):
        if selection is unwanted:
            raise problem
        return answer(scene, selection, *args)

    monkeypatch.setattr(comparison, "fidelity_curve", curve_or_error)
    monkeypatch.setattr(restriction, "answer", answer_or_error)


@GROUPS
@pytest.mark.parametrize(
    ("problem", "words"), [(PathwayError("no luck"), "no luck"), (ValueError("of a kind"), "ValueError: of a kind")]
)
def test_a_part_that_fails_is_said_and_those_before_it_stay(scene, monkeypatch, tasks, problem, words):
    mct, random, intgrad = three(scene)
    group = tasks(scene, [mct, random, intgrad], "zero")
    with monkeypatch.context() as broken:
        refuse(broken, random, problem)
        ticket = finished(group)
    assert (ticket.state, ticket.error) == ("failed", words)
    assert (ticket.result[0] is not None, ticket.result[1]) == (True, None)
    assert task_queue.QUEUE.submit(group, "me").state == "failed"  # until somebody wants to try again
    task_queue.QUEUE.retry(group.key)
    assert finished(group).state == "ready"


class Gate:
    """Holds work back at a call of ``restriction.answer`` or between two sparsities, until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, held: Scored) -> None:
        self.reached, self.opened = Event(), Event()
        curve, answer = comparison.fidelity_curve, restriction.answer

        def curve_later(network, image, target, ranking, sparsities, *, off, progress):
            def told(*args):
                self._wait_at(ranking is held.ranking)
                progress(*args)

            return curve(network, image, target, ranking, sparsities, off=off, progress=told)

        def answer_later(scene: Scene, selection: Selection, *args):
            self._wait_at(selection is held)
            return answer(scene, selection, *args)

        monkeypatch.setattr(comparison, "fidelity_curve", curve_later)
        monkeypatch.setattr(restriction, "answer", answer_later)

    def _wait_at(self, held: bool) -> None:
        if held:
            self.reached.set()
            assert self.opened.wait(60)


@GROUPS
def test_a_part_is_shown_while_the_next_is_being_made(scene, monkeypatch, tasks):
    mct, random, _ = three(scene)
    gate, group = Gate(monkeypatch, random), tasks(scene, [mct, random], "zero")
    task_queue.QUEUE.submit(group, "me")
    assert gate.reached.wait(60)
    during = task_queue.QUEUE.submit(group, "me")
    assert (during.result[0] is not None, during.result[1]) == (True, None)
    assert during.state == "running"
    gate.opened.set()
    after = finished(group)
    assert after.state == "ready"
    assert after.result[0] is during.result[0]


@GROUPS
def test_leaving_stops_it_and_keeps_the_parts_that_were_made(scene, monkeypatch, tasks):
    mct, random, intgrad = three(scene)
    gate, group = Gate(monkeypatch, random), tasks(scene, [mct, random, intgrad], "zero")
    task_queue.QUEUE.submit(group, "me")
    assert gate.reached.wait(60)
    task_queue.QUEUE.leave(group.key, "me")
    gate.opened.set()
    until(lambda: task_queue.QUEUE.pending() == 0)
    assert [part is not None for part in there(group)] == [True, False, False]
    assert finished(group).state == "ready"  # submitted again, it starts again


@GROUPS
def test_who_leaves_does_not_take_it_from_another(scene, monkeypatch, tasks):
    (mct,) = three(scene)[:1]
    gate, group = Gate(monkeypatch, mct), tasks(scene, [mct], "zero")
    for waiter in ("me", "you"):
        task_queue.QUEUE.submit(group, waiter)
    assert task_queue.QUEUE.pending() == 1
    assert gate.reached.wait(60)
    task_queue.QUEUE.leave(group.key, "me")
    gate.opened.set()
    until(lambda: task_queue.QUEUE.pending() == 0)
    assert None not in there(group)


def test_curves_and_strip_are_two_groups_that_do_not_wait_for_methods(scene):
    curves, strip = (tasks(scene, three(scene), "zero") for tasks in (comparison.curve_tasks, comparison.strip_tasks))
    assert curves.key != strip.key
    go = Event()
    task_queue.QUEUE.submit(Task("method", "", lambda progress: Curve((), int(go.wait(60))), lane="long"), "me")
    assert finished(curves).state == finished(strip).state == "ready"
    assert task_queue.QUEUE.pending("long") == 1
    go.set()
