"""Single images of a study: all of them by method, the most extreme ones, and the way to one in Explore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from explorer import ui
from explorer.plots import Points, literal, number, percent, plain, ratio
from explorer.plots.intervals import spread
from explorer.views.studies.choice import Studied, coloured, gathered
from explorer.views.studies.classes import choose_closer
from explorer.views.studies.one_image import offer_image, picked, show_image, why_not
from explorer.views.studies.runs import Run, titled
from explorer.views.studies.showing import Drawn, chart_key, heading, offer_images, ordered, shared

__all__ = ["SPREAD", "Measure", "show_images"]

DRAWN = 400  # images of a method that are drawn; of more, the most extreme ones and a seeded choice
EXTREME = 4


@dataclass(frozen=True)
class Measure:
    """The name and the format of a measure; ``of`` is the kind of measure that a plan asks for."""

    title: str
    of: str
    percent: bool = True
    logarithmic: bool = False

    def say(self, value: float) -> str:
        """Return a value as text."""
        return percent(value) if self.percent else ratio(value) if self.title == "p ratio" else number(value)


SPREAD = {
    "p_ratio": Measure("p ratio", "fidelity", percent=False),
    "dead_share": Measure("dead share", "fidelity"),
    "overlap": Measure("overlap", "overlap"),
    "linear_radius": Measure("linear radius", "linear-radius", percent=False, logarithmic=True),
    "lerf_area_10": Measure("LeRF area up to 10 %", "lerf", percent=False),
    "morf_area_10": Measure("MoRF area up to 10 %", "morf", percent=False),
    "insertion_area": Measure("insertion area", "insertion", percent=False),
    "deletion_area": Measure("deletion area", "deletion", percent=False),
    "energy_inside": Measure("relevance on the object", "localisation"),
    "same_class_overlap": Measure("overlap with the own class", "class-agreement"),
    "other_class_overlap": Measure("overlap with other classes", "class-agreement"),
}


def show_images(page: ui.PageContext, studied: Sequence[Studied]) -> None:
    """Show every image of a measure by method; a click, or a button beneath, leads to an image."""
    there = [name for name, each in SPREAD.items() if any(each.of in s.run.measures for s in studied)]
    if not there:
        return
    st.markdown("## How far do single images lie apart?")
    name = _choose(page, there)
    for each, rows in gathered(studied, name):
        heading(each, studied)
        if name == "overlap":
            rows = _with_one(page, each, rows, coloured(studied, page.theme))
        _show_spread(page, each, rows, name, coloured(studied, page.theme))


def _choose(page: ui.PageContext, there: list[str]) -> str:
    chosen = page.view.spread if page.view.spread in there else there[0]
    st.selectbox(
        "Measure",
        there,
        index=there.index(ui.settle("study_spread", chosen)),
        key="study_spread",
        width=340,
        format_func=lambda name: SPREAD[name].title,
        on_change=lambda: ui.session.change(lambda v: replace(v, spread=st.session_state["study_spread"])),
    )
    return chosen


def _with_one(page: ui.PageContext, each: Studied, rows: pd.DataFrame, colours: dict[str, str]) -> pd.DataFrame:
    """Return the overlaps with one method, each under the other method's title."""
    others = rows["other"].map({text: titled(str(text)) for text in rows["other"].unique()}).astype(str)
    whos = rows["who"].astype(str)
    names = [name for name in colours if name in {*others, *whos}]
    closer = choose_closer(page, names, f"study_partner_{each.place}", "Overlap with")
    swapped = others == closer
    rows = rows.assign(who=np.where(swapped, whos, others))
    return rows[swapped | (whos == closer)]


def _show_spread(page: ui.PageContext, each: Studied, rows: pd.DataFrame, name: str, colours: dict[str, str]) -> None:
    measure = SPREAD[name]
    finite = rows[np.isfinite(rows["value"])]
    if finite.empty:
        st.info("No image has a finite value here.")
        return
    partner = page.view.closer if name == "overlap" else ""
    drawn = shared(
        ("images", name, each.key, partner, *colours.items()), partial(_draw, each, finite, measure, colours)
    )
    key = f"{chart_key(f'images {name}', [each])}_{_mark(each)}"
    event = st.plotly_chart(
        drawn.figure, key=key, on_select="rerun", selection_mode="points", config=ui.CALM, alt=drawn.alt
    )
    st.caption(drawn.caption)
    offer_images(lambda: _table(each.run, finite, measure.title), f"{measure.title} of each image", each, key)
    chosen = picked(event, finite) or _by_number(finite, key)
    if chosen is not None:
        show_image(each, finite, chosen, measure.title, measure.say)
    _show_extremes(each, finite, measure)


