"""Comparisons are what core says of each strategy alone and what sets say of any two, part by part and made once."""

from __future__ import annotations

from collections.abc import Callable
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
from explorer.compute import cache, comparison, jobs, rankings, restriction
from explorer.compute.comparison import CURVE, STRIP, Curve
from explorer.compute.errands import Errand
from explorer.compute.jobs import Status
from explorer.compute.rankings import Scored, Selection
from explorer.compute.scene import Scene, make_scene
from tests.networks import SHAPE, TOYS, seeded
from tests.waiting import until

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


def finish(errand: Errand) -> Status:
    """Ask until it is made or has failed, as a page does."""
    until(lambda: errand.ask().state in ("done", "failed"))
    return errand.ask()


ERRANDS = pytest.mark.parametrize("ask", [comparison.curves, comparison.strip], ids=["curves", "strip"])


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
    assert finish(comparison.curves(scene, ranked, off, "me")).state == "done"
    found = comparison.curves(scene, ranked, off, "me")
    assert found.complete
    for part, one in zip(found.parts, ranked, strict=True):
        assert len(part.points) == len(CURVE) == 16
        for point, sparsity in zip(part.points, CURVE, strict=True):
            wanted = fidelity(scene.network, scene.image, 1, one.ranking.pathway(sparsity), off=off)
            assert point.p_ratio == pytest.approx(wanted.p_ratio, rel=1e-5)
            assert point.fate == wanted.fate
            assert (point.dead_share, point.sparsity) == (wanted.dead_share, wanted.sparsity)
    if off == "frozen":
        assert all(point.p_ratio == pytest.approx(1, rel=1e-5) for part in found.parts for point in part.points)


@pytest.mark.parametrize("target", [0, 3])
def test_a_ranking_shared_between_targets_has_a_curve_and_a_row_for_each(target):
    one, other = scene_of("Residual", 1), scene_of("Residual", target)
    random = scored(one, "Random")
    assert random.key == scored(other, "Random").key
    for ask in (comparison.curves, comparison.strip):
        finish(ask(one, [random], "zero", "me"))
        assert ask(one, [random], "zero", "me").complete
        assert ask(other, [random], "zero", "me").parts == (None,)
        finish(ask(other, [random], "zero", "me"))
    points = comparison.curves(other, [random], "zero", "me").parts[0].points
    wanted = [fidelity(other.network, other.image, target, random.pathway(sparsity)).p_ratio for sparsity in CURVE]
    assert [point.p_ratio for point in points] == pytest.approx(wanted, rel=1e-5)


# -------------------------------------------------------------------------------------------------------------- strip


