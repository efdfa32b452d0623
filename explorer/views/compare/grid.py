"""The columns of a comparison: a question to start from, each strategy's choice, picture and numbers."""

from __future__ import annotations

import streamlit as st

from explorer import ui
from explorer.compute import comparison, export
from explorer.plots import plain
from explorer.views.columns import Column, lacking, offer_rows, selections, submit_columns
from explorer.views.compare.presets import PRESETS, Findings, asked
from explorer.views.panels import scales_of, show_column

__all__ = ["show_strategies"]

IN_A_ROW = 4


def show_strategies(page: ui.SceneContext) -> list[Column]:
    """Show the strategies side by side; return their columns."""
    st.markdown(f"## Do strategies agree on what carries *{page.target}*?")
    _show_presets(page)
    columns = submit_columns(page, page.view.columns)
    ui.controls.sparsity()
    ui.controls.how_shown()
    _show_answer_to_preset(page, columns)
    _show_grid(page, columns)
    return columns


def _show_presets(page: ui.PageContext) -> None:
    """Draw the questions, each a click."""
    current = asked(page.view)
    with st.container(horizontal=True, gap="small", key="presets"):
        for place, preset in enumerate(PRESETS):
            st.button(
                preset.question,
                key=f"preset_{place}",
                type="primary" if preset is current else "secondary",
                on_click=lambda preset=preset: ui.session.change(preset.ask),
            )


def _show_answer_to_preset(page: ui.SceneContext, columns: list[Column]) -> None:
    """Answer the question that was clicked, once the strategies it needs are there."""
    preset = asked(page.view)
    if preset is None:
        return
    needed = [column for column in columns if column.strategy.name in preset.needs]
    missing = lacking(needed)
    if missing:
        st.info(f"**{preset.question}** The answer needs what is not there yet. {missing}")
        return
    table = comparison.members(page.scene, selections(needed), page.view.sparsity)
    answers = {column.strategy.name: column.answer for column in needed if column.answer}
    places = {column.strategy.name: place for place, column in enumerate(needed)}
    found = Findings(page.scene, table, places, answers, page.view.off)
    st.info(f"**{preset.question}** {plain(preset.answer(found))}")


def _show_grid(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show the columns, four in a row, or three where they are more: its choice, then its picture and numbers."""
    scales = scales_of(page, columns)
    with st.container(key="panels"):
        for place, column in ui.in_rows(columns, IN_A_ROW if len(columns) <= IN_A_ROW else 3):
            with place:
                ui.strategy_controls.column(column.place)
                show_column(page, column, scales.get(column.place), top=3)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        ui.strategy_controls.more_columns()
        rows = [export.row(c.selection, c.answer) for c in columns if c.selection and c.answer]
        if rows:
            offer_rows(page, columns, rows, "strategies")
