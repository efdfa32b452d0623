"""Fidelity over sparsity, and the linear radius of pathways around many images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import isinf

import pandas as pd
import streamlit as st

from explorer import ui
from explorer.plots import counted, dots, number, percent, plain, ratio, sparsity_lines, whiskered
from explorer.views.studies.choice import Studied, coloured, gathered
from explorer.views.studies.runs import ORIGINAL
from explorer.views.studies.showing import (
    OF_GEOMETRIC,
    OF_SHARE,
    Drawn,
    as_line,
    ends,
    heading,
    listed,
    mean_words,
    ordered,
    records,
    show,
    show_each,
    sizes,
)

__all__ = ["show_fidelity", "show_radii"]


def show_fidelity(page: ui.PageContext, studied: Sequence[Studied]) -> None:
    """Show the probability ratio and how often the prediction is kept, over sparsity."""
    found = gathered(studied, "p_ratio", "prediction_kept", every=True)
    if not found:
        return
    st.markdown("## Does the pathway keep the answer?")
    for each, rows in found:
        heading(each, studied)
        with st.container(key=f"charts_fidelity_{each.place}"):
            left, right = st.columns(2)
        colours = coloured(studied, page.theme)
        with left:
            draw = partial(_draw_ratios, each, rows[rows["measure"] == "p_ratio"], colours)
            show("p ratio over sparsity", [each], tuple(colours.items()), draw, at=False)
        with right:
            draw = partial(_draw_kept, each, rows[rows["measure"] == "prediction_kept"], colours)
            show("prediction kept over sparsity", [each], tuple(colours.items()), draw, at=False)


def _draw_ratios(each: Studied, rows: pd.DataFrame, colours: dict[str, str]) -> Drawn:
    means, names = listed(rows, ["who", "sparsity"], colours), ordered(rows, colours)
    lines = [as_line(means, who, colours, "sparsity", "median") for who in names]
    quiet = [
        replace(as_line(means, who, colours, "sparsity"), name=f"{who}, geometric mean", quiet=True, in_legend=False)
        for who in names
    ]
    at = each.sparsity if each.sparsity is not None else each.run.sparsities[0]
    figure = sparsity_lines([*lines, *quiet], at, "p ratio", percent=False, level=1.0)
    whiskered(figure.data[len(names) : 2 * len(names)], [ends(means, who, "sparsity") for who in names])
    about = each.about(int(rows["index"].nunique()))
    said = [
        f"{r.who} at {percent(r.sparsity)} median {ratio(r.median)}, geometric mean {mean_words(r, ratio)}"
        for r in means.itertuples()
    ]
    return Drawn(
        figure,
        f"Probability ratio over sparsity, {about}: {'; '.join(said)}.",
        f"Ours: {plain(about)}. Probability of the class explained in the pathway over that in the whole network. "
        f"Solid: median; dotted: geometric mean, with {OF_GEOMETRIC}; {plain(sizes(means))}. The faint line: "
        "unchanged.",
        _records(means, each, "p ratio, geometric mean"),
    )


def _draw_kept(each: Studied, rows: pd.DataFrame, colours: dict[str, str]) -> Drawn:
    means, names = listed(rows, ["who", "sparsity"], colours), ordered(rows, colours)
    lines = [as_line(means, who, colours, "sparsity") for who in names]
    at = each.sparsity if each.sparsity is not None else each.run.sparsities[0]
    figure = sparsity_lines(lines, at, "images whose prediction is kept", percent=True)
    whiskered(figure.data[: len(names)], [ends(means, who, "sparsity") for who in names], percent=True)
    about = each.about(int(rows["index"].nunique()))
    said = [f"{r.who} at {percent(r.sparsity)} {mean_words(r, percent)}" for r in means.itertuples()]
    return Drawn(
        figure,
        f"Share of images whose prediction the pathway keeps, {about}: {'; '.join(said)}.",
        f"Ours: {plain(about)}; whiskers: {OF_SHARE}; {plain(sizes(means))}. Kept: the pathway's first class is the "
        "whole network's.",
        _records(means, each, "prediction kept"),
    )


def _records(means: pd.DataFrame, each: Studied, what: str) -> list[dict[str, object]]:
    return records(
        means,
        each.run.name,
        who="method",
        sparsity="sparsity",
        achieved="of the pathways",
        mean=what,
        low="low",
        high="high",
        median="median",
        images="images",
        left_out="zero or infinite",
    )


def show_radii(page: ui.PageContext, studied: Sequence[Studied]) -> None:
    """Show the median linear radius of the original network and of pathways."""
    show_each(
        page, "How far around an image is the network linear?", "linear radius", studied, "linear_radius", _draw_radii
    )


def _draw_radii(each: Studied, rows: pd.DataFrame, colours: dict[str, str]) -> Drawn:
    means, names = listed(rows, ["who"], colours), ordered(rows, colours)
    groups = rows.groupby("who", observed=True)["value"]
    quartiles = {share: groups.quantile(share, interpolation="nearest") for share in (0.25, 0.5, 0.75)}
    titles = {0.5: "median", 0.25: "lower quartile", 0.75: "upper quartile"}
    lengths = {title: [float(quartiles[share][who]) for who in names] for share, title in titles.items()}
    table = means.assign(
        ties=[int((rows.loc[rows["who"] == who, "value"] == 0).sum()) for who in means["who"]],
        **{title: [float(quartiles[share][who]) for who in means["who"]] for share, title in titles.items()},
    )
    said = [
        f"{row.who} median {_length(row.median)}, geometric mean {mean_words(row, _length)}"
        + (f", 0 in {counted(row.ties, 'image')}" if row.ties else "")
        for row in table.itertuples()
    ]
    about = each.about(int(rows["index"].nunique()), at=each.sparsity)
    original = ", of the original network all neurons" if ORIGINAL in names else ""
    figure = dots(names, lengths, [colours[who] for who in names], "linear radius, L2, in the network's input")
    low, high = figure.layout.xaxis.range
    figure.update_xaxes(range=(low - 0.4, high))  # room for what is written at the edge
    for trace in figure.data[1:]:
        trace.text = None
    ties = [f"{row.who} in {row.ties} of {row.images}" for row in table.itertuples() if row.ties]
    return Drawn(
        figure,
        f"Linear radius, {about}: {'; '.join(said)}.",
        f"Ours: {plain(about)}{original}. Inside a ball of this radius the restricted network is exactly affine. A "
        f"radius of 0 is an exact tie at a boundary; it stands at the axis's left edge. Images of radius 0: "
        f"{plain('; '.join(ties) or 'none')}; {plain(sizes(means))}. Geometric means in the table.",
        records(
            table,
            each.run.name,
            who="method",
            mean="geometric mean",
            low="low",
            high="high",
            median="median",
            **{"lower quartile": "lower quartile"},
            **{"upper quartile": "upper quartile"},
            ties="images of radius 0",
            infinite="infinite radii",
            images="images",
        ),
    )


def _length(value: float) -> str:
    return "infinite" if isinf(value) else number(value)
