"""Every method against numbers by hand, a slow replica or Captum; then what the whole registry has to keep."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from captum.attr import LayerGradientXActivation
from torch import nn
from torch.testing import assert_close

from core.errors import Cancelled, PathwayError
from core.methods import METHODS
from core.methods.greedy_pruning import greedy_pruning
from core.methods.neuron_intgrad import midpoints, signed_contributions
from core.network import Network, trace
from core.network.tracing import TRACE_LOCK
from core.pathways.overlap import dead_share
from core.pathways.ranking import rank
from tests import replicas
from tests.networks import SHAPE, TOYS, ByHand, Residual, architecture, cheap, image_of, seeded, toy

# ByHand on (1, 2):  first (3, -1, 2), activation (3, 0, 2);  second (3 - 2 - 0.25, 2 + 1) = (0.75, 3), all positive
# logits (2 * 0.75 - 3 * 3 + 0.5, 3) = (-7, 3).  Target 0:  dF/da2 = (2, -3),  dF/da1 = (2, -15, -2 - 3) = (2, -15, -5)
BY_HAND = [[6.0, 0.0, 10.0], [1.5, 9.0]]


@cache
def by_hand() -> tuple[Network, torch.Tensor]:
    return trace(ByHand().eval(), (2,), name="by hand"), torch.tensor([[1.0, 2.0]])


def test_neuron_mct_by_hand():
    assert [s.tolist() for s in METHODS["NeuronMCT"](*by_hand(), 0)] == BY_HAND


def test_neuron_intgrad_by_hand():
    # Scaled by alpha, site 1 is (alpha - 0.25, 2 alpha + 1): its first neuron is on for 3 of the 4 midpoints, so
    # mean dF/da1 = (0.75 * 2, -15, -0.75 * 2 - 3) = (1.5, -15, -4.5), times (3, 0, 2). Site 2 sees a linear head.
    network, image = by_hand()
    assert [s.tolist() for s in METHODS["NeuronIntGrad"](network, image, 0, n_steps=4)] == [[4.5, 0, 9], [1.5, 9]]
    signed = signed_contributions(network, network.cache(image), network.sites[0], torch.tensor([0]), midpoints(4))
    assert signed.tolist() == [[4.5, 0, -9]]  # their sum is F(a) - F(0) = -7 - (0 - 3 * 1 + 0.5)
    # Three midpoints find site 1's first neuron on at 2 of 3: 2/3 * 2 * 3 = 4, and -(2/3 * 2 + 3) * 2 = -26/3.
    scores = METHODS["NeuronIntGrad"](network, image, 0, n_steps=3)
    assert_close([s.found for s in scores.sums], [4 - 26 / 3, -7.5], rtol=1e-5, atol=1e-5)
    assert_close([s.due for s in scores.sums], [-4.5, -7.5], rtol=1e-5, atol=1e-5)  # head: 2 * 0.75 - 3 * 3
    assert METHODS["NeuronIntGrad"](network, image, 0, as_released=1).sums == ()


def test_greedy_pruning_by_hand():
    # Five neurons in five steps: one a step, and neuron 1 of site 0, being dead, never.
    #   step 0: contributions 6 0 10 | 1.5 9   logits -7, 3        1.5 goes: neuron 0 of site 1
    #   step 1:               0 0  6 |   0 9   logits -8.5, 3      6 goes: neuron 2 of site 0
    #   step 2:               0 0  0 |   0 3   logits -2.5, 1      3 goes: neuron 1 of site 1
    #   step 3:               0 0  0 |   0 0   logits 0.5, 0       the prediction is lost, and nothing positive is left
    # So the last good step is 2: scores 1 and 2 for what was removed, 3 for those at zero, 4 for the one left.
    network, image = by_hand()
    scores = greedy_pruning(network, image, torch.tensor([0]), steps=5)[0]
    assert [s.tolist() for s in scores] == [[3, 3, 2], [1, 4]]
    assert [step.step for step in scores.trajectory] == [0, 1, 2, 3]
    assert [step.prediction_kept for step in scores.trajectory] == [True, True, True, False]
    assert_close([step.sparsity for step in scores.trajectory], [0.0, 0.2, 0.4, 0.6])
    assert_close([step.dead_share for step in scores.trajectory], [1 / 5, 1 / 4, 1 / 3, 1 / 2])
    logits = torch.tensor([[-7, 3], [-8.5, 3], [-2.5, 1], [0.5, 0]]).double()
    p = logits.softmax(1)[:, 0]
    assert_close([step.p_ratio for step in scores.trajectory], (p / p[0]).tolist(), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("target", [0, 3])
def test_neuron_mct_equals_captum(target):
    squeezenet = architecture("squeezenet1_1")
    residual = seeded(Residual(shared=False))
    for model, shape in [(squeezenet, (3, 64, 64)), (residual, SHAPE)]:
        for module in model.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False
        network = trace(model, shape)
        image = image_of(network)
        scores = METHODS["NeuronMCT"](network, image, target)
        with TRACE_LOCK:
            for site, score in zip(network.sites, scores, strict=True):
                layer = model.get_submodule(site.name)
                wanted = LayerGradientXActivation(model, layer).attribute(image.clone().requires_grad_(), target=target)
                assert_close(score, wanted[0].abs().detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", TOYS)
def test_neuron_mct_equals_perturbing_every_neuron(name):
    network = toy(name, double=True)[1]
    image = image_of(network)
    ones = [torch.ones(site.shape, dtype=torch.float64) for site in network.sites]
    wanted = replicas.contributions(network, image, 2, ones)[1]
    assert_close(replicas.flattened(METHODS["NeuronMCT"](network, image, 2)), wanted)


@pytest.mark.parametrize("name", TOYS)
def test_neuron_intgrad_equals_one_run_a_step(name):
    network = toy(name, double=True)[1]
    image = image_of(network)
    scores = METHODS["NeuronIntGrad"](network, image, 1, n_steps=7)
    for site, score in zip(network.sites, scores, strict=True):
        assert_close(score, replicas.integrated(network, image, 1, site, 7).abs())


def test_neuron_intgrad_is_the_same_in_smaller_batches(monkeypatch):
    network = toy("Branches", double=True)[1]
    cache, batches = network.cache(image_of(network)), []
    resume = Network.resume

    def counting(self, cache, site, activation, edit=None):
        batches.append(len(activation))
        return resume(self, cache, site, activation, edit)

    monkeypatch.setattr(Network, "resume", counting)
    for site in network.sites:
        whole = signed_contributions(network, cache, site, torch.tensor([0]), midpoints(7))
        for steps, sizes in [(3, [3, 3, 1]), (1, [1] * 7), (0.1, [1] * 7)]:
            batches.clear()
            memory = int(network.tail_bytes(site) * steps)
            assert_close(signed_contributions(network, cache, site, torch.tensor([0]), midpoints(7), memory), whole)
            assert batches == sizes


@pytest.mark.parametrize(
    ("name", "n_steps"),
    [pytest.param("squeezenet1_1", 300, marks=pytest.mark.thorough), *((name, 1000) for name in TOYS)],
)
def test_neuron_intgrad_is_complete_at_every_site(name, n_steps):
    """Signed contributions sum to what the site as a whole adds, up to half a midpoint's share."""
    network = toy(name, double=True)[1] if name in TOYS else trace(architecture(name).double(), (3, 32, 32))
    cache = network.cache(image_of(network))
    target = int(cache.logits.argmax())
    for site in network.sites:
        signed = signed_contributions(network, cache, site, torch.tensor([target]), midpoints(n_steps))
        without = network.resume(cache, site, torch.zeros(1, *site.shape, dtype=torch.float64)).logits
        difference = float(cache.logits[0, target] - without[0, target])
        assert abs(float(signed.sum()) - difference) < 0.5 / n_steps * float(signed.abs().sum())


