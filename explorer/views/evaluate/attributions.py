"""The attributions that the Evaluate page shows: each with its result, or its place in line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.methods import METHODS
from explorer import ui
from explorer.compute import CAM, Made, Provenance, Ticket, baseline_task, pathway_gradient, ready_baseline, weighted
from explorer.plots import percent
from explorer.views.columns import submit_scores

__all__ = ["Attributed", "lacking", "made", "made_from", "made_from_all", "offer_rows", "submit_attributions", "titled"]


@dataclass(frozen=True)
class Attributed:
    """One method's attribution of a scene, or its place in line.

    Attributes:
        place: among those shown, from 0.
        name: of the method.
        title: the name, and for a pathway its sparsity.
        detail: what its values are.
        colour: its own, on this page.
        ticket: where the work for it stands.
        made: None while it is in line, cancelled or failed.
    """

    place: int
    name: str
    title: str
    detail: str
    colour: str
    ticket: Ticket[Any]
    made: Made | None


def submit_attributions(page: ui.SceneContext) -> list[Attributed]:
    """Return the attributions that the view names; those not there nor quick to make are in line."""
    names = page.view.attributions
    families = [METHODS[name].family if name in METHODS else "attribution" for name in names]
    found = []
    for place, (name, colour) in enumerate(zip(names, page.theme.shades(families), strict=True)):
        submit_one = _submit_pathway if name in METHODS else _submit_baseline
        found.append(submit_one(page, name, place, colour))
    return found


def _submit_pathway(page: ui.SceneContext, name: str, place: int, colour: str) -> Attributed:
    view = page.view
    strategy = view.strategy(name)
    ticket = submit_scores(page.scene, strategy)
    there = pathway_gradient(page.scene, ticket.result, view) if ticket.result else None
    title, detail = f"{strategy.title} {percent(view.sparsity)}", f"pathway gradient, {strategy.family}"
    return Attributed(place, name, title, detail, colour, ticket, there)


def _submit_baseline(page: ui.SceneContext, name: str, place: int, colour: str) -> Attributed:
    view = page.view
    task = baseline_task(page.scene, name, view)
    ready = ready_baseline(page.scene, name, task)
    ticket = Ticket(task, "ready", ready) if ready else ui.submit(task)
    there = ticket.result
    what = "" if there is None else "gradient" if there.attribution.is_gradient else "contributions"
    if there and name == CAM:
        what = f"of {weighted(page.network, view)}"
    return Attributed(place, name, name, what, colour, ticket, there)


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


def made_from(page: ui.PageContext, each: Attributed) -> dict[str, object]:
    """Return the provenance of an attribution."""
    view = page.view
    facts = {"attribution": each.name, "seconds": round(each.made.seconds, 4) if each.made else None}
    own: dict[str, object] = {**view.cam} if each.name == CAM else {}
    if each.name in METHODS:
        own = {"options": view.strategy(each.name).chosen, "sparsity": view.sparsity}
    return facts | own


def made_from_all(page: ui.SceneContext, attributed: Sequence[Attributed]) -> Provenance:
    """Return the provenance of an evaluation."""
    return page.made_from() | {"attributions": [made_from(page, each) for each in attributed]}


def offer_rows(
    page: ui.SceneContext,
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
    ui.offer_table(rows, (made_from_all(page, attributed) | more).about(what), what)
