"""Attributions of a scene: pathway gradients of selection methods, and what other methods say; each made once."""

from __future__ import annotations

import time
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.attribution import BASELINES
from core.attribution.attribution import Attribute, Attribution, pathway_attribute
from core.attribution.feature_map import feature_map
from core.errors import PathwayError
from core.methods import METHODS
from core.network import Network
from core.progress import Progress, silent
from explorer.compute import cache, rankings, restriction
from explorer.compute.rankings import Selection
from explorer.compute.scene import Scene
from explorer.compute.tasks import Task
from explorer.state import View

__all__ = [
    "CAM",
    "Made",
    "attribute",
    "baseline_task",
    "contributions",
    "passes",
    "pathway_gradient",
    "ready_baseline",
    "saliency",
    "weighted",
]

CAM = "Grad-CAM"


@dataclass(frozen=True)
class Made:
    """An attribution, under which key it is shared, and the seconds it took."""

    key: tuple[Hashable, ...]
    attribution: Attribution
    seconds: float


def pathway_gradient(scene: Scene, selection: Selection, view: View) -> Made:
    """Return the gradient of a selection's pathway at the view's sparsity."""
    answer = restriction.answer(scene, selection, view.sparsity, view.off)
    key = ("pathway attribution", scene.key[1:-1], scene.target, selection.key, selection.size(view.sparsity), view.off)
    return Made(key, Attribution(answer.restricted.gradient, True), selection.seconds + answer.seconds)


def baseline_task(scene: Scene, name: str, view: View) -> Task[Made]:
    """Return what makes the attribution of a method that selects no neurons."""
    options: dict[str, Any] = {**view.cam} if name == CAM else {}
    key = ("attribution", *scene.key[1:-1], scene.target, name, *options.values())

    def make(progress: Progress) -> Made:
        start = time.perf_counter()
        found = BASELINES[name](scene.network, scene.image, scene.target, progress=progress, **options)
        return Made(key, found, time.perf_counter() - start)

    return Task(key, name, make)


def ready_baseline(scene: Scene, name: str, task: Task[Made]) -> Made | None:
    """Return what the task of a method makes if it is there or quick to make; None if not, or where it has none."""
    there: Made | None = cache.RESULTS.peek(task.key)
    if there is None and BASELINES[name].passes(scene.network) <= rankings.INLINE_PASSES:
        with suppress(PathwayError):  # its task says why
            there = cache.RESULTS.get(task.key, partial(task.compute, silent))
    return there


def weighted(network: Network, view: View) -> str:
    """Return which map Grad-CAM weights, and its shape."""
    where = feature_map(network, view.cam_site)
    return f"{where.name}, {' × '.join(map(str, where.shape))}"


def attribute(name: str, view: View) -> Attribute:
    """Return a method as a function of any network, image and target, with what the view chose for it."""
    if name in BASELINES:
        options: dict[str, Any] = {**view.cam} if name == CAM else {}
        return partial(BASELINES[name], **options)
    return pathway_attribute(name, view.sparsity, view.off, **view.strategy(name).chosen)


def passes(scene: Scene, name: str, view: View) -> float:
    """Return about how many forward-and-backward passes making an attribution costs."""
    if name in BASELINES:
        return BASELINES[name].passes(scene.network)
    method = METHODS[name]
    return 1 + method.passes(scene.network, **view.strategy(name).chosen)


def saliency(found: Made) -> NDArray[np.float32]:
    """Return the signed saliency map, (H, W)."""
    return found.attribution.saliency.float().cpu().numpy()


def contributions(scene: Scene, found: Made) -> Tensor:
    """Return the contribution of each pixel to the response, (H, W)."""
    with torch.no_grad():
        return found.attribution.contributions(scene.image)
