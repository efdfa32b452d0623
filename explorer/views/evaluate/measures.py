"""Measures of attributions on a page: replaced pixels, sensitivity-n, the object."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

import streamlit as st

from core.errors import PathwayError
from core.evaluation import TOLERANCE
from explorer import ui
from explorer.compute import Mask, Measured, Sensitive, evaluation
from explorer.plots import Axis, Line, bars_with_level, curves, figures, literal, number, percent, pixel_axis, plain
from explorer.state import CHANGES, NEAR, ORDERS, Box
from explorer.views.evaluate import attributions
from explorer.views.evaluate.attributions import Attributed

__all__ = ["show_degradation", "show_localisation", "show_sensitivity"]

HITS = {None: "points nowhere, it is flat", True: "hits", False: "misses"}
REPLACEMENTS = {"mean": "the mean colour", "black": "black", "blur": "a blurred photo"}


def show_degradation(page: ui.SceneContext, attributed: list[Attributed]) -> None:
    """Show how the answer changes as pixels are replaced in the order of their relevance."""
    st.markdown("## What if the pixels that matter, or do not, are replaced?")
    _choose_degradation()
    view, found = page.view, attributions.made(attributed)
    ticket = ui.submit_at("degradation", evaluation.curve_tasks(page.scene, attributions.titled(found), view))
    ui.show_progress_at("degradation", ticket)
    measured = [(each, m) for (each, _), m in zip(found, ticket.result, strict=True) if m]
    if not measured:
        st.info(attributions.lacking(attributed) or "Choose an attribution above.")
        return
    _draw_degradation(page, measured)
    rows = [
        {
            "attribution": each.title,
            "order": view.order,
            "replacement": view.replacement,
            "share": share,
            "probability": p,
            "change": change,
            "tied_pixels": m.curve.tied,
        }
        for each, m in measured
        for share, p, change in zip(m.curve.shares, m.curve.probabilities, m.curve.changes, strict=True)
    ]
    attributions.offer_rows(page, [each for each, _ in measured], rows, "degradation")


def _choose_degradation() -> None:
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        st.segmented_control(
            "Order",
            list(ORDERS),
            required=True,
            format_func=lambda o: ORDERS[o][0],
            **ui.field("order", "default"),
        )
        st.segmented_control(
            "Replaced by",
            list(REPLACEMENTS),
            required=True,
            format_func=REPLACEMENTS.__getitem__,
            **ui.field("replacement", "default"),
        )
        ui.controls.near()


def _draw_degradation(page: ui.SceneContext, measured: list[tuple[Attributed, Measured]]) -> None:
    view, end = page.view, NEAR if page.view.near else 1.0
    of_change = view.order in CHANGES
    lines = []
    for each, m in measured:
        points = [(x, y) for x, y in zip(m.curve.shares, _heights(m, of_change), strict=True) if x <= end + 1e-9]
        lines.append(Line(each.title, each.colour, [y for _, y in points], [x for x, _ in points]))
    top = 1.06 * max((y for line in lines for y in line.y if not isnan(y)), default=1.0) or 1.0
    target = literal(page.network.class_names[page.scene.target])
    y = Axis("|p − p′| / p" if of_change else f"probability of {target}", ends=(0, top))
    words = "; ".join(f"{each.title} {number(_area(m, of_change, end))}" for each, m in measured)
    alt = (
        f"{ORDERS[view.order][0]}: {'change' if of_change else 'probability'} over the share of pixels; areas up to "
        f"{percent(end, 0)}: {words}."
    )
    ui.show_chart(curves(lines, pixel_axis(view.order, NEAR if view.near else 1.0), y), "degradation", alt)
    st.caption(
        f"{ORDERS[view.order][1]} Areas under the curves up to {percent(end, 0)} of the pixels: {words}. "
        "p is the softmax probability of the target. Pixels of equal relevance are taken in one fixed random order."
    )


def _heights(measured: Measured, of_change: bool) -> tuple[float, ...]:
    return measured.curve.changes if of_change else measured.curve.probabilities


def _area(measured: Measured, of_change: bool, end: float) -> float:
    return measured.curve.change_area(end) if of_change else measured.curve.area(end)


def show_sensitivity(page: ui.SceneContext, attributed: list[Attributed]) -> None:
    """Show how well sums of attributions predict what the response loses without those pixels."""
    st.markdown("## Do attributions add up to what the response loses?")
    found = attributions.made(attributed)
    passes = number(evaluation.passes(page.scene))
    if not ui.confirm("sensitivity", f"Measure sensitivity-n ({passes} forward passes)"):
        st.caption(
            f"Sensitivity-n: {evaluation.SUBSETS} random sets of n pixels are removed, for a dozen n; the sum of "
            "their attributions is correlated with what the response loses."
        )
        return
    ticket = ui.submit_at("sensitivity", evaluation.sensitivity_tasks(page.scene, attributions.titled(found)))
    ui.show_progress_at("sensitivity", ticket)
    measured = [(each, m) for (each, _), m in zip(found, ticket.result, strict=True) if m]
    if not measured:
        st.info(attributions.lacking(attributed) or "Choose an attribution above.")
        return
    lines = [Line(e.title, e.colour, m.curve.correlations, tuple(map(float, m.curve.sizes))) for e, m in measured]
    values = [y for line in lines for y in line.y if not isnan(y)]
    low = min([0.0, *values]) - 0.05
    x = Axis("n, pixels removed together", logarithmic=True)
    words = [f"{each.title} {_mean(m)}" for each, m in measured]
    alt = f"Correlation over the number of removed pixels; mean over n: {'; '.join(words)}."
    ui.show_chart(curves(lines, x, Axis("Pearson correlation", ends=(low, 1.05))), "sensitivity", alt)
    st.caption(
        "Closer to 1 is better: the attributions of n pixels then say what the response loses without them. Mean over "
        f"n: {'; '.join(words)}. Over {evaluation.SUBSETS} sets chance alone reaches ±0.2. {_undefined(measured)}"
    )
    rows = [
        {"attribution": each.title, "n": n, "correlation": None if isnan(c) else c, "undefined_because": why}
        for each, m in measured
        for n, c, why in zip(m.curve.sizes, m.curve.correlations, m.curve.reasons, strict=True)
    ]
    attributions.offer_rows(page, [each for each, _ in measured], rows, "sensitivity-n")


def _mean(measured: Sensitive) -> str:
    defined = [c for c in measured.curve.correlations if not isnan(c)]
    return f"{sum(defined) / len(defined):.2f}" if defined else "undefined"


def _undefined(measured: list[tuple[Attributed, Sensitive]]) -> str:
    """Return in words what is not drawn, and why."""
    reasons: dict[str, list[str]] = {}
    for each, m in measured:
        for n, why in zip(m.curve.sizes, m.curve.reasons, strict=True):
            if why:
                reasons.setdefault(f"{each.title}, since {why}", []).append(f"{n:,}")
    return " ".join(f"Undefined at n = {', '.join(ns)} for {what}." for what, ns in reasons.items())


def show_localisation(page: ui.SceneContext, attributed: list[Attributed]) -> None:
    """Show how much of each attribution lies on the object."""
    st.markdown("## Does it point at the object?")
    mask = _mask(page)
    with st.container(key="neurons"):
        left, right = st.columns([1.4, 1])
    with right:
        box = page.view.box
        what = f"a box around {_box_words(box)}" if box else "an object mask" if mask is not None else "no box drawn"
        shown = figures.dimmed(page.scene.picture, mask.numpy()) if mask is not None and not box else page.scene.picture
        alt = f"The photo as the network sees it; {what}."
        ui.components.box_picker(figures.data_url(figures.jpeg(shown, 90)), alt, box, on_drawn=_drawn)
        _offer_mask(page)
    with left:
        if mask is None:
            st.info("Drag a box around the object in the photo, or bring a picture that is transparent around it.")
        else:
            _show_localised(page, mask, attributed)


def _mask(page: ui.SceneContext) -> Mask | None:
    """Return the pixels on the object; None where neither a box nor a mask says which."""
    own, preprocessing = ui.session.mask(), page.network.preprocessing
    alpha = preprocessing.mask(own, page.view.crop) if own and preprocessing else None
    return evaluation.object_mask(page.scene, page.view.box, alpha)


def _box_words(box: Box) -> str:
    return f"{box[0]} to {box[2]} % across and {box[1]} to {box[3]} % down"


def _drawn(box: tuple[int, ...]) -> None:
    if len(box) == 4 and 0 <= box[0] < box[2] <= 100 and 0 <= box[1] < box[3] <= 100:
        ui.session.change(lambda v: replace(v, box=(box[0], box[1], box[2], box[3])))


def _offer_mask(page: ui.SceneContext) -> None:
    if page.view.box:
        st.button("Remove the box", on_click=lambda: ui.session.change(lambda v: replace(v, box=None)))
    loads, photo = st.session_state.setdefault("mask_loads", 0), page.photo
    key = f"mask_{loads}"

    def loaded() -> None:
        file = st.session_state.get(key)
        if file is not None:
            st.session_state["mask_loads"] += 1
            ui.uploads.add_mask(file.getvalue(), photo)

    with st.expander("Or bring a mask"):
        st.file_uploader(
            "A PNG of the photo, transparent around the object",
            ["png", "webp"],
            key=key,
            on_change=loaded,
            max_upload_size=ui.uploads.MAX_PICTURE >> 20,
            help="It stays in this session and is not in the link; a box is.",
        )


def _show_localised(page: ui.SceneContext, mask: Mask, attributed: list[Attributed]) -> None:
    found = attributions.made(attributed)
    try:
        localised = evaluation.localised(mask, [made for _, made in found])
    except PathwayError as problem:
        st.warning(plain(str(problem)))
        return
    if not found:
        st.info(attributions.lacking(attributed))
        return
    chance, near = localised.chance, localised.near
    titles = [each.title for each, _ in found]
    words = [f"{title} {percent(energy)}" for title, energy in zip(titles, localised.energies, strict=True)]
    alt = f"Energy inside the object: {'; '.join(words)}; by chance {percent(chance)}."
    colours = [each.colour for each, _ in found]
    ui.show_chart(
        bars_with_level(titles, localised.energies, colours, chance, "relevance on the object"),
        "localisation",
        alt,
    )
    reach = number(TOLERANCE * min(mask.shape))
    said = "; ".join(f"{title} {HITS[hit]}" for title, hit in zip(titles, localised.hits, strict=True))
    st.caption(
        "Higher is better: the share of all relevance that lies on the object; the line is the object's share of the "
        f"picture, {percent(chance)}, what relevance without regard to it would have. Pointing game, the most relevant "
        f"pixel closer to the object than {reach} pixels ({percent(TOLERANCE)} of the shorter side), which a random "
        f"one is with {percent(near)}: {said}."
    )
    rows = [
        {"attribution": title, "energy_inside": energy, "chance": chance, "pointing_game": hit, "pointing_chance": near}
        for title, energy, hit in zip(titles, localised.energies, localised.hits, strict=True)
    ]
    attributions.offer_rows(page, [each for each, _ in found], rows, "localisation")
