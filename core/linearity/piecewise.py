"""Which calls are affine in their inputs: a list, since a call wrongly taken for affine would make a radius wrong."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.fx import Node
from torch.fx.node import map_aggregate

from core.errors import PathwayError
from core.network import Network
from core.network.ops import MAX_POOLS, MOVES, kind_of, spellings
from core.network.program import Program

__all__ = ["check_piecewise_affine"]

_MODULES = {
    *(nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.Identity),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout),
}
_SUMS = spellings("add", "sub", "subtract", "cat", "concat", "concatenate", "stack", "hstack", "vstack")
_DROPOUTS = spellings("dropout", "dropout2d")
_QUOTIENTS = spellings("div", "divide", "true_divide", "truediv")
_PRODUCTS = spellings("mul", "multiply", "matmul", "mm", "bmm", "linear", "conv1d", "conv2d", "conv_transpose2d")


def check_piecewise_affine(network: Network) -> Network:
    """Return the network, or raise PathwayError when a call other than ReLU, ReLU6 and max pool is not affine."""
    relus = {relu.node for relu in network.relus}
    for node in network.program.nodes:
        sees_image = network.program.facts[node].sees_image and node.op not in ("placeholder", "output")
        why = _objection(network.program, node) if sees_image and node not in relus else None
        if why:
            raise PathwayError(
                f"{network.name} {why}; a linear radius is known only where all calls but ReLU, ReLU6 and max pools "
                "are affine. Choose such a network: squeezenet1_1, efficientnet_lite0, a ResNet, a VGG."
            )
    return network


def _objection(program: Program, node: Node) -> str | None:
    """Return why a call is not known to be affine; None if it is."""
    kind, count = kind_of(program, node), len(_seen(program, node))
    if kind in MAX_POOLS:
        usable = len(program.facts[node].shape) == 3
        return None if usable else f"pools a shape other than (N, C, H, W) or returns indices at {_name(program, node)}"
    if kind in _QUOTIENTS and _seen(program, node)[0] is not node.args[0]:
        return f"divides by a value that depends on the image ({_name(program, node)})"
    if kind in _PRODUCTS | _QUOTIENTS:
        return None if count == 1 else f"multiplies values that both depend on the image ({_name(program, node)})"
    if kind in _MODULES | _SUMS or (count == 1 and kind in MOVES | _DROPOUTS):
        return None
    return f"calls {_name(program, node)}, which is not known to be affine"


def _seen(program: Program, node: Node) -> list[Node]:
    """Return the arguments that depend on the image, with repetitions."""
    given: list[Any] = []
    map_aggregate((node.args, node.kwargs), given.append)
    return [each for each in given if isinstance(each, Node) and program.facts[each].sees_image]


def _name(program: Program, node: Node) -> str:
    """Return "path (Module)" of a module's call, or the function's name and the module whose code calls it."""
    module = program.module(node)
    if module is not None:
        return f"{node.target} ({type(module).__name__})"
    caller = next(reversed(node.meta.get("nn_module_stack") or {"": None}))
    function = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", node.name)
    return f"{function} in {caller}" if caller else str(function)
