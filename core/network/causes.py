"""Why a traced program computes something else than its model: each possible cause is taken away, and tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from core.network.tracing import plain_copy

__all__ = ["alike", "why_different"]

_AGAIN = 100  # steps of rounding by which the same call on the same values may differ, of the largest value
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def alike(a: Tensor, b: Tensor, tolerance: float | None = None) -> bool:
    """Return whether two tensors are the same but for rounding, in parts of the largest value; NaN equals NaN.

    Args:
        a, b: two tensors, of any shape each.
        tolerance: default what the same call on the same values may differ by.
    """
    if a.shape != b.shape or not (a.is_floating_point() or a.is_complex()):
        return torch.equal(a, b)
    tolerance = tolerance or _AGAIN * torch.finfo(a.dtype).eps
    largest = a.abs().nan_to_num(0, 0, 0).max() if a.numel() else 0
    return bool((((a - b).abs() <= tolerance * largest) | (a == b) | (a.isnan() & b.isnan())).all())


def why_different(model: nn.Module, images: Tensor, traced: Tensor, in_place: list[str]) -> str:
    """Return in words what makes a model compute something else than its program, and the way out.

    Args:
        model: as it was given.
        images: (N, ...).
        traced: the program's logits of the images.
        in_place: names of the calls that write in place.
    """
    model = plain_copy(model).to(images.device)

    def answer() -> Tensor:
        logits: Tensor = model(images.clone())
        return logits

    tolerance = torch.finfo(traced.dtype).eps ** 0.5
    wanted = answer()
    if not alike(answer(), wanted, tolerance):
        return (
            "it returns other logits when it is called again with the same images, in evaluation mode too: it draws "
            "random numbers, or keeps something from one call to the next. Draw none unless self.training"
        )
    blamed = _changing(model, answer, wanted, tolerance)
    if blamed:
        return (
            f"a hook on {', '.join(blamed)} changes what is computed, and tracing calls no hooks. Remove the hook, or "
            "do what it does in a forward method"
        )
    if in_place:
        return (
            f"its forward method writes into a tensor, by {', '.join(map(repr, in_place))}, that it, or a view of it, "
            "reads later. Write such steps out of place"
        )
    return (
        "its forward method takes another way while it is traced, where tensors stand for any image. Let it not ask "
        "for the type of its input, nor whether it is traced or whether gradients are on"
    )


def _changing(model: nn.Module, answer: Callable[[], Tensor], wanted: Tensor, tolerance: float) -> list[str]:
    """Return the modules without whose hooks the answer is another one."""
    blamed = []
    for path, module in model.named_modules():
        with _without_hooks(module) as some:
            if some and not alike(answer(), wanted, tolerance):
                blamed.append(repr(path or type(module).__name__))
    return blamed


@contextmanager
def _without_hooks(module: nn.Module) -> Iterator[bool]:
    """Take a module's hooks away for a while; yields whether it has any."""
    kept = {name: dict(getattr(module, name)) for name in _HOOKS}
    for name in _HOOKS:
        getattr(module, name).clear()
    try:
        yield any(kept.values())
    finally:
        for name in _HOOKS:
            getattr(module, name).update(kept[name])
