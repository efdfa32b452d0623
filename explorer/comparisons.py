"""Several selections of one scene at once: which neurons they share, and how they fare over sparsities.

What takes more than a moment is an errand, made part by part, a part a strategy: parts are shared, and those made are
shown while the others are still to come.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.membership import Membership, membership
from core.metrics import Fidelity, fidelity_curve
from core.pathway import Off
from core.progress import Progress
from explorer import compute
from explorer.answers import Scene, Scored, Selection
from explorer.jobs import Status
from explorer.readings import saliency

__all__ = ["CURVE", "STRIP", "Curve", "Errand", "Row", "curves", "members", "strip"]

CURVE = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99)
STRIP = (0.0, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
"""The paper's sparsities, and 99 %."""

MakePart = Callable[[Scored, Progress], Any]


@dataclass(frozen=True)
class Curve:
    """The fidelity of a method's pathways at the sparsities of ``CURVE``."""

    points: tuple[Fidelity, ...]
    nbytes: int = 4096


@dataclass(frozen=True)
class Row:
    """A method's pathway gradients at the sparsities of ``STRIP``.

    Attributes:
        maps: (S, H, W) signed saliency maps.
        p_ratios, kept: of each, the target's probability ratio and whether the prediction is kept.
    """

    maps: NDArray[np.float32]
    p_ratios: tuple[float, ...]
    kept: tuple[bool, ...]

    @property
    def nbytes(self) -> int:
        """Return the bytes it holds."""
        return self.maps.nbytes


@dataclass(frozen=True)
class Errand:
    """What was asked for, part by part, None for what is still to come.

    Attributes:
        parts: one a selection, in their order.
        key: the job's.
        ask: asks where the job stands; see ``Jobs.ask``.
    """

    parts: tuple[Any, ...]
    key: tuple[Hashable, ...]
    ask: Callable[[], Status]

    @property
    def complete(self) -> bool:
        """Return whether no part is missing."""
        return None not in self.parts


@dataclass(frozen=True)
class _Parts:
    parts: tuple[Any, ...]

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts)


def members(scene: Scene, selections: Sequence[Selection], sparsity: float) -> Membership:
    """Return how many neurons of each site are on which of the selections' pathways."""
    sizes = tuple(selection.size(sparsity) for selection in selections)
    key = ("members", scene.key, *(selection.key for selection in selections), sizes)
    pathways = (selection.pathway(sparsity) for selection in selections)
    return compute.RESULTS.get(key, lambda: membership(list(pathways), scene.dead))


def curves(scene: Scene, rankings: Sequence[Scored], off: Off, waiter: str) -> Errand:
    """Return the ``Curve`` of each method; one forward pass a point."""

    def make(scored: Scored, progress: Progress) -> Curve:
        found = fidelity_curve(
            scene.network, scene.image, scene.target, scored.ranking, CURVE, off=off, progress=progress
        )
        return Curve(tuple(found))

    return _errand(("curve", scene.target, off), rankings, make, len(CURVE), waiter)


def strip(scene: Scene, rankings: Sequence[Scored], off: Off, waiter: str) -> Errand:
    """Return the ``Row`` of each method; one forward and one backward pass a picture."""

    def make(scored: Scored, progress: Progress) -> Row:
        answers = []
        for done, sparsity in enumerate(STRIP, 1):
            answers.append(compute.answer(scene, scored, sparsity, off))
            progress(done, len(STRIP), "gradients")
        maps = np.stack([saliency(answer.restricted) for answer in answers])
        return Row(maps, tuple(a.p_ratio for a in answers), tuple(a.prediction_kept for a in answers))

    return _errand(("strip", scene.target, off), rankings, make, len(STRIP), waiter)


def _errand(kind: tuple[Hashable, ...], rankings: Sequence[Scored], make: MakePart, steps: int, waiter: str) -> Errand:
    keys = [(*kind, scored.key) for scored in rankings]
    whole = ("errand", *keys)

    def work(progress: Progress) -> _Parts:
        missing = [key for key in keys if compute.RESULTS.peek(key) is None]

        def part(key: tuple[Hashable, ...], scored: Scored) -> Any:
            before = steps * missing.index(key) if key in missing else 0

            def told(done: int, _: int, note: str) -> None:
                progress(before + done, steps * len(missing), f"{note}: {scored.strategy.title}")

            return compute.RESULTS.get(key, lambda: make(scored, told))

        return _Parts(tuple(map(part, keys, rankings)))

    def ask() -> Status:
        return compute.ERRANDS.ask(whole, work, waiter)

    found = compute.RESULTS.peek(whole)
    parts = found.parts if found else tuple(compute.RESULTS.peek(key) for key in keys)
    if None not in parts:
        return Errand(parts, whole, lambda: Status("done"))
    return Errand(parts, whole, ask)
