"""How the answer changes while pixels are replaced in the order of their relevance.

LeRF replaces the least relevant pixels first, MoRF the most relevant; a curve has the target's softmax probability p'
at each share of replaced pixels, and from it the change |p - p'| / p. Good relevance gives a low LeRF and a high MoRF.
Deletion is MoRF read as p' itself; insertion starts from the replaced image and puts the most relevant pixels back.

    curve = degradation(network, image, target, attribution.relevance, order="lerf")
    curve.change_area(0.1)      # the paper's "AUC 0-10 %"

Relevance is first rounded to a millionth of its largest magnitude: otherwise rounding errors of upsampling and sums,
about 1e-10, would order the pixels of a flat region. Pixels of equal relevance follow one seeded pseudo-random order:
a flat map gives a random order, not a sweep from the top left. ``Curve.tied`` counts them.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021; their
        released code replaces by 0 after normalisation, which is the mean of the data.
    [Samek17] Samek et al., Evaluating the Visualization of What a Deep Neural Network has Learned, TNNLS 2017.
    [Petsiuk18] Petsiuk et al., RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from core.errors import PathwayError
from core.evaluation.maps import check_case, check_map
from core.network import Network
from core.progress import Progress, silent

__all__ = ["SHARES", "Curve", "Order", "Replacement", "degradation", "deletion", "insertion", "pixel_ranks", "replaced"]

Replacement = Literal["mean", "black", "blur"]
Order = Literal["lerf", "morf"]

SHARES = (*(percent / 100 for percent in range(1, 11)), *(tenth / 10 for tenth in range(2, 11)))
"""1 to 10 % in steps of 1 %, then to 100 % in steps of 10 %: with 0 a curve of 20 points."""

BLUR = 10  # standard deviation of the Gaussian, pixels
RESOLUTION = 1e-6  # of the largest relevance
REACH = 4 * BLUR  # where the Gaussian is cut off, as in scipy.ndimage


@dataclass(frozen=True)
class Curve:
    """The target's probability by share of pixels.

    Attributes:
        shares: of pixels replaced, or put back by ``insertion``; rising from 0.
        probabilities: the target's softmax p' at each.
        tied: how many pixels share their relevance with another and were ordered by chance.
    """

    shares: tuple[float, ...]
    probabilities: tuple[float, ...]
    tied: int

    @property
    def changes(self) -> tuple[float, ...]:
        """Return |p - p'| / p at each share, p being the probability at share 0; NaN where p is 0. [Khakzar21]"""
        p = self.probabilities[0]
        return tuple(abs(p - other) / p if p else nan for other in self.probabilities)

    def area(self, last: float = 1.0) -> float:
        """Return the area under the probabilities, by the trapezoid rule. [Petsiuk18]

        Args:
            last: the largest share, in [0, 1]: the area is taken from 0 to the last point not beyond it.
        """
        return self._under(self.probabilities, last)

    def change_area(self, last: float = 1.0) -> float:
        """Return the area under the changes, by the trapezoid rule from the point (0, 0) on. [Khakzar21]

        Args:
            last: as for ``area``; 0.1 gives the paper's "AUC 0-10 %".
        """
        return self._under(self.changes, last)

    def _under(self, heights: Sequence[float], last: float) -> float:
        points = sum(share <= last + 1e-9 for share in self.shares)
        return float(np.trapezoid(heights[:points], self.shares[:points]))


def degradation(
    network: Network,
    image: Tensor,
    target: int,
    relevance: Tensor,
    *,
    order: Order = "lerf",
    shares: Sequence[float] = SHARES,
    replacement: Replacement = "mean",
    batch_size: int = 10,
    seed: int = 0,
    progress: Progress = silent,
) -> Curve:
    """Return the curve of replacing pixels in the order of relevance; one forward pass per point. [Khakzar21]

    Args:
        image: (1, C, H, W), as the network takes it.
        target: class index whose probability is followed.
        relevance: (H, W), one finite value per pixel, as ``Attribution.relevance``.
        order: "lerf", least relevant first, or "morf", most relevant first.
        shares: of pixels replaced, rising, in (0, 1], each rounded to whole pixels. The point at 0 is added.
        replacement: "mean" is 0 after normalisation, "black" a black picture, normalised, "blur" the image blurred by
            a Gaussian of 10 pixels.
        batch_size: images in one pass; memory grows with it.
        seed: of the order of ties.
        progress: called after each batch.

    Raises:
        PathwayError: the image, the target, the relevance or an option does not fit, "black" is chosen for a network
            without preprocessing, or a logit is not finite.
    """
    return _curve(network, image, target, relevance, order, replacement, shares, batch_size, seed, progress)


def deletion(
    network: Network,
    image: Tensor,
    target: int,
    relevance: Tensor,
    *,
    shares: Sequence[float] = SHARES,
    replacement: Replacement = "mean",
    batch_size: int = 10,
    seed: int = 0,
    progress: Progress = silent,
) -> Curve:
    """Return the curve of deleting the most relevant pixels first; ``area()`` is the deletion score. [Petsiuk18]

    Args and errors are those of ``degradation``.
    """
    return _curve(network, image, target, relevance, "morf", replacement, shares, batch_size, seed, progress)


