"""Bars and dots, one per site or name, as Plotly figures; bars differ by their patterns, not by colour alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from math import inf, isnan, log10
from typing import Any

import plotly.graph_objects as go

from explorer.plots.layout import SYMBOLS, calm, calm_layout, in_percent, percent_text, wrapped
from explorer.plots.palette import MARK

__all__ = ["bars_beside", "bars_with_level", "dots", "layer_strip", "membership_bars", "over_sites"]


def layer_strip(
    shares: Mapping[str, Sequence[float]], colours: Sequence[str], names: Sequence[str], at: int
) -> go.Figure:
    """Return the share of neurons on the pathway at every site, in order, one bar per method; the site is framed.

    Args:
        shares: per method, one share in [0, 1] per site.
        colours: one per method.
        names: of the sites.
        at: index of the chosen site.
    """
    figure = go.Figure()
    for (method, values), colour, pattern in zip(shares.items(), colours, ("", "/"), strict=False):
        _add_site_bars(figure, method, values, colour, pattern, names, "kept")
    over_sites(figure, at, "neurons kept, %", height=230, bargap=0.18, bargroupgap=0.0, barmode="group")
    return figure


def membership_bars(
    parts: Mapping[str, Sequence[float]], colours: Sequence[str], sites: Sequence[str], at: int
) -> go.Figure:
    """Return the shares of every site's neurons that are on one pathway, on both, or on the other, stacked.

    It has no legend: the page's own legend also has the numbers.

    Args:
        parts: per part, one share in [0, 1] per site, from the bottom up.
        colours: one per part.
        sites: their names.
        at: index of the chosen site, which is framed.
    """
    figure = go.Figure()
    for (part, values), colour, pattern in zip(parts.items(), colours, cycle(("", "x", "/")), strict=False):
        _add_site_bars(figure, part, values, colour, pattern, sites, "of the site's neurons")
    over_sites(figure, at, "neurons of the site, %", height=260, bargap=0.18, barmode="stack", showlegend=False)
    return figure


def bars_beside(
    names: Sequence[str], groups: Mapping[str, Sequence[float | None]], colours: Sequence[str], title: str
) -> go.Figure:
    """Return shares side by side, such as the paper's and ours, with the number over each bar.

    Args:
        names: of the bars, from left to right; they may repeat.
        groups: per group, one share in [0, 1] per name; None and NaN are gaps.
        colours: one per group.
        title: of the shares; the axis adds the unit.
    """
    figure = go.Figure()
    for (group, values), colour, pattern in zip(groups.items(), colours, cycle(("", "/", "x")), strict=False):
        shares = [float("nan") if v is None else v for v in values]
        figure.add_bar(
            x=list(range(len(names))),
            y=in_percent(shares),
            name=group,
            customdata=list(names),
            text=["" if isnan(v) else percent_text(v).removesuffix(" %") for v in shares],
            textposition="outside",
            textangle=0,
            textfont={"size": 11},
            constraintext="none",
            cliponaxis=False,
            marker=_bar(colour, pattern),
            hovertemplate="%{customdata}<br>" + group + ": %{y:.2f} %<extra></extra>",
        )
    calm(figure, 260)
    figure.update_layout(barmode="group", bargap=0.3, bargroupgap=0.06)
    places = {"tickvals": list(range(len(names))), "ticktext": [wrapped(name) for name in names]}
    figure.update_xaxes(places, autotickangles=[0, -35], showgrid=False)
    figure.update_yaxes(title=f"{title}, %", rangemode="tozero")
    return figure


def bars_with_level(
    names: Sequence[str], shares: Sequence[float], colours: Sequence[str], level: float, title: str
) -> go.Figure:
    """Return one bar per name, with its number over it and a level to compare with; NaN is a gap."""
    figure = go.Figure()
    figure.add_bar(
        x=list(range(len(names))),
        y=in_percent(shares),
        customdata=list(names),
        showlegend=False,
        text=["" if isnan(v) else percent_text(v) for v in shares],
        textposition="outside",
        cliponaxis=False,
        marker={"color": list(colours), "line": {"width": 0}},
        hovertemplate="%{customdata}: %{y:.2f} %<extra></extra>",
    )
    figure.add_scatter(
        x=[-0.5, len(names) - 0.5],
        y=[100 * level] * 2,
        mode="lines",
        name=f"chance, {percent_text(level)}",
        line={"color": MARK, "width": 2, "dash": "dot"},
        hoverinfo="skip",
    )
    calm(figure, 300)
    figure.update_layout(showlegend=True)
    places = {"tickvals": list(range(len(names))), "ticktext": [wrapped(name) for name in names]}
    figure.update_xaxes(places, autotickangles=[0, -35], showgrid=False)
    figure.update_yaxes(title=f"{title}, %", rangemode="tozero")
    return figure


def dots(names: Sequence[str], groups: Mapping[str, Sequence[float]], colours: Sequence[str], title: str) -> go.Figure:
    """Return lengths on one logarithmic axis, one row per name and one marker per group.

    A length of 0 is drawn at the axis's left edge, an infinite one at its right; both are labelled.

    Args:
        names: of the rows, from the top; they may repeat.
        groups: per group, one length per name, >= 0.
        colours: one per name.
        title: of the axis.
    """
    lengths = [v for values in groups.values() for v in values if 0 < v < inf]
    low, high = (min(lengths) / 10, max(lengths) * 10) if lengths else (1e-9, 1.0)
    figure = go.Figure()
    for (group, values), symbol in zip(groups.items(), SYMBOLS, strict=False):
        words = [f"{name}, {group}: {v:.3g}" for name, v in zip(names, values, strict=True)]
        figure.add_scatter(
            x=[min(max(v, low), high) for v in values],
            y=list(range(len(names))),
            mode="markers+text",
            name=group,
            text=["0, a tie" if v == 0 else "never" if v == inf else "" for v in values],
            textposition="top center",
            marker={"color": list(colours), "symbol": symbol, "size": 13, "line": {"width": 1, "color": "white"}},
            customdata=words,
            hovertemplate="%{customdata}<extra></extra>",
        )
    calm(figure, 90 + 46 * len(names))
    rows = {"tickvals": list(range(len(names))), "ticktext": [wrapped(name) for name in names]}
    figure.update_xaxes(type="log", title=title, dtick=1, exponentformat="power", range=[log10(low), log10(high)])
    figure.update_yaxes(rows, range=[len(names) - 0.4, -0.6], zeroline=False)
    return figure


def over_sites(figure: go.Figure, at: int, title: str, *, height: int, **layout: Any) -> None:
    """Give a figure the horizontal axis of all sites, which can be clicked; the chosen site is framed.

    It is one call because the figure is drawn at each move of the slider, and plotly validates everything at each call.
    """
    both = calm_layout(height)
    both["xaxis"] |= {
        "title": "site, from image to logits",
        "tickmode": "auto",
        "nticks": 14,
        "showgrid": False,
        "zeroline": False,
    }
    both["yaxis"] |= {"title": title, "rangemode": "tozero"}
    frame = {
        "type": "rect",
        "xref": "x",
        "yref": "y domain",
        "x0": at - 0.5,
        "x1": at + 0.5,
        "y0": 0,
        "y1": 1,
        "line": {"color": MARK, "width": 2},
        "fillcolor": "rgba(232,56,79,.08)",
    }
    figure.update_layout({**both, "shapes": [frame], "clickmode": "event+select", **layout})


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
        x=list(range(len(sites))),
        y=in_percent(shares),
        name=name,
        customdata=list(sites),
        marker=_bar(colour, pattern),
        hovertemplate="%{customdata}<br>" + name + ": %{y:.2f} % " + of + "<extra></extra>",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
    )


def _bar(colour: str, pattern: str) -> dict[str, object]:
    return {"color": colour, "line": {"width": 0}, "pattern": {"shape": pattern, "fillmode": "overlay"}}
