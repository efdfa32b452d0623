"""Tracing, running, editing, and resuming, against the raw models."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from core.errors import PathwayError
from core.network import Network, Site, trace
from tests.networks import SHAPE, TOYS, Blind, architecture, image_of, relu_calls, toy

ARCHITECTURES = {  # (side of the image, ReLU calls as its publication draws them)
    "alexnet": (64, 7),
    "vgg16": (32, 15),
    "squeezenet1_1": (64, 25),
    "resnet18": (32, 17),
    "resnet50": (32, 49),
    "googlenet": (64, 57),
    "densenet121": (32, 121),
    "mobilenet_v2": (32, 35),
}


LARGE = ("alexnet", "vgg16", "resnet50", "densenet121")


@cache
def real(name: str) -> tuple[nn.Module, Network]:
    model = architecture(name)
    return model, trace(model, (3, ARCHITECTURES[name][0], ARCHITECTURES[name][0]), name=name)


def replacing(where: Site, value: Tensor):
    return lambda site, activation: value if site == where else activation


def assert_resumes(network: Network, site: Site) -> None:
    """Resuming on three different activations equals running with each put in place of the site's own."""
    image = image_of(network, seed=1)
    cache = network.cache(image)
    factors = torch.tensor([1.0, 0.5, 0.0], dtype=network.dtype).view(3, *[1] * len(site.shape))
    activations = cache.activations[site.index] * factors
    with torch.no_grad():
        resumed = network.resume(cache, site, activations).logits
        wanted = [network.run(image, replacing(site, a[None])).logits[0] for a in activations]
    assert_close(resumed, torch.stack(wanted), rtol=1e-4, atol=1e-4 * float(cache.logits.abs().max()))
    assert_close(resumed[:1], cache.logits, rtol=1e-4, atol=1e-4 * float(cache.logits.abs().max()))
    assert torch.isfinite(resumed).all()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.thorough] if name in LARGE else []) for name in ARCHITECTURES]
)
def test_real_architecture_runs_and_resumes_as_its_model(name):
    model, network = real(name)
    images = image_of(network, batch=2)
    with torch.no_grad():
        assert_close(network.run(images).logits, model(images), rtol=1e-5, atol=1e-5)
    assert len(network.sites) == ARCHITECTURES[name][1]
    assert len({site.name for site in network.sites}) == len(network.sites)
    for site in network.sites[:: max(1, len(network.sites) // 6)]:
        assert_resumes(network, site)
    assert_resumes(network, network.sites[-1])


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "squeezenet1_1", "mobilenet_v2"])
def test_records_every_relu_call_of_a_real_model(name):
    model, network = real(name)
    assert_records(model, network, image_of(network))


@pytest.mark.parametrize("name", TOYS)
def test_records_what_goes_into_and_comes_out_of_every_relu(name):
    model, network = toy(name)
    assert_records(model, network, image_of(network, batch=3))


def assert_records(model: nn.Module, network: Network, images: Tensor) -> None:
    run = network.run(images, record=True)
    calls = relu_calls(model, images)
    if isinstance(model, Blind):
        calls = [calls[0]]  # the others see no image, or lead nowhere
    calls = calls[: len(calls) - len(network.left_out)]  # SqueezeNet's last one is a map of classes
    assert len(run.activations) == len(run.pre_activations) == len(network.sites) == len(calls)
    for site, before, after, (raw_before, raw_after) in zip(
        network.sites, run.pre_activations, run.activations, calls, strict=True
    ):
        assert_close(before, raw_before, rtol=1e-5, atol=1e-5)
        assert_close(after, raw_after, rtol=1e-5, atol=1e-5)
        assert torch.equal(before.clamp(0, site.ceiling), after)
        assert tuple(after.shape[1:]) == site.shape
        assert len(site.shape) == 1 or site.planes == site.shape


@pytest.mark.parametrize("name", TOYS)
def test_toy_runs_as_its_model_for_any_batch(name):
    model, network = toy(name)
    for batch in (1, 3):
        images = image_of(network, batch=batch)
        before = images.clone()
        assert_close(network.run(images).logits, model(images.clone()))
        assert torch.equal(images, before)


@pytest.mark.parametrize("name", TOYS)
def test_toy_resumes_at_every_site(name):
    for site in toy(name)[1].sites:
        assert_resumes(toy(name)[1], site)


