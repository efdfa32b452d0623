"""The pixels of the input that a neuron can see: the bounding box of all graph paths, padding left out.

What a neuron sees is carried backward through the program, for every channel apart, because a concatenation hands each
branch its own channels and a grouped convolution looks at its own group only:

    seen(a, c) = ∪ over calls b = f(a, ...), channels c' of b that f makes from c:  windows_f(seen(b, c'))

A channel's pixels are kept as a set of rows and a set of columns, not as a box: of a dilated window at the border only
the sets tell where the first pixel is. A call without a rule (a channel shuffle) sends the whole question to
``surrogate_field``: the support of a gradient in a network that has the same paths and nothing but positive weights.

References:
    Araujo, Norris, Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.fx.node import map_aggregate
from torch.nn import functional as F
from torchvision.ops import stochastic_depth

from core.errors import PathwayError
from core.network import Network, Site
from core.program import Program, Values

__all__ = ["Box", "receptive_field", "surrogate_field"]

Box = tuple[
    int, int, int, int
]  # left, top, right, bottom in pixels of the network's input; right and bottom lie outside
Bools = npt.NDArray[np.bool_]
_any = np.logical_or.reduce


def receptive_field(network: Network, site: Site, position: int) -> Box:
    """Return the bounding box of the input pixels with any path to a neuron.

    Args:
        network: takes (C, H, W) images.
        site: one of ``network.sites``.
        position: of the neuron, flat index into the site's activation.

    Returns:
        Left, top, right, bottom; (0, 0, 0, 0) for a neuron that sees nothing but padding.

    Raises:
        PathwayError: the network does not take (C, H, W) images, or has no such site or neuron.
    """
    node = _checked(network, site, position)
    try:
        return _walk(network.program, node, position)
    except _NoRule:
        return surrogate_field(network, site, position)


def surrogate_field(network: Network, site: Site, position: int) -> Box:
    """Return the same box from the support of a gradient; costs a run and a backward pass in float64 on the CPU.

    The run keeps the network's paths: weights are positive averages, maxima are means, products and differences are
    sums, activations and batch norms pass their input on, so that no gradient can cancel on its way. Calls unknown here
    (a reshape, a transposition) run as they are.

    Raises:
        PathwayError: as ``receptive_field``.
    """
    node = _checked(network, site, position)
    program = network.program
    with torch.inference_mode(False), torch.enable_grad():
        image = torch.ones(1, *network.input_shape, dtype=torch.float64, requires_grad=True)
        values: Values = {program.input: image}
        for call in program.nodes[: program.nodes.index(node) + 1]:
            values[call] = _surrogate_value(program, call, values) if call is not program.input else image
        neuron = values[node].flatten()[position]
        gradient = torch.autograd.grad(neuron, image, allow_unused=True)[0] if neuron.requires_grad else None
    seen = np.zeros(network.input_shape, bool) if gradient is None else gradient[0].numpy() != 0
    return _box(_any(seen, axis=(0, 2)), _any(seen, axis=(0, 1)))


def _checked(network: Network, site: Site, position: int) -> Node:
    if len(network.input_shape) != 3:
        raise PathwayError(
            f"Got {network.name}, which takes inputs of shape {network.input_shape}, wanted a network of (C, H, W) "
            "images; other inputs have no pixels, so leave the receptive field out."
        )
    if site not in network.sites:
        raise PathwayError(f"Got site {site.name!r}, wanted a site of {network.name}; take it from network.sites.")
    if isinstance(position, bool) or not isinstance(position, int) or not 0 <= position < site.neurons:
        raise PathwayError(
            f"Got position {position!r} at site {site.name}, wanted an integer from 0 to {site.neurons - 1}; "
            "channel c, row y, column x of (C, H, W) is at (c * H + y) * W + x."
        )
    return network.sites[site.index].node


def _box(rows: Bools, columns: Bools) -> Box:
    if not (rows.any() and columns.any()):
        return 0, 0, 0, 0
    (top, bottom), (left, right) = np.flatnonzero(rows)[[0, -1]], np.flatnonzero(columns)[[0, -1]]
    return int(left), int(top), int(right) + 1, int(bottom) + 1


# The walk: what each call's value shows of what it is made from


class _NoRule(Exception):
    """A call on the way has no rule."""


class _Seen(NamedTuple):
    """Which rows and columns of each channel of a value the neuron sees."""

    rows: Bools  # (channels, height)
    columns: Bools  # (channels, width)


_Step = Iterable[tuple[Node, _Seen]]
_Rule = Callable[[Program, Node, _Seen], _Step]


def _walk(program: Program, start: Node, position: int) -> Box:
    planes = _planes(program, start)
    channel, row, column = np.unravel_index(position, planes)
    one = _Seen(np.zeros(planes[:2], bool), np.zeros(planes[::2], bool))
    one.rows[channel, row] = one.columns[channel, column] = True
    known = {start: one}
    for node in reversed(program.nodes):
        if node in known and node is not program.input:
            for source, seen in _rule(program, node)(program, node, known.pop(node)):
                had = known.get(source, seen)
                known[source] = _Seen(had.rows | seen.rows, had.columns | seen.columns)
    return _box(*(_any(side, axis=0) for side in known[program.input]))


def _rule(program: Program, node: Node) -> _Rule:
    rule = _RULES.get(_kind(program, node))
    if rule is None:
        raise _NoRule
    return rule


def _kind(program: Program, node: Node) -> Any:
    """Return a module's type, a function, or a method's name: what says which rule holds."""
    module = program.module(node)
    return node.target if module is None else type(module)


def _planes(program: Program, node: Node) -> tuple[int, int, int]:
    """Return a value's (channels, height, width); a vector's are planes of one pixel, a matrix is one channel."""
    shape = program.facts[node].shape
    if len(shape) not in (1, 2, 3):
        raise _NoRule
    channels, height, width = (1, *shape) if len(shape) == 2 else (*shape, 1, 1)[:3]
    return channels, height, width


def _sources(program: Program, node: Node) -> list[Node]:
    return [source for source in node.all_input_nodes if program.facts[source].sees_image]


def _setting(program: Program, node: Node, place: int, name: str, default: Any = None) -> Any:
    """Return a module's attribute or a function's argument, which must not be computed on the way."""
    module = program.module(node)
    if module is not None:
        return getattr(module, name)
    value = node.kwargs.get(name, node.args[place] if len(node.args) > place else default)
    if any(isinstance(v, Node) for v in (value if isinstance(value, list | tuple) else [value])):
        raise _NoRule
    return value


def _pair(value: Any) -> tuple[int, int]:
    first, second = (*value, *value)[:2] if isinstance(value, list | tuple) else (value, value)
    return first, second


def _taps(size: int, out: int, kernel: int = 1, stride: int = 1, padding: int = 0, dilation: int = 1) -> Bools:
    """Return (out, size): the places each window looks at; places beyond the border are not there."""
    offset = np.arange(size) - (np.arange(out)[:, None] * stride - padding)
    taps: Bools = (offset >= 0) & (offset < kernel * dilation) & (offset % dilation == 0)
    return taps


def _shares(size: int, out: int) -> Bools:
    """Return (out, size): the places each window of an adaptive pool looks at."""
    window, place = np.arange(out)[:, None], np.arange(size)
    shares: Bools = (place >= window * size // out) & (place * out < (window + 1) * size)
    return shares


def _through(program: Program, node: Node, seen: _Seen, taps: Iterable[Bools], groups: int | None = None) -> _Step:
    """Look through windows, given as taps of rows and columns, at all channels of a group; by default each its own."""
    (source,) = _sources(program, node)
    channels = _planes(program, source)[0]
    groups = groups or channels
    sides = [_any(side.reshape(groups, -1, side.shape[1]), axis=1) @ tap for side, tap in zip(seen, taps, strict=True)]
    live = np.logical_and(*(_any(side, axis=1, keepdims=True) for side in sides))  # a window may lie in the padding
    rows, columns = (np.repeat(side & live, channels // groups, axis=0) for side in sides)
    return [(source, _Seen(rows, columns))]


def _sizes(program: Program, node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (height, width) before and after a call of one tensor."""
    before, after = (_planes(program, n) for n in (*_sources(program, node), node))
    return before[1:], after[1:]


