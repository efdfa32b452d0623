"""The result of a selection method for one image: one score per neuron, and how it was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

__all__ = ["Scores", "Step", "Sum"]


@dataclass(frozen=True)
class Step:
    """The state of an iterative method after a step: the network restricted to the neurons that are left.

    Attributes:
        step: 0 is the original network.
        sparsity: share of neurons removed.
        p_ratio: the target's probability over its original one.
        dead_share: of the neurons that are left.
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
        found: their sum.
        due: the sum they should have, f(a) - f(0), which the site adds to the response.
    """

    found: float
    due: float

    @property
    def delta(self) -> float:
        """Return the difference."""
        return self.found - self.due


class Scores(list[Tensor]):
    """One tensor per site, shaped like its activation without the batch axis, >= 0; larger scores stay longer.

    Attributes:
        activations: of the original network, shaped like the scores; they order the neurons that score 0. () if no
            neuron does.
        trajectory: the steps of an iterative method, () for the others.
        sums: one per site, for a method whose signed contributions at a site should sum to what the site adds to the
            response; () for the others.
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
