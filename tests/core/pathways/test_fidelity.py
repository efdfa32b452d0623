"""Numbers about pathways, by hand and by simulation."""

from __future__ import annotations

from math import exp, inf, isnan
from statistics import mean

import pytest
import torch
from torch.testing import assert_close

from core.errors import Cancelled, PathwayError
from core.methods import METHODS
from core.network import Network, trace
from core.pathways.fidelity import fidelity, fidelity_curve, probability_ratio, standing
from core.pathways.overlap import chance_overlap, dead_neurons, dead_share, overlap, share_within, site_overlaps
from core.pathways.ranking import Pathway, rank
from tests.networks import ByHand, image_of, toy


def path(*sites: str) -> Pathway:
    """A pathway from one string of 1s and 0s a site."""
    return Pathway(tuple(torch.tensor([c == "1" for c in site]) for site in sites))


def test_overlap_by_hand():
    a, b = path("1100", "10"), path("0110", "10")
    assert overlap(a, b) == overlap(b, a) == 2 / 4
    assert site_overlaps(a, b) == [1 / 3, 1.0]
    assert overlap(a, a) == 1
    assert overlap(a, path("0011", "01")) == 0
    assert overlap(a, path("0000", "00")) == 0


def test_overlap_of_empty_pathways_is_nan():
    empty = path("000", "00")
    assert isnan(overlap(empty, empty))
    some = path("000", "10")
    sites = site_overlaps(some, some)
    assert isnan(sites[0])
    assert sites[1] == 1
    assert overlap(some, some) == 1


def test_chance_overlap_by_hand():
    assert chance_overlap(0.1, 0.1) == pytest.approx(0.01 / 0.19)  # the 5.26 % of the paper's poster
    assert chance_overlap(0.5, 1) == pytest.approx(0.5)
    assert chance_overlap(0.3, 0) == 0
    assert isnan(chance_overlap(0, 0))


@pytest.mark.parametrize(("one", "other"), [(0.9, 0.9), (0.5, 0.8), (0.2, 0.2)])
def test_chance_overlap_is_that_of_random_pathways(one, other):
    network = toy("Straight")[1]
    image = image_of(network)
    rankings = [rank(METHODS["Random"](network, image, 0, seed=seed)) for seed in range(60)]
    pairs = zip(rankings[::2], rankings[1::2], strict=True)
    found = mean(overlap(a.pathway(one), b.pathway(other)) for a, b in pairs)
    assert found == pytest.approx(chance_overlap(1 - one, 1 - other), abs=0.015)


def by_hand():
    return trace(ByHand().eval(), (2,)), torch.tensor([[1.0, 2.0]])  # activations (3, 0, 2) and (0.75, 3)


def test_dead_share_by_hand():
    network, image = by_hand()
    assert [d.tolist() for d in dead_neurons(network, image)] == [[False, True, False], [False, False]]
    assert dead_share(network, image, path("110", "01")) == pytest.approx(1 / 3)
    assert dead_share(network, image, path("101", "11")) == 0
    assert isnan(dead_share(network, image, path("000", "00")))
    assert share_within(path("110", "01"), [torch.tensor([True, True, False]), torch.tensor([True, False])]) == 2 / 3


def test_contribution_pathways_hold_no_dead_neuron_and_random_ones_the_networks_share():
    network = toy("Residual")[1]
    image = image_of(network)
    dead = dead_neurons(network, image)
    share = sum(int(d.sum()) for d in dead) / network.neurons
    assert share > 0.2
    for name in ("NeuronMCT", "NeuronIntGrad"):
        ranking = rank(METHODS[name](network, image, 0))
        assert dead_share(network, image, ranking.pathway(share)) == 0  # every active neuron, and no other
        assert dead_share(network, image, ranking.pathway(0)) == share
    shares = [
        dead_share(network, image, rank(METHODS["Random"](network, image, 0, seed=s)).pathway(0.5)) for s in range(20)
    ]
    assert mean(shares) == pytest.approx(share, abs=0.03)


def test_probability_ratio_by_hand_and_far_out():
    one, two = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert probability_ratio(one, two, 0) == pytest.approx(0.5 * (1 + 2.718281828), rel=1e-6)
    assert probability_ratio(torch.tensor([[0.0, 300.0]]), one, 0) == pytest.approx(2 * 5.148e-131, rel=1e-3)


def test_fidelity_by_hand():
    # Without neuron 0 of site 1 and with the dead one kept: (0, 3) gives logits (-8.5, 3) in place of (-7, 3).
    network, image = by_hand()
    found = fidelity(network, image, 0, path("111", "01"))
    wanted = torch.tensor([-8.5, 3]).softmax(0)[0] / torch.tensor([-7.0, 3]).softmax(0)[0]
    assert_close(found.p_ratio, float(wanted), rtol=1e-5, atol=0)
    assert (found.prediction_kept, found.dead_share, found.sparsity) == (True, 0.25, pytest.approx(0.2))
    # Nothing left: logits are the bias of the head, (0.5, 0), which predicts class 0.
    empty = fidelity(network, image, 0, path("000", "00"))
    assert not empty.prediction_kept
    assert isnan(empty.dead_share)
    assert empty.p_ratio > 1
    frozen = fidelity(network, image, 0, path("000", "00"), off="frozen")
    assert frozen.p_ratio == pytest.approx(1)
    assert frozen.prediction_kept


