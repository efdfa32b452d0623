"""Matrices as Plotly figures, with the number in each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import sample_colorscale

from explorer.plots.layout import calm, percent_text, wrapped
from explorer.plots.palette import Theme, legible

__all__ = ["Difference", "class_matrix", "difference_matrix", "overlap_matrix"]

Floats = NDArray[np.floating]


def overlap_matrix(names: Sequence[str], overlaps: Floats, chances: Floats, theme: Theme) -> go.Figure:
    """Return the overlaps of all pairs of strategies with their chance levels, as the triangle below the diagonal.

    Args:
        names: of the strategies; they may repeat.
        overlaps: (n, n), each in [0, 1] or NaN, which is drawn as a gap; only the part below the diagonal is read.
        chances: (n, n), the expected overlaps of independent pathways of the same sizes.
        theme: of the page.
    """
    narrow = len(names) > 4
    pairs = [(i, j) for i in range(1, len(names)) for j in range(i)]
    cells = np.full((max(0, len(names) - 1),) * 2, np.nan)
    for i, j in pairs:
        cells[i - 1, j] = overlaps[i, j]
    words = [[_overlap_words(names, overlaps, chances, i + 1, j) for j in range(len(cells))] for i in range(len(cells))]
    figure = go.Figure()
    figure.add_heatmap(
        z=cells,
        zmin=0,
        zmax=1,
        colorscale=theme.ramp,
        showscale=False,
        xgap=2,
        ygap=2,
        hoverongaps=False,
        hovertext=words,
        hovertemplate="%{hovertext}<extra></extra>",
    )
    for i, j in pairs:
        _add_cell_text(figure, j, i - 1, float(overlaps[i, j]), float(chances[i, j]), narrow, theme)
    calm(figure, 80 + (72 if narrow else 60) * len(cells))
    between = {"tickvals": list(range(len(cells))), "ticks": "", "showgrid": False, "zeroline": False}
    figure.update_xaxes(between, ticktext=[wrapped(name) for name in names[:-1]], autotickangles=[0, -35])
    figure.update_yaxes(between, ticktext=[wrapped(name) for name in names[1:]], autorange="reversed")
    return figure


def _add_cell_text(
    figure: go.Figure, x: int, y: int, overlap: float, chance: float, narrow: bool, theme: Theme
) -> None:
    """Add the numbers of a pair, in black or white, whichever is legible on its cell; a dash if there are none."""
    if isnan(overlap):
        figure.add_annotation(x=x, y=y, text="–", showarrow=False)
        return
    colour = legible(sample_colorscale(theme.ramp, [overlap])[0])
    chance_words = f"chance{'<br>' if narrow else ' '}{percent_text(chance)}"
    text = f"<b>{percent_text(overlap)}</b><br><span style='font-size:.8em'>{chance_words}</span>"
    figure.add_annotation(x=x, y=y, text=text, showarrow=False, font={"color": colour})


def _overlap_words(names: Sequence[str], overlaps: Floats, chances: Floats, i: int, j: int) -> str:
    overlap, chance = (percent_text(float(values[i, j])) for values in (overlaps, chances))
    return f"{names[i]} and {names[j]}:<br>overlap {overlap}, {chance} by chance"


def class_matrix(names: Sequence[str], shares: NDArray[np.float64], title: str, theme: Theme) -> go.Figure:
    """Return a share for every two classes, with the number in each cell.

    Args:
        names: of the classes.
        shares: (n, n) in [0, 1], NaN is a gap.
        title: of the shares, for the hover text.
        theme: of the page.
    """
    percents = 100 * shares
    words = [
        [f"{a} and {b}:<br>{title} {v:.2f} %" for b, v in zip(names, row, strict=True)]
        for a, row in zip(names, percents.tolist(), strict=True)
    ]
    figure = go.Figure()
    figure.add_heatmap(
        z=[[None if not isfinite(v) else v for v in row] for row in percents.tolist()],
        x=list(range(len(names))),
        y=list(range(len(names))),
        colorscale=theme.ramp,
        xgap=2,
        ygap=2,
        zmin=0,
        showscale=False,
        hoverongaps=False,
        hovertext=words,
        hovertemplate="%{hovertext}<extra></extra>",
    )
    most = float(np.nanmax(percents, initial=0.0)) or 1.0
    for (y, x), value in np.ndenumerate(percents):
        if isfinite(value):
            colour = legible(sample_colorscale(theme.ramp, [float(value) / most])[0])
            figure.add_annotation(x=x, y=y, text=f"{value:.1f}", showarrow=False, font={"color": colour})
    calm(figure, 110 + 30 * len(names))
    ticks = {
        "tickvals": list(range(len(names))),
        "ticktext": list(names),
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
    }
    figure.update_xaxes(ticks, tickangle=-35)
    figure.update_yaxes(ticks, autorange="reversed")
    return figure


@dataclass(frozen=True)
class Difference:
    """How a method differs from another, as a cell of a matrix.

    Attributes:
        sign: -1 lower, 0 equal, 1 higher.
        found: whether it is significant by a test.
        value: the difference as text.
        beneath: a second line, or more.
        words: the complete hover text.
    """

    sign: int
    found: bool
    value: str
    beneath: str
    words: str


def difference_matrix(names: Sequence[str], cells: Mapping[tuple[str, str], Difference], theme: Theme) -> go.Figure:
    """Return how each method, a row, differs from those before it, the columns, as the triangle below the diagonal.

    A significant difference has the strong colour of its sign and bold letters, all others a faint one.

    Args:
        names: of the methods.
        cells: by row and column.
        theme: of the page.
    """
    rows, columns, scale = names[1:], names[:-1], theme.signs
    shades = [[_shade(cells.get((row, column))) for column in columns] for row in rows]
    figure = go.Figure()
    figure.add_heatmap(
        z=shades,
        zmin=-2,
        zmax=2,
        colorscale=scale,
        showscale=False,
        xgap=3,
        ygap=3,
        hoverongaps=False,
        hovertext=[[_against(row, column, cells) for column in columns] for row in rows],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    size = 13 if len(rows) < 7 else 12
    for (row, column), cell in cells.items():
        value = f"<b>{cell.value}</b>" if cell.found else cell.value
        figure.add_annotation(
            x=columns.index(column),
            y=rows.index(row),
            showarrow=False,
            align="center",
            text=f"<span style='font-size:{size}px'>{value}</span><br>{cell.beneath}",
            font={"size": 10.5, "color": legible(scale[2 + (_shade(cell) or 0)])},
        )
    calm(figure, 90 + 62 * len(rows))
    places = {"tickvals": list(range(len(rows))), "ticks": "", "showgrid": False, "zeroline": False}
    figure.update_xaxes(places, ticktext=[wrapped(name) for name in columns], autotickangles=[0, -35])
    figure.update_yaxes(places, ticktext=[wrapped(name) for name in rows], autorange="reversed")
    return figure


def _shade(cell: Difference | None) -> int | None:
    """Return a cell's index among the colours of signs, from -2 to 2."""
    return cell.sign * (2 if cell.found else 1) if cell else None


def _against(row: str, column: str, cells: Mapping[tuple[str, str], Difference]) -> str:
    cell = cells.get((row, column))
    return f"{row} against {column}:<br>{cell.words}" if cell else ""
