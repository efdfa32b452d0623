"""What the network refuses, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.attribution import BASELINES
from core.decoding import decode
from core.errors import PathwayError
from core.flow import link
from core.linearity import effective_linear_radius, linear_radius
from core.methods import METHODS
from core.network import Network, trace
from core.pathways.fidelity import fidelity, fidelity_curve
from core.pathways.overlap import dead_neurons, dead_share, membership, overlap, share_within, site_overlaps
from core.pathways.ranking import Pathway, rank
from core.pathways.restriction import response, restrict, restrict_each, sweep
from tests.networks import SHAPE, TOYS, Saturating, Toy, image_of, seeded, toy


class NoRelu(Toy):
    def forward(self, x):
        return self.head(torch.tanh(self.conv(x)))


class OnlyBlind(Toy):
    def forward(self, x):
        return self.head(self.conv(x) * F.relu(self.conv.bias.view(4, 1, 1)))


class Branching(Toy):
    def forward(self, x):
        return self.head(F.relu(self.conv(x))) if x.sum() > 0 else self.head(F.relu(self.conv(-x)))


class TwoInputs(Toy):
    def forward(self, x, y):
        return self.head(F.relu(self.conv(x + y)))


class NotLogits(Toy):
    def forward(self, x):
        return F.relu(self.conv(x))


class TwoOutputs(Toy):
    def forward(self, x):
        x = self.head(F.relu(self.conv(x)))
        return x, x


class ThroughView(Saturating):
    """Writes into a view: the skip sees it, and the graph cannot."""

    def forward(self, x):
        x = self.conv(F.relu(x))
        self.relu6(x.view(-1, 16, 4, 4))
        return self.head(x)


class BatchStatistics(Toy):
    """Batch norm without running statistics takes those of the batch, in evaluation mode too."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4, track_running_stats=False)

    def forward(self, x):
        return self.head(F.relu(self.norm(self.next(F.relu(self.conv(x))))))


class Centred(Toy):
    """A thousandth of the batch's mean is taken off, far from the ReLU."""

    def forward(self, x):
        x = self.head(F.relu(self.conv(x)))
        return x - x.mean(0, keepdim=True) / 1000


class Counting(Toy):
    def forward(self, x):
        return self.head(F.relu(self.conv(x))) / x.shape[0]


class RowsAsBatch(Toy):
    """Rows, then images: a mask of one site would be laid over the images."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(32, 32)

    def forward(self, x):
        x = F.relu(self.conv(x)).permute(2, 0, 1, 3).flatten(2)  # (8, N, 32)
        return self.head(F.relu(self.mix(x)).permute(1, 2, 0))


class PlacesAsBatch(RowsAsBatch):
    def forward(self, x):
        x = F.relu(self.conv(x)).permute(0, 2, 1, 3).reshape(-1, 32)  # (N * 8, 32)
        return self.head(F.relu(self.mix(x)).view(-1, 8, 32))


class TwoRowsAsBatch(RowsAsBatch):
    """As many rows as the probe has images."""

    def forward(self, x):
        x = F.relu(self.conv(x)).view(-1, 4, 2, 32).permute(2, 0, 1, 3)  # (2, N, 4, 32)
        return self.head(F.relu(self.mix(x)).permute(1, 2, 3, 0))


class AroundInRows(Toy):
    """What goes around the ReLU has rows in front, and comes back."""

    def forward(self, x):
        x = self.conv(x)
        rows = x.permute(2, 0, 1, 3)
        return self.head((F.relu(self.next(x)).permute(2, 0, 1, 3) + rows).permute(1, 2, 0, 3))


class Small(Toy):
    """Logits of 1e-6, and a trace that differs from them: ThroughView's fault behind a small factor."""

    def __init__(self):
        super().__init__()
        self.up, self.relu6 = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU6(inplace=True)

    def forward(self, x):
        x = self.up(F.relu(x))
        self.relu6(x.view(-1, 16, 4, 4))
        return self.head(x) * 1e-6


class OneLogit(Toy):
    def forward(self, x):
        return self.head(F.relu(self.conv(x)))[:, :1]


