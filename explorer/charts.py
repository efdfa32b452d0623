"""Charts: what has axes, as Plotly figures; numbers in, figure out; knows neither Streamlit nor torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from explorer.palette import MARK

__all__ = ["layer_strip"]


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
        figure.add_bar(
            x=list(range(len(names))), y=[100 * v for v in values], name=method, customdata=list(names),
            marker={"color": colour, "line": {"width": 0}, "pattern": {"shape": pattern, "fillmode": "overlay"}},
            hovertemplate="%{customdata}<br>" + method + ": %{y:.2f} % kept<extra></extra>",
            selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
        )  # fmt: skip
    figure.add_vrect(x0=at - 0.5, x1=at + 0.5, line={"color": MARK, "width": 2}, fillcolor="rgba(232,56,79,.08)")
    figure.update_layout(
        height=230, margin={"l": 8, "r": 8, "t": 8, "b": 8}, bargap=0.18, bargroupgap=0.0, barmode="group",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, dragmode=False, clickmode="event+select",
    )  # fmt: skip
    figure.update_xaxes(title="site, from image to logits", tickmode="auto", nticks=14, showgrid=False, fixedrange=True)
    figure.update_yaxes(title="neurons kept, %", rangemode="tozero", fixedrange=True)
    return figure
