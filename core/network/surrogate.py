"""The receptive field of a neuron, from the gradient of a network that has the same paths and only positive weights.

    box = { pixels x :  dz̃/dx ≠ 0 }        z̃ the neuron in the surrogate

Weights and image are random, positive and seeded, so that a gradient vanishes where there is no path and nowhere else:
for equal values, softmax and normalisations have no gradient. Calls that pick one of several values, such as a maximum
or a condition, are replaced by the mean of all. This method handles calls that have no rule in
``core.network.receptive_field``, and that module is tested against it. What both need for boxes is here; for calls, in
``core.network.ops``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.fx.node import map_aggregate
from torch.nn import functional as F

from core.errors import PathwayError
from core.network.network import Network
from core.network.ops import ADAPTIVE_MAX_POOLS, MAX_POOLS, POINTWISE, kind_of, pair, sources, spellings
from core.network.program import Program, Values
from core.network.sites import Site

__all__ = [
    "Bools",
    "Box",
    "bounding_box",
    "checked_node",
    "surrogate_field",
]

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the network's input; right and bottom are excluded."""

Bools = npt.NDArray[np.bool_]
_any = np.logical_or.reduce


def surrogate_field(network: Network, site: Site, position: int) -> Box:
    """Return the box of ``receptive_field`` from a gradient; costs a run and a backward pass in float64 on the CPU.

    The run keeps the network's paths, and no gradient can cancel: weights are positive averages; sums, products,
    differences, maxima and other calls that pick by value are means; activations and batch norms pass their input on.
    Other calls (a reshape, a softmax, a normalisation) run unchanged.

    Raises:
        PathwayError: as ``receptive_field``.
    """
    node = checked_node(network, site, position)
    program = network.program
    with torch.inference_mode(False), torch.enable_grad():
        chance = torch.Generator().manual_seed(0)
        image = _positive((1, *network.input_shape), chance).requires_grad_()
        values: Values = {program.input: image}
        for call in program.nodes[1 : program.nodes.index(node) + 1]:
            values[call] = _value(program, call, values, chance)
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
    """Return the box around rows and columns seen, (H,) and (W,); (0, 0, 0, 0) if one of them is empty."""
    if not (rows.any() and columns.any()):
        return 0, 0, 0, 0
    (top, bottom), (left, right) = np.flatnonzero(rows)[[0, -1]], np.flatnonzero(columns)[[0, -1]]
    return int(left), int(top), int(right) + 1, int(bottom) + 1


def _value(program: Program, node: Node, values: Values, chance: torch.Generator) -> Any:
    if node.op == "get_attr":
        return _averages(program.call(node, values), chance)
    module, kind = program.module(node), kind_of(program, node)
    args = map_aggregate(node.args, lambda a: values[a] if isinstance(a, Node) else a)
    kwargs = map_aggregate(node.kwargs, lambda a: values[a] if isinstance(a, Node) else a)
    if program.facts[node].sees_image and kind in POINTWISE:
        return _mean([values[source] for source in sources(program, node)], program.facts[node].shape)
    if program.facts[node].sees_image and kind in _REPLACED:
        settings = {name: getattr(module, name) for name in _SETTINGS.get(kind, ())}
        return _REPLACED[kind](*args, **settings, **kwargs)
    return program.call(node, values) if module is None else _averaging(module, chance).forward(*args, **kwargs)


def _positive(shape: Sequence[int], chance: torch.Generator) -> Tensor:
    return torch.rand(tuple(shape), dtype=torch.float64, generator=chance) + 0.5


def _averages(value: Any, chance: torch.Generator) -> Any:
    """Return a weight of the same shape that averages its inputs with random positive weights."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return value
    return _positive(value.shape, chance) * (len(value) / value.numel() if value.ndim else 1.0)


def _parameter(name: str, value: Any, chance: torch.Generator) -> Any:
    """Return averages for a weight and zeros for a bias, which draws as many numbers."""
    averages = _averages(value, chance)
    return torch.zeros_like(averages) if name == "bias" else averages


def _averaging(module: nn.Module, chance: torch.Generator) -> nn.Module:
    """Return a copy of a module with averages for weights and zeros for biases."""
    module = copy.deepcopy(module) if any(module.children()) else copy.copy(module)
    for part in module.modules():
        part._parameters = {  # a new dict: the shallow copy shares the old one
            name: None if weight is None else _parameter(name, weight, chance)
            for name, weight in part._parameters.items()
        }
        part._buffers = {name: _averages(value, chance) for name, value in part._buffers.items()}
    return module


def _mean(terms: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """Return the mean of values that depend on the image, in the shape of the call's value for one image."""
    return (sum(terms[1:], terms[0]) / len(terms)).expand(-1, *shape).contiguous()