class Normalised(nn.Module):
    """A ReLU whose scale a normalisation takes away."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 4, 3), nn.GroupNorm(1, 4), nn.Linear(4 * 36, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.norm(torch.relu(self.conv(x))).flatten(1))


def test_neuron_intgrad_says_that_it_falls_short_behind_a_normalisation():
    model = seeded(Normalised()).double()
    network = trace(model, SHAPE)
    image = image_of(network)
    (found,) = METHODS["NeuronIntGrad"](network, image, 1).sums
    with torch.no_grad():
        activation = torch.relu(model.conv(image))
        ends = [model.fc(model.norm(a).flatten(1))[0, 1] for a in (activation, 0 * activation)]
    assert found.due == pytest.approx(float(ends[0] - ends[1]), rel=1e-9)
    assert abs(found.found) < 0.01 * abs(found.due)
    assert found.delta == pytest.approx(found.found - found.due)


@pytest.mark.parametrize(
    ("name", "steps", "target", "each"), [("Straight", 12, 0, 43), ("Residual", 20, 1, 26), ("Branches", 10, 3, 77)]
)
def test_greedy_pruning_equals_pruning_by_hand(name, steps, target, each):
    network = toy(name, double=True)[1]
    image = image_of(network, seed=4)
    scores = METHODS["GreedyPruning"](network, image, target, steps=steps)
    wanted, trajectory = replicas.greedy(network, image, target, steps, each)
    assert replicas.flattened(scores) == wanted
    for step, (sparsity, ratio, dead, kept) in zip(scores.trajectory, trajectory, strict=True):
        assert_close((step.sparsity, step.p_ratio, step.dead_share), (sparsity, ratio, dead), rtol=1e-6, atol=1e-9)
        assert step.prediction_kept is kept


@pytest.mark.parametrize("name", ["Straight", "Residual", "Branches"])
def test_neuron_intgrad_as_released_adds_up_its_steps(name):
    network = toy(name, double=True)[1]
    image = image_of(network)
    scores = METHODS["NeuronIntGrad"](network, image, 1, as_released=1)
    for site, got in zip(network.sites, scores, strict=True):
        activation = network.run(image, record=True).activations[site.index].detach()
        scale, total = 0.0, torch.zeros_like(activation)
        for j in range(11):
            scale += j * 0.1  # the released code's line: the scale is never set back
            scaled = (scale * activation).requires_grad_()
            logits = network.run(image, lambda where, a, here=scaled, at=site: here if where == at else a).logits
            total += torch.autograd.grad(logits[0, 1], scaled)[0]
        assert scale == pytest.approx(5.5)
        assert_close(got, (activation * total / 11).abs()[0])


@pytest.mark.parametrize(("name", "target"), [("Straight", 0), ("Residual", 1), ("Branches", 3)])
def test_greedy_pruning_as_released_brings_back_what_it_removed(name, target):
    network = toy(name, double=True)[1]
    image = image_of(network, seed=4)
    scores = METHODS["GreedyPruning"](network, image, target, as_released=1)
    on = [True] * network.neurons
    for step in range(99):
        masks = [mask.to(network.dtype) for mask in replicas.shaped(network, [float(kept) for kept in on])]
        _, contributions = replicas.contributions(network, image, target, masks)
        scored = np.array(contributions)
        highest = np.percentile(np.where(scored <= 0, scored.max(), scored), step)
        on = ((scored > highest) | (scored <= 0)).tolist()
    assert replicas.flattened(scores) == [float(kept) for kept in on]
    assert len(scores.trajectory) == 100
    assert rank(scores).pathway(0).sparsity == pytest.approx(1 - sum(on) / network.neurons)


def test_greedy_pruning_of_few_neurons_takes_one_a_step():
    network, image = by_hand()  # five neurons, and a hundred steps
    scores = METHODS["GreedyPruning"](network, image, 0)
    assert [s.tolist() for s in scores] == [[3, 3, 2], [1, 4]]  # as with five steps, above


def test_greedy_pruning_keeps_the_prediction_and_fills_the_pathway_with_dead_neurons():
    network = toy("Residual")[1]
    image = image_of(network)
    logits = network.run(image).logits
    scores = METHODS["GreedyPruning"](network, image, int(logits.argmax()))
    last = max(step.step for step in scores.trajectory if step.prediction_kept)
    removed = sum(int((s <= last).sum()) for s in scores)
    assert removed == last * round(network.neurons / 100) > 0
    assert scores.trajectory[last].sparsity == pytest.approx(removed / network.neurons)
    pathway = rank(scores).pathway(removed / network.neurons)
    assert pathway.size == network.neurons - removed
    restricted = network.run(image, lambda site, a: a * pathway.masks[site.index]).logits
    assert restricted.argmax() == logits.argmax()
    assert scores.trajectory[last].dead_share > 1.5 * scores.trajectory[0].dead_share > 0
    assert scores.trajectory[last].dead_share == pytest.approx(dead_share(network, image, pathway))


@pytest.mark.parametrize("name", METHODS)
def test_scores_are_finite_not_negative_seeded_and_shaped_like_their_sites(name):
    options = cheap(METHODS[name])
    for toy_name in TOYS:
        network = toy(toy_name)[1]
        image = image_of(network)
        scores, again = (METHODS[name](network, image, 1, **options) for _ in range(2))
        assert [tuple(s.shape) for s in scores] == [site.shape for site in network.sites]
        assert all(bool(s.isfinite().all()) and bool((s >= 0).all()) and not s.requires_grad for s in scores)
        assert all(torch.equal(a, b) for a, b in zip(scores, again, strict=True))
        assert sum(float(s.sum()) for s in scores) > 0
        with torch.no_grad():  # gradients are switched on where they are needed
            again = METHODS[name](network, image, 1, **options)
        assert all(torch.equal(a, b) for a, b in zip(scores, again, strict=True))


@pytest.mark.parametrize("name", METHODS)
def test_progress_is_monotone_reaches_its_total_and_can_cancel(name):
    network, told = toy("Residual")[1], []
    METHODS[name](network, image_of(network), 0, progress=lambda *step: told.append(step))
    done = [step[0] for step in told]
    assert done == sorted(done)
    assert done[-1] == told[-1][1] > 0
    assert len({total for _, total, _ in told}) == 1
    assert all(note for *_, note in told)

    def cancel(done, total, note):
        told.append(done)
        raise Cancelled("enough")

    told.clear()
    with pytest.raises(Cancelled, match="enough"):
        METHODS[name](network, image_of(network), 0, progress=cancel)
    assert len(told) == 1


@pytest.mark.parametrize("name", METHODS)
def test_refuses_options_targets_and_batches(name):
    method, network = METHODS[name], toy("Straight")[1]
    image = image_of(network)
    assert method.name == name
    assert method.passes(network, **method.checked()) >= 0
    for option in method.options:
        assert option.low <= option.default <= option.high
        for bad in (option.low - 1, option.high + 1, option.low + 0.5, True, "3", None):
            with pytest.raises(PathwayError, match=f"{option.name}=.*whole number from {option.low} to {option.high}"):
                method(network, image, 0, **{option.name: bad})
    with pytest.raises(PathwayError, match="no option 'temperature'"):
        method(network, image, 0, temperature=1)
    with pytest.raises(PathwayError, match="Got target 4"):
        method(network, image, 4)
    with pytest.raises(PathwayError, match=r"wanted .*\(1, 3, 8, 8\)"):
        method(network, image_of(network, batch=2), 0)


BATCHED = {"NeuronIntGrad": {"n_steps": 5}, "GreedyPruning": {"steps": 20}, "DGR(init=1)": {"iterations": 40}}
BATCHED["DGR(init=r)"] = BATCHED["DGR(init=1)"]


SWITCHED = [(name, {option.name: 1}) for name in METHODS for option in METHODS[name].options if option.high == 1]


@pytest.mark.parametrize("name", ["Residual", "Branches"])
@pytest.mark.parametrize(("method", "options"), [*((name, {}) for name in METHODS), *SWITCHED])
def test_a_batch_gives_each_image_what_a_call_for_it_alone_gives(method, options, name):
    chosen = METHODS[method]
    network = toy(name, double=True)[1]
    images = torch.cat([image_of(network, seed=seed) for seed in (4, 5, 6)])
    targets, options = [1, 0, 3], BATCHED.get(method, {}) | options
    together = chosen.batch(network, images, targets, **options)
    for image, target, scores in zip(images, targets, together, strict=True):
        alone = chosen(network, image[None], target, **options)
        assert len(alone) == len(scores)
        for got, wanted in zip(scores, alone, strict=True):
            assert_close(got, wanted, rtol=1e-9, atol=1e-12)
        assert [step.prediction_kept for step in scores.trajectory] == [s.prediction_kept for s in alone.trajectory]


def test_a_batch_wants_a_target_an_image():
    network, image = by_hand()
    with pytest.raises(PathwayError, match=r"Got 2 targets for 1 images, wanted one per image\."):
        METHODS["NeuronMCT"].batch(network, image, [0, 0])


def test_a_method_is_titled_with_the_options_that_were_changed():
    assert METHODS["NeuronMCT"].title() == "NeuronMCT"
    assert METHODS["NeuronIntGrad"].title(n_steps=11) == "NeuronIntGrad"
    assert METHODS["NeuronIntGrad"].title(n_steps=5) == "NeuronIntGrad (n_steps=5)"
