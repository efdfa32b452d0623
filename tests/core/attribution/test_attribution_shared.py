"""What every baseline has to keep: its shape, its seed, its progress; and that nothing is left behind anywhere."""

from __future__ import annotations

import math
import random
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR
from torch import nn
from torch.testing import assert_close

from core.attribution import BASELINES, base
from core.attribution import hooked as hooked_module
from core.errors import Cancelled, PathwayError
from core.network import Network, trace
from tests.networks import SHAPE, TOYS, ByHand, Straight, architecture, image_of, seeded, toy

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
ONE_A_PIXEL = ["Grad-CAM", "Occlusion", "KernelSHAP", "LIME"]
GRADIENTS = ["Gradient", "Guided Backpropagation", "SmoothGrad"]
WITH_DELTA = ["InputIntGrad", "DeepLIFT", "GradientSHAP", "KernelSHAP", "LRP"]
ONE_PASS = ["Gradient", "InputMCT", "Guided Backpropagation", "Grad-CAM", "DeepLIFT", "LRP"]
KNOWN_TO_CAPTUM = dict(SUPPORTED_NON_LINEAR)  # before anything ran
SAMPLED = ["SmoothGrad", "GradientSHAP", "KernelSHAP", "LIME"]


def test_the_registry():
    assert list(BASELINES) == [
        *("Gradient", "InputMCT", "InputIntGrad", "Guided Backpropagation", "Grad-CAM", "SmoothGrad", "Occlusion"),
        *("DeepLIFT", "GradientSHAP", "KernelSHAP", "LIME", "LRP"),
    ]
    assert [name for name, baseline in BASELINES.items() if baseline.more] == list(BASELINES)[8:]
    assert [name for name, baseline in BASELINES.items() if baseline.seeded] == SAMPLED
    for name, baseline in BASELINES.items():
        assert baseline.name == name
        assert baseline.summary.endswith(".")


@pytest.mark.parametrize("name", BASELINES)
def test_values_are_finite_shaped_as_promised_and_repeatable(name):
    for toy_name in ("Residual", "Split", "Saturating"):
        network = toy(toy_name)[1]
        image = image_of(network)
        found = BASELINES[name](network, image, 1)
        assert found.values.shape == ((1, 8, 8) if name in ONE_A_PIXEL else SHAPE)
        assert found.values.dtype == network.dtype
        assert bool(found.values.isfinite().all())
        assert not found.values.requires_grad
        assert found.is_gradient is (name in GRADIENTS)
        assert (found.delta is not None) is (name in WITH_DELTA)
        with torch.no_grad():  # gradients are switched on where they are needed
            again = BASELINES[name](network, image.clone().requires_grad_(), 1)
        assert torch.equal(again.values, found.values)
        assert again.delta == found.delta
        other = BASELINES[name](network, image, 2)
        assert not torch.equal(other.values, found.values)


@pytest.mark.parametrize("name", BASELINES)
def test_another_seed_gives_other_values_where_samples_are_drawn(name):
    network = toy("Residual")[1]
    image = image_of(network)
    found, again, other = (BASELINES[name](network, image, 1, seed=seed).values for seed in (3, 3, 4))
    assert torch.equal(found, again)
    assert torch.equal(found, other) is (name not in SAMPLED)


@pytest.mark.parametrize("name", BASELINES)
def test_batches_of_one_give_the_same(name, monkeypatch):
    network = toy("Functional", double=True)[1] if name != "LRP" else toy("Residual", double=True)[1]
    image, batches, run = image_of(network), [], Network.run
    whole = BASELINES[name](network, image, 1)
    monkeypatch.setattr(base, "MEMORY", 1)

    def counting(self, images, *args, **kwargs):
        batches.append(len(images))
        return run(self, images, *args, **kwargs)

    monkeypatch.setattr(Network, "run", counting)
    found = BASELINES[name](network, image, 1)
    assert_close(found.values, whole.values, rtol=1e-6, atol=1e-7)  # Captum's linear models and steps: float32
    assert set(batches) <= {1, 2}  # two where the image and the baseline go together
    assert batches.count(2) <= 1


@pytest.mark.parametrize("name", BASELINES)
def test_progress_rises_to_its_total_and_can_cancel(name):
    network = toy("Residual")[1]
    image, told = image_of(network), []
    found = BASELINES[name](network, image, 0, progress=lambda *step: told.append(step))
    done = [step[0] for step in told]
    assert done == sorted(set(done))
    assert done[-1] == told[-1][1] > 0
    assert len({total for _, total, _ in told}) == 1
    assert all(note for *_, note in told)
    assert (len(told) == 1) is (name in ONE_PASS)

    def cancel(done, total, note):
        if done > total // 2:
            raise Cancelled("enough")

    before = state(network)
    with pytest.raises(Cancelled, match="enough"):
        BASELINES[name](network, image, 0, progress=cancel)
    assert state(network) == before
    assert torch.equal(BASELINES[name](network, image, 0).values, found.values)


@pytest.mark.parametrize("name", BASELINES)
def test_refuses_what_does_not_fit(name):
    baseline, network = BASELINES[name], toy("Straight")[1]
    image = image_of(network)
    for wrong in (image[0], image.double(), image_of(network, batch=2)):
        with pytest.raises(PathwayError, match="Got an image of"):
            baseline(network, wrong, 0)
    for target in (-1, 4, True):
        with pytest.raises(PathwayError, match="Got target"):
            baseline(network, image, target)
    with pytest.raises(PathwayError, match=f"{name} has no option 'n_steps'"):
        baseline(network, image, 0, n_steps=3)


