"""Nothing is left behind on a model, and many threads may share a network, even while another traces."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import pytest
import torch
from torch import nn

from core.methods import METHODS
from core.network import trace
from tests.networks import SHAPE, TOYS, Straight, architecture, cheap, image_of, seeded, toy

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@pytest.mark.parametrize("name", TOYS)
def test_leaves_the_model_as_it_was(name):
    model = seeded(TOYS[name]())
    before, call = deepcopy(model), nn.Module.__call__
    network = trace(model, SHAPE)
    for method in METHODS.values():
        method(network, image_of(network), 0, **cheap(method))
    assert nn.Module.__call__ is call
    for module, old in zip(model.modules(), before.modules(), strict=True):
        assert getattr(module, "inplace", None) == getattr(old, "inplace", None)
        assert not module.training
        assert not any(getattr(module, hooks) for hooks in HOOKS)
    for weight, old in zip(model.parameters(), before.parameters(), strict=True):
        assert torch.equal(weight, old)
        assert weight.requires_grad
        assert weight.grad is None


def test_the_copy_is_private_and_frozen():
    model = seeded(TOYS["Residual"]())
    network = trace(model, SHAPE)
    image = image_of(network)
    before = network.run(image).logits
    assert not before.requires_grad
    assert not any(weight.requires_grad for weight in network.program.model.parameters())
    assert not any(any(getattr(m, hooks) for hooks in HOOKS) for m in network.program.model.modules())
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    assert torch.equal(network.run(image).logits, before)


def test_runs_in_the_middle_of_another_trace():
    network = toy("Residual")[1]
    image, found = image_of(network), []

    def work():
        found.append(METHODS["NeuronIntGrad"](network, image, 1, n_steps=2))

    class Meddling(Straight):
        def forward(self, x):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            return super().forward(x)

    work()
    trace(seeded(Meddling()), SHAPE)
    assert len(found) == 3  # before, while tracing, on the probe
    for scores in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(scores, found[0], strict=True))


def test_eight_threads_equal_serial_while_another_traces():
    network = toy("Residual")[1]
    images = [image_of(network, seed) for seed in range(8)]
    stop, traced = threading.Event(), []

    def work(image):
        scores = METHODS["NeuronIntGrad"](network, image, 1, n_steps=3)
        run = network.run(image, lambda site, a: a * 0.5, record=True)
        cache = network.cache(image)
        resumed = network.resume(cache, network.sites[0], cache.activations[0] * 2)
        return [*scores, run.logits, *run.activations, *run.pre_activations, resumed.logits]

    def keep_tracing(model):
        while not stop.is_set() or not traced:
            traced.append(len(trace(model, (3, 32, 32)).sites))

    serial = [work(image) for image in images]
    others = [threading.Thread(target=keep_tracing, args=(architecture("resnet18"),)) for _ in range(2)]
    for other in others:
        other.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            rounds = [list(pool.map(work, images)) for _ in range(10)]
    finally:
        stop.set()
        for other in others:
            other.join()
    assert set(traced) == {17}
    for results in rounds:
        assert all(
            torch.allclose(a, b, atol=1e-6)
            for r, s in zip(results, serial, strict=True)
            for a, b in zip(r, s, strict=True)
        )
