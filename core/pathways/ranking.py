"""From scores to pathways: rank all neurons once, then cut the ranking at any sparsity.

    ranking = rank(METHODS["NeuronMCT"](network, image, target))     # one sort
    pathway = ranking.pathway(sparsity=0.9)                          # one comparison per site
    share = pathway.size / pathway.neurons                           # 0.1

Selection is global over all sites and exact in number: ``round((1 - sparsity) * neurons)`` neurons stay, so sparsity 0
is the original network. Neurons that score 0 come last: first the active ones, by activation, then the dead. Ties
follow one fixed pseudo-random order of the neurons, so pathways are nested.

The sort is over 64-bit keys: the score's bits above a scrambled neuron number. The scrambling can be inverted, so
sorting the keys also gives the order of the neurons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Literal

import torch
from torch import Tensor

from core.errors import PathwayError
from core.network import Edit, Network, Site
from core.pathways.scores import Scores

__all__ = [
    "Off",
    "Pathway",
    "Ranking",
    "check_off",
    "check_pathway",
    "check_shapes",
    "check_sparsity",
    "hold",
    "lowest",
    "rank",
    "restriction",
]

Off = Literal["zero", "frozen"]

_WORD = 0xFFFFFFFF
_PART = 2**18  # keys at once: a step over millions of keys would double the memory
_SCRAMBLE = (0x9E3779B1, 0x85EBCA77)  # odd, so multiplication modulo 2^32 can be inverted
_UNSCRAMBLE = tuple(pow(factor, -1, 2**32) for factor in _SCRAMBLE)


@dataclass(frozen=True)
class Pathway:
    """The neurons selected for one image.

    Attributes:
        masks: one bool tensor per site, shaped like its activation without the batch axis, True = on the pathway.
        ties: how many neurons are tied where the ranking was cut.
        ties_kept: how many of these are on the pathway, chosen by the fixed order of ties.
    """

    masks: tuple[Tensor, ...]
    ties: int = 0
    ties_kept: int = 0

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Return the number of neurons on the pathway at each site."""
        return tuple(int(mask.count_nonzero()) for mask in self.masks)

    @property
    def size(self) -> int:
        """Return the number of neurons on the pathway."""
        return sum(self.sizes)

    @property
    def neurons(self) -> int:
        """Return the number of all neurons, on the pathway and off it."""
        return sum(mask.numel() for mask in self.masks)

    @property
    def sparsity(self) -> float:
        """Return the share of neurons off the pathway."""
        return 1 - self.size / self.neurons

    @property
    def kept_shares(self) -> tuple[float, ...]:
        """Return each site's share of neurons on the pathway."""
        return tuple(size / mask.numel() for size, mask in zip(self.sizes, self.masks, strict=True))


@dataclass(frozen=True)
class Ranking:
    """Every neuron's rank over all sites together.

    Attributes:
        ranks: one int32 tensor per site, 0 = kept longest, all different.
        scores: (P,) the scores above 0 in the order of their ranks.
        activity: (A,) |activation| of the active neurons that score 0, in the order of their ranks, P to P + A; all
            later neurons are ties.
        most: how many neurons a pathway can have: all, or P where those that score 0 are never kept.
    """

    ranks: tuple[Tensor, ...]
    scores: Tensor
    activity: Tensor
    most: int

    @property
    def neurons(self) -> int:
        """Return how many neurons are ranked."""
        return sum(ranks.numel() for ranks in self.ranks)

    @property
    def runs_out(self) -> float:
        """Return the sparsity at which the scores run out: below it a pathway also has neurons that score 0."""
        return 1 - len(self.scores) / self.neurons

    def size(self, sparsity: float) -> int:
        """Return how many neurons the pathway at a sparsity has."""
        return min(round((1 - check_sparsity(sparsity)) * self.neurons), self.most)

    def pathway(self, sparsity: float) -> Pathway:
        """Return the pathway at a sparsity in [0, 1).

        Raises:
            PathwayError: the sparsity lies outside.
        """
        size = self.size(sparsity)
        return Pathway(tuple(ranks < size for ranks in self.ranks), *self._ties(size))

    def top(self, count: int, site: int | None = None) -> list[tuple[int, int]]:
        """Return (site, flat position) of the first neurons with a score above 0, of all sites or of one.

        Args:
            count: how many at most.
            site: index of the only site wanted.
        """
        end = min(count, len(self.scores))  # ranks below it are wanted
        if site is not None:
            own = self.ranks[site].flatten()
            end = min(int(own.kthvalue(min(count, len(own))).values) + 1, len(self.scores))
        found: list[tuple[int, int, int]] = []
        for index in range(len(self.ranks)) if site is None else [site]:
            ranks = self.ranks[index].flatten()
            positions = torch.nonzero(ranks < end).squeeze(1)
            places = zip(ranks[positions].tolist(), positions.tolist(), strict=True)
            found += [(place, index, position) for place, position in places]
        return [(index, position) for _, index, position in sorted(found)]

    def score(self, site: int, position: int) -> float:
        """Return the score of the neuron at a flat position of a site."""
        place = int(self.ranks[site].flatten()[position])
        return float(self.scores[place]) if place < len(self.scores) else 0.0

    def _ties(self, size: int) -> tuple[int, int]:
        """Return how many neurons are tied at the cut and how many of them are kept; 0 if it separates no ties."""
        start = 0
        for values in (self.scores, self.activity):
            inside = size - start
            if 0 < inside < len(values):
                equal = values == values[inside]
                larger = int((values > values[inside]).count_nonzero())
                return (int(equal.count_nonzero()), inside - larger) if bool(equal[inside - 1]) else (0, 0)
            start += len(values)
        return (self.neurons - start, size - start) if start < size < self.neurons else (0, 0)


