"""The paper's own figures, as printed, beside those of the image at hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from core.pathways.overlap import Membership
from explorer.compute import comparisons, export
from explorer.compute.answers import Scene
from explorer.plots import charts, palette
from explorer.plots.words import percent, plain
from explorer.ui import session
from explorer.ui.downloads import offer
from explorer.ui.plots import show_chart
from explorer.views.columns import Column, lacking, selections, there

__all__ = ["ON_POSTER", "Printed", "printed_dead_shares", "printed_overlap", "show_paper", "tables"]

TABLES = Path(__file__).resolve().parents[3] / "assets" / "paper_tables.json"
SPARSITY = 0.9
ON_POSTER = {  # the poster's labels, with what our methods are called; two are almost surely exchanged
    "NeuronIntGrad": "IntGrad", "NeuronMCT": "MCT", "DGR(init=1)": "DGR(1)", "DGR(init=r)": "DGR(r)",
    "GreedyPruning": '"Greedy"', "Random": '"Random"',
}  # fmt: skip
EXCHANGED = {  # as the released code orders the rows
    "GreedyPruning": "Random", "Random": "GreedyPruning", "NeuronMCT": "NeuronIntGrad", "NeuronIntGrad": "NeuronMCT",
}  # fmt: skip


@cache
def tables() -> dict[str, Any]:
    """Return the paper's figures as printed, by name, each with its rows; "source" says where they come from."""
    found: dict[str, Any] = json.loads(TABLES.read_text("utf-8"))
    return found


@dataclass(frozen=True)
class Printed:
    """An overlap of the poster: under its printed label, and under the label exchanged; None where it has none."""

    as_printed: float | None
    exchanged: float | None


def printed_dead_shares() -> dict[str, float]:
    """Return each method's dead share at 90 %, VGG16, mean of 1000 images, as the poster prints it."""
    shares = tables()["dead_share_percent_vgg16_imagenet_sparsity90"]
    return {method: value / 100 for method, value in shares.items()}


def printed_overlap(first: str, second: str) -> Printed:
    """Return the overlap of two methods at 90 %, VGG16, mean of 1000 images, as the poster prints it."""
    exchanged = [EXCHANGED.get(name, name) for name in (first, second)]
    return Printed(_entry(first, second), _entry(*exchanged) if exchanged != [first, second] else None)


def show_paper(scene: Scene, columns: list[Column]) -> None:
    """Show the paper's dead shares and overlaps at 90 %, as printed, beside those of this image."""
    st.markdown("## Beside the paper's own figures")
    known = [column for column in there(columns) if column.strategy.name in ON_POSTER]
    if not known:
        st.info(f"The paper has figures for the selection methods only. {lacking(columns)}")
        return
    table = comparisons.members(scene, selections(known), SPARSITY)
    with st.container(key="charts_paper"):
        left, right = st.columns([1, 1.1])
    with left:
        _show_dead(scene, known, table)
    with right:
        _show_overlaps(scene, known, table)
    st.caption(
        "Paper: as printed on its poster, VGG16, mean of 1000 ImageNet validation images. Here: one photo in "
        f"{plain(scene.network.name)}. Both at 90 %, wherever the slider stands. The poster's overlaps almost surely "
        "have the labels Greedy and Random exchanged, and those of the two contribution methods, as the released code "
        "orders them: its “Greedy” overlaps with every method that keeps a tenth by 5.26 %, to "
        "the digit what chance gives. Its dead shares are not touched by that."
    )


def _show_dead(scene: Scene, known: list[Column], table: Membership) -> None:
    titles = [column.title for column in known]
    printed = [printed_dead_shares()[column.strategy.name] for column in known]
    here = table.dead_shares().tolist()
    colours = [palette.FAMILIES["baseline"], palette.FAMILIES["reference"]]
    figure = charts.bars_beside(titles, {"paper, as printed": printed, "here": here}, colours, "dead share")
    said = [f"{t} {percent(p, 2)}, here {percent(h, 2)}" for t, p, h in zip(titles, printed, here, strict=True)]
    show_chart(figure, "paper_dead", f"Dead share in the paper: {'; '.join(said)}.")
    rows = [{"method": t, "paper": p, "here": h} for t, p, h in zip(titles, printed, here, strict=True)]
    _offer(scene, known, rows, "paper dead share")


def _show_overlaps(scene: Scene, known: list[Column], table: Membership) -> None:
    overlaps, chances = table.overlaps(), table.chances()
    rows: list[dict[str, Any]] = []
    for j in range(len(known)):
        for i in range(j):
            printed = printed_overlap(known[i].strategy.name, known[j].strategy.name)
            rows.append(
                {
                    "pair": f"{known[i].title} & {known[j].title}",
                    "paper, as printed": printed.as_printed, "labels exchanged": printed.exchanged,
                    "here": overlaps[i, j], "chance here": chances[i, j],
                }
            )  # fmt: skip
    shown = [{k: v if k == "pair" else _unbroken(v) for k, v in row.items()} for row in rows]
    st.markdown("**Overlap at 90 %**")
    if not rows:
        st.info("An overlap needs two methods.")
        return
    st.table(shown)
    _offer(scene, known, rows, "paper overlap")


def _unbroken(share: float | None) -> str:
    return "" if share is None else percent(share, 2).replace(" ", "\N{NO-BREAK SPACE}")


def _offer(scene: Scene, known: list[Column], rows: list[dict[str, Any]], what: str) -> None:
    made = export.provenance(scene, session.view()) | {"sparsity_asked": SPARSITY, "paper": tables()["source"]}
    made["columns"] = [{"method": c.strategy.name, "options": c.strategy.chosen} for c in known]
    name = export.file_name(session.view().image, scene.network.name, f"{what}.csv")
    offer("CSV", name, "text/csv", lambda: export.csv_file(rows, made), what)


def _entry(first: str, second: str) -> float | None:
    """One number of the poster's upper triangle; None where it has no such pair."""
    matrix = tables()["jaccard_percent_vgg16_imagenet_sparsity90"]
    places = sorted(matrix["columns"].index(ON_POSTER[name]) for name in (first, second))
    if places[0] == places[1]:
        return None
    percent_printed: float = list(matrix["rows"].values())[places[0]][places[1]]
    return percent_printed / 100
