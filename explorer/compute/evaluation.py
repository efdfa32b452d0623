"""How good attributions are: what is measured of each, part by part; see ``core.evaluation``."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Any

import torch
from torch import Tensor

from core.evaluation import (
    SHARES,
    TOLERANCE,
    Curve,
    SensitivityCurve,
    Stage,
    box_mask,
    chance_level,
    degradation,
    deletion,
    energy_inside,
    insertion,
    layers,
    pointing_game,
    removals,
    sanity_check,
    sensitivity_n,
    subset_sizes,
)
from core.methods import METHODS
from core.progress import Progress
from explorer.compute import cache
from explorer.compute.attributions import CAM, Made, attribute, contributions
from explorer.compute.scene import Scene
from explorer.compute.tasks import Task, TaskGroup
from explorer.state import Box, View

__all__ = [
    "SUBSETS",
    "Localised",
    "Mask",
    "Measured",
    "Sane",
    "Sensitive",
    "as_the_paper",
    "curve_tasks",
    "localised",
    "object_mask",
    "passes",
    "sanity_tasks",
    "sensitivity_tasks",
    "stages",
]

SUBSETS = 100
MOST_STAGES = 9


@dataclass(frozen=True)
class Measured:
    """The curve of one attribution over replaced pixels."""

    curve: Curve


@dataclass(frozen=True)
class Sensitive:
    """Sensitivity-n of one attribution."""

    curve: SensitivityCurve


Mask = Tensor
"""Which pixels lie on the object, bool (H, W)."""


@dataclass(frozen=True)
class Localised:
    """How attributions lie to an object, in their order.

    Attributes:
        energies: the share of all relevance that lies on it.
        hits: whether the most relevant pixel is near it; None where all are equal.
        chance: its share of the picture.
        near: the chance that a random pixel is near it.
    """

    energies: tuple[float, ...]
    hits: tuple[bool | None, ...]
    chance: float
    near: float


@dataclass(frozen=True)
class Sane:
    """The maps of one method while the network is randomised."""

    stages: tuple[Stage, ...]

    def mean(self, measure: str) -> float:
        """Return the mean of a measure of likeness over the randomised stages where it is defined, else NaN."""
        values = [getattr(stage.similarity, measure) for stage in self.stages[1:]]
        defined = [value for value in values if not isnan(value)]
        return sum(defined) / len(defined) if defined else nan


def curve_tasks(scene: Scene, found: Sequence[tuple[str, Made]], view: View) -> TaskGroup[Measured]:
    """Return what makes the curve of each attribution, given with its title; one forward pass per point."""
    kind = ("degradation", view.order, view.replacement)

    def part(made: Made) -> Callable[[Progress], Measured]:
        return lambda progress: Measured(_curve(scene, made, view, progress))

    return TaskGroup([Task((*kind, made.key), title, part(made)) for title, made in found], len(SHARES) + 1)


def as_the_paper(view: View) -> View:
    """Return a view under which curves are the paper's: least relevant pixels first, replaced by the mean."""
    return replace(view, order="lerf", replacement="mean")


def _curve(scene: Scene, made: Made, view: View, progress: Progress) -> Curve:
    case = (scene.network, scene.image, scene.target, made.attribution.relevance)
    how: dict[str, Any] = {"replacement": view.replacement, "progress": progress}
    if view.order in ("lerf", "morf"):
        return degradation(*case, order=view.order, **how)
    return insertion(*case, **how) if view.order == "insertion" else deletion(*case, **how)


def sensitivity_tasks(scene: Scene, found: Sequence[tuple[str, Made]]) -> TaskGroup[Sensitive]:
    """Return what measures sensitivity-n of each attribution, given with its title; all share the passes."""
    shared = ("removals", *scene.key[1:-1], scene.target)

    def part(made: Made) -> Callable[[Progress], Sensitive]:
        def make(progress: Progress) -> Sensitive:
            removed = cache.RESULTS.get(
                shared,
                lambda: removals(scene.network, scene.image, scene.target, subsets=SUBSETS, progress=progress),
            )
            return Sensitive(sensitivity_n(removed, contributions(scene, made)))

        return make

    return TaskGroup([Task(("sensitivity", made.key), title, part(made)) for title, made in found], 100)


def passes(scene: Scene) -> int:
    """Return how many forward passes sensitivity-n takes, however many attributions there are."""
    return SUBSETS * len(subset_sizes(scene.image[0, 0].numel()))


def stages(scene: Scene) -> tuple[str, ...]:
    """Return the layers at which maps are shown, from the last to the first: some, evenly chosen, with both ends."""
    known = layers(scene.network)[::-1]
    count = min(MOST_STAGES, len(known))
    places = torch.linspace(0, len(known) - 1, count).round().int().tolist()
    return tuple(known[place] for place in dict.fromkeys(places))


def sanity_tasks(scene: Scene, names: Sequence[tuple[str, str]], view: View) -> TaskGroup[Sane]:
    """Return what makes the maps of each method while layers are randomised; an attribution a stage.

    Args:
        scene: what is looked at.
        names: of the methods, with their titles.
        view: what was chosen for them.
    """
    chosen = stages(scene)

    def part(name: str) -> Callable[[Progress], Sane]:
        def make(progress: Progress) -> Sane:
            how = attribute(name, view)
            case = (scene.network, scene.image, scene.target, how)
            found = sanity_check(*case, cascading=view.cascade, stages=chosen, progress=progress)
            return Sane(tuple(replace(stage, saliency=stage.saliency.cpu()) for stage in found))

        return make

    def key(name: str) -> tuple[Hashable, ...]:
        own: tuple[Hashable, ...] = (view.strategy(name), view.sparsity, view.off) if name in METHODS else ()
        own = (view.cam_site,) if name == CAM else own
        return ("sanity", *scene.key[1:-1], scene.target, view.cascade, name, *own)

    return TaskGroup([Task(key(name), title, part(name)) for name, title in names], len(chosen) + 1)


def object_mask(scene: Scene, box: Box | None, own: Mask | None) -> Mask | None:
    """Return which pixels of the network's input lie on the object, bool (H, W); None where nothing says so.

    Args:
        scene: what is looked at.
        box: in percent of the input; it goes before ``own``.
        own: what the picture's transparency says.
    """
    if box is None:
        return own
    height, width = scene.image.shape[2:]
    left, right = (round(share / 100 * width) for share in box[::2])
    top, bottom = (round(share / 100 * height) for share in box[1::2])
    return box_mask(height, width, (left, top, right, bottom))


def localised(mask: Mask, found: Sequence[Made]) -> Localised:
    """Return how attributions lie to an object.

    Raises:
        PathwayError: the object covers no pixel, or all of them.
    """
    maps = [made.attribution.relevance for made in found]
    return Localised(
        tuple(energy_inside(each, mask) for each in maps),
        tuple(pointing_game(each, mask) for each in maps),
        chance_level(mask),
        chance_level(mask, TOLERANCE),
    )
