"""Fidelity, dead share and pathway gradient as pathways grow sparser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan
from typing import Any, TypeVar

import numpy as np
import streamlit as st
from PIL import Image

from core.pathways.fidelity import chance_line
from core.pathways.ranking import Off
from explorer import ui
from explorer.compute import CURVE, STRIP, Answer, Curve, Row, Scene, Scored, TaskGroup, cache, comparison
from explorer.plots import FATES, Cell, Line, Theme, figures, number, palette, percent, ratio, sparsity_lines, strip
from explorer.state import Style, View
from explorer.views.columns import Column, lacking, made_from_all, offer_rows

__all__ = ["show_fidelity", "show_strip"]

T = TypeVar("T")
Tasks = Callable[[Scene, Sequence[Scored], Off], TaskGroup[T]]


def show_fidelity(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show p ratio, prediction and dead share of each method's pathways over sparsity."""
    st.markdown("## What survives as pathways grow sparser")
    found = _submit_and_show(page, columns, comparison.curve_tasks, "curves")
    if not found:
        return
    ratios, dead = _fidelity_lines(page, columns, found)
    at = page.view.sparsity
    with st.container(key="charts_fidelity"):
        left, right = st.columns(2)
    with left:
        figure = sparsity_lines(
            ratios, at, "p ratio of the target", percent=False, level=1.0, chance=_chance(page.scene)
        )
        ui.show_chart(figure, "p_ratios", _said(columns, found, "p ratio", at))
    with right:
        figure = sparsity_lines(dead, at, "dead share of the pathway", percent=True)
        ui.show_chart(figure, "dead_shares", _said(columns, found, "dead share", at))
    st.caption(
        "A hollow marker: the prediction is not kept; with a dot: it is first, but near chance, with at most twice "
        "what chance gives each class, as the target has on the dashed line. Dotted: GreedyPruning's own steps, taken "
        "with what it removed held at zero, and the network's own dead share. A p ratio of 1 is the original network's "
        "probability; where neurons off the pathway are frozen it is 1 by construction."
    )
    _offer_curves(page, columns, found)


def _submit_and_show(
    page: ui.SceneContext, columns: list[Column], tasks: Tasks[T], place: str
) -> list[tuple[Column, T]]:
    """Return what there is of each ranked column; show how far the rest is, or why there is nothing at all."""
    ranked = [(column, column.scored) for column in columns if column.scored]
    ticket = ui.submit_at(place, tasks(page.scene, [scored for _, scored in ranked], page.view.off))
    ui.show_progress_at(place, ticket)
    found = [(column, part) for (column, _), part in zip(ranked, ticket.result, strict=True) if part]
    if lacking(columns) and not found:
        st.info(lacking(columns))
    elif not ranked:
        st.info("The references do not grow sparser; add a selection method.")
    return found


def _fidelity_lines(
    page: ui.SceneContext, columns: list[Column], found: list[tuple[Column, Curve]]
) -> tuple[list[Line], list[Line]]:
    ratios, dead = [], []
    for column, curve in found:
        x = [point.sparsity for point in curve.points]
        fates = [point.fate for point in curve.points]
        title, colour = column.title, column.colour
        ratios.append(Line(title, colour, [p.p_ratio for p in curve.points], x, fates))
        dead.append(Line(title, colour, [p.dead_share for p in curve.points], x, fates))
        steps = [step for step in column.scored.trajectory if step.sparsity < 1] if column.scored else []
        if steps:
            x = [step.sparsity for step in steps]
            name = f"{title}, step by step"
            ratios.append(Line(name, colour, [s.p_ratio for s in steps], x, quiet=True))
            dead.append(Line(name, colour, [s.dead_share for s in steps], x, quiet=True))
    for column, a in _references(columns):
        ratios.append(Line(column.title, column.colour, [a.p_ratio], [a.sparsity], [a.fate]))
        dead.append(Line(column.title, column.colour, [a.dead_share], [a.sparsity], [a.fate]))
    own = [page.scene.dead_share] * 2
    dead.append(Line("the network's own", page.theme.ink, own, (CURVE[0], CURVE[-1]), quiet=True))
    return ratios, dead


def _chance(scene: Scene) -> float:
    """Return the p ratio at or below which the target is near chance."""
    p = float(scene.original.logits.softmax(1)[0, scene.target])
    return chance_line(scene.network.classes) / p if p else nan


def _references(columns: list[Column]) -> list[tuple[Column, Answer]]:
    """Return the columns that no sparsity changes, with their answers."""
    return [(column, column.answer) for column in columns if column.answer and not column.scored]


