"""A classifier as a graph of calls without side effects, traced once by torch.fx.

Tracing patches ``nn.Module.__call__`` for the whole process while it lasts, so every trace, and everything else that
calls a module in a process that traces, holds ``TRACE_LOCK``. The resulting graph never calls a module: its sub-modules
are evaluated through ``.forward``.

In-place calls would overwrite values that are still needed (a recorded pre-activation, an activation kept for a second
run). Each is made out of place, and calls that read the overwritten value afterwards read the new one, as in the
in-place program.

Weights that a module computes from others (weight norm, spectral norm, pruning, any parametrisation) are computed once
and become parameters of the copy: ``.forward`` runs no hooks, and a changed weight takes effect.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, Node, Tracer
from torch.nn import functional as F
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from core.errors import PathwayError

__all__ = ["TRACE_LOCK", "ceiling", "make_out_of_place", "trace_graph"]

TRACE_LOCK = threading.RLock()

_OUT_OF_PLACE: dict[Callable[..., Any], Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    F.relu_: F.relu,
    torch.relu_: torch.relu,
}
_RELU_FUNCTIONS: dict[Any, float] = {F.relu: float("inf"), torch.relu: float("inf"), F.relu6: 6.0}


def trace_graph(model: nn.Module) -> tuple[nn.Module, Graph]:
    """Return a private frozen copy of a model and the graph of its calls; hold ``TRACE_LOCK``.

    Raises:
        PathwayError: torch.fx cannot trace the model's forward method, or a module is compiled or not yet initialised.
    """
    _check_modules(model)
    model = _plain_copy(model)
    try:
        graph = Tracer().trace(model)
    except Exception as error:  # the model's own code may raise any error on a proxy
        raise PathwayError(
            f"{type(model).__name__} could not be traced by torch.fx ({error}). Its forward method must not branch or "
            "loop on the values of tensors; move such code out of it, or mark it with torch.fx.wrap."
        ) from error
    return model, graph


def _check_modules(model: nn.Module) -> None:
    """Raise PathwayError, naming the module, where one is compiled or has parameters without a shape."""
    for path, module in model.named_modules():
        name = f"{type(module).__name__} {path!r}" if path else type(module).__name__
        if isinstance(module, torch.jit.ScriptModule):
            raise PathwayError(
                f"Got {name}, a compiled ScriptModule, wanted a Python module: torch.fx cannot see the calls inside. "
                "Trace the module that it was compiled from, with the same weights."
            )
        if hasattr(module, "_orig_mod"):
            raise PathwayError(
                f"Got {name}, made by torch.compile, wanted the module itself: torch.fx cannot see the calls inside. "
                "Trace its _orig_mod, which has the same weights."
            )
        for kind, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            if is_lazy(tensor):
                raise PathwayError(
                    f"Got {name}, whose {kind} has no shape yet, wanted initialised parameters. Call the model on an "
                    "image once, or load its weights, before tracing it."
                )


def _plain_copy(model: nn.Module) -> nn.Module:
    """Return a frozen copy in which every weight that was computed from others is a parameter of its own."""
    owned = [value for module in model.modules() for value in vars(module).values() if isinstance(value, Tensor)]
    model = deepcopy(model, {id(value): value.detach().clone() for value in owned if not value.is_leaf})
    for module in list(model.modules()):
        for key, hook in list(module._forward_pre_hooks.items()):
            if isinstance(hook, WeightNorm | SpectralNorm | BasePruningMethod):
                hook.remove(module)
                del module._forward_pre_hooks[key]
        if parametrize.is_parametrized(
            module
        ):  # torch's own removal would change the class, which the copy shares with the original
            names = list(module.parametrizations)  # type: ignore[arg-type]
            computed = {name: getattr(module, name).detach().clone() for name in names}
            module.__class__ = parametrize.type_before_parametrizations(module)
            del module.parametrizations
            for name, value in computed.items():
                module.register_parameter(name, nn.Parameter(value))
    return model.requires_grad_(False)


def ceiling(model: nn.Module, node: Node) -> float | None:
    """Return the value at which a ReLU call saturates: inf for ReLU, 6 for ReLU6, None for other calls."""
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        return 6.0 if isinstance(module, nn.ReLU6) else float("inf") if isinstance(module, nn.ReLU) else None
    if node.op == "call_function":
        return _RELU_FUNCTIONS.get(node.target)
    return float("inf") if node.op == "call_method" and node.target == "relu" else None


def make_out_of_place(model: nn.Module, graph: Graph) -> None:
    """Change every in-place call of a model and its graph into one that writes elsewhere."""
    position = {node: i for i, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        overwritten = _overwritten(model, node)
        if overwritten is not None:
            for reader in [user for user in overwritten.users if position[user] > position[node]]:
                reader.replace_input_with(overwritten, node)
    for module in model.modules():
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]


def _overwritten(model: nn.Module, node: Node) -> Node | None:
    """Make a node write elsewhere; return the value that it overwrote, None if it overwrote none."""
    in_place = False
    if node.op == "call_module":
        in_place = getattr(model.get_submodule(str(node.target)), "inplace", False) is True
    elif node.op == "call_function":
        in_place = node.target in _OUT_OF_PLACE or node.kwargs.get("inplace") is True
        node.target = _OUT_OF_PLACE.get(node.target, node.target)  # type: ignore[arg-type]
        node.kwargs = {name: value for name, value in node.kwargs.items() if name != "inplace"}
        in_place = _drop_positional_inplace(node) or in_place
    elif node.op == "call_method":
        name = str(node.target)
        in_place = name.endswith("_") and not name.endswith("__") and hasattr(Tensor, name[:-1])
        node.target = name[:-1] if in_place else name
    value = node.args[0] if node.args else node.kwargs.get("input")
    return value if in_place and isinstance(value, Node) else None


def _drop_positional_inplace(node: Node) -> bool:
    """Return whether the second argument of a call is ``inplace``, as in ``F.relu(x, True)``, and drop it."""
    if node.target not in (F.relu, F.relu6) or len(node.args) < 2:
        return False
    in_place = node.args[1] is True
    node.args = node.args[:1]
    return in_place
