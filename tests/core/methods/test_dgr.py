"""DGR against a literal replica on torch's own optimiser, and what its gates have to keep."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from core.errors import Cancelled, PathwayError
from core.methods import METHODS
from core.network import trace
from tests.networks import image_of, toy

from_ones, from_random = METHODS["DGR(init=1)"], METHODS["DGR(init=r)"]


def replica(network, image, start, gamma, rate, iterations):
    """Wang et al.'s search as one would first write it: SGD, a loss from autograd, the best gates copied."""
    gates = [gate.clone().requires_grad_() for gate in start]
    optimiser = torch.optim.SGD(gates, lr=rate, momentum=0.9)
    soft = network.run(image).logits.softmax(1)
    lowest, best = float("inf"), None
    for _ in range(iterations):
        optimiser.zero_grad()
        logits = network.run(image, lambda site, a: a * gates[site.index]).logits
        loss = -(soft * torch.log(logits.softmax(1) + 1e-20)).sum() + gamma * sum(gate.abs().sum() for gate in gates)
        if logits.argmax() == soft.argmax() and loss.item() < lowest:
            lowest, best = loss.item(), [gate.detach().clone() for gate in gates]
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            for gate in gates:
                gate.clamp_(0, 100)
    return best


@pytest.mark.parametrize("name", ["Straight", "Residual", "Branches"])
def test_gates_from_ones_equal_the_replica(name):
    _, network = toy(name, double=True)
    image = image_of(network)
    start = [torch.ones(site.shape, dtype=torch.float64) for site in network.sites]
    wanted = replica(network, image, start, 0.01, 0.01, 60)
    for got, gate in zip(from_ones(network, image, 0, iterations=60), wanted, strict=True):
        assert_close(got.double(), gate, rtol=1e-5, atol=1e-6)


def test_gates_from_random_equal_the_replica():
    _, network = toy("Straight")
    image = image_of(network)
    generator = torch.Generator().manual_seed(3)
    start = [torch.rand(site.shape, generator=generator) for site in network.sites]
    wanted = replica(network, image, start, 0.01, 0.01, 40)
    assert wanted is not None
    for got, gate in zip(from_random(network, image, 0, iterations=40, seed=3), wanted, strict=True):
        assert_close(got, gate, rtol=1e-4, atol=1e-5)


def test_gates_of_channels_equal_the_replica_and_are_one_a_channel():
    _, network = toy("Residual", double=True)
    image = image_of(network)
    start = [torch.ones(site.shape[0], *[1] * (len(site.shape) - 1), dtype=torch.float64) for site in network.sites]
    wanted = replica(network, image, start, 0.05, 0.1, 30)
    scores = from_ones(network, image, 0, per_channel=1)
    for got, gate, site in zip(scores, wanted, network.sites, strict=True):
        assert got.shape == site.shape
        assert_close(got.double(), gate.expand(site.shape), rtol=1e-5, atol=1e-6)


def test_a_gate_without_entropy_falls_at_the_known_pace():
    # Its slope is gamma alone. With momentum 0.9 the speed nears 10 gamma, so after k moves it stands at
    # 1 - 0.01 * 0.01 * 10 * (k - 9 (1 - 0.9^k)), which for the 999 moves before the last look is 0.01.
    _, network = toy("Straight")
    image = image_of(network)
    gates = from_ones(network, image, 0)
    still = network.run(image, record=True).activations[0][0] == 0  # at the first site no gate can wake a neuron
    assert still.any()
    dead = gates[0][still]
    assert_close(dead, torch.full_like(dead, 0.01), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["DGR(init=1)", "DGR(init=r)"])
def test_the_target_does_not_matter(name):
    _, network = toy("Straight")
    image = image_of(network)
    one, other = (METHODS[name](network, image, target, iterations=20) for target in (0, 1))
    assert all(a.equal(b) for a, b in zip(one, other, strict=True))
    assert not METHODS[name].uses_target


def test_a_seed_is_an_order_of_its_own():
    _, network = toy("Straight")
    image = image_of(network)
    first, again, other = (from_random(network, image, 0, iterations=5, seed=seed) for seed in (1, 1, 2))
    assert all(a.equal(b) for a, b in zip(first, again, strict=True))
    assert not all(a.equal(b) for a, b in zip(first, other, strict=True))


class Scales(nn.Module):
    """Two neurons nearly as strong as each other; the logits are what the gates leave of them, less half the other."""

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x):
        kept = self.relu(x)
        return kept - 0.5 * kept.flip(1)


def losing_seed():
    """A seed all of whose starts put the second of two neurons first."""

    def lost(seed):
        generator = torch.Generator().manual_seed(seed)
        starts = [torch.rand(2, generator=generator) for _ in range(3)]
        return all(gates[0] < 0.99 * gates[1] for gates in starts)

    return next(seed for seed in range(1000) if lost(seed))


def test_where_no_gates_keep_the_prediction_it_says_so():
    network = trace(Scales().eval(), (2,))
    image = torch.tensor([[1.0, 0.999]])

    seed, said = losing_seed(), []
    with pytest.raises(
        PathwayError, match=r"No gates kept the prediction in 3 starts of 1 iterations, down to γ = 0.0001"
    ):
        from_random(network, image, 0, iterations=1, seed=seed, progress=lambda *now: said.append(now))
    assert [done for done, _, _ in said] == [1, 2, 3]


def test_in_a_batch_an_image_without_gates_does_not_harm_the_others():
    network, seed = trace(Scales().eval(), (2,)), losing_seed()
    images = torch.tensor([[1.0, 0.999], [0.1, 1.0]])
    nothing, found = from_random.batch(network, images, [0, 0], iterations=1, seed=seed)
    assert isinstance(nothing, PathwayError)
    assert all(map(torch.equal, found, from_random(network, images[1:], 0, iterations=1, seed=seed)))


def test_cancelled_it_hands_over_the_best_so_far():
    _, network = toy("Straight")
    image = image_of(network)

    def stop(done, total, note):
        if done == 7:
            raise Cancelled("enough")

    with pytest.raises(Cancelled) as caught:
        from_ones(network, image, 0, iterations=50, progress=stop)
    wanted = from_ones(network, image, 0, iterations=7)
    assert all(a.equal(b) for a, b in zip(caught.value.best, wanted, strict=True))


@pytest.mark.thorough
def test_its_memory_does_not_grow_with_the_iterations():
    _, network = toy("Residual")
    image = image_of(network)
    alive = {}

    def count(done, total, note):
        if done in (20, 1000):
            gc.collect()
            alive[done] = sum(type(thing) is torch.Tensor for thing in gc.get_objects())

    from_ones(network, image, 0, progress=count)
    assert alive[1000] <= alive[20]


def test_the_loss_falls_and_is_told():
    _, network = toy("Straight")
    notes = []
    from_ones(network, image_of(network), 0, iterations=30, progress=lambda done, total, note: notes.append(note))
    losses = [float(note.split("loss ")[1]) for note in notes]
    assert len(losses) == 30
    assert losses[-1] < losses[0]
