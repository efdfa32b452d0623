"""The selections made of a scene's neurons: methods' rankings, queued where they are costly, and references."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor

from core.errors import Cancelled
from core.methods import Method, Scores, Step
from core.network import Network
from core.pathways.ranking import Pathway, Ranking, rank
from core.pathways.scores import Sum
from core.progress import Progress, silent
from core.strategy import ACTIVE, ORIGINAL, Strategy
from explorer import malloc
from explorer.compute import cache
from explorer.compute.scene import Scene
from explorer.compute.tasks import Task
from explorer.state import KnockOut

__all__ = [
    "INLINE_PASSES",
    "Reference",
    "Scored",
    "Selection",
    "knocked",
    "left_by",
    "ready_scores",
    "reference",
    "scores_key",
    "scores_now",
    "scores_task",
    "selection_again",
]

_SCORING = Lock()  # of millions of neurons scores and ranks take 200 MB while they are made: one page at a time
INLINE_PASSES = 2.0  # a method this cheap is not worth a place in the queue


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


def scores_key(scene: Scene, strategy: Strategy) -> tuple[Hashable, ...]:
    """Return under what a selection is shared; a target that is predicted and the same one named are one."""
    return ("scores", *scene.key[1:-1], scene.target if strategy.uses_target else None, strategy)


def scores_task(scene: Scene, strategy: Strategy) -> Task[Scored]:
    """Return what makes a method's ranking.

    Raises:
        TypeError: the strategy has no method.
    """
    method = _method(strategy)
    key = scores_key(scene, strategy)
    return Task(key, strategy.title, lambda progress: _score(scene, strategy, method, progress), lane="long")


def ready_scores(scene: Scene, strategy: Strategy) -> Scored | None:
    """Return a method's ranking if it is there or quick to make, None for a costly one."""
    ready: Scored | None = cache.RESULTS.peek(scores_key(scene, strategy))
    if ready is None and _method(strategy).passes(scene.network, **strategy.chosen) <= INLINE_PASSES:
        with _SCORING:
            ready = _made(scene, strategy)
    return ready


def scores_now(scene: Scene, strategy: Strategy) -> Scored:
    """Return a method's ranking, made here if it is not there, whatever it costs."""
    return ready_scores(scene, strategy) or _made(scene, strategy)


def _made(scene: Scene, strategy: Strategy) -> Scored:
    method = _method(strategy)
    return cache.RESULTS.get(scores_key(scene, strategy), lambda: _score(scene, strategy, method))


def _method(strategy: Strategy) -> Method:
    if strategy.method is None:
        raise TypeError(f"{strategy.name} is a reference: no method ranks its neurons.")
    return strategy.method


def _score(scene: Scene, strategy: Strategy, method: Method, progress: Progress = silent) -> Scored:
    key, start = scores_key(scene, strategy), time.perf_counter()
    try:
        scores = method(scene.network, scene.image, scene.target, progress=progress, **strategy.chosen)
    except Cancelled as stop:
        if isinstance(stop.best, Scores):
            partial = (*key, "cancelled", time.monotonic_ns())  # no two are alike
            seconds = time.perf_counter() - start
            stop.best = Scored(partial, strategy, rank(stop.best), (), seconds, complete=False)
        raise
    malloc.give_back()  # what the method took and left; ranking millions of neurons takes as much again
    return Scored(key, strategy, rank(scores), scores.trajectory, time.perf_counter() - start, sums=scores.sums)


def selection_again(selection: Selection) -> Callable[[Scene], Selection]:
    """Return a function that finds or remakes a scene's selection; meanwhile it keeps no ranking from being dropped.

    The best that a cancelled method had found stays, for nobody can make it again.
    """
    if isinstance(selection, Reference) or not selection.complete:
        return lambda _: selection
    strategy = selection.strategy
    return lambda scene: _made(scene, strategy)


def reference(scene: Scene, strategy: Strategy) -> Reference:
    """Return the neurons of the original network or of its active subnet."""
    if strategy.name == ACTIVE:
        masks = tuple(~dead for dead in scene.dead)
    else:
        true = torch.ones((), dtype=torch.bool, device=scene.network.device)
        masks = tuple(true.expand(dead.shape) for dead in scene.dead)  # takes no room
    return Reference(scores_key(scene, strategy), strategy, Pathway(masks))


def knocked(scene: Scene, knock: KnockOut) -> Reference:
    """Return the neurons that a knock-out leaves."""
    key = ("knocked", *scene.key[1:-1], knock)
    return Reference(key, Strategy(ORIGINAL), left_by(knock, scene.network))


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
