"""The pathway as a graph: channels as nodes, site by site from the image to the logit, and flow as links.

Numbers in, figure out; it uses neither Streamlit nor torch. A link's width is the size of its flow, and it is dashed if
the flow is negative; a node's symbol means the same as its colour. Links that bypass sites run below the others.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, sqrt

import numpy as np
import plotly.graph_objects as go

from explorer.plots.palette import FAINT, LIGHT, MARK, Theme, legible, rgb

__all__ = ["Group", "Kind", "Link", "Node", "Place", "flow_graph", "least_width", "legend"]

Place = tuple[int, int]
"""A group's site, and a node's index in it."""
Point = tuple[float, float]

COLUMN, ROW = 47, 21  # pixels: the least width of a depth, and the height of a node
HEAD, APART = 2.2, 0.8  # rows: of a group's name, and between groups of one depth
LEVELS = 10  # widths of links
WIDEST = 11.0
BESIDE = 100  # pixels left and right of all depths
_SIZES = {"diamond": 24, "square": 18, "hexagon2": 26}  # pixels; others 20
_SHAPES = {  # the same symbols in a box of 16 x 16
    "circle": '<circle cx="8" cy="8" r="7" fill="{colour}"/>',
    "circle-open": '<circle cx="8" cy="8" r="6" fill="none" stroke="{colour}" stroke-width="2"/>',
    "diamond": '<path d="M8 0L16 8L8 16L0 8Z" fill="{colour}"/>',
    "square": '<path d="M1.5 1.5H14.5V14.5H1.5Z" fill="{colour}"/>',
    "hexagon2": '<path d="M4 1H12L16 8L12 15H4L0 8Z" fill="{colour}"/>',
    "star": '<path d="M8 0L10 5.6L16 5.8L11.2 9.5L12.9 15.2L8 11.9L3.1 15.2L4.8 9.5L0 5.8L6 5.6Z" fill="{colour}"/>',
}
_SIGNS = (("flow that raises the logit", False), ("flow that lowers it", True))
_POSITIVE, _NEGATIVE = ("#64748B", "#A9B6C6"), ("#B0307E", "#F08CC8")  # light, dark


@dataclass(frozen=True)
class Kind:
    """A kind of node: a name for the legend, a colour and a symbol."""

    name: str
    colour: str
    symbol: str


@dataclass(frozen=True)
class Node:
    """A channel, or several channels as one.

    Attributes:
        text: in the node.
        words: of the hover text.
        kind: index of its kind.
    """

    text: str
    words: str
    kind: int


@dataclass(frozen=True)
class Group:
    """The nodes of one site, or the single node of the image or the logit.

    Attributes:
        site: its number, which links refer to.
        name: over its nodes.
        depth: sites on the longest path to it from the image, which is at 0.
        nodes: from the top down.
    """

    site: int
    name: str
    depth: int
    nodes: Sequence[Node]


@dataclass(frozen=True)
class Link:
    """The flow from one node to another."""

    start: Place
    end: Place
    flow: float
    words: str


def least_width(groups: Sequence[Group]) -> int:
    """Return the width in pixels that the figure needs to be legible."""
    return BESIDE + COLUMN * max(group.depth for group in groups)


def flow_graph(
    groups: Sequence[Group],
    links: Sequence[Link],
    kinds: Sequence[Kind],
    *,
    selected: Place | None = None,
    photo: str = "",
    theme: Theme = LIGHT,
) -> go.Figure:
    """Return the graph; each node's ``customdata`` is its place.

    Args:
        groups: of all sites, the image's first.
        links: that are drawn.
        kinds: of nodes.
        selected: the node that is framed, with its links in front of all others.
        photo: address of the picture drawn for the first group's node.
        theme: of the page.
    """
    places = _places(groups)
    foot = max(y for _, y in places.values()) + 1
    figure = go.Figure()
    foot = max(foot, _add_links(figure, links, places, selected, foot, theme))
    _add_middles(figure, links, places, foot)
    _add_names(figure, groups, places, theme)
    for index, kind in enumerate(kinds):
        _add_nodes(
            figure,
            kind,
            [(g, n) for g in groups for n in range(len(g.nodes)) if g.nodes[n].kind == index],
            places,
            theme,
        )
    if selected in places:
        _add_frame(figure, places[selected])
    if photo:
        x, y = places[groups[0].site, 0]
        figure.add_layout_image(
            source=photo, x=x, y=y, xref="x", yref="y", sizex=0.95, sizey=3, xanchor="center", yanchor="middle"
        )
    _lay_out(figure, max(group.depth for group in groups), foot)
    return figure


def legend(kinds: Sequence[Kind], theme: Theme) -> str:
    """Return the legend of symbols, colours and lines as HTML, which stays visible while the figure scrolls."""
    entries = [(_stroke_mark(negative, theme), name) for name, negative in _SIGNS]
    entries += [(_SHAPES[kind.symbol].format(colour=kind.colour), kind.name) for kind in kinds]
    items = (f'<span><img class="mark" src="{_picture(mark)}" alt="">{escape(name)}</span>' for mark, name in entries)
    return f'<div class="legend">{"".join(items)}</div>'


def _picture(mark: str) -> str:
    """Return a drawing as a data URL, since Streamlit allows SVG only in pictures."""
    width = 26 if mark.startswith("<line") else 16
    size = f'width="{width}" height="16" viewBox="0 0 {width} 16"'
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{mark}</svg>'
    return "data:image/svg+xml;base64," + b64encode(drawing.encode()).decode()


def _stroke_mark(negative: bool, theme: Theme) -> str:
    colour = (_NEGATIVE if negative else _POSITIVE)[theme.dark]
    dash = ' stroke-dasharray="4 3"' if negative else ""
    return f'<line x1="0" y1="8" x2="26" y2="8" stroke="{colour}" stroke-width="3.5"{dash}/>'


def _places(groups: Sequence[Group]) -> dict[Place, Point]:
    """Return the positions of nodes: groups of one depth below each other, all depths centred alike; y points down."""
    depths: dict[int, list[Group]] = defaultdict(list)
    for group in groups:
        depths[group.depth].append(group)
    heights = {d: sum(HEAD + APART + len(g.nodes) for g in there) - APART for d, there in depths.items()}
    places: dict[Place, Point] = {}
    for depth, there in depths.items():
        top = (max(heights.values()) - heights[depth]) / 2
        for group in there:
            top += HEAD
            places |= {(group.site, n): (depth, top + n + 0.5) for n in range(len(group.nodes))}
            top += len(group.nodes) + APART
    return places


def _curve(start: Point, end: Point, foot: float) -> np.ndarray:
    """Return points on the curve between two nodes, (P, 2); one that bypasses a site bends below ``foot``."""
    (x0, y0), (x1, y1) = start, end
    span, (y2, y3) = x1 - x0, (y0, y1)
    if span > 1:
        lowest = foot + 1.3 * sqrt(span - 1)
        y2 = y3 = (lowest - (y0 + y1) / 8) / 0.75
    reach = 0.5 if span <= 1 else min(0.35 * span, 1.6)
    corners = np.array([(x0, y0), (x0 + reach, y2), (x1 - reach, y3), (x1, y1)])
    t = np.linspace(0, 1, 13 if span <= 1 else 25)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return np.asarray((weights @ corners).round(3))


def _add_links(
    figure: go.Figure,
    links: Sequence[Link],
    places: Mapping[Place, Point],
    selected: Place | None,
    foot: float,
    theme: Theme,
) -> float:
    """Draw the links, one trace per width and sign, the selected node's last; return how far down they reach."""
    most = max((abs(link.flow) for link in links), default=0.0) or 1.0
    traces: dict[tuple[bool, int, bool], list[np.ndarray]] = defaultdict(list)
    for link in links:
        own = selected in (link.start, link.end)
        level = max(1, ceil(LEVELS * sqrt(abs(link.flow) / most)))
        traces[own, level, link.flow < 0].append(_curve(places[link.start], places[link.end], foot))
    gap = np.full((1, 2), np.nan)
    chosen = any(own for own, _, _ in traces)
    for (own, level, negative), curves in sorted(traces.items(), key=lambda item: item[0]):
        points = np.vstack([np.vstack([curve, gap]) for curve in curves])
        share = level / LEVELS
        opacity = 0.95 if own else (0.75 + 0.2 * share) * (0.25 if chosen else 1)
        figure.add_scatter(
            x=_gapped(points[:, 0]),
            y=_gapped(points[:, 1]),
            mode="lines",
            opacity=opacity,
            hoverinfo="skip",
            line=_stroke(negative, theme) | {"width": 0.8 + WIDEST * share**2 + (0.8 if own else 0)},
        )
    return max((float(curve[:, 1].max()) for curves in traces.values() for curve in curves), default=0.0)


