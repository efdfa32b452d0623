"""Nonlinearities other than the sites: elementwise activations of other kinds, which have no scores and masks."""

from __future__ import annotations

from collections import Counter
from math import prod

from torch import nn

from core.network.network import Network
from core.network.ops import kind_of, spellings

__all__ = ["covered", "other_bends"]

_BENDS = {
    *(nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Softsign),
    *(nn.Sigmoid, nn.LogSigmoid, nn.Tanh, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Hardshrink, nn.Softshrink),
    *(nn.Tanhshrink, nn.Threshold),
    *spellings("leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign"),
    *spellings("sigmoid", "logsigmoid", "tanh", "hardsigmoid", "hardswish", "hardtanh", "hardshrink", "softshrink"),
    *spellings("tanhshrink", "threshold", "clamp", "clip", "abs", "exp", "sqrt", "square", "pow"),
}


def other_bends(network: Network) -> dict[str, int]:
    """Return how many values each other kind of elementwise activation computes for one image, by its name."""
    program, counts = network.program, Counter[str]()
    for node in program.nodes:
        kind = kind_of(program, node)
        if program.facts[node].sees_image and kind in _BENDS:
            counts[kind if isinstance(kind, str) else kind.__name__] += prod(program.facts[node].shape)
    return dict(counts)


def covered(network: Network) -> float:
    """Return the sites' neurons as a share of the values of all elementwise activations."""
    return network.neurons / (network.neurons + sum(other_bends(network).values()))
