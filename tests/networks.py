"""Small networks that are awkward on purpose, and real architectures with random weights.

Every toy takes (3, 8, 8) and returns 4 logits. ``relu_calls`` watches the raw model below torch's Python interface, so
it finds ReLUs and their values independently of modules, functions and graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision import models

from core.methods import Method
from core.models.zoo import available_networks
from core.network import Network, trace

SHAPE = (3, 8, 8)


def seeded(model: nn.Module, seed: int = 0) -> nn.Module:
    """Fill all weights, biases and running statistics at random, so that nothing cancels or is homogeneous."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if not tensor.is_floating_point():
                tensor.zero_()
            elif tensor.ndim > 1:
                tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
            elif name.endswith(("weight", "running_var")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            else:
                tensor.normal_(0, 0.1, generator=generator)
    return model.eval()


def image_of(network: Network, seed: int = 0, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *network.input_shape, generator=generator, dtype=network.dtype)


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.next = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4 * 64, 4)

    def head(self, x: Tensor) -> Tensor:
        return self.fc(x.flatten(1))


class Straight(Toy):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.next(F.relu(self.conv(x)))))


class Residual(Toy):
    """One ReLU module called twice around a skip, in place, as in torchvision's ResNets; or one module per call."""

    def __init__(self, shared: bool = True) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=shared)
        self.last = self.relu if shared else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv(x))
        out = self.next(x)
        out += x
        return self.head(self.last(out))


class Functional(Toy):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.conv(F.relu(x)) * 4)
        return self.head(torch.relu(self.next(x).relu() - 0.5))


class InPlaceFunctional(Toy):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.conv(F.relu(self.conv(x), True).narrow(1, 0, 3)) * 4, inplace=True)
        x = self.next(x)
        x.relu_()
        x = torch.relu_(x - 0.5)
        x *= 2
        return self.head(x)


class RereadModule(Toy):
    """A skip reads the value that an in-place ReLU has overwritten, and gets the new one."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        before = x * 3
        y = self.next(self.relu(x))
        return self.head(x + y + before)


class RereadFunction(RereadModule):
    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        y = self.next(F.relu(x, inplace=True))
        return self.head(x + y)


class RereadMethod(RereadModule):
    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        y = self.next(x.relu_())
        x.mul_(2).sub_(1)
        return self.head(x + y)


class ShapeDependent(Toy):
    """Sizes read from the image and from a value after a site, and used much later."""

    def forward(self, x: Tensor) -> Tensor:
        batch = x.size(0)
        x = F.relu(self.conv(x))
        rows = x.shape[2]
        x = F.relu(self.next(x.view(x.size(0), 4, rows, -1)))
        return self.fc(x.view(batch, -1) * rows)


class Split(Toy):
    def forward(self, x: Tensor) -> Tensor:
        a, b = self.conv(x).chunk(2, dim=1)
        parts = torch.split(self.next(torch.cat([F.relu(a), b], 1)), [1, 3], dim=1)
        return self.head(torch.cat([parts[0], F.relu(parts[1])], 1))


class Branches(Toy):
    def forward(self, x: Tensor) -> Tensor:
        left, right = F.relu(self.conv(x)), F.relu(self.conv(x.flip(3)) - 0.2)
        return self.head(F.relu(self.next(left) - right) + right)


class Blind(Toy):
    """A ReLU on a parameter, and one whose value is not used: neither is a site."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x)) * (1 + F.relu(self.scale))
        F.relu(self.next(x))
        return self.head(x)


class Saturating(Toy):
    def __init__(self) -> None:
        super().__init__()
        self.relu6 = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu6(self.next(self.relu6(self.conv(x) * 9)) * 9))


class ByHand(nn.Module):
    """Two inputs, five neurons, two logits, worked out by hand in ``test_methods``."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(2, 3), nn.Linear(3, 2), nn.Linear(2, 2)
        weights = {
            "first": ([[1, 1], [1, -1], [2, 0]], [0, 0, 0]),
            "second": ([[1, 0, -1], [0, 5, 1]], [-0.25, 1]),
            "third": ([[2, -3], [0, 1]], [0.5, 0]),
        }
        for name, (weight, bias) in weights.items():
            layer = getattr(self, name)
            layer.weight.data, layer.bias.data = torch.tensor(weight).float(), torch.tensor(bias).float()

    def forward(self, x: Tensor) -> Tensor:
        return self.third(torch.relu(self.second(torch.relu(self.first(x)))))


TOYS: dict[str, Callable[[], nn.Module]] = {
    toy.__name__: toy
    for toy in (
        *(Straight, Residual, Functional, InPlaceFunctional, RereadModule, RereadFunction, RereadMethod),
        *(ShapeDependent, Split, Branches, Blind, Saturating),
    )
}
"""All of them, to run a test over."""


def cheap(method: Method) -> dict[str, int]:
    """Return options with which a method is fast on a toy; DGR needs some steps to find a pathway."""
    return {option.name: 150 if option.name == "iterations" else option.low for option in method.options}


@cache
def toy(name: str, *, double: bool = False) -> tuple[nn.Module, Network]:
    """Return a toy with seeded weights, and its network."""
    model = seeded(TOYS[name]())
    model = model.double() if double else model
    return model, trace(model, SHAPE, name=name)


SMALLEST = {  # of each family, and of its kinds of layers
    *("squeezenet1_1", "efficientnet_lite0", "fashion_vgg", "alexnet", "densenet121", "googlenet", "inception_v3"),
    *("mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18", "resnet50"),
    *("resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_0", "vgg11_bn", "wide_resnet50_2"),
}


def listed(quick: Collection[str] = ()) -> list[Any]:
    """All networks that the app lists, to run a test over: the smallest of each family, and those marked as slow."""
    names = [each.name for each in available_networks() if each.supported]
    kinds = [() if n in quick else pytest.mark.thorough if n in SMALLEST else pytest.mark.slow for n in names]
    return [pytest.param(name, marks=kind) for name, kind in zip(names, kinds, strict=True)]


def architecture(name: str) -> nn.Module:
    """Return a torchvision classifier of 10 classes with seeded random weights."""
    options: dict[str, Any] = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        model = models.get_model(name, weights=None, num_classes=10, **options)
    return seeded(model.to_empty(device="cpu"))


class _Watch(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        relu = func.overloadpacket._qualified_op_name in (
            "aten::relu",
            "aten::relu_",
            "aten::hardtanh",
            "aten::hardtanh_",
        )
        before = args[0].clone() if relu else None
        result = func(*args, **(kwargs or {}))
        if before is not None:
            self.calls.append((before, result.clone()))
        return result


def relu_calls(model: nn.Module, image: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the input and output of every ReLU and ReLU6 of the raw model, in order."""
    with torch.no_grad(), _Watch() as watch:
        model(image.clone())
    return watch.calls