def test_fidelity_refuses():
    network, image = by_hand()
    with pytest.raises(PathwayError, match="Got target 2"):
        fidelity(network, image, 2, path("111", "11"))
    with pytest.raises(PathwayError, match=r"shape \(1, 2\)"):
        dead_share(network, image.repeat(2, 1), path("111", "11"))
    with pytest.raises(PathwayError, match="off='half'"):
        fidelity(network, image, 0, path("111", "11"), off="half")


CURVE = [0.9, 0.0, 0.5, 0.75, 0.99]


@pytest.mark.parametrize("off", ["zero", "frozen"])
@pytest.mark.parametrize(("name", "method"), [("Residual", "NeuronMCT"), ("Saturating", "Random")])
def test_the_curve_is_the_fidelity_at_every_sparsity(name, method, off):
    network = toy(name)[1]
    image = image_of(network)
    ranking = rank(METHODS[method](network, image, 1))
    curve = fidelity_curve(network, image, 1, ranking, CURVE, off=off)
    assert curve == [fidelity(network, image, 1, ranking.pathway(sparsity), off=off) for sparsity in CURVE]
    ratios = [point.p_ratio for point in curve]
    assert len(set(ratios)) > 3 if off == "zero" else ratios == pytest.approx([1] * len(CURVE))


def test_the_curve_of_nothing_is_nan_and_of_no_sparsities_empty():
    network, image = by_hand()
    ranking = rank([torch.tensor([3.0, 0, 0]), torch.tensor([0.0, 0])])
    some, none = fidelity_curve(network, image, 0, ranking, [0.8, 0.95])
    assert (some.sparsity, some.dead_share) == (pytest.approx(0.8), 0)
    assert none.sparsity == 1
    assert isnan(none.dead_share)
    assert fidelity_curve(network, image, 0, ranking, []) == []


@pytest.mark.parametrize("off", ["zero", "frozen"])
def test_a_curve_costs_a_pass_a_sparsity_and_one_more(off, monkeypatch):
    network, run, runs = toy("Residual")[1], Network.run, []
    image = image_of(network)
    ranking = rank(METHODS["Random"](network, image, 1))
    monkeypatch.setattr(Network, "run", lambda *args, **options: runs.append(1) or run(*args, **options))
    fidelity_curve(network, image, 1, ranking, CURVE, off=off)
    assert len(runs) == len(CURVE) + 1


def test_a_curve_says_how_far_it_is_and_can_be_cancelled():
    network, told = toy("Residual")[1], []
    image = image_of(network)
    ranking = rank(METHODS["Random"](network, image, 1))
    fidelity_curve(network, image, 1, ranking, CURVE, progress=lambda *step: told.append(step))
    assert told == [(done, 5, "sparsities") for done in (1, 2, 3, 4, 5)]

    def cancel(done, total, note):
        told.append(done)
        if done == 2:
            raise Cancelled("enough")

    told.clear()
    with pytest.raises(Cancelled, match="enough"):
        fidelity_curve(network, image, 1, ranking, CURVE, progress=cancel)
    assert told == [1, 2]


def test_a_curve_refuses_before_it_begins():
    network, image = by_hand()
    ranking, told = rank([torch.ones(3), torch.ones(2)]), []

    def tell(*step):
        told.append(step)

    with pytest.raises(PathwayError, match="Got target 2"):
        fidelity_curve(network, image, 2, ranking, CURVE, progress=tell)
    with pytest.raises(PathwayError, match=r"shape \(1, 2\)"):
        fidelity_curve(network, image.repeat(2, 1), 0, ranking, CURVE, progress=tell)
    with pytest.raises(PathwayError, match="Got sparsity 1"):
        fidelity_curve(network, image, 0, ranking, [0.5, 1.0], progress=tell)
    with pytest.raises(PathwayError, match="off='half'"):
        fidelity_curve(network, image, 0, ranking, CURVE, off="half", progress=tell)
    assert told == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_probability_too_small_for_a_float_still_has_a_ratio(dtype):
    """Logits 0 and -300: p is e^-300, which is 0 as float32; restricted it is e^-200."""
    original, restricted = torch.tensor([[0.0, -300.0]], dtype=dtype), torch.tensor([[0.0, -200.0]], dtype=dtype)
    assert probability_ratio(restricted, original, 1) == pytest.approx(exp(100), rel=1e-9)
    assert probability_ratio(original, restricted, 1) == pytest.approx(exp(-100), rel=1e-9)
    assert standing(original, 1).probability == pytest.approx(exp(-300), rel=1e-9)


def test_a_ratio_beyond_any_float_is_0_or_infinite_and_never_nan():
    original, restricted = torch.tensor([[0.0, -800.0]]), torch.tensor([[0.0, 0.0]])
    assert probability_ratio(restricted, original, 1) == inf
    assert probability_ratio(original, restricted, 1) == 0
