"""The kind of call that a node of a traced program is, and its arguments, for all modules that treat calls by kind."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import nn
from torch.fx import Node
from torch.nn import functional as F
from torchvision.ops import stochastic_depth

from core.network.program import Program

__all__ = [
    "ADAPTIVE_MAX_POOLS",
    "MAX_POOLS",
    "MOVES",
    "POINTWISE",
    "argument",
    "kind_of",
    "max_pool_settings",
    "pair",
    "sources",
    "spellings",
]


def kind_of(program: Program, node: Node) -> Any:
    """Return the kind of a call: a module's type, a function, or a method's name."""
    module = program.module(node)
    return node.target if module is None else type(module)


def sources(program: Program, node: Node) -> list[Node]:
    """Return the arguments of a call that depend on the image's values."""
    return [source for source in node.all_input_nodes if program.facts[source].sees_image]


def pair(value: Any) -> tuple[int, int]:
    """Return a setting for rows and columns, given as one value for both or as two."""
    first, second = (*value, *value)[:2] if isinstance(value, list | tuple) else (value, value)
    return first, second


def argument(node: Node, place: int, name: str, default: Any) -> Any:
    """Return the argument of a call for one of its parameters."""
    return node.kwargs.get(name, node.args[place] if len(node.args) > place else default)


def max_pool_settings(program: Program, node: Node) -> dict[str, Any]:
    """Return a max pool's settings, as ``torch.nn.functional.max_pool2d`` takes them by name.

    Args:
        program: that calls it.
        node: a call of ``MAX_POOLS``.
    """
    module = program.module(node)
    if module is not None:
        return {name: getattr(module, name) for name in _MAX_POOL}
    return {name: argument(node, place, name, default) for place, (name, default) in enumerate(_MAX_POOL.items(), 1)}


_POINTWISE_MODULES = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Softplus, nn.Softsign, nn.Sigmoid, nn.LogSigmoid, nn.Tanh, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh),
    *(nn.Hardshrink, nn.Softshrink, nn.Tanhshrink, nn.Threshold, nn.Identity, nn.BatchNorm1d, nn.BatchNorm2d),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout),
)
_POINTWISE_NAMES = (
    *("abs", "add", "batch_norm", "ceil", "clamp", "clip", "clone", "contiguous", "cos", "div", "divide", "dropout"),
    *("dropout1d", "dropout2d", "elu", "eq", "erf", "exp", "expm1", "float", "floor", "ge", "gelu", "gt", "hardshrink"),
    *("hardsigmoid", "hardswish", "hardtanh", "invert", "le", "leaky_relu", "log", "log1p", "logical_and"),
    *("logical_not", "logical_or", "logsigmoid", "lt", "masked_fill", "maximum", "minimum", "mish", "mul", "multiply"),
    *("ne", "neg", "negative", "pow", "prelu", "reciprocal", "relu", "relu6", "round", "rrelu", "rsqrt", "selu"),
    *("sigmoid", "sign", "silu", "sin", "softplus", "softshrink", "softsign", "sqrt", "square", "sub", "subtract"),
    *("tanh", "tanhshrink", "threshold", "true_divide", "truediv", "type_as", "where"),
)
_HOMES = (operator, torch, F)


def spellings(*names: str) -> set[Any]:
    """Return every way to write these calls: as functions and as methods."""
    return {getattr(home, name) for home in _HOMES for name in names if hasattr(home, name)} | set(names)


POINTWISE = {*_POINTWISE_MODULES, *spellings(*_POINTWISE_NAMES), stochastic_depth}
MAX_POOLS = {nn.MaxPool2d, *spellings("max_pool2d")}
ADAPTIVE_MAX_POOLS = {nn.AdaptiveMaxPool2d, *spellings("adaptive_max_pool2d")}

_MOVE_MODULES = (
    *(nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Unflatten),
    *(nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d),
    *(nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d, nn.PixelShuffle, nn.PixelUnshuffle),
    *(nn.ChannelShuffle,),
)
_MOVE_NAMES = (
    *("neg", "negative", "pos", "positive", "clone", "contiguous", "getitem", "chunk", "split", "unbind", "narrow"),
    *("select", "flatten", "unflatten", "reshape", "view", "permute", "transpose", "t", "movedim", "swapaxes"),
    *("squeeze", "unsqueeze", "expand", "repeat", "flip", "roll", "mean", "sum", "pad", "interpolate"),
    *("avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "pixel_shuffle", "channel_shuffle"),
)
MOVES = {*_MOVE_MODULES, *spellings(*_MOVE_NAMES)}
"""Linear calls without weights: they move, repeat, add or average the values of one tensor."""

_MAX_POOL = {"kernel_size": None, "stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}
