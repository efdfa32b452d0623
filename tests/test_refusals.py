"""What the network refuses, and in which words."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from core.errors import PathwayError
from core.gradient import restrict
from core.network import trace
from tests.networks import SHAPE, TOYS, Saturating, Toy, seeded, toy


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


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (NoRelu, "no ReLU"),
        (OnlyBlind, "no ReLU"),
        (Branching, "could not be traced.*branch"),
        (TwoInputs, "several inputs"),
        (NotLogits, r"\(2, 4, 8, 8\).*wanted logits"),
        (TwoOutputs, "tuple.*wanted logits"),
        (ThroughView, "computes something else.*view"),
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
    with pytest.raises(PathwayError, match=r"failed on a batch of shape \(2, 3, 9, 9\)"):
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
