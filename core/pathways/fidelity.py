"""How restriction to a pathway changes the answer.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from core.network import Network
from core.pathways.overlap import dead_among, share_within
from core.pathways.ranking import (
    Off,
    Pathway,
    Ranking,
    check_off,
    check_pathway,
    check_sparsity,
    restriction,
)
from core.progress import Progress, silent

__all__ = [
    "Fate",
    "Fidelity",
    "Standing",
    "chance_line",
    "fate",
    "fidelity",
    "fidelity_curve",
    "probability_ratio",
    "standing",
]

Fate = Literal["kept", "near chance", "lost"]
"""The fate of a prediction: it is kept, it stays first with a probability near chance, or another takes its place."""


@dataclass(frozen=True)
class Standing:
    """A class compared with its best rival.

    Attributes:
        probability: the class's softmax probability.
        logit: the class's.
        rival: index of the best other class.
        rival_logit: the rival's.
    """

    probability: float
    logit: float
    rival: int
    rival_logit: float


@dataclass(frozen=True)
class Fidelity:
    """How restriction to a pathway changes the answer.

    Attributes:
        p_ratio: the target's restricted probability over its original one; may exceed 1.
        fate: of the original network's prediction.
        dead_share: of the pathway.
        sparsity: of the pathway.
        before, after: the target's standing in the original and in the restricted network.
    """

    p_ratio: float
    fate: Fate
    dead_share: float
    sparsity: float
    before: Standing
    after: Standing

    @property
    def prediction_kept(self) -> bool:
        """Return whether the restricted network predicts the same class as the original one, even if near chance."""
        return self.fate != "lost"


def probability_ratio(logits: Tensor, original: Tensor, target: int) -> float:
    """Return the target's softmax probability under logits over that under original ones; both (1, classes).

    A probability may be too small for any float, and its logarithm is not: the ratio is the exponential of a difference
    of logarithms, and 0 or infinite only where it is itself beyond float64, e^-745 or e^709.
    """
    log_ratio = logits.double().log_softmax(1)[0, target] - original.double().log_softmax(1)[0, target]
    return float(log_ratio.exp())


def standing(logits: Tensor, target: int) -> Standing:
    """Return a class's standing, given logits (1, classes) of at least two classes."""
    row = logits[0].detach()
    others = row.clone()
    others[target] = -torch.inf
    rival = int(others.argmax())
    return Standing(float(row.double().softmax(0)[target]), float(row[target]), rival, float(row[rival]))


def chance_line(classes: int) -> float:
    """Return the probability up to which a prediction is near chance: 2/classes, but for two classes 3/4."""
    return min(2 / classes, (1 + 1 / classes) / 2)


def fate(logits: Tensor, original: Tensor) -> Fate:
    """Return the fate of the original prediction; both (1, classes).

    Where a restriction destroys the response, all classes are about equally likely, yet one of them is first. Such a
    prediction, first with a probability of at most ``chance_line``, is "near chance".
    """
    if int(logits.argmax()) != int(original.argmax()):
        return "lost"
    return "near chance" if float(logits.softmax(1).max()) <= chance_line(logits.shape[1]) else "kept"


def fidelity(network: Network, image: Tensor, target: int, pathway: Pathway, *, off: Off = "zero") -> Fidelity:
    """Return how restriction to a pathway changes the answer; two forward passes.

    Args:
        image: (1, *network.input_shape).
        target: class index whose probability is followed.
        pathway: the neurons that are not held.
        off: how the other neurons are held.

    Raises:
        PathwayError: the image, the target, the pathway or ``off`` does not fit.
    """
    check_pathway(network, pathway)
    return _Original(network, image, target, off).restricted(pathway)


def fidelity_curve(
    network: Network,
    image: Tensor,
    target: int,
    ranking: Ranking,
    sparsities: Sequence[float],
    *,
    off: Off = "zero",
    progress: Progress = silent,
) -> list[Fidelity]:
    """Return how restriction changes the answer at many sparsities; one forward pass for each, and one more.

    Args:
        image: (1, *network.input_shape).
        target: class index whose probability is followed.
        ranking: of all neurons for this image.
        sparsities: each in [0, 1).
        off: how the other neurons are held.
        progress: called after each sparsity.

    Raises:
        PathwayError: the image, the target, the ranking, a sparsity or ``off`` does not fit.
    """
    check_pathway(network, ranking)
    wanted = [check_sparsity(sparsity) for sparsity in sparsities]
    original, curve = _Original(network, image, target, off), list[Fidelity]()
    for done, sparsity in enumerate(wanted, 1):
        curve.append(original.restricted(ranking.pathway(sparsity)))
        progress(done, len(wanted), "sparsities")
    return curve


class _Original:
    """One image's original run, with which restricted runs are compared."""

    def __init__(self, network: Network, image: Tensor, target: int, off: Off) -> None:
        self._network, self._image, self._off = network, network.check_image(image, one=True), off
        self._target = network.check_target(target)
        check_off(off)
        with torch.no_grad():
            run = network.run(image, record=True)
        self._logits, self._dead = run.logits, dead_among(run.activations)
        self._held = run.activations if off == "frozen" else None

    def restricted(self, pathway: Pathway) -> Fidelity:
        with torch.no_grad():
            logits = self._network.run(self._image, restriction(pathway, self._off, self._held)).logits
        return Fidelity(
            p_ratio=probability_ratio(logits, self._logits, self._target),
            fate=fate(logits, self._logits),
            dead_share=share_within(pathway, self._dead),
            sparsity=pathway.sparsity,
            before=standing(self._logits, self._target),
            after=standing(logits, self._target),
        )
