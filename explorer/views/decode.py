"""The Decode page: images that maximise the target within each pathway, and those that excite its strongest neurons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from core.decoding import Decoded
from core.methods import METHODS
from core.strategy import STRATEGIES, Strategy
from explorer import ui
from explorer.compute import Painted, Provenance, Task, decoding, restriction, task_queue
from explorer.plots import Axis, Line, counted, curves, duration, number, percent, plain, position_name
from explorer.state import REGULARISERS, SPARSITIES, Neuron
from explorer.views.columns import Column, lacking, show_waiting, submit_columns

__all__ = ["show_paintings"]


def show_paintings(page: ui.SceneContext) -> None:
    """Show the image that each pathway answers to most, and the one that each method's strongest neuron does."""
    st.markdown(f"## What would each pathway like to see as *{page.target}*?")
    _choose_painting(page)
    _show_pathways(page)
    _show_neurons(page)


def _choose_painting(page: ui.PageContext) -> None:
    """Draw the choice of strategies, their sparsity, and how they are painted."""
    _several(page, "Paint for", "painted", STRATEGIES, least=1, name=lambda n: Strategy(n).title)
    with st.container(key="methods"):
        left, right = st.columns([1.3, 1])
        with left:
            st.select_slider("Sparsity of their pathways", SPARSITIES, format_func=percent, **ui.field("painted_at"))
        with right:
            _several(page, "Regularisers", "regularisers", REGULARISERS, least=0, name=str)
        columns = st.columns([1.3, 1, 1, 1])
        with columns[0]:
            ui.controls.restriction()
        with columns[1]:
            st.segmented_control("Begins with", ["noise", "grey"], required=True, **ui.field("start", "default"))
        with columns[2]:
            st.number_input("Steps", step=32, **ui.field("paint_steps"))
        with columns[3]:
            st.number_input("Seed", step=1, **ui.field("paint_seed"))


def _several(
    page: ui.PageContext, label: str, field: str, known: tuple[str, ...], *, least: int, name: Callable[[str], str]
) -> None:
    """Draw the choice of several names, kept in the order in which they are known."""
    key = f"view_{field}"

    def changed() -> None:
        picked = tuple(n for n in known if n in st.session_state[key])
        if len(picked) >= least:
            change: dict[str, Any] = {field: picked}
            ui.session.change(lambda v: replace(v, **change))

    ui.several(label, key, known, getattr(page.view, field), changed, name=name)


def _show_pathways(page: ui.SceneContext) -> None:
    """Show the image that maximises the target's logit in each strategy's pathway."""
    view = page.view
    chosen = [view.strategy(name) if name in METHODS else Strategy(name) for name in view.painted]
    columns = submit_columns(page, chosen)
    if not ui.confirm("paintings", f"Paint {counted(len(columns), 'image')}, {counted(view.paint_steps, 'step')} each"):
        st.caption(
            "Each begins with the same start and climbs the target's logit in its own restricted network; the steps "
            "show as they come."
        )
        return
    painted: list[tuple[Column, Painted]] = []
    with st.container(key="panels"):
        for panel, column in ui.in_rows(columns):
            with panel:
                found = _show_pathway(page, column)
                if found:
                    painted.append((column, found))
    _show_climbs(page, painted)


def _show_pathway(page: ui.SceneContext, column: Column) -> Painted | None:
    view, selection = page.view, column.selection
    if selection is None:
        show_waiting(page.scene, column)
        return None
    kept = selection.size(view.painted_at)
    detail = f"{number(kept)} neurons, sparsity {percent(1 - kept / page.network.neurons)}"
    st.html(ui.panel_title(column.title, detail, column.colour))
    task = decoding.painting_task(page.scene, selection, view)
    photo = restriction.answer(page.scene, selection, view.painted_at, view.off).restricted.logits[0, page.scene.target]
    return _show_painting(page, task, column.title, f"painting_{column.place}", float(photo))


def _show_painting(
    page: ui.SceneContext, task: Task[Painted], title: str, name: str, photo: float | None = None
) -> Painted | None:
    """Show a painting with what the network says of it, or how far it is; ``photo`` is the objective of the photo."""
    ticket = ui.submit(task)
    if ticket.result is None:

        def show() -> None:
            best, so_far = task_queue.QUEUE.best(task), decoding.latest(task.key)
            if best:
                _draw(page, best, title, name, photo)
            elif so_far:
                st.image(so_far[1], width="stretch", alt=f"{title} after {so_far[0]} steps.")
            else:
                st.skeleton(height=210)

        ui.show_progress(ticket, name, show)
        return None
    _draw(page, ticket.result, title, name, photo)
    return ticket.result


