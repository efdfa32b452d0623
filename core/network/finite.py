"""Where numbers end: the call at which logits that are NaN or infinite begin to be so, and why.

From the logits back, call by call, to the first whose output is not finite and whose inputs are. A value that is masked
on the way, as attention masks with -inf, is on no such trail.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

from torch import Tensor, nn
from torch.fx import Node

from core.network.program import Program, Values, call_name, tensors_of

__all__ = ["all_finite", "origin", "why_not_finite"]


def all_finite(value: object) -> bool:
    """Return whether no number in a tensor, or in several, is NaN or infinite."""
    return all(_sums_up(tensor) or bool(tensor.isfinite().all()) for tensor in tensors_of(value))


def _sums_up(tensor: Tensor) -> bool:
    """Whether the sum is finite, as it can be of finite numbers only: a quarter of the time of asking each."""
    return tensor.is_floating_point() and isfinite(tensor.detach().sum().item())


def origin(program: Program, values: Values) -> Node:
    """Return the node at which logits that are not finite begin to be so.

    Args:
        program: that computed them.
        values: of all its nodes that the logits depend on.
    """
    node = program.output
    while broken := _broken(node.all_input_nodes, values):
        node = broken[0]
    return node


def _broken(nodes: Iterable[Node], values: Values) -> list[Node]:
    return [node for node in nodes if node in values and not all_finite(values[node])]


def why_not_finite(program: Program, node: Node, value: object) -> str:
    """Return in words where values that are not finite begin, why, and what to do about it.

    Args:
        program: that computed them.
        node: where they begin.
        value: of that node.
    """
    module = program.module(node)
    kind = f" ({type(module).__name__})" if module is not None else ""
    where = f"they begin at {call_name(node)!r}{kind}"
    faults = _faults(module) if module is not None else []
    if faults:
        return f"{where}, whose {' and '.join(faults)}. Get the weights anew, or mend these"
    if node.op == "get_attr":
        return f"{where}, a tensor of the model. Get the weights anew, or mend it"
    dtype = next(str(tensor.dtype).removeprefix("torch.") for tensor in tensors_of(value))
    fix = "Check the weights up to there, or take the model in float64"
    if any(bool(tensor.isnan().any()) for tensor in tensors_of(value)):
        made = f"0 / 0, the root or logarithm of what is below 0, or sums beyond {dtype}"
        return f"{where}, which makes NaN of numbers: {made}. {fix}"
    return f"{where}, whose output is infinite: beyond {dtype}, or divided by 0. {fix}"


def _faults(module: nn.Module) -> list[str]:
    """Return what is wrong with a module's own tensors."""
    held = (*module.named_parameters(), *module.named_buffers())
    faults = [f"{name} is NaN or infinite" for name, tensor in held if not all_finite(tensor)]
    variance = getattr(module, "running_var", None)
    if isinstance(variance, Tensor) and bool((variance + getattr(module, "eps", 0) < 0).any()):
        faults.append(f"running_var, a variance, is {float(variance.min()):.4g} at the lowest, wanted 0 or more")
    return faults
