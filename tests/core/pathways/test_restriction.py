"""Responses, pathway gradients and sweeps against raw models and networks masked line by line."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from core.errors import Cancelled, PathwayError
from core.methods import METHODS
from core.network import trace
from core.pathways.ranking import Pathway, Ranking, rank
from core.pathways.restriction import pathway_gradient, response, restrict, restrict_each, saliency_map, sweep
from tests.networks import SHAPE, TOYS, architecture, image_of, toy

SPARSITIES = [0.99, 0.0, 0.5, 0.9, 0.7]


def random_pathway(name: str, sparsity: float = 0.6) -> Pathway:
    network = toy(name, double=True)[1]
    return rank(METHODS["Random"](network, image_of(network), 0, seed=5)).pathway(sparsity)


def ranked(name: str) -> Ranking:
    network = toy(name, double=True)[1]
    return rank(METHODS["NeuronMCT"](network, image_of(network), 1))


def literal(image: Tensor, masks: list[Tensor], held: list[Tensor]) -> Tensor:
    """``Straight`` written out: what is off the masks is what ``held`` says."""
    model = toy("Straight", double=True)[0]
    a = F.relu(F.conv2d(image, model.conv.weight, model.conv.bias, padding=1))
    a = a * masks[0] + held[0] * ~masks[0]
    b = F.relu(F.conv2d(a, model.next.weight, model.next.bias, padding=1))
    b = b * masks[1] + held[1] * ~masks[1]
    return F.linear(b.flatten(1), model.fc.weight, model.fc.bias)


def with_gradient(function, image: Tensor, target: int) -> tuple[Tensor, Tensor]:
    image = image.clone().requires_grad_()
    logits = function(image)
    return logits.detach(), torch.autograd.grad(logits[0, target], image)[0][0]


def by_differences(model: nn.Module, image: Tensor, target: int) -> tuple[Tensor, Tensor]:
    """Autograd refuses raw models that overwrite what it needs; differences do not."""
    steps = 1e-6 * torch.eye(image.numel(), dtype=torch.float64).view(-1, *image.shape[1:])
    with torch.no_grad():
        rise = model(image + steps)[:, target] - model(image - steps)[:, target]
        return model(image.clone()), (rise / 2e-6).view(image.shape[1:])


@pytest.mark.parametrize("name", TOYS)
def test_no_pathway_and_the_full_pathway_give_the_raw_model(name):
    model, network = toy(name, double=True)
    image = image_of(network)
    wanted = by_differences(model, image, 2)
    full = Pathway(tuple(torch.ones(site.shape, dtype=torch.bool) for site in network.sites))
    for pathway, off in [(None, "zero"), (None, "frozen"), (full, "zero"), (full, "frozen")]:
        restricted = restrict(network, image, 2, pathway, off=off)
        assert_close((restricted.logits, restricted.gradient), wanted, rtol=1e-5, atol=1e-7)
        assert_close(pathway_gradient(network, image, 2, pathway, off=off), wanted[1], rtol=1e-5, atol=1e-7)
        assert_close(response(network, image, pathway, off=off), wanted[0])
    assert not image.requires_grad


@pytest.mark.parametrize("off", ["zero", "frozen"])
@pytest.mark.parametrize("name", TOYS)
def test_a_batch_of_restrictions_equals_one_call_an_image(name, off):
    network = toy(name, double=True)[1]
    images, targets = torch.cat([image_of(network, seed=seed) for seed in (1, 2, 3)]), [2, 0, 2]
    methods = METHODS["NeuronMCT"], METHODS["Random"], METHODS["NeuronMCT"]
    cases = list(zip(images.split(1), targets, methods, strict=True))
    pathways = [rank(method(network, image, target)).pathway(0.6) for image, target, method in cases]
    together = restrict_each(network, images, targets, pathways, off=off)
    plain = restrict_each(network, images, targets)
    for row, (image, target, _) in enumerate(cases):
        alone = restrict(network, image, target, pathways[row], off=off)
        assert_close((together.logits[row : row + 1], together.gradient[row]), (alone.logits, alone.gradient))
        assert_close(plain.gradient[row], pathway_gradient(network, image, target))
    with pytest.raises(PathwayError, match="Got 3 images and 3 targets, wanted a target and pathway each"):
        restrict_each(network, images, targets, pathways[:2])


def test_a_pathway_of_another_network_is_refused():
    network, image = toy("Residual", double=True)[1], image_of(toy("Residual", double=True)[1])
    other = Pathway(random_pathway("Residual").masks[:-1])
    for call in (lambda: response(network, image, other), lambda: restrict_each(network, image, [0], [other])):
        with pytest.raises(PathwayError, match="masks do not fit the sites of"):
            call()


def test_no_pathway_gives_the_raw_gradient_of_a_real_model():
    model = architecture("googlenet").double()
    network = trace(model, (3, 64, 64))
    image = image_of(network)
    restricted = restrict(network, image, 7)
    assert_close((restricted.logits, restricted.gradient), with_gradient(model, image, 7))


def test_zero_equals_masking_line_by_line():
    network, pathway = toy("Straight", double=True)[1], random_pathway("Straight")
    image = image_of(network)
    nothing = [torch.zeros(1, *site.shape, dtype=torch.float64) for site in network.sites]
    logits, gradient = with_gradient(lambda x: literal(x, pathway.masks, nothing), image, 1)
    restricted = restrict(network, image, 1, pathway)
    assert_close((restricted.logits, restricted.gradient), (logits, gradient))
    assert not torch.allclose(logits, response(network, image))
    assert not torch.allclose(gradient, pathway_gradient(network, image, 1))


def test_frozen_equals_holding_line_by_line_and_keeps_the_response():
    network, pathway = toy("Straight", double=True)[1], random_pathway("Straight")
    image, other = image_of(network), image_of(network, seed=9)
    held = [a.detach() for a in network.run(image, record=True).activations]
    logits, gradient = with_gradient(lambda x: literal(x, pathway.masks, held), image, 1)
    restricted = restrict(network, image, 1, pathway, off="frozen")
    assert_close((restricted.logits, restricted.gradient), (logits, gradient))
    assert_close(restricted.logits, response(network, image))
    assert not torch.allclose(gradient, pathway_gradient(network, image, 1))
    assert not torch.allclose(gradient, pathway_gradient(network, image, 1, pathway))
    # the image moves, the reference does not
    logits, gradient = with_gradient(lambda x: literal(x, pathway.masks, held), other, 1)
    restricted = restrict(network, other, 1, pathway, off="frozen", reference=image)
    assert_close((restricted.logits, restricted.gradient), (logits, gradient))
    assert not torch.allclose(logits, response(network, other))


@pytest.mark.parametrize("name", TOYS)
def test_frozen_leaves_every_response_as_it_is(name):
    network = toy(name, double=True)[1]
    image, pathway = image_of(network), random_pathway(name)
    assert_close(response(network, image, pathway, off="frozen"), response(network, image))
    assert not torch.allclose(response(network, image, pathway), response(network, image))


def test_response_of_a_batch_is_that_of_each_image():
    network, pathway = toy("Branches", double=True)[1], random_pathway("Branches")
    images = image_of(network, batch=3)
    for options in ({}, {"off": "frozen"}, {"off": "frozen", "reference": image_of(network, seed=2)}):
        together = response(network, images, pathway, **options)
        assert_close(together, torch.cat([response(network, x[None], pathway, **options) for x in images]))
        assert not together.requires_grad


@pytest.mark.parametrize("name", ["Residual", "Branches", "ShapeDependent"])
@pytest.mark.parametrize("off", ["zero", "frozen"])
@pytest.mark.parametrize("batch_size", [1, 3, 4, 99])
def test_sweep_equals_one_by_one(name, off, batch_size):
    network, ranking, told = toy(name, double=True)[1], ranked(name), []
    image, reference = image_of(network), image_of(network, seed=3) if off == "frozen" else None
    swept = sweep(
        *(network, image, 1, ranking, SPARSITIES),
        off=off,
        reference=reference,
        batch_size=batch_size,
        progress=lambda *step: told.append(step[:2]),
    )
    for i, sparsity in enumerate(SPARSITIES):
        pathway = ranking.pathway(sparsity)
        alone = restrict(network, image, 1, pathway, off=off, reference=reference)
        assert swept.sparsities[i] == pathway.sparsity
        assert_close((swept.logits[i], swept.gradients[i]), (alone.logits[0], alone.gradient))
    assert swept.gradients.shape == (5, *SHAPE)
    assert told == [(min(done, 5), 5) for done in range(batch_size, 5 + batch_size, batch_size)]


def test_sweep_can_be_cancelled():
    network = toy("Residual", double=True)[1]

    def cancel(done, total, note):
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        sweep(network, image_of(network), 1, ranked("Residual"), SPARSITIES, progress=cancel)


def test_gradient_works_where_gradients_are_switched_off():
    network, pathway = toy("Straight", double=True)[1], random_pathway("Straight")
    image = image_of(network)
    wanted = pathway_gradient(network, image, 1, pathway)
    with torch.no_grad():
        assert torch.equal(pathway_gradient(network, image, 1, pathway), wanted)
        assert_close(sweep(network, image, 1, ranked("Straight"), [0.5]).gradients.isfinite().all(), torch.tensor(True))
    assert float(wanted.abs().max()) > 0


def test_empty_pathway_has_gradient_zero():
    network = toy("Straight")[1]
    empty = Pathway(tuple(torch.zeros(site.shape, dtype=torch.bool) for site in network.sites))
    restricted = restrict(network, image_of(network), 1, empty)
    assert not restricted.gradient.any()
    assert_close(restricted.logits[0], toy("Straight")[0].fc.bias.detach())


def test_saliency_map_by_hand():
    gradient = torch.tensor([[[1.0, -2.0], [0.0, 3.0]], [[-4.0, 1.0], [0.0, -2.0]], [[2.0, -1.0], [-0.5, 1.0]]])
    assert saliency_map(gradient).tolist() == [[-4, -2], [-0.5, 3]]


def test_refusals():
    network, pathway = toy("Straight", double=True)[1], random_pathway("Straight")
    image = image_of(network)
    with pytest.raises(PathwayError, match="Got off='half'"):
        restrict(network, image, 1, pathway, off="half")
    with pytest.raises(PathwayError, match="Got target 9"):
        restrict(network, image, 9, pathway)
    with pytest.raises(PathwayError, match=r"shape \(1, 3, 8, 8\)"):
        pathway_gradient(network, image_of(network, batch=2), 1, pathway)
    with pytest.raises(PathwayError, match=r"shape \(1, 3, 8, 8\)"):
        response(network, image, pathway, off="frozen", reference=image_of(network, batch=2))
    with pytest.raises(PathwayError, match="Got sparsity 1"):
        sweep(network, image, 1, ranked("Straight"), [0.5, 1])
    with pytest.raises(PathwayError, match="Got target -1"):
        sweep(network, image, -1, ranked("Straight"), [0.5])
