"""Images painted for a pathway or a neuron, each a job that shows how far it is; see ``core.decoding``."""

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
from explorer.compute import cache, jobs
from explorer.compute.jobs import Status
from explorer.compute.rankings import Selection
from explorer.compute.scene import Scene
from explorer.plots import figures
from explorer.state.choices import Neuron
from explorer.state.view import View

__all__ = [
    "Painted",
    "ask_neuron",
    "ask_painting",
    "last_feature_site",
    "latest",
    "neuron_key",
    "painting_key",
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


def painting_key(scene: Scene, selection: Selection, view: View) -> tuple[Hashable, ...]:
    """Return under what a pathway's painting is shared."""
    size = selection.size(view.painted_at)
    return ("painting", *scene.key[1:-1], scene.target, selection.key, size, view.off, recipe(view))


def ask_painting(scene: Scene, selection: Selection, view: View, waiter: str) -> Status:
    """Return where the painting for a selection's pathway stands; a forward and a backward pass a step."""

    def paint(**told: Any) -> Decoded:
        pathway = selection.pathway(view.painted_at)
        return decode(
            scene.network, scene.target, pathway, recipe=recipe(view), off=view.off, reference=scene.image, **told
        )

    return _ask(scene.network, painting_key(scene, selection, view), paint, waiter)


def neuron_key(network: Network, neuron: Neuron, view: View) -> tuple[Hashable, ...]:
    """Return under what the painting of a neuron's channel is shared: no photo and no pathway is in it."""
    channel = network.sites[neuron[0]].place(neuron[1])[0]
    return ("neuron painting", network.name, network.weights_hash, neuron[0], channel, recipe(view))


def ask_neuron(network: Network, neuron: Neuron, view: View, waiter: str) -> Status:
    """Return where the painting of a neuron's channel in the original network stands."""

    def paint(**told: Any) -> Decoded:
        return decode_neuron(network, network.sites[neuron[0]], neuron[1], whole=True, recipe=recipe(view), **told)

    return _ask(network, neuron_key(network, neuron, view), paint, waiter)


def _ask(network: Network, key: tuple[Hashable, ...], paint: Callable[..., Decoded], waiter: str) -> Status:
    def work(progress: Progress) -> Painted:
        start = time.perf_counter()
        try:
            found = paint(progress=progress, shown=lambda step, image: _keep(network, key, step, image), every=EVERY)
        except Cancelled as stop:
            stop.best = _painted(network, stop.best, start) if isinstance(stop.best, Decoded) else None
            raise
        return _painted(network, found, start)

    return jobs.ERRANDS.ask(key, work, waiter)


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
