"""What ``compute`` answers with: a scene, the selections made of its neurons, and what a pathway does to it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property

import torch
from PIL import Image
from torch import Tensor

from core.methods import Step
from core.network import Network
from core.pathways.fidelity import Fate, Standing
from core.pathways.overlap import dead_among
from core.pathways.ranking import Pathway, Ranking
from core.pathways.restriction import Restricted
from core.pathways.scores import Sum
from core.strategy import Strategy
from explorer.state.knockout import KnockOut

__all__ = ["Answer", "Reference", "Scene", "Scored", "Selection", "left_by"]


@dataclass(frozen=True)
class Scene:
    """One image in one network with one target: everything that no selection changes.

    Attributes:
        key: what it was made from, by content.
        picture: the square of the photo that the network sees.
        image: (1, 3, H, W), as the network takes it.
        original: logits and gradient of the original network.
        activations: one a site, (1, *site.shape).
        seconds: what making it took.
        network_bytes: of a network that is not the zoo's: a scene may outlive the session it came from.
    """

    key: tuple[Hashable, ...]
    network: Network
    picture: Image.Image
    image: Tensor
    target: int
    original: Restricted
    activations: tuple[Tensor, ...]
    seconds: float
    network_bytes: int = 0

    @property
    def nbytes(self) -> int:
        """Return the bytes it holds: a byte a neuron for ``dead``, and the network where no other entry holds it."""
        held = sum(a.nbytes for a in self.activations) + self.image.nbytes + self.original.gradient.nbytes
        return held + self.network.neurons + self.network_bytes

    @property
    def prediction(self) -> int:
        """Return the class the original network predicts."""
        return int(self.original.logits.argmax())

    @cached_property
    def dead(self) -> tuple[Tensor, ...]:
        """Return which neurons are dead for this image, one mask a site."""
        return dead_among(self.activations)

    @cached_property
    def dead_share(self) -> float:
        """Return the network's own dead share for this image."""
        return sum(int(mask.count_nonzero()) for mask in self.dead) / self.network.neurons


@dataclass(frozen=True)
class Scored:
    """A method's ranking of a scene's neurons.

    Attributes:
        key: what it was made from, by content.
        strategy: what made it.
        ranking: of all neurons.
        trajectory: what the method went through.
        seconds: what making it took.
        complete: False for the best that cancelled work had found.
        sums: of contributions at each site, and what is due; () where the method knows none.
    """

    key: tuple[Hashable, ...]
    strategy: Strategy
    ranking: Ranking
    trajectory: tuple[Step, ...]
    seconds: float
    complete: bool = True
    sums: tuple[Sum, ...] = ()

    @property
    def name(self) -> str:
        """Return the method's name."""
        return self.strategy.name

    @property
    def ordinal(self) -> bool:
        """Return whether scores are places, which say no more than the ranks."""
        return self.strategy.method is not None and self.strategy.method.ordinal

    def size(self, sparsity: float) -> int:
        """Return how many neurons stay at a sparsity."""
        return self.ranking.size(sparsity)

    def pathway(self, sparsity: float) -> Pathway:
        """Return which neurons stay at a sparsity."""
        return self.ranking.pathway(sparsity)

    def site_mask(self, sparsity: float, site: int) -> Tensor:
        """Return which neurons of one site stay."""
        return self.ranking.ranks[site] < self.size(sparsity)


@dataclass(frozen=True)
class Reference:
    """Neurons that no method chose and no sparsity changes: all of them, or all that are active.

    Attributes:
        key: what it was made from, by content.
        strategy: which it is.
        chosen: its neurons.
    """

    key: tuple[Hashable, ...]
    strategy: Strategy
    chosen: Pathway
    seconds: float = 0.0
    complete: bool = True

    def size(self, _: float) -> int:
        """Return how many neurons it has."""
        return self.chosen.size

    def pathway(self, _: float) -> Pathway:
        """Return its neurons."""
        return self.chosen

    def site_mask(self, _: float, site: int) -> Tensor:
        """Return its neurons of one site."""
        return self.chosen.masks[site]


Selection = Scored | Reference
"""What a sparsity, or none, makes a pathway of."""


@dataclass(frozen=True)
class Answer:
    """A scene restricted to one pathway.

    Attributes:
        restricted: logits and pathway gradient.
        sparsity: of the pathway.
        sizes: neurons on the pathway, one number a site.
        ties, ties_kept: neurons that are equals where the ranking was cut, and those of them on the pathway.
        p_ratio: the target's probability over its original one.
        fate: of the original network's prediction.
        before, after: how the target stands in the original and in the restricted network.
        dead_share: of the pathway.
        seconds: what it took.
    """

    restricted: Restricted
    sparsity: float
    sizes: tuple[int, ...]
    ties: int
    ties_kept: int
    p_ratio: float
    fate: Fate
    before: Standing
    after: Standing
    dead_share: float
    seconds: float

    @property
    def prediction_kept(self) -> bool:
        """Return whether the restricted network predicts what the original one does, be it near chance."""
        return self.fate != "lost"


def left_by(knock: KnockOut, network: Network) -> Pathway:
    """Return the neurons that a knock-out leaves."""
    named = [torch.zeros(site.shape, dtype=torch.bool, device=network.device) for site in network.sites]
    for part in knock.parts:
        site = network.sites[part.site]
        mask = named[part.site].view(site.planes) if part.whole else named[part.site].view(-1)
        mask[part.place] = True
    touched = {part.site for part in knock.parts}
    left = (
        mask if knock.only and site in touched else ~mask if site in touched else torch.ones_like(mask)
        for site, mask in enumerate(named)
    )
    return Pathway(tuple(left))
