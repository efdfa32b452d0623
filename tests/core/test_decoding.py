"""Decoding against a literal loop on torch's own optimiser, what each regulariser does, and what decodings share."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from functools import cache
from math import exp, tanh

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from core.data.preprocessing import Preprocessing
from core.data.samples import sample_images
from core.decoding import PAPER, PLAIN, Recipe, decode, decode_neuron
from core.errors import Cancelled, PathwayError
from core.methods import METHODS
from core.models.zoo import load_network
from core.network import trace
from core.pathways.ranking import Pathway, rank
from tests.networks import SHAPE, TOYS, ByHand, Straight, image_of, seeded, toy

FEW = replace(PLAIN, steps=12)
START = replace(PLAIN, steps=1, rate=1e-12)  # as good as the start itself
PREPARED = Preprocessing(size=8, resize=8, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.25))
MEAN, STD = (torch.tensor(v)[:, None, None] for v in (PREPARED.mean, PREPARED.std))
EVERYTHING = replace(FEW, fourier=True, decorrelate=True, jitter=3, blur=0.6, blur_every=2, total_variation=0.2, side=6)


@cache
def photos():
    """A toy that takes photos of 8 x 8 pixels."""
    return trace(seeded(Straight()), SHAPE, name="photos", preprocessing=PREPARED)


def pathway_of(network, share=0.5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Pathway(tuple(torch.rand(site.shape, generator=generator) < share for site in network.sites))


def colours(image):
    return image * STD + MEAN


def roughness(image):
    return float(image.diff(dim=-1).abs().mean() + image.diff(dim=-2).abs().mean())


def same(one, other):
    return one.image.equal(other.image) and one.objective == other.objective and one.value == other.value


def replica(network, recipe, objective, to_image, shape):
    """The climb as one would first write it: no regularisers, torch's Adam downhill on the negative objective."""
    noise = torch.randn(1, *shape, generator=torch.Generator().manual_seed(recipe.seed))
    parameter = (noise * recipe.noise).to(network.dtype).requires_grad_()
    optimiser = torch.optim.Adam([parameter], lr=recipe.rate)
    values = []
    for _ in range(recipe.steps):
        optimiser.zero_grad()
        value = objective(to_image(parameter))
        values.append(value.item())
        (-value).backward()
        optimiser.step()
    return to_image(parameter).detach(), values