def test_resume_applies_the_edit_at_later_sites_only():
    network = toy("Branches")[1]
    image, seen = image_of(network), []

    def edit(site, activation):
        seen.append(site.index)
        return activation * 0

    network.resume(network.cache(image), network.sites[1], torch.ones(2, *network.sites[1].shape), edit)
    assert seen == [2]


def test_cache_survives_resuming():
    network = toy("ShapeDependent")[1]
    cache = network.cache(image_of(network))
    before = {node: value.clone() for node, value in cache.values.items() if isinstance(value, Tensor)}
    for site in network.sites:
        network.resume(cache, site, torch.zeros(5, *site.shape))
    assert all(torch.equal(cache.values[node], value) for node, value in before.items())


def test_edit_sees_each_site_once_in_order_and_decides_what_goes_on():
    network = toy("Residual")[1]
    image, seen = image_of(network), []

    def edit(site, activation):
        seen.append(site)
        return activation * 0 + 7 if site.index == 1 else activation

    run = network.run(image, edit, record=True)
    assert tuple(seen) == network.sites
    assert torch.equal(run.activations[1], torch.full_like(run.activations[1], 7))
    assert_close(run.logits, toy("Residual")[0].fc(torch.full((1, 256), 7.0)))


def test_sites_are_named_after_the_module_that_calls():
    def names(network):
        return [site.name for site in network.sites]

    assert names(real("resnet18")[1])[:4] == ["relu", "layer1.0.relu#1", "layer1.0.relu#2", "layer1.1.relu#1"]
    assert names(real("alexnet")[1])[-2:] == ["classifier.2", "classifier.5"]
    assert names(real("googlenet")[1])[3] == "inception3a.branch1.relu"
    assert names(toy("Functional")[1]) == ["relu#1", "relu6", "relu#2", "relu#3"]


def test_ceilings():
    assert {site.ceiling for site in toy("Saturating")[1].sites} == {6.0}
    assert [site.ceiling for site in toy("Functional")[1].sites] == [float("inf"), 6.0, float("inf"), float("inf")]
    run = toy("Saturating")[1].run(image_of(toy("Saturating")[1]), record=True)
    assert max(float(a.max()) for a in run.activations) == 6
    assert any(float(z.max()) > 6 for z in run.pre_activations)


def test_facts_of_a_network():
    model, network = toy("Straight")
    assert (network.classes, network.class_names[3], network.input_shape) == (4, "class 3", SHAPE)
    assert [site.neurons for site in network.sites] == [256, 256]
    assert network.neurons == 512
    assert network.nbytes == sum(p.numel() * 4 for p in model.parameters())
    assert repr(network) == "Network('Straight', 2 sites, 512 neurons, 4 classes)"
    assert network.tail_bytes(network.sites[0]) > network.tail_bytes(network.sites[1]) >= 4 * 256


@pytest.mark.parametrize("shape", [(4, 8, 8), (3, 2, 5), (7, 5, 1), (2, 1, 6), (1, 1, 1), (6,), (1,)])
def test_a_position_is_the_place_the_other_way_round(shape):
    site = Site(0, "relu", shape, float("inf"), node=toy("Straight")[1].sites[0].node)
    values = torch.arange(site.neurons).view(site.planes)
    for position in range(site.neurons):
        channel, row, column = site.place(position)
        assert int(values[channel, row, column]) == position
        assert site.position(channel, row, column) == position
    channels, height, width = site.planes
    places = [(c, y, x) for c in range(channels) for y in range(height) for x in range(width)]
    assert [site.place(site.position(*place)) for place in places] == places


def test_positions_by_hand():
    site = Site(0, "relu", (4, 3, 5), float("inf"), node=toy("Straight")[1].sites[0].node)
    assert site.position(0, 0, 0) == 0
    assert site.position(0, 1, 2) == 7
    assert site.position(2, 0, 4) == 34
    assert site.position(3, 2, 4) == 59


def test_double_and_device_follow_the_model():
    network = toy("Straight", double=True)[1]
    assert network.dtype == torch.float64
    assert network.run(image_of(network)).logits.dtype == torch.float64
    with pytest.raises(PathwayError, match=r"torch.float32.*wanted torch.float64"):
        network.run(torch.zeros(1, *SHAPE))
