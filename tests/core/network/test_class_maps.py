"""Maps of classes are no sites: by hand, against whole Jacobians, on every family, by what a foreign class shows."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import fisher_exact
from torch import Tensor, nn
from torch.nn import functional as F

from core.data.samples import sample_images
from core.errors import PathwayError
from core.methods import METHODS
from core.models.architectures import build
from core.models.zoo import load_network
from core.network import Network, trace
from core.pathways.ranking import rank, restriction
from tests.networks import architecture, image_of, listed, seeded


class Head(nn.Module):
    """Five maps of 3 x 3, ReLU, and then what a subclass makes of them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.maps = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)
        self.fc, self.scale = nn.Linear(5, 5), nn.Conv2d(5, 5, 1, groups=5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.maps(F.relu(self.conv(x)))))

    def head(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class Averaged(Head):
    def head(self, x):
        return F.adaptive_avg_pool2d(x, 1).flatten(1)


class Scaled(Head):
    def head(self, x):
        return F.max_pool2d(self.scale(x), 3)[:, :, 0, 0] * 2 + 1


class Turned(Head):
    def head(self, x):
        return x.permute(0, 2, 3, 1).mean((1, 2)).flip(1)


class TwiceRectified(Head):
    def head(self, x):
        return F.relu(x.mean((2, 3)) - 0.1)


class Mixed(Head):
    def head(self, x):
        return self.fc(x.mean((2, 3)))


class Gated(Head):
    def head(self, x):
        mean = x.mean((2, 3))
        return mean * torch.sigmoid(self.fc(mean))


class Softened(Head):
    def head(self, x):
        return 3 * x.mean((2, 3)).softmax(1)


class OverChannels(Head):
    def head(self, x):
        return x.flatten(2).mean(1)[:, :5]  # positions, not channels


class Joined(Head):
    """Two logits share each channel: no channel belongs to one class alone."""

    def head(self, x):
        mean = x.mean((2, 3))
        return torch.cat([mean, 2 * mean], 1)


def of_head(head: type[Head]) -> Network:
    return trace(seeded(head()), (3, 7, 7), name=head.__name__)


@pytest.mark.parametrize(
    ("head", "left_out"),
    [(Averaged, ["relu#2"]), (Scaled, ["relu#2"]), (Turned, ["relu#2"]), (TwiceRectified, ["relu#2", "relu#3"])],
)
def test_what_keeps_classes_apart_is_left_out_with_the_reason(head, left_out):
    network = of_head(head)
    assert [site.name for site in network.sites] == ["relu#1"]
    assert [each.name for each in network.left_out] == left_out
    first = network.left_out[0]
    assert first.shape == (5, 3, 3)
    assert first.reason.startswith("a map of classes, 5 × 3 × 3: each logit depends on only one channel of it")
    assert network.neurons == 4 * 5 * 5
    assert [site.index for site in network.with_model(network.program.model).sites] == [0]


@pytest.mark.parametrize("head", [Mixed, Gated, Softened, OverChannels, Joined])
def test_what_mixes_classes_is_a_site(head):
    network = of_head(head)
    assert ([site.name for site in network.sites], network.left_out) == (["relu#1", "relu#2"], ())


def test_a_network_of_nothing_but_a_map_of_classes_has_no_neurons():
    class Alone(nn.Module):
        def forward(self, x):
            return F.relu(x)

    with pytest.raises(PathwayError, match="no ReLU"):
        trace(Alone().eval(), (4,))


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18", "fashion_vgg"])
def test_whole_jacobians_say_the_same(name):
    """Every logit's gradient to every channel, from the model's own modules and hooks."""
    model = load_network(name).program.model if name == "fashion_vgg" else architecture(name)
    network = trace(model, (3, 28, 28) if name == "fashion_vgg" else (3, 64, 64))
    image, apart, values = image_of(network).requires_grad_(), [], {}
    for site in (*network.sites, *network.left_out):
        path = site.name.partition("#")[0]
        module = model.get_submodule(path)
        handle = module.register_forward_hook(lambda _, __, out, path=path: values.setdefault(path, []).append(out))
        values.pop(path, None)
        logits = model(image)
        handle.remove()
        calls = values.pop(path)
        value = calls[int(site.name.partition("#")[2] or 1) - 1]
        jacobian = torch.stack([torch.autograd.grad(logit, value, retain_graph=True)[0] for logit in logits[0]])
        owners = (jacobian.flatten(3) if jacobian.ndim > 3 else jacobian[..., None]).abs().sum((1, 3)) > 0
        if bool((owners.sum(1) <= 1).all() and (owners.sum(0) <= 1).all()):
            apart.append(site.name)
    assert apart == [each.name for each in network.left_out]
    assert apart == (["classifier.2"] if name == "squeezenet1_1" else [])


@pytest.mark.parametrize("name", listed())
def test_of_all_listed_networks_squeezenets_alone_lose_a_site(name):
    side = 28 if name == "fashion_vgg" else 96
    network = trace(seeded(build(name).to_empty(device="cpu")), (3, side, side))
    assert [each.name for each in network.left_out] == (["classifier.2"] if name.startswith("squeezenet") else [])


FOREIGN = ["milk can", "cabbage butterfly", "coffee mug"]


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["squeezenet1_1", "efficientnet_lite0"])
def test_a_foreign_class_is_hardly_ever_the_prediction_of_its_own_pathway(name):
    # With the maps of classes among the sites it was for every photo and class in SqueezeNet: 9 of 9 would be seen.
    network, photos = load_network(name), list(sample_images().values())[:3]
    firsts = {"NeuronMCT": 0, "Random": 0}
    for image in (network.preprocess(photo.open()) for photo in photos):
        for foreign in map(network.class_names.index, FOREIGN):
            for method in firsts:
                pathway = rank(METHODS[method](network, image, foreign)).pathway(0.9)
                with torch.no_grad():
                    logits = network.run(image, restriction(pathway)).logits
                firsts[method] += int(logits.argmax()) == foreign
    cases = len(photos) * len(FOREIGN)
    table = [[first, cases - first] for first in firsts.values()]
    assert fisher_exact(table, alternative="greater").pvalue > 0.05
