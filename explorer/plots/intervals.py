"""Charts of many images as Plotly figures: intervals around lines and bars, images one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from math import isfinite, log10

import numpy as np
import plotly.graph_objects as go

from explorer.plots.layout import calm, wrapped
from explorer.plots.palette import FAINT, rgb

__all__ = ["Ends", "Group", "Points", "banded", "interval_bars", "spread", "whiskered"]

Ends = tuple[Sequence[float], Sequence[float]]
"""The lower and the upper ends of the intervals of a line's points."""

_PATTERNS = ("", "/", "x", ".", "\\", "-")
_WIDTH = 0.82  # of all bars over one name


def banded(figure: go.Figure, ends: Sequence[Ends], *, percent: bool = False) -> go.Figure:
    """Return a figure of lines with each line's intervals shaded behind it; a point without an interval leaves a gap.

    Args:
        figure: its first traces are the lines.
        ends: of each line's points.
        percent: whether the lines are shares, drawn in percent.
    """
    lines = list(figure.data[: len(ends)])
    for line, (lows, highs) in zip(lines, ends, strict=True):
        there = [(x, low, high) for x, low, high in zip(line.x, lows, highs, strict=True) if isfinite(low + high)]
        xs, low, high = (list(values) for values in zip(*there, strict=True)) if there else ([], [], [])
        scale = 100 if percent else 1
        figure.add_scatter(
            x=xs + xs[::-1],
            y=[scale * y for y in low + high[::-1]],
            mode="lines",
            fill="toself",
            line={"width": 0},
            fillcolor=_clear(line.line.color, 0.18),
            hoverinfo="skip",
            showlegend=False,
            legendgroup=line.legendgroup,
        )
    figure.data = (*figure.data[-len(ends) :], *figure.data[: -len(ends)]) if ends else figure.data
    return figure


def whiskered(lines: Sequence[go.Scatter], ends: Sequence[Ends], *, percent: bool = False) -> None:
    """Give the points of lines their intervals as whiskers; see ``banded``."""
    scale = 100 if percent else 1
    for line, (lows, highs) in zip(lines, ends, strict=True):
        up = [None if y is None else max(0.0, scale * high - y) for y, high in zip(line.y, highs, strict=True)]
        down = [None if y is None else max(0.0, y - scale * low) for y, low in zip(line.y, lows, strict=True)]
        line.error_y = {
            "type": "data",
            "symmetric": False,
            "array": _drawn(up),
            "arrayminus": _drawn(down),
            "thickness": 1.5,
            "width": 5,
            "color": line.line.color,
        }


@dataclass(frozen=True)
class Group:
    """Bars of one kind, one per name.

    Attributes:
        name: in the legend and the hover text.
        colours: one per bar.
        values: NaN is a gap.
        ends: of their intervals, if there are any.
    """

    name: str
    colours: Sequence[str]
    values: Sequence[float]
    ends: Ends | None = None


def interval_bars(names: Sequence[str], groups: Sequence[Group], title: str) -> go.Figure:
    """Return shares as bars side by side with whiskers, the number over each; every group has its own pattern.

    Args:
        names: of the bars, from left to right.
        groups: of the bars, from left to right at each name; shares in [0, 1].
        title: of the shares; the axis adds the unit.
    """
    figure, width = go.Figure(), _WIDTH / max(1, len(groups))
    for place, (group, pattern) in enumerate(zip(groups, cycle(_PATTERNS), strict=False)):
        x = [at + (place - (len(groups) - 1) / 2) * width for at in range(len(names))]
        heights = [None if not isfinite(v) else 100 * v for v in group.values]
        tops = [
            v if group.ends is None or not isfinite(e) else e for v, e in zip(group.values, _highs(group), strict=True)
        ]
        figure.add_bar(
            x=x,
            y=heights,
            width=width * 0.9,
            name=group.name,
            legendgroup=group.name,
            showlegend=False,
            marker={"color": list(group.colours), "line": {"width": 0}, "pattern": _pattern(pattern)},
            customdata=_words(names, group),
            hovertemplate="%{customdata}<extra></extra>",
            error_y=_whiskers(group),
        )
        figure.add_scatter(
            x=x,
            y=[100 * t if isfinite(t) else None for t in tops],
            mode="text",
            textposition="top center",
            text=[_short(v) for v in group.values],
            textfont={"size": 11},
            hoverinfo="skip",
            showlegend=False,
            cliponaxis=False,
            legendgroup=group.name,
        )
        figure.add_bar(  # the legend's: in grey, since a group may have many colours
            x=[None],
            y=[None],
            name=group.name,
            legendgroup=group.name,
            showlegend=len(groups) > 1,
            marker={"color": FAINT if len(set(group.colours)) > 1 else group.colours[0], "pattern": _pattern(pattern)},
        )
    calm(figure, 300)
    places = {"tickvals": list(range(len(names))), "ticktext": [wrapped(name) for name in names]}
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(places, autotickangles=[0, -35], showgrid=False, range=[-0.5, len(names) - 0.5])
    figure.update_yaxes(title=f"{title}, %", rangemode="tozero")
    return figure


