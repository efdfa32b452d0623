"""Charts of the Studies page, each with its numbers in words, their provenance, and files to download."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import isnan
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.studies import FEWEST, kind_of, summarised, why_no_interval
from explorer import ui
from explorer.compute import Provenance, cache
from explorer.plots import Line, plain
from explorer.views.studies.choice import Studied, coloured, gathered

__all__ = [
    "INTERVAL",
    "OF_GEOMETRIC",
    "OF_PAIRED",
    "OF_SHARE",
    "Drawn",
    "as_line",
    "chart_key",
    "ends",
    "heading",
    "listed",
    "made_from",
    "mean_words",
    "offer_files",
    "offer_images",
    "ordered",
    "records",
    "shared",
    "show",
    "show_each",
    "sizes",
]

INTERVAL = "the 95\u00a0% bootstrap-t interval of the mean over images"
OF_SHARE = "Wilson's 95\u00a0% interval of the share of images"
OF_GEOMETRIC = "the 95\u00a0% interval of the geometric mean over images"
OF_PAIRED = "the 95\u00a0% bootstrap interval of the mean over pairs, drawn by image"
Number = Callable[[float], str]


@dataclass(frozen=True)
class Drawn:
    """A chart with its caption and rows; all sessions share it, and it is never changed.

    Attributes:
        figure: the chart.
        alt: its numbers in words.
        caption: beneath it, Markdown.
        rows: its numbers.
    """

    figure: go.Figure
    alt: str
    caption: str
    rows: Sequence[Mapping[str, object]]

    @property
    def nbytes(self) -> int:
        """Return about how many bytes it holds."""
        return 100_000 + 1000 * len(self.rows)


def show(what: str, studied: Sequence[Studied], key: Hashable, draw: Callable[[], Drawn], *, at: bool = True) -> None:
    """Show a chart, its caption, and its numbers as table, CSV and PNG.

    Args:
        what: names the chart and the files.
        studied: the runs in it.
        key: what it depends on beside those, such as its colours.
        draw: makes it, if it is not in the cache.
        at: whether it is about the chosen sparsity; otherwise about all, or none.
    """
    drawn = shared(("drawn", what, tuple(each.key for each in studied), key), draw)
    chart = chart_key(what, studied)
    ui.show_chart(drawn.figure, chart, drawn.alt)
    st.caption(drawn.caption)
    offer_files(drawn.rows, what, studied, at=at, chart=chart)


def show_each(
    page: ui.PageContext,
    title: str,
    what: str,
    studied: Sequence[Studied],
    measure: str,
    draw: Callable[[Studied, pd.DataFrame, dict[str, str]], Drawn],
) -> None:
    """Show one chart of a measure for each run that has it, under a title; nothing where none has.

    Args:
        title: of the part of the page.
        what: names the chart and the files.
        studied: the runs chosen.
        measure: whose rows are drawn.
        draw: given a run, its rows and the methods' colours, makes the chart.
    """
    found, colours = gathered(studied, measure), coloured(studied, page.theme)
    if not found:
        return
    st.markdown(f"## {title}")
    for each, rows in found:
        heading(each, studied)
        show(what, [each], tuple(colours.items()), partial(draw, each, rows, colours))


def shared(key: Hashable, draw: Callable[[], Drawn]) -> Drawn:
    """Return the chart of a key, drawn now if it is not in the cache."""
    return cache.RESULTS.get(key, draw)


def chart_key(what: str, studied: Sequence[Studied]) -> str:
    """Return the key of a chart, fit for a style sheet."""
    letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in what)
    return f"study_{letters}_{'_'.join(str(each.place) for each in studied)}"


def offer_files(
    rows: Sequence[Mapping[str, object]], what: str, studied: Sequence[Studied], *, at: bool = True, chart: str = ""
) -> None:
    """Draw the ways to a part's numbers: table and CSV, and a PNG of its chart if it has one."""
    made = made_from(studied, at=at).about(what)
    key = chart or chart_key(what, studied)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"files_{key}"):
        ui.offer_table(rows, made, key)
        if chart:
            ui.components.chart_png(chart, what[0].upper() + what[1:], _notes(studied, at=at), made.file_name("png"))


def offer_images(make: Callable[[], Sequence[Mapping[str, object]]], what: str, each: Studied, chart: str) -> None:
    """Draw the buttons for one row per image, which are made only when they are downloaded."""
    made = made_from([each]).about(what)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"files_{chart}"):
        ui.offer_csv(make, made, chart)
        ui.components.chart_png(chart, what[0].upper() + what[1:], _notes([each], at=True), made.file_name("png"))


