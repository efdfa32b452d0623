"""Guided Backpropagation and DeepLIFT: Captum's hooks, on a private copy of the modules.

    Guided Backpropagation    dF/dx, where negative gradients are set to 0 at every ReLU
    DeepLIFT (rescale rule)   x · m, where m multiplies Δout/Δin at every ReLU instead of its gradient

Captum is right only for ReLU *modules* that are called once and are the only readers of their input; elsewhere it is
silently wrong. So each run makes a copy of the network's program in which every ReLU, ReLU6 and max-pool call is a
module of its own that reads a clone; all other calls are evaluated as in the network, through ``.forward``. Where
overlapping windows of a max pool share a winner, Captum's rule keeps only one of them; the rule here adds them up. The
trace lock is held, since modules are called.

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
ROUNDING = 64  # units in the last place of the terms added up: responses may have a large bias, and terms may cancel


def guided_backpropagation(network: Network, image: Tensor, target: int, *, progress: Progress = silent) -> Attribution:
    """Return the gradient that passes a ReLU only where it is positive, shaped like one image. [Springenberg15]

    Other nonlinearities (hard swish, sigmoid) keep their gradient.
    """
    from captum.attr import GuidedBackprop

    with _calling_modules("Setting backward hooks on ReLU"):
        values = GuidedBackprop(_Separated(network)).attribute(image.clone().requires_grad_(), target=target)
    progress(1, 1, "guided gradient")
    return Attribution(values[0].detach(), is_gradient=True)


def deep_lift(network: Network, image: Tensor, target: int, *, progress: Progress = silent) -> Attribution:
    """Return DeepLIFT's contributions against the baseline 0, rescale rule, shaped like one image. [Shrikumar17]

    They sum to F(x) - F(0) up to rounding, which ``delta`` is.

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
    """A ReLU6 that Captum treats as a ReLU."""

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
    """A network in which every ReLU and max-pool call that depends on the image is a module that reads a clone."""

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
    """Return a module for a max-pool call; None for other calls, for returned indices, and for a computed size."""
    facts = program.facts[node]
    alone = facts.sees_image and facts.shape and len(node.all_input_nodes) == 1
    return _MaxPool(max_pool_settings(program, node)) if alone and kind_of(program, node) in MAX_POOLS else None


def _max_pool_rule(
    module: _MaxPool, inputs: Tensor, outputs: Tensor, grad_input: Tensor, grad_output: Tensor, eps: float
) -> Tensor:
    """Give the change of a window's output to the inputs that won the window, divided by their own change.

    Up to the larger of the two outputs the image's winner moves, from there on the baseline's; an input that wins
    several windows gets the sum. Tensors hold image and baseline, (2, C, H, W); their gradients are the same.
    """
    (x, ref), (y, y_ref) = torch.chunk(inputs, 2), torch.chunk(outputs, 2)
    top = torch.maximum(y, y_ref)
    moved = grad_output[:1] * torch.cat([top - y_ref, y - top])
    credit = torch.zeros_like(inputs).flatten(2).scatter_add(2, module.winners(inputs), moved.flatten(2))
    multiplier = credit.sum(0, keepdim=True).view_as(x) / (x - ref)
    return torch.where((x - ref).abs() < eps, grad_input, multiplier.expand_as(inputs))


@contextmanager
def _calling_modules(announcement: str) -> Iterator[None]:
    """Hold the trace lock, and filter out the one warning with which Captum announces its hooks."""
    with TRACE_LOCK:
        warnings.filterwarnings("ignore", announcement)
        yield


@contextmanager
def _rules() -> Iterator[None]:
    """Register the rules of this file's modules with Captum's DeepLIFT while the trace lock is held."""
    from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR

    added: dict[type[nn.Module], Any] = {_ReLU6: SUPPORTED_NON_LINEAR[nn.ReLU], _MaxPool: _max_pool_rule}
    SUPPORTED_NON_LINEAR.update(added)
    try:
        yield
    finally:
        for kind in added:
            del SUPPORTED_NON_LINEAR[kind]
