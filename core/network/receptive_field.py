"""The receptive field of a neuron: the bounding box of the input pixels that any path reaches, without padding.

The field is propagated backward through the program, separately for every channel, because a concatenation gives each
branch its own channels and a grouped convolution reads only its own group:

    seen(a, c) = ∪ over calls b = f(a, ...), channels c' of b that f makes from c:  windows_f(seen(b, c'))

A channel's pixels are kept as a set of rows and a set of columns, not as a box: for a dilated window at the border only
the sets show where the first pixel is. If a call has no rule (a channel shuffle), ``core.network.surrogate`` computes
the field: the support of a gradient in a network that has the same paths and only positive weights.

References:
    Araujo, Norris, Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from math import prod
from typing import Any, NamedTuple

import numpy as np
from torch import nn
from torch.fx import Node
from torch.nn import functional as F

from core.network.network import Network
from core.network.ops import ADAPTIVE_MAX_POOLS, MAX_POOLS, POINTWISE, kind_of, pair, sources, spellings
from core.network.program import Program
from core.network.sites import Site
from core.network.surrogate import Bools, Box, bounding_box, checked_node, surrogate_field

__all__ = ["Box", "receptive_field"]

_any = np.logical_or.reduce


def receptive_field(network: Network, site: Site, position: int) -> Box:
    """Return the bounding box of the input pixels that have a path to a neuron.

    Args:
        network: takes (C, H, W) images.
        site: one of ``network.sites``.
        position: of the neuron, flat index into the site's activation.

    Returns:
        Left, top, right, bottom; (0, 0, 0, 0) for a neuron that sees only padding.

    Raises:
        PathwayError: the network does not take (C, H, W) images, or has no such site or neuron.
    """
    node = checked_node(network, site, position)
    try:
        return _walk(network.program, node, position)
    except _NoRule:
        return surrogate_field(network, site, position)


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
    return bounding_box(*(_any(side, axis=0) for side in known[program.input]))


def _rule(program: Program, node: Node) -> _Rule:
    rule = _RULES.get(kind_of(program, node))
    if rule is None:
        raise _NoRule
    return rule


def _planes(program: Program, node: Node) -> tuple[int, int, int]:
    """Return a value's (channels, height, width); a vector has planes of one pixel, a matrix one channel."""
    shape = program.facts[node].shape
    if len(shape) not in (1, 2, 3):
        raise _NoRule
    channels, height, width = (1, *shape) if len(shape) == 2 else (*shape, 1, 1)[:3]
    return channels, height, width


def _setting(program: Program, node: Node, place: int, name: str, default: Any = None) -> Any:
    """Return a module's attribute or a function's argument, which must be a constant."""
    module = program.module(node)
    if module is not None:
        return getattr(module, name)
    value = node.kwargs.get(name, node.args[place] if len(node.args) > place else default)
    if any(isinstance(v, Node) for v in (value if isinstance(value, list | tuple) else [value])):
        raise _NoRule
    return value


def _taps(size: int, out: int, kernel: int = 1, stride: int = 1, padding: int = 0, dilation: int = 1) -> Bools:
    """Return (out, size): the positions that each window reads, without those beyond the border."""
    offset = np.arange(size) - (np.arange(out)[:, None] * stride - padding)
    taps: Bools = (offset >= 0) & (offset < kernel * dilation) & (offset % dilation == 0)
    return taps


def _shares(size: int, out: int) -> Bools:
    """Return (out, size): the positions that each window of an adaptive pool reads."""
    window, place = np.arange(out)[:, None], np.arange(size)
    shares: Bools = (place >= window * size // out) & (place * out < (window + 1) * size)
    return shares


def _through(program: Program, node: Node, seen: _Seen, taps: Iterable[Bools], groups: int | None = None) -> _Step:
    """Propagate through windows, given as taps of rows and columns, to all channels of a group; default one each."""
    (source,) = sources(program, node)
    channels = _planes(program, source)[0]
    groups = groups or channels
    sides = [_any(side.reshape(groups, -1, side.shape[1]), axis=1) @ tap for side, tap in zip(seen, taps, strict=True)]
    live = np.logical_and(*(_any(side, axis=1, keepdims=True) for side in sides))  # a window may lie in the padding
    rows, columns = (np.repeat(side & live, channels // groups, axis=0) for side in sides)
    return [(source, _Seen(rows, columns))]


def _sizes(program: Program, node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (height, width) before and after a call of one tensor."""
    before, after = (_planes(program, n) for n in (*sources(program, node), node))
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
    taps = map(_taps, *_sizes(program, node), *map(pair, (kernel, stride, padding, dilation)))
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
    """Propagate to planes of one pixel, (C, H, W) to (D,) or (D, 1, 1), or to equal planes, (H, W) to (1, H, W)."""
    (source,) = sources(program, node)
    before, after = _planes(program, source), _planes(program, node)
    if before == after:
        return [(source, seen)]
    if after != (prod(before), 1, 1):
        raise _NoRule
    pixels = seen.rows.reshape(before)
    return [(source, _Seen(_any(pixels, axis=2), _any(pixels, axis=1)))]


def _channels(program: Program, node: Node, seen: _Seen) -> _Step:
    """Propagate through ``x[:, channels]``."""
    (source,) = sources(program, node)
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
    """Propagate each element to the same position of every operand; an axis of size 1 is read by all positions."""
    axes = len(program.facts[node].shape)
    for source in sources(program, node):
        channels, height, width = _planes(program, source)
        if len(program.facts[source].shape) != axes:
            raise _NoRule
        yield source, _Seen(_folded(seen.rows, channels, height), _folded(seen.columns, channels, width))


def _folded(side: Bools, channels: int, size: int) -> Bools:
    axes = tuple(axis for axis, places in enumerate((channels, size)) if places == 1)
    folded: Bools = _any(side, axis=axes, keepdims=True)
    return folded


_RULES: dict[Any, _Rule] = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    operator.getitem: _channels,
    **dict.fromkeys(POINTWISE, _pointwise),
    **dict.fromkeys(MAX_POOLS, _max_pool),
    **dict.fromkeys({nn.AvgPool2d, *spellings("avg_pool2d")}, _pool),
    **dict.fromkeys(ADAPTIVE_MAX_POOLS, _adaptive_pool),
    **dict.fromkeys({nn.AdaptiveAvgPool2d, *spellings("adaptive_avg_pool2d")}, _adaptive_pool),
    **dict.fromkeys(spellings("mean", "sum"), _plane_mean),
    **dict.fromkeys({nn.ZeroPad2d, nn.ConstantPad2d, F.pad}, _pad),
    **dict.fromkeys({nn.Flatten, *spellings("flatten", "reshape", "view", "squeeze", "unsqueeze")}, _reshape),
    **dict.fromkeys(spellings("cat", "concat", "concatenate"), _concatenation),
}