def _stroke(negative: bool, theme: Theme) -> dict[str, object]:
    return {"color": (_NEGATIVE if negative else _POSITIVE)[theme.dark], "dash": "4px,3px" if negative else "solid"}


def _gapped(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _add_middles(figure: go.Figure, links: Sequence[Link], places: Mapping[Place, Point], foot: float) -> None:
    """Add invisible points halfway on every link, whose hover text gives the flow."""
    curves = [_curve(places[link.start], places[link.end], foot) for link in links]
    middles = [curve[len(curve) // 2] for curve in curves]
    clear = {"size": 9, "color": "rgba(0,0,0,0)"}
    figure.add_scatter(
        x=[float(x) for x, _ in middles],
        y=[float(y) for _, y in middles],
        mode="markers",
        marker=clear,
        hovertext=[link.words for link in links],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _add_names(figure: go.Figure, groups: Sequence[Group], places: Mapping[Place, Point], theme: Theme) -> None:
    red, green, blue = rgb(theme.page)
    for group, name in zip(groups, _short([group.name for group in groups]), strict=True):
        x, y = places[group.site, 0]
        lift = 0.55 if group.site >= 0 else 1.6 if group.depth == 0 else 0.8
        lines = [f"<b>{group.site}</b>"] if group.site >= 0 else []
        lines += [escape(text) for part in name.split("\n") for text in _lines(part)]
        figure.add_annotation(
            x=x,
            y=y - lift,
            text="<br>".join(lines),
            showarrow=False,
            yanchor="bottom",
            borderpad=0,
            font={"size": 9.5, "color": theme.ink},
            bgcolor=f"rgba({red},{green},{blue},.95)",
        )


def _short(names: Sequence[str]) -> list[str]:
    """Return names without the first and the last part that more than half of them have in common."""
    firsts = Counter(re.split(r"(?<=\.)", name)[0] for name in names if "." in name)
    lasts = Counter(re.split(r"(?=[._])", name)[-1] for name in names if re.search(r"[._]", name))
    first, last = (
        next((part for part, count in found.most_common(1) if 2 * count > len(names)), "") for found in (firsts, lasts)
    )
    short = [name.removeprefix(first).removesuffix(last) for name in names]
    return [part if re.search("[a-z]", part) else name for part, name in zip(short, names, strict=True)]


def _lines(name: str) -> list[str]:
    """Return a name in at most three lines that fit over a depth; the end of a long one is cut off."""
    lines = [""]
    for part in re.split(r"(?<=[._ ])", name):
        if lines[-1] and len(lines[-1]) + len(part) > 9:
            lines.append("")
        lines[-1] += part
    lines = [text.strip() for text in lines]
    return lines if len(lines) <= 3 else [*lines[:2], "…" + lines[-1]]


def _add_nodes(
    figure: go.Figure, kind: Kind, members: Sequence[tuple[Group, int]], places: Mapping[Place, Point], theme: Theme
) -> None:
    if not members:
        return
    keys = [(group.site, n) for group, n in members]
    nodes = [group.nodes[n] for group, n in members]
    over = theme.ink if kind.symbol.endswith("-open") else legible(kind.colour)
    rim = {"width": 1, "color": FAINT}
    figure.add_scatter(
        x=[places[key][0] for key in keys],
        y=[places[key][1] for key in keys],
        mode="markers+text",
        name=kind.name,
        text=[node.text for node in nodes],
        textposition="middle center",
        textfont={"size": [9.5 if len(node.text) < 4 else 8 for node in nodes], "color": over},
        hovertext=[node.words for node in nodes],
        hovertemplate="%{hovertext}<extra></extra>",
        customdata=[list(key) for key in keys],
        cliponaxis=False,
        marker={
            "color": kind.colour,
            "symbol": kind.symbol,
            "size": _SIZES.get(kind.symbol, 20),
            "opacity": 1,
            "line": rim,
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}, "textfont": {"color": over}},
    )


def _add_frame(figure: go.Figure, at: Point) -> None:
    ring = {"symbol": "circle-open", "size": 29, "color": MARK, "line": {"width": 3.5}}
    figure.add_scatter(x=[at[0]], y=[at[1]], mode="markers", name="selected", marker=ring, hoverinfo="skip")


def _lay_out(figure: go.Figure, deepest: int, foot: float) -> None:
    figure.update_layout(
        height=round(ROW * (foot + 0.4)) + 8,
        margin={"l": 4, "r": 4, "t": 4, "b": 4},
        dragmode=False,
        showlegend=False,
        clickmode="event+select",
        hovermode="closest",
        hoverdistance=12,
        plot_bgcolor="rgba(0,0,0,0)",
    )
    bare = {"visible": False, "fixedrange": True}
    figure.update_xaxes(bare, range=[-0.85, deepest + 0.85])
    figure.update_yaxes(bare, range=[foot + 0.4, 0])
