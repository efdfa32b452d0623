"""The paper's own figures, as printed, beside those of the image at hand."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.pathways.overlap import Membership
from explorer import ui
from explorer.compute import comparison
from explorer.plots import bars_beside, palette, percent, plain
from explorer.views.columns import Column, lacking, selections, there
from explorer.views.paper import ON_POSTER, printed_dead_shares, printed_overlap, tables

__all__ = ["show_paper"]

SPARSITY = 0.9


def show_paper(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show the paper's dead shares and overlaps at 90 %, as printed, beside those of this image."""
    st.markdown("## Beside the paper's own figures")
    known = [column for column in there(columns) if column.strategy.name in ON_POSTER]
    if not known:
        st.info(f"The paper has figures for the selection methods only. {lacking(columns)}")
        return
    table = comparison.members(page.scene, selections(known), SPARSITY)
    with st.container(key="charts_paper"):
        left, right = st.columns([1, 1.1])
    with left:
        _show_dead(page, known, table)
    with right:
        _show_overlaps(page, known, table)
    st.caption(
        "Paper: as printed on its poster, VGG16, mean of 1000 ImageNet validation images. Here: one photo in "
        f"{plain(page.network.name)}. Both at 90 %, wherever the slider stands. The poster's overlaps almost surely "
        "have the labels Greedy and Random exchanged, and those of the two contribution methods, as the released code "
        "orders them: its “Greedy” overlaps with every method that keeps a tenth by 5.26 %, to "
        "the digit what chance gives. Its dead shares are not touched by that."
    )


def _show_dead(page: ui.SceneContext, known: list[Column], table: Membership) -> None:
    titles = [column.title for column in known]
    printed = [printed_dead_shares()[column.strategy.name] for column in known]
    here = table.dead_shares().tolist()
    colours = [palette.FAMILIES["baseline"], palette.FAMILIES["reference"]]
    figure = bars_beside(titles, {"paper, as printed": printed, "here": here}, colours, "dead share")
    said = [f"{t} {percent(p, 2)}, here {percent(h, 2)}" for t, p, h in zip(titles, printed, here, strict=True)]
    ui.show_chart(figure, "paper_dead", f"Dead share in the paper: {'; '.join(said)}.")
    rows = [{"method": t, "paper": p, "here": h} for t, p, h in zip(titles, printed, here, strict=True)]
    _offer(page, known, rows, "paper dead share")


def _show_overlaps(page: ui.SceneContext, known: list[Column], table: Membership) -> None:
    overlaps, chances = table.overlaps(), table.chances()
    rows: list[dict[str, Any]] = []
    for j in range(len(known)):
        for i in range(j):
            printed = printed_overlap(known[i].strategy.name, known[j].strategy.name)
            rows.append(
                {
                    "pair": f"{known[i].title} & {known[j].title}",
                    "paper, as printed": printed.as_printed,
                    "labels exchanged": printed.exchanged,
                    "here": overlaps[i, j],
                    "chance here": chances[i, j],
                }
            )
    shown = [{k: v if k == "pair" else _unbroken(v) for k, v in row.items()} for row in rows]
    st.markdown("**Overlap at 90 %**")
    if not rows:
        st.info("An overlap needs two methods.")
        return
    st.table(shown)
    _offer(page, known, rows, "paper overlap")


def _unbroken(share: float | None) -> str:
    return "" if share is None else percent(share, 2).replace(" ", "\N{NO-BREAK SPACE}")


def _offer(page: ui.SceneContext, known: list[Column], rows: list[dict[str, Any]], what: str) -> None:
    made = page.made_from() | {
        "sparsity_asked": SPARSITY,
        "paper": tables()["source"],
        "columns": [{"method": c.strategy.name, "options": c.strategy.chosen} for c in known],
    }
    ui.offer_csv(lambda: rows, made.about(what), what)
