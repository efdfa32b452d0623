"""Pathways of many images: whether methods choose the same neurons, and how many of those are dead."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from explorer import ui
from explorer.plots import Axis, Theme, banded, curves, interval_bars, overlap_matrix, palette, percent, plain
from explorer.plots.intervals import Group
from explorer.views.studies import paper
from explorer.views.studies.choice import Studied, coloured, gathered, titles
from explorer.views.studies.runs import titled
from explorer.views.studies.showing import (
    INTERVAL,
    Drawn,
    as_line,
    ends,
    heading,
    listed,
    mean_words,
    offer_files,
    ordered,
    records,
    show,
    sizes,
)

__all__ = ["show_dead", "show_overlaps", "show_sites"]

OVER_DEPTH = {"kept_share": "neurons kept", "dead_share": "dead share of the pathway"}
MOST_NAMED = 10  # sites whose names fit under a chart


def show_overlaps(page: ui.PageContext, studied: Sequence[Studied]) -> None:
    """Show the mean overlap of every two methods, beside the paper's."""
    found = [(each, rows) for each, rows in gathered(studied, "overlap", "chance_overlap") if each.sparsity is not None]
    if not found:
        return
    st.markdown("## Do methods choose the same neurons?")
    methods = paper.methods_of(studied)
    for each, rows in found:
        heading(each, studied)
        with st.container(key=f"charts_overlap_{each.place}"):
            left, right = st.columns([1.25, 1])
        pairs = _pairs(rows, titles(studied))
        with left:
            key = (*titles(studied), page.theme)
            show("overlap", [each], key, partial(_draw_matrix, each, rows, pairs, page.theme))
        with right:
            _show_printed(each, pairs, methods)


