"""The paper's own evaluations, as printed, beside those of the image at hand."""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from typing import Any

import streamlit as st

from explorer import ui
from explorer.compute import evaluation, task_queue
from explorer.views.evaluate import attributions
from explorer.views.evaluate.attributions import Attributed
from explorer.views.paper import AS_PRINTED, LEAST_RELEVANT, tables

__all__ = ["show_printed"]

SANITY = {
    "Spearman, magnitudes": ("spearman_rank_correlation_abs", "spearman_abs"),
    "Spearman, signed": ("spearman_rank_correlation_no_abs", "spearman"),
    "SSIM": ("ssim", "ssim"),
}


def show_printed(page: ui.SceneContext, attributed: list[Attributed]) -> None:
    """Show the paper's LeRF and sanity tables beside what is measured here, where a method stands in both."""
    st.markdown("## Beside the paper's own figures")
    known = [each for each in attributed if each.name in AS_PRINTED]
    if not known:
        st.info(f"The paper evaluates {', '.join(AS_PRINTED)}; choose one of them above.")
        return
    with st.container(key="charts_printed"):
        left, right = st.columns(2)
    with left:
        _show_lerf(page, known)
    with right:
        _show_sanity(page, known)
    st.caption(
        "Paper: as printed or shipped with its code. LeRF: mean over 2000 images of |p − p′| / p, least relevant "
        "pixels first, replaced by the mean colour. Sanity: mean over 18 stages of cascading randomisation and 1000 "
        "images, ResNet50 at 70 %, its target the randomised network's own prediction. Here: one photo, this network, "
        "this target. NeuronIntGrad's printed figures come from code that scores only some of a ResNet's ReLU calls, "
        "and its LeRF row for ImageNet is Birdsnap's to the digit: one of the two is a slip."
    )


def _show_lerf(page: ui.SceneContext, known: list[Attributed]) -> None:
    st.markdown("**LeRF, area under the first 10 %**: lower is better")
    here = _areas(page, known)
    rows: list[dict[str, Any]] = []
    for each in known:
        printed = {title: tables()[name]["rows"][AS_PRINTED[each.name]][-1] for title, name in LEAST_RELEVANT.items()}
        rows.append({"attribution": each.title, "here": here.get(each.place)} | printed)
    st.table(
        [{k: v if isinstance(v, str) else "not yet" if v is None else f"{v:.4f}" for k, v in r.items()} for r in rows]
    )
    _offer(page, known, rows, "lerf beside the paper")


def _areas(page: ui.SceneContext, known: list[Attributed]) -> dict[int, float]:
    """Return the areas of the LeRF curves that are there, by place."""
    found = attributions.made(known)
    view = evaluation.as_the_paper(page.view)
    ticket = ui.submit_at("printed", evaluation.curve_tasks(page.scene, attributions.titled(found), view))
    ui.show_progress_at("printed", ticket)
    return {e.place: m.curve.change_area(0.1) for (e, _), m in zip(found, ticket.result, strict=True) if m}


def _show_sanity(page: ui.SceneContext, known: list[Attributed]) -> None:
    st.markdown("**Sanity checks, mean likeness, paper / here**: lower is better")
    view = replace(page.view, cascade=True)
    wanted = evaluation.sanity_tasks(page.scene, [(each.name, each.title) for each in known], view)
    sane = task_queue.QUEUE.peek(wanted).result  # those that are there; none is submitted
    rows: list[dict[str, Any]] = []
    for each, found in zip(known, sane, strict=True):
        row: dict[str, Any] = {"attribution": each.title}
        for title, (name, measure) in SANITY.items():
            table = tables()[f"sanity_resnet50_{name}"]
            row[f"{title}, paper"] = table["values"][-1][table["methods"].index(AS_PRINTED[each.name])]
            row[f"{title}, here"] = found.mean(measure) if found else None
        rows.append(row)
    st.table(
        [
            {"attribution": r["attribution"]} | {t: _both(r[f"{t}, paper"], r[f"{t}, here"]) for t in SANITY}
            for r in rows
        ]
    )
    _offer(page, known, rows, "sanity beside the paper")


def _both(printed: float, here: float | None) -> str:
    return f"{printed:.3f} / {'–' if here is None or isnan(here) else f'{here:.3f}'}"


def _offer(page: ui.SceneContext, known: list[Attributed], rows: list[dict[str, Any]], what: str) -> None:
    made = attributions.made_from_all(page, known) | {"paper": tables()["source"]}
    ui.offer_csv(lambda: rows, made.about(what), what)