def _by_number(rows: pd.DataFrame, key: str) -> tuple[str, int] | None:
    """Draw the choice of an image by its number; return the image as ``picked`` does."""
    index = st.number_input(
        "Image by its number", 0, None, None, step=1, key=f"{key}_number", width=340, placeholder="or click a point"
    )
    if index is None:
        return None
    own = rows[rows["index"] == index]
    if own.empty:
        st.caption("This run has no image of that number.")
        return None
    return str(own.iloc[0]["who"]), int(index)


def _draw(each: Studied, rows: pd.DataFrame, measure: Measure, colours: dict[str, str]) -> Drawn:
    names = ordered(rows, colours)
    logarithmic = measure.logarithmic or (measure is SPREAD["p_ratio"] and float(rows["value"].max()) > 20)
    columns = [_points(each.run, rows[rows["who"] == who], who, colours[who], measure) for who in names]
    ranges = rows.groupby("who", observed=True)["value"].agg(["min", "max"]).loc[names]
    said = [
        f"{column.name} {measure.say(column.quartiles[1])}, from {measure.say(low)} to {measure.say(high)}"
        for column, (low, high) in zip(columns, ranges.itertuples(index=False), strict=True)
    ]
    about = each.about(int(rows["index"].nunique()), at=each.sparsity)
    return Drawn(
        spread(columns, measure.title, percent=measure.percent, logarithmic=logarithmic),
        f"{measure.title} of every image, {about}; medians and ranges: {'; '.join(said)}.",
        f"Ours: {plain(about)}. One point an image{_shown(columns, rows)}; the frame holds the middle half, "
        "the thick line is the median. A click on a point shows its image.",
        (),
    )


def _table(run: Run, rows: pd.DataFrame, title: str) -> list[dict[str, object]]:
    columns = ["image", "index", "label", "prediction", "who", "value"]
    called = ["image", "number", "class", "prediction", "method", title]
    found: list[dict[str, object]] = rows[columns].set_axis(called, axis=1).to_dict("records")
    return [{"run": run.name} | row for row in found]


def _points(run: Run, rows: pd.DataFrame, who: str, colour: str, measure: Measure) -> Points:
    low, middle, high = np.quantile(rows["value"], [0.25, 0.5, 0.75])
    if len(rows) > DRAWN:
        rising = rows.sort_values("value", kind="stable")
        ends, rest = pd.concat([rising[:20], rising[-20:]]), rising[20:-20]
        rows = pd.concat([ends, rest.sample(DRAWN - 40, random_state=0)])
    said = [
        (f"{run.dataset}, {r.image}", _classes(r.label, r.prediction), f"{who}: {measure.say(r.value)}")
        for r in rows.itertuples()
    ]
    words = ["<br>".join(map(literal, lines)) for lines in said]
    quartiles = (float(low), float(middle), float(high))
    return Points(who, colour, quartiles, rows["value"].tolist(), words, rows["index"].tolist())


def _classes(label: str, prediction: str) -> str:
    return f"{label}, taken for {prediction}" if label and label != prediction else str(prediction)


def _shown(columns: Sequence[Points], rows: pd.DataFrame) -> str:
    drawn = sum(len(column.values) for column in columns)
    return (
        "" if drawn == len(rows) else f", {number(drawn)} of {number(len(rows))}: the most extreme and a seeded choice"
    )


def _mark(each: Studied) -> int:
    """Return a key that depends on the points, so that a selection is dropped with them."""
    return abs(hash((each.run.name, each.sparsity, each.label))) % 10**6


def _show_extremes(each: Studied, rows: pd.DataFrame, measure: Measure) -> None:
    """Show the images of the lowest and of the highest values, each with the way to it."""
    rising = rows.sort_values("value", kind="stable")
    with st.container(key=f"charts_extremes_{each.place}"):
        sides = {"Lowest": rising[:EXTREME], "Highest": rising[::-1][:EXTREME]}
        for place, (side, found) in zip(st.columns(2), sides.items(), strict=True):
            with place, st.container(gap="xsmall"):
                st.markdown(f"**{side}**")
                for rank, (_, row) in enumerate(found.iterrows()):
                    said = f"{row.who} {measure.say(row.value)}, {_classes(row.label, row.prediction)}"
                    offer_image(each, row, said, f"{side}_{rank}")
    problem = why_not(each, rising.iloc[0])
    if problem:
        st.caption(problem)
