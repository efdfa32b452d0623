"""Forward methods that ask for shapes, drop the axis of the batch, or have their weights computed: they all work."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, spectral_norm, weight_norm

from core.attribution import BASELINES
from core.decoding import decode
from core.flow import link
from core.linearity import effective_linear_radius, linear_radius
from core.methods import METHODS
from core.network import trace
from core.network.receptive_field import receptive_field
from core.network.surrogate import surrogate_field
from core.pathways.fidelity import fidelity
from core.pathways.ranking import rank
from core.pathways.restriction import restrict
from tests.networks import SHAPE, Toy, cheap, image_of, seeded


class Straight(Toy):
    def forward(self, x):
        return self.head(F.relu(self.next(F.relu(self.conv(x)))))


class Asserts(Toy):
    def forward(self, x):
        assert x.dim() == 4
        assert x.size(1) == 3 and len(x.shape) == 4, "wanted (N, 3, H, W)"  # noqa: PT018
        torch._assert(x.shape[2] == 8, "wanted 8 rows")
        if x.shape[2] % 2 or x.shape[-1] != x.shape[2]:
            raise ValueError("odd")
        return self.head(F.relu(self.conv(x)))


class Branches(Toy):
    def forward(self, x):
        x = F.interpolate(x, (8, 8)) if x.shape[-1] != 8 else x * 0.5
        return self.head(F.relu(self.conv(x) if x.dtype == torch.float32 else x))


class Loops(Toy):
    def forward(self, x):
        for _ in range(x.shape[1] - 1):
            x = F.relu(self.conv(x))[:, :3]
        return self.fc(F.relu(self.conv(x)).flatten(1))


class Numbers(Toy):
    def forward(self, x):
        batch, channels, rows, columns = x.shape
        x = F.relu(self.conv(x)) / math.sqrt(channels)
        return self.fc(x.view(*x.shape[:1], -1, int(rows * columns)).reshape(batch, len(x.shape) * 64))


class Squeezed(Toy):
    def forward(self, x):
        return self.head(F.relu(self.conv(x))).squeeze()


class SqueezedFirst(Toy):
    def forward(self, x):
        return torch.squeeze(self.head(F.relu(self.conv(x))), 0)


class SqueezedMaps(Toy):
    """As code for CIFAR does: pool, then drop all axes of length 1."""

    def __init__(self):
        super().__init__()
        self.pool, self.classes = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 4)

    def forward(self, x):
        return self.classes(self.pool(F.relu(self.next(F.relu(self.conv(x))))).squeeze())


class SqueezedInPlace(SqueezedMaps):
    def forward(self, x):
        return self.classes(self.pool(F.relu(self.conv(x))).squeeze_())


class FromHook(Straight):
    """A weight that is no parameter, computed before each call from one that is."""

    def __init__(self):
        super().__init__()
        self.conv.weight_orig = self.conv._parameters.pop("weight")
        self.conv.weight = self.conv.weight_orig.data
        self.conv.register_forward_pre_hook(lambda module, _: setattr(module, "weight", module.weight_orig * 1.5))


class ComputedBuffer(Toy):
    class Doubled(nn.Module):
        def forward(self, x):
            return x * 2

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(4, 1, 1))
        parametrize.register_parametrization(self, "scale", self.Doubled())
        parametrize.register_parametrization(self.conv, "bias", self.Doubled())

    def forward(self, x):
        return self.head(F.relu(self.conv(x) * self.scale))


def normed(norm):
    def make():
        model = Straight()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the old ones are deprecated, and still in use
            for layer in (model.conv, model.next, model.fc):
                norm(layer)
        return model

    return make


def orthogonal(layer):
    if isinstance(layer, nn.Conv2d):
        parametrizations.orthogonal(layer)


SIZES = [Asserts, Branches, Loops, Numbers]
SQUEEZES = [Squeezed, SqueezedFirst, SqueezedMaps, SqueezedInPlace]
COMPUTED = {
    "weight_norm": normed(weight_norm),
    "spectral_norm": normed(spectral_norm),
    "parametrizations.weight_norm": normed(parametrizations.weight_norm),
    "parametrizations.spectral_norm": normed(parametrizations.spectral_norm),
    "parametrizations.orthogonal": normed(orthogonal),
    "hook": FromHook,
    "buffer": ComputedBuffer,
}


@pytest.mark.parametrize("make", [*SIZES, *COMPUTED.values()], ids=[*(each.__name__ for each in SIZES), *COMPUTED])
def test_logits_are_the_models(make):
    model = seeded(make())
    network = trace(model, SHAPE)
    for count in (1, 2, 5):
        images = torch.randn(count, *SHAPE)
        torch.testing.assert_close(network.run(images).logits, model(images))


@pytest.mark.parametrize("make", SQUEEZES)
def test_one_image_keeps_the_axis_of_the_batch(make):
    model = seeded(make())
    network, images = trace(model, SHAPE), torch.randn(3, *SHAPE)
    wanted = model(images.clone())
    torch.testing.assert_close(network.run(images).logits, wanted)
    torch.testing.assert_close(network.run(images[:1]).logits, wanted[:1])
    assert wanted.shape == (3, 4)


def everything(network):
    """Call all of the public interface that takes a network."""
    image, site = image_of(network), network.sites[-1]
    target = int(network.run(image).logits.argmax())
    rankings = [
        rank(method(network, image, target, **cheap(method))) for name, method in METHODS.items() if "DGR" not in name
    ]
    pathway = rankings[0].pathway(0.5)
    assert restrict(network, image, target, pathway).gradient.isfinite().all()
    for baseline in BASELINES.values():
        assert baseline(network, image, target).values.isfinite().all()
    box = receptive_field(network, site, 0)
    assert box == surrogate_field(network, site, 0)
    fidelity(network, image, target, pathway)
    link(network, image, target, pathway)
    linear_radius(network, image, target, pathway)
    effective_linear_radius(network, image, target, pathway)
    decode(network, target, pathway)


@pytest.mark.parametrize("name", COMPUTED)
def test_everything_works_on_computed_weights(name):
    everything(trace(seeded(COMPUTED[name]()), SHAPE))


@pytest.mark.parametrize("make", [Asserts, Squeezed, SqueezedMaps])
def test_everything_works_on_sizes_and_squeezes(make):
    everything(trace(seeded(make()), SHAPE))
