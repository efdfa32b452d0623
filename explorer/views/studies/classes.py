"""Do images of one class share pathways? Every image's pathway against those of its own class and of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.studies import AGREED
from explorer import ui
from explorer.plots import Theme, class_matrix, interval_bars, percent, plain
from explorer.plots.intervals import Group
from explorer.views.studies.choice import Studied, coloured, gathered
from explorer.views.studies.showing import (
    OF_PAIRED,
    Drawn,
    heading,
    listed,
    mean_words,
    ordered,
    records,
    show,
    sizes,
)

__all__ = ["choose_closer", "show_classes"]

MEASURES = {"same_class_overlap": "with its own class", "other_class_overlap": "with other classes"}


def show_classes(page: ui.PageContext, studied: Sequence[Studied]) -> None:
    """Show how much pathways share within and between classes, and one method's classes against each other."""
    found = [(each, _of_label(each, rows)) for each, rows in gathered(studied, *MEASURES, *AGREED)]
    if not found:
        return
    st.markdown("## Do images of one class share pathways?")
    colours = coloured(studied, page.theme)
    for each, rows in found:
        heading(each, studied)
        with st.container(key=f"charts_classes_{each.place}"):
            left, right = st.columns([1, 1.15])
        with left:
            show("class agreement", [each], tuple(colours.items()), partial(_draw_bars, each, rows, colours))
        with right:
            _show_matrix(page, each, colours)


def _of_label(each: Studied, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of images, and of the means and intervals those of the class chosen or of all together."""
    return rows[~rows["measure"].isin(AGREED) | (rows["label"] == each.label)]


def choose_closer(page: ui.PageContext, names: Sequence[str], key: str, label: str) -> str:
    """Draw the choice of a method that is looked at closely, and return it."""
    asked = page.view.closer
    chosen = asked if asked in names else names[0]
    options = list(names)
    st.selectbox(
        label,
        options,
        index=options.index(ui.settle(key, chosen)),
        key=key,
        on_change=lambda: ui.session.change(lambda v: replace(v, closer=st.session_state[key])),
    )
    return chosen


def _draw_bars(each: Studied, rows: pd.DataFrame, colours: dict[str, str]) -> Drawn:
    means, names = listed(rows, ["who", "measure"], colours), ordered(rows, colours)
    groups, said = [], []
    for measure, words in MEASURES.items():
        own = means[means["measure"] == measure].set_index("who").reindex(names)
        between = (own["low"].tolist(), own["high"].tolist())
        groups.append(Group(words, [colours[name] for name in names], own["mean"].tolist(), between))
        said += [
            f"{r.who} {words} {mean_words(r, percent)}" for r in own.dropna(subset="mean").reset_index().itertuples()
        ]
    about = each.about(int(rows.loc[rows["index"] >= 0, "index"].nunique()), at=each.sparsity)
    known = rows["measure"].isin(AGREED).any()
    whiskers = f"whiskers: {OF_PAIRED}" if known else "this run's files hold no intervals"
    return Drawn(
        interval_bars(names, groups, "overlap of pathways"),
        f"Mean overlap of an image's pathway with those of other images, {about}: {'; '.join(said)}.",
        f"Ours: {plain(about)}; {whiskers}; {plain(sizes(means))}. Intersection over union of two images' pathways. "
        "Random pathways do not depend on the image and are left out.",
        records(
            means,
            each.run.name,
            who="method",
            measure="measure",
            mean="overlap",
            low="low",
            high="high",
            median="median",
            images="images",
        ),
    )


def _show_matrix(page: ui.PageContext, each: Studied, colours: dict[str, str]) -> None:
    whole = replace(each, label="")  # every class against every other, whichever is chosen
    found = gathered([whole], "class_overlap")
    if not found:
        st.info("Classes are compared with each other once all images are there.")
        return
    rows = found[0][1]
    who = choose_closer(
        page, ordered(rows, colours), f"study_closer_{each.place}", "Classes against each other, pathways by"
    )
    draw = partial(_draw_matrix, whole, rows[rows["who"] == who], who, page.theme)
    show("overlap of classes", [whole], (who, page.theme), draw)


def _draw_matrix(whole: Studied, own: pd.DataFrame, who: str, theme: Theme) -> Drawn:
    names = [name for name in whole.run.classes if name in {*own["label"], *own["other"]}]
    shares = np.full((len(names), len(names)), np.nan)
    for row in own.itertuples():
        one, other = names.index(row.label), names.index(row.other)
        shares[one, other] = shares[other, one] = row.value
    within, between = _mean(np.diag(shares)), _mean(shares[np.triu_indices(len(names), 1)])
    about = whole.about(whole.census.images, at=whole.sparsity)
    return Drawn(
        class_matrix(names, shares, "overlap", theme),
        f"Overlap of {who} pathways for every two of {len(names)} classes, {about}: within a class {percent(within)} "
        f"on average, between two {percent(between)}.",
        f"Ours: {plain(about)}, {plain(who)}. Mean overlap in % over the pairs of images of two classes; on the "
        f"diagonal, of one class. Mean of the diagonal {percent(within)}, of the rest {percent(between)}.",
        [
            {"run": whole.run.name, "method": who, "class": r.label, "other class": r.other, "overlap": r.value}
            for r in own.itertuples()
        ],
    )


def _mean(shares: NDArray[np.float64]) -> float:
    """Return the mean of the values that are there; a class of one image has no overlap with itself."""
    there = shares[~np.isnan(shares)]
    return float(there.mean()) if len(there) else float("nan")