@dataclass(frozen=True)
class Points:
    """The images of one method.

    Attributes:
        name: the method's.
        colour: of its points.
        quartiles: of all its images, the median in the middle.
        values: of the images drawn, finite.
        words: one hover text per image drawn.
        keys: one per image drawn, returned by a click with the name.
    """

    name: str
    colour: str
    quartiles: tuple[float, float, float]
    values: Sequence[float]
    words: Sequence[str]
    keys: Sequence[int]


def spread(columns: Sequence[Points], title: str, *, percent: bool = False, logarithmic: bool = False) -> go.Figure:
    """Return images as points over their methods, with a frame from quartile to quartile and a line at the median.

    Points are spread sideways at random, always in the same way. On a logarithmic axis, zeros are at its lower end.

    Args:
        columns: from left to right.
        title: of the values; for shares the axis adds the unit.
        percent: whether values are shares, drawn in percent.
        logarithmic: whether the axis is.
    """
    scale, random = 100 if percent else 1, np.random.default_rng(0)
    foot = min((v for c in columns for v in c.values if v > 0), default=1.0) / 3 if logarithmic else float("-inf")
    figure = go.Figure()
    for place, column in enumerate(columns):
        shift = random.uniform(-0.27, 0.27, len(column.values)).round(3)
        figure.add_scatter(
            x=(place + shift).tolist(),
            y=[max(scale * v, foot) for v in column.values],
            mode="markers",
            name=column.name,
            showlegend=False,
            text=list(column.words),
            hovertemplate="%{text}<extra></extra>",
            customdata=[[column.name, key] for key in column.keys],
            marker={"color": column.colour, "size": 6, "opacity": 0.55},
            selected={"marker": {"opacity": 1, "size": 11}},
            unselected={"marker": {"opacity": 0.4}},
        )
    for place, column in enumerate(columns):
        _add_box(figure, place, column.colour, [max(scale * v, foot) for v in column.quartiles])
    calm(figure, 380)
    places = {"tickvals": list(range(len(columns))), "ticktext": [wrapped(column.name) for column in columns]}
    figure.update_layout(clickmode="event+select", hovermode="closest")
    figure.update_xaxes(
        places, autotickangles=[0, -35], showgrid=False, zeroline=False, range=[-0.6, len(columns) - 0.4]
    )
    figure.update_yaxes(title=f"{title}, %" if percent else title, zeroline=False)
    if logarithmic:
        figure.update_yaxes(type="log", exponentformat="power", dtick=1)
        if any(v == 0 for c in columns for v in c.values):
            figure.add_hline(y=foot, line={"color": FAINT, "width": 1, "dash": "dot"})
            figure.add_annotation(
                text="exactly 0", x=1, xref="paper", xanchor="right", y=log10(foot), yanchor="bottom", showarrow=False
            )
    return figure


def _add_box(figure: go.Figure, place: int, colour: str, quartiles: Sequence[float]) -> None:
    """Draw quartiles as a frame and the median as a line."""
    low, middle, high = quartiles
    left, right = place - 0.36, place + 0.36
    quiet = {"hoverinfo": "skip", "showlegend": False, "mode": "lines"}
    figure.add_scatter(
        x=[left, right, right, left, left],
        y=[low, low, high, high, low],
        fill="toself",
        fillcolor=_clear(colour, 0.1),
        line={"color": colour, "width": 1.5},
        **quiet,
    )
    figure.add_scatter(x=[left, right], y=[middle, middle], line={"color": colour, "width": 3.5}, **quiet)


def _pattern(shape: str) -> dict[str, str]:
    return {"shape": shape, "fillmode": "overlay"}


def _highs(group: Group) -> Sequence[float]:
    return group.ends[1] if group.ends else group.values


def _whiskers(group: Group) -> dict[str, object]:
    if group.ends is None:
        return {"visible": False}
    lows, highs = group.ends
    up = [100 * (high - v) or None for v, high in zip(group.values, highs, strict=True)]
    down = [100 * (v - low) or None for v, low in zip(group.values, lows, strict=True)]
    return {
        "type": "data",
        "symmetric": False,
        "array": _drawn(up),
        "arrayminus": _drawn(down),
        "thickness": 1.5,
        "width": 4,
        "color": FAINT,
    }


def _words(names: Sequence[str], group: Group) -> list[str]:
    lows, highs = group.ends or (group.values, group.values)
    ranges = [f", {100 * a:.2f} to {100 * b:.2f} %" if b > a else "" for a, b in zip(lows, highs, strict=True)]
    return [
        f"{name}<br>{group.name}: {100 * v:.2f} %{r}" for name, v, r in zip(names, group.values, ranges, strict=True)
    ]


def _short(share: float) -> str:
    if not isfinite(share):
        return ""
    return f"{100 * share:.0f}" if share in (0, 1) else f"{100 * share:.1f}"


def _drawn(values: Sequence[float | None]) -> list[float | None]:
    return [None if v is None or not isfinite(v) else v for v in values]


def _clear(colour: str, alpha: float) -> str:
    return f"rgba{(*rgb(colour), alpha)}"
