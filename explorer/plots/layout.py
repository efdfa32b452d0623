"""The layout of all charts: fixed axes without a toolbar, shares in percent, text that Plotly does not read as HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from math import isnan
from typing import Any

import plotly.graph_objects as go

from explorer.plots.palette import MARK

__all__ = ["SYMBOLS", "calm", "calm_layout", "in_percent", "literal", "percent_text", "shaded", "wrapped"]

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "pentagon")


def shaded(figure: go.Figure, end: float | None, name: str) -> go.Figure:
    """Return a figure with a logarithmic horizontal axis, shaded up to a value; unchanged for None and 0."""
    if end:
        figure.add_vrect(
            x0=min([end, *(x for trace in figure.data for x in trace.x if x)]),
            x1=end,
            fillcolor=MARK,
            opacity=0.12,
            line_width=0,
            layer="below",
            annotation_text=name,
            annotation_position="top left",
        )
    return figure


def calm(figure: go.Figure, height: int) -> None:
    """Give a figure its height, margins and legend, and turn off dragging and zooming."""
    figure.update_layout(calm_layout(height))


def calm_layout(height: int) -> dict[str, Any]:
    """Return the layout that ``calm`` gives a figure."""
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "dragmode": False,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": {"fixedrange": True},
        "yaxis": {"fixedrange": True},
    }


def in_percent(shares: Sequence[float]) -> list[float | None]:
    """Return shares in percent, None for NaN, which Plotly draws as a gap."""
    return [None if isnan(share) else 100 * share for share in shares]


def percent_text(share: float) -> str:
    """Return a share in percent; a share other than 0 or 1 is never rounded to 0 or 100 %."""
    text = f"{100 * share:.1f} %"
    if share > 0 and text == "0.0 %":
        return "< 0.1 %"
    return "> 99.9 %" if share < 1 and text == "100.0 %" else text


def literal(text: str) -> str:
    """Return text escaped, so that a chart shows it as it is: charts interpret some HTML."""
    return escape(text, quote=False)


def wrapped(name: str) -> str:
    """Return a name in at most three short lines."""
    return "<br>".join(map(literal, textwrap.wrap(name, 16, max_lines=3, placeholder=" …")))
