"""What a selection method says of one image: a score a neuron, and what it went through to find them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

__all__ = ["Scores", "Step", "Sum"]


@dataclass(frozen=True)
class Step:
    """The state of an iterative method after some step: the network restricted to what is left.

    Attributes:
        step: 0 is the original network.
        sparsity: share of neurons removed.
        p_ratio: the target's probability over its original one.
        dead_share: of what is left.
        prediction_kept: whether the prediction is still the original one.
    """

    step: int
    sparsity: float
    p_ratio: float
    dead_share: float
    prediction_kept: bool


@dataclass(frozen=True)
class Sum:
    """Whether a site's signed contributions are complete.

    Attributes:
        found: what they sum to.
        due: what the site adds to the response, f(a) - f(0).
    """

    found: float
    due: float

    @property
    def delta(self) -> float:
        """Return by how much they are off."""
        return self.found - self.due


class Scores(list[Tensor]):
    """One tensor a site, shaped like its activation without the batch axis, >= 0, larger stays longer.

    Attributes:
        activations: of the original network, shaped as the scores; they order the neurons that score 0. () where none
            does.
        trajectory: what an iterative method went through, () for the others.
        sums: of a method whose signed contributions at a site ought to sum to what the site adds to the response: one
            a site, () for the others.
        keeps_zeros: whether a pathway may keep neurons that score 0; False for a released rule that never does.
    """

    def __init__(
        self,
        scores: Iterable[Tensor],
        activations: Iterable[Tensor] = (),
        trajectory: tuple[Step, ...] = (),
        sums: tuple[Sum, ...] = (),
        *,
        keeps_zeros: bool = True,
    ) -> None:
        super().__init__(scores)
        self.activations, self.trajectory = tuple(activations), trajectory
        self.sums, self.keeps_zeros = sums, keeps_zeros
