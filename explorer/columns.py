"""A method on a page: its answer, or its place in line."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import streamlit as st

from core.methods import METHODS
from explorer import compute, markup, palette, session
from explorer.compute import Answer, Scene, Scored
from explorer.waiting import waiting
from explorer.words import method_name

__all__ = ["Column", "find_column", "offer_start", "show_waiting"]


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
        return palette.FAMILIES[self.family]


def find_column(scene: Scene, method: str) -> Column:
    """Return the method's answer if it is there or quick to make; else it is in line, or was cancelled."""
    view = session.view()
    options = view.chosen_options(method)
    key = compute.scores_key(scene, method, options)
    if key in cancelled() and compute.RESULTS.peek(key) is None:
        scored = compute.best_so_far(scene, method, options)
    else:
        scored = compute.ask_scores(scene, method, options, session.waiter()).result
    if scored is None:
        return Column(method)
    return Column(method, scored, compute.answer(scene, scored, view.sparsity, view.off))


def cancelled() -> set[Hashable]:
    """Return the keys of the scores that this person cancelled."""
    keys: set[Hashable] = st.session_state.setdefault("cancelled", set())
    return keys


def show_waiting(scene: Scene, column: Column) -> None:
    """Show a method's progress and a way to cancel it, or, cancelled, a way to start it again."""
    options = session.view().chosen_options(column.method)
    key = compute.scores_key(scene, column.method, options)
    st.html(markup.panel_title(method_name(column.method, options), METHODS[column.method].summary, column.colour))
    if key in cancelled():
        st.info("Cancelled.")
        offer_start(key, column.method)
        return
    st.skeleton(height=210)
    waiting(
        key,
        lambda: compute.ask_scores(scene, column.method, options, session.waiter()),
        on_cancel=lambda: cancelled().add(key),
    )


def offer_start(key: Hashable, method: str) -> None:
    """Draw the button that starts cancelled work again."""
    st.button("Start it", key=f"start_{method}", on_click=lambda: cancelled().discard(key))