@pytest.mark.parametrize("name", ["Straight", "Residual", "Saturating"])
def test_plain_painting_equals_the_replica(name):
    _, network = toy(name, double=True)
    pathway = pathway_of(network)
    image, values = replica(
        network,
        replace(PLAIN, steps=40),
        lambda x: network.run(x, lambda site, a: a * pathway.masks[site.index]).logits[0, 2],
        lambda c: 3 * torch.tanh(c / 3),
        SHAPE,
    )
    decoded = decode(network, 2, pathway, recipe=replace(PLAIN, steps=40))
    assert_close(decoded.image, image, rtol=0, atol=1e-9)
    assert_close(torch.tensor(decoded.objective), torch.tensor(values), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("recipe", [replace(PLAIN, steps=30), replace(PAPER, steps=30, side=5)])
def test_photos_are_painted_through_a_sigmoid_normalised_and_enlarged_as_by_the_replica(recipe):
    network, side = photos(), recipe.side or 8

    def to_image(c):
        return (F.interpolate(torch.sigmoid(c), (8, 8), mode="bilinear", align_corners=True) - MEAN) / STD

    image, values = replica(network, recipe, lambda x: network.run(x).logits[0, 1], to_image, (3, side, side))
    decoded = decode(network, 1, recipe=recipe)
    assert_close(decoded.image, image, rtol=0, atol=1e-5)
    assert_close(torch.tensor(decoded.objective), torch.tensor(values), rtol=1e-5, atol=1e-5)


def test_two_steps_by_hand():
    # y = (x1, x2) through ReLU to F = y1 - 2 y2 + 5. From x = 0.01 n, both above 0, dF/dx is 1 and -2 but for the
    # squashing's slope of 1 - tanh(c / 3)^2. Adam's first step is then the rate towards the sign, and so is the second.
    network = trace(TwoRoads().eval(), (2,))
    seed = next(s for s in range(99) if (torch.randn(2, generator=torch.Generator().manual_seed(s)) > 0.7).all())
    start = torch.randn(2, generator=torch.Generator().manual_seed(seed)) * 1.0
    decoded = decode(network, 0, recipe=replace(PLAIN, steps=2, rate=0.1, noise=1.0, seed=seed))
    first, second = (float(v) for v in start)
    wanted = [3 * tanh((first + 0.2) / 3), 3 * tanh((second - 0.2) / 3)]
    assert_close(decoded.image, torch.tensor([wanted]), rtol=0, atol=2e-3)
    assert decoded.objective[0] == pytest.approx(3 * tanh(first / 3) - 6 * tanh(second / 3) + 5, abs=1e-5)
    assert decoded.value == pytest.approx(wanted[0] - 2 * wanted[1] + 5, abs=6e-3)


class TwoRoads(nn.Module):
    def forward(self, x):
        y = torch.relu(x)
        return y @ torch.tensor([[1.0, 0.0], [-2.0, 0.0]]) + torch.tensor([5.0, 0.0])


@pytest.mark.parametrize("name", TOYS)
def test_the_objective_rises(name):
    _, network = toy(name)
    for pathway in (None, pathway_of(network, 0.8)):
        for recipe in (replace(PLAIN, steps=40), Recipe(steps=40)):
            decoded = decode(network, 0, pathway, recipe=recipe)
            assert decoded.steps == len(decoded.objective) == 40
            assert decoded.complete
            assert decoded.value > decoded.objective[0]


def test_the_value_is_that_of_the_image():
    _, network = toy("Residual")
    pathway = pathway_of(network)
    decoded = decode(network, 3, pathway, recipe=EVERYTHING)
    edited = network.run(decoded.image, lambda site, a: a * pathway.masks[site.index])
    assert decoded.value == pytest.approx(float(edited.logits[0, 3]), rel=1e-6)
    neuron = decode_neuron(network, network.sites[1], 77, pathway, recipe=EVERYTHING)
    edited = network.run(neuron.image, lambda site, a: a * pathway.masks[site.index], record=True)
    assert neuron.value == pytest.approx(float(edited.pre_activations[1].flatten()[77]), rel=1e-6)


def test_a_neurons_objective_is_its_recorded_pre_activation_and_a_channels_the_mean():
    _, network = toy("Residual", double=True)
    pathway, site = pathway_of(network), network.sites[1]
    position = site.position(2, 3, 5)

    def before(x):
        run = network.run(x, lambda where, a: a * pathway.masks[where.index], record=True)
        return run.pre_activations[1][0]

    for whole, objective in ((False, lambda x: before(x)[2, 3, 5]), (True, lambda x: before(x)[2].mean())):
        recipe = replace(PLAIN, steps=20)
        image, values = replica(network, recipe, objective, lambda c: 3 * torch.tanh(c / 3), SHAPE)
        decoded = decode_neuron(network, site, position, pathway, whole=whole, recipe=recipe)
        assert_close(decoded.image, image, rtol=0, atol=1e-9)
        assert_close(torch.tensor(decoded.objective), torch.tensor(values), rtol=1e-6, atol=1e-9)
        assert decoded.value > decoded.objective[0]


def test_a_silent_neuron_is_climbed_awake():
    network = trace(seeded(Straight()), SHAPE)
    site = network.sites[0]
    start = decode(network, 0, recipe=START).image
    silent = int(network.run(start, record=True).pre_activations[0].argmin())
    decoded = decode_neuron(network, site, silent, recipe=replace(PLAIN, steps=60))
    assert decoded.objective[0] < 0 < decoded.value


def test_a_neuron_of_a_vector_site_is_its_own_channel():
    network = trace(ByHand().eval(), (2,))
    one, whole = (decode_neuron(network, network.sites[1], 1, whole=w, recipe=FEW) for w in (False, True))
    assert same(one, whole)


def test_neurons_off_the_pathway_stay_silent():
    # Whatever the second site does, with all of the first off it hears nothing but its biases; so with a neuron whose
    # sources are off. One source left on is heard.
    _, network = toy("Straight")
    none, site = tuple(torch.zeros(s.shape, dtype=torch.bool) for s in network.sites), network.sites[1]
    position = site.position(1, 4, 4)
    deaf = decode_neuron(network, site, position, Pathway(none), recipe=FEW)
    bias = dict(network.program.model.named_parameters())["next.bias"][1]
    assert deaf.objective == (pytest.approx(float(bias)),) * 12
    far = none[0].clone()
    far[:, :2] = far[:, 7:] = True  # out of the reach of row 4
    assert decode_neuron(network, site, position, Pathway((far, none[1])), recipe=FEW).objective == deaf.objective
    near = none[0].clone()
    near[:, 4, 4] = True
    heard = decode_neuron(network, site, position, Pathway((near, none[1])), recipe=replace(FEW, noise=1.0, steps=40))
    assert heard.value > heard.objective[0]


@pytest.mark.parametrize("recipe", [FEW, replace(EVERYTHING, blur=0)])
def test_from_a_dead_start_nothing_moves(recipe):
    _, network = toy("Straight")
    nothing = Pathway(tuple(torch.zeros(site.shape, dtype=torch.bool) for site in network.sites))
    decoded = decode(network, 0, nothing, recipe=recipe)
    seen = []
    decode(network, 0, recipe=recipe, shown=lambda step, image: seen.append(image))
    assert decoded.image.equal(seen[0])
    assert set(decoded.objective) == {decoded.value}
    assert decoded.complete


def test_pixels_that_no_kept_neuron_looks_at_keep_their_colour():
    network = photos()
    first = torch.zeros(network.sites[0].shape, dtype=torch.bool)
    first[:, 2, 5] = True  # sees rows 1 to 3, columns 4 to 6
    decoded = decode(network, 0, Pathway((first, torch.ones(network.sites[1].shape) > 0)), recipe=replace(FEW, noise=0))
    moved = (colours(decoded.image) - 0.5).abs().amax((0, 1)) > 1e-4
    assert moved.any()
    moved[1:4, 4:7] = False
    assert not moved.any()


@pytest.mark.parametrize("recipe", [PLAIN, PAPER, Recipe(), EVERYTHING])
def test_the_grey_start_is_grey_and_the_noisy_one_nearly(recipe):
    network, started = photos(), []
    for noise in (0.0, 0.01):
        decode(network, 0, recipe=replace(recipe, steps=1, noise=noise), shown=lambda step, x: started.append(x))
    grey, noisy = (colours(image) for image in started[::2])
    assert_close(grey, torch.full_like(grey, 0.5))
    assert 1e-4 < float((noisy - 0.5).std()) < 0.03


def test_equal_seeds_start_alike_whatever_is_painted():
    network, started = photos(), []

    def begin(step, image):
        if step == 0:
            started.append(image)

    for pathway in (None, pathway_of(network), pathway_of(network, 0.02, 3)):
        decode(network, 1, pathway, recipe=EVERYTHING, shown=begin)
        decode_neuron(network, network.sites[0], 7, pathway, recipe=EVERYTHING, shown=begin)
    assert all(image.equal(started[0]) for image in started)
    decode(network, 1, recipe=replace(EVERYTHING, seed=1), shown=begin)
    assert not started[-1].equal(started[0])


def test_a_seed_is_a_painting_of_its_own():
    network = photos()
    one, again, other = (decode(network, 1, recipe=replace(EVERYTHING, seed=seed)) for seed in (4, 4, 5))
    assert same(one, again)
    assert not one.image.equal(other.image)
    grey, rolled = (decode(network, 1, recipe=replace(EVERYTHING, noise=0, seed=seed)) for seed in (4, 5))
    assert not grey.image.equal(rolled.image)  # by jitter alone


def test_the_generators_that_all_share_are_left_alone():
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    decode(photos(), 1, recipe=EVERYTHING)
    assert torch.get_rng_state().equal(before[0])
    assert random.getstate() == before[1]
    assert (np.random.get_state()[1] == before[2]).all()


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 7, 9), (16, 4, 6)])
def test_frequencies_start_as_noise_over_their_frequency(shape):
    network = trace(Anything(shape[0]).eval(), shape)
    recipe, height, width = replace(START, fourier=True, noise=1e-3), *shape[1:]
    noise = torch.randn(1, shape[0], height, width // 2 + 1, 2, generator=torch.Generator().manual_seed(0)) * 1e-3
    got = torch.fft.rfft2(decode(network, 0, recipe=recipe).image, norm="ortho")
    for row in range(height):
        for column in range(1, (width + 1) // 2):  # the others mirror themselves
            down, across = min(row, height - row) / height, column / width
            f = max((down**2 + across**2) ** 0.5, 1 / max(height, width))
            wanted = torch.view_as_complex(noise[0, :, row, column].contiguous()) / f / 4
            assert_close(got[0, :, row, column], wanted, rtol=1e-3, atol=1e-7)
    assert_close(got[0, :, 0, 0].real, noise[0, :, 0, 0, 0] * max(height, width) / 4, rtol=1e-3, atol=1e-7)


class Anything(nn.Module):
    """Takes any image; its mean through a ReLU."""

    def __init__(self, channels):
        super().__init__()
        self.mix = nn.Linear(channels, 2)

    def forward(self, x):
        return self.mix(torch.relu(x + 1).mean((2, 3)))


def test_a_small_painting_is_enlarged_and_keeps_its_proportions():
    network = trace(Anything(1).eval(), (1, 12, 6))
    small = 3 * torch.tanh(torch.randn(1, 1, 4, 2, generator=torch.Generator().manual_seed(0)) / 3)
    image = decode(network, 0, recipe=replace(START, noise=1.0, side=4)).image
    assert_close(image, F.interpolate(small, (12, 6), mode="bilinear", align_corners=True))


def test_decorrelated_colours_move_together():
    network = photos()
    recipe = replace(START, noise=1.0)
    apart = torch.logit(colours(decode(network, 0, recipe=recipe).image)[0]).flatten(1)
    joint = torch.logit(colours(decode(network, 0, recipe=replace(recipe, decorrelate=True)).image)[0]).flatten(1)
    root = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
    assert_close(joint, root @ apart / (0.26**2 + 2 * 0.27**2) ** 0.5, rtol=1e-3, atol=1e-4)
    assert torch.corrcoef(joint)[0, 2] > 0.6


def test_jitter_of_none_equals_no_jitter_and_some_does_not():
    _, network = toy("Straight")
    plain, none, some = (decode(network, 0, recipe=r) for r in (FEW, replace(FEW, jitter=0), replace(FEW, jitter=1)))
    assert same(plain, none)
    assert not same(plain, some)


def test_jitter_rolls_by_every_distance_up_to_its_own_and_only_within_the_step():
    # The logit reads one pixel, so the pixels that move are those rolled under it.
    network = trace(Peephole().eval(), (1, 9, 9))
    decoded = decode(network, 0, recipe=replace(PLAIN, steps=300, noise=0, jitter=2))
    moved = decoded.image[0, 0].abs() > 1e-3
    wanted = torch.zeros(9, 9, dtype=torch.bool)
    wanted[2:7, 2:7] = True
    assert moved.equal(wanted)


class Peephole(nn.Module):
    def forward(self, x):
        return torch.relu(x + 1)[:, :, 4, 4] @ torch.ones(1, 2)


@pytest.mark.parametrize("fourier", [False, True])
def test_blur_is_a_gaussian_that_wraps_around(fourier):
    network = trace(Anything(1).eval(), (1, 12, 10))
    recipe = replace(START, noise=1.0, fourier=fourier)
    plain = decode(network, 0, recipe=recipe).image
    blurred = decode(network, 0, recipe=replace(recipe, blur=1.2, blur_every=1)).image
    got, free = (3 * torch.atanh(image / 3) for image in (blurred, plain))  # what is blurred lies before the squashing
    weights = torch.tensor([exp(-(k**2) / 2 / 1.2**2) for k in range(-6, 7)], dtype=torch.float64)
    weights /= weights.sum()
    wanted = free.double()
    for axis in (-2, -1):
        wanted = sum(w * wanted.roll(k, axis) for k, w in zip(range(-6, 7), weights, strict=True))
    assert_close(got.double(), wanted, rtol=1e-2, atol=2e-3)
    assert roughness(got) < 0.5 * roughness(free)


def test_blur_comes_every_so_many_steps():
    _, network = toy("Straight")
    recipe = replace(FEW, noise=1.0, steps=7)
    wanted = {step: decode(network, 0, recipe=replace(recipe, steps=step)) for step in (2, 3)}
    got = {step: decode(network, 0, recipe=replace(recipe, steps=step, blur=1.0, blur_every=3)) for step in (2, 3, 4)}
    assert same(got[2], wanted[2])
    assert roughness(got[3].image) < 0.8 * roughness(wanted[3].image)
    assert roughness(got[4].image) > roughness(got[3].image)


@pytest.mark.parametrize("change", [{"total_variation": 0.5}, {"blur": 0.7}])
@pytest.mark.parametrize("fourier", [False, True])
def test_regularisers_smooth(change, fourier):
    network = photos()
    recipe = replace(FEW, steps=40, noise=0.3, fourier=fourier)
    rough, smooth = (colours(decode(network, 0, recipe=r).image) for r in (recipe, replace(recipe, **change)))
    assert roughness(smooth) < 0.9 * roughness(rough)


def test_total_variation_pulls_as_strongly_as_asked_and_not_at_the_objective_told():
    # One step from grey is even: no variation to lower. From a ramp, Adam's first step is the rate towards the sign of
    # the slope: of the objective's where variation pulls less, against its own where it pulls more.
    network = photos()
    recipe = replace(FEW, steps=1, noise=1.0, rate=1e-3)
    plain, little, much = (decode(network, 0, recipe=replace(recipe, total_variation=w)) for w in (0, 1e-6, 100))
    assert plain.objective == little.objective == much.objective
    assert_close(plain.image, little.image, rtol=0, atol=1e-6)
    start = colours(decode(network, 0, recipe=replace(START, noise=1.0)).image)
    leaf = start.clone().requires_grad_()
    (leaf.diff(dim=-1).abs().sum() + leaf.diff(dim=-2).abs().sum()).backward()
    moves = colours(much.image) - start
    rough = leaf.grad != 0
    assert rough.float().mean() > 0.5
    assert moves[rough].sign().equal(-leaf.grad[rough].sign())


def test_total_variation_pulls_alike_on_strong_and_on_weak_logits():
    model = seeded(Straight()).double()
    weak = deepcopy(model)
    with torch.no_grad():
        weak.fc.weight *= 1e-2
    recipe = replace(FEW, total_variation=0.3, noise=0.3, steps=1)
    one, other = (decode(trace(m, SHAPE), 0, recipe=recipe) for m in (model, weak))
    assert_close(one.image, other.image, rtol=0, atol=1e-3)
    without = decode(trace(model, SHAPE), 0, recipe=replace(recipe, total_variation=0))
    assert (one.image - without.image).abs().max() > 0.01


@pytest.mark.parametrize("fourier", [False, True])
def test_colours_are_valid_however_wild_the_climb(fourier):
    wild = replace(EVERYTHING, noise=50.0, rate=10.0, fourier=fourier)
    values = colours(decode(photos(), 0, recipe=wild).image)
    assert values.isfinite().all()
    assert -1e-6 <= float(values.min()) < 0.05 < 0.95 < float(values.max()) <= 1 + 1e-6
    other = decode(toy("Straight")[1], 0, recipe=wild).image
    assert 2.9 < float(other.abs().max()) <= 3 + 1e-6


def test_frozen_neurons_hold_what_the_reference_gives():
    _, network = toy("Residual")
    pathway, reference = pathway_of(network), image_of(network, 3)
    held = network.run(reference, record=True).activations
    decoded = decode(network, 1, pathway, recipe=FEW, off="frozen", reference=reference)
    edited = network.run(decoded.image, lambda s, a: torch.where(pathway.masks[s.index], a, held[s.index]))
    assert decoded.value == pytest.approx(float(edited.logits[0, 1]), rel=1e-6)
    assert decoded.value > decoded.objective[0]
    zero, referred = (decode(network, 1, pathway, recipe=FEW, reference=r) for r in (None, reference))
    assert same(zero, referred)


def test_a_pathway_of_all_neurons_is_the_original_network():
    _, network = toy("Residual")
    everything = Pathway(tuple(torch.ones(site.shape, dtype=torch.bool) for site in network.sites))
    assert same(decode(network, 0, everything, recipe=EVERYTHING), decode(network, 0, recipe=EVERYTHING))


def test_steps_are_shown_and_told_as_they_come():
    _, network = toy("Straight")
    seen, said = {}, []
    decoded = decode(
        network,
        0,
        recipe=EVERYTHING,
        shown=seen.__setitem__,
        every=5,
        progress=lambda done, total, note: said.append((done, total, note)),
    )
    assert list(seen) == [0, 5, 10, 12]
    assert seen[12].equal(decoded.image)
    assert seen[5].equal(decode(network, 0, recipe=replace(EVERYTHING, steps=5)).image)
    assert [done for done, _, _ in said] == list(range(1, 13))
    assert said[3] == (4, 12, f"steps, logit {decoded.objective[3]:.4g}")
    for image in seen.values():
        assert not image.requires_grad
        image.zero_()  # a copy of its own: what is done to it does no harm
    again = decode(network, 0, recipe=EVERYTHING, shown=lambda step, image: image.zero_(), every=1)
    assert again.objective == decoded.objective
    assert again.image.any()


@pytest.mark.parametrize("through", ["progress", "shown"])
def test_cancelled_it_hands_over_what_was_painted(through):
    _, network = toy("Straight")

    def stop(done, *rest):
        if done == 7:
            raise Cancelled("enough")

    with pytest.raises(Cancelled) as caught:
        decode(network, 0, recipe=EVERYTHING, every=1, **{through: stop})
    wanted = decode(network, 0, recipe=replace(EVERYTHING, steps=7))
    assert same(caught.value.best, wanted)
    assert (wanted.complete, caught.value.best.complete) == (True, False)


def test_cancelled_before_the_first_step_it_hands_over_the_start():
    def stop(step, image):
        raise Cancelled("enough")

    with pytest.raises(Cancelled) as caught:
        decode(toy("Straight")[1], 0, recipe=START, shown=stop)
    assert caught.value.best.steps == 0
    assert not caught.value.best.complete
    assert_close(caught.value.best.image, decode(toy("Straight")[1], 0, recipe=START).image)


def test_nothing_is_left_on_the_network():
    network = trace(seeded(TOYS["Residual"]()), SHAPE)
    before = deepcopy(network.program.model.state_dict())
    image, call = image_of(network), nn.Module.__call__
    logits = network.run(image).logits
    decode(network, 0, pathway_of(network), recipe=EVERYTHING)
    decode_neuron(network, network.sites[0], 3, recipe=EVERYTHING)
    assert nn.Module.__call__ is call
    for weight in network.program.model.parameters():
        assert weight.grad is None
        assert not weight.requires_grad
    for module in network.program.model.modules():
        assert not module._forward_hooks
        assert not module._backward_hooks
    assert all(value.equal(before[name]) for name, value in network.program.model.state_dict().items())
    assert network.run(image).logits.equal(logits)


def test_without_gradients_around_it_still_climbs():
    _, network = toy("Straight")
    wanted = decode(network, 0, recipe=EVERYTHING)
    with torch.no_grad():
        assert same(decode(network, 0, recipe=EVERYTHING), wanted)


def test_threads_at_once_paint_as_alone():
    network = photos()
    pathways = [None, *(pathway_of(network, 0.5, seed) for seed in range(3))]

    def work(pathway):
        return decode(network, 1, pathway, recipe=EVERYTHING), decode_neuron(network, network.sites[1], 9, pathway)

    alone = [work(pathway) for pathway in pathways]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, pathways))
    for ones, others in zip(alone, together, strict=True):
        assert all(same(one, other) for one, other in zip(ones, others, strict=True))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 0}, r"Got steps 0, wanted a whole number from 1 to 100000"),
        ({"steps": 2.5}, r"Got steps 2.5, wanted a whole number"),
        ({"steps": True}, r"Got steps True, wanted a whole number"),
        ({"rate": 0}, r"Got rate 0, which changes nothing"),
        ({"rate": float("nan")}, r"Got rate nan, wanted a number from 0 to 100"),
        ({"noise": -1}, r"Got noise -1, wanted a number from 0"),
        ({"noise": "loud"}, r"Got noise 'loud', wanted a number"),
        ({"jitter": -1}, r"Got jitter -1, wanted a whole number from 0"),
        ({"blur": float("inf")}, r"Got blur inf, wanted a number"),
        ({"blur_every": 0}, r"Got blur_every 0, wanted a whole number from 1"),
        ({"total_variation": -0.1}, r"Got total_variation -0.1, wanted a number"),
        ({"side": 5000}, r"Got side 5000, wanted a whole number from 0 to 2048"),
        ({"seed": -1}, r"Got seed -1, wanted a whole number"),
    ],
)
def test_recipes_that_cannot_be_are_refused_in_words(change, said):
    with pytest.raises(PathwayError, match=said):
        Recipe(**change)