def _convolution(program: Program, node: Node, seen: _Seen) -> _Step:
    module: Any = program.module(node)
    if module.padding_mode != "zeros":
        raise _NoRule
    padding = module.padding
    if isinstance(padding, str):
        extents = (d * (k - 1) for k, d in zip(module.kernel_size, module.dilation, strict=True))
        padding = [extent // 2 if padding == "same" else 0 for extent in extents]
    taps = map(_taps, *_sizes(program, node), module.kernel_size, module.stride, padding, module.dilation)
    return _through(program, node, seen, taps, module.groups)


def _max_pool(program: Program, node: Node, seen: _Seen) -> _Step:
    return _pool(program, node, seen, dilation=_setting(program, node, 4, "dilation", 1))


def _pool(program: Program, node: Node, seen: _Seen, dilation: Any = 1) -> _Step:
    kernel = _setting(program, node, 1, "kernel_size")
    stride = _setting(program, node, 2, "stride") or kernel
    padding = _setting(program, node, 3, "padding", 0)
    taps = map(_taps, *_sizes(program, node), *map(_pair, (kernel, stride, padding, dilation)))
    return _through(program, node, seen, taps)


def _adaptive_pool(program: Program, node: Node, seen: _Seen) -> _Step:
    return _through(program, node, seen, map(_shares, *_sizes(program, node)))


def _plane_mean(program: Program, node: Node, seen: _Seen) -> _Step:
    axes = _setting(program, node, 1, "dim")
    if not isinstance(axes, list | tuple) or sorted(axis % 4 for axis in axes) != [2, 3]:
        raise _NoRule
    return _adaptive_pool(program, node, seen)


def _pad(program: Program, node: Node, seen: _Seen) -> _Step:
    module: Any = program.module(node)
    pad = module.padding if module else _setting(program, node, 1, "pad")
    if len(pad) > 4 or (not module and _setting(program, node, 2, "mode", "constant") != "constant"):
        raise _NoRule
    left, _, top, _ = (*pad, 0, 0)[:4]
    (height, width), (out_height, out_width) = _sizes(program, node)
    taps = _taps(height, out_height, padding=top), _taps(width, out_width, padding=left)
    return _through(program, node, seen, taps)


def _linear(program: Program, node: Node, seen: _Seen) -> _Step:
    if len(program.facts[node].shape) != 1:
        raise _NoRule
    return _through(program, node, seen, (_taps(1, 1), _taps(1, 1)), groups=1)


def _reshape(program: Program, node: Node, seen: _Seen) -> _Step:
    """To planes of one pixel, (C, H, W) to (D,) or (D, 1, 1), or to the same planes, (H, W) to (1, H, W)."""
    (source,) = _sources(program, node)
    before, after = _planes(program, source), _planes(program, node)
    if before == after:
        return [(source, seen)]
    if after != (prod(before), 1, 1):
        raise _NoRule
    pixels = seen.rows.reshape(before)
    return [(source, _Seen(_any(pixels, axis=2), _any(pixels, axis=1)))]


def _channels(program: Program, node: Node, seen: _Seen) -> _Step:
    """``x[:, channels]``."""
    (source,) = _sources(program, node)
    key = _setting(program, node, 1, "key")
    if not isinstance(key, tuple) or len(key) != 2 or key[0] != slice(None) or not isinstance(key[1], int | slice):
        raise _NoRule
    channels, height, width = _planes(program, source)
    picked = _Seen(np.zeros((channels, height), bool), np.zeros((channels, width), bool))
    picked.rows[key[1]], picked.columns[key[1]] = seen
    return [(source, picked)]


def _concatenation(program: Program, node: Node, seen: _Seen) -> _Step:
    parts, axis = node.args[0] if node.args else node.kwargs["tensors"], _setting(program, node, 1, "dim", 0)
    axes = len(program.facts[node].shape)
    if not isinstance(parts, list | tuple) or axes == 2 or axis % (axes + 1) != 1:
        raise _NoRule
    start = 0
    for part in parts:
        end = start + _planes(program, part)[0]
        if program.facts[part].sees_image:
            yield part, _Seen(seen.rows[start:end], seen.columns[start:end])
        start = end


def _pointwise(program: Program, node: Node, seen: _Seen) -> _Step:
    """Each element from the same place of every operand; an axis of one place is looked at from all places."""
    axes = len(program.facts[node].shape)
    for source in _sources(program, node):
        channels, height, width = _planes(program, source)
        if len(program.facts[source].shape) != axes:
            raise _NoRule
        yield source, _Seen(_folded(seen.rows, channels, height), _folded(seen.columns, channels, width))


def _folded(side: Bools, channels: int, size: int) -> Bools:
    axes = tuple(axis for axis, places in enumerate((channels, size)) if places == 1)
    folded: Bools = _any(side, axis=axes, keepdims=True)
    return folded


_POINTWISE_MODULES = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(nn.Sigmoid, nn.Tanh, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Identity, nn.BatchNorm1d, nn.BatchNorm2d),
    *(nn.Dropout, nn.Dropout2d, nn.AlphaDropout),
)
_POINTWISE_NAMES = (
    *("abs", "add", "batch_norm", "clamp", "clone", "contiguous", "div", "dropout", "dropout2d", "elu", "gelu"),
    *("hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish", "mul", "multiply", "neg", "relu", "relu6", "selu"),
    *("sigmoid", "silu", "softplus", "sub", "subtract", "tanh", "true_divide", "truediv"),
)
_HOMES = (operator, torch, F)