def insertion(
    network: Network,
    image: Tensor,
    target: int,
    relevance: Tensor,
    *,
    shares: Sequence[float] = SHARES,
    replacement: Replacement = "blur",
    batch_size: int = 10,
    seed: int = 0,
    progress: Progress = silent,
) -> Curve:
    """Return the curve of putting the most relevant pixels back first; ``area()`` is the insertion score. [Petsiuk18]

    Args and errors are those of ``degradation``; shares are of pixels put back, and at share 0 all are replaced.
    """
    return _curve(network, image, target, relevance, "morf", replacement, shares, batch_size, seed, progress, back=True)


def pixel_ranks(relevance: Tensor, order: Order, seed: int = 0) -> Tensor:
    """Return each pixel's rank in an order, 0 first, ties by a seeded pseudo-random order, (H, W).

    MoRF is LeRF reversed, among ties too.

    Args:
        relevance: (H, W); values that differ by less than about a millionth of the largest magnitude are ties.
        order: "lerf" or "morf".
        seed: of the order of ties.

    Raises:
        PathwayError: there is no such order.
    """
    if order not in get_args(Order):
        raise PathwayError(
            f'Got order {order!r}, wanted "lerf" (least relevant first) or "morf" (most relevant first).'
        )
    shuffled = torch.randperm(relevance.numel(), generator=torch.Generator().manual_seed(seed)).to(relevance.device)
    rising = shuffled[torch.sort(_rounded(relevance).flatten()[shuffled], stable=True).indices]
    ranks = torch.empty_like(rising)
    ranks[rising if order == "lerf" else rising.flip(0)] = torch.arange(len(rising), device=rising.device)
    return ranks.view(relevance.shape)


def replaced(network: Network, image: Tensor, replacement: Replacement) -> Tensor:
    """Return the image with every pixel replaced, (1, C, H, W).

    Args:
        image: (1, C, H, W).
        replacement: "mean", "black" or "blur", as for ``degradation``; the blurred image is mirrored at its edges.

    Raises:
        PathwayError: there is no such replacement, or "black" for a network without preprocessing.
    """
    if replacement == "mean":
        return torch.zeros_like(image)
    if replacement == "black":
        return _black(network).to(image).expand_as(image)
    if replacement == "blur":
        down, across = (_gaussian(side).to(image) for side in image.shape[2:])
        return down @ image @ across.T
    raise PathwayError(f"Got replacement {replacement!r}, wanted one of {', '.join(get_args(Replacement))}.")


def _black(network: Network) -> Tensor:
    colours = network.preprocessing
    if colours is None or network.input_shape[0] != len(colours.mean):
        raise PathwayError(
            f"{network.name} has no preprocessing, so its value for black is not known; choose "
            'replacement "mean" or "blur", or trace it with preprocessing=Preprocessing(...).'
        )
    mean, std = torch.tensor(colours.mean).double(), torch.tensor(colours.std).double()
    return (-mean / std)[:, None, None]


def _gaussian(side: int) -> Tensor:
    """Return the matrix that blurs one axis, mirrored at both ends (d c b a | a b c d | d c b a), (side, side)."""
    offsets = torch.arange(-REACH, REACH + 1)
    weights = torch.exp(-0.5 * (offsets.double() / BLUR) ** 2)
    places = (torch.arange(side)[:, None] + offsets) % (2 * side)  # (side, 2 REACH + 1)
    places = torch.where(places < side, places, 2 * side - 1 - places)
    return torch.zeros(side, side).double().scatter_add_(1, places, (weights / weights.sum()).expand(side, -1))


def _curve(
    network: Network,
    image: Tensor,
    target: int,
    relevance: Tensor,
    order: Order,
    replacement: Replacement,
    shares: Sequence[float],
    batch_size: int,
    seed: int,
    progress: Progress,
    *,
    back: bool = False,
) -> Curve:
    """Return the target's probability while pixels change from one image to the other."""
    image, points = check_case(network, image, target), _points(shares)
    relevance = check_map(relevance, image.shape[2:], "the relevance map").to(image.device)
    ranks, other = pixel_ranks(relevance, order, seed), replaced(network, image, replacement)
    start, end = (other, image) if back else (image, other)
    counts = torch.tensor([round(share * ranks.numel()) for share in points], device=image.device)
    probabilities: list[float] = []
    for chunk in torch.split(counts, batch_size):
        images = torch.where(ranks < chunk[:, None, None, None], end, start)  # (B, C, H, W)
        with torch.no_grad():
            logits = network.run(images).logits
        probabilities += logits.double().softmax(1)[:, target].tolist()
        progress(len(probabilities), len(points), "points of the curve")
    return Curve(points, tuple(probabilities), _tied(relevance))


def _points(shares: Sequence[float]) -> tuple[float, ...]:
    points = (0.0, *(float(share) for share in shares if share != 0))
    rising = all(a < b for a, b in pairwise(points))
    if len(points) < 2 or not rising or points[-1] > 1:
        raise PathwayError(f"Got shares {list(shares)}, wanted rising shares of all pixels in (0, 1]: 0.1 for 10 %.")
    return points


def _tied(relevance: Tensor) -> int:
    counts = torch.unique(_rounded(relevance), return_counts=True)[1]
    return int(counts[counts > 1].sum())


def _rounded(relevance: Tensor) -> Tensor:
    """Return relevance in whole steps of a millionth of its largest magnitude, float64."""
    most = relevance.abs().max().double()
    return (relevance.double() / (most * RESOLUTION)).round() if most > 0 else relevance.double()
