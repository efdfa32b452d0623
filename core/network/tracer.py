"""How torch.fx follows a forward method that asks for shapes: they are known, because a network's images have one.

A forward method may check, branch on or loop over sizes, as ``assert x.shape[1] == 3`` does. Such a question is
answered from what the calls traced so far give for one, two and three images, and the answer is part of the graph from
then on. It has to be the same for all three. A question about a tensor's values has no answer, nor has one whose
answer is another for another number of images: both are refused with the line of code that asks.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node, Proxy, Tracer
from torch.fx.node import map_aggregate
from torch.fx.proxy import Attribute, TraceError

__all__ = ["ShapeTracer", "Untraceable", "why_untraceable"]

_SHAPES = ("shape", "ndim", "size", "dim", "ndimension", "numel", "nelement")
_KINDS = ("dtype", "device", "layout", "is_cuda", "is_floating_point", "is_complex", "get_device", "requires_grad")
_ASKS = {*_SHAPES, *_KINDS, torch.numel, torch.is_floating_point, torch.is_complex}
_LIBRARY, _HERE = Path(torch.__file__).parent, Path(__file__).parent

_BRANCHES = (
    "must not branch or loop on the values of tensors; move such code out of it, or into a function marked with "
    "torch.fx.wrap"
)
_COUNTS = "must do the same for any number of images; take what depends on the size of the batch out of it"


class Untraceable(Exception):
    """A forward method asks something that has no answer while it is traced; says what it must not do."""


class ShapeTracer(Tracer):
    """Follows a forward method for images of one shape.

    Args:
        noise: (3, ...), three images.
    """

    def __init__(self, noise: Tensor) -> None:
        super().__init__()
        self._noise, self._evaluating = noise, False

    def proxy(self, node: Node) -> Proxy:
        """Return what stands for a node's value while the forward method runs."""
        return _Sized(node, self)

    def to_bool(self, obj: Proxy) -> bool:
        """Return whether a condition on shapes holds."""
        return bool(self.answer(obj.node))

    def iter(self, obj: Proxy) -> Iterator[Any]:
        """Yield as many parts of a value as it has."""
        try:
            return super().iter(obj)
        except TraceError:
            return iter([obj[place] for place in range(len(obj))])  # type: ignore[index]  # every operator is there

    def answer(self, node: Node, question: Callable[[Any], Any] | None = None) -> Any:
        """Return what a node's value, or the answer to a question about its size, is for any number of images.

        Raises:
            Untraceable: it depends on the image's values, or on the number of images.
        """
        if question is None and _of_values(node):
            raise Untraceable(_BRANCHES)
        found = [self._evaluated(node, self._noise[:count].clone()) for count in (1, 2, 3)]
        found = [value if question is None else question(value) for value in found]
        if not found[0] == found[1] == found[2]:
            raise Untraceable(_COUNTS)
        return found[0]

    def call_module(self, m: Any, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Trace a call, or make it."""
        return forward(*args, **kwargs) if self._evaluating else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Return what stands for a module's attribute, or that attribute."""
        return attr_val if self._evaluating else super().getattr(attr, attr_val, parameter_proxy_cache)

    def _evaluated(self, wanted: Node, images: Tensor) -> Any:
        """Return a node's value for some images, from the calls that it depends on."""
        needed = _ancestors(wanted)
        values: dict[Node, Any] = {}
        self._evaluating = True
        try:
            for node in self.graph.nodes:
                if node in needed:
                    values[node] = images if node.op == "placeholder" else self._called(node, values)
        finally:
            self._evaluating = False
        return values[wanted]

    def _called(self, node: Node, values: dict[Node, Any]) -> Any:
        args = map_aggregate(node.args, lambda a: values[a] if isinstance(a, Node) else a)
        kwargs = map_aggregate(node.kwargs, lambda a: values[a] if isinstance(a, Node) else a)
        if node.op == "call_module":
            return self.root.get_submodule(str(node.target))(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        if node.op == "get_attr":
            owner, _, name = str(node.target).rpartition(".")
            return getattr(self.root.get_submodule(owner), name)
        return node.target(*args, **kwargs)  # type: ignore[operator]


class _Sized(Proxy):
    """A value that can be asked for its length, and a size that can be used as a number."""

    def __getattr__(self, k: str) -> Attribute:
        return _SizedAttribute(self, k)

    def __len__(self) -> int:
        return int(self.tracer.answer(self.node, len))  # type: ignore[attr-defined]

    def __index__(self) -> int:
        return int(self.tracer.answer(self.node))  # type: ignore[attr-defined]

    def __float__(self) -> float:
        return float(self.tracer.answer(self.node))  # type: ignore[attr-defined]


class _SizedAttribute(_Sized, Attribute):
    """The same of an attribute, such as ``x.shape``."""


def _ancestors(node: Node) -> set[Node]:
    found, waiting = {node}, [node]
    while waiting:
        fresh = set(waiting.pop().all_input_nodes) - found
        found |= fresh
        waiting += fresh
    return found


def _of_values(node: Node) -> bool:
    """Whether a value depends on numbers in the image or in weights, and not only on shapes and kinds of tensors."""
    found, waiting = {node}, [node]
    while waiting:
        each = waiting.pop()
        if each.op in ("placeholder", "get_attr"):
            return True
        if not _asks(each):
            fresh = set(each.all_input_nodes) - found
            found |= fresh
            waiting += fresh
    return False


def _asks(node: Node) -> bool:
    """Whether a call asks for a tensor's shape or kind: ``x.shape``, ``x.size(1)``, ``torch.numel(x)``."""
    asked = node.args[1] if node.target is getattr else node.target
    return asked in _ASKS


def why_untraceable(error: Exception) -> str:
    """Return in words why a forward method could not be traced, with the line of it that is to blame."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame.filename)]
    line = f" (line {frames[-1].lineno} of {Path(frames[-1].filename).name}: {frames[-1].line})" if frames else ""
    if isinstance(error, Untraceable):
        return f"Its forward method {error}{line}."
    if isinstance(error, TraceError):
        return f"Its forward method {_BRANCHES}{line}."
    said = next(iter(str(error).splitlines()), "")
    if "item assignment" in said:
        return f"Its forward method writes into parts of a tensor{line}; build it with torch.cat or torch.where."
    if "dynamo" in said or "torch.compile" in said:
        return f"Its forward method calls what torch.compile made{line}; call the function that it was made from."
    if "Proxy" in said:
        return (
            f"While its forward method is traced, tensors stand for any image, and a call wants their values{line}: "
            f"{type(error).__name__}: {said}. Move the call into a function marked with torch.fx.wrap."
        )
    return f"Its forward method raised {type(error).__name__}: {said}{line}."


def _is_ours(filename: str) -> bool:
    return _LIBRARY in Path(filename).parents or Path(filename).parent == _HERE