@pytest.mark.parametrize("name", BASELINES)
def test_vectors_are_taken_or_refused_in_words(name):
    network = trace(ByHand().eval(), (2,), name="by hand")
    image = torch.tensor([[1.0, 2.0]])
    if name in (*ONE_A_PIXEL, "LRP"):
        with pytest.raises(PathwayError, match=rf"by hand, which takes inputs of shape \(2,\); {name} wants"):
            BASELINES[name](network, image, 0)
    else:
        assert BASELINES[name](network, image, 0).values.shape == (2,)


@pytest.mark.parametrize("name", BASELINES)
def test_passes_grow_with_what_is_run(name, monkeypatch):
    network, images, run = toy("Residual")[1], [], Network.run

    def counting(self, batch, *args, **kwargs):
        images.append(len(batch) / (1 if batch.requires_grad else 2))
        return run(self, batch, *args, **kwargs)

    monkeypatch.setattr(Network, "run", counting)
    BASELINES[name](network, image_of(network), 0)
    if name not in ("LRP", "DeepLIFT", "Guided Backpropagation", "Grad-CAM"):  # of which the run is not all
        assert BASELINES[name].passes(network) == pytest.approx(sum(images), abs=2)
    assert 0 < BASELINES[name].passes(network) < math.inf


# nothing is left behind


def state(network: Network) -> list[Any]:
    """All that a method could disturb, in a form that compares by value."""
    model = network.program.model
    return [
        [len(getattr(module, hooks)) for module in model.modules() for hooks in HOOKS],
        [sorted(vars(module)) for module in model.modules()],
        [(id(module), module.training, getattr(module, "inplace", None)) for module in model.modules()],
        [
            (id(t), t._version, t.requires_grad, t.grad is None, t._backward_hooks is None, t.sum().item())
            for t in (*model.parameters(), *model.buffers())
        ],
        network.run(image_of(network)).logits.tolist(),
        SUPPORTED_NON_LINEAR == KNOWN_TO_CAPTUM,
        nn.Module.__call__,
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),
        random.getstate(),
    ]


@pytest.mark.parametrize("name", BASELINES)
def test_leaves_everything_as_it_was(name):
    for toy_name in TOYS:
        network = toy(toy_name)[1]
        image = image_of(network)
        before, seen = state(network), image.clone()
        try:
            BASELINES[name](network, image, 1)
        except PathwayError:
            assert name == "LRP"
        assert state(network) == before
        assert SUPPORTED_NON_LINEAR == KNOWN_TO_CAPTUM
        assert torch.equal(image, seen)
        assert image.grad is None
        assert not image.requires_grad


@pytest.mark.parametrize("name", ["DeepLIFT", "Guided Backpropagation"])
def test_leaves_nothing_when_the_copy_fails(name, monkeypatch):
    network, copies, forward = toy("Residual")[1], [], hooked_module._Separated.forward

    def failing(self, image):
        forward(self, image)
        copies.append(self)
        assert sum(len(getattr(module, hooks)) for module in self.modules() for hooks in HOOKS) > 0
        raise RuntimeError("in the middle")

    monkeypatch.setattr(hooked_module._Separated, "forward", failing)
    before = state(network)
    with pytest.raises(RuntimeError, match="in the middle"):
        BASELINES[name](network, image_of(network), 1)
    assert len(copies) == 1
    assert SUPPORTED_NON_LINEAR == KNOWN_TO_CAPTUM
    assert state(network) == before
    assert not any(getattr(module, hooks) for module in copies[0].modules() for hooks in HOOKS)
    shared = set(map(id, network.program.model.modules()))
    assert not any(id(module) in shared for module in copies[0].modules())


def test_other_warnings_are_still_heard():
    network = toy("Residual")[1]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for name in BASELINES:
            BASELINES[name](network, image_of(network), 1)
        warnings.warn("Setting the table", stacklevel=1)
    assert [str(warning.message) for warning in heard] == ["Setting the table"]


def test_threads_together_give_what_each_gives_alone_while_another_traces():
    network = toy("Residual")[1]
    work = [(name, image_of(network, seed), seed) for seed in range(2) for name in BASELINES]
    stop, traced = threading.Event(), []

    def attributed(item):
        name, image, seed = item
        return BASELINES[name](network, image, seed, seed=seed).values

    def keep_tracing(model):
        while not stop.is_set() or not traced:
            traced.append(len(trace(model, (3, 32, 32)).sites))

    serial = [attributed(item) for item in work]
    before = state(network)
    other = threading.Thread(target=keep_tracing, args=(architecture("resnet18"),))
    other.start()
    try:
        with ThreadPoolExecutor(6) as pool:
            rounds = [list(pool.map(attributed, work)) for _ in range(2)]
    finally:
        stop.set()
        other.join()
    assert set(traced) == {17}
    for together in rounds:
        for (name, *_), found, wanted in zip(work, together, serial, strict=True):
            assert torch.equal(found, wanted), name
    assert state(network)[:-3] == before[:-3]  # the tracing thread made noise


@pytest.mark.parametrize("name", [name for name in BASELINES if name not in ("Guided Backpropagation", "DeepLIFT")])
def test_runs_in_the_middle_of_another_trace(name):
    """What calls no module needs no lock, and is right even while modules are not themselves."""
    network, found = toy("Residual")[1], []
    wanted = BASELINES[name](network, image_of(network), 1).values

    class Meddling(Straight):
        def forward(self, x):
            thread = threading.Thread(
                target=lambda: found.append(BASELINES[name](network, image_of(network), 1).values)
            )
            thread.start()
            thread.join(60)
            return super().forward(x)

    trace(seeded(Meddling()), SHAPE)
    assert len(found) == 2
    assert all(torch.equal(values, wanted) for values in found)