def test_what_does_not_fit_the_network_is_refused_in_words():
    _, network = toy("Straight")
    vectors = trace(ByHand().eval(), (2,))
    pathway, other = pathway_of(network), pathway_of(vectors)
    cases = [
        (r"Got target 4, wanted an integer from 0 to 3", lambda: decode(network, 4)),
        (r"masks do not fit the sites of Straight", lambda: decode(network, 0, other)),
        (r'Got off="frozen" without an image', lambda: decode(network, 0, pathway, off="frozen")),
        (r"Got off='half', wanted \"zero\"", lambda: decode(network, 0, pathway, off="half")),
        (
            r"Got an image of torch.float32 of shape \(1, 3, 4, 4\)",
            lambda: decode(network, 0, pathway, off="frozen", reference=torch.zeros(1, 3, 4, 4)),
        ),
        (r"Got site 'relu#1', wanted a site of Straight", lambda: decode_neuron(network, vectors.sites[0], 0)),
        (r"Got position 256 at site \S+, wanted", lambda: decode_neuron(network, network.sites[0], 256)),
        (r"Got position True at site", lambda: decode_neuron(network, network.sites[0], True)),
        (r"these have no pixels to blur, roll or enlarge", lambda: decode(vectors, 0)),
        (r"Got every=0, wanted a whole number of steps", lambda: decode(network, 0, every=0)),
    ]
    for said, call in cases:
        with pytest.raises(PathwayError, match=said):
            call()


