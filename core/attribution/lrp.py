"""LRP: the logit as relevance, propagated layer by layer to the image, conserved on the way.

    R_i = Σ_j (a_i w_ij)⁺ / Σ_i' (a_i' w_i'j)⁺ · R_j            α1β0, at dense layers and convolutions
    R_i = Σ_j (x_i w_ij - l_i w⁺_ij - h_i w⁻_ij) / (...) · R_j   zᴮ, at layers that read the image; l, h its bounds

Biases take no relevance. ReLUs, pools, sums and concatenations pass relevance on in proportion to their inputs. It is
computed as gradient times input of a network whose layers are z̃ · (z / z̃), the quotient held constant: no hooks, no
modules called, and the same for every way to write a call. (Captum's LRP doubles relevance at every skip connection
and has no rule for zᴮ.)

The sum over the image must be the logit; it is checked, and the method is refused where it is not. This happens where
values are multiplied with each other (squeeze-and-excitation), at nonlinearities other than ReLU and ReLU6, at
constants added outside a layer, at batch norms that do not follow a convolution (DenseNet), and where many neurons are
active by their bias alone, without a positive input (depthwise convolutions of dead channels: EfficientNet-Lite0 keeps
4 % of a cat's logit).

References:
    [Bach15] Bach et al., On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance
        Propagation, PLOS ONE 2015.
    [Montavon17] Montavon et al., Explaining NonLinear Classification Decisions with Deep Taylor Decomposition, Pattern
        Recognition 2017.
    [Samek21] Samek et al., Explaining Deep Neural Networks and Beyond, Proceedings of the IEEE 2021: as a gradient.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from core.attribution.attribution import Attribution
from core.errors import PathwayError
from core.network import Network
from core.network.program import Program
from core.network.tracing import ceiling
from core.progress import Progress, silent

__all__ = ["lrp"]

TOLERANCE = 1e-2
TINY = 1e-12

_LAYERS = (nn.Conv2d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def lrp(network: Network, image: Tensor, target: int, *, progress: Progress = silent) -> Attribution:
    """Return the relevance of every input value, (1, *input_shape) -> (*input_shape), in logits. [Montavon17]

    ``delta`` is the relevance at the image minus the logit.

    Raises:
        PathwayError: more than a hundredth of the logit was gained or lost on the way.
    """
    with torch.enable_grad():
        leaves = [bound.requires_grad_() for bound in (image.clone(), *_bounds(network, image))]
        logits = _Layers(network.program, leaves).logits()
        slopes = torch.autograd.grad(logits[0, target], leaves, allow_unused=True, materialize_grads=True)
    shares = [leaf.detach() * slope for leaf, slope in zip(leaves, slopes, strict=True)]
    values, logit = torch.cat(shares).sum(0), float(logits[0, target].detach())
    delta = float(values.double().sum()) - logit
    if not abs(delta) <= TOLERANCE * abs(logit) + TINY:
        raise PathwayError(
            f"LRP gives the image {logit + delta:.4g} in {network.name}, wanted the logit, {logit:.4g}: it "
            "conserves relevance in networks of convolutions, each with its batch norm, dense layers, ReLUs, pools, "
            "sums and concatenations. Choose DeepLIFT or InputIntGrad."
        )
    progress(1, 1, "relevance")
    return Attribution(values, is_gradient=False, delta=delta)


def _bounds(network: Network, image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest and the highest value that each channel can take, shaped like the image."""
    if network.preprocessing is None:
        low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    else:
        mean = torch.tensor(network.preprocessing.mean).view(1, -1, 1, 1).to(image)
        std = torch.tensor(network.preprocessing.std).view(1, -1, 1, 1).to(image)
        low, high = -mean / std, (1 - mean) / std
    return low.expand_as(image).clone(), high.expand_as(image).clone()


class _Layers:
    """One run of a program in which gradient times input is relevance.

    Its leaves are the image and its bounds; a padded or cropped image has bounds too.
    """

    def __init__(self, program: Program, leaves: list[Tensor]) -> None:
        self._program = program
        self._values, self._low, self._high = ({program.input: leaf} for leaf in leaves)

    def logits(self) -> Tensor:
        """Return the network's logits, (1, classes)."""
        for node in self._program.nodes:
            if node is not self._program.input:
                self._values[node] = self._value(node, self._program.call(node, self._values))
        logits: Tensor = self._values[self._program.output]
        return logits

    def _value(self, node: Node, value: Any) -> Any:
        """Return a call's value, written so that its gradient passes relevance on."""
        program = self._program
        if not program.facts[node].sees_image:
            self._low[node] = self._high[node] = value
        elif ceiling(program.model, node) is not None:
            return _written_as(value, self._values[node.all_input_nodes[0]])
        elif (layer := _layer(program, node)) is not None:
            module, weight, source = layer
            return _written_as(value, self._parts(module, weight, source))
        elif all(source in self._low for source in node.all_input_nodes):
            self._low[node], self._high[node] = program.call(node, self._low), program.call(node, self._high)
        return value

    def _parts(self, module: nn.Module, weight: Tensor, source: Node) -> Tensor:
        """Return the divisor of each output's relevance, as a function of the inputs that share it."""
        x, positive, negative = self._values[source], weight.clamp(min=0), weight.clamp(max=0)
        if source in self._low:
            low, high = self._low[source], self._high[source]
            return _linear(module, weight, x) - _linear(module, positive, low) - _linear(module, negative, high)
        parts = _linear(module, positive, x.clamp(min=0))
        return parts + _linear(module, negative, x.clamp(max=0)) if bool((x < 0).any()) else parts


def _layer(program: Program, node: Node) -> tuple[nn.Module, Tensor, Node] | None:
    """Return the layer that ends at a node, its batch norm included, with its weight and the node of its input."""
    module, source = program.module(node), next(iter(node.all_input_nodes), node)
    if isinstance(module, _NORMS) and _norm_after(program, source) is module:
        layer, mean = program.module(source), module.running_mean
        if not isinstance(layer, _LAYERS) or mean is None or module.running_var is None:
            return None
        scale = (module.running_var + module.eps).rsqrt() * (1 if module.weight is None else module.weight)
        weight = layer.weight * scale.view(-1, *[1] * (layer.weight.ndim - 1))
        return layer, weight, source.all_input_nodes[0]
    if isinstance(module, _LAYERS) and _norm_after(program, node) is None:
        return module, module.weight, source
    return None


def _norm_after(program: Program, node: Node) -> nn.Module | None:
    """Return the batch norm that is the only reader of a layer's output."""
    if not isinstance(program.module(node), _LAYERS) or len(node.users) != 1:
        return None
    module = program.module(next(iter(node.users)))
    return module if isinstance(module, _NORMS) else None


def _linear(module: nn.Module, weight: Tensor, x: Tensor) -> Tensor:
    """Return a layer's output with another weight and no bias."""
    part = copy(module)
    part._parameters = {"weight": weight, "bias": None}  # type: ignore[dict-item]  # a new dict: the shallow copy shares the old one
    output: Tensor = part.forward(x)
    return output


def _written_as(value: Tensor, parts: Tensor) -> Tensor:
    """Return the value, with the gradient of parts times a constant quotient; without gradient where parts are 0."""
    value = value.detach()
    written = parts * torch.where(parts.abs() > TINY, value / parts.detach(), 0)
    return value + (written - written.detach())
