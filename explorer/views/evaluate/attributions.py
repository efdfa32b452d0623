"""The attributions that the Evaluate page shows: each with its result, or its place in line."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from core.methods import METHODS
from explorer.compute import rankings
from explorer.compute.attributions import CAM, Made, baseline, if_quick, pathway_gradient, weighted
from explorer.compute.export import Provenance
from explorer.compute.jobs import ERRANDS, Status
from explorer.plots.words import percent
from explorer.ui import session
from explorer.ui.downloads import offer_table
from explorer.ui.page import PageContext, SceneContext
from explorer.ui.progress import cancelled
from explorer.views.columns import find_selection

__all__ = ["Attributed", "find_attributions", "lacking", "made", "made_from", "made_from_all", "offer_rows", "titled"]


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


def find_attributions(page: SceneContext) -> list[Attributed]:
    """Return the attributions that the view names; those not there nor quick to make are in line."""
    names = page.view.attributions
    families = [METHODS[name].family if name in METHODS else "attribution" for name in names]
    found = []
    for place, (name, colour) in enumerate(zip(names, page.theme.shades(families), strict=True)):
        find = _pathway if name in METHODS else _baseline
        found.append(find(page, name, place, colour))
    return found


def _pathway(page: SceneContext, name: str, place: int, colour: str) -> Attributed:
    view = page.view
    strategy = view.strategy(name)
    key = rankings.scores_key(page.scene, strategy)
    ask = partial(rankings.ask_scores, page.scene, strategy, session.waiter())
    selection, _ = find_selection(page.scene, strategy)
    there = pathway_gradient(page.scene, selection, view) if selection else None
    title, detail = f"{strategy.title} {percent(view.sparsity)}", f"pathway gradient, {strategy.family}"
    return Attributed(place, name, title, detail, colour, key, ask, there)


def _baseline(page: SceneContext, name: str, place: int, colour: str) -> Attributed:
    view = page.view
    key, make = baseline(page.scene, name, view)
    ask = partial(ERRANDS.ask, key, make, session.waiter())
    there = if_quick(page.scene, name, key, make)
    if there is None and key not in cancelled():
        there = ask().result
    what = "" if there is None else "gradient" if there.attribution.is_gradient else "contributions"
    if there and name == CAM:
        what = f"of {weighted(page.network, view)}"
    return Attributed(place, name, name, what, colour, key, ask, there)


def made(attributed: list[Attributed]) -> list[tuple[Attributed, Made]]:
    """Return the attributions whose results are there."""
    return [(each, each.made) for each in attributed if each.made]


def titled(found: list[tuple[Attributed, Made]]) -> list[tuple[str, Made]]:
    """Return each attribution with its title, which names its measurements."""
    return [(each.title, made) for each, made in found]


def lacking(attributed: list[Attributed]) -> str:
    """Return in words which attributions are not there; "" if all are."""
    titles = [each.title for each in attributed if not each.made]
    return f"Not there yet: {', '.join(titles)}." if titles else ""


def made_from(page: PageContext, each: Attributed) -> dict[str, object]:
    """Return the provenance of an attribution."""
    view = page.view
    facts = {"attribution": each.name, "seconds": round(each.made.seconds, 4) if each.made else None}
    own: dict[str, object] = {**view.cam} if each.name == CAM else {}
    if each.name in METHODS:
        own = {"options": view.strategy(each.name).chosen, "sparsity": view.sparsity}
    return facts | own


def made_from_all(page: SceneContext, attributed: Sequence[Attributed]) -> Provenance:
    """Return the provenance of an evaluation."""
    return page.made_from() | {"attributions": [made_from(page, each) for each in attributed]}


def offer_rows(
    page: SceneContext,
    attributed: Sequence[Attributed],
    rows: Sequence[Mapping[str, object]],
    what: str,
    **more: object,
) -> None:
    """Offer rows about some attributions as a table and as CSV.

    Args:
        page: where they stand.
        attributed: the attributions that the rows are about.
        rows: the table's lines.
        what: names them, and is used once per page.
        more: further provenance.
    """
    offer_table(rows, (made_from_all(page, attributed) | more).about(what), what)
