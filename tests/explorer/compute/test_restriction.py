"""An answer is what core says of the restricted network, shared where the neurons are the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.data.preprocessing import Crop
from core.methods import METHODS
from core.pathways.fidelity import fidelity
from core.pathways.overlap import dead_share
from core.pathways.ranking import rank
from core.pathways.restriction import pathway_gradient, response
from core.strategy import Strategy
from explorer.compute import cache, catalogue, rankings, restriction
from explorer.compute.scene import make_scene
from tests.explorer.compute.toys import PHOTO, scored, toy

pytestmark = pytest.mark.usefixtures("nothing_made")


@pytest.mark.parametrize("off", ["zero", "frozen"])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("target", [None, 1])
def test_an_answer_is_the_restricted_network(network, off, sparsity, target):
    scene = make_scene(network, PHOTO, Crop(), target)
    ranking = rank(METHODS["NeuronMCT"](network, scene.image, scene.target))
    pathway = ranking.pathway(sparsity)
    answer = restriction.answer(scene, scored(scene, "NeuronMCT"), sparsity, off)
    torch.testing.assert_close(answer.restricted.logits, response(network, scene.image, pathway, off=off))
    torch.testing.assert_close(
        answer.restricted.gradient, pathway_gradient(network, scene.image, scene.target, pathway, off=off)
    )
    expected = fidelity(network, scene.image, scene.target, pathway, off=off)
    assert answer.p_ratio == pytest.approx(expected.p_ratio, rel=1e-5)
    assert answer.prediction_kept == expected.prediction_kept
    assert answer.dead_share == expected.dead_share == dead_share(network, scene.image, pathway)
    assert (answer.sparsity, answer.sizes, answer.ties) == (pathway.sparsity, pathway.sizes, pathway.ties)


KINDS = ["Straight", "Residual", "Functional", "Split", "Branches", "Saturating"]


@pytest.mark.parametrize("off", ["zero", "frozen"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_original_is_all_neurons_and_answers_as_the_unrestricted_network(kind, off):
    scene = make_scene(toy(kind), PHOTO, Crop(), 1)
    original = rankings.reference(scene, Strategy("Original"))
    assert [tuple(mask.shape) for mask in original.chosen.masks] == [site.shape for site in scene.network.sites]
    assert all(bool(mask.all()) for mask in original.chosen.masks)
    assert original.size(0.9) == scene.network.neurons
    answer = restriction.answer(scene, original, 0.9, off)
    assert torch.equal(answer.restricted.logits, scene.original.logits)
    assert torch.equal(answer.restricted.gradient, scene.original.gradient)
    assert (answer.sparsity, answer.p_ratio, answer.prediction_kept, answer.ties) == (0.0, 1.0, True, 0)
    assert answer.sizes == tuple(site.neurons for site in scene.network.sites)
    assert answer.dead_share == scene.dead_share


@pytest.mark.parametrize("off", ["zero", "frozen"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_active_subnet_is_the_neurons_above_zero_and_none_of_them_is_dead(kind, off):
    scene = make_scene(toy(kind), PHOTO, Crop(), 1)
    active = rankings.reference(scene, Strategy("ActiveSubnet"))
    above = [activation[0] > 0 for activation in scene.activations]
    assert all(torch.equal(mask, a) for mask, a in zip(active.chosen.masks, above, strict=True))
    assert active.size(0.9) == sum(int(a.sum()) for a in above)
    answer = restriction.answer(scene, active, 0.9, off)
    assert answer.dead_share == 0.0
    assert answer.sparsity == pytest.approx(scene.dead_share)
    assert answer.sizes == tuple(int(a.sum()) for a in above)
    assert torch.equal(answer.restricted.logits, scene.original.logits)  # what is off is 0 with or without
    assert (answer.p_ratio, answer.prediction_kept) == (1.0, True)


def test_equal_requests_give_the_identical_object(network, scene):
    assert make_scene(network, PHOTO.copy(), Crop(), None) is scene
    one = scored(scene, "NeuronMCT")
    assert scored(scene, "NeuronMCT") is one
    answer = restriction.answer(scene, one, 0.5, "zero")
    assert restriction.answer(scene, one, 0.5, "zero") is answer


def test_what_differs_is_not_shared(network, scene):
    brighter = PHOTO.point(lambda v: min(255, v + 1))
    scenes = [
        scene,
        make_scene(network, brighter, Crop(), None),
        make_scene(network, PHOTO, Crop(0.2), None),
        make_scene(network, PHOTO, Crop(), (scene.target + 1) % 4),
        make_scene(toy("Straight"), PHOTO, Crop(), None),
        make_scene(toy(weights_hash="other"), PHOTO, Crop(), None),
    ]
    ranked = [scored(s, "NeuronMCT") for s in scenes] + [scored(scene, "Random", seed=s) for s in (0, 1)]
    assert len({id(s) for s in scenes}) == len(scenes)
    assert len({id(r) for r in ranked}) == len(ranked)
    answers = [restriction.answer(scene, ranked[0], s, off) for s in (0.5, 0.6) for off in ("zero", "frozen")]
    assert len({id(a) for a in answers}) == 4


def test_sparsities_that_keep_the_same_neurons_share_an_answer(network, scene):
    mct, random = scored(scene, "NeuronMCT"), scored(scene, "Random")
    step = 1 / network.neurons
    one, same, next_one = (restriction.answer(scene, mct, 0.5 + k * step, "zero") for k in (0.0, 0.3, 1.0))
    assert one is same
    assert one.sparsity == 0.5
    assert (next_one is not one, sum(next_one.sizes)) == (True, sum(one.sizes) - 1)
    assert restriction.answer(scene, mct, 0.5, "frozen") is not one
    assert restriction.answer(scene, random, 0.5, "zero") is not one


def test_a_references_answer_is_one_at_any_sparsity(scene):
    answers = {
        id(restriction.answer(scene, rankings.reference(scene, Strategy(name)), sparsity, "zero"))
        for name in ("Original", "ActiveSubnet")
        for sparsity in (0.0, 0.5, 0.99)
    }
    assert len(answers) == 2


def test_warming_makes_the_default_view():
    restriction.warm()
    network = catalogue.network("squeezenet1_1")
    made = cache.RESULTS.nbytes
    scene = make_scene(network, catalogue.sample("chelsea"), Crop(), None)
    ranking = rankings.scores_now(scene, Strategy("NeuronMCT"))
    restriction.answer(scene, ranking, 0.9, "zero")
    assert cache.RESULTS.nbytes == made
    assert scene.network.class_names[scene.target] == "tiger cat"


ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.thorough
def test_a_started_app_leaves_the_garbage_collector_little_to_look_at():
    """Streamlit collects after every run, while nothing else may; in a process of its own, which stays so."""
    code = "import gc; from explorer.__main__ import prepare; assert not prepare(1); print(len(gc.get_objects()))"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(told.stdout.split()[-1]) < 20_000
