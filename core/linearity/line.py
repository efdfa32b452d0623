"""How a restricted response changes along a line from the image, beside its linearisation; in float64.

F(x + t d)    against    F(x) + t g·d          g = dF/dx at x
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from core.errors import PathwayError
from core.linearity.boundaries import pool_winners
from core.linearity.double import Case, double_case
from core.network import Network
from core.network.ops import MAX_POOLS, kind_of
from core.network.program import Values, walk
from core.pathways.ranking import Off, Pathway
from core.progress import Progress, silent

__all__ = ["Line", "along", "linearisation", "moved"]

BATCH = 8  # points in one run; memory grows with it


@dataclass(frozen=True)
class Line:
    """A restricted response at T points of a line, float64 on the CPU.

    Attributes:
        ts: position on the line, in lengths of the direction.
        responses: F(x + t d), (T,).
        tangent: F(x) + t g·d, (T,).
        switched: how many kept neurons are in another state there (off, on or saturated) than at x, (T,) int64.
        rerouted: how many windows of max pools have another winner there than at x, (T,) int64.
    """

    ts: tuple[float, ...]
    responses: Tensor
    tangent: Tensor
    switched: Tensor
    rerouted: Tensor


def along(
    network: Network,
    image: Tensor,
    target: int,
    pathway: Pathway | None,
    direction: Tensor,
    ts: Sequence[float],
    *,
    off: Off = "zero",
    reference: Tensor | None = None,
    progress: Progress = silent,
) -> Line:
    """Return the restricted response and its linearisation along a line; costs one run per point.

    Args:
        image: (1, *network.input_shape).
        target: class index.
        pathway: None for the original network.
        direction: shaped like one image, not normalised: with length 1, t is an L2 distance.
        ts: positions on the line.
        off: how neurons off the pathway are held.
        reference: the image whose activations are held under "frozen", (1, ...); default ``image`` itself.
        progress: called after each batch of points.

    Raises:
        PathwayError: an argument does not fit.
    """
    case = double_case(network, image, target, pathway, off, reference)
    if direction.shape != case.image.shape[1:]:
        wanted = tuple(case.image.shape[1:])
        raise PathwayError(f"Got a direction of shape {tuple(direction.shape)}, wanted one image's, {wanted}.")
    if not len(ts):
        raise PathwayError("Got no points of the line, wanted at least one t.")
    step, (response, gradient) = direction.to(case.image), linearisation(case, target)
    steps = torch.tensor(list(ts), dtype=torch.float64, device=step.device)
    _, states, winners = _patterns(case, case.image)
    responses, switched, rerouted = [], [], []
    for chunk in torch.split(steps, BATCH):
        logits, new_states, new_winners = _patterns(case, moved(case.image, step, chunk))
        flipped = [new != old for new, old in zip(new_states, states, strict=True)]
        responses.append(logits[:, target])
        switched.append(_counted(flipped, len(chunk)))
        rerouted.append(_counted([new != old for new, old in zip(new_winners, winners, strict=True)], len(chunk)))
        progress(sum(map(len, responses)), len(steps), "points")
    tangent = response + steps * (gradient * step).sum()
    return Line(tuple(ts), torch.cat(responses).cpu(), tangent.cpu(), torch.cat(switched), torch.cat(rerouted))


def moved(image: Tensor, step: Tensor, t: Tensor) -> Tensor:
    """Return image + t step, (B, ...), for t of shape (B,) and one step or B steps."""
    return image + t.view(-1, *[1] * (image.ndim - 1)) * step


def linearisation(case: Case, target: int) -> tuple[Tensor, Tensor]:
    """Return the restricted response, (), and its gradient, shaped (1, ...)."""
    with torch.enable_grad():
        start = case.image.clone().requires_grad_()
        response = case.network.run(start, case.edit).logits[0, target]
        (gradient,) = torch.autograd.grad(response, start)
    return response.detach(), gradient


def _counted(differ: list[Tensor], batch: int) -> Tensor:
    """Return how many of all values are True for each image of a batch, (B,)."""
    counts = torch.zeros(batch, dtype=torch.int64)
    for each in differ:
        counts += each.flatten(1).sum(1).cpu()
    return counts


def _patterns(case: Case, images: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return the restricted logits; whether each kept neuron is off (0), on (1) or saturated (2); pools' winners."""
    program, relus = case.network.program, {relu.node: relu for relu in case.network.relus}
    states: list[Tensor] = []
    winners: list[Tensor] = []

    def record(node: Node, values: Values) -> Any:
        value, relu = program.call(node, values), relus.get(node)
        if relu is not None:
            z, (value, mask) = values[node.all_input_nodes[0]], case.restricted(relu, value)
            states.append(((z > 0).byte() + (z >= relu.ceiling).byte()) * mask)
            return value
        facts = program.facts[node]
        if facts.sees_image and len(facts.shape) == 3 and kind_of(program, node) in MAX_POOLS:
            winners.append(pool_winners(program, node, values[node.all_input_nodes[0]]))
        return value

    with torch.no_grad():
        for _, value in walk(program, images, record):
            logits = value
    return logits, states, winners