def made_from(studied: Sequence[Studied], *, at: bool = True) -> Provenance:
    """Return the provenance of a part of the page."""
    facts = {
        "software": "Pathway Explorer",
        "runs": [_facts(each) | ({"sparsity_shown": each.sparsity} if at else {}) for each in studied],
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return Provenance(("study", *(each.run.name for each in studied)), facts)


def _facts(each: Studied) -> dict[str, object]:
    run = each.run
    return {
        "run": run.name,
        "fingerprint": run.manifest.get("fingerprint", ""),
        "network": run.network,
        "weights": run.manifest["network"].get("weights_hash", ""),
        "dataset": run.dataset,
        "images": each.census.images,
        "images_planned": run.planned,
        "label": each.label or "all",
        "plan": dict(run.plan),
        "command": run.manifest.get("command", ""),
        "versions": run.manifest.get("versions", ""),
        "started": run.manifest.get("started", ""),
    }


def _notes(studied: Sequence[Studied], *, at: bool) -> list[str]:
    """Return the notes printed under a PNG."""
    notes = []
    for each in studied:
        strategies = ", ".join(each.run.methods)
        what = "trainings" if each.run.is_roar else "images"
        notes.append(
            f"Run {each.run.name}: {each.about(at=each.sparsity if at else None)}; {each.census.images:,} {what}; "
            f"{strategies}; weights {each.run.manifest['network'].get('weights_hash') or 'of each training'}; "
            f"{json.dumps(each.run.manifest.get('versions', ''))[1:-1]}. Pathway Explorer."
        )
    return notes


def heading(each: Studied, studied: Sequence[Studied]) -> None:
    """Name a run above its charts, where there are several."""
    if len(studied) > 1:
        st.markdown(f"**{plain(each.run.name)}** · {plain(each.about())}")


def ordered(rows: pd.DataFrame, titles: Iterable[str]) -> list[str]:
    """Return the methods in rows, in the order in which they are shown."""
    there = set(rows["who"].unique())
    return [who for who in titles if who in there]


def listed(rows: pd.DataFrame, by: Sequence[str], colours: Mapping[str, str]) -> pd.DataFrame:
    """Return the summaries of rows by method and more, methods in the order in which they are shown."""
    found = summarised(rows, list(dict.fromkeys([*by, "measure"])))
    geometric = found["measure"].map(lambda measure: kind_of(measure) == "geometric").astype(bool)
    found["left_out"] = (found["infinite"] + found["zeros"].where(geometric, 0)).astype(int)
    places = {who: place for place, who in enumerate(colours)}
    return found.sort_values("who", key=lambda who: who.map(places), kind="stable").reset_index(drop=True)


def as_line(
    rows: pd.DataFrame, who: str, colours: Mapping[str, str], x: Literal["x", "sparsity"], value: str = "mean"
) -> Line:
    """Return one method's line over a column of its summaries."""
    own = rows[rows["who"] == who].sort_values(x)
    return Line(who, colours[who], tuple(own[value].tolist()), tuple(own[x].tolist()))


def ends(rows: pd.DataFrame, who: str, x: Literal["x", "sparsity"]) -> tuple[list[float], list[float]]:
    """Return the intervals along that line."""
    own = rows[rows["who"] == who].sort_values(x)
    return own["low"].tolist(), own["high"].tolist()


def mean_words(row: Any, say: Number) -> str:
    """Return a mean with its interval and number of images in words.

    Args:
        row: of a summary of ``listed``.
        say: formats a number.
    """
    if isnan(row.low):
        return f"{say(row.mean)} ({why_no_interval(row.images, row.measure, left_out=row.left_out)})"
    left = f", {row.left_out} of them 0 or infinite and left out" if row.left_out else ""
    return f"{say(row.mean)} ({say(row.low)} to {say(row.high)}, n = {row.images}{left})"


def sizes(rows: pd.DataFrame) -> str:
    """Return in words how many images the means of a summary are of, and which are of fewer than most.

    Args:
        rows: of ``listed``, with who, and other where means are of two methods.
    """
    most = int(rows["images"].mode().max())
    pairs = rows.assign(name=[_name(row) for row in rows.itertuples()])
    fewer = pairs[pairs["images"] != most].groupby("name", sort=False)["images"].agg(["min", "max"])
    said = [f"{name} {_range(int(low), int(high))}" for name, low, high in fewer.itertuples()]
    words = f"n = {most}" + (f"; {', '.join(said)}" if said else " each")
    return words + (f" (no interval below n = {FEWEST})" if rows["images"].min() < FEWEST else "")


def _name(row: Any) -> str:
    other = getattr(row, "other", "")
    return f"{row.who} & {other}" if other else str(row.who)


def _range(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def records(rows: pd.DataFrame, run: str, **columns: str) -> list[dict[str, object]]:
    """Return summaries as rows of a table.

    Args:
        rows: the summaries.
        run: its name, the first column.
        columns: those wanted, each with what it is called in the table.
    """
    renamed = rows[list(columns)].rename(columns=columns)
    return [{"run": run} | record for record in renamed.to_dict("records")]