def _said(columns: list[Column], found: list[tuple[Column, Curve]], what: str, at: float) -> str:
    """Return in words the values of the curves at the stop nearest to a sparsity."""
    nearest = min(range(len(CURVE)), key=lambda i: abs(CURVE[i] - at))
    points: list[tuple[Column, Any]] = [(column, curve.points[nearest]) for column, curve in found]
    values = []
    for column, point in (*points, *_references(columns)):
        value = ratio(point.p_ratio) if what == "p ratio" else percent(point.dead_share)
        values.append(f"{column.title} {value}, prediction {FATES[point.fate]}")
    return f"{what} over sparsity; at {percent(CURVE[nearest])}: {'; '.join(values)}."


def _offer_curves(page: ui.SceneContext, columns: list[Column], found: list[tuple[Column, Curve]]) -> None:
    off = page.view.off

    def record(kind: str, column: Column, asked: float | None, point: Any) -> dict[str, object]:
        return {
            "strategy": column.title,
            "points": kind,
            "off": "zero" if kind == "step" else off,
            "sparsity_asked": asked,
            "sparsity": point.sparsity,
            "p_ratio": point.p_ratio,
            "prediction_kept": point.prediction_kept,
            "near_chance": getattr(point, "fate", None) == "near chance",
            "dead_share": point.dead_share,
        }

    rows = []
    for column, curve in found:
        rows += [record("pathway", column, asked, p) for asked, p in zip(CURVE, curve.points, strict=True)]
        rows += [record("step", column, None, step) for step in (column.scored.trajectory if column.scored else ())]
    rows += [record("reference", column, None, answer) for column, answer in _references(columns)]
    offer_rows(page, columns, rows, "fidelity", answered=False)


def show_strip(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show each method's pathway gradient at the paper's sparsities, in one picture to take away."""
    st.markdown("## The pathway gradient as the pathway grows sparser")
    found = _submit_and_show(page, columns, comparison.strip_tasks, "strip")
    if not found:
        return
    view, theme = page.view, page.theme
    names = ", ".join(column.title for column, _ in found)
    shown = tuple((column.title, column.colour, column.scored.key) for column, _ in found if column.scored)
    rows, footer = [(column.title, column.colour, row) for column, row in found], _footer(page.scene, view)
    key = ("strip picture", shown, footer, theme)
    picture = cache.RESULTS.get(key, lambda: figures.jpeg(_draw(rows, view.style, footer, theme), 90))
    stops = ", ".join(percent(sparsity, 0) for sparsity in STRIP)
    alt = f"Pathway gradients of {names} at sparsities {stops}, each on its own scale."
    st.image(picture, width="stretch", alt=alt)
    st.caption(
        "Each picture has its own colour scale, for over these sparsities the gradient's size can fall by a factor of "
        "thousands. Its end is printed below each, with the target's p ratio and whether the prediction is kept."
    )
    _offer_strip(page, [column for column, _ in found], rows, footer)


def _draw(found: list[tuple[str, str, Row]], style: Style, footer: str, theme: Theme) -> Image.Image:
    """Draw a row for each title and colour: the map at every sparsity."""
    rows = []
    for title, colour, row in found:
        cells = []
        for values, p_ratio, fate in zip(row.maps, row.p_ratios, row.fates, strict=True):
            end = figures.limit(values)
            note = f"p ratio {ratio(p_ratio)}\n{FATES[fate]}\nscale {number(end)}"
            cells.append(Cell(figures.map_picture(values, end, style), note))
        rows.append((title, colour, cells))
    return strip(rows, [percent(sparsity, 0) for sparsity in STRIP], theme, footer)


def _footer(scene: Scene, view: View) -> str:
    """Return in words what a strip was made from, without its rows."""
    target = scene.network.class_names[scene.target]
    return (
        f"Pathway Explorer: {view.style} of the pathway gradient of {target!r} in {scene.network.name}, photo "
        f"{view.image}, neurons off the pathway {ui.held(view.off)}; weights {scene.network.weights_hash}, "
        f"image {scene.key[3]}."
    )


def _offer_strip(page: ui.SceneContext, columns: list[Column], found: list[tuple[str, str, Row]], footer: str) -> None:
    view = page.view
    made_from = made_from_all(page, columns, answered=False) | {
        "sparsities": STRIP,
        "style": view.style,
        "scale": "panel",
    }
    arrays = {}
    for title, _, row in found:
        arrays[title] = row.maps
        for name in ("sparsities", "p_ratios", "fates"):
            arrays[f"{title}: {name}"] = np.array(getattr(row, name))
    ui.offer_picture(
        lambda: _draw(found, view.style, footer, palette.LIGHT), lambda: arrays, made_from.about("strip"), "strip"
    )
