"""What the network answers where a scene is restricted to one pathway."""

from __future__ import annotations

import time
from dataclasses import dataclass

from core.pathways.fidelity import Fate, Standing, fate, probability_ratio, standing
from core.pathways.overlap import share_within
from core.pathways.ranking import Off, Pathway
from core.pathways.restriction import Restricted, restrict
from explorer.compute import cache, catalogue, rankings
from explorer.compute.rankings import Selection
from explorer.compute.scene import Scene, make_scene
from explorer.state import View

__all__ = ["Answer", "answer", "warm"]


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


def answer(scene: Scene, selection: Selection, sparsity: float, off: Off) -> Answer:
    """Return the scene restricted to a pathway; one forward and one backward pass, shared.

    Sparsities that keep the same neurons have one answer.
    """
    key = ("answer", scene.target, selection.key, selection.size(sparsity), off)
    return cache.RESULTS.get(key, lambda: _answer(scene, selection.pathway(sparsity), off))


def _answer(scene: Scene, pathway: Pathway, off: Off) -> Answer:
    start = time.perf_counter()
    restricted = restrict(scene.network, scene.image, scene.target, pathway, off=off)
    return Answer(
        restricted,
        pathway.sparsity,
        pathway.sizes,
        pathway.ties,
        pathway.ties_kept,
        probability_ratio(restricted.logits, scene.original.logits, scene.target),
        fate(restricted.logits, scene.original.logits),
        standing(scene.original.logits, scene.target),
        standing(restricted.logits, scene.target),
        share_within(pathway, scene.dead),
        time.perf_counter() - start,
    )


def warm() -> None:
    """Make what the default view shows first, so that the first visitor finds it ready."""
    view = View()
    start = make_scene(catalogue.network(view.network), catalogue.sample(view.image), view.crop, view.target)
    answer(start, rankings.scores_now(start, view.strategy(view.first)), view.sparsity, view.off)
