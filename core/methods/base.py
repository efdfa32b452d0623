"""What every selection method shares: a name, options, a cost, and scores as its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Literal

import torch
from torch import Tensor

from core.errors import Cancelled, PathwayError
from core.network import Edit, Network, Run, Site
from core.pathways.scores import Scores, Step, Sum
from core.progress import Progress, silent

__all__ = [
    "Family",
    "Method",
    "Option",
    "Scored",
    "Scores",
    "Step",
    "contributions",
    "each_image",
    "split",
    "target_gradients",
    "whole",
]

Family = Literal["contribution", "pruning", "baseline"]


Scored = list[Scores | PathwayError]
"""The result for each image of a batch: its scores, or the error that explains why there are none."""


@dataclass(frozen=True)
class Option:
    """A whole number that a person may choose; from 0 to 1 it is a switch."""

    name: str
    default: int
    low: int
    high: int
    help: str


@dataclass(frozen=True)
class Method:
    """One way of scoring neurons; call it as ``method(network, image, target, **options)``.

    ``batch`` scores many images together, each independently: on small images it is several times as fast.

    Attributes:
        name: as in the paper.
        family: what it selects by.
        summary: one sentence, shown to people.
        function: computes the scores, given network, images (N, ...), targets (N,) and options.
        passes: about how many forward-and-backward passes it costs, given the network and options.
        options: that may be chosen.
        uses_target: whether another target gives other scores.
        ordinal: whether scores only give an order, as ranks do.
    """

    name: str
    family: Family
    summary: str
    function: Callable[..., Scored]
    passes: Callable[..., float]
    options: tuple[Option, ...] = ()
    uses_target: bool = True
    ordinal: bool = False

    def checked(self, /, **chosen: int) -> dict[str, int]:
        """Return all options: the chosen ones, checked, and the defaults of the others.

        Raises:
            PathwayError: an option is unknown or out of range.
        """
        known = {option.name: option for option in self.options}
        for name, value in chosen.items():
            if name not in known:
                raise PathwayError(f"{self.name} has no option {name!r}; it has {', '.join(known) or 'none'}.")
            low, high = known[name].low, known[name].high
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise PathwayError(f"Got {name}={value!r} for {self.name}, wanted a whole number from {low} to {high}.")
        return {name: chosen.get(name, option.default) for name, option in known.items()}

    def __call__(
        self, network: Network, image: Tensor, target: int, *, progress: Progress = silent, **options: int
    ) -> Scores:
        """Return the scores of every neuron for one image.

        Args:
            network: traced.
            image: (1, *network.input_shape).
            target: class index.
            progress: called between steps; raise ``Cancelled`` in it to stop.
            options: see ``self.options``.

        Raises:
            PathwayError: the image, the target or an option does not fit, or the method found no scores.
            Cancelled: as ``progress`` raised it, with the best scores so far, if there are any, in ``best``.
        """
        network.check_image(image, one=True)
        try:
            (found,) = self.batch(network, image, [target], progress=progress, **options)
        except Cancelled as stop:
            if isinstance(stop.best, list):
                (stop.best,) = stop.best
            raise
        if isinstance(found, PathwayError):
            raise found
        return found

    def title(self, **options: int) -> str:
        """Return the name with the options that differ from the defaults."""
        switches = {option.name for option in self.options if (option.low, option.high) == (0, 1)}
        changed = [
            name.replace("_", " ") if name in switches else f"{name}={value}"
            for name, value in self.checked(**options).items()
            if value != self.checked()[name]
        ]
        return f"{self.name} ({', '.join(changed)})" if changed else self.name

    def batch(
        self, network: Network, images: Tensor, targets: Sequence[int], *, progress: Progress = silent, **options: int
    ) -> Scored:
        """Return for each image its scores, or the error that a call for this image would raise.

        The scores equal those of a call for the image alone up to rounding, and exactly where a method takes images one
        by one (DGR). Rounding decides near-ties and, in GreedyPruning, the last step that keeps the prediction.

        Args:
            network: traced.
            images: (N, *network.input_shape); memory grows with N.
            targets: N class indices.
            progress: as for one image.
            options: see ``self.options``.

        Raises:
            PathwayError: the images, a target or an option does not fit.
            Cancelled: as ``progress`` raised it; ``best`` may hold a list of N scores or None.
        """
        network.check_image(images)
        if len(targets) != len(images):
            raise PathwayError(f"Got {len(targets)} targets for {len(images)} images, wanted one per image.")
        classes = torch.tensor([network.check_target(target) for target in targets], device=images.device)
        return self.function(network, images, classes, progress=progress, **self.checked(**options))


def contributions(
    network: Network, images: Tensor, targets: Tensor, edit: Edit | None = None
) -> tuple[Run, tuple[Tensor, ...]]:
    """Return the run, without gradients, and |a · dF/da| of every neuron; one forward and one backward pass.

    Args:
        images: (N, *network.input_shape).
        targets: (N,), class indices.
        edit: what restricts the network, if anything.

    Returns:
        The run, with activations after the edit, and one tensor per site, shaped like its activation, >= 0.
    """
    with torch.enable_grad():
        run = network.run(images, _leaves(edit), record=True)
        gradients = target_gradients(run.logits, targets, run.activations)
    activations = tuple(a.detach() for a in run.activations)
    scores = tuple((a * gradient).abs_() for a, gradient in zip(activations, gradients, strict=True))
    return Run(run.logits.detach(), activations), scores


def each_image(
    scores: Sequence[Tensor],
    activations: Sequence[Tensor],
    sums: Sequence[tuple[Sum, ...]] = (),
    *,
    keeps_zeros: bool = True,
) -> Scored:
    """Return each image's scores, given those of all images.

    Args:
        scores: one tensor per site, (N, *site.shape).
        activations: one per site, shaped like the scores.
        sums: one tuple per image, if there are any.
        keeps_zeros: as for ``Scores``.
    """
    rows = zip(zip(*scores, strict=True), zip(*activations, strict=True), sums or repeat(()), strict=False)
    return [Scores(each, its, sums=found, keeps_zeros=keeps_zeros) for each, its, found in rows]


def target_gradients(logits: Tensor, targets: Tensor, activations: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the gradient of each image's target logit to its activations, 0 where no path leads there.

    Args:
        logits: (N, classes).
        targets: (N,), class indices.
        activations: each (N, ...).
    """
    explained = logits.gather(1, targets[:, None]).sum()
    return torch.autograd.grad(explained, activations, allow_unused=True, materialize_grads=True)


def whole(most: int) -> torch.dtype:
    """Return the smallest float type that holds all whole numbers up to ``most``; float32 halves a ranking's memory."""
    return torch.float32 if most <= 2**24 else torch.float64


def split(network: Network, flat: Tensor) -> list[Scores]:
    """Return each image's scores, given a row of scores per image, (N, neurons)."""
    return [Scores(network.by_site(row)) for row in flat]


def _leaves(edit: Edit | None) -> Edit:
    """Return the edit followed, where nothing has a gradient yet, by a new leaf for gradients."""

    def to_leaf(site: Site, activation: Tensor) -> Tensor:
        activation = edit(site, activation) if edit else activation
        return activation if activation.requires_grad else activation.detach().requires_grad_()

    return to_leaf