@pytest.mark.parametrize("off", ["zero", "frozen"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_strip_is_the_pathway_gradient_at_every_sparsity(kind, off):
    scene = scene_of(kind)
    ranked = three(scene)
    assert finish(comparison.strip(scene, ranked, off, "me")).state == "done"
    for row, one in zip(comparison.strip(scene, ranked, off, "me").parts, ranked, strict=True):
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


@ERRANDS
def test_nothing_is_there_at_first_then_all_of_it_and_the_same_each_time(scene, ask):
    ranked = three(scene)
    first = ask(scene, ranked, "zero", "me")
    assert (first.parts, first.complete) == ((None, None, None), False)
    assert jobs.ERRANDS.pending == 0  # it waits to be asked
    assert finish(first).state == "done"
    once, twice = (ask(scene, ranked, "zero", "me") for _ in range(2))
    assert once.complete
    assert [id(part) for part in once.parts] == [id(part) for part in twice.parts]
    assert once.key == first.key
    assert once.ask().state == "done"
    assert jobs.ERRANDS.pending == jobs.JOBS.pending == 0


@ERRANDS
def test_parts_that_are_made_are_there_while_another_is_missing(scene, ask):
    mct, random, intgrad = three(scene)
    finish(ask(scene, [mct, random], "zero", "me"))
    made = ask(scene, [mct, random], "zero", "me").parts
    found = ask(scene, [random, intgrad, mct], "zero", "me")
    assert not found.complete
    assert (found.parts[0] is made[1], found.parts[1], found.parts[2] is made[0]) == (True, None, True)
    assert ask(scene, [random, mct], "zero", "me").parts == (made[1], made[0])
    assert ask(scene, [mct, random], "frozen", "me").parts == (None, None)
    finish(found)
    again = ask(scene, [random, intgrad, mct], "zero", "me")
    assert again.complete
    assert again.parts[0] is made[1]


@ERRANDS
def test_the_same_strategy_twice_is_one_part_in_two_places(scene, ask):
    mct, random, _ = three(scene)
    finish(ask(scene, [mct, random, scored(scene, "NeuronMCT")], "zero", "me"))
    parts = ask(scene, [mct, random, mct], "zero", "me").parts
    assert parts[0] is parts[2]
    assert parts[0] is not parts[1]


@ERRANDS
def test_without_rankings_there_is_nothing_to_wait_for(scene, ask):
    found = ask(scene, [], "zero", "me")
    assert (found.parts, found.complete) == ((), True)
    assert found.ask() == Status("done")
    assert jobs.ERRANDS._thread is None


class AtOnce:
    """Stands in for the queue: does what it is asked for at once, and keeps what it was told on the way."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, str]] = []

    def ask(self, key: Any, work: Callable[..., Any], waiter: str) -> Status:
        made = work(lambda *told: self.told.append(told))
        cache.RESULTS.put(key, made)
        return Status("done", made)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> AtOnce:
    queue = AtOnce()
    monkeypatch.setattr(jobs, "ERRANDS", queue)
    return queue


@pytest.mark.parametrize(
    ("ask", "steps", "what"), [(comparison.curves, 16, "sparsities"), (comparison.strip, 8, "gradients")]
)
def test_progress_runs_over_the_parts_that_are_missing(scene, at_once, ask, steps, what):
    mct, random, intgrad = three(scene)
    ask(scene, [random], "zero", "me").ask()
    assert at_once.told == [(done, steps, f"{what}: Random") for done in range(1, steps + 1)]
    at_once.told.clear()
    ask(scene, [mct, random, intgrad], "zero", "me").ask()
    titles = ["NeuronMCT", "NeuronIntGrad (n_steps=2)"]
    assert at_once.told == [
        (steps * i + done, 2 * steps, f"{what}: {title}")
        for i, title in enumerate(titles)
        for done in range(1, steps + 1)
    ]


@ERRANDS
def test_progress_comes_to_its_end_where_a_strategy_stands_twice(scene, at_once, ask):
    mct, random, _ = three(scene)
    ask(scene, [mct, random, mct], "zero", "me").ask()
    done, total, _ = at_once.told[-1]
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


@ERRANDS
@pytest.mark.parametrize(
    ("problem", "words"), [(PathwayError("no luck"), "no luck"), (ValueError("of a kind"), "ValueError: of a kind")]
)
def test_a_part_that_fails_is_said_and_those_before_it_stay(scene, monkeypatch, ask, problem, words):
    mct, random, intgrad = three(scene)
    with monkeypatch.context() as broken:
        refuse(broken, random, problem)
        status = finish(ask(scene, [mct, random, intgrad], "zero", "me"))
    assert (status.state, status.error) == ("failed", words)
    found = ask(scene, [mct, random, intgrad], "zero", "me")
    assert not found.complete
    assert found.parts[0] is not None
    assert found.parts[1] is None
    assert found.ask().state == "failed"  # until somebody asks to try again
    jobs.forget_error(found.key)
    assert finish(found).state == "done"
    assert ask(scene, [mct, random, intgrad], "zero", "me").complete


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


@ERRANDS
def test_a_part_is_shown_while_the_next_is_being_made(scene, monkeypatch, ask):
    mct, random, _ = three(scene)
    gate = Gate(monkeypatch, random)
    ask(scene, [mct, random], "zero", "me").ask()
    assert gate.reached.wait(60)
    during = ask(scene, [mct, random], "zero", "me")
    assert (during.parts[0] is not None, during.parts[1]) == (True, None)
    assert during.ask().state == "running"
    gate.opened.set()
    assert finish(during).state == "done"
    after = ask(scene, [mct, random], "zero", "me")
    assert after.complete
    assert after.parts[0] is during.parts[0]


@ERRANDS
def test_leaving_stops_it_and_keeps_the_parts_that_were_made(scene, monkeypatch, ask):
    mct, random, intgrad = three(scene)
    gate = Gate(monkeypatch, random)
    errand = ask(scene, [mct, random, intgrad], "zero", "me")
    errand.ask()
    assert gate.reached.wait(60)
    jobs.leave(errand.key, "me")
    gate.opened.set()
    until(lambda: jobs.ERRANDS.pending == 0)
    assert cache.RESULTS.peek(errand.key) is None
    left = ask(scene, [mct, random, intgrad], "zero", "me")
    assert [part is not None for part in left.parts] == [True, False, False]
    assert finish(left).state == "done"  # asked again, it starts again
    assert ask(scene, [mct, random, intgrad], "zero", "me").complete


@ERRANDS
def test_who_leaves_does_not_take_it_from_another(scene, monkeypatch, ask):
    (mct,) = three(scene)[:1]
    gate = Gate(monkeypatch, mct)
    mine, yours = (ask(scene, [mct], "zero", waiter) for waiter in ("me", "you"))
    mine.ask()
    yours.ask()
    assert jobs.ERRANDS.pending == 1
    assert gate.reached.wait(60)
    jobs.leave(mine.key, "me")
    gate.opened.set()
    until(lambda: cache.RESULTS.peek(yours.key) is not None)
    assert ask(scene, [mct], "zero", "you").complete


def test_curves_and_strip_are_two_errands_that_do_not_wait_for_methods(scene):
    curves, strip = (ask(scene, three(scene), "zero", "me") for ask in (comparison.curves, comparison.strip))
    assert curves.key != strip.key
    go = Event()
    jobs.JOBS.ask("method", lambda progress: Curve((), int(go.wait(60))), "me")
    assert finish(curves).state == finish(strip).state == "done"
    assert jobs.JOBS.pending == 1
    go.set()
