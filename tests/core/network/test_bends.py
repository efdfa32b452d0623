"""What bends beside the sites, counted by hand and by watching a model's modules."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from core.network import trace
from core.network.bends import covered, other_bends
from tests.networks import seeded, toy


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.conv(x))  # 4 x 6 x 6
        x = F.relu(x) * torch.sigmoid(x.mean((2, 3), keepdim=True))  # a site; 4 gates
        return self.fc(x.mean((2, 3)))


def test_by_hand():
    network = trace(seeded(Mixed()), (3, 8, 8))
    assert other_bends(network) == {"silu": 144, "sigmoid": 4}
    assert covered(network) == pytest.approx(144 / 292)
    assert (other_bends(toy("Residual")[1]), covered(toy("Residual")[1])) == ({}, 1.0)


def test_mobilenet_v3_is_covered_by_37_per_cent():
    model, counts = models.mobilenet_v3_small(weights=None).eval(), Counter[str]()
    network = trace(model, (3, 224, 224))
    for module in model.modules():
        if isinstance(module, nn.ReLU | nn.Hardswish | nn.Hardsigmoid):
            module.register_forward_hook(lambda module, _, out: counts.update({type(module).__name__: out.numel()}))
    with torch.no_grad():
        model(torch.zeros(1, 3, 224, 224))
    assert {"ReLU": network.neurons, **other_bends(network)} == counts
    assert round(covered(network), 2) == 0.37
