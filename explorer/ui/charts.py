"""The two ways pages show a chart: to look at, and to choose a site by."""

from __future__ import annotations

from dataclasses import replace

import plotly.graph_objects as go
import streamlit as st

from explorer.ui import session

__all__ = ["CALM", "show_chart", "show_site_chart"]

CALM = {"displayModeBar": False}


def show_chart(figure: go.Figure, key: str, alt: str) -> None:
    """Show a chart; ``alt`` says its numbers in words."""
    st.plotly_chart(_presented(figure), key=key, config=CALM, alt=alt)


def show_site_chart(figure: go.Figure, key: str, alt: str) -> None:
    """Show a chart with one bar per site; a click on a bar selects its site."""

    def clicked() -> None:
        points = st.session_state[key].selection.points
        if points:
            site = int(points[0]["point_index"])  # not x: bars of two methods stand beside each other
            session.change(lambda v: replace(v, site=site))

    st.plotly_chart(_presented(figure), key=key, on_select=clicked, selection_mode="points", config=CALM, alt=alt)


def _presented(figure: go.Figure) -> go.Figure:
    """Return a chart, in presenter mode a higher one for its larger letters; others may share the one given."""
    height = figure.layout.height
    return go.Figure(figure).update_layout(height=1.3 * height) if height and session.view().present else figure