def _mean_pool(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Average over the windows of a max pool, which, unlike those of an average pool, may be dilated."""
    if return_indices:
        _, places = F.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True)
        return _mean_pool(x, kernel_size, stride, padding, dilation, ceil_mode), places
    if pair(dilation) == (1, 1):
        return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode)
    size = F.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode).shape[2:]
    (high, wide), (dy, dx), (top, left) = pair(kernel_size), pair(dilation), pair(padding)
    padded = F.pad(x, (left, left + 2 * dx * wide, top, top + 2 * dy * high))  # room for ceil_mode
    weight = x.new_ones(x.shape[1], 1, high, wide)
    pooled = F.conv2d(padded, weight, None, pair(stride or kernel_size), dilation=dilation, groups=x.shape[1])
    return pooled[..., : size[0], : size[1]]


def _mean_pool_1d(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Average over the windows of a max pool along one axis, as over planes of one row; positions are the same."""
    settings = dict(zip(_MAX_POOL, args, strict=False)) | kwargs
    for name, across in (("kernel_size", 1), ("stride", 1), ("padding", 0), ("dilation", 1)):
        if settings.get(name) is not None:
            settings[name] = (across, pair(settings[name])[0])
    pooled = _mean_pool(x.unsqueeze(-2), **settings)
    return tuple(each.squeeze(-2) for each in pooled) if isinstance(pooled, tuple) else pooled.squeeze(-2)


def _adaptive(mean: Callable[..., Tensor], greatest: Callable[..., Any]) -> Callable[..., Any]:
    """Return an adaptive max pool that averages, and returns the indices of the maxima."""

    def call(x: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        pooled = mean(x, output_size)
        return (pooled, greatest(x, output_size, True)[1]) if return_indices else pooled

    return call


def _mean_of(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return the mean over some axes, or over all but the batch."""
    return x.mean(tuple(range(1, x.ndim)) if dim is None else dim, keepdim)


def _picking(name: str, place: int) -> Callable[..., Any]:
    """Return a function that picks values along an axis, as a method of tensors does, but returns their mean for each.

    Args:
        name: of the method, such as "topk".
        place: of the argument "dim" among those after the tensor.
    """

    def call(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        found = getattr(x, name)(*args, **kwargs)
        if isinstance(found, Tensor):  # one of all values, or the greater of two
            others = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)]
            return _mean([x, *others], found.shape[1:]) if others else x.mean()
        dim = kwargs.get("dim", args[place] if len(args) > place else -1)
        mean = x.mean(dim, keepdim=found.values.ndim == x.ndim).expand_as(found.values)
        return type(found)((mean, found.indices))

    return call


_ADAPTIVE_1D = {nn.AdaptiveMaxPool1d, *spellings("adaptive_max_pool1d")}
_DIM_AT = {"max": 0, "min": 0, "median": 0, "nanmedian": 0, "mode": 0, "sort": 0, "topk": 1, "kthvalue": 1}
_REPLACED: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys(MAX_POOLS | spellings("max_pool2d_with_indices"), _mean_pool),
    **dict.fromkeys({nn.MaxPool1d, *spellings("max_pool1d", "max_pool1d_with_indices")}, _mean_pool_1d),
    **dict.fromkeys(ADAPTIVE_MAX_POOLS, _adaptive(F.adaptive_avg_pool2d, F.adaptive_max_pool2d)),
    **dict.fromkeys(_ADAPTIVE_1D, _adaptive(F.adaptive_avg_pool1d, F.adaptive_max_pool1d)),
    **dict.fromkeys(spellings("amax", "amin", "any", "all"), _mean_of),
    **{spelling: _picking(name, place) for name, place in _DIM_AT.items() for spelling in spellings(name)},
}
_MAX_POOL = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_SETTINGS: dict[Any, tuple[str, ...]] = {
    nn.MaxPool1d: _MAX_POOL,
    nn.MaxPool2d: _MAX_POOL,
    nn.AdaptiveMaxPool1d: ("output_size", "return_indices"),
    nn.AdaptiveMaxPool2d: ("output_size", "return_indices"),
}
