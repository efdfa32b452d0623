"""Lines over sites, sparsities or any other axis, as Plotly figures.

The page's theme sets backgrounds, grids and text. Lines differ by their markers, not by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from math import isfinite, isnan, log10

import plotly.graph_objects as go

from core.pathways.fidelity import Fate
from explorer.plots.bars import over_sites
from explorer.plots.layout import SYMBOLS, calm, in_percent
from explorer.plots.palette import FAINT, MARK
from explorer.plots.words import FATES

__all__ = ["Axis", "Line", "curves", "pixel_axis", "site_lines", "sparsity_lines"]

_TICKS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
_MARKS: dict[Fate, str] = {"near chance": "-open-dot", "lost": "-open"}
_MANY = 40  # points of a line above which markers are smaller


@dataclass(frozen=True)
class Line:
    """One strategy in a chart.

    Attributes:
        name: in the legend and the hover text.
        colour: of line and markers.
        y: one value per point, a share in [0, 1] if the axis is in percent; NaN is a gap.
        x: the points' sparsities; if empty, sites are counted from 0.
        fates: of the prediction at each point: the marker is hollow if it is lost, hollow with a dot if it is near
            chance; if empty, all are kept.
        quiet: a reference or a chance level: thin, dotted, without markers.
        in_legend: whether the legend names it.
        turn: its index among all lines with markers; None for the next one of those drawn.
    """

    name: str
    colour: str
    y: Sequence[float]
    x: Sequence[float] = ()
    fates: Sequence[Fate] = ()
    quiet: bool = False
    in_legend: bool = True
    turn: int | None = None

    def __post_init__(self) -> None:
        for name, values in {"x": self.x, "fates": self.fates}.items():
            if len(values) not in (0, len(self.y)):
                raise ValueError(f"{self.name} has {len(self.y)} points, but {len(values)} values in {name}.")


def site_lines(lines: Sequence[Line], sites: Sequence[str], at: int, title: str) -> go.Figure:
    """Return a share over depth, one line per strategy; the chosen site is framed.

    Args:
        lines: one share in [0, 1] per site.
        sites: their names.
        at: index of the chosen site.
        title: of the shares; the axis adds the unit.
    """
    figure = go.Figure()
    for line, symbol in zip(lines, _symbols(lines), strict=True):
        hover = "%{customdata}<br>" + line.name + ": %{y:.2f} %<extra></extra>"
        _add_line(figure, line, symbol, line.x or range(len(line.y)), in_percent(line.y), list(sites), hover)
    over_sites(figure, at, f"{title}, %", height=300)
    return figure


def sparsity_lines(
    lines: Sequence[Line],
    at: float,
    title: str,
    percent: bool,
    level: float | None = None,
    chance: float | None = None,
) -> go.Figure:
    """Return one line per strategy over sparsity, drawn over -log10(1 - sparsity); ``at`` is marked.

    If the largest ratio exceeds 20, the axis is logarithmic and leaves out values that are not above 0.

    Args:
        lines: with sparsities in [0, 1) as x.
        at: the current sparsity.
        title: of the vertical axis; if it is in percent, the axis adds the unit.
        percent: whether the values are shares, drawn in percent, or ratios.
        level: a value to compare with, as a faint horizontal line.
        chance: another value, dashed: at or below it a prediction is near chance.
    """
    logarithmic = not percent and max((v for line in lines for v in line.y if isfinite(v)), default=0) > 20
    figure = go.Figure()
    for line, symbol in zip(lines, _symbols(lines), strict=True):
        y = in_percent(line.y) if percent else [None if isnan(v) or (logarithmic and v <= 0) else v for v in line.y]
        value = "%{y:.2f} %" if percent else "%{y:.3~g}"
        hover = "%{customdata}<br>" + line.name + ": " + value + "<extra></extra>"
        _add_line(figure, line, symbol, [_stretched(s) for s in line.x], y, _sparsity_words(line), hover)
    if level is not None:
        figure.add_hline(y=100 * level if percent else level, line={"color": FAINT, "width": 1.5}, layer="below")
    if chance is not None:
        figure.add_hline(y=chance, line={"color": FAINT, "width": 1.5, "dash": "dash"}, layer="below")
    seen = {fate for line in lines for fate in line.fates}
    for fate in (fate for fate in _MARKS if fate in seen):
        hollow = {"symbol": f"circle{_MARKS[fate]}", "color": FAINT, "size": 10, "line": {"width": 2}}
        figure.add_scatter(x=[None], y=[None], mode="markers", name=f"prediction {FATES[fate]}", marker=hollow)
    _over_sparsity(figure, at, max([_TICKS[-1], at, *(s for line in lines for s in line.x)]))
    figure.update_yaxes(title=f"{title}, %" if percent else title)
    figure.update_yaxes({"type": "log", "exponentformat": "power"} if logarithmic else {"rangemode": "tozero"})
    return figure


@dataclass(frozen=True)
class Axis:
    """One axis of ``curves``.

    Attributes:
        title: with the unit, if it is not percent.
        percent: whether values are shares, drawn in percent.
        logarithmic: whether it is.
        ends: its first and last value; if empty, the data decide.
        names: of the values 0, 1, ..., if they stand for names.
    """

    title: str
    percent: bool = False
    logarithmic: bool = False
    ends: tuple[float, float] | None = None
    names: Sequence[str] = ()


def curves(lines: Sequence[Line], x: Axis, y: Axis, height: int = 320) -> go.Figure:
    """Return values over any axis, one line per attribution; lines have their own x, and NaN is a gap."""
    figure = go.Figure()
    for line, symbol in zip(lines, _symbols(lines), strict=True):
        words = [_value_words(x, v) for v in line.x]
        value = "%{y:.3~g} %" if y.percent else "%{y:.3~g}"
        hover = "%{customdata}<br>" + line.name + ": " + value + "<extra></extra>"
        _add_line(figure, line, symbol, _drawn(x, line.x), _drawn(y, line.y), words, hover)
    calm(figure, height)
    figure.update_xaxes(_axis(x))
    figure.update_yaxes(_axis(y))
    return figure


def _drawn(axis: Axis, values: Sequence[float]) -> list[float | None]:
    return in_percent(values) if axis.percent else [None if isnan(v) else v for v in values]


def _value_words(axis: Axis, value: float) -> str:
    if axis.names:
        return axis.names[round(value)]
    return f"{axis.title}: {100 * value:.4g} %" if axis.percent else f"{axis.title}: {value:,.4g}"


def _axis(axis: Axis) -> dict[str, object]:
    drawn: dict[str, object] = {"title": f"{axis.title}, %" if axis.percent else axis.title, "zeroline": False}
    if axis.logarithmic:
        drawn |= {"type": "log", "dtick": 1, "exponentformat": "power"}
    if axis.ends:
        scale = 100 if axis.percent else 1
        drawn["range"] = [log10(end) if axis.logarithmic else scale * end for end in axis.ends]
    if axis.names:
        drawn |= {"tickvals": list(range(len(axis.names))), "ticktext": list(axis.names), "tickangle": -35}
    return drawn


def _over_sparsity(figure: go.Figure, at: float, end: float) -> None:
    """Give a figure the stretched axis of sparsity, up to ``end``, with the current sparsity marked."""
    calm(figure, 340)
    figure.add_vline(
        x=_stretched(at),
        line={"color": MARK, "width": 2},
        annotation_text=f"{100 * at:.4g} %",
        annotation_position="top",
    )
    figure.update_layout(legend={"y": 1.1})
    figure.update_xaxes(
        title="sparsity: neurons off the pathway, %",
        tickvals=[_stretched(s) for s in _TICKS],
        tickangle=0,
        ticktext=[f"{100 * s:.0f}" for s in _TICKS],
        range=[-0.06, _stretched(end) + 0.06],
        zeroline=False,
    )


def _stretched(sparsity: float) -> float:
    """Return the position of a sparsity on its axis: 0 for 0, 1 for 90 %, 2 for 99 %."""
    return -log10(max(1 - sparsity, 1e-9))


def _sparsity_words(line: Line) -> list[str]:
    """Return the hover text of each point, without its value."""
    notes = ["" if fate == "kept" else f" · prediction {FATES[fate]}" for fate in line.fates] or [""] * len(line.x)
    return [f"sparsity {100 * s:.4g} %{note}" for s, note in zip(line.x, notes, strict=True)]


def _symbols(lines: Sequence[Line]) -> list[str]:
    """Return one marker per line, in turn; quiet lines have none and do not count."""
    turn = count()
    turns = [0 if line.quiet else next(turn) if line.turn is None else line.turn for line in lines]
    return [SYMBOLS[place % len(SYMBOLS)] for place in turns]


def _add_line(
    figure: go.Figure,
    line: Line,
    symbol: str,
    x: Iterable[float | None],
    y: Sequence[float | None],
    words: Sequence[str],
    hover: str,
) -> None:
    """Draw a line; if its first marker is hollow, an empty line with a full marker represents it in the legend."""
    fates = line.fates or ["kept"] * len(line.y)
    drawn = {"name": line.name, "mode": "lines" if line.quiet else "lines+markers", "connectgaps": False}
    stroke = {"color": line.colour, "width": 1.5 if line.quiet else 2, "dash": "dot" if line.quiet else "solid"}
    size = 8 if len(line.y) <= _MANY else 4
    marker = {"color": line.colour, "size": size, "symbol": symbol, "opacity": 1}
    first_hollow = not line.quiet and fates[:1] != ["kept"] and bool(fates)
    figure.add_scatter(
        **drawn,
        x=list(x),
        y=y,
        line=stroke,
        customdata=words,
        hovertemplate=hover,
        marker=marker
        | {
            "symbol": [f"{symbol}{_MARKS.get(fate, '')}" for fate in fates],
            "line": {"width": [2 if fate in _MARKS else 0 for fate in fates], "color": line.colour},
            "size": [size + 2 if fate in _MARKS else size for fate in fates],
        },
        legendgroup=len(figure.data),
        cliponaxis=False,
        showlegend=line.in_legend and not first_hollow,
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
    )
    if line.in_legend and first_hollow:
        figure.add_scatter(**drawn, x=[None], y=[None], line=stroke, marker=marker, legendgroup=len(figure.data) - 1)


def pixel_axis(order: str, end: float) -> Axis:
    """Return the axis of the share of pixels replaced, or put back, up to an end."""
    what = "pixels put back" if order == "insertion" else "pixels replaced"
    return Axis(what, percent=True, ends=(0, 1.02 * end))
