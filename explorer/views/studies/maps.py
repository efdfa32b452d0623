"""Saliency maps of many images: what replaced pixels do to the answer, and whether maps add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import isnan
from typing import Any

import pandas as pd
import streamlit as st

from core.studies import FEWEST
from explorer import ui
from explorer.plots import Axis, banded, curves, number, percent, pixel_axis, plain
from explorer.state import CHANGES, NEAR, ORDERS
from explorer.views.studies import paper
from explorer.views.studies.choice import Studied, coloured, gathered
from explorer.views.studies.showing import (
    INTERVAL,
    Drawn,
    as_line,
    ends,
    heading,
    listed,
    offer_files,
    ordered,
    records,
    show,
    show_each,
    sizes,
)

__all__ = ["show_degradation", "show_sensitivity"]


def show_degradation(page: ui.PageContext, studied: Sequence[Studied]) -> None:
    """Show curves and areas of replaced pixels, with the paper's areas where it has some."""
    there = [order for order in ORDERS if any(order in each.run.measures for each in studied)]
    if not there:
        return
    st.markdown("## What if the pixels that matter, or do not, are replaced?")
    order, near, colours = _choose(page, there), page.view.near, coloured(studied, page.theme)
    for each, rows in gathered(studied, order):
        heading(each, studied)
        with st.container(key=f"charts_degradation_{each.place}"):
            left, right = st.columns(2)
        with left:
            draw = partial(_draw_curves, each, rows, order, near, colours)
            show(f"{ORDERS[order][0]} curves", [each], (near, *colours.items()), draw)
        with right:
            _show_areas(each, order, near, colours)


def _choose(page: ui.PageContext, there: list[str]) -> str:
    chosen = page.view.order if page.view.order in there else there[0]

    def changed() -> None:
        order = st.session_state["study_order"]
        if order is not None:
            ui.session.change(lambda v: replace(v, order=order))

    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        st.segmented_control(
            "Order",
            there,
            required=True,
            format_func=lambda o: ORDERS[o][0],
            default=ui.settle("study_order", chosen),
            key="study_order",
            on_change=changed,
        )
        ui.controls.near()
    return chosen


def _draw_curves(each: Studied, rows: pd.DataFrame, order: str, near: bool, colours: dict[str, str]) -> Drawn:
    end = NEAR if near else 1.0
    means = listed(rows[rows["x"] <= end + 1e-9], ["who", "x"], colours)
    names = ordered(rows, colours)
    lines = [as_line(means, who, colours, "x") for who in names]
    changes, x = order in CHANGES, pixel_axis(order, end)
    y = Axis("|p − p′| / p" if changes else "probability of the class explained")
    figure = banded(curves(lines, x, y, height=380), [ends(means, who, "x") for who in names])
    figure.update_yaxes(rangemode="tozero")
    about = each.about(int(rows["index"].nunique()), at=each.sparsity)
    said = [f"{line.name} {number(line.y[-1])}" for line in lines]
    return Drawn(
        figure,
        f"{ORDERS[order][0]}, {about}; at {percent(end, 0)} of the pixels: {'; '.join(said)}.",
        f"{ORDERS[order][1]} Ours: {plain(about)}; mean over images, shaded {INTERVAL}; {plain(sizes(means))}; pixels "
        "replaced by the mean colour.",
        records(
            means,
            each.run.name,
            who="method",
            x="share of pixels",
            mean="change" if changes else "probability",
            low="low",
            high="high",
            median="median",
            images="images",
        ),
    )


def _show_areas(each: Studied, order: str, near: bool, colours: dict[str, str]) -> None:
    measure = f"{order}_area_10" if near and order in CHANGES else f"{order}_area"
    found = gathered([each], measure)
    if not found:
        return
    printed = measure == "lerf_area_10"
    methods = paper.methods_of([each])
    rows: list[dict[str, Any]] = []
    means = listed(found[0][1], ["who"], colours)
    for row in means.itertuples():
        theirs = paper.least_relevant(methods.get(row.who, "")) if printed else {}
        own = {"method": row.who, "ours": row.mean, "low": row.low, "high": row.high, "n": row.images}
        rows.append({"run": each.run.name} | own | {f"paper, {title}": value for title, value in theirs.items()})
    end = NEAR if measure.endswith("_10") else 1.0
    better = "higher is better" if order in ("morf", "insertion") else "lower is better"
    st.markdown(f"**Area under {ORDERS[order][0]} up to {percent(end, 0)}**: {better}")
    st.table([_shown(row) for row in rows])
    about = each.about(int(found[0][1]["index"].nunique()), at=each.sparsity)
    theirs_words = (
        f" ImageNet, CIFAR-10, Birdsnap: {paper.LERF}; the pathways' sparsity is not printed." if printed else ""
    )
    st.caption(f"Ours: {plain(about)}; 95 %: {INTERVAL}, none below n = {FEWEST}.{theirs_words}")
    offer_files(rows, f"{ORDERS[order][0]} areas", [each])


def _shown(row: dict[str, Any]) -> dict[str, str]:
    own = {
        "method": row["method"],
        "ours": f"{row['ours']:.4f}",
        "n": str(row["n"]),
        "95 %": "none" if isnan(row["low"]) else f"{row['low']:.4f}\u2060–\u2060{row['high']:.4f}",
    }
    return (
        own
        | {"n": str(row["n"])}
        | {k: "" if v is None else f"{v:.4f}" for k, v in row.items() if k.startswith("paper")}
    )


def show_sensitivity(page: ui.PageContext, studied: Sequence[Studied]) -> None:
    """Show how well sums of attributions foretell what the response loses without those pixels."""
    title = "Do attributions add up to what the response loses?"
    show_each(page, title, "sensitivity-n", studied, "sensitivity_n", _draw_sensitivity)


def _draw_sensitivity(each: Studied, rows: pd.DataFrame, colours: dict[str, str]) -> Drawn:
    means, names = listed(rows, ["who", "x"], colours), ordered(rows, colours)
    lines = [as_line(means, who, colours, "x") for who in names]
    x, y = Axis("n, pixels removed together", logarithmic=True), Axis("Pearson correlation")
    figure = banded(curves(lines, x, y, height=360), [ends(means, who, "x") for who in names])
    about = each.about(int(rows["index"].nunique()), at=each.sparsity)
    said = [f"{line.name} {sum(line.y) / len(line.y):.2f}" for line in lines]
    return Drawn(
        figure,
        f"Correlation over the number of removed pixels, {about}; mean over n: {'; '.join(said)}.",
        f"Closer to 1 is better: the attributions of n pixels then say what the response loses without them. Ours: "
        f"{plain(about)}; mean over images, shaded {INTERVAL}; {plain(sizes(means))}. No numbers of the paper's "
        "are at hand for it.",
        records(means, each.run.name, who="method", x="n", mean="correlation", low="low", high="high", images="images"),
    )
