"""Several selections of one scene at once: which neurons they share, and how they fare over sparsities.

What takes more than a moment is a group of tasks, one per strategy: each is shared by itself, and those done are shown
while the others are still to come.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from core.pathways.fidelity import Fate, Fidelity, Standing, fate, fidelity_curve, probability_ratio, standing
from core.pathways.overlap import Membership, membership
from core.pathways.ranking import Off
from core.pathways.restriction import saliency_map, sweep
from core.progress import Progress
from explorer.compute import cache, restriction
from explorer.compute.neurons import saliency
from explorer.compute.rankings import Scored, Selection
from explorer.compute.scene import Scene
from explorer.compute.tasks import Task, TaskGroup

__all__ = [
    "CURVE",
    "STRIP",
    "SWEEP",
    "Curve",
    "Row",
    "Swept",
    "curve_tasks",
    "members",
    "overlap",
    "strip_tasks",
    "sweep_tasks",
]

T = TypeVar("T")
CURVE = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99)
STRIP = (0.0, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
"""The paper's sparsities, and 99 %."""
SWEEP = (
    0.0,
    0.3,
    0.5,
    0.6,
    0.7,
    0.75,
    0.8,
    0.83,
    0.85,
    0.87,
    0.89,
    0.9,
    0.91,
    0.92,
    0.93,
    0.94,
    0.95,
    0.96,
    0.965,
    0.97,
    0.975,
    0.98,
    0.983,
    0.986,
    0.99,
)
"""Stops of the slider, near each other where pathways change fastest."""


@dataclass(frozen=True)
class Curve:
    """The fidelity of a method's pathways at the sparsities of ``CURVE``."""

    points: tuple[Fidelity, ...]


@dataclass(frozen=True)
class Row:
    """A method's pathway gradients at the sparsities of ``STRIP``.

    Attributes:
        maps: (S, H, W) signed saliency maps.
        sparsities: of the pathways.
        p_ratios, fates: of each, the target's probability ratio and what becomes of the prediction.
    """

    maps: NDArray[np.float32]
    sparsities: tuple[float, ...]
    p_ratios: tuple[float, ...]
    fates: tuple[Fate, ...]


@dataclass(frozen=True)
class Swept:
    """A method's pathways at the S sparsities of ``SWEEP``.

    Attributes:
        maps: (S, H, W) signed saliency maps.
        probabilities: (S, classes), restricted.
        sizes, dead: (S, sites) neurons on the pathway, and the dead ones among them.
        sparsities: of the pathways.
        p_ratios, fates: of each, the target's probability ratio and what becomes of the prediction.
        standings: of each, how the target stands in the restricted network.
    """

    maps: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    sizes: NDArray[np.int64]
    dead: NDArray[np.int64]
    sparsities: tuple[float, ...]
    p_ratios: tuple[float, ...]
    fates: tuple[Fate, ...]
    standings: tuple[Standing, ...]


def members(scene: Scene, selections: Sequence[Selection], sparsity: float) -> Membership:
    """Return how many neurons of each site are on which of the selections' pathways."""
    sizes = tuple(selection.size(sparsity) for selection in selections)
    key = ("members", scene.key, *(selection.key for selection in selections), sizes)
    pathways = (selection.pathway(sparsity) for selection in selections)
    return cache.RESULTS.get(key, lambda: membership(list(pathways), scene.dead))


def overlap(scene: Scene, two: Sequence[Selection], sparsity: float) -> tuple[float, float]:
    """Return intersection over union of two selections' pathways, and its level by chance."""
    table = members(scene, two, sparsity)
    return float(table.overlaps()[0, 1]), float(table.chances()[0, 1])


def curve_tasks(scene: Scene, rankings: Sequence[Scored], off: Off) -> TaskGroup[Curve]:
    """Return what makes the ``Curve`` of each method; one forward pass a point."""

    def make(scored: Scored, progress: Progress) -> Curve:
        found = fidelity_curve(
            scene.network, scene.image, scene.target, scored.ranking, CURVE, off=off, progress=progress
        )
        return Curve(tuple(found))

    return _group(("curve", scene.target, off), rankings, make, len(CURVE))


def strip_tasks(scene: Scene, rankings: Sequence[Scored], off: Off) -> TaskGroup[Row]:
    """Return what makes the ``Row`` of each method; one forward and one backward pass a picture."""

    def make(scored: Scored, progress: Progress) -> Row:
        answers = []
        for done, sparsity in enumerate(STRIP, 1):
            answers.append(restriction.answer(scene, scored, sparsity, off))
            progress(done, len(STRIP), "gradients")
        maps = np.stack([saliency(answer.restricted) for answer in answers])
        sparsities, ratios = tuple(a.sparsity for a in answers), tuple(a.p_ratio for a in answers)
        return Row(maps, sparsities, ratios, tuple(a.fate for a in answers))

    return _group(("strip", scene.target, off), rankings, make, len(STRIP))


def sweep_tasks(scene: Scene, rankings: Sequence[Scored], off: Off) -> TaskGroup[Swept]:
    """Return what makes the ``Swept`` of each method; a batched pass and gradient per sparsity."""

    def make(scored: Scored, progress: Progress) -> Swept:
        return _swept(scene, scored, off, progress)

    return _group(("sweep", scene.target, off), rankings, make, len(SWEEP))


def _swept(scene: Scene, scored: Scored, off: Off, progress: Progress) -> Swept:
    ranking = scored.ranking
    found = sweep(scene.network, scene.image, scene.target, ranking, SWEEP, off=off, progress=progress)
    rows = torch.split(found.logits, 1)  # (1, classes) each
    counts = [membership([ranking.pathway(sparsity)], scene.dead) for sparsity in SWEEP]
    return Swept(
        torch.stack([saliency_map(gradient) for gradient in found.gradients]).float().cpu().numpy(),
        found.logits.softmax(1).float().cpu().numpy(),
        np.concatenate([count.sizes() for count in counts]),
        np.concatenate([count.dead_sizes() for count in counts]),
        found.sparsities,
        tuple(probability_ratio(one, scene.original.logits, scene.target) for one in rows),
        tuple(fate(one, scene.original.logits) for one in rows),
        tuple(standing(one, scene.target) for one in rows),
    )


def _group(
    kind: tuple[Hashable, ...], rankings: Sequence[Scored], make: Callable[[Scored, Progress], T], steps: int
) -> TaskGroup[T]:
    """Return a task for each ranking."""
    return TaskGroup([Task((*kind, s.key), s.strategy.title, partial(make, s)) for s in rankings], steps)
