"""Overlaps of two or several pathways, and the dead neurons on them, from one count.

A neuron's code has one bit per pathway and, above these, one for a dead neuron; one pass over all neurons counts the
codes at every site:

    counts[s, d, b] = #{ i in site s :  d = [i is dead],  b = Σ_p [i on pathway p] · 2^p }

Sizes, overlaps and dead shares of any pathways, per site or over all sites, follow from sums of these counts.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import PathwayError
from core.network import Network
from core.pathways.ranking import (
    Pathway,
    check_pathway,
    check_shapes,
)

__all__ = [
    "Membership",
    "chance_overlap",
    "dead_among",
    "dead_neurons",
    "dead_share",
    "jaccard",
    "membership",
    "overlap",
    "share_within",
    "site_overlaps",
]

MOST = 7  # pathways: their bits and the bit of dead neurons fill a byte

Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]
Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Membership:
    """How many neurons of each site are on which of several pathways, active and dead ones separately.

    Pathways are given by their index in the sequence. Shares of an empty set are NaN.

    Attributes:
        counts: (sites, 2, 2**P) int64; [s, d, b] neurons of site s, dead if d, that are on exactly the pathways whose
            bits are set in b.
    """

    counts: Counts

    @property
    def pathways(self) -> int:
        """Return P, the number of pathways."""
        codes: int = self.counts.shape[2]
        return codes.bit_length() - 1

    @property
    def neurons(self) -> Counts:
        """Return the neurons of each site, (sites,)."""
        return _total(self.counts, 1, 2)

    @property
    def dead(self) -> Counts:
        """Return the dead neurons of each site, on any pathway or on none, (sites,)."""
        return _total(self.counts[:, 1], 1)

    def sizes(self) -> Counts:
        """Return the neurons of each pathway at each site, (P, sites)."""
        return _total(self._each(), 1)

    def dead_sizes(self) -> Counts:
        """Return the dead neurons of each pathway at each site, (P, sites)."""
        return self._each()[:, 1]

    def common(self, p: int, q: int) -> Counts:
        """Return the neurons of each site that are on both pathways, (sites,)."""
        on = self._on()
        return _total(self._count(on[p] & on[q]), 0)

    def site_overlaps(self, p: int, q: int) -> Shares:
        """Return intersection over union at each site, (sites,), NaN where both are empty."""
        sizes = self.sizes()
        return jaccard(self.common(p, q), sizes[p], sizes[q])

    def site_chances(self, p: int, q: int) -> Shares:
        """Return the overlap expected by chance at each site, (sites,), NaN where both are empty."""
        sizes = self.sizes()
        return _chances(_share(sizes[p], self.neurons), _share(sizes[q], self.neurons))

    def overlaps(self) -> Shares:
        """Return intersection over union of every pair, (P, P), NaN where both are empty. [Khakzar21]"""
        on = self._on()
        common = (on * _total(self.counts, 0, 1)) @ on.T  # (P, P)
        sizes = common.diagonal()
        return jaccard(common, sizes[:, None], sizes)

    def chances(self) -> Shares:
        """Return the overlap expected by chance for every pair of these sizes, (P, P), NaN where both are empty."""
        shares = _share(_total(self.sizes(), 1), _total(self.neurons, 0))
        return _chances(shares[:, None], shares)

    def dead_shares(self) -> Shares:
        """Return the share of each pathway that is dead, (P,), NaN for an empty one. [Khakzar21]"""
        return _share(_total(self.dead_sizes(), 1), _total(self.sizes(), 1))

    def site_dead_shares(self) -> Shares:
        """Return the share of each pathway that is dead at each site, (P, sites), NaN where it is empty."""
        return _share(self.dead_sizes(), self.sizes())

    def split(self, p: int, q: int) -> Counts:
        """Return neurons on the first only, on both, on the second only, (3, 2, sites), active and dead separately."""
        on = self._on()
        return np.stack([self._count(on[p] & ~on[q]), self._count(on[p] & on[q]), self._count(~on[p] & on[q])])

    def _on(self) -> Bools:
        """Return the codes of each pathway's neurons, (P, 2**P)."""
        bits = 1 << np.arange(self.pathways)
        on: Bools = np.arange(2**self.pathways) & bits[:, None] != 0
        return on

    def _count(self, codes: Bools) -> Counts:
        """Return active and dead neurons with one of these codes, (2, sites), given (2**P,)."""
        return _total(self.counts[:, :, codes], 2).T

    def _each(self) -> Counts:
        """Return active and dead neurons of each pathway, (P, 2, sites)."""
        return np.stack([self._count(codes) for codes in self._on()])