def ending(end):
    class Ending(Toy):
        def __init__(self):
            super().__init__()
            self.end = end if isinstance(end, nn.Module) else nn.Identity()

        def forward(self, x):
            x = self.head(F.relu(self.conv(x)))
            return self.end(x) if isinstance(end, nn.Module) else end(x)

    return Ending


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (BatchStatistics, "depend on the other images.*from 'norm' on.*running statistics"),
        (Centred, "depend on the other images.*from 'sub' on"),
        (Counting, "other logits for an image alone"),
        (RowsAsBatch, "first axis of 'relu'.* not the batch"),
        (PlacesAsBatch, "first axis of 'relu'.* not the batch"),
        (TwoRowsAsBatch, "first axis of 'relu'.* not the batch"),
        (AroundInRows, "'permute' bypasses a ReLU.*first axis is not the batch"),
        (Small, "computes other values.*view"),
        (OneLogit, r"logits of shape \(N, 1\), wanted at least two.*zeros_like\(z\), z"),
        (ending(nn.Softmax(1)), "ends in 'end' and returns probabilities.*Return the input of that call instead"),
        (ending(nn.LogSoftmax(1)), "ends in 'end' and returns probabilities"),
        (ending(lambda x: F.softmax(x, 1)), "ends in 'softmax'"),
        (ending(lambda x: x.log_softmax(-1).view(-1, 4)), "ends in 'log_softmax'"),
        (ending(lambda x: x.exp() / x.exp().sum(1, keepdim=True)), "ends in 'truediv'"),
        (ending(nn.Sigmoid()), "ends in 'end' and returns probabilities"),
        (ending(lambda x: torch.sigmoid(x).flatten(1)), "ends in 'sigmoid'"),
        (NoRelu, "no ReLU"),
        (OnlyBlind, "no ReLU"),
        (Branching, "could not be traced.*branch"),
        (TwoInputs, "several inputs"),
        (NotLogits, r"\(2, 4, 8, 8\).*wanted logits"),
        (TwoOutputs, "tuple.*wanted logits"),
        (ThroughView, "computes other values.*view"),
    ],
)
def test_refuses_models_it_cannot_serve(make, words):
    with pytest.raises(PathwayError, match=words):
        trace(make().eval(), SHAPE, name="it")


def test_refuses_training_mode_wrong_shape_and_class_names():
    model = seeded(TOYS["Straight"]())
    model.conv.train()
    with pytest.raises(PathwayError, match=r"training mode.*eval\(\)"):
        trace(model, SHAPE)
    with pytest.raises(PathwayError, match=r"failed on one or two images of shape \(3, 9, 9\)"):
        trace(model.eval(), (3, 9, 9))
    with pytest.raises(PathwayError, match="Got 3 class names for the 4 classes"):
        trace(model, SHAPE, class_names=["a", "b", "c"])
    assert trace(model, SHAPE, class_names="abcd").class_names == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(1, 3, 8, 9),
        torch.zeros(3, 8, 8),
        torch.zeros(0, 3, 8, 8),
        torch.tensor(0.0),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(1, 3, 8, 8, device="meta"),
        "picture.png",
    ],
)
def test_refuses_images(image):
    with pytest.raises(PathwayError, match=r"wanted torch.float32 of shape \(N, 3, 8, 8\) on cpu"):
        toy("Straight")[1].run(image)


def test_refuses_a_batch_where_one_image_is_wanted_and_activations_of_another_site():
    network = toy("Straight")[1]
    with pytest.raises(PathwayError, match=r"wanted torch.float32 of shape \(1, 3, 8, 8\)"):
        restrict(network, torch.zeros(2, *SHAPE), 0)
    with pytest.raises(PathwayError, match=r"for site relu#1, wanted \(B, 4, 8, 8\)"):
        network.resume(network.cache(torch.zeros(1, *SHAPE)), network.sites[0], torch.zeros(1, 4, 8, 7))
    with pytest.raises(PathwayError, match="no preprocessing"):
        network.preprocess(None)


@pytest.mark.parametrize("target", [-1, 4, True, 1.0, None, torch.tensor(1)])
def test_refuses_targets(target):
    with pytest.raises(PathwayError, match="wanted an integer from 0 to 3"):
        toy("Straight")[1].check_target(target)


def evaluations_of(network, image, pathway, ranking, off="zero"):
    """Everything that is given a pathway, or a ranking, of a network."""
    return {
        "response": lambda: response(network, image, pathway, off=off),
        "restrict": lambda: restrict(network, image, 0, pathway, off=off),
        "restrict_each": lambda: restrict_each(network, image, [0], [pathway] if pathway else None, off=off),
        "sweep": lambda: sweep(network, image, 0, ranking, [0.5], off=off),
        "fidelity": lambda: fidelity(network, image, 0, pathway, off=off),
        "fidelity_curve": lambda: fidelity_curve(network, image, 0, ranking, [0.5], off=off),
        "link": lambda: link(network, image, 0, pathway, off=off),
        "linear_radius": lambda: linear_radius(network, image, 0, pathway, off=off),
        "effective": lambda: effective_linear_radius(network, image, 0, pathway, off=off),
        "decode": lambda: decode(network, 0, pathway, off=off),
        "dead_share": lambda: dead_share(network, image, pathway),
    }


NO_OFF = {"dead_share"}


def ranked(network):
    return rank(METHODS["Random"](network, image_of(network), 0))


