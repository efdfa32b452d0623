"""Guided Backpropagation and DeepLIFT: Captum's hooks, on modules that nobody else has.

    Guided Backpropagation    dF/dx, where the gradient at every ReLU is cut to what is positive
    DeepLIFT (rescale rule)   x · m, where m multiplies Δout/Δin at every ReLU instead of its gradient

Captum sees ReLU *modules*, each called once, that alone read and hook their input; elsewhere it is silently wrong. So
each run makes a copy of the network's program in which every ReLU, ReLU6 and max-pool call is a module of its own that
reads a clone; all other calls are evaluated as the network does, through ``.forward``. Captum's rule for max pools
loses all but one of the overlapping windows that share a winner: the one here adds them up. Modules are called, so the
trace lock is held.

References:
    [Springenberg15] Springenberg et al., Striving for Simplicity: The All Convolutional Net, ICLR workshop 2015.
    [Shrikumar17] Shrikumar, Greenside, Kundaje, Learning Important Features Through Propagating Activation
        Differences, ICML 2017.
    [Ancona18] Ancona et al., Towards better understanding of gradient-based attribution methods, ICLR 2018.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.nn import functional as F

from core.attribution.attribution import Attribution
from core.attribution.base import completeness
from core.errors import PathwayError
from core.network import Network
from core.network.ops import MAX_POOLS, kind_of, max_pool_settings
from core.network.program import Program, Values
from core.network.tracing import TRACE_LOCK
from core.progress import Progress, silent

__all__ = ["deep_lift", "guided_backpropagation"]

TOLERANCE = 1e-3  # of the response's difference
ROUNDING = 64  # units in the last place of all that is added up: responses with a large bias, and terms that cancel


def guided_backpropagation(network: Network, image: Tensor, target: int, *, progress: Progress = silent) -> Attribution:
    """Return the gradient that passes each ReLU only where it is positive, shaped like one image. [Springenberg15]

    Other nonlinearities (hard swish, sigmoid) keep their gradient.
    """
    from captum.attr import GuidedBackprop

    with _calling_modules("Setting backward hooks on ReLU"):
        values = GuidedBackprop(_Separated(network)).attribute(image.clone().requires_grad_(), target=target)
    progress(1, 1, "guided gradient")
    return Attribution(values[0].detach(), is_gradient=True)


def deep_lift(network: Network, image: Tensor, target: int, *, progress: Progress = silent) -> Attribution:
    """Return DeepLIFT's contributions against the baseline 0, rescale rule, shaped like one image. [Shrikumar17]

    They sum to F(x) - F(0) exactly; ``delta`` is what rounding leaves over.

    Raises:
        PathwayError: they do not, because the network multiplies values or has nonlinearities other than ReLU, ReLU6
            and max-pool.
    """
    from captum.attr import DeepLift

    with _calling_modules("Setting forward, backward hooks"), _rules():
        moved = image.clone().requires_grad_()
        values = DeepLift(_Separated(network)).attribute(moved, torch.zeros_like(image), target=target)[0].detach()
    delta, difference, responses = completeness(network, image, target, values)
    added = responses + float(values.double().abs().sum())
    if not abs(delta) <= TOLERANCE * abs(difference) + ROUNDING * torch.finfo(network.dtype).eps * added:
        raise PathwayError(
            f"DeepLIFT's contributions in {network.name} sum to {difference + delta:.4g}, wanted "
            f"F(image) - F(0) = {difference:.4g}: the network multiplies values with each other or has nonlinearities "
            "other than ReLU, ReLU6 and max-pool, for which there is no rule. Choose InputIntGrad or GradientSHAP."
        )
    progress(1, 1, "multipliers")
    return Attribution(values, is_gradient=False, delta=delta)


class _ReLU6(nn.ReLU):
    """A ReLU6 that Captum knows for a ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x)


class _MaxPool(nn.Module):
    """One max-pool call."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = F.max_pool2d(x, **self.settings)
        return pooled

    def winners(self, x: Tensor) -> Tensor:
        """Return each window's winning position in its channel, (N, C, windows)."""
        _, places = F.max_pool2d_with_indices(x, **self.settings)
        return places.flatten(2)


class _Separated(nn.Module):
    """A network whose every ReLU and max-pool call that the image reaches is a module of its own, reading a clone."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._program = network.program
        relus = {relu.node: nn.ReLU() if relu.ceiling == float("inf") else _ReLU6() for relu in network.relus}
        pools = {node: _max_pool(self._program, node) for node in self._program.nodes}
        self._own = {node: module for node, module in {**pools, **relus}.items() if module is not None}
        self.calls = nn.ModuleList(self._own.values())

    def forward(self, image: Tensor) -> Tensor:
        values: Values = {self._program.input: image}
        for node in self._program.nodes:
            own = self._own.get(node)
            if own is not None:
                values[node] = own(values[node.all_input_nodes[0]].clone())
            elif node is not self._program.input:
                values[node] = self._program.call(node, values)
        logits: Tensor = values[self._program.output]
        return logits


def _max_pool(program: Program, node: Node) -> _MaxPool | None:
    """A max-pool call's own module; None elsewhere, and where it returns places or its size is computed."""
    facts = program.facts[node]
    alone = facts.sees_image and facts.shape and len(node.all_input_nodes) == 1
    return _MaxPool(max_pool_settings(program, node)) if alone and kind_of(program, node) in MAX_POOLS else None


def _max_pool_rule(
    module: _MaxPool, inputs: Tensor, outputs: Tensor, grad_input: Tensor, grad_output: Tensor, eps: float
) -> Tensor:
    """Give what a window's output moved to the inputs that won it, over how far each of them moved.

    Up to the larger of the two outputs it is the image's winner that moves, from there on the baseline's; inputs that
    win several windows get the sum. Tensors hold image and baseline, (2, C, H, W); their gradients are the same.
    """
    (x, ref), (y, y_ref) = torch.chunk(inputs, 2), torch.chunk(outputs, 2)
    top = torch.maximum(y, y_ref)
    moved = grad_output[:1] * torch.cat([top - y_ref, y - top])
    credit = torch.zeros_like(inputs).flatten(2).scatter_add(2, module.winners(inputs), moved.flatten(2))
    multiplier = credit.sum(0, keepdim=True).view_as(x) / (x - ref)
    return torch.where((x - ref).abs() < eps, grad_input, multiplier.expand_as(inputs))


@contextmanager
def _calling_modules(announcement: str) -> Iterator[None]:
    """Hold the trace lock, and keep Captum from announcing its hooks, by a filter that names only that."""
    with TRACE_LOCK:
        warnings.filterwarnings("ignore", announcement)
        yield


@contextmanager
def _rules() -> Iterator[None]:
    """Tell Captum's DeepLIFT, while the trace lock is held, the rules of the modules here, which nobody else has."""
    from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR

    added: dict[type[nn.Module], Any] = {_ReLU6: SUPPORTED_NON_LINEAR[nn.ReLU], _MaxPool: _max_pool_rule}
    SUPPORTED_NON_LINEAR.update(added)
    try:
        yield
    finally:
        for kind in added:
            del SUPPORTED_NON_LINEAR[kind]
