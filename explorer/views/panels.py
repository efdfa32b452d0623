"""Panels side by side: the photo, the plain gradient, and pathway gradients, each with its answer and provenance."""

from __future__ import annotations

import streamlit as st

from explorer import ui
from explorer.compute import Answer, Provenance, Scene, Selection, catalogue, comparison, neurons, rankings
from explorer.plots import ColourScale, colour_scales, duration, figures, number, percent
from explorer.views.columns import Column, show_waiting

__all__ = ["offer_map", "scales_of", "show_answer", "show_column", "show_map", "show_panels"]


def show_panels(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show the photo, the plain gradient, and each method's pathway gradient or its place in line."""
    scales = scales_of(page, columns)
    with st.container(key="panels"):
        panels = st.columns(4)
        with panels[0]:
            _show_photo(page)
        with panels[1]:
            _show_plain(page)
        for panel, column in zip(panels[2:], columns, strict=True):
            with panel:
                show_column(page, column, scales.get(column.place), top=5)
    if all(column.selection for column in columns):
        _show_comparison(page, columns)


def scales_of(page: ui.PageContext, columns: list[Column]) -> dict[int, ColourScale]:
    """Return each column's colour scale, by its place."""
    there = [(column, neurons.saliency(column.answer.restricted)) for column in columns if column.answer]
    titles, maps = [column.title for column, _ in there], [values for _, values in there]
    found = colour_scales(titles, maps, shared=page.view.scale == "shared")
    return {column.place: scale for (column, _), scale in zip(there, found, strict=True)}


def show_column(page: ui.SceneContext, column: Column, scale: ColourScale | None, top: int) -> None:
    """Show a column's pathway gradient with its answer and provenance, or the column's place in line.

    Args:
        page: where it stands.
        column: what is shown.
        scale: of its colours.
        top: how many classes are listed.
    """
    if column.selection is None or column.answer is None or scale is None:
        show_waiting(page.scene, column)
        return
    values = neurons.saliency(column.answer.restricted)
    detail = f"pathway gradient, {column.strategy.family}"
    show_map(page, column.title, detail, values, scale, column.colour)
    show_answer(page.scene, column.answer.restricted.logits.softmax(1)[0].tolist(), top)
    st.html(ui.facts(ui.answer_facts(page.scene, column.answer)))
    _show_making(page, column, column.selection, column.answer)
    made_from = page.made_from(column.selection, column.answer)
    offer_map(page, column.title, values, scale.end, made_from, f"column_{column.place}")


def _show_photo(page: ui.SceneContext) -> None:
    view = page.view
    st.html(ui.panel_title("Photo", "the square the network sees"))
    st.image(figures.jpeg(page.scene.picture, 92), width="stretch", alt=f"The photo as {page.network.name} sees it.")
    sample = catalogue.sample_facts(view.image)
    if sample:
        st.html(ui.made_from({"": sample.credit}))
    st.html(
        ui.facts(ui.scene_facts(page.scene) | {"Device": str(page.network.device)})
        + ui.made_from(
            ui.not_covered(page.network)
            | {"weights": page.network.weights_hash or "unnamed", "image": page.scene.key[3]}
        )
    )


def _show_plain(page: ui.SceneContext) -> None:
    values = neurons.saliency(page.scene.original)
    scale = ColourScale(figures.limit(values), "own scale")
    show_map(page, "Plain gradient", "the original network, all neurons", values, scale)
    show_answer(page.scene, page.scene.original.logits.softmax(1)[0].tolist(), 5)
    st.html(ui.made_from({"image, activations and gradient in": duration(page.scene.seconds)}))
    offer_map(page, "gradient", values, scale.end, page.made_from(), "plain")


def show_map(
    page: ui.SceneContext, title: str, detail: str, values: figures.Floats, scale: ColourScale, colour: str = ""
) -> None:
    """Show a saliency map with its colour scale."""
    view = page.view
    st.html(ui.panel_title(title, detail, colour))
    picture = figures.over_photo(page.scene.picture, values, scale.end, view.style, view.opacity)
    strongest = divmod(int(abs(values).argmax()), values.shape[1])
    alt = (
        f"{title}, {view.style}: strongest at row {strongest[0]}, column {strongest[1]} of {values.shape[0]}; "
        f"scale ends at {number(scale.end)}."
    )
    st.image(figures.jpeg(picture), width="stretch", alt=alt)
    st.html(ui.scale(view, scale))


def show_answer(scene: Scene, probabilities: list[float], top: int) -> None:
    """Show the most probable classes; equally likely ones beyond the last place are only counted."""
    shown, rest = ui.likeliest(scene, probabilities, top)
    st.html(ui.answers(shown, top, rest))


def _show_making(page: ui.SceneContext, column: Column, selection: Selection, answer: Answer) -> None:
    st.html(ui.made_from(ui.making(selection, answer, page.view.off)))
    if column.scored and not column.strategy.uses_target:
        st.caption("These scores do not depend on the target class.")
    if not selection.complete:
        st.info("Cancelled: this is the best it had found.")
        ui.offer_start(rankings.scores_key(page.scene, column.strategy), f"column_{column.place}")


def offer_map(
    page: ui.SceneContext, name: str, values: figures.Floats, end: float, made_from: Provenance, key: str
) -> None:
    """Offer a map as PNG and NPZ."""
    view = page.view
    ui.offer_picture(
        lambda: figures.map_picture(values, end, view.style),
        lambda: {"map": values},
        made_from.about(name),
        key,
        drawn={"style": view.style, "scale": view.scale, "scale_end": end},
    )


def _show_comparison(page: ui.SceneContext, columns: list[Column]) -> None:
    first, second = (column.selection for column in columns)
    if first and second:
        common, chance = comparison.overlap(page.scene, [first, second], page.view.sparsity)
        st.markdown(
            f"The two pathways overlap by **{percent(common)}** (intersection over union); two independent ones of "
            f"their sizes would by {percent(chance)}."
        )
