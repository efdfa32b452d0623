"""The calls of a traced model: what each computes, and what one probe showed of its value.

A ``Program`` holds no values. It evaluates one node from the values of others, calling ``module.forward`` and never the
module itself, so that it also works while another thread traces (see ``core.tracing``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.fx.node import map_aggregate

from core.errors import PathwayError
from core.tracing import make_out_of_place, trace_graph

__all__ = ["Facts", "Program", "Values", "call_name", "traced_program", "walk"]

Values = dict[Node, Any]


@dataclass(frozen=True)
class Facts:
    """What the probe showed of a node's value.

    Attributes:
        from_input: it depends on the input, be it only on its shape.
        sees_image: it is a tensor, or several, that depends on the image's values.
        batched: its first axis is the batch.
        shape: without the batch axis; () where the value is not one tensor.
    """

    from_input: bool
    sees_image: bool
    batched: bool
    shape: tuple[int, ...]


class Program:
    """The nodes of a traced model that reach its logits, in order, and how to evaluate one."""

    def __init__(self, model: nn.Module, nodes: Sequence[Node]) -> None:
        self.model = model
        self.nodes = tuple(nodes)
        self.input = next(n for n in nodes if n.op == "placeholder")
        self.output = nodes[-1]
        self.facts: dict[Node, Facts] = {}
        self._modules = {n: model.get_submodule(str(n.target)) for n in nodes if n.op == "call_module"}
        self._constants = {n: _attribute(model, str(n.target)) for n in nodes if n.op == "get_attr"}

    def module(self, node: Node) -> nn.Module | None:
        """Return the module a node calls; None where it calls a function."""
        return self._modules.get(node)

    def call(self, node: Node, values: Values) -> Any:
        """Return a node's value, given the values of its arguments."""
        if node.op == "get_attr":
            return self._constants[node]
        args = map_aggregate(node.args, lambda a: values[a] if isinstance(a, Node) else a)
        kwargs = map_aggregate(node.kwargs, lambda a: values[a] if isinstance(a, Node) else a)
        if node.op == "call_module":
            return self._modules[node].forward(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        return args[0] if node.op == "output" else node.target(*args, **kwargs)  # type: ignore[operator]

    def nbytes(self, node: Node, dtype: torch.dtype) -> int:
        """Return the bytes of a node's value for one image, 0 where it is no tensor."""
        facts = self.facts[node]
        return prod(facts.shape) * dtype.itemsize if facts.sees_image else 0

    def parameter(self) -> Tensor:
        """Return one of the model's floating tensors, of any shape, to read device and dtype from."""
        return _parameter(self.model)


def walk(program: Program, start: Any, rule: Callable[[Node, Values], Any]) -> Iterator[tuple[Node, Any]]:
    """Yield every node with the value that a rule gives it, from the input on; values are forgotten when used up."""
    last = {source: node for node in program.nodes for source in node.all_input_nodes}
    values: Values = {}
    for node in program.nodes:
        values[node] = start if node is program.input else rule(node, values)
        yield node, values[node]
        for source in node.all_input_nodes:
            if last[source] is node:
                del values[source]


def call_name(node: Node) -> str:
    """Return the path of a called module, or of the module whose code calls the function."""
    if node.op == "call_module":
        return str(node.target)
    caller = next(reversed(node.meta.get("nn_module_stack") or {"": None}))
    function = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "relu")
    return f"{caller}.{function}" if caller else str(function)


def traced_program(
    model: nn.Module, input_shape: tuple[int, ...], name: str, device: torch.device | str | None
) -> Program:
    """Trace a model and check the program against it on a probe of two noise images; hold ``TRACE_LOCK``.

    Raises:
        PathwayError: the model cannot be traced, takes several inputs, fails on the probe, does not return
            (N, classes), or computes something else when traced.
    """
    copy, graph = trace_graph(model)
    copy = copy.to(device) if device is not None else copy
    if sum(node.op == "placeholder" for node in graph.nodes) != 1:
        raise PathwayError(f"{name} takes several inputs; wrap it in a module whose forward takes the image alone.")
    noise = torch.randn(2, *input_shape, generator=torch.Generator().manual_seed(0))
    probe = noise.to(_parameter(copy).device, _parameter(copy).dtype)
    try:
        wanted = copy(probe.clone())  # while its in-place calls are still as they were
        make_out_of_place(copy, graph)
        program = Program(copy, _reaching_output(list(graph.nodes)))
        got = _probed(program, probe)
    except Exception as error:  # whatever the model's own code raises
        raise PathwayError(f"{name} failed on a batch of shape {tuple(probe.shape)}: {error}") from error
    if not isinstance(wanted, Tensor) or wanted.ndim != 2 or len(wanted) != 2:
        shown = tuple(wanted.shape) if isinstance(wanted, Tensor) else type(wanted).__name__
        raise PathwayError(f"{name} returned {shown} for two images, wanted logits of shape (2, classes).")
    if not torch.allclose(got, wanted, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise PathwayError(
            f"{name} computes something else when traced: its forward method writes into a tensor that it, or a "
            "view of it, reads later. Write such steps out of place."
        )
    return program


def _parameter(model: nn.Module) -> Tensor:
    tensors = (*model.parameters(), *model.buffers())
    return next((t for t in tensors if t.is_floating_point()), torch.zeros(()))


def _probed(program: Program, probe: Tensor) -> Tensor:
    values: Values = {}
    for node in program.nodes:
        values[node] = probe if node is program.input else program.call(node, values)
        program.facts[node] = _facts(node, values[node], program.facts)
    logits: Tensor = values[program.output]
    return logits


def _facts(node: Node, value: Any, known: dict[Node, Facts]) -> Facts:
    parts = value if isinstance(value, tuple | list) else [value]
    tensors = [part for part in parts if isinstance(part, Tensor)]
    is_input = node.op == "placeholder"
    from_input = is_input or any(known[n].from_input for n in node.all_input_nodes)
    sees_image = bool(tensors) and (is_input or any(known[n].sees_image for n in node.all_input_nodes))
    batched = from_input and any(t.ndim > 0 and len(t) == 2 for t in tensors)
    return Facts(from_input, sees_image, batched, tuple(tensors[0].shape[1:]) if len(tensors) == 1 else ())


def _reaching_output(nodes: list[Node]) -> list[Node]:
    kept = {node for node in nodes if node.op in ("output", "placeholder")}
    for node in reversed(nodes):
        if any(user in kept for user in node.users):
            kept.add(node)
    return [node for node in nodes if node in kept]


def _attribute(model: nn.Module, path: str) -> Any:
    owner, _, name = path.rpartition(".")
    return getattr(model.get_submodule(owner), name)
