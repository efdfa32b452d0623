"""Columns: the strategies on a page, each with its answer or its place in line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from core.strategy import Strategy
from explorer import ui
from explorer.compute import (
    Answer,
    Provenance,
    Scene,
    Scored,
    Selection,
    State,
    Ticket,
    export,
    rankings,
    restriction,
    scene_again,
    task_queue,
)

__all__ = [
    "Column",
    "Shown",
    "again",
    "lacking",
    "made_from_all",
    "offer_rows",
    "ready",
    "selections",
    "show_waiting",
    "submit_columns",
    "submit_scores",
    "there",
]


@dataclass(frozen=True)
class Column:
    """A strategy with its answer, which is missing while it is still in line.

    Attributes:
        place: among the page's columns, from 0.
        strategy: what is shown.
        title: its name, different from every other column's; says if a result is not complete.
        colour: its own, on this page.
        selection, answer: what it chose, and what that does; None while it is not there.
        state: where its selection stands.
    """

    place: int
    strategy: Strategy
    title: str
    colour: str
    selection: Selection | None = None
    answer: Answer | None = None
    state: State = "ready"

    @property
    def scored(self) -> Scored | None:
        """Return its ranking, None for a reference or while it is in line."""
        return self.selection if isinstance(self.selection, Scored) else None


@dataclass(frozen=True)
class Shown:
    """A column whose answer is there."""

    strategy: Strategy
    title: str
    colour: str
    selection: Selection
    answer: Answer


def submit_columns(page: ui.SceneContext, strategies: Sequence[Strategy]) -> list[Column]:
    """Return a column for each strategy; those not there nor quick to make are in line, or were cancelled."""
    colours = page.theme.shades([strategy.family for strategy in strategies])
    return [_submit(page, strategies, place, colour) for place, colour in enumerate(colours)]


def _submit(page: ui.SceneContext, strategies: Sequence[Strategy], place: int, colour: str) -> Column:
    view, strategy = page.view, strategies[place]
    title = strategy.title if strategies.count(strategy) == 1 else f"{strategy.title} · {place + 1}"
    selection, state = _submit_selection(page.scene, strategy)
    if selection is None:
        return Column(place, strategy, title, colour, state=state)
    title += "" if selection.complete else " (stopped early)"
    return Column(
        place, strategy, title, colour, selection, restriction.answer(page.scene, selection, view.sparsity, view.off)
    )


def _submit_selection(scene: Scene, strategy: Strategy) -> tuple[Selection | None, State]:
    """Return a strategy's selection, or the best that a cancelled one had found, and where it stands."""
    if strategy.method is None:
        return rankings.reference(scene, strategy), "ready"
    ticket = submit_scores(scene, strategy)
    best = task_queue.QUEUE.best(rankings.scores_task(scene, strategy)) if ticket.state == "cancelled" else None
    return best or ticket.result, ticket.state


def submit_scores(scene: Scene, strategy: Strategy) -> Ticket[Scored | None]:
    """Return where a method's ranking stands: it is there, or in line unless this person cancelled it."""
    task, ready = rankings.scores_task(scene, strategy), rankings.ready_scores(scene, strategy)
    return Ticket(task, "ready", ready) if ready else ui.submit(task)


def lacking(columns: Sequence[Column]) -> str:
    """Return in words which columns are not there, and why; "" if all are."""
    words = dict.fromkeys(("queued", "running"), "is still in line")
    words |= {"cancelled": "was cancelled", "failed": "could not be made"}
    said = [f"{column.title} {words[column.state]}" for column in columns if column.state in words]
    return f"{'; '.join(said)}." if said else ""


def there(columns: Sequence[Column]) -> list[Column]:
    """Return the columns that are not in line, cancelled or failed."""
    return [column for column in columns if column.selection]


def ready(columns: Iterable[Column]) -> list[Shown]:
    """Return the columns whose answers are there, with selection and answer."""
    return [Shown(c.strategy, c.title, c.colour, c.selection, c.answer) for c in columns if c.selection and c.answer]


def selections(columns: Sequence[Column]) -> list[Selection]:
    """Return the selections of the columns that are there."""
    return [column.selection for column in columns if column.selection]


def again(scene: Scene, columns: Sequence[Column]) -> Callable[[], tuple[Scene, list[Column]]]:
    """Return a function that finds a scene and its columns again; see ``scene.scene_again``."""
    find = scene_again(scene)
    rest = [replace(column, selection=None) for column in columns]
    choose = [rankings.selection_again(column.selection) if column.selection else None for column in columns]

    def found() -> tuple[Scene, list[Column]]:
        scene = find()
        pairs = zip(rest, choose, strict=True)
        return scene, [replace(column, selection=chosen(scene)) if chosen else column for column, chosen in pairs]

    return found


def made_from_all(page: ui.SceneContext, columns: Sequence[Column], *, answered: bool = True) -> Provenance:
    """Return the provenance of a comparison; ``answered`` adds each column's answer at the sparsity."""
    made = [(c.selection, c.answer if answered else None) for c in columns if c.selection]
    return export.provenance_of_all(page.scene, page.view, made)


def offer_rows(
    page: ui.SceneContext,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, object]],
    what: str,
    *,
    answered: bool = True,
) -> None:
    """Offer rows about some columns as a table and as CSV; ``what`` names them, and is used once per page."""
    ui.offer_table(rows, made_from_all(page, columns, answered=answered).about(what), what)


def show_waiting(scene: Scene, column: Column) -> None:
    """Show a method's progress and a way to cancel it, or, cancelled, a way to start it again."""
    strategy = column.strategy
    st.html(ui.panel_title(column.title, strategy.summary, column.colour))
    if column.state in ("queued", "running"):
        st.skeleton(height=210)
    ui.show_progress(submit_scores(scene, strategy), f"column_{column.place}")