def membership(pathways: Sequence[Pathway], dead: Sequence[Tensor]) -> Membership:
    """Return how many neurons are on which of several pathways; one pass over the masks, one byte per neuron.

    Args:
        pathways: from 1 to 7, of one network.
        dead: one bool tensor per site, shaped like its activation without the batch axis, as ``dead_neurons`` returns.

    Raises:
        PathwayError: there are no pathways or more than 7, or they and ``dead`` have sites of different shapes.
    """
    if not 1 <= len(pathways) <= MOST:
        raise PathwayError(f"Got {len(pathways)} pathways, wanted from 1 to {MOST}; compare fewer at a time.")
    for pathway in pathways:
        check_shapes(pathway.masks, dead, "dead neurons")
    sites = zip(dead, *(pathway.masks for pathway in pathways), strict=True)
    codes = 2 ** len(pathways)
    counts = [_codes(marks).bincount(minlength=2 * codes).tolist() for marks in sites]
    return Membership(np.array(counts, dtype=np.int64).reshape(len(dead), 2, codes))


def _codes(marks: tuple[Tensor, ...]) -> Tensor:
    """Return the bits of bool tensors as (neurons,) uint8: the first tensor's is highest, the second one's lowest."""
    codes = marks[0].to(torch.uint8, copy=True)
    for mark in reversed(marks[1:]):
        codes = codes.bitwise_left_shift_(1).bitwise_or_(mark)
    return codes.flatten()


def _total(counts: Counts, *axes: int) -> Counts:
    total: Counts = counts.sum(axes)
    return total


def _share(part: Counts | Shares | int, whole: Counts | Shares | int) -> Shares:
    """Return part over whole, NaN where the whole is 0."""
    shape = np.broadcast_shapes(np.shape(part), np.shape(whole))
    share: Shares = np.divide(part, whole, out=np.full(shape, np.nan), where=np.not_equal(whole, 0))
    return share


def jaccard(common: Counts | int, size: Counts | int, other: Counts | int) -> Shares:
    """Return intersection over union, NaN where both are empty.

    Args:
        common: how many neurons are on both pathways; a number or an array of any shape.
        size, other: how many are on each.
    """
    return _share(common, size + other - common)


def _chances(share: Shares, other: Shares) -> Shares:
    return _share(share * other, share + other - share * other)


def overlap(pathway: Pathway, other: Pathway) -> float:
    """Return intersection over union of two pathways, NaN when both are empty. [Khakzar21]

    Raises:
        PathwayError: they are not of one network.
    """
    check_shapes(pathway.masks, other.masks, "another pathway's mask")
    common = sum(int((a & b).count_nonzero()) for a, b in zip(pathway.masks, other.masks, strict=True))
    return float(jaccard(common, pathway.size, other.size))


def site_overlaps(pathway: Pathway, other: Pathway) -> list[float]:
    """Return intersection over union at each site, NaN where both are empty.

    Raises:
        PathwayError: they are not of one network.
    """
    check_shapes(pathway.masks, other.masks, "another pathway's mask")
    common = [int((a & b).count_nonzero()) for a, b in zip(pathway.masks, other.masks, strict=True)]
    found: list[float] = jaccard(np.array(common), np.array(pathway.sizes), np.array(other.sizes)).tolist()
    return found


def chance_overlap(share: float, other: float) -> float:
    """Return the expected overlap of two independent pathways that keep these shares, k1 k2 / (k1 + k2 - k1 k2)."""
    return float(_chances(np.array(share), np.array(other)))


def dead_neurons(network: Network, image: Tensor) -> tuple[Tensor, ...]:
    """Return which neurons have activation 0 for one image in the original network; one forward pass.

    Args:
        image: (1, *network.input_shape).

    Returns:
        One bool tensor per site, shaped like its activation without the batch axis.
    """
    with torch.no_grad():
        run = network.run(network.check_image(image, one=True), record=True)
    return dead_among(run.activations)


def share_within(pathway: Pathway, marked: Sequence[Tensor]) -> float:
    """Return the share of a pathway's neurons that are marked, NaN for an empty pathway.

    Args:
        marked: one bool tensor per site, shaped like the pathway's mask there.

    Raises:
        PathwayError: the shapes differ.
    """
    check_shapes(pathway.masks, marked, "marks")
    both = sum(int((mask & mark).count_nonzero()) for mask, mark in zip(pathway.masks, marked, strict=True))
    return both / pathway.size if pathway.size else nan


def dead_share(network: Network, image: Tensor, pathway: Pathway) -> float:
    """Return the share of a pathway's neurons that are dead for one image, NaN for an empty pathway. [Khakzar21]

    Args:
        image: (1, *network.input_shape).

    Raises:
        PathwayError: the image or the pathway does not fit.
    """
    check_pathway(network, pathway)
    return share_within(pathway, dead_neurons(network, image))


def dead_among(activations: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return which neurons are dead, one bool tensor per site, given one image's activations, each (1, *site.shape)."""
    return tuple(activation[0] == 0 for activation in activations)