def _spellings(*names: str) -> set[Any]:
    """Return every way to write these calls: as functions and as methods."""
    return {getattr(home, name) for home in _HOMES for name in names if hasattr(home, name)} | set(names)


_POINTWISE = {*_POINTWISE_MODULES, *_spellings(*_POINTWISE_NAMES), stochastic_depth}
_MAX_POOLS = {nn.MaxPool2d, *_spellings("max_pool2d")}
_ADAPTIVE_MAX_POOLS = {nn.AdaptiveMaxPool2d, *_spellings("adaptive_max_pool2d")}
_RULES: dict[Any, _Rule] = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    operator.getitem: _channels,
    **dict.fromkeys(_POINTWISE, _pointwise),
    **dict.fromkeys(_MAX_POOLS, _max_pool),
    **dict.fromkeys({nn.AvgPool2d, *_spellings("avg_pool2d")}, _pool),
    **dict.fromkeys(_ADAPTIVE_MAX_POOLS, _adaptive_pool),
    **dict.fromkeys({nn.AdaptiveAvgPool2d, *_spellings("adaptive_avg_pool2d")}, _adaptive_pool),
    **dict.fromkeys(_spellings("mean", "sum"), _plane_mean),
    **dict.fromkeys({nn.ZeroPad2d, nn.ConstantPad2d, F.pad}, _pad),
    **dict.fromkeys({nn.Flatten, *_spellings("flatten", "reshape", "view", "squeeze", "unsqueeze")}, _reshape),
    **dict.fromkeys(_spellings("cat", "concat", "concatenate"), _concatenation),
}


