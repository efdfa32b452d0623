"""Painting: gradient ascent on an objective, with Adam."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.decoding.canvas import Canvas
from core.decoding.recipe import Recipe
from core.errors import Cancelled, PathwayError
from core.network import Edit, Network, Site
from core.pathways.ranking import Off, Pathway, check_off, check_pathway, restriction
from core.pathways.restriction import restricting
from core.progress import Progress, silent

__all__ = ["Decoded", "Shown", "decode", "decode_neuron"]

TINY = 1e-8  # keeps the slope of an even painting from a division by 0

Shown = Callable[[int, Tensor], None]
"""Called with the number of steps done and a copy of the image, (1, *network.input_shape)."""


@dataclass(frozen=True)
class Decoded:
    """A painting.

    Attributes:
        image: (1, *network.input_shape), as the network takes it, colours in range.
        value: the objective of this image.
        objective: before each step, of the image as jittered in it; without regularisers.
        complete: whether all steps were done.
    """

    image: Tensor
    value: float
    objective: tuple[float, ...]
    complete: bool

    @property
    def steps(self) -> int:
        """Return how many steps were done."""
        return len(self.objective)


def decode(
    network: Network,
    target: int,
    pathway: Pathway | None = None,
    *,
    recipe: Recipe = Recipe(),
    off: Off = "zero",
    reference: Tensor | None = None,
    progress: Progress = silent,
    shown: Shown | None = None,
    every: int = 16,
) -> Decoded:
    """Return an image that maximises the target's logit in the network restricted to a pathway. [Khakzar21]

    Cost is a forward and a backward pass per step.

    Args:
        network: takes (C, H, W) images, or vectors with a recipe such as ``PLAIN``.
        target: class index.
        pathway: None for the original network.
        recipe: how to paint.
        off: how neurons off the pathway are held.
        reference: the image whose activations are held under "frozen", (1, *network.input_shape).
        progress: called with the objective after each step.
        shown: called with the start, and with the image after each ``every`` steps.
        every: steps from one call of ``shown`` to the next.

    Raises:
        PathwayError: the target, the pathway, ``off``, the reference or the recipe does not fit the network.
        Cancelled: as ``progress`` or ``shown`` raised it, with the painting so far, a Decoded, in ``best``.
    """
    network.check_target(target)
    edit = _edit(network, pathway, off, reference)
    climb = _Climb(network, recipe, lambda image: network.run(image, edit).logits[0, target])
    return _climbed(climb, "logit", progress, shown, every)


def decode_neuron(
    network: Network,
    site: Site,
    position: int,
    pathway: Pathway | None = None,
    *,
    whole: bool = False,
    recipe: Recipe = Recipe(),
    off: Off = "zero",
    reference: Tensor | None = None,
    progress: Progress = silent,
    shown: Shown | None = None,
    every: int = 16,
) -> Decoded:
    """Return an image that maximises a neuron's pre-activation, or its channel's mean, in a restricted network.

    It is the pre-activation because the activation of a silent neuron has no gradient, and that of a ReLU6 ends at 6.
    Only calls before the site matter, so the neuron itself need not be on the pathway. [Olah17]

    Args:
        network: as for ``decode``.
        site: one of ``network.sites``.
        position: of the neuron, flat index into the site's activation.
        pathway: as for ``decode``.
        whole: maximise the mean over all positions of the neuron's channel.
        recipe, off, reference, progress, shown, every: as for ``decode``.

    Raises:
        PathwayError: the network has no such site or neuron, or as for ``decode``.
        Cancelled: as for ``decode``.
    """
    network.check_neuron(site, position)
    edit = _edit(network, pathway, off, reference)
    channel = site.place(position)[0]

    def objective(image: Tensor) -> Tensor:
        before = network.run(image, edit, record=True).pre_activations[site.index][0]
        return before[channel].mean() if whole else before.flatten()[position]

    return _climbed(_Climb(network, recipe, objective), "mean" if whole else "neuron", progress, shown, every)


def _edit(network: Network, pathway: Pathway | None, off: Off, reference: Tensor | None) -> Edit | None:
    check_off(off)
    if pathway is None:
        return None
    check_pathway(network, pathway)
    if reference is not None:
        return restricting(network, reference, pathway, off, reference)
    if off == "frozen":
        raise PathwayError(
            'Got off="frozen" without an image whose activations to hold; pass reference=image, or choose off="zero".'
        )
    return restriction(pathway, off)


class _Climb:
    """A parameter on its way up; the optimiser is its own, so that paintings in several threads share nothing."""

    def __init__(self, network: Network, recipe: Recipe, objective: Callable[[Tensor], Tensor]) -> None:
        self.recipe, self._objective, self._canvas = recipe, objective, Canvas(network, recipe)
        self._generator = torch.Generator().manual_seed(recipe.seed)
        self._parameter = self._canvas.start(self._generator).requires_grad_()
        self._adam = torch.optim.Adam([self._parameter], lr=recipe.rate, maximize=True)
        self._values: list[float] = []

    def step(self) -> float:
        """Move the parameter once; return the objective it had before."""
        with torch.enable_grad():
            painting = self._canvas.painting(self._parameter)
            value = self._objective(self._canvas.image(self._rolled(painting)))
            (slope,) = torch.autograd.grad(value, painting)
            if self.recipe.total_variation:
                slope = slope - self.recipe.total_variation * slope.norm() * _roughening(painting)
            (self._parameter.grad,) = torch.autograd.grad(painting, self._parameter, slope)
        self._values.append(float(value.detach()))
        self._adam.step()
        if self.recipe.blur and len(self._values) % self.recipe.blur_every == 0:
            with torch.no_grad():
                self._parameter.copy_(self._canvas.blurred(self._parameter))
        return self._values[-1]

    def image(self) -> Tensor:
        """Return the current image, not rolled."""
        with torch.no_grad():
            return self._canvas.image(self._canvas.painting(self._parameter))

    def decoded(self) -> Decoded:
        """Return the painting so far."""
        image = self.image()
        with torch.no_grad():
            value = float(self._objective(image))
        return Decoded(image, value, tuple(self._values), len(self._values) == self.recipe.steps)

    def _rolled(self, painting: Tensor) -> Tensor:
        jitter = self.recipe.jitter
        if not jitter:
            return painting
        down, right = torch.randint(-jitter, jitter + 1, (2,), generator=self._generator).tolist()
        return torch.roll(painting, (down, right), dims=(-2, -1))


def _climbed(climb: _Climb, what: str, progress: Progress, shown: Shown | None, every: int) -> Decoded:
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise PathwayError(f"Got every={every!r}, wanted a whole number of steps, 1 or more.")
    steps = climb.recipe.steps
    try:
        if shown is not None:
            shown(0, climb.image())
        for step in range(1, steps + 1):
            value = climb.step()
            if shown is not None and (step % every == 0 or step == steps):
                shown(step, climb.image())
            progress(step, steps, f"steps, {what} {value:.4g}")
    except Cancelled as stop:
        stop.best = climb.decoded()
        raise
    return climb.decoded()


def _roughening(painting: Tensor) -> Tensor:
    """Return the direction, of length 1, in which total variation grows fastest; 0 if all is even. [Mahendran15]"""
    leaf = painting.detach().requires_grad_()
    variation = leaf.diff(dim=-2).abs().sum() + leaf.diff(dim=-1).abs().sum()
    slope = torch.autograd.grad(variation, leaf)[0]
    unit: Tensor = slope / slope.norm().clamp(min=TINY)
    return unit
