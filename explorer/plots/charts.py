"""Charts: what has axes, as Plotly figures; numbers in, figure out; knows neither Streamlit nor torch.

The theme of the page draws grounds, grids and text. Nothing is told by colour alone: lines differ by their markers,
bars by their patterns, cells carry their number.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count, cycle
from math import inf, isfinite, isnan, log10
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import sample_colorscale

from core.pathways.fidelity import Fate
from explorer.plots.palette import FAINT, MARK, legible, ramp
from explorer.plots.words import FATES

__all__ = [
    "Axis",
    "Line",
    "bars_beside",
    "bars_with_level",
    "calm",
    "curves",
    "dots",
    "layer_strip",
    "literal",
    "membership_bars",
    "overlap_matrix",
    "pixel_axis",
    "shaded",
    "site_lines",
    "sparsity_lines",
    "wrapped",
]

Floats = NDArray[np.floating]

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "pentagon")
_TICKS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
_MARKS: dict[Fate, str] = {"near chance": "-open-dot", "lost": "-open"}
_MANY = 40  # points of a line; more have smaller markers


@dataclass(frozen=True)
class Line:
    """One strategy in a chart.

    Attributes:
        name: in the legend and the hover text.
        colour: of line and markers.
        y: one value a point, a share in [0, 1] where the axis is in percent; NaN is a gap.
        x: the points' sparsities; none counts the sites from 0.
        fates: what became of the prediction at each point: its marker is hollow where that is lost, hollow with a dot
            where it is near chance; none means kept by all.
        quiet: a reference or a chance level: thin, dotted, without markers.
        in_legend: whether the legend names it.
        turn: its place among all that have markers; None is the next one of those drawn.
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


def layer_strip(
    shares: Mapping[str, Sequence[float]], colours: Sequence[str], names: Sequence[str], at: int
) -> go.Figure:
    """Return the share of neurons on the pathway at every site, in order, one bar a method; the chosen site is framed.

    Args:
        shares: per method, one share in [0, 1] a site.
        colours: one a method.
        names: of the sites.
        at: index of the chosen site.
    """
    figure = go.Figure()
    for (method, values), colour, pattern in zip(shares.items(), colours, ("", "/"), strict=False):
        _add_site_bars(figure, method, values, colour, pattern, names, "kept")
    _over_sites(figure, at, "neurons kept, %", height=230, bargap=0.18, bargroupgap=0.0, barmode="group")
    return figure


def site_lines(lines: Sequence[Line], sites: Sequence[str], at: int, title: str) -> go.Figure:
    """Return a share over depth, one line a strategy; the chosen site is framed.

    Args:
        lines: one share in [0, 1] a site.
        sites: their names.
        at: index of the chosen site.
        title: what the shares are of; the axis adds the unit.
    """
    figure = go.Figure()
    for line, symbol in zip(lines, _symbols(lines), strict=True):
        hover = "%{customdata}<br>" + line.name + ": %{y:.2f} %<extra></extra>"
        _add_line(figure, line, symbol, line.x or range(len(line.y)), _percents(line.y), list(sites), hover)
    _over_sites(figure, at, f"{title}, %", height=300)
    return figure


