"""Sanity checks: each method's maps while parameters are randomised, and their similarity to the original map."""

from __future__ import annotations

from collections.abc import Hashable
from math import isnan

import numpy as np
import streamlit as st
from PIL import Image

from explorer import ui
from explorer.compute import Sane, cache, evaluation
from explorer.compute.attributions import passes
from explorer.plots import LIGHT, Axis, Cell, Line, Theme, curves, figures, percent, strip
from explorer.state import Style
from explorer.views.evaluate import attributions
from explorer.views.evaluate.attributions import Attributed

__all__ = ["show_sanity"]

MEASURES = {
    "spearman_abs": "Spearman, magnitudes",
    "spearman": "Spearman, signed",
    "ssim": "SSIM",
    "hog": "HOG, Pearson",
}
SLOW = 30  # forward-and-backward passes; a method that costs more is not run at every stage


def show_sanity(page: ui.SceneContext, attributed: list[Attributed]) -> None:
    """Show every method's map while layers are randomised, in one strip, and its similarity to the original."""
    st.markdown("## Does it depend on what the network learned?")
    st.segmented_control(
        "Parameters are randomised",
        [True, False],
        required=True,
        format_func=lambda cascade: "from the last layer up" if cascade else "one layer at a time",
        **ui.field("cascade", "default"),
    )
    able = [each for each in attributed if passes(page.scene, each.name, page.view) <= SLOW]
    left_out = [each.title for each in attributed if each not in able]
    stages = evaluation.stages(page.scene)
    if not able or not ui.confirm("sanity", f"Randomise {len(stages)} layers"):
        st.caption(_left_out(left_out) if not able else "A map that stays the same says little about the network.")
        return
    names = [(each.name, each.title) for each in able]
    ticket = ui.submit_at("sanity", evaluation.sanity_tasks(page.scene, names, page.view))
    ui.show_progress_at("sanity", ticket)
    found = [(each, sane) for each, sane in zip(able, ticket.result, strict=True) if sane]
    if not found:
        return
    _show_strip(page, found, ticket.work.key)
    with st.container(key="charts_sanity"):
        for row in (list(MEASURES)[:2], list(MEASURES)[2:]):
            for place, measure in zip(st.columns(2), row, strict=True):
                with place:
                    _show_likeness(found, measure)
    st.caption(
        "Lower is better: a map that follows what the network learned becomes another one once that is gone. A rank "
        f"correlation of magnitudes stays above 0 by the photo's edges alone. The target stays. {_left_out(left_out)}"
    )
    rows = [
        {"attribution": each.title, "stage": place, "layer": stage.name}
        | {name: _or_none(getattr(stage.similarity, name)) for name in MEASURES}
        for each, sane in found
        for place, stage in enumerate(sane.stages)
    ]
    attributions.offer_rows(page, [each for each, _ in found], rows, "sanity", **_how(page))


def _left_out(titles: list[str]) -> str:
    return f"Too slow to run at every stage: {', '.join(titles)}." if titles else ""


def _or_none(value: float) -> float | None:
    return None if isnan(value) else value


def _show_likeness(found: list[tuple[Attributed, Sane]], measure: str) -> None:
    names = [stage.name for stage in found[0][1].stages]
    places = tuple(map(float, range(len(names))))
    lines = [
        Line(each.title, each.colour, [getattr(s.similarity, measure) for s in sane.stages], places)
        for each, sane in found
    ]
    values = [y for line in lines for y in line.y if not isnan(y)]
    y = Axis(MEASURES[measure], ends=(min([0.0, *values]) - 0.05, 1.05))
    words = [f"{each.title} {_mean(sane, measure)}" for each, sane in found]
    alt = f"{MEASURES[measure]} with the original map; mean over the randomised stages: {'; '.join(words)}."
    ui.show_chart(curves(lines, Axis("", names=names), y, 300), f"sanity_{measure}", alt)


def _mean(sane: Sane, measure: str) -> str:
    value = sane.mean(measure)
    return "undefined" if isnan(value) else f"{value:.2f}"


def _show_strip(page: ui.SceneContext, found: list[tuple[Attributed, Sane]], made: Hashable) -> None:
    view, theme = page.view, page.theme
    rows = [(each.title, each.colour, sane) for each, sane in found]
    names = [title for title, _, _ in rows]
    key = ("sanity strip", tuple((title, colour) for title, colour, _ in rows), made, view.style, theme)
    footer = _footer(page)
    picture = cache.RESULTS.get(key, lambda: figures.jpeg(_draw(rows, view.style, footer, theme), 90))
    stages = [stage.name for stage in found[0][1].stages]
    alt = f"Maps of {', '.join(names)} in the original network, then after {', '.join(stages[1:])}."
    st.image(picture, width="stretch", alt=alt)
    st.caption("Each map on its own colour scale; under it its Spearman correlation with the original map, magnitudes.")
    made_from = attributions.made_from_all(page, [each for each, _ in found]) | _how(page)
    arrays = {title: np.stack([s.saliency.float().numpy() for s in sane.stages]) for title, _, sane in rows}
    ui.offer_picture(
        lambda: _draw(rows, view.style, footer, LIGHT), lambda: arrays, made_from.about("sanity"), "sanity"
    )


def _draw(found: list[tuple[str, str, Sane]], style: Style, footer: str, theme: Theme) -> Image.Image:
    """Draw a row for each title and colour: the map at every stage."""
    rows = []
    for title, colour, sane in found:
        cells = []
        for stage in sane.stages:
            values = stage.saliency.float().numpy()
            likeness = stage.similarity.spearman_abs
            note = "undefined" if isnan(likeness) else f"{likeness:.2f}"
            cells.append(Cell(figures.map_picture(np.nan_to_num(values), figures.limit(values), style), note))
        rows.append((title, colour, cells))
    return strip(rows, [stage.name for stage in found[0][2].stages], theme, footer)


def _footer(page: ui.SceneContext) -> str:
    view = page.view
    how = "from the last layer up" if view.cascade else "one layer at a time"
    return (
        f"Pathway Explorer: sanity checks, parameters drawn anew {how}; target "
        f"{page.network.class_names[page.scene.target]!r} in {page.network.name}, photo {view.image}, sparsity "
        f"{percent(view.sparsity)}; weights {page.network.weights_hash}, image {page.scene.key[3]}."
    )


def _how(page: ui.PageContext) -> dict[str, object]:
    return {"cascading": page.view.cascade, "style": page.view.style}
