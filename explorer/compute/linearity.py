"""How far pathways are affine around the photo, exactly and effectively; see ``core.linearity``."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.data.samples import sample_images
from core.linearity import EffectiveRadius, Line, LinearRadius, along, effective_linear_radius, linear_radius
from core.pathways.ranking import Off, Pathway
from core.progress import Progress
from core.strategy import ORIGINAL
from explorer.compute import catalogue, restriction
from explorer.compute.rankings import Reference, Selection
from explorer.compute.scene import Scene
from explorer.compute.tasks import Task, TaskGroup

__all__ = [
    "DIRECTIONS",
    "GRADIENT",
    "RANDOM",
    "SPARSITIES",
    "Checked",
    "Followed",
    "Radii",
    "line_tasks",
    "radii_tasks",
    "rays",
]

SPARSITIES = (0.7, 0.8, 0.9, 0.95, 0.98)
GRADIENT, RANDOM = "gradient", "random"
EFFECTIVE_DIRECTIONS = 32
POINTS = 48
STEPS = 100  # of a part, for its progress
INSIDE, OUTSIDE, DIRECTIONS = 0.999, 1.001, 8


@dataclass(frozen=True)
class Checked:
    """What sampling says of an exact radius.

    Attributes:
        inside: the largest |F - linearisation| / |F| over random directions just inside the ball.
        changed: neurons switched and pool windows with another winner just outside it, beyond the limiting boundary.
    """

    inside: float
    changed: int


@dataclass(frozen=True)
class Radii:
    """A pathway's radii, what sampling says of them, and what they took.

    Attributes:
        exact: inside it the restricted network is affine.
        effective: where a person would notice that it is not.
        checked: None where the radius is 0 or infinite.
        seconds: for all of it.
    """

    exact: LinearRadius
    effective: EffectiveRadius
    checked: Checked | None
    seconds: float


@dataclass(frozen=True)
class Followed:
    """A restricted response along a line."""

    line: Line


def radii_tasks(
    scene: Scene,
    wanted: Sequence[tuple[Selection, str, float]],
    off: Off,
    directions: int = EFFECTIVE_DIRECTIONS,
) -> TaskGroup[Radii]:
    """Return what measures the radii of pathways.

    Args:
        scene: what is looked at.
        wanted: each a selection, its title, and the sparsity of its pathway.
        off: how neurons off it are held.
        directions: random ones of the effective radius; they cost most of the time.
    """

    def part(selection: Selection, title: str, sparsity: float) -> Task[Radii]:
        key = ("radii", *_key(scene, selection, sparsity, off), directions)
        return Task(key, title, lambda told: _radii(scene, _pathway(selection, sparsity), off, directions, told))

    return TaskGroup([part(*each) for each in wanted], STEPS)


def _key(scene: Scene, selection: Selection, sparsity: float, off: Off) -> tuple[Hashable, ...]:
    return (*scene.key[1:-1], scene.target, selection.key, selection.size(sparsity), off)


def _pathway(selection: Selection, sparsity: float) -> Pathway | None:
    original = isinstance(selection, Reference) and selection.strategy.name == ORIGINAL
    return None if original else selection.pathway(sparsity)


def _radii(scene: Scene, pathway: Pathway | None, off: Off, directions: int, progress: Progress) -> Radii:
    start, case = time.perf_counter(), (scene.network, scene.image, scene.target, pathway)

    def told(first: int) -> Progress:
        return lambda done, total, note: progress(first + done * 49 // max(total, 1), STEPS, note)

    exact = linear_radius(*case, off=off, progress=told(0))
    effective = effective_linear_radius(*case, off=off, directions=directions, progress=told(50))
    checked = _checked(scene, pathway, off, exact) if exact.limit and 0 < exact.radius < float("inf") else None
    return Radii(exact, effective, checked, time.perf_counter() - start)


def _checked(scene: Scene, pathway: Pathway | None, off: Off, exact: LinearRadius) -> Checked:
    case = (scene.network, scene.image, scene.target, pathway)
    generator = torch.Generator().manual_seed(1)
    worst = 0.0
    for _ in range(DIRECTIONS):
        step = torch.randn(scene.image.shape[1:], generator=generator, dtype=torch.float64)
        line = along(*case, step / step.norm(), [INSIDE * exact.radius], off=off, reference=scene.image)
        worst = max(worst, float(((line.responses - line.tangent) / line.responses).abs()))
    outside = along(*case, exact.direction, [OUTSIDE * exact.radius], off=off, reference=scene.image)
    return Checked(worst, int(outside.switched[0] + outside.rerouted[0]))


def rays() -> dict[str, str]:
    """Return where a line may lead, and what each is called."""
    photos = {name: f"towards {photo.title}" for name, photo in sample_images().items()}
    return {GRADIENT: "up the gradient of what is followed", RANDOM: "in a random direction"} | photos


def line_tasks(
    scene: Scene, selection: Selection, title: str, sparsity: float, off: Off, ray: str
) -> TaskGroup[Followed]:
    """Return what follows the restricted response along a line from the photo.

    It begins at 1e-8, and ends at 1e3 or at the other photo.
    """

    def make(progress: Progress) -> Followed:
        pathway = _pathway(selection, sparsity)
        answer = restriction.answer(scene, selection, sparsity, off)
        step, end = _direction(scene, answer.restricted.gradient, ray)
        ts = [0.0, *np.geomspace(1e-8, end, POINTS).tolist()]
        case = (scene.network, scene.image, scene.target, pathway)
        return Followed(along(*case, step, ts, off=off, reference=scene.image, progress=progress))

    key = ("line", *_key(scene, selection, sparsity, off), ray)
    return TaskGroup([Task(key, title, make)], STEPS)


def _direction(scene: Scene, gradient: Tensor, ray: str) -> tuple[Tensor, float]:
    """A unit step, and how far to follow it."""
    if ray == GRADIENT:
        step = gradient.double()
    elif ray == RANDOM:
        generator = torch.Generator().manual_seed(0)
        step = torch.randn(scene.image.shape[1:], generator=generator, dtype=torch.float64).to(gradient.device)
    else:
        step = (scene.network.preprocess(catalogue.sample(ray)) - scene.image)[0].double()
    length = float(step.norm())
    return step / (length or 1.0), length if ray not in (GRADIENT, RANDOM) and length else 1e3