def test_frozen_needs_no_reference_where_nothing_is_off():
    _, network = toy("Straight")
    assert same(decode(network, 0, recipe=FEW, off="frozen"), decode(network, 0, recipe=FEW))


@pytest.fixture(scope="module")
def squeezenet():
    network = load_network("squeezenet1_1")
    image = network.preprocess(sample_images()["chelsea"].open())
    return network, image, int(network.run(image).logits.argmax())


@pytest.mark.thorough
def test_on_a_real_network_logits_channels_and_pathways_are_climbed(squeezenet):
    network, image, target = squeezenet
    ranking = rank(METHODS["NeuronMCT"](network, image, target))
    recipe, pathway = Recipe(steps=24), ranking.pathway(0.9)
    free, kept = (decode(network, target, way, recipe=recipe) for way in (None, pathway))
    assert free.value > 30 > 10 > free.objective[0]  # the photo itself reaches 28
    assert kept.value > 2 * kept.objective[0]
    ((_, position),) = ranking.top(1, 24)
    channel = decode_neuron(network, network.sites[24], position, whole=True, recipe=recipe)
    assert channel.value > 0 > channel.objective[0]
    for decoded in (free, kept, channel):
        picture = np.asarray(network.preprocessing.picture(decoded.image))
        assert picture.std() > 5


def test_on_a_real_network_a_random_pathway_is_dead_and_stays_so(squeezenet):
    network, image, target = squeezenet
    pathway = rank(METHODS["Random"](network, image, target)).pathway(0.98)
    decoded = decode(network, target, pathway, recipe=Recipe(steps=5, blur=0))
    assert set(decoded.objective) == {0.0}
    assert_close(decoded.image, decode(network, target, pathway, recipe=Recipe(steps=1, blur=0)).image, rtol=0, atol=0)