@pytest.mark.parametrize("name", evaluations_of(None, None, None, None))
def test_refuses_pathways_and_rankings_of_another_network(name, monkeypatch):
    network, other = toy("Straight")[1], ranked(toy("Functional")[1])
    image, run = image_of(network), Network.run
    monkeypatch.setattr(Network, "run", lambda *args, **options: pytest.fail("worked before it refused"))
    with pytest.raises(PathwayError, match=r"do not fit the sites of Straight.*rank scores of the same network"):
        evaluations_of(network, image, other.pathway(0.5), other)[name]()
    monkeypatch.setattr(Network, "run", run)
    wider = ranked(trace(toy("Straight")[0], SHAPE))
    same_size = [ranks.transpose(0, 2) for ranks in wider.ranks]  # as many sites, as many neurons
    turned = replace(wider, ranks=tuple(same_size))
    with pytest.raises(PathwayError, match="do not fit the sites"):
        evaluations_of(network, image, turned.pathway(0.5), turned)[name]()


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("name", [name for name in evaluations_of(None, None, None, None) if name not in NO_OFF])
def test_refuses_another_word_for_off_before_any_work(name, given, monkeypatch):
    network = toy("Straight")[1]
    image, ranking = image_of(network), ranked(network)
    pathway = ranking.pathway(0.5) if given or name == "fidelity" else None
    monkeypatch.setattr(Network, "run", lambda *args, **options: pytest.fail("worked before it refused"))
    for off in ("forzen", None, True):
        with pytest.raises(PathwayError, match='wanted "zero" or "frozen"'):
            evaluations_of(network, image, pathway, ranking, off=off)[name]()


def test_refuses_masks_that_are_no_masks_or_lie_elsewhere():
    network = toy("Straight")[1]
    shapes, image = [site.shape for site in network.sites], image_of(network)
    with pytest.raises(PathwayError, match=r"masks of torch.float32 on cpu at site relu#1, wanted torch.bool on cpu"):
        response(network, image, Pathway(tuple(torch.ones(shape) for shape in shapes)))
    with pytest.raises(PathwayError, match=r"on meta at site relu#1"):
        response(network, image, Pathway(tuple(torch.ones(s, dtype=torch.bool, device="meta") for s in shapes)))
    ranking = ranked(network)
    with torch.inference_mode():
        pathway = ranking.pathway(0.5)
    with pytest.raises(PathwayError, match=r"made under torch.inference_mode"):
        restrict(network, image, 0, pathway)


def test_refuses_to_compare_pathways_of_two_networks():
    mine, other = ranked(toy("Straight")[1]).pathway(0.5), ranked(toy("Functional")[1]).pathway(0.5)
    turned = Pathway(tuple(mask.transpose(0, 2) for mask in mine.masks))
    fewer = Pathway(mine.masks[:1])
    for foreign in (other, turned, fewer):
        for compare in (
            overlap,
            site_overlaps,
            lambda p, q: share_within(p, q.masks),
            lambda p, q: membership([p], q.masks),
        ):
            for pair in ((mine, foreign), (foreign, mine)):
                with pytest.raises(PathwayError, match=r"Got a pathway's mask of shape .* from one network"):
                    compare(*pair)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_refuses_images_that_are_not_finite(value):
    network = toy("Straight")[1]
    image = image_of(network, batch=3)
    image[1, 2, 3, 4] = value
    for call in (
        network.run,
        network.cache,
        lambda x: response(network, x),
        lambda x: restrict_each(network, x, [0] * 3),
    ):
        with pytest.raises(PathwayError, match="NaN or infinite, wanted finite"):
            call(image)
    one = image[1:2]
    for call in (restrict, dead_at, METHODS["NeuronMCT"], METHODS["DGR(init=1)"], BASELINES["Gradient"], link):
        with pytest.raises(PathwayError, match="NaN or infinite, wanted finite"):
            call(network, one, 0)
    pathway = ranked(network).pathway(0.5)
    with pytest.raises(PathwayError, match="NaN or infinite, wanted finite"):
        response(network, image_of(network), pathway, off="frozen", reference=one)


def dead_at(network, image, target):
    return dead_neurons(network, image)


def test_calls_under_inference_mode_are_refused_and_networks_made_there_work():
    with torch.inference_mode():
        model = seeded(TOYS["Straight"]())
        network = trace(model, SHAPE)
        image = image_of(network)
        for call in (network.run, lambda x: restrict(network, x, 0), lambda x: METHODS["NeuronMCT"](network, x, 0)):
            with pytest.raises(PathwayError, match=r"under torch.inference_mode.*torch.no_grad"):
                call(image)
    with pytest.raises(PathwayError, match=r"made under it"):
        restrict(network, image, 0)
    wanted = toy("Straight")[1]
    assert torch.equal(restrict(network, image.clone(), 0).gradient, restrict(wanted, image.clone(), 0).gradient)
