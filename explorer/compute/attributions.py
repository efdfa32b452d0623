"""Attributions of a scene: pathway gradients of selection methods, and what other methods say; each made once."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.attribution import BASELINES
from core.attribution.attribution import Attribute, Attribution, pathway_attribute
from core.attribution.feature_map import feature_map
from core.errors import PathwayError
from core.methods import METHODS
from core.network import Network
from core.progress import Progress, silent
from explorer.compute import compute, export
from explorer.compute.answers import Scene, Selection
from explorer.compute.jobs import Status
from explorer.plots import palette
from explorer.plots.words import percent
from explorer.state.view import View
from explorer.ui import session
from explorer.ui.downloads import offer_table
from explorer.ui.waiting import cancelled
from explorer.views.columns import find_selection

__all__ = [
    "CAM",
    "Attributed",
    "Made",
    "attribute",
    "contributions",
    "find_attributions",
    "lacking",
    "made",
    "made_from",
    "made_from_all",
    "offer_rows",
    "passes",
    "saliency",
    "weighted",
]

CAM = "Grad-CAM"


@dataclass(frozen=True)
class Made:
    """An attribution, under which key it is shared, and the seconds it took."""

    key: tuple[Hashable, ...]
    attribution: Attribution
    seconds: float

    @property
    def nbytes(self) -> int:
        """Return the bytes it holds."""
        return self.attribution.values.nbytes


@dataclass(frozen=True)
class Attributed:
    """One method's attribution of a scene, or its place in line.

    Attributes:
        place: among those shown, from 0.
        name: of the method.
        title: the name, and for a pathway its sparsity.
        detail: what its values are.
        colour: its own, on this page.
        key, ask: of its job; see ``Jobs.ask``.
        made: None while it is in line, cancelled or failed.
    """

    place: int
    name: str
    title: str
    detail: str
    colour: str
    key: Hashable
    ask: Callable[[], Status]
    made: Made | None


def find_attributions(scene: Scene) -> list[Attributed]:
    """Return the attributions that the view names; those not there nor quick to make are in line."""
    names = session.view().attributions
    families = [METHODS[name].family if name in METHODS else "attribution" for name in names]
    found = []
    for place, (name, colour) in enumerate(zip(names, palette.shades(families, session.dark()), strict=True)):
        find = _pathway if name in METHODS else _baseline
        found.append(find(scene, name, place, colour))
    return found


def _pathway(scene: Scene, name: str, place: int, colour: str) -> Attributed:
    view = session.view()
    strategy = view.strategy(name)
    key = compute.scores_key(scene, strategy)
    ask = partial(compute.ask_scores, scene, strategy, session.waiter())
    selection, _ = find_selection(scene, strategy)
    title, detail = f"{strategy.title} {percent(view.sparsity)}", f"pathway gradient, {strategy.family}"
    return Attributed(place, name, title, detail, colour, key, ask, _made_of(scene, selection) if selection else None)


def _made_of(scene: Scene, selection: Selection) -> Made:
    view = session.view()
    answer = compute.answer(scene, selection, view.sparsity, view.off)
    key = ("pathway attribution", scene.key[1:-1], scene.target, selection.key, selection.size(view.sparsity), view.off)
    return Made(key, Attribution(answer.restricted.gradient, True), selection.seconds + answer.seconds)


def _baseline(scene: Scene, name: str, place: int, colour: str) -> Attributed:
    baseline = BASELINES[name]
    options: dict[str, Any] = {**session.view().cam} if name == CAM else {}
    key = ("attribution", *scene.key[1:-1], scene.target, name, *options.values())

    def make(progress: Progress = silent) -> Made:
        start = time.perf_counter()
        found = baseline(scene.network, scene.image, scene.target, progress=progress, **options)
        return Made(key, found, time.perf_counter() - start)

    def ask() -> Status:
        return compute.ERRANDS.ask(key, make, session.waiter())

    there: Made | None = compute.RESULTS.peek(key)
    if there is None and baseline.passes(scene.network) <= compute.INLINE_PASSES:
        with suppress(PathwayError):  # the job, asked for next, says why
            there = compute.RESULTS.get(key, make)
    if there is None and key not in cancelled():
        there = ask().result
    what = "" if there is None else "gradient" if there.attribution.is_gradient else "contributions"
    if there and name == CAM:
        what = f"of {weighted(scene.network, session.view())}"
    return Attributed(place, name, name, what, colour, key, ask, there)


def weighted(network: Network, view: View) -> str:
    """Return which map Grad-CAM weights, and its shape."""
    where = feature_map(network, view.cam_site)
    return f"{where.name}, {' × '.join(map(str, where.shape))}"


def made(attributed: list[Attributed]) -> list[tuple[Attributed, Made]]:
    """Return those that are there."""
    return [(each, each.made) for each in attributed if each.made]


def lacking(attributed: list[Attributed]) -> str:
    """Return in words which are not there; "" if all are."""
    titles = [each.title for each in attributed if not each.made]
    return f"Not there yet: {', '.join(titles)}." if titles else ""


def attribute(name: str, view: View) -> Attribute:
    """Return a method as a function of any network, image and target, with what the view chose for it."""
    if name in BASELINES:
        options: dict[str, Any] = {**view.cam} if name == CAM else {}
        return partial(BASELINES[name], **options)
    return pathway_attribute(name, view.sparsity, view.off, **view.strategy(name).chosen)


def made_from(each: Attributed) -> dict[str, object]:
    """Return what an attribution was made from, for the files that are taken away."""
    view = session.view()
    facts = {"attribution": each.name, "seconds": round(each.made.seconds, 4) if each.made else None}
    own: dict[str, object] = {**view.cam} if each.name == CAM else {}
    if each.name in METHODS:
        own = {"options": view.strategy(each.name).chosen, "sparsity": view.sparsity}
    return facts | own


def made_from_all(scene: Scene, attributed: Sequence[Attributed]) -> dict[str, object]:
    """Return what was evaluated, for the files that are taken away."""
    return export.provenance(scene, session.view()) | {"attributions": [made_from(each) for each in attributed]}


def offer_rows(
    scene: Scene, attributed: Sequence[Attributed], rows: Sequence[Mapping[str, object]], what: str, **more: object
) -> None:
    """Offer rows about some attributions as a table and as CSV.

    Args:
        scene: what was looked at.
        attributed: what the rows are about.
        rows: one a line.
        what: names them, once a page.
        more: what else they were made from.
    """
    name = export.file_name(session.view().image, scene.network.name, f"{what}.csv")
    offer_table(rows, name, made_from_all(scene, attributed) | more, what)


def passes(scene: Scene, name: str) -> float:
    """Return about how many forward-and-backward passes making an attribution costs."""
    if name in BASELINES:
        return BASELINES[name].passes(scene.network)
    method = METHODS[name]
    return 1 + method.passes(scene.network, **session.view().strategy(name).chosen)


def saliency(found: Made) -> NDArray[np.float32]:
    """Return the signed saliency map, (H, W)."""
    return found.attribution.saliency.float().cpu().numpy()


def contributions(scene: Scene, found: Made) -> Tensor:
    """Return what each pixel brings to the response, (H, W)."""
    with torch.no_grad():
        return found.attribution.contributions(scene.image)