def _draw(page: ui.SceneContext, found: Painted, title: str, name: str, photo: float | None) -> None:
    decoded, view, names = found.decoded, page.view, page.network.class_names
    best = int(found.answer.argmax())
    share = float(found.answer.softmax(0)[best])
    alt = f"{title}: painted in {decoded.steps} steps; the network takes it for {names[best]}, {percent(share)}."
    st.image(decoding.picture(page.network, decoded.image), width="stretch", alt=alt)
    facts = {"Objective": f"{number(decoded.objective[0])} → {number(decoded.value)}"}
    if photo is not None:
        facts["Of the photo"] = number(photo)
    facts["The network says"] = f"{names[best]} {percent(share)}"
    st.html(
        ui.facts(facts)
        + ui.made_from({"steps": decoded.steps, "in": duration(found.seconds), "off the pathway": ui.held(view.off)})
    )
    if decoded.complete and decoded.value == decoded.objective[0]:
        st.caption("Nothing moved: from this start the restricted network has no gradient to the image.")
    made_from = _made_from(page, title, decoded).about(title, "painting")
    preprocessing = page.network.preprocessing
    with st.container(horizontal=True, gap="small"):
        if preprocessing:
            image = preprocessing.picture(decoded.image)
            ui.offer_png(lambda: image, made_from, name)
        array = decoded.image[0].float().cpu().numpy()
        ui.offer_npz(lambda: {"image": array}, made_from, name)


def _made_from(page: ui.SceneContext, title: str, decoded: Decoded) -> Provenance:
    view = page.view
    recipe = {name: getattr(decoding.recipe(view), name) for name in decoding.recipe(view).__dataclass_fields__}
    return page.made_from() | {
        "painted_for": title,
        "sparsity_asked": view.painted_at,
        "off": view.off,
        "recipe": recipe,
        "steps_done": decoded.steps,
    }


def _show_climbs(page: ui.SceneContext, painted: list[tuple[Column, Painted]]) -> None:
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
    ui.show_chart(figure, "climbs", f"The target's logit over the steps; in the end {words}.")
    rows = [
        {"painted_for": column.title, "step": step, "logit": value}
        for column, found in painted
        for step, value in enumerate(found.decoded.objective)
    ]
    first = painted[0]
    ui.offer_table(rows, _made_from(page, "all", first[1].decoded).about("paintings"), "paintings")


def _show_neurons(page: ui.SceneContext) -> None:
    """Show, for each method, what most excites the channel of its strongest neuron of the last feature site."""
    view, site = page.view, decoding.last_feature_site(page.network)
    st.markdown("## What do their strongest neurons answer to?")
    st.caption(
        f"For each method the neuron of {plain(site.name)}, the last feature site, that it keeps longest for this "
        "photo; the image maximises the mean of that neuron's channel in the original network."
    )
    columns = submit_columns(page, [view.strategy(name) for name in view.painted if name in METHODS])
    ready = [(column, column.scored.ranking.top(1, site.index)) for column in columns if column.scored]
    tops = [(column, top[0]) for column, top in ready if top]
    if not tops:
        st.info(lacking(columns) or "Choose a selection method above.")
        return
    channels = {page.network.sites[neuron[0]].place(neuron[1])[0] for _, neuron in tops}
    if not ui.confirm("neurons", f"Paint {counted(len(channels), 'channel')}"):
        return
    with st.container(key="pair"):
        for panel, (column, neuron) in ui.in_rows(tops):
            with panel:
                _show_neuron(page, column, neuron)
    missing = lacking(columns)
    if missing:
        st.caption(missing)


def _show_neuron(page: ui.SceneContext, column: Column, neuron: Neuron) -> None:
    site, view = page.network.sites[neuron[0]], page.view
    st.html(ui.panel_title(column.title, position_name(site, neuron[1]), column.colour))
    task = decoding.neuron_task(page.network, neuron, view)
    _show_painting(page, task, f"{column.title}'s neuron", f"neuron_painting_{column.place}")
    st.button(
        "Open this neuron",
        key=f"open_painted_{column.place}",
        type="tertiary",
        icon=":material/adjust:",
        on_click=lambda: ui.open_neuron(neuron),
    )
