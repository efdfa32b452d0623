"""Charts and mosaics on a page, and items in rows of equal width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import plotly.graph_objects as go
import streamlit as st

from core.network import Site
from explorer.plots import figures
from explorer.ui import components, navigation, session

if TYPE_CHECKING:
    from explorer.ui.streamlit_compat import Place

__all__ = ["CALM", "in_rows", "show_chart", "show_mosaic", "show_site_chart"]

Item = TypeVar("Item")

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


def show_mosaic(file: bytes, site: Site, alt: str, key: str) -> None:
    """Show a mosaic of a site, a PNG file; a click on a cell opens its neuron on a page of its own."""

    def picked(across: int, down: int) -> None:
        place = figures.mosaic_neuron(site.planes, across, down)
        if place is None:
            session.change(lambda v: v)
            return
        navigation.open_neuron((site.index, site.position(*place)))

    components.mask_picker(
        figures.data_url(file),
        alt,
        figures.mosaic_cells(site.planes),
        figures.mosaic_grid(site.planes),
        key,
        on_picked=picked,
    )


def in_rows(items: Sequence[Item], width: int = 4) -> Iterator[tuple[Place, Item]]:
    """Yield each item with the place it is drawn at, ``width`` of them in a row."""
    for start in range(0, len(items), width):
        yield from zip(st.columns(width), items[start : start + width], strict=False)