def _pairs(rows: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Return mean, interval and chance of every two methods, the one shown earlier first."""
    rows = rows.assign(other=_titles(rows))
    means = listed(rows[rows["measure"] == "overlap"], ["who", "other"], dict.fromkeys(order, ""))
    chances = rows[rows["measure"] == "chance_overlap"].groupby(["who", "other"], observed=True)["value"].mean()
    means["chance"] = [float(chances.get((row.who, row.other), np.nan)) for row in means.itertuples()]
    swapped = [order.index(a) > order.index(b) for a, b in zip(means["who"], means["other"], strict=True)]
    first = np.where(swapped, means["other"], means["who"])
    return means.assign(second=np.where(swapped, means["who"], means["other"]), first=first)


def _titles(rows: pd.DataFrame) -> list[str]:
    known = {text: titled(str(text)) for text in rows["other"].unique()}
    return [known[text] for text in rows["other"]]


def _draw_matrix(each: Studied, rows: pd.DataFrame, pairs: pd.DataFrame, theme: Theme) -> Drawn:
    names = [n for n in titles([each]) if n in set(pairs["first"]) | set(pairs["second"])]
    overlaps, chances = np.full((2, len(names), len(names)), np.nan)
    for row in pairs.itertuples():
        at = names.index(row.second), names.index(row.first)
        overlaps[at], chances[at] = row.mean, row.chance
    said = [
        f"{r.first} and {r.second} {mean_words(r, percent)}, by chance {percent(r.chance)}" for r in pairs.itertuples()
    ]
    about = each.about(int(rows["index"].nunique()), at=each.sparsity)
    return Drawn(
        overlap_matrix(names, overlaps, chances, theme),
        f"Mean overlap of every two methods, {about}: {'; '.join(said)}.",
        f"Ours: {plain(about)}. Mean over images of intersection over union of the neurons kept; small, what two "
        f"independent choices of the same sizes would share. Pairs of methods: {plain(sizes(pairs))}.",
        records(
            pairs,
            each.run.name,
            first="first",
            second="second",
            mean="overlap",
            low="low",
            high="high",
            median="median",
            chance="chance",
            images="images",
        ),
    )


def _show_printed(each: Studied, pairs: pd.DataFrame, methods: dict[str, str]) -> None:
    rows = []
    for row in pairs.itertuples():
        printed, exchanged = paper.pair(methods.get(row.first, ""), methods.get(row.second, ""))
        if printed is not None or exchanged is not None:
            rows.append(
                {
                    "pair": f"{row.first} & {row.second}",
                    "paper": printed,
                    "labels exchanged": exchanged,
                    "ours": row.mean,
                }
            )
    if not rows:
        return
    st.markdown("**Beside the paper's own figures**")
    shown = [{k: v if isinstance(v, str) else "" if v is None else percent(v) for k, v in row.items()} for row in rows]
    st.table(shown)
    st.caption(
        f"Paper: {paper.POSTER}; its labels Greedy and Random, and those of the two contribution methods, are almost "
        f"surely exchanged, hence two columns. Ours: {plain(each.about(at=each.sparsity))}."
    )
    offer_files(rows, "overlap beside the paper", [each])


def show_dead(page: ui.PageContext, studied: Sequence[Studied]) -> None:
    """Show how many of the neurons on pathways are dead, with the paper's numbers."""
    found = [(each, rows) for each, rows in gathered(studied, "dead_share") if each.sparsity is not None]
    if not found:
        return
    st.markdown("## How many of the neurons chosen are dead?")
    colours = coloured(studied, page.theme)
    show("dead share", [each for each, _ in found], tuple(colours.items()), partial(_draw_dead, found, colours))


def _draw_dead(found: Sequence[tuple[Studied, pd.DataFrame]], colours: dict[str, str]) -> Drawn:
    methods = paper.methods_of([each for each, _ in found])
    names = [name for name in colours if any(name in set(rows["who"]) for _, rows in found)]
    printed = [paper.dead_share(methods.get(name, "")) for name in names]
    values = [float("nan") if v is None else v for v in printed]
    groups = [Group("paper, as printed", [palette.FAMILIES["baseline"]] * len(names), values)]
    counts: list[str] = []
    table: list[dict[str, object]] = [
        {"run": "the paper's poster", "method": n, "dead share": v}
        for n, v in zip(names, printed, strict=True)
        if v is not None
    ]
    said = [f"{n} in the paper {percent(v)}" for n, v in zip(names, printed, strict=True) if v is not None]
    for each, rows in found:
        means = listed(rows, ["who"], colours).set_index("who").reindex(names)
        group = f"ours, {each.run.network} on {each.run.dataset}"
        groups.append(
            Group(
                group,
                [colours[n] for n in names],
                means["mean"].tolist(),
                (means["low"].tolist(), means["high"].tolist()),
            )
        )
        there = means.dropna(subset="mean").reset_index()
        counts.append(plain(sizes(there)))
        said += [f"{row.who}, {group}, {mean_words(row, percent)}" for row in there.itertuples()]
        table += records(
            there,
            each.run.name,
            who="method",
            mean="dead share",
            low="low",
            high="high",
            median="median",
            images="images",
        )
    abouts = [plain(each.about(int(rows["index"].nunique()), at=each.sparsity)) for each, rows in found]
    ours = "; ".join(f"{about}, {count}" for about, count in zip(abouts, counts, strict=True))
    return Drawn(
        interval_bars(names, groups, "dead neurons on the pathway"),
        f"Dead share of pathways: {'; '.join(said)}.",
        f"Ours: {ours}; whiskers: {INTERVAL}. Paper: {paper.POSTER}. Dead: a neuron whose "
        "activation is 0 for the image.",
        table,
    )


def show_sites(page: ui.PageContext, studied: Sequence[Studied]) -> None:
    """Show over depth how much of each site is kept, and how much of that is dead."""
    found = [(each, rows) for each, rows in gathered(studied, *OVER_DEPTH, overall=False) if each.sparsity is not None]
    if not found:
        return
    st.markdown("## Where in the network do pathways run?")
    for each, rows in found:
        heading(each, studied)
        with st.container(key=f"charts_sites_{each.place}"):
            for place, (measure, title) in zip(st.columns(2), OVER_DEPTH.items(), strict=True):
                with place:
                    own, colours = rows[rows["measure"] == measure], coloured(studied, page.theme)
                    draw = partial(_draw_over_depth, each, own, title, colours)
                    show(f"{title} by site", [each], tuple(colours.items()), draw)


def _draw_over_depth(each: Studied, rows: pd.DataFrame, title: str, colours: dict[str, str]) -> Drawn:
    sites = each.run.sites
    places = {site: place for place, site in enumerate(sites)}
    means = listed(rows, ["who", "site"], colours).assign(x=lambda table: table["site"].map(places))
    names = ordered(rows, colours)
    lines = [as_line(means, who, colours, "x") for who in names]
    figure = curves(lines, Axis("", names=sites), Axis(title, percent=True))
    banded(figure, [ends(means, who, "x") for who in names], percent=True)
    if len(sites) > MOST_NAMED:
        figure.update_xaxes(tickmode="auto", nticks=14, tickangle=0, title="site, from image to logits")
    figure.update_yaxes(rangemode="tozero")
    said = [f"{line.name} from {percent(min(line.y))} to {percent(max(line.y))}" for line in lines if line.y]
    about = each.about(int(rows["index"].nunique()), at=each.sparsity)
    return Drawn(
        figure,
        f"{title} at each of {len(sites)} sites, {about}: {'; '.join(said)}.",
        f"Ours: {plain(about)}; mean over images, shaded {INTERVAL}; {plain(sizes(means))}.",
        records(
            means.sort_values(["who", "x"]),
            each.run.name,
            who="method",
            site="site",
            mean=title,
            low="low",
            high="high",
            images="images",
        ),
    )