# The surrogate: the same paths, nothing but positive weights


def _surrogate_value(program: Program, node: Node, values: Values) -> Any:
    if node.op == "get_attr":
        return _averages(program.call(node, values))
    module, kind = program.module(node), _kind(program, node)
    if module is None and not program.facts[node].sees_image:
        return program.call(node, values)
    if kind in _POINTWISE:
        terms = sum(values[source] for source in _sources(program, node))
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
    if _pair(dilation) == (1, 1):
        return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode)
    size = F.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode).shape[2:]
    (high, wide), (dy, dx), (top, left) = _pair(kernel_size), _pair(dilation), _pair(padding)
    padded = F.pad(x, (left, left + 2 * dx * wide, top, top + 2 * dy * high))  # room for ceil_mode
    weight = x.new_ones(x.shape[1], 1, high, wide)
    pooled = F.conv2d(padded, weight, None, _pair(stride or kernel_size), dilation=dilation, groups=x.shape[1])
    return pooled[..., : size[0], : size[1]]


_REPLACED: dict[Any, Callable[..., Tensor]] = {
    **dict.fromkeys(_MAX_POOLS, _mean_pool),
    **dict.fromkeys(_ADAPTIVE_MAX_POOLS, F.adaptive_avg_pool2d),
    **dict.fromkeys(_spellings("amax"), torch.mean),
}
_ARGUMENTS = {
    nn.MaxPool2d: ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    nn.AdaptiveMaxPool2d: ("output_size",),
}