def rank(scores: Scores | Sequence[Tensor]) -> Ranking:
    """Return the ranking of all neurons by their scores.

    Args:
        scores: one tensor per site, shaped like its activation without the batch axis, finite, >= 0; as a method
            returns them, or without activations: then all neurons that score 0 are ties.

    Raises:
        PathwayError: a score is negative, infinite or NaN, or there are no scores.
    """
    flat = _flat(scores) if len(scores) else torch.empty(0)
    if not len(flat) or not bool(flat.min() >= 0) or not bool(flat.max() < float("inf")):
        raise PathwayError("Got scores that are negative, infinite, NaN or missing; wanted finite scores >= 0.")
    ranks, start, ordered = torch.empty_like(flat, dtype=torch.int32), 0, []
    for values, positions in _groups(flat, scores):
        keys, distinct = _keys(values, positions)
        keys = _sorted(keys).flip(0)
        for part in torch.split(keys, _PART) if len(keys) else ():
            ranks[_neurons(part)] = torch.arange(start, start + len(part), dtype=torch.int32, device=ranks.device)
            start += len(part)
        bits = keys.bitwise_right_shift_(32)
        ordered.append(bits.int().view(torch.float32) if distinct is None else distinct[bits])
    by_site = torch.split(ranks, [score.numel() for score in scores])
    keeps_zeros = not isinstance(scores, Scores) or scores.keeps_zeros
    return Ranking(
        tuple(part.view(score.shape) for part, score in zip(by_site, scores, strict=True)),
        scores=ordered[0],
        activity=ordered[1],
        most=len(ranks) if keeps_zeros else len(ordered[0]),
    )


def lowest(flat: Tensor, count: int) -> Tensor:
    """Return the positions of the ``count`` smallest scores above 0, or of all if there are fewer; ties as in ``rank``.

    Args:
        flat: (N,) scores >= 0.
        count: how many.
    """
    positive = torch.nonzero(flat > 0).squeeze(1)
    if len(positive) <= count:
        return positive
    keys = _keys(flat, positive)[0].cpu().numpy()
    keys.partition(count - 1)
    return _neurons(torch.from_numpy(keys[:count]).to(flat.device))


def restriction(pathway: Pathway, off: Off = "zero", held: Sequence[Tensor] | None = None) -> Edit:
    """Return the edit that holds every neuron off the pathway.

    Args:
        pathway: the neurons that are not held.
        off: "zero" sets the others to 0; "frozen" holds them at the values given.
        held: for "frozen", one activation per site, (1, C, H, W) or (1, C).

    Raises:
        PathwayError: ``off`` is neither, or "frozen" comes without values.
    """
    if (check_off(off) == "frozen") != (held is not None):
        raise PathwayError(f'Got off={off!r}, wanted "zero", or "frozen" with the activations to hold.')
    return lambda site, activation: hold(site, activation, pathway.masks[site.index], held)


def hold(site: Site, activation: Tensor, mask: Tensor, held: Sequence[Tensor] | None) -> Tensor:
    """Return a site's activation, (N, ...), where the mask is True, elsewhere the held value, or 0 if there is none.

    Args:
        site: of the activation.
        activation: (N, *site.shape).
        mask: bool, (*site.shape), or (N, *site.shape) for one pathway per image.
        held: one activation per site, (1, *site.shape) or (N, *site.shape).
    """
    return torch.where(mask, activation, 0.0 if held is None else held[site.index])


