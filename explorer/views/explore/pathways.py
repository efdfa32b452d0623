"""The head of Explore: two methods' pathway gradients beside the photo, at a sparsity that one slides."""

from __future__ import annotations

import streamlit as st

from explorer import ui
from explorer.views.columns import Column, submit_columns
from explorer.views.explore.scrub import show_scrub
from explorer.views.panels import show_panels

__all__ = ["show_pathways"]


def show_pathways(page: ui.SceneContext) -> list[Column]:
    """Show the two methods side by side; return their columns."""
    st.markdown(f"## Which neurons carry *{page.target}*?")
    with st.container(key="methods"):
        ui.strategy_controls.methods()
    view = page.view
    columns = submit_columns(page, [view.strategy(method) for method in (view.first, view.second)])
    with st.container(key="sparsity", horizontal=True):
        with st.container():
            _choose_sparsity(columns)
        st.toggle("Live scrub", help="Redraws the maps while you drag.", **ui.field("scrub"))
    if view.scrub:
        show_scrub(page, columns)
    ui.controls.how_shown()
    show_panels(page, columns)
    return columns


def _choose_sparsity(columns: list[Column]) -> None:
    ui.controls.sparsity()
    for column in columns:
        if column.scored and column.scored.ranking.runs_out > 0.005:
            st.html(ui.runs_out_mark(*ui.runs_out(column.title, column.scored.ranking), column.colour))
