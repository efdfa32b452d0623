"""The sets of weights in a file that fit an architecture, compared with one another.

Training keeps several: the weights and their running mean, a teacher and a student. The user chooses between those that
differ; the same weights under two names are one set.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from core.models.architectures import head
from core.models.matching import Match, Weight
from core.models.torch_files import Stored

__all__ = ["Candidate", "compare", "loaded"]


@dataclass(frozen=True)
class Candidate:
    """A set of weights in a file that fits an architecture.

    Attributes:
        name: the keys that lead to it, joined by dots; "" for the outermost.
        tensors: how many it has.
        classes: that it tells apart.
        differing: how many tensors are others than in the first candidate.
        distance: from the first candidate, ‖w − w₁‖ / ‖w₁‖ over the tensors of the same shape.
        left_out: names of tensors beside them that are no part of the network.
    """

    name: str
    tensors: int
    classes: int
    differing: int
    distance: float
    left_out: tuple[str, ...]

    def describe(self, first: str) -> str:
        """Return how it differs, in words; ``first`` is the name of the first candidate."""
        size = f"{self.tensors} tensors, {self.classes} classes"
        if self.name == first:
            return size
        other = first or "the outermost"
        return f"{size}, {self.differing} of them unlike those of {other}, by {self.distance:.2%} of their norm"


def loaded(weights: Mapping[str, Weight]) -> dict[str, Tensor]:
    """Return the weights with their values in memory, apart from the graph of autograd."""
    return {key: value.tensor() if isinstance(value, Stored) else value.detach() for key, value in weights.items()}


def compare(matches: Iterable[Match]) -> list[Candidate]:
    """Return what tells the sets of weights apart, without those that are the same as an earlier one."""
    found: list[Candidate] = []
    kept: list[dict[str, Tensor]] = []
    for match in matches:
        state = loaded(match.weights)
        if not any(_differing(state, other) == 0 for other in kept):
            kept.append(state)
            found.append(_candidate(match, state, kept[0]))
    return found


def _candidate(match: Match, state: Mapping[str, Tensor], first: Mapping[str, Tensor]) -> Candidate:
    classes = match.weights[head(match.architecture)].shape[0]
    return Candidate(match.name, len(state), classes, _differing(state, first), _distance(state, first), match.beside)


def _differing(state: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> int:
    return sum(key not in state or key not in other or not _same(state[key], other[key]) for key in {**state, **other})


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether these are the same numbers, of whatever type: float32 is what both become."""
    if one.shape != other.shape or not (_is_real(one) and _is_real(other)):
        return False
    return torch.equal(one.double().nan_to_num(math.pi), other.double().nan_to_num(math.pi))


def _distance(state: Mapping[str, Tensor], first: Mapping[str, Tensor]) -> float:
    """Return the norm of the differences over the norm of the first; what is no real number does not count."""
    apart, norm = 0.0, 0.0
    for key in state.keys() & first.keys():
        one, other = state[key], first[key]
        if one.shape == other.shape and _is_real(one) and _is_real(other):
            apart += float((one.double() - other.double()).square().sum())
            norm += float(other.double().square().sum())
    return math.sqrt(apart / norm) if norm else 0.0


def _is_real(value: Tensor) -> bool:
    return not (value.is_meta or value.is_complex())
