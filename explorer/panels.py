"""Pictures side by side: the photo, the plain gradient, pathway gradients, each with what it says and was made from."""

from __future__ import annotations

import streamlit as st

from core.methods import METHODS
from explorer import compute, export, figures, markup, session
from explorer.columns import Column, offer_start, show_waiting
from explorer.compute import Answer, Scene, Scored
from explorer.downloads import offer
from explorer.words import duration, method_name, number, percent, ratio

__all__ = ["show_panels"]


def show_panels(scene: Scene, columns: list[Column]) -> None:
    """Show the photo, the plain gradient, and each method's pathway gradient or its place in line."""
    view = session.view()
    maps = {c.method: compute.saliency(c.answer.restricted) for c in columns if c.answer}
    plain = compute.saliency(scene.original)
    shared = figures.limit(*maps.values())
    with st.container(key="panels"):
        panels = st.columns(4)
        with panels[0]:
            show_photo(scene)
        with panels[1]:
            end = figures.limit(plain)
            show_map(scene, "Plain gradient", "the original network, all neurons", plain, end, "own scale")
            show_answer(scene, scene.original.logits.softmax(1)[0].tolist())
            st.html(markup.made_from({"image, activations and gradient in": duration(scene.seconds)}))
            offer_map(scene, "gradient", plain, end, export.provenance(scene, view))
        for panel, column in zip(panels[2:], columns, strict=True):
            with panel:
                if column.scored and column.answer:
                    values = maps[column.method]
                    end = shared if view.scale == "shared" else figures.limit(values)
                    show_pathway(scene, column, column.scored, column.answer, values, end)
                else:
                    show_waiting(scene, column)
    if all(column.scored for column in columns):
        show_comparison(columns)


def show_photo(scene: Scene) -> None:
    view = session.view()
    st.html(markup.panel_title("Photo", "the square the network sees"))
    st.image(figures.jpeg(scene.picture, 92), width="stretch", alt=f"The photo as {scene.network.name} sees it.")
    sample = compute.sample_facts(view.image)
    if sample:
        st.html(markup.made_from({"": f"{sample.title}, {sample.author}. {sample.licence}."}))
    st.html(
        markup.facts(
            {
                "Network": scene.network.name,
                "Sites": number(len(scene.network.sites)),
                "Neurons": number(scene.network.neurons),
                "Dead for this photo": percent(scene.dead_share),
                "Device": str(scene.network.device),
            }
        )
        + markup.made_from({"weights": scene.network.weights_hash or "unnamed", "image": scene.key[3]})
    )


def show_map(
    scene: Scene, title: str, detail: str, values: figures.Floats, end: float, scale: str, colour: str = ""
) -> None:
    view = session.view()
    st.html(markup.panel_title(title, detail, colour))
    picture = figures.over_photo(scene.picture, values, end, view.style, view.opacity)
    strongest = divmod(int(abs(values).argmax()), values.shape[1])
    alt = (
        f"{title}, {view.style}: strongest at row {strongest[0]}, column {strongest[1]} of {values.shape[0]}; "
        f"scale ends at {number(end)}."
    )
    st.image(figures.jpeg(picture), width="stretch", alt=alt)
    low = "0" if view.style == "magnitude" else number(-end)
    st.html(markup.colour_bar(low, f"{number(end)} · {scale}", figures.colours(view.style)))


def show_answer(scene: Scene, probabilities: list[float]) -> None:
    best = sorted(range(len(probabilities)), key=lambda i: -probabilities[i])
    names = scene.network.class_names
    cut = probabilities[best[5]] if len(best) > 5 else -1.0  # classes as likely as the sixth are in no order
    shown = [(names[i], probabilities[i], i == scene.target) for i in best[:5] if probabilities[i] != cut]
    equal = probabilities.count(cut)
    st.html(markup.answers(shown, f"{number(equal)} classes alike, {percent(cut)} each" if len(shown) < 5 else ""))


def show_pathway(
    scene: Scene, column: Column, scored: Scored, answer: Answer, values: figures.Floats, end: float
) -> None:
    view = session.view()
    name = method_name(column.method, scored.options)
    scale = "shared scale" if view.scale == "shared" else "own scale"
    show_map(scene, name, f"pathway gradient, {column.family}", values, end, scale, column.colour)
    show_answer(scene, answer.restricted.logits.softmax(1)[0].tolist())
    st.html(
        markup.facts(
            {
                "Sparsity achieved": percent(answer.sparsity, 2),
                "p ratio": ratio(answer.p_ratio),
                "Prediction": "kept" if answer.prediction_kept else "not kept",
                "Dead share": percent(answer.dead_share),
            }
        )
    )
    parts = {
        "off": view.off,
        "chosen among equal scores": f"{number(answer.ties_kept)} of {number(answer.ties)}" if answer.ties else "none",
        "scores in": duration(scored.seconds),
        "gradient in": duration(answer.seconds),
    }
    st.html(markup.made_from(parts))
    if not METHODS[column.method].uses_target:
        st.caption("These scores do not depend on the target class.")
    if not scored.complete:
        st.info("Cancelled: this is the best it had found.")
        offer_start(compute.scores_key(scene, column.method, scored.options), column.method)
    offer_map(scene, name, values, end, export.provenance(scene, view, scored, answer))


def offer_map(scene: Scene, name: str, values: figures.Floats, end: float, made_from: dict[str, object]) -> None:
    view = session.view()
    stem = export.file_name(view.image, scene.network.name, name)
    shown = made_from | {"style": view.style, "scale": view.scale, "scale_end": end}

    def picture() -> bytes:
        return figures.png(figures.map_picture(values, end, view.style), shown)

    with st.container(horizontal=True, gap="small"):
        offer("PNG", f"{stem}.png", "image/png", picture, f"png_{name}")
        offer(
            "NPZ",
            f"{stem}.npz",
            "application/octet-stream",
            lambda: export.npz_file({"map": values}, made_from),
            f"npz_{name}",
        )


def show_comparison(columns: list[Column]) -> None:
    first, second = (column.scored for column in columns)
    if first and second:
        found = compute.compare(first, second, session.view().sparsity)
        st.markdown(
            f"The two pathways overlap by **{percent(found.overlap)}** (intersection over union); two independent ones "
            f"of their sizes would by {percent(found.chance)}."
        )