def sparsity_lines(
    lines: Sequence[Line],
    at: float,
    title: str,
    percent: bool,
    level: float | None = None,
    chance: float | None = None,
) -> go.Figure:
    """Return what changes with sparsity, one line a strategy, drawn over -log10(1 - sparsity); ``at`` is marked.

    A ratio whose largest value exceeds 20 has a logarithmic axis, which leaves out what is not above 0.

    Args:
        lines: with sparsities in [0, 1) as x.
        at: the current sparsity.
        title: of the vertical axis; where it is in percent the axis adds the unit.
        percent: whether the values are shares, drawn in percent, or ratios.
        level: a value to compare with, as a faint horizontal line.
        chance: another one, dashed: at or below it a prediction is near chance.
    """
    logarithmic = not percent and max((v for line in lines for v in line.y if isfinite(v)), default=0) > 20
    figure = go.Figure()
    for line, symbol in zip(lines, _symbols(lines), strict=True):
        y = _percents(line.y) if percent else [None if isnan(v) or (logarithmic and v <= 0) else v for v in line.y]
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
        ends: where it begins and ends, in its values; none leaves that to them.
        names: of the values 0, 1, ..., where they stand for names.
    """

    title: str
    percent: bool = False
    logarithmic: bool = False
    ends: tuple[float, float] | None = None
    names: Sequence[str] = ()


def curves(lines: Sequence[Line], x: Axis, y: Axis, height: int = 320) -> go.Figure:
    """Return values over anything, one line an attribution; lines have their x, and NaN is a gap."""
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
    return _percents(values) if axis.percent else [None if isnan(v) else v for v in values]


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


def overlap_matrix(names: Sequence[str], overlaps: Floats, chances: Floats, dark: bool) -> go.Figure:
    """Return the overlaps of all pairs of strategies with their chance levels, as the triangle below the diagonal.

    Args:
        names: of the strategies; they may repeat.
        overlaps: (n, n), each in [0, 1] or NaN, which is drawn as a gap; only what is below the diagonal is read.
        chances: (n, n), what two independent pathways of the same sizes would have.
        dark: whether the page is.
    """
    narrow = len(names) > 4
    pairs = [(i, j) for i in range(1, len(names)) for j in range(i)]
    cells = np.full((max(0, len(names) - 1),) * 2, np.nan)
    for i, j in pairs:
        cells[i - 1, j] = overlaps[i, j]
    words = [[_overlap_words(names, overlaps, chances, i + 1, j) for j in range(len(cells))] for i in range(len(cells))]
    figure = go.Figure()
    figure.add_heatmap(
        z=cells, zmin=0, zmax=1, colorscale=ramp(dark), showscale=False, xgap=2, ygap=2,
        hoverongaps=False, hovertext=words, hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip
    for i, j in pairs:
        _add_cell_text(figure, j, i - 1, float(overlaps[i, j]), float(chances[i, j]), narrow, dark)
    calm(figure, 80 + (72 if narrow else 60) * len(cells))
    between = {"tickvals": list(range(len(cells))), "ticks": "", "showgrid": False, "zeroline": False}
    figure.update_xaxes(between, ticktext=[wrapped(name) for name in names[:-1]], autotickangles=[0, -35])
    figure.update_yaxes(between, ticktext=[wrapped(name) for name in names[1:]], autorange="reversed")
    return figure


def membership_bars(
    parts: Mapping[str, Sequence[float]], colours: Sequence[str], sites: Sequence[str], at: int
) -> go.Figure:
    """Return which share of every site's neurons is on one pathway, on both, or on the other, stacked.

    It has no legend: the page's own says also how many they are.

    Args:
        parts: per part, one share in [0, 1] a site, from the bottom up.
        colours: one a part.
        sites: their names.
        at: index of the chosen site, which is framed.
    """
    figure = go.Figure()
    for (part, values), colour, pattern in zip(parts.items(), colours, cycle(("", "x", "/")), strict=False):
        _add_site_bars(figure, part, values, colour, pattern, sites, "of the site's neurons")
    _over_sites(figure, at, "neurons of the site, %", height=260, bargap=0.18, barmode="stack", showlegend=False)
    return figure


def bars_beside(
    names: Sequence[str], groups: Mapping[str, Sequence[float | None]], colours: Sequence[str], title: str
) -> go.Figure:
    """Return shares side by side, such as the paper's and ours, with the number over each bar.

    Args:
        names: what is compared, from left to right; they may repeat.
        groups: per group, one share in [0, 1] a name; None and NaN are gaps.
        colours: one a group.
        title: what the shares are of; the axis adds the unit.
    """
    figure = go.Figure()
    for (group, values), colour, pattern in zip(groups.items(), colours, cycle(("", "/", "x")), strict=False):
        shares = [float("nan") if v is None else v for v in values]
        figure.add_bar(
            x=list(range(len(names))), y=_percents(shares), name=group, customdata=list(names),
            text=["" if isnan(v) else _percent(v).removesuffix(" %") for v in shares],
            textposition="outside", textangle=0, textfont={"size": 11}, constraintext="none", cliponaxis=False,
            marker=_bar(colour, pattern),
            hovertemplate="%{customdata}<br>" + group + ": %{y:.2f} %<extra></extra>",
        )  # fmt: skip
    calm(figure, 260)
    figure.update_layout(barmode="group", bargap=0.3, bargroupgap=0.06)
    places = {"tickvals": list(range(len(names))), "ticktext": [wrapped(name) for name in names]}
    figure.update_xaxes(places, autotickangles=[0, -35], showgrid=False)
    figure.update_yaxes(title=f"{title}, %", rangemode="tozero")
    return figure


def bars_with_level(
    names: Sequence[str], shares: Sequence[float], colours: Sequence[str], level: float, title: str
) -> go.Figure:
    """Return one bar a name, with its number over it and a level to compare with; NaN is a gap."""
    figure = go.Figure()
    figure.add_bar(
        x=list(range(len(names))), y=_percents(shares), customdata=list(names), showlegend=False,
        text=["" if isnan(v) else _percent(v) for v in shares], textposition="outside", cliponaxis=False,
        marker={"color": list(colours), "line": {"width": 0}},
        hovertemplate="%{customdata}: %{y:.2f} %<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[-0.5, len(names) - 0.5], y=[100 * level] * 2, mode="lines", name=f"chance, {_percent(level)}",
        line={"color": MARK, "width": 2, "dash": "dot"}, hoverinfo="skip",
    )  # fmt: skip
    calm(figure, 300)
    figure.update_layout(showlegend=True)
    places = {"tickvals": list(range(len(names))), "ticktext": [wrapped(name) for name in names]}
    figure.update_xaxes(places, autotickangles=[0, -35], showgrid=False)
    figure.update_yaxes(title=f"{title}, %", rangemode="tozero")
    return figure


def dots(names: Sequence[str], groups: Mapping[str, Sequence[float]], colours: Sequence[str], title: str) -> go.Figure:
    """Return lengths on one logarithmic axis, a row a name, a marker a group.

    A length of 0 stands at the axis's left edge, an infinite one at its right; both are named there.

    Args:
        names: of the rows, from the top; they may repeat.
        groups: per group, one length a name, >= 0.
        colours: one a name.
        title: of the axis.
    """
    lengths = [v for values in groups.values() for v in values if 0 < v < inf]
    low, high = (min(lengths) / 10, max(lengths) * 10) if lengths else (1e-9, 1.0)
    figure = go.Figure()
    for (group, values), symbol in zip(groups.items(), _SYMBOLS, strict=False):
        words = [f"{name}, {group}: {v:.3g}" for name, v in zip(names, values, strict=True)]
        figure.add_scatter(
            x=[min(max(v, low), high) for v in values], y=list(range(len(names))), mode="markers+text", name=group,
            text=["0, a tie" if v == 0 else "never" if v == inf else "" for v in values], textposition="top center",
            marker={"color": list(colours), "symbol": symbol, "size": 13, "line": {"width": 1, "color": "white"}},
            customdata=words, hovertemplate="%{customdata}<extra></extra>",
        )  # fmt: skip
    calm(figure, 90 + 46 * len(names))
    rows = {"tickvals": list(range(len(names))), "ticktext": [wrapped(name) for name in names]}
    figure.update_xaxes(type="log", title=title, dtick=1, exponentformat="power", range=[log10(low), log10(high)])
    figure.update_yaxes(rows, range=[len(names) - 0.4, -0.6], zeroline=False)
    return figure


def shaded(figure: go.Figure, end: float | None, name: str) -> go.Figure:
    """Return a figure of a logarithmic horizontal axis with all up to a value shaded; unchanged for None and 0."""
    if end:
        figure.add_vrect(
            x0=min([end, *(x for trace in figure.data for x in trace.x if x)]), x1=end, fillcolor=MARK, opacity=0.12,
            line_width=0, layer="below", annotation_text=name, annotation_position="top left",
        )  # fmt: skip
    return figure


def calm(figure: go.Figure, height: int) -> None:
    """Give a figure its height, margins and legend, and let nothing in it move under the hand."""
    figure.update_layout(_calm(height))


def _calm(height: int) -> dict[str, Any]:
    return {
        "height": height, "margin": {"l": 8, "r": 8, "t": 8, "b": 8}, "dragmode": False,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": {"fixedrange": True}, "yaxis": {"fixedrange": True},
    }  # fmt: skip


def _over_sites(figure: go.Figure, at: int, title: str, *, height: int, **layout: Any) -> None:
    """The horizontal axis of all sites, in which one can be clicked; the chosen one framed.

    All in one go: it is drawn at each move of the slider, and plotly looks everything through at each call.
    """
    both = _calm(height)
    both["xaxis"] |= {
        "title": "site, from image to logits", "tickmode": "auto", "nticks": 14, "showgrid": False, "zeroline": False,
    }  # fmt: skip
    both["yaxis"] |= {"title": title, "rangemode": "tozero"}
    frame = {
        "type": "rect", "xref": "x", "yref": "y domain", "x0": at - 0.5, "x1": at + 0.5, "y0": 0, "y1": 1,
        "line": {"color": MARK, "width": 2}, "fillcolor": "rgba(232,56,79,.08)",
    }  # fmt: skip
    figure.update_layout({**both, "shapes": [frame], "clickmode": "event+select", **layout})


def _over_sparsity(figure: go.Figure, at: float, end: float) -> None:
    """The stretched axis of sparsity, up to ``end``, with the current one marked."""
    calm(figure, 340)
    figure.add_vline(
        x=_stretched(at), line={"color": MARK, "width": 2}, annotation_text=f"{100 * at:.4g} %",
        annotation_position="top",
    )  # fmt: skip
    figure.update_layout(legend={"y": 1.1})
    figure.update_xaxes(
        title="sparsity: neurons off the pathway, %", tickvals=[_stretched(s) for s in _TICKS], tickangle=0,
        ticktext=[f"{100 * s:.0f}" for s in _TICKS], range=[-0.06, _stretched(end) + 0.06], zeroline=False,
    )  # fmt: skip


def _stretched(sparsity: float) -> float:
    """Where a sparsity lies on its axis: 0 at 0, 1 at 90 %, 2 at 99 %."""
    return -log10(max(1 - sparsity, 1e-9))


def _sparsity_words(line: Line) -> list[str]:
    """What the hover text says of each point beside its value."""
    notes = ["" if fate == "kept" else f" · prediction {FATES[fate]}" for fate in line.fates] or [""] * len(line.x)
    return [f"sparsity {100 * s:.4g} %{note}" for s, note in zip(line.x, notes, strict=True)]


def _symbols(lines: Sequence[Line]) -> list[str]:
    """One marker a line, in turn; quiet lines have none and use none up."""
    turn = count()
    turns = [0 if line.quiet else next(turn) if line.turn is None else line.turn for line in lines]
    return [_SYMBOLS[place % len(_SYMBOLS)] for place in turns]


def _add_line(
    figure: go.Figure,
    line: Line,
    symbol: str,
    x: Iterable[float | None],
    y: Sequence[float | None],
    words: Sequence[str],
    hover: str,
) -> None:
    """Draw a line; where its first marker is hollow, an empty one with a full marker stands for it in the legend."""
    fates = line.fates or ["kept"] * len(line.y)
    drawn = {"name": line.name, "mode": "lines" if line.quiet else "lines+markers", "connectgaps": False}
    stroke = {"color": line.colour, "width": 1.5 if line.quiet else 2, "dash": "dot" if line.quiet else "solid"}
    size = 8 if len(line.y) <= _MANY else 4
    marker = {"color": line.colour, "size": size, "symbol": symbol, "opacity": 1}
    first_hollow = not line.quiet and fates[:1] != ["kept"] and bool(fates)
    figure.add_scatter(
        **drawn, x=list(x), y=y, line=stroke, customdata=words, hovertemplate=hover,
        marker=marker | {
            "symbol": [f"{symbol}{_MARKS.get(fate, '')}" for fate in fates],
            "line": {"width": [2 if fate in _MARKS else 0 for fate in fates], "color": line.colour},
            "size": [size + 2 if fate in _MARKS else size for fate in fates],
        },
        legendgroup=len(figure.data), cliponaxis=False, showlegend=line.in_legend and not first_hollow,
        selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
    )  # fmt: skip
    if line.in_legend and first_hollow:
        figure.add_scatter(**drawn, x=[None], y=[None], line=stroke, marker=marker, legendgroup=len(figure.data) - 1)


def _add_site_bars(
    figure: go.Figure,
    name: str,
    shares: Sequence[float],
    colour: str,
    pattern: str,
    sites: Sequence[str],
    of: str,
) -> None:
    figure.add_bar(
        x=list(range(len(sites))), y=_percents(shares), name=name, customdata=list(sites),
        marker=_bar(colour, pattern),
        hovertemplate="%{customdata}<br>" + name + ": %{y:.2f} % " + of + "<extra></extra>",
        selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
    )  # fmt: skip


def _bar(colour: str, pattern: str) -> dict[str, object]:
    return {"color": colour, "line": {"width": 0}, "pattern": {"shape": pattern, "fillmode": "overlay"}}


def _add_cell_text(figure: go.Figure, x: int, y: int, overlap: float, chance: float, narrow: bool, dark: bool) -> None:
    """The numbers of a pair, in black or white, whichever its cell leaves legible; a dash where there are none."""
    if isnan(overlap):
        figure.add_annotation(x=x, y=y, text="–", showarrow=False)
        return
    colour = legible(sample_colorscale(ramp(dark), [overlap])[0])
    chance_words = f"chance{'<br>' if narrow else ' '}{_percent(chance)}"
    text = f"<b>{_percent(overlap)}</b><br><span style='font-size:.8em'>{chance_words}</span>"
    figure.add_annotation(x=x, y=y, text=text, showarrow=False, font={"color": colour})


def _overlap_words(names: Sequence[str], overlaps: Floats, chances: Floats, i: int, j: int) -> str:
    overlap, chance = (_percent(float(values[i, j])) for values in (overlaps, chances))
    return f"{names[i]} and {names[j]}:<br>overlap {overlap}, {chance} by chance"


def _percents(shares: Sequence[float]) -> list[float | None]:
    return [None if isnan(share) else 100 * share for share in shares]


def _percent(share: float) -> str:
    """A share in percent; one that is not 0 or 1 never reads as such."""
    text = f"{100 * share:.1f} %"
    if share > 0 and text == "0.0 %":
        return "< 0.1 %"
    return "> 99.9 %" if share < 1 and text == "100.0 %" else text


def literal(text: str) -> str:
    """Return text so that a chart shows it as it is: charts read some HTML."""
    return escape(text, quote=False)


def wrapped(name: str) -> str:
    """Return a name in at most three short lines."""
    return "<br>".join(map(literal, textwrap.wrap(name, 16, max_lines=3, placeholder=" …")))


def pixel_axis(order: str, end: float) -> Axis:
    """Return the axis along which pixels are replaced, or put back, up to a share of them."""
    what = "pixels put back" if order == "insertion" else "pixels replaced"
    return Axis(what, percent=True, ends=(0, 1.02 * end))