def check_off(off: Off) -> Off:
    """Return how neurons off a pathway are held, or raise PathwayError when it is neither "zero" nor "frozen"."""
    if off not in ("zero", "frozen"):
        raise PathwayError(f'Got off={off!r}, wanted "zero" or "frozen".')
    return off


def check_pathway(network: Network, pathway: Pathway | Ranking) -> None:
    """Raise PathwayError unless a pathway or a ranking fits this network.

    It fits when it has one tensor per site, of the site's shape and on the network's device; masks must be bool.
    """
    is_ranking = isinstance(pathway, Ranking)
    tensors = pathway.ranks if isinstance(pathway, Ranking) else pathway.masks
    word, part = ("ranking", "ranks") if is_ranking else ("pathway", "masks")
    if [tuple(tensor.shape) for tensor in tensors] != [site.shape for site in network.sites]:
        raise PathwayError(
            f"Got a {word} whose {part} do not fit the sites of {network.name}, wanted {part} for each site, of "
            "the site's shape; rank scores of the same network."
        )
    for site, tensor in zip(network.sites, tensors, strict=True):
        if tensor.device != network.device or tensor.is_inference() or not (is_ranking or tensor.dtype == torch.bool):
            made = " made under torch.inference_mode" if tensor.is_inference() else ""
            raise PathwayError(
                f"Got {part} of {tensor.dtype} on {tensor.device}{made} at site {site.name}, wanted "
                f"{'ranks' if is_ranking else 'torch.bool'} on {network.device}, made outside torch.inference_mode."
            )


def check_shapes(masks: Sequence[Tensor], others: Sequence[Tensor], what: str) -> None:
    """Raise PathwayError unless a pathway's masks and other tensors, one per site, have the same shapes at every site.

    Args:
        masks: of a pathway, one (*site.shape) per site.
        others: to be combined with them, shaped like them.
        what: name of the others, for the message.
    """
    for site, pair in enumerate(zip_longest(masks, others)):
        got, wanted = ("none" if tensor is None else tuple(tensor.shape) for tensor in pair)
        if got != wanted:
            raise PathwayError(
                f"Got a pathway's mask of shape {got} and {what} of shape {wanted} at site {site}, wanted the same "
                f"shapes; take all pathways and {what} from one network."
            )


def check_sparsity(sparsity: float) -> float:
    """Return the sparsity, or raise PathwayError when it is not in [0, 1)."""
    if not 0 <= sparsity < 1:
        raise PathwayError(f"Got sparsity {sparsity!r}, wanted a share from 0 up to, not including, 1 (0.9 for 90 %).")
    return sparsity


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def _groups(flat: Tensor, scores: Scores | Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield three groups as sort values, (N,), and positions: with a score, active without a score, and the rest."""
    positive = flat > 0
    yield flat, torch.nonzero(positive).squeeze(1)
    activations = scores.activations if isinstance(scores, Scores) else ()
    activity = _flat(activations).abs_() if activations else torch.zeros_like(flat)
    active = (activity > 0) & ~positive
    yield activity, torch.nonzero(active).squeeze(1)
    yield activity, torch.nonzero(~active & ~positive).squeeze(1)


def _keys(flat: Tensor, positions: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return sortable keys of the scores at these positions; for scores too fine for a key, also the distinct scores.

    The keys overwrite the positions to save memory.
    """
    distinct, scores = None, flat[positions]
    bits = scores.float().view(torch.int32)  # the bits of positive floats sort as they do
    if scores.dtype == torch.float64 and not torch.equal(bits.view(torch.float32).double(), scores):
        distinct, bits = torch.unique(scores, return_inverse=True)
    for key, part in zip(torch.split(positions, _PART), torch.split(bits, _PART), strict=True):
        key.mul_(_SCRAMBLE[0]).bitwise_and_(_WORD).bitwise_xor_(key >> 16).mul_(_SCRAMBLE[1]).bitwise_and_(_WORD)
        key.bitwise_or_(part.long() << 32)
    return positions, distinct


def _neurons(keys: Tensor) -> Tensor:
    """Return the positions from which the keys were made."""
    neurons = (keys & _WORD).mul_(_UNSCRAMBLE[1]).bitwise_and_(_WORD)
    return neurons.bitwise_xor_(neurons >> 16).mul_(_UNSCRAMBLE[0]).bitwise_and_(_WORD)


def _sorted(keys: Tensor) -> Tensor:
    """Return the keys in ascending order; on the CPU they are sorted in place."""
    if keys.device.type != "cpu":
        return torch.sort(keys).values
    keys.numpy().sort()  # vectorised, several times faster than torch's
    return keys
