"""The calls of a traced model: how each is evaluated, and what the probe found about its value.

A ``Program`` holds no values. It evaluates one node from the values of others, calling ``module.forward`` and never the
module itself, so that it also works while another thread traces (see ``core.network.tracing``).
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

__all__ = ["Facts", "Program", "Values", "call_name", "floating_tensor", "tensors_of", "walk"]

Values = dict[Node, Any]


@dataclass(frozen=True)
class Facts:
    """The facts that the probe found about a node's value.

    Attributes:
        from_input: it depends on the input, perhaps only on its shape.
        sees_image: it is one tensor or several that depend on the image's values.
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
        """Return the bytes of a node's value for one image, 0 if it is not a tensor."""
        facts = self.facts[node]
        return prod(facts.shape) * dtype.itemsize if facts.sees_image else 0

    def parameter(self) -> Tensor:
        """Return one of the model's floating tensors, of any shape, which gives device and dtype."""
        return floating_tensor(self.model)


def walk(program: Program, start: Any, rule: Callable[[Node, Values], Any]) -> Iterator[tuple[Node, Any]]:
    """Yield every node with the value that a rule gives it, from the input on; values are dropped once not needed."""
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
    if node.op in ("call_module", "get_attr", "placeholder"):
        return str(node.target)
    caller = next(reversed(node.meta.get("nn_module_stack") or {"": None}))
    function = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "relu")
    return f"{caller}.{function}" if caller else str(function)


def tensors_of(value: Any) -> list[Tensor]:
    """Return the tensors, of any shape, in a node's value, which is one, several, or none."""
    return [part for part in (value if isinstance(value, tuple | list) else [value]) if isinstance(part, Tensor)]


def floating_tensor(model: nn.Module) -> Tensor:
    """Return one of a model's floating tensors, of any shape, which gives device and dtype."""
    tensors = (*model.parameters(), *model.buffers())
    return next((t for t in tensors if t.is_floating_point()), torch.zeros(()))


def _attribute(model: nn.Module, path: str) -> Any:
    owner, _, name = path.rpartition(".")
    return getattr(model.get_submodule(owner), name)
