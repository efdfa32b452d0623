"""Rankings are those of core: quick ones at once, costly ones from the queue, each made once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.data.preprocessing import Crop
from core.methods import METHODS
from core.pathways.ranking import rank
from core.strategy import STRATEGIES, Strategy
from explorer.compute import neurons, rankings, restriction, task_queue
from explorer.compute.rankings import Scored
from explorer.compute.scene import make_scene
from explorer.compute.tasks import Ticket
from tests.explorer.compute.toys import PHOTO, scored
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("nothing_made")


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


def test_the_predicted_target_and_the_same_one_named_share_scores(network, scene):
    named = make_scene(network, PHOTO, Crop(), scene.target)
    assert scored(named, "NeuronMCT") is scored(scene, "NeuronMCT")
    other = make_scene(network, PHOTO, Crop(), (scene.target + 1) % 4)
    assert scored(other, "NeuronMCT") is not scored(scene, "NeuronMCT")


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
