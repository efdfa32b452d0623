"""From a model to a program: traced, compared with the model on noise images, and checked to be a classifier.

Every call is evaluated on three batches: two images, the first of them beside another one, and the first alone. They
show which values depend on the image, which have the batch on their first axis, and whether an image's values depend on
the other images of its batch or on their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from core.errors import PathwayError
from core.network.ops import MOVES, kind_of, sources, spellings
from core.network.program import Facts, Program, call_name, floating_tensor, walk
from core.network.tracing import ceiling, make_out_of_place, trace_graph

__all__ = ["traced_program"]

_AGAIN = 100  # rounding steps of the largest value by which the same call on the same values may differ
_ALONE = 0.1  # another batch size changes rounding, which deep networks amplify: regnet_y_32gf to 0.003
_SIGMOIDS = {nn.Sigmoid, nn.Hardsigmoid, nn.LogSigmoid, *spellings("sigmoid", "hardsigmoid", "logsigmoid")}


def traced_program(
    model: nn.Module, input_shape: tuple[int, ...], name: str, device: torch.device | str | None
) -> Program:
    """Trace a model and check the program against it on noise images; hold ``TRACE_LOCK``.

    Args:
        model: takes (N, *input_shape), returns (N, classes).
        input_shape: of one image.
        name: of the model in messages.
        device: of the private copy; default the model's.

    Raises:
        PathwayError: the model cannot be traced, takes several inputs, fails on noise, has a ReLU whose first axis is
            not the batch, computes other values when traced, or does not return the logits of two classes or more for
            every image separately.
    """
    copy, graph = trace_graph(model)
    copy = copy.to(device) if device is not None else copy
    if sum(node.op == "placeholder" for node in graph.nodes) != 1:
        raise PathwayError(f"{name} takes several inputs; wrap it in a module whose forward takes only the image.")
    noise = torch.randn(3, *input_shape, generator=torch.Generator().manual_seed(0))
    noise = noise.to(floating_tensor(copy).device, floating_tensor(copy).dtype)
    with _failures_named(name, noise):
        wanted = copy(noise[:2].clone())  # while its in-place calls are still as they were
    if not isinstance(wanted, Tensor) or wanted.ndim != 2 or len(wanted) != 2 or not wanted.is_floating_point():
        shown = f"{wanted.dtype} {tuple(wanted.shape)}" if isinstance(wanted, Tensor) else type(wanted).__name__
        raise PathwayError(f"{name} returned {shown} for two images, wanted logits of shape (2, classes).")
    make_out_of_place(copy, graph)
    program = Program(copy, _reaching_output(list(graph.nodes)))
    with _failures_named(name, noise):
        (two, alone), mixing = _probed(program, noise)
    _check_batch(program, name, mixing)
    if not _alike(two, wanted, torch.finfo(wanted.dtype).eps ** 0.5):
        raise PathwayError(
            f"{name} computes other values when traced: its forward method writes into a tensor that is read later, "
            "directly or through a view. Write such steps out of place."
        )
    if not _alike(alone, wanted[:1], _ALONE):
        raise PathwayError(
            f"{name} returned other logits for an image alone than for the same image in a batch of two, wanted the "
            "same for any number of images. Take the size of the batch out of its forward method."
        )
    _check_logits(program, name, wanted)
    return program


@contextmanager
def _failures_named(name: str, noise: Tensor) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the model's own code may raise any error
        raise PathwayError(f"{name} failed on one or two images of shape {tuple(noise.shape[1:])}: {error}") from error


def _probed(program: Program, noise: Tensor) -> tuple[tuple[Tensor, Tensor], Node | None]:
    """Fill in the facts of every node.

    Args:
        program: whose facts are not known yet.
        noise: (3, ...), three images.

    Returns:
        The logits of the first two images together and of the first alone, and the first node whose value for an image
        changes with the other image of the batch.
    """
    mixing: Node | None = None
    lanes = (walk(program, images, program.call) for images in (noise[:2], noise[::2], noise[:1]))
    for (node, two), (_, beside), (_, alone) in zip(*lanes, strict=True):
        facts = program.facts[node] = _facts(node, two, alone, program.facts)
        if mixing is None and facts.sees_image and facts.batched:
            pairs = zip(_tensors(two), _tensors(beside), strict=True)
            mixing = None if all(_alike(a[:1], b[:1]) for a, b in pairs) else node
    return (two, alone), mixing


def _facts(node: Node, two: Any, alone: Any, known: dict[Node, Facts]) -> Facts:
    """Return the facts of a node, given its value for two images and for one."""
    tensors, single = _tensors(two), _tensors(alone)
    is_input = node.op == "placeholder"
    from_input = is_input or any(known[n].from_input for n in node.all_input_nodes)
    sees_image = bool(tensors) and (is_input or any(known[n].sees_image for n in node.all_input_nodes))
    batches = [(2, *b.shape[1:]) == a.shape and b.shape[:1] == (1,) for a, b in zip(tensors, single, strict=True)]
    shape = tuple(tensors[0].shape[1:]) if len(tensors) == 1 else ()
    return Facts(from_input, sees_image, from_input and bool(batches) and all(batches), shape)


def _tensors(value: Any) -> list[Tensor]:
    return [part for part in (value if isinstance(value, tuple | list) else [value]) if isinstance(part, Tensor)]


def _alike(a: Tensor, b: Tensor, tolerance: float | None = None) -> bool:
    """Return whether two tensors are equal up to rounding, relative to the largest value."""
    if a.shape != b.shape or not (a.is_floating_point() or a.is_complex()):
        return torch.equal(a, b)
    tolerance = tolerance or _AGAIN * torch.finfo(a.dtype).eps
    largest = a.abs().nan_to_num(0, 0, 0).max() if a.numel() else 0
    return bool((((a - b).abs() <= tolerance * largest) | (a == b) | (a.isnan() & b.isnan())).all())


def _check_batch(program: Program, name: str, mixing: Node | None) -> None:
    """Raise PathwayError, naming the call, where a ReLU's first axis is not the batch, or where images mix."""
    for node in program.nodes:
        facts = program.facts[node]
        if facts.sees_image and not facts.batched and ceiling(program.model, node) is not None:
            raise PathwayError(
                f"Got {name}, in which the first axis of {call_name(node)!r} is not the batch, wanted (N, C, H, W) or "
                "(N, C) at every ReLU. Move the batch to the front in the model's forward method."
            )
    if mixing is not None:
        raise PathwayError(
            f"Got {name}, in which an image's values depend on the other images of its batch or on chance from "
            f"{call_name(mixing)!r} on, wanted every image by itself. Give batch norm its running statistics, and "
            "call functional dropout with training=False."
        )


