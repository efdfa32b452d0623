"""The pixels that a neuron can see, from the gradient of a network that has the same paths and only positive weights.

    box = { pixels x :  dz̃/dx > 0 }        z̃ the neuron in the surrogate

No gradient cancels on its way there, so its support is the union of all paths. It follows calls that the walk of
``core.receptive_field`` has no rule for, and is what that walk is tested against; what both know about boxes stands
here, and what they know about calls in ``core.calls``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.fx.node import map_aggregate
from torch.nn import functional as F

from core.calls import ADAPTIVE_MAX_POOLS, MAX_POOLS, POINTWISE, kind_of, pair, sources, spellings
from core.errors import PathwayError
from core.network import Network, Site
from core.program import Program, Values

__all__ = [
    "Bools",
    "Box",
    "bounding_box",
    "checked_node",
    "surrogate_field",
]

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the network's input; right and bottom lie outside."""

Bools = npt.NDArray[np.bool_]
_any = np.logical_or.reduce


def surrogate_field(network: Network, site: Site, position: int) -> Box:
    """Return the box of ``receptive_field`` from a gradient; costs a run and a backward pass in float64 on the CPU.

    The run keeps the network's paths: weights are positive averages, maxima are means, products and differences are
    sums, activations and batch norms pass their input on, so that no gradient can cancel on its way. Calls unknown here
    (a reshape, a transposition) run as they are.

    Raises:
        PathwayError: as ``receptive_field``.
    """
    node = checked_node(network, site, position)
    program = network.program
    with torch.inference_mode(False), torch.enable_grad():
        image = torch.ones(1, *network.input_shape, dtype=torch.float64, requires_grad=True)
        values: Values = {program.input: image}
        for call in program.nodes[: program.nodes.index(node) + 1]:
            values[call] = _value(program, call, values) if call is not program.input else image
        neuron = values[node].flatten()[position]
        gradient = torch.autograd.grad(neuron, image, allow_unused=True)[0] if neuron.requires_grad else None
    seen = np.zeros(network.input_shape, bool) if gradient is None else gradient[0].numpy() != 0
    return bounding_box(_any(seen, axis=(0, 2)), _any(seen, axis=(0, 1)))


def checked_node(network: Network, site: Site, position: int) -> Node:
    """Return the node of a neuron's site.

    Raises:
        PathwayError: the network does not take (C, H, W) images, or has no such site or neuron.
    """
    if len(network.input_shape) != 3:
        raise PathwayError(
            f"Got {network.name}, which takes inputs of shape {network.input_shape}, wanted a network of (C, H, W) "
            "images; other inputs have no pixels, so leave the receptive field out."
        )
    return network.check_neuron(site, position).node


def bounding_box(rows: Bools, columns: Bools) -> Box:
    """Return the box around rows and columns seen, (H,) and (W,); (0, 0, 0, 0) where one of them is empty."""
    if not (rows.any() and columns.any()):
        return 0, 0, 0, 0
    (top, bottom), (left, right) = np.flatnonzero(rows)[[0, -1]], np.flatnonzero(columns)[[0, -1]]
    return int(left), int(top), int(right) + 1, int(bottom) + 1


def _value(program: Program, node: Node, values: Values) -> Any:
    if node.op == "get_attr":
        return _averages(program.call(node, values))
    module, kind = program.module(node), kind_of(program, node)
    if module is None and not program.facts[node].sees_image:
        return program.call(node, values)
    if kind in POINTWISE:
        terms = sum(values[source] for source in sources(program, node))
        return terms.expand(-1, *program.facts[node].shape).contiguous()
    args = map_aggregate(node.args, lambda a: values[a] if isinstance(a, Node) else a)
    kwargs = map_aggregate(node.kwargs, lambda a: values[a] if isinstance(a, Node) else a)
    if kind in _REPLACED:
        return _REPLACED[kind](*args, *(getattr(module, name) for name in _ARGUMENTS.get(kind, ())), **kwargs)
    return program.call(node, values) if module is None else _averaging(module).forward(*args, **kwargs)


def _averages(value: Any) -> Any:
    """Return a weight of the same shape that averages its inputs."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return value
    return torch.full(value.shape, len(value) / value.numel() if value.ndim else 1.0, dtype=torch.float64)


def _averaging(module: nn.Module) -> nn.Module:
    """Return a copy of a module with averages for weights and zeros for biases."""
    module = copy.deepcopy(module) if any(module.children()) else copy.copy(module)
    for part in module.modules():
        part._parameters = {  # a new dict: the shallow copy shares the old one
            name: None if weight is None else _averages(weight) * (name != "bias")
            for name, weight in part._parameters.items()
        }
    return module


def _mean_pool(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    **_: Any,
) -> Tensor:
    """Average over the windows of a max pool, which may be dilated as no average pool can."""
    if pair(dilation) == (1, 1):
        return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode)
    size = F.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode).shape[2:]
    (high, wide), (dy, dx), (top, left) = pair(kernel_size), pair(dilation), pair(padding)
    padded = F.pad(x, (left, left + 2 * dx * wide, top, top + 2 * dy * high))  # room for ceil_mode
    weight = x.new_ones(x.shape[1], 1, high, wide)
    pooled = F.conv2d(padded, weight, None, pair(stride or kernel_size), dilation=dilation, groups=x.shape[1])
    return pooled[..., : size[0], : size[1]]


_REPLACED: dict[Any, Callable[..., Tensor]] = {
    **dict.fromkeys(MAX_POOLS, _mean_pool),
    **dict.fromkeys(ADAPTIVE_MAX_POOLS, F.adaptive_avg_pool2d),
    **dict.fromkeys(spellings("amax"), torch.mean),
}
_ARGUMENTS = {
    nn.MaxPool2d: ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    nn.AdaptiveMaxPool2d: ("output_size",),
}
