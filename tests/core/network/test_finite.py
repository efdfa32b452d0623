"""Networks that answer NaN or infinity: refused at once, with the call where it begins."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.errors import PathwayError
from core.methods import METHODS
from core.network import Network, trace
from core.network.finite import all_finite
from core.pathways.restriction import restrict
from tests.networks import SHAPE, Toy, image_of, seeded, toy


def normed() -> nn.Sequential:
    layers = (nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 4))
    return seeded(nn.Sequential(*layers))


def with_variance_below_0(model):
    model[1].running_var[2] = -1.5


def with_nan(model):
    model[4].weight[0, 0] = float("nan")


def with_overflow(model):
    model[1].weight.fill_(1e38)
    model[0].weight.mul_(1e10)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (with_variance_below_0, r"begin at '1' \(BatchNorm2d\), whose running_var, a variance, is -1.5 at the lowest"),
        (with_nan, r"begin at '4' \(Linear\), whose weight is NaN or infinite\. Get the weights anew"),
        (with_overflow, r"begin at '1' \(BatchNorm2d\), whose output is infinite: beyond float32"),
    ],
)
def test_a_network_that_answers_no_numbers_is_not_traced(spoil, words):
    model = normed()
    with torch.no_grad():
        spoil(model)
    with pytest.raises(
        PathwayError, match=f"logits from it that are NaN or infinite, for noise and for a grey.*{words}"
    ):
        trace(model, SHAPE, name="it")


class Logarithm(Toy):
    """Of the image: no number where a pixel is below 0, infinite where one is 0."""

    def forward(self, x):
        return self.head(F.relu(self.conv(x.log())))


class Standardised(Toy):
    """By each image's own deviation: 0 / 0 for an image of one colour."""

    def forward(self, x):
        x = (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True)
        return self.head(F.relu(self.conv(x)))


class Masked(Toy):
    """Infinite on the way and finite in the end, as attention masks are."""

    def forward(self, x):
        x = F.relu(self.conv(x))
        return self.head(x.masked_fill(x < 0.1, -torch.inf).softmax(1).nan_to_num() * x)


@pytest.mark.parametrize(
    ("make", "good", "bad", "words"),
    [
        (Logarithm, torch.full((1, *SHAPE), 0.5), torch.full((1, *SHAPE), -0.5), "begin at 'log', which makes NaN"),
        (Logarithm, torch.full((1, *SHAPE), 0.5), torch.zeros(1, *SHAPE), "begin at 'log', whose output is infinite"),
        (Standardised, torch.randn(1, *SHAPE), torch.ones(1, *SHAPE), "begin at 'truediv', which makes NaN of numbers"),
    ],
)
def test_an_image_that_has_no_numbers_is_refused_with_the_call(make, good, bad, words):
    network = trace(seeded(make()), SHAPE, name="it")
    assert network.run(good).logits.isfinite().all()
    calls = (
        network.run,
        network.cache,
        lambda x: restrict(network, x, 0),
        lambda x: METHODS["NeuronMCT"](network, x, 0),
    )
    for call in calls:
        with pytest.raises(PathwayError, match=f"logits from it that are NaN or infinite for this image.*{words}"):
            call(bad)


def test_what_is_masked_on_the_way_is_no_fault():
    model = seeded(Masked())
    network = trace(model, SHAPE)
    images = image_of(network, batch=2)
    torch.testing.assert_close(network.run(images).logits, model(images))


def test_an_edit_or_an_activation_that_is_no_number_is_named():
    network = toy("Straight")[1]
    image, site = image_of(network), network.sites[1]
    with pytest.raises(PathwayError, match=f"begin with the activation that site {site.name} was given"):
        network.run(image, lambda at, a: a / 0 if at.index == 1 else a)
    broken = torch.full((1, *site.shape), float("nan"))
    with pytest.raises(PathwayError, match=f"begin with the activation that site {site.name} was given"):
        network.resume(network.cache(image), site, broken)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_sums_that_overflow_are_no_fault_of_finite_numbers(dtype):
    largest = torch.finfo(dtype).max
    assert all_finite(torch.tensor([largest, largest], dtype=dtype))
    for broken in (torch.inf, -torch.inf, torch.nan):
        assert not all_finite([torch.zeros(2), torch.tensor([1, broken, -broken], dtype=dtype)])


def test_the_check_is_one_look_at_the_logits(monkeypatch):
    looked = []
    monkeypatch.setattr("core.network.network.all_finite", lambda value: looked.append(value.shape) or True)
    network = toy("Straight")[1]
    assert isinstance(network, Network)
    network.run(image_of(network, batch=3), record=True)
    assert looked == [(3, 4)]
