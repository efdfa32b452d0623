"""Paintings on a page: what pathways encode, and what their strongest neurons answer to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from core.decoding import Decoded
from core.methods import METHODS
from core.strategy import STRATEGIES, Strategy
from explorer.compute import decoding, export, restriction, task_queue
from explorer.compute.decoding import Painted
from explorer.compute.scene import Scene
from explorer.compute.tasks import Task
from explorer.plots import figures
from explorer.plots.lines import Axis, Line, curves
from explorer.plots.words import counted, duration, number, percent, plain, position_name
from explorer.state.choices import MOST_PAINT_STEPS, REGULARISERS, SPARSITIES, Neuron
from explorer.ui import captions, controls, fields, markup, navigation, session
from explorer.ui.charts import show_chart
from explorer.ui.downloads import name_of, offer, offer_table
from explorer.ui.progress import confirm, show_progress, submit
from explorer.ui.rows import in_rows
from explorer.views.columns import Column, lacking, show_waiting, submit_columns

__all__ = ["choose_painting", "show_neurons", "show_pathways"]


def choose_painting() -> None:
    """Draw the choice of strategies, their sparsity, and how they are painted."""
    _several("Paint for", "painted", STRATEGIES, least=1, name=lambda n: Strategy(n).title)
    with st.container(key="methods"):
        left, right = st.columns([1.3, 1])
        with left:
            st.select_slider(
                "Sparsity of their pathways", SPARSITIES, format_func=percent, **fields.field("painted_at")
            )
        with right:
            _several("Regularisers", "regularisers", REGULARISERS, least=0, name=str)
        columns = st.columns([1.3, 1, 1, 1])
        with columns[0]:
            controls.restriction()
        with columns[1]:
            st.segmented_control("Begins with", ["noise", "grey"], required=True, **fields.field("start", "default"))
        with columns[2]:
            st.number_input("Steps", 1, MOST_PAINT_STEPS, step=32, **fields.field("paint_steps"))
        with columns[3]:
            st.number_input("Seed", 0, 9999, step=1, **fields.field("paint_seed"))


def _several(label: str, field: str, known: tuple[str, ...], *, least: int, name: Callable[[str], str]) -> None:
    """Draw the choice of several names, kept in the order in which they are known."""
    key = f"view_{field}"

    def changed() -> None:
        picked = tuple(n for n in known if n in st.session_state[key])
        if len(picked) >= least:
            change: dict[str, Any] = {field: picked}
            session.change(lambda v: replace(v, **change))

    fields.several(label, key, known, getattr(session.view(), field), changed, name=name)


def show_pathways(scene: Scene) -> None:
    """Show the image that maximises the target's logit in each strategy's pathway."""
    view = session.view()
    chosen = [view.strategy(name) if name in METHODS else Strategy(name) for name in view.painted]
    columns = submit_columns(scene, chosen)
    if not confirm("paintings", f"Paint {counted(len(columns), 'image')}, {counted(view.paint_steps, 'step')} each"):
        st.caption(
            "Each begins with the same start and climbs the target's logit in its own restricted network; the steps "
            "show as they come."
        )
        return
    painted: list[tuple[Column, Painted]] = []
    with st.container(key="panels"):
        for panel, column in in_rows(columns):
            with panel:
                found = _show_pathway(scene, column)
                if found:
                    painted.append((column, found))
    _show_climbs(scene, painted)


def _show_pathway(scene: Scene, column: Column) -> Painted | None:
    view, selection = session.view(), column.selection
    if selection is None:
        show_waiting(scene, column)
        return None
    kept = selection.size(view.painted_at)
    detail = f"{number(kept)} neurons, sparsity {percent(1 - kept / scene.network.neurons)}"
    st.html(markup.panel_title(column.title, detail, column.colour))
    task = decoding.painting_task(scene, selection, view)
    photo = restriction.answer(scene, selection, view.painted_at, view.off).restricted.logits[0, scene.target]
    return _show_painting(scene, task, column.title, f"painting_{column.place}", float(photo))


def _show_painting(
    scene: Scene, task: Task[Painted], title: str, name: str, photo: float | None = None
) -> Painted | None:
    """Show a painting with what the network says of it, or how far it is; ``photo`` is the objective of the photo."""
    ticket = submit(task)
    if ticket.result is None:

        def show() -> None:
            best, so_far = task_queue.QUEUE.best(task), decoding.latest(task.key)
            if best:
                _draw(scene, best, title, name, photo)
            elif so_far:
                st.image(so_far[1], width="stretch", alt=f"{title} after {so_far[0]} steps.")
            else:
                st.skeleton(height=210)

        show_progress(ticket, name, show)
        return None
    _draw(scene, ticket.result, title, name, photo)
    return ticket.result


def _draw(scene: Scene, found: Painted, title: str, name: str, photo: float | None) -> None:
    decoded, view, names = found.decoded, session.view(), scene.network.class_names
    best = int(found.answer.argmax())
    share = float(found.answer.softmax(0)[best])
    alt = f"{title}: painted in {decoded.steps} steps; the network takes it for {names[best]}, {percent(share)}."
    st.image(decoding.picture(scene.network, decoded.image), width="stretch", alt=alt)
    facts = {"Objective": f"{number(decoded.objective[0])} → {number(decoded.value)}"}
    if photo is not None:
        facts["Of the photo"] = number(photo)
    facts["The network says"] = f"{names[best]} {percent(share)}"
    st.html(
        markup.facts(facts)
        + markup.made_from(
            {"steps": decoded.steps, "in": duration(found.seconds), "off the pathway": captions.held(view.off)}
        )
    )
    if decoded.complete and decoded.value == decoded.objective[0]:
        st.caption("Nothing moved: from this start the restricted network has no gradient to the image.")
    stem = name_of(scene, title, "painting")
    made_from = _made_from(scene, title, decoded)
    preprocessing = scene.network.preprocessing
    with st.container(horizontal=True, gap="small"):
        if preprocessing:
            image = preprocessing.picture(decoded.image)
            offer("PNG", f"{stem}.png", "image/png", lambda: figures.png(image, made_from), f"{name}_png")
        array = decoded.image[0].float().cpu().numpy()
        offer(
            "NPZ",
            f"{stem}.npz",
            "application/octet-stream",
            lambda: export.npz_file({"image": array}, made_from),
            f"{name}_npz",
        )


def _made_from(scene: Scene, title: str, decoded: Decoded) -> dict[str, object]:
    view = session.view()
    recipe = {name: getattr(decoding.recipe(view), name) for name in decoding.recipe(view).__dataclass_fields__}
    return export.provenance(scene, view) | {
        "painted_for": title,
        "sparsity_asked": view.painted_at,
        "off": view.off,
        "recipe": recipe,
        "steps_done": decoded.steps,
    }


def _show_climbs(scene: Scene, painted: list[tuple[Column, Painted]]) -> None:
    """Show the objective over the steps of all that are done."""
    if not painted:
        return
    lines = [
        Line(
            column.title,
            column.colour,
            found.decoded.objective,
            tuple(map(float, range(found.decoded.steps))),
            quiet=False,
        )
        for column, found in painted
    ]
    words = "; ".join(f"{column.title} {number(found.decoded.value)}" for column, found in painted)
    figure = curves(lines, Axis("step"), Axis("logit of the target"), 280)
    show_chart(figure, "climbs", f"The target's logit over the steps; in the end {words}.")
    rows = [
        {"painted_for": column.title, "step": step, "logit": value}
        for column, found in painted
        for step, value in enumerate(found.decoded.objective)
    ]
    first = painted[0]
    offer_table(rows, name_of(scene, "paintings"), _made_from(scene, "all", first[1].decoded), "paintings")


def show_neurons(scene: Scene) -> None:
    """Show, for each method, what most excites the channel of its strongest neuron of the last feature site."""
    view, site = session.view(), decoding.last_feature_site(scene.network)
    st.markdown("## What do their strongest neurons answer to?")
    st.caption(
        f"For each method the neuron of {plain(site.name)}, the last feature site, that it keeps longest for this "
        "photo; the image maximises the mean of that neuron's channel in the original network."
    )
    columns = submit_columns(scene, [view.strategy(name) for name in view.painted if name in METHODS])
    ready = [(column, column.scored.ranking.top(1, site.index)) for column in columns if column.scored]
    tops = [(column, top[0]) for column, top in ready if top]
    if not tops:
        st.info(lacking(columns) or "Choose a selection method above.")
        return
    channels = {scene.network.sites[neuron[0]].place(neuron[1])[0] for _, neuron in tops}
    if not confirm("neurons", f"Paint {counted(len(channels), 'channel')}"):
        return
    with st.container(key="pair"):
        for panel, (column, neuron) in in_rows(tops):
            with panel:
                _show_neuron(scene, column, neuron)
    missing = lacking(columns)
    if missing:
        st.caption(missing)


def _show_neuron(scene: Scene, column: Column, neuron: Neuron) -> None:
    site, view = scene.network.sites[neuron[0]], session.view()
    st.html(markup.panel_title(column.title, position_name(site, neuron[1]), column.colour))
    task = decoding.neuron_task(scene.network, neuron, view)
    _show_painting(scene, task, f"{column.title}'s neuron", f"neuron_painting_{column.place}")
    st.button(
        "Open this neuron",
        key=f"open_painted_{column.place}",
        type="tertiary",
        icon=":material/adjust:",
        on_click=lambda: navigation.open_neuron(neuron),
    )
