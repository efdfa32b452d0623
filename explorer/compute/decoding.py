"""Images painted for a pathway or a neuron, each a task that shows how far it is; see ``core.decoding``."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from core.decoding import PLAIN, Decoded, Recipe, decode, decode_neuron
from core.errors import Cancelled
from core.network import Network, Site
from core.progress import Progress
from explorer.compute import cache
from explorer.compute.rankings import Selection
from explorer.compute.scene import Scene
from explorer.compute.tasks import Task
from explorer.plots import figures
from explorer.state import Neuron, View

__all__ = [
    "Painted",
    "last_feature_site",
    "latest",
    "neuron_task",
    "painting_task",
    "picture",
    "recipe",
]

REGULARISED = Recipe()
OF_REGULARISER = {  # what each sets of a recipe
    "Fourier": ("fourier", "decorrelate"),
    "jitter": ("jitter",),
    "blur": ("blur", "blur_every"),
    "total variation": ("total_variation",),
}
EVERY = 8  # steps from one picture to the next


@dataclass(frozen=True)
class Painted:
    """A painting.

    Attributes:
        decoded: the image, and the objective step by step.
        answer: logits of the original network for it, (classes,).
        seconds: what it took.
    """

    decoded: Decoded
    answer: Tensor
    seconds: float


@dataclass(frozen=True)
class _Latest:
    """How far a painting is, as a file."""

    step: int
    data: bytes


def recipe(view: View) -> Recipe:
    """Return how the view wants it painted."""
    chosen: dict[str, Any] = {}
    for regulariser in view.regularisers:
        chosen |= {name: getattr(REGULARISED, name) for name in OF_REGULARISER[regulariser]}
    noise = REGULARISED.noise if view.start == "noise" else 0.0
    return replace(PLAIN, steps=view.paint_steps, seed=view.paint_seed, noise=noise, **chosen)


def painting_task(scene: Scene, selection: Selection, view: View) -> Task[Painted]:
    """Return what paints for a selection's pathway; a forward and a backward pass a step."""
    size = selection.size(view.painted_at)
    key = ("painting", *scene.key[1:-1], scene.target, selection.key, size, view.off, recipe(view))

    def paint(**told: Any) -> Decoded:
        pathway = selection.pathway(view.painted_at)
        return decode(
            scene.network, scene.target, pathway, recipe=recipe(view), off=view.off, reference=scene.image, **told
        )

    return _task(scene.network, key, selection.strategy.title, paint)


def neuron_task(network: Network, neuron: Neuron, view: View) -> Task[Painted]:
    """Return what paints for a neuron's channel in the original network: no photo and no pathway is in its key."""
    channel = network.sites[neuron[0]].place(neuron[1])[0]
    key = ("neuron painting", network.name, network.weights_hash, neuron[0], channel, recipe(view))

    def paint(**told: Any) -> Decoded:
        return decode_neuron(network, network.sites[neuron[0]], neuron[1], whole=True, recipe=recipe(view), **told)

    return _task(network, key, f"channel {channel} of {network.sites[neuron[0]].name}", paint)


def _task(network: Network, key: tuple[Hashable, ...], title: str, paint: Callable[..., Decoded]) -> Task[Painted]:
    def work(progress: Progress) -> Painted:
        start = time.perf_counter()
        try:
            found = paint(progress=progress, shown=lambda step, image: _keep(network, key, step, image), every=EVERY)
        except Cancelled as stop:
            stop.best = _painted(network, stop.best, start) if isinstance(stop.best, Decoded) else None
            raise
        return _painted(network, found, start)

    return Task(key, title, work)


def _painted(network: Network, found: Decoded, start: float) -> Painted:
    with torch.no_grad():
        answer = network.run(found.image).logits[0]
    return Painted(found, answer, time.perf_counter() - start)


def _keep(network: Network, key: tuple[Hashable, ...], step: int, image: Tensor) -> None:
    if network.preprocessing:
        cache.RESULTS.put(("latest", key), _Latest(step, picture(network, image)))


def latest(key: Hashable) -> tuple[int, bytes] | None:
    """Return the steps done and the picture there, a JPEG; None before the first."""
    found: _Latest | None = cache.RESULTS.peek(("latest", key))
    return (found.step, found.data) if found else None


def picture(network: Network, image: Tensor) -> bytes:
    """Return a painted image as a JPEG."""
    if network.preprocessing is None:
        raise TypeError(f"{network.name} takes no photos.")
    return figures.jpeg(network.preprocessing.picture(image), 92)


def last_feature_site(network: Network) -> Site:
    """Return the last site with a map of positions that is no map of classes, else the last site."""
    maps = [s for s in network.sites if s.planes[1:] != (1, 1) and s.planes[0] != network.classes]
    return maps[-1] if maps else network.sites[-1]