def _check_logits(program: Program, name: str, logits: Tensor) -> None:
    """Raise PathwayError if a model returns the logit of only one class, or probabilities."""
    if logits.shape[1] < 2:
        raise PathwayError(
            f"{name} returned logits of shape (N, {logits.shape[1]}), wanted at least two per image, one per class. "
            "For a single logit z, return torch.cat([torch.zeros_like(z), z], 1), which gives the same probabilities."
        )
    last = program.output
    while len(sources(program, last)) == 1 and (last is program.output or kind_of(program, last) in MOVES):
        last = sources(program, last)[0]
    softened = any(  # recognised by values: none below 0 and a sum of 1, directly or after exp
        bool((shares >= 0).all() and (shares.sum(1) - 1).abs().max() < 1e-3)
        for shares in (logits.float(), logits.float().exp())
    )
    if softened or kind_of(program, last) in _SIGMOIDS:
        raise PathwayError(
            f"Got {name}, which ends in {call_name(last)!r} and returns probabilities, wanted logits: the "
            "gradient of a probability vanishes when the network is confident. Return the input of that call instead."
        )


def _reaching_output(nodes: list[Node]) -> list[Node]:
    kept = {node for node in nodes if node.op in ("output", "placeholder")}
    for node in reversed(nodes):
        if any(user in kept for user in node.users):
            kept.add(node)
    return [node for node in nodes if node in kept]
