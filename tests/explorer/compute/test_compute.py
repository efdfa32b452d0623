"""What the pages are told is what core says, made once and shared."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.preprocessing import Crop, Preprocessing
from core.data.samples import sample_images
from core.errors import PathwayError
from core.methods import METHODS
from core.network import Network, trace
from core.network.receptive_field import receptive_field
from core.pathways.fidelity import fidelity
from core.pathways.overlap import dead_neurons, dead_share
from core.pathways.ranking import rank
from core.pathways.restriction import pathway_gradient, response, restrict, saliency_map
from core.strategy import STRATEGIES, Strategy
from explorer.compute import cache, catalogue, neurons, rankings, restriction, task_queue
from explorer.compute.rankings import Scored
from explorer.compute.scene import Scene, make_scene, scene_again
from explorer.compute.tasks import Ticket
from tests.networks import SHAPE, TOYS, seeded
from tests.waiting import finished, until

ROOT = Path(__file__).resolve().parents[3]

NAMES = ["cat", "dog", "boat", "fish"]
PHOTO = Image.effect_noise((12, 9), 90).convert("RGB")
pytestmark = pytest.mark.usefixtures("nothing_made")


def toy(kind: str = "Residual", *, names: list[str] = NAMES, weights_hash: str = "toy") -> Network:
    return trace(
        seeded(TOYS[kind]()),
        SHAPE,
        name=kind,
        preprocessing=Preprocessing(size=8, resize=9),
        class_names=names,
        weights_hash=weights_hash,
    )


@pytest.fixture(scope="module")
def network() -> Network:
    return toy()


@pytest.fixture
def scene(network: Network) -> Scene:
    return make_scene(network, PHOTO, Crop(), None)


def scored(scene: Scene, method: str, **options: int) -> Scored:
    """Look for it, or submit it until it is there, as a page does."""
    strategy = Strategy.of(method, **options)
    return rankings.ready_scores(scene, strategy) or finished(rankings.scores_task(scene, strategy)).result


# ------------------------------------------------------------------------------------------------------------- scenes


def test_a_scene_is_the_photo_in_the_original_network(network):
    crop = Crop(0.25, 0.5, 2.0)
    scene = make_scene(network, PHOTO, crop, None)
    image = network.preprocess(PHOTO, crop)
    run = network.run(image, record=True)
    assert torch.equal(scene.image, image)
    assert scene.picture.tobytes() == network.preprocessing.crop(PHOTO, crop).tobytes()
    assert scene.target == scene.prediction == int(run.logits.argmax())
    assert all(torch.equal(a, b) for a, b in zip(scene.activations, run.activations, strict=True))
    plain = restrict(network, image, scene.target)
    torch.testing.assert_close(scene.original.logits, plain.logits)
    torch.testing.assert_close(scene.original.gradient, plain.gradient)
    masks = dead_neurons(network, image)
    assert all(torch.equal(a, b) for a, b in zip(scene.dead, masks, strict=True))
    assert scene.dead_share == sum(int(m.sum()) for m in masks) / network.neurons
    assert 0 < scene.dead_share < 1


def test_a_target_is_explained_and_the_prediction_stays_known(network, scene):
    other = (scene.prediction + 1) % network.classes
    asked = make_scene(network, PHOTO, Crop(), other)
    assert (asked.target, asked.prediction) == (other, scene.prediction)
    assert not torch.equal(asked.original.gradient, scene.original.gradient)
    torch.testing.assert_close(asked.original.gradient, pathway_gradient(network, scene.image, other))


@pytest.mark.parametrize("target", [4, 999])
def test_a_target_that_the_network_lacks_is_refused(network, target):
    with pytest.raises(PathwayError, match="from 0 to 3"):
        make_scene(network, PHOTO, Crop(), target)


def test_what_was_dropped_is_found_again_as_it_was_and_holds_no_page_up(nothing_made, network):
    scene = make_scene(network, PHOTO, Crop(), None)
    selection = scored(scene, "NeuronIntGrad")
    find, choose = scene_again(scene), rankings.selection_again(selection)
    assert find() is scene
    assert choose(scene) is selection
    cache.RESULTS.clear()
    with ThreadPoolExecutor(1) as pool, rankings._SCORING:  # pages score meanwhile, which may take minutes
        again, ranked = pool.submit(lambda: (find(), choose(scene))).result(30)
    assert again is not scene
    assert ranked is not selection
    assert again.key == scene.key
    assert all(torch.equal(a, b) for a, b in zip(again.activations, scene.activations, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(ranked.ranking.ranks, selection.ranking.ranks, strict=True))


def test_a_scenes_bytes_are_at_least_its_tensors(scene):
    assert scene.nbytes >= sum(activation.nbytes for activation in scene.activations)
    assert cache.RESULTS.nbytes >= scene.nbytes


# ------------------------------------------------------------------------------------------------------------ answers


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


# --------------------------------------------------------------------------------------------------------- references

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


@pytest.mark.parametrize("name", ["Original", "ActiveSubnet"])
def test_a_reference_reads_like_any_selection(network, scene, name):
    found = rankings.reference(scene, Strategy(name))
    assert (found.strategy, found.complete) == (Strategy(name), True)
    assert found.key == rankings.scores_key(scene, Strategy(name))
    masks = neurons.all_masks(scene, found, 0.9)
    for site in network.sites:
        mask = np.ones(site.shape, bool) if name == "Original" else scene.activations[site.index][0].numpy() > 0
        np.testing.assert_array_equal(masks[site.name], mask)
        np.testing.assert_array_equal(neurons.site_planes(scene, found, 0.9, site.index).mask, mask)
        np.testing.assert_array_equal(found.site_mask(0.1, site.index).numpy(), mask)


# ------------------------------------------------------------------------------------------------------------ sharing


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


def test_the_predicted_target_and_the_same_one_named_share_scores(network, scene):
    named = make_scene(network, PHOTO, Crop(), scene.target)
    assert scored(named, "NeuronMCT") is scored(scene, "NeuronMCT")
    other = make_scene(network, PHOTO, Crop(), (scene.target + 1) % 4)
    assert scored(other, "NeuronMCT") is not scored(scene, "NeuronMCT")


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


def test_the_same_weights_under_other_class_names_keep_their_own(network, scene):
    """Two sessions may bring the same file with different names, or one session names its classes later."""
    renamed = toy(names=["a", "b", "c", "d"])
    other = make_scene(renamed, PHOTO, Crop(), None)
    assert other.network.class_names == ("a", "b", "c", "d")
    assert make_scene(network, PHOTO, Crop(), None).network.class_names == tuple(NAMES)
    assert scored(other, "NeuronMCT") is scored(scene, "NeuronMCT")


# --------------------------------------------------------------------------------------------------- quick, and queued


def test_cheap_methods_answer_at_once_without_the_queue(scene):
    for method in ("NeuronMCT", "Random"):
        assert rankings.ready_scores(scene, Strategy(method)) is rankings.scores_now(scene, Strategy(method))
    assert not task_queue.QUEUE._threads


def test_costly_methods_are_not_made_by_looking_for_them(scene):
    strategy = Strategy("GreedyPruning")
    assert rankings.ready_scores(scene, strategy) is None
    assert not task_queue.QUEUE._threads
    made = rankings.scores_now(scene, Strategy.of("GreedyPruning", steps=10))
    assert rankings.ready_scores(scene, Strategy.of("GreedyPruning", steps=10)) is made


@pytest.mark.parametrize("ask", [rankings.scores_task, rankings.ready_scores, rankings.scores_now])
def test_references_have_no_ranking(scene, ask):
    with pytest.raises(TypeError, match="Original is a reference"):
        ask(scene, Strategy("Original"))


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("NeuronIntGrad", {"n_steps": 5}),
        ("GreedyPruning", {"steps": 10}),
        ("GreedyPruning", {"as_released": 1}),
        ("DGR(init=1)", {"iterations": 20}),
        ("NeuronMCT", {}),
        ("Random", {"seed": 4}),
    ],
)
def test_every_method_ends_as_core_does(network, scene, method, options):
    expected = METHODS[method](network, scene.image, scene.target, **options)
    found = scored(scene, method, **options)
    assert found.strategy == Strategy.of(method, **options)
    assert found.complete
    assert found.trajectory == expected.trajectory
    ranking = rank(expected)
    assert all(torch.equal(a, b) for a, b in zip(found.ranking.ranks, ranking.ranks, strict=True))
    assert torch.equal(found.ranking.scores, ranking.scores)
    assert found.seconds > 0


def test_costly_methods_wait_in_line_and_say_how_far_they_are(scene):
    task = rankings.scores_task(scene, Strategy.of("GreedyPruning", steps=200))
    tickets: list[Ticket[Scored | None]] = []

    def done() -> bool:
        tickets.append(task_queue.QUEUE.submit(task, "me"))
        return tickets[-1].state == "ready"

    until(done, every=0.001)
    assert tickets[0].state in ("queued", "running")
    running = [ticket for ticket in tickets if ticket.total]
    assert running
    assert [ticket.done for ticket in running] == sorted(ticket.done for ticket in running)
    assert {ticket.total for ticket in running} == {200}


def test_cancelled_dgr_leaves_the_best_it_had_found(scene):
    task, queue = rankings.scores_task(scene, Strategy.of("DGR(init=1)", iterations=5000)), task_queue.QUEUE
    assert queue.best(task) is None
    until(lambda: queue.submit(task, "me").done >= 3, every=0.001)
    queue.leave(task.key, "me")
    until(lambda: not queue.pending())
    best = queue.best(task)
    assert not best.complete
    assert best.key != task.key
    assert queue.peek(task).state == "new"
    assert restriction.answer(scene, best, 0.5, "zero").sparsity == pytest.approx(0.5, abs=0.01)


def test_scores_that_ignore_the_target_are_shared_between_targets_and_answers_are_not(network):
    one, other = (make_scene(network, PHOTO, Crop(), target) for target in (0, 1))
    random, mct = Strategy("Random"), Strategy("NeuronMCT")
    assert rankings.scores_key(one, random) == rankings.scores_key(other, random)
    assert rankings.scores_key(one, mct) != rankings.scores_key(other, mct)
    scored = rankings.scores_now(one, random)
    first, second = (restriction.answer(scene, scored, 0.5, "zero") for scene in (one, other))
    assert not torch.equal(first.restricted.gradient, second.restricted.gradient)


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_ignores_the_target_has_one_key_for_all_targets(network, name):
    one, other = (make_scene(network, PHOTO, Crop(), target) for target in (0, 1))
    keys = [rankings.scores_key(scene, Strategy(name)) for scene in (one, other)]
    assert (keys[0] == keys[1]) == (name not in ("NeuronMCT", "NeuronIntGrad", "GreedyPruning"))


def test_keys_tell_strategies_and_their_options_apart(scene):
    strategies = [*map(Strategy, STRATEGIES), Strategy.of("Random", seed=1), Strategy.of("Random", seed=2)]
    assert len({rankings.scores_key(scene, strategy) for strategy in strategies}) == len(strategies) == 10
    assert rankings.scores_key(scene, Strategy.of("Random", seed=0)) == rankings.scores_key(scene, Strategy("Random"))


# --------------------------------------------------------------------------------------------------------- numbers


def test_the_saliency_map_is_cores(scene):
    values = neurons.saliency(scene.original)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, saliency_map(scene.original.gradient).numpy())


def test_planes_of_a_site_are_mask_and_dead(network, scene):
    found = scored(scene, "Random")
    pathway = found.ranking.pathway(0.7)
    for site in network.sites:
        planes = neurons.site_planes(scene, found, 0.7, site.index)
        assert planes.mask.shape == planes.dead.shape == site.shape
        np.testing.assert_array_equal(planes.mask, pathway.masks[site.index].numpy())
        np.testing.assert_array_equal(planes.dead, scene.activations[site.index][0].numpy() == 0)


def test_top_neurons_are_in_order_with_their_numbers(network, scene):
    found, other = scored(scene, "NeuronMCT"), scored(scene, "Random")
    scores = METHODS["NeuronMCT"](network, scene.image, scene.target)
    rows = neurons.top_neurons(scene, found, [other], None, 40)
    assert len(rows) == 40
    assert [row.ranks[0] for row in rows] == list(range(40))
    flat = torch.cat([score.flatten() for score in scores]).sort(descending=True).values
    assert [row.score for row in rows] == pytest.approx(flat[:40].tolist())
    for row in rows:
        assert row.score == pytest.approx(float(scores[row.site].flatten()[row.position]))
        assert row.activation == float(scene.activations[row.site].flatten()[row.position])
        assert row.ranks[1] == int(other.ranking.ranks[row.site].flatten()[row.position])


def test_top_neurons_of_one_site_leave_out_the_others_and_those_without_a_score(network, scene):
    found = scored(scene, "NeuronMCT")
    rows = neurons.top_neurons(scene, found, [], 1, 10_000)
    positive = int((METHODS["NeuronMCT"](network, scene.image, scene.target)[1] > 0).sum())
    assert {row.site for row in rows} == {1}
    assert len(rows) == positive < network.sites[1].neurons
    assert all(row.score > 0 for row in rows)
    places = [row.ranks[0] for row in rows]
    assert places == sorted(places)


def test_a_neuron_without_a_score_has_no_place(scene):
    found = scored(scene, "NeuronMCT")
    position = int((scene.activations[0].flatten() == 0).nonzero()[0])
    row = neurons.neuron_row(scene, found, [scored(scene, "Random")], (0, position))
    assert (row.activation, row.score, row.ranks[0]) == (0.0, 0.0, None)
    assert row.ranks[1] is not None


def test_a_neurons_channel_and_what_it_sees(network, scene):
    neuron = (1, 2 * 64 + 3 * 8 + 5)  # channel 2, row 3, column 5
    channel = neurons.channel_activation(scene, neuron)
    np.testing.assert_array_equal(channel, scene.activations[1][0, 2].numpy())
    assert neurons.neuron_row(scene, scored(scene, "Random"), [], neuron).activation == channel[3, 5]
    assert neurons.sees(scene, neuron) == receptive_field(network, network.sites[1], neuron[1]) == (3, 1, 8, 6)


def test_a_vector_is_planes_of_one_pixel():
    vectors = trace(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).eval(),
        SHAPE,
        name="vectors",
        preprocessing=Preprocessing(size=8, resize=8),
    )
    scene = make_scene(vectors, PHOTO, Crop(), None)
    planes = neurons.site_planes(scene, scored(scene, "Random"), 0.5, 0)
    assert planes.mask.shape == (6, 1, 1)
    assert planes.mask.sum() == 3
    channel = neurons.channel_activation(scene, (0, 4))
    assert channel.shape == (1, 1)
    assert channel[0, 0] == float(scene.activations[0][0, 4])
    assert neurons.sees(scene, (0, 4)) == (0, 0, 8, 8)


# ----------------------------------------------------------------------------------------------------------- the zoo


def test_warming_makes_the_default_view():
    restriction.warm()
    network = catalogue.network("squeezenet1_1")
    made = cache.RESULTS.nbytes
    scene = make_scene(network, catalogue.sample("chelsea"), Crop(), None)
    ranking = rankings.scores_now(scene, Strategy("NeuronMCT"))
    restriction.answer(scene, ranking, 0.9, "zero")
    assert cache.RESULTS.nbytes == made
    assert scene.network.class_names[scene.target] == "tiger cat"


def test_networks_are_loaded_once_and_labelled():
    assert catalogue.network("squeezenet1_1") is catalogue.network("squeezenet1_1")
    labels = catalogue.network_labels()
    assert labels["squeezenet1_1"] == "squeezenet1_1 · embedded"
    assert labels["alexnet"] == "alexnet · 233 MB"
    assert "vit_b_16" not in labels


def test_facts_of_photos():
    facts = catalogue.sample_facts("chelsea")
    assert facts is sample_images()["chelsea"]
    assert catalogue.sample_facts("upload-0123") is None


@pytest.mark.thorough
def test_a_started_app_leaves_the_garbage_collector_little_to_look_at():
    """Streamlit collects after every run, while nothing else may; in a process of its own, which stays so."""
    code = "import gc; from explorer.__main__ import prepare; assert not prepare(1); print(len(gc.get_objects()))"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(told.stdout.split()[-1]) < 20_000
