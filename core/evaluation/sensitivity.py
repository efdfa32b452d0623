"""Sensitivity-n: do the attributions of n pixels sum to the loss of the response without them?

    correlation over random subsets S of n pixels of   sum of R_i, i in S,   with   F(x) - F(x with x_i = 0, i in S)

It is 1 at every n for a linear network and gradient times input; at n = all pixels, completeness compares both sides.
The loss of the response does not depend on the attributions, so any number of maps can share its passes:

    removed = removals(network, image, target)
    curves = [sensitivity_n(removed, attribution.contributions(image)) for attribution in attributions]

References:
    [Ancona18] Ancona et al., Towards better understanding of gradient-based attribution methods for Deep Neural
        Networks, ICLR 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import torch
from torch import Tensor

from core.errors import PathwayError
from core.evaluation.maps import check_case, check_map, pearson
from core.network import Network
from core.progress import Progress, silent

__all__ = ["SUBSETS", "Removals", "SensitivityCurve", "removals", "sensitivity_n", "subset_sizes"]

SUBSETS = 100  # the fewest per size
SAME_SUMS = "the attributions of all subsets have the same sum"
SAME_RESPONSE = "the response is the same whichever pixels are removed"

_SUM_NOISE = 1e-13  # of the total magnitude: how far float64 sums in another order may differ
_PASS_NOISE = 32  # rounding steps of the largest logit: how far a logit may differ in another batch


@dataclass(frozen=True)
class Removals:
    """One image's responses without random subsets of its pixels.

    Attributes:
        sizes: each n, the number of pixels removed together.
        responses: the target's logit without each subset, (sizes, subsets), float64, on the CPU.
        seed: of the subsets; with the sizes and the number of subsets it determines them.
        shape: of the image, (H, W).
        noise: how far responses may differ by rounding alone.
    """

    sizes: tuple[int, ...]
    responses: Tensor
    seed: int
    shape: tuple[int, int]
    noise: float

    def subsets(self) -> Iterator[Tensor]:
        """Yield for each size the flat positions of the removed pixels, (subsets, n); drawn again at each call."""
        return _drawn(self.shape[0] * self.shape[1], self.sizes, self.responses.shape[1], self.seed)


@dataclass(frozen=True)
class SensitivityCurve:
    """Sensitivity-n of one map.

    Attributes:
        sizes: each n, the number of pixels removed together.
        correlations: Pearson's, in [-1, 1]; NaN, undefined, where one side has no variance.
        reasons: why a correlation is undefined, "" where it is defined.
    """

    sizes: tuple[int, ...]
    correlations: tuple[float, ...]
    reasons: tuple[str, ...]


def removals(
    network: Network,
    image: Tensor,
    target: int,
    *,
    sizes: Sequence[int] | None = None,
    subsets: int = SUBSETS,
    seed: int = 0,
    batch_size: int = 10,
    progress: Progress = silent,
) -> Removals:
    """Return the responses without random subsets of pixels; costs one forward pass per size and subset. [Ancona18]

    Removed pixels are 0 in all channels, the mean after normalisation.

    Args:
        image: (1, C, H, W), as the network takes it.
        target: class index whose logit is followed.
        sizes: pixel counts n from 1 to H W; default ``subset_sizes(H * W)``.
        subsets: drawn at each size, 100 or more.
        seed: of the subsets.
        batch_size: images in one pass; memory grows with it.
        progress: called after each batch.

    Raises:
        PathwayError: the image, the target, a size or the number of subsets does not fit, or a logit
            is not finite.
    """
    image = check_case(network, image, target)
    pixels = image[0, 0].numel()
    sizes = subset_sizes(pixels) if sizes is None else _checked(sizes, pixels)
    if subsets < SUBSETS:
        raise PathwayError(f"Got {subsets} subsets, wanted {SUBSETS} or more for a reliable correlation.")
    responses: list[float] = []
    largest = 0.0
    for positions in _drawn(pixels, sizes, subsets, seed):
        for chunk in torch.split(positions, batch_size):
            logits = _without(network, image, chunk)
            responses += logits[:, target].tolist()
            largest = max(largest, float(logits.abs().max()))
            progress(len(responses), len(sizes) * subsets, "subsets of pixels")
    table = torch.tensor(responses, dtype=torch.float64).view(len(sizes), subsets)
    noise = _PASS_NOISE * torch.finfo(network.dtype).eps * largest
    return Removals(sizes, table, seed, (image.shape[2], image.shape[3]), noise)


def sensitivity_n(removed: Removals, contributions: Tensor) -> SensitivityCurve:
    """Return how well a map's sums over the removed pixels correlate with the response's loss; no passes. [Ancona18]

    Args:
        removed: of the image.
        contributions: (H, W), signed, as ``Attribution.contributions(image)``.

    Raises:
        PathwayError: the map is not one finite value per pixel.
    """
    flat = check_map(contributions, removed.shape, "the map of contributions").cpu().double().flatten()
    noise = _SUM_NOISE * float(flat.abs().sum())
    sums = (flat[positions].sum(1) for positions in removed.subsets())  # (subsets,) per size
    found = [_correlation(s, r, noise, removed.noise) for s, r in zip(sums, removed.responses, strict=True)]
    correlations, reasons = zip(*found, strict=True)
    return SensitivityCurve(removed.sizes, correlations, reasons)


def subset_sizes(pixels: int) -> tuple[int, ...]:
    """Return at most 12 counts from 1 to 80 % of an image's pixels, evenly spaced on a logarithmic axis, each once."""
    spaced = np.geomspace(1, max(1, int(0.8 * pixels)), 12)
    return tuple(dict.fromkeys(int(size) for size in spaced.round()))


def _checked(sizes: Sequence[int], pixels: int) -> tuple[int, ...]:
    if not len(sizes) or not all(isinstance(size, int) and 1 <= size <= pixels for size in sizes):
        raise PathwayError(f"Got sizes {list(sizes)}, wanted whole numbers of pixels from 1 to {pixels:,}.")
    return tuple(sizes)


def _drawn(pixels: int, sizes: Sequence[int], subsets: int, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for size in sizes:
        yield torch.stack([torch.randperm(pixels, generator=generator)[:size] for _ in range(subsets)])


def _without(network: Network, image: Tensor, positions: Tensor) -> Tensor:
    """Return the logits without the pixels of each subset, (B, classes)."""
    kept = torch.ones(len(positions), image[0, 0].numel(), dtype=image.dtype, device=image.device)
    kept.scatter_(1, positions.to(image.device), 0)
    with torch.no_grad():
        return network.run(image * kept.view(-1, 1, *image.shape[2:])).logits


def _correlation(sums: Tensor, responses: Tensor, sum_noise: float, pass_noise: float) -> tuple[float, str]:
    """Return the correlation of sums with the response's loss, and why it is undefined; F(x) cancels."""
    if _spread(responses) <= pass_noise:
        return nan, SAME_RESPONSE
    if _spread(sums) <= sum_noise:
        return nan, SAME_SUMS
    return pearson(sums, -responses), ""


def _spread(values: Tensor) -> float:
    return float(values.max() - values.min())
