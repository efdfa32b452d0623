"""From a model to a program: traced, compared with the model on noise images, and checked to be a classifier.

Every call is evaluated on three batches: two images, the first of them beside another one, and the first alone. They
show which values depend on the image, which have the batch on their first axis, and whether an image's values depend on
the other images of its batch or on their number.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from core.errors import PathwayError
from core.network.causes import alike, why_different
from core.network.finite import all_finite, origin, why_not_finite
from core.network.ops import MOVES, kind_of, sources, spellings
from core.network.program import Facts, Program, call_name, floating_tensor, tensors_of, walk
from core.network.tracing import ceiling, keep_batch_axis, make_out_of_place, plain_copy, trace_graph

__all__ = ["traced_program"]

_ALONE = 0.1  # another number of images rounds elsewhere, which deep networks magnify: regnet_y_32gf to 0.003
_SIGMOIDS = {nn.Sigmoid, nn.Hardsigmoid, nn.LogSigmoid, *spellings("sigmoid", "hardsigmoid", "logsigmoid")}
_DROPOUTS = spellings("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")


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
            not the batch, computes something else when traced, or does not return, for every image by itself, the
            logits of two classes or more, finite and with a gradient to the image.
    """
    copy = plain_copy(model)
    copy = copy.to(device) if device is not None else copy
    noise = torch.randn(3, *input_shape, generator=torch.Generator().manual_seed(0))
    noise = noise.to(floating_tensor(copy).device, floating_tensor(copy).dtype)
    graph = trace_graph(copy, noise)
    if sum(node.op == "placeholder" for node in graph.nodes) != 1:
        raise PathwayError(f"{name} takes several inputs; wrap it in a module whose forward takes the image alone.")
    with _failures_named(name, noise):
        wanted = _answer(copy, name, noise[:2])  # while its in-place calls are still as they were
    if not isinstance(wanted, Tensor) or wanted.ndim != 2 or len(wanted) != 2 or not wanted.is_floating_point():
        shown = f"{wanted.dtype} {tuple(wanted.shape)}" if isinstance(wanted, Tensor) else type(wanted).__name__
        raise PathwayError(f"{name} returned {shown} for two images, wanted logits of shape (2, classes).")
    in_place = make_out_of_place(copy, graph)
    program = Program(copy, _reaching_output(list(graph.nodes)))
    with _failures_named(name, noise):
        keep_batch_axis(program, noise[:2])
        (two, alone), mixing = _probed(program, noise)
    _check_finite(program, name, two, noise)
    _check_gradient(program, name, noise[:1])
    _check_batch(program, name, mixing, noise)
    if not alike(two, wanted, torch.finfo(wanted.dtype).eps ** 0.5):
        why = why_different(model, noise[:2], two, [call_name(node) for node in in_place])
        raise PathwayError(f"{name} computes other values when traced: {why}.")
    if not alike(alone, wanted[:1], _ALONE):
        raise PathwayError(
            f"{name} returned other logits for an image alone than for the same image in a batch of two, wanted the "
            "same for any number of images. Take the size of the batch out of its forward method."
        )
    _check_logits(program, name, wanted)
    return program


def _answer(model: nn.Module, name: str, images: Tensor) -> Any:
    """Return what a model returns, or raise PathwayError where it writes into itself and returns another thing then."""
    before = {path: buffer._version for path, buffer in model.named_buffers()}
    answer = model(images.clone())
    written = [path for path, buffer in model.named_buffers() if buffer._version != before[path]]
    if written and isinstance(answer, Tensor) and not alike(model(images.clone()), answer):
        raise PathwayError(
            f"Got {name}, which writes into its buffer {written[0]!r} whenever it is called, in evaluation mode too, "
            "and then returns other logits for the same image. Let it write there only if self.training."
        )
    return answer


@contextmanager
def _failures_named(name: str, noise: Tensor) -> Iterator[None]:
    try:
        yield
    except PathwayError:
        raise
    except Exception as error:  # whatever the model's own code raises
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
            pairs = zip(tensors_of(two), tensors_of(beside), strict=True)
            mixing = None if all(alike(a[:1], b[:1]) for a, b in pairs) else node
    return (two, alone), mixing


