"""Paired differences between methods on the same images, as a matrix that marks those larger than chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite, isnan
from typing import Any

import pandas as pd
import streamlit as st

from core.studies import FEWEST, LEVEL, comparable, compared, kind_of
from explorer import ui
from explorer.plots import Difference, Theme, difference_matrix, plain, ratio
from explorer.views.studies.choice import Studied, coloured, gathered, titles
from explorer.views.studies.images import SPREAD, Measure
from explorer.views.studies.showing import Drawn, heading, ordered, show

__all__ = ["show_differences"]

COMPARED = {
    "p_ratio": SPREAD["p_ratio"],
    "prediction_kept": Measure("prediction kept", "fidelity"),
    "near_chance": Measure("prediction near chance", "fidelity"),
    **{name: each for name, each in SPREAD.items() if name != "p_ratio" and comparable(name)},
    "pointing_game": Measure("pointing game", "localisation"),
}

UNITS = {", in percentage points": 100, ", in thousandths": 1000, "": 1}
SMALL = 0.1  # differences are put in thousandths below it


def show_differences(page: ui.PageContext, studied: Sequence[Studied]) -> None:
    """Show how every two methods differ in a measure on the images that both have."""
    there = [name for name, each in COMPARED.items() if any(each.of in s.run.measures for s in studied)]
    if not there:
        return
    st.markdown("## Which methods differ, image by image?")
    name, colours, theme = _choose(page, there), coloured(studied, page.theme), page.theme
    found = gathered(studied, name)
    if not found:
        st.info("No image has this measure here.")
    for each, rows in found:
        heading(each, studied)
        if rows["who"].nunique() < 2:
            st.info("Only one method has this measure here, so there is nothing to compare it with.")
            continue
        show("paired differences", [each], (name, theme, *colours.items()), partial(_draw, each, rows, name, theme))


def _choose(page: ui.PageContext, there: list[str]) -> str:
    asked = page.view.compared
    chosen = asked if asked in there else there[0]
    st.selectbox(
        "Compare by",
        there,
        index=there.index(ui.settle("study_compared", chosen)),
        key="study_compared",
        width=340,
        format_func=lambda name: COMPARED[name].title,
        on_change=lambda: ui.session.change(lambda v: replace(v, compared=st.session_state["study_compared"])),
    )
    return chosen


def _draw(each: Studied, rows: pd.DataFrame, name: str, theme: Theme) -> Drawn:
    measure, names = COMPARED[name], ordered(rows, titles([each]))
    found = compared(rows, "who", names)
    of_ratio, unit = kind_of(name) == "geometric", _unit(measure, found)
    say = _say_ratio if of_ratio else partial(_say, scale=UNITS[unit])
    cells = {(row["first"], row["second"]): _cell(row, say, of_ratio) for row in found.to_dict("records")}
    said = [f"{first} against {second} {cell.words}" for (first, second), cell in cells.items()]
    about = each.about(int(rows["index"].nunique()), at=each.sparsity)
    what = "ratio of geometric means, row / column" if of_ratio else "mean difference, row − column" + unit
    tests = int(found["p"].notna().sum())
    return Drawn(
        difference_matrix(names, cells, theme),
        f"{measure.title}: {what}, on the images that both methods have, {about}: {'; '.join(said)}.",
        f"Ours: {plain(about)}. {measure.title[0].upper() + measure.title[1:]}: {what}, on the images that both "
        f"methods have (n); p: of the {_test(name)}, adjusted by Holm's method for {tests} comparisons. Strong colour: "
        f"p < {LEVEL:g}; faint: not told from chance. No test below n = {FEWEST}."
        + (" Images with a zero or an infinite value are left out." if found["left_out"].any() else ""),
        [{"run": each.run.name, "measure": measure.title} | _record(row, of_ratio) for row in found.to_dict("records")],
    )


def _test(name: str) -> str:
    kinds = {"share": "exact McNemar test", "geometric": "paired t test of logarithms", "mean": "paired t test"}
    return kinds[kind_of(name)]


def _cell(row: dict[str, Any], say: Callable[[float], str], of_ratio: bool) -> Difference:
    count, value = row["images"] - row["left_out"], row["difference"]
    if not isfinite(value):
        return Difference(0, False, "–", f"n = {count}", "no image in common")
    higher = value > 1 if of_ratio else value > 0
    sign = 0 if value == (1 if of_ratio else 0) else 1 if higher else -1
    if isnan(row["p"]):
        return Difference(
            sign, False, say(value), f"no test<br>n = {count}", f"{say(value)}, n = {count}: too few for a test"
        )
    p = _p(row["adjusted"])
    ends = "" if isnan(row["low"]) else f" ({say(row['low'])} to {say(row['high'])})"
    words = f"{say(value)}{ends}, adjusted p {p}, n = {count}"
    return Difference(sign, row["adjusted"] < LEVEL, say(value), f"p {p}<br>n = {count}", words)


def _unit(measure: Measure, found: pd.DataFrame) -> str:
    """Return the unit in which differences have few figures, fit for narrow cells."""
    if measure.percent:
        return ", in percentage points"
    return ", in thousandths" if found["difference"].abs().max() < SMALL else ""


def _say(value: float, *, scale: int) -> str:
    if value == 0:
        return "0"
    return f"{scale * value:+.{1 if scale > 1 else 2}f}".replace("-", "−")


def _say_ratio(value: float) -> str:
    return f"× {ratio(value)}" if value >= 1e-3 else f"× {value:.0e}".replace("-", "−")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}" if value < 0.1 else f"= {value:.2f}"


def _record(row: dict[str, Any], of_ratio: bool) -> dict[str, object]:
    called = "ratio of geometric means" if of_ratio else "mean difference"
    return {
        "first": row["first"],
        "second": row["second"],
        called: row["difference"],
        "low": row["low"],
        "high": row["high"],
        "p": row["p"],
        "p adjusted (Holm)": row["adjusted"],
        "images": row["images"],
        "left out": row["left_out"],
    }
