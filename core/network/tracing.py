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
from torch.fx import Graph, Node
from torch.nn import functional as F
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from core.errors import PathwayError
from core.network.ops import argument, kind_of
from core.network.program import Program, walk
from core.network.tracer import ShapeTracer, why_untraceable

__all__ = [
    "TRACE_LOCK",
    "ceiling",
    "check_modules",
    "keep_batch_axis",
    "make_out_of_place",
    "plain_copy",
    "trace_graph",
]

TRACE_LOCK = threading.RLock()

_OUT_OF_PLACE: dict[Callable[..., Any], Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    F.relu_: F.relu,
    torch.relu_: torch.relu,
}
_SQUEEZES = {torch.squeeze, "squeeze"}
_RELU_FUNCTIONS: dict[Any, float] = {F.relu: float("inf"), torch.relu: float("inf"), F.relu6: 6.0}


def trace_graph(model: nn.Module, noise: Tensor) -> Graph:
    """Return the graph of a model's calls for images of one shape; hold ``TRACE_LOCK``.

    Args:
        model: as ``plain_copy`` returns it.
        noise: (3, ...), three images.

    Raises:
        PathwayError: torch.fx cannot follow the model's forward method; says why, and at which line.
    """
    try:
        return ShapeTracer(noise).trace(model)
    except Exception as error:  # fx lets through whatever the model's own code raises on a proxy
        name = type(model).__name__
        raise PathwayError(f"{name} could not be traced by torch.fx. {why_untraceable(error)}") from error


def check_modules(model: nn.Module, name: str) -> None:
    """Raise PathwayError, naming the module, where one hides its calls or has parameters without values."""
    if not isinstance(model, nn.Module):
        raise PathwayError(
            f"Got {name} of type {type(model).__name__}, wanted a torch.nn.Module. Build the model that its weights "
            "belong to, call load_state_dict on it, and trace that."
        )
    for path, module in model.named_modules():
        called = f"{type(module).__name__} {path!r}" if path else type(module).__name__
        hidden = _hidden(module)
        if hidden:
            raise PathwayError(f"Got {called}, {hidden[0]}, wanted the module itself: {hidden[1]}")
        for kind, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            if is_lazy(tensor):
                raise PathwayError(
                    f"Got {called}, whose {kind} has no shape yet, wanted initialised parameters. Call the model on an "
                    "image once, or load its weights, before tracing it."
                )
            if tensor.is_meta:
                raise PathwayError(
                    f"Got {called}, whose {kind} is on the meta device, where tensors have a shape and no values. "
                    "Load its weights with load_state_dict(weights, assign=True) before tracing it."
                )


def _hidden(module: nn.Module) -> tuple[str, str] | None:
    """Return what hides a module's calls from torch.fx, and the way out; None where nothing does."""
    unseen = "torch.fx cannot see the calls inside. "
    if isinstance(module, torch.jit.ScriptModule):
        fix = "Trace the module that it was compiled from, with the same weights."
        return "a compiled ScriptModule", unseen + fix
    if hasattr(module, "_orig_mod"):
        return "made by torch.compile", unseen + "Trace its _orig_mod, which has the same weights."
    if "range_constraints" in vars(module):
        return "made by torch.export", "its calls are no modules any more. Trace the module that was exported."
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return "which divides batches among devices", "put its .module in its place, which has the same weights."
    return None


def plain_copy(model: nn.Module) -> nn.Module:
    """Return a frozen copy of a model in which every weight that was computed from others is a parameter of its own.

    Raises:
        PathwayError: the model cannot be copied.
    """
    owned = [value for module in model.modules() for value in vars(module).values() if isinstance(value, Tensor)]
    try:
        model = deepcopy(model, {id(value): value.detach().clone() for value in owned if not value.is_leaf})
    except Exception as error:  # whatever the model holds: an open file, a lock, a tensor with a history in a list
        raise PathwayError(
            f"{type(model).__name__} could not be copied ({type(error).__name__}: {error}), wanted a module that "
            "copy.deepcopy copies. Take out of it what is no part of the network, such as files and recorded values."
        ) from error
    for module in list(model.modules()):
        for key, hook in list(module._forward_pre_hooks.items()):
            if isinstance(hook, WeightNorm | SpectralNorm | BasePruningMethod):
                hook.remove(module)
                del module._forward_pre_hooks[key]
        if parametrize.is_parametrized(module):
            _compute_once(module)
        for name in [name for name, value in vars(module).items() if isinstance(value, Tensor)]:
            module.register_buffer(name, module.__dict__.pop(name))  # so that it moves with the model
    return model.requires_grad_(False)


def _compute_once(module: Any) -> None:
    """Give a module what its parametrisations compute; torch's own removal would change the class of the original."""
    computed = {name: getattr(module, name).detach().clone() for name in module.parametrizations}
    module.__class__ = parametrize.type_before_parametrizations(module)
    del module.parametrizations
    for name, value in computed.items():
        module.register_parameter(name, nn.Parameter(value, requires_grad=False))


def ceiling(model: nn.Module, node: Node) -> float | None:
    """Return the value at which a ReLU call saturates: inf for ReLU, 6 for ReLU6, None for other calls."""
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        return 6.0 if isinstance(module, nn.ReLU6) else float("inf") if isinstance(module, nn.ReLU) else None
    if node.op == "call_function":
        return _RELU_FUNCTIONS.get(node.target)
    return float("inf") if node.op == "call_method" and node.target == "relu" else None


def make_out_of_place(model: nn.Module, graph: Graph) -> list[Node]:
    """Change every in-place call of a model and its graph into one that writes elsewhere, and return those calls."""
    changed, position = list[Node](), {node: i for i, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        overwritten = _overwritten(model, node)
        if overwritten is not None:
            changed.append(node)
            for reader in [user for user in overwritten.users if position[user] > position[node]]:
                reader.replace_input_with(overwritten, node)
    for module in model.modules():
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]
    return changed


def keep_batch_axis(program: Program, images: Tensor) -> None:
    """Change calls of squeeze so that one image keeps the axis of the batch, as two images do.

    Args:
        program: as traced.
        images: (2, ...), for which no axis of the batch has length 1.
    """
    shapes: dict[Node, torch.Size] = {}
    if not any(kind_of(program, node) in _SQUEEZES for node in program.nodes):
        return
    for node, value in walk(program, images, program.call):
        shapes[node] = value.shape if isinstance(value, Tensor) else torch.Size()
        if kind_of(program, node) in _SQUEEZES and isinstance(node.args[0], Node):
            before = shapes[node.args[0]]
            asked = argument(node, 1, "dim", None)
            axes = range(len(before)) if asked is None else asked if isinstance(asked, tuple | list) else (asked,)
            alone = tuple(axis for axis in axes if before[axis] == 1)
            node.args, node.kwargs = (node.args[0], alone), {}


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