def _facts(node: Node, two: Any, alone: Any, known: dict[Node, Facts]) -> Facts:
    """Return the facts of a value, from what it is for two images and for one."""
    tensors, single = tensors_of(two), tensors_of(alone)
    is_input = node.op == "placeholder"
    from_input = is_input or any(known[n].from_input for n in node.all_input_nodes)
    sees_image = bool(tensors) and (is_input or any(known[n].sees_image for n in node.all_input_nodes))
    batches = [(2, *b.shape[1:]) == a.shape and b.shape[:1] == (1,) for a, b in zip(tensors, single, strict=True)]
    shape = tuple(tensors[0].shape[1:]) if len(tensors) == 1 else ()
    return Facts(from_input, sees_image, from_input and bool(batches) and all(batches), shape)


def _check_finite(program: Program, name: str, logits: Tensor, noise: Tensor) -> None:
    """Raise PathwayError, naming the call, where logits are NaN or infinite for noise and for an image of one grey."""
    if all_finite(logits):
        return
    values = dict(walk(program, torch.full_like(noise[:1], 0.5), program.call))  # above 0: it has a logarithm
    if not all_finite(values[program.output]):
        node = origin(program, values)
        raise PathwayError(
            f"Got logits from {name} that are NaN or infinite, for noise and for a grey image alike, wanted finite "
            f"ones: {why_not_finite(program, node, values[node])}."
        )


@torch.enable_grad()
def _check_gradient(program: Program, name: str, image: Tensor) -> None:
    """Raise PathwayError, naming the call, where logits have no gradient to the image, (1, ...)."""
    warnings.filterwarnings("ignore", ".*an autograd kernel was not registered")  # such a call is refused below
    moved = image.clone().requires_grad_()
    values, node = dict(walk(program, moved, program.call)), program.output
    if _moves(moved, values[node]):
        return
    while lost := [source for source in sources(program, node) if not _moves(moved, values[source])]:
        node = lost[0]
    raise PathwayError(
        f"Got {name}, in which {call_name(node)!r} has no gradient to its input, wanted logits with a gradient to the "
        "image. Take the network as it was before its numbers were rounded (quantised), and detach nothing in it."
    )


def _moves(image: Tensor, value: Any) -> bool:
    """Whether a value, or one of several, has a gradient to the image."""
    for tensor in tensors_of(value):
        if tensor.requires_grad:
            ones = torch.ones_like(tensor)
            (found,) = torch.autograd.grad(tensor, image, ones, retain_graph=True, allow_unused=True)
            if found is not None:
                return True
    return False


def _check_batch(program: Program, name: str, mixing: Node | None, noise: Tensor) -> None:
    """Raise PathwayError, naming the call, where a ReLU's first axis is not the batch, or where images mix."""
    for node in program.nodes:
        facts = program.facts[node]
        if facts.sees_image and not facts.batched and ceiling(program.model, node) is not None:
            raise PathwayError(
                f"Got {name}, in which the first axis of {call_name(node)!r} is not the batch, wanted (N, C, H, W) or "
                "(N, C) at every ReLU. Move the batch to the front in the model's forward method."
            )
    if mixing is not None and _by_chance(program, noise, mixing):
        fix = "Draw random numbers only if self.training."
        if kind_of(program, mixing) in _DROPOUTS:
            fix = "Hand training=self.training to this dropout: called as a function it drops values by default."
        raise PathwayError(
            f"Got {name}, in which {call_name(mixing)!r} gives other values each time it is called, in evaluation mode "
            f"too, wanted the same values for the same image. {fix}"
        )
    if mixing is not None:
        raise PathwayError(
            f"Got {name}, in which an image's values depend on the other images of its batch from "
            f"{call_name(mixing)!r} on, wanted every image by itself. Give batch norm its running statistics, and take "
            "means over axes other than the first."
        )


def _by_chance(program: Program, noise: Tensor, node: Node) -> bool:
    """Whether a node's value is another one for the same images."""
    walks = (walk(program, noise[:2], program.call) for _ in range(2))
    one, other = (next(tensors_of(value) for each, value in steps if each is node) for steps in walks)
    return not all(map(alike, one, other))


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
