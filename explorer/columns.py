"""A method on a page: its answer, or its place in line."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.methods import METHODS
from explorer import compute, figures, markup, session
from explorer.compute import Answer, Scene, Scored
from explorer.waiting import waiting
from explorer.words import method_name

__all__ = ["Column", "find_column", "show_waiting"]


@dataclass(frozen=True)
class Column:
    """A method with its answer; neither while it is still in line."""

    method: str
    scored: Scored | None = None
    answer: Answer | None = None

    @property
    def family(self) -> str:
        """Return the method's family."""
        return METHODS[self.method].family

    @property
    def colour(self) -> str:
        """Return the family's colour."""
        return figures.FAMILY_COLOURS[self.family]


def find_column(scene: Scene, method: str) -> Column:
    """Return the method's answer if it is there or quick to make; else it is in line, or was cancelled."""
    view = session.view()
    options = view.chosen_options(method)
    key = compute.scores_key(scene, method, options)
    if key in st.session_state.setdefault("cancelled", set()) and compute.RESULTS.peek(key) is None:
        return Column(method)
    status = compute.ask_scores(scene, method, options, session.waiter())
    if status.state != "done":
        return Column(method)
    return Column(method, status.result, compute.answer(scene, status.result, view.sparsity, view.off))


def show_waiting(scene: Scene, column: Column) -> None:
    """Show a method's progress and a way to cancel it, or, cancelled, a way to start it again."""
    options = session.view().chosen_options(column.method)
    key = compute.scores_key(scene, column.method, options)
    cancelled = st.session_state["cancelled"]
    st.html(markup.panel_title(method_name(column.method, options), METHODS[column.method].summary, column.colour))
    if key in cancelled:
        st.info("Cancelled.")
        st.button("Start it", key=f"start_{column.method}", on_click=lambda: cancelled.discard(key))
        return
    st.skeleton(height=210)
    waiting(
        key,
        lambda: compute.ask_scores(scene, column.method, options, session.waiter()),
        on_cancel=lambda: cancelled.add(key),
    )
