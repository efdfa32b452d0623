"""A strategy on a page: its answer, or its place in line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from explorer import compute, export, markup, palette, session
from explorer.answers import Answer, Scene, Scored, Selection
from explorer.downloads import offer_table
from explorer.strategies import Strategy
from explorer.waiting import cancelled, wait

__all__ = ["Column", "find_columns", "made_from_all", "offer_rows", "selections", "show_waiting"]


@dataclass(frozen=True)
class Column:
    """A strategy with its answer; without, while it is still in line.

    Attributes:
        place: among the page's columns, from 0.
        strategy: what is shown.
        colour: its own, on this page.
        selection, answer: what it chose, and what that does; None while it is in line.
    """

    place: int
    strategy: Strategy
    colour: str
    selection: Selection | None = None
    answer: Answer | None = None

    @property
    def label(self) -> str:
        """Return its number and title: titles may repeat."""
        return f"{self.place + 1} {self.strategy.title}"

    @property
    def scored(self) -> Scored | None:
        """Return its ranking, None for a reference or while it is in line."""
        return self.selection if isinstance(self.selection, Scored) else None


def find_columns(scene: Scene, strategies: Sequence[Strategy]) -> list[Column]:
    """Return a column for each strategy; those not there nor quick to make are in line, or were cancelled."""
    colours = palette.shades([strategy.family for strategy in strategies])
    return [_find(scene, *column) for column in zip(range(len(strategies)), strategies, colours, strict=True)]


def _find(scene: Scene, place: int, strategy: Strategy, colour: str) -> Column:
    view, key = session.view(), compute.scores_key(scene, strategy)
    selection: Selection | None
    if key in cancelled() and compute.RESULTS.peek(key) is None:
        selection = compute.best_so_far(scene, strategy)
    else:
        selection = compute.ask_scores(scene, strategy, session.waiter()).result
    if selection is None:
        return Column(place, strategy, colour)
    return Column(place, strategy, colour, selection, compute.answer(scene, selection, view.sparsity, view.off))


def selections(columns: Sequence[Column]) -> list[Selection]:
    """Return what the columns chose, without those in line."""
    return [column.selection for column in columns if column.selection]


def made_from_all(scene: Scene, columns: Sequence[Column], sparsity: float | None = None) -> dict[str, object]:
    """Return what was compared, for the files that are taken away; see ``export.provenance_of_all``."""
    answered = [(c.selection, c.answer) for c in columns if c.selection and c.answer]
    return export.provenance_of_all(scene, session.view(), answered, sparsity)


def offer_rows(scene: Scene, columns: Sequence[Column], rows: Sequence[Mapping[str, object]], what: str) -> None:
    """Offer rows about some columns as a table and as CSV; ``what`` names them, once a page."""
    name = export.file_name(session.view().image, scene.network.name, f"{what}.csv")
    offer_table(rows, name, made_from_all(scene, columns), what)


def show_waiting(scene: Scene, column: Column) -> None:
    """Show a method's progress and a way to cancel it, or, cancelled, a way to start it again."""
    strategy = column.strategy
    st.html(markup.panel_title(strategy.title, strategy.summary, column.colour))
    key = compute.scores_key(scene, strategy)
    if key not in cancelled():
        st.skeleton(height=210)
    wait(key, lambda: compute.ask_scores(scene, strategy, session.waiter()), name=f"column_{column.place}")
