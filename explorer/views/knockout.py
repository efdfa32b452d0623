"""The Knock-out page: a set of silenced neurons with its history, and the answer before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from core.errors import PathwayError
from core.network import Network
from core.strategy import Strategy
from explorer import ui
from explorer.compute import Answer, Provenance, Reference, Scene, neurons, rankings, restriction, scene_again
from explorer.plots import FATES, colour_scales, counted, figures, number, percent, plain, ratio
from explorer.state import LINKED_PARTS, KnockOut, Neuron, Part, View
from explorer.views import panels

__all__ = ["edit", "offer_silencing", "redo", "show_knockout", "undo"]

KEPT_STEPS = 50


def edit(make: Callable[[KnockOut], KnockOut]) -> None:
    """Replace the set, from a callback; the set before can be brought back."""

    def edited(view: View) -> View:
        before = view.knock
        after = make(before)
        if after != before:
            _past().append(before)
            del _past()[:-KEPT_STEPS]
            _future().clear()
        return view.with_knock(after)

    ui.session.change(edited)


def undo() -> None:
    """Bring the set before the last change back, from a callback."""
    _step(_past(), _future())


def redo() -> None:
    """Make the change that was undone last again, from a callback."""
    _step(_future(), _past())


def _step(source: list[KnockOut], target: list[KnockOut]) -> None:
    """Take the last set from one side of the history, and put the present one on the other."""

    def stepped(view: View) -> View:
        target.append(view.knock)
        return view.with_knock(source.pop())

    ui.session.change(stepped)


def _past() -> list[KnockOut]:
    past: list[KnockOut] = st.session_state.setdefault("past", [])
    return past


def _future() -> list[KnockOut]:
    future: list[KnockOut] = st.session_state.setdefault("future", [])
    return future


def offer_silencing(page: ui.SceneContext, neuron: Neuron) -> None:
    """Draw the buttons that put a neuron, or its channel, into the set."""
    site = page.network.sites[neuron[0]]
    one, channel = Part(*neuron, whole=False), Part(neuron[0], site.place(neuron[1])[0], whole=True)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for part, what in ((one, "this neuron"), (channel, "its channel")):
            there = part in page.view.knock.parts
            st.button(
                f"{'Take' if there else 'Put'} {what} {'out of' if there else 'into'} the knock-out",
                key=f"silence_{what}",
                on_click=lambda part=part, there=there: edit(lambda k: k.without(part) if there else k.adding([part])),
            )
        if page.view.knock.parts:
            ui.link("knockout", f"Knock-out ({len(page.view.knock.parts)})")


def show_knockout(page: ui.SceneContext) -> None:
    """Show the set of neurons and channels, and what the network says without them."""
    st.markdown(f"## What does the network say of *{page.target}* without them?")
    ui.controls.site(page.network)
    _show_tools(page)
    _show_before_and_after(page)


def _show_tools(page: ui.SceneContext) -> None:
    """Draw what changes the set as a whole: add, undo, redo, empty, save and load."""
    network, find, site = page.network, scene_again(page.scene), page.view.site_in(page.network)
    with st.container(key="methods"):
        left, middle, right = st.columns([1.3, 1, 1], vertical_alignment="bottom")
        with left:
            st.segmented_control(
                "These neurons and channels",
                [False, True],
                format_func=lambda only: "kept alone" if only else "silenced",
                required=True,
                default=ui.settle("knock_only", page.view.only),
                key="knock_only",
                on_change=lambda: edit(lambda k: replace(k, only=bool(st.session_state["knock_only"]))),
                help="Silenced: held at zero. Kept alone: at every site that has one of them, all others are held at "
                "zero; sites that have none stay whole.",
            )
        with middle:
            st.number_input("Strongest channels of the site", 1, 50, 5, key="knock_count")
        with right:
            st.button(
                "Add NeuronMCT's strongest channels",
                on_click=lambda: edit(
                    lambda k: k.adding(_strongest(find(), site, int(st.session_state["knock_count"])))
                ),
                help=f"Those of {network.sites[site].name} by the sum of their scores.",
            )
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button("Undo", icon=":material/undo:", disabled=not _past(), on_click=undo)
        st.button("Redo", icon=":material/redo:", disabled=not _future(), on_click=redo)
        st.button("Empty", icon=":material/close:", disabled=not page.view.knock.parts, on_click=lambda: edit(_emptied))
        if page.view.knock.parts:
            knock = page.view.knock  # the file is made outside the session
            ui.offer(
                "JSON", "json", Provenance((network.name, "knock-out"), {}), lambda: knock.file(network), "knockout"
            )
        with st.popover("Load", type="tertiary", icon=":material/upload:"):
            _loader(network)
    if len(page.view.knock.parts) > LINKED_PARTS:
        st.caption(f"More than {LINKED_PARTS} neurons and channels are not in the link; save them as JSON.")


def _emptied(knock: KnockOut) -> KnockOut:
    return replace(knock, parts=())


def _strongest(scene: Scene, site: int, count: int) -> list[Part]:
    scored = rankings.scores_now(scene, Strategy("NeuronMCT"))
    return [Part(site, channel, whole=True) for channel in neurons.strongest_channels(scored, scene, site, count)]


def _loader(network: Network) -> None:
    loads = st.session_state.setdefault("knock_loads", 0)
    key = f"knock_file_{loads}"

    def loaded() -> None:
        file = st.session_state.get(key)
        if file is None:
            return
        st.session_state["knock_loads"] += 1
        try:
            found = KnockOut.open(file.getvalue(), network)
        except PathwayError as problem:
            ui.session.tell(f"{problem} The set is unchanged.")
            return
        edit(lambda _: found)

    st.file_uploader("A set saved here", ["json"], key=key, on_change=loaded, max_upload_size=1)


def _show_before_and_after(page: ui.SceneContext) -> None:
    """Show gradient, top-5 and numbers of the original network beside those without the set."""
    knock = page.view.knock
    reference = rankings.knocked(page.scene, knock)
    answer = restriction.answer(page.scene, reference, 0.0, "zero")
    before, after = neurons.saliency(page.scene.original), neurons.saliency(answer.restricted)
    scales = colour_scales(("Before", "After"), (before, after), shared=True)
    with st.container(key="panels"):
        left, middle, right = st.columns([1, 1, 1])
        with left:
            panels.show_map(page, "Before", "the original network", before, scales[0])
            panels.show_answer(page.scene, page.scene.original.logits.softmax(1)[0].tolist(), 5)
        with middle:
            what = "kept alone" if knock.only else "silenced"
            panels.show_map(page, "After", f"{_said(knock)} {what}", after, scales[1])
            panels.show_answer(page.scene, answer.restricted.logits.softmax(1)[0].tolist(), 5)
            _show_facts(page.scene, reference, answer)
            _offer_map(page, knock, answer, after, scales[1].end)
        with right:
            _show_set(page)


def _said(knock: KnockOut) -> str:
    """Return how many neurons and channels the set has."""
    channels = sum(part.whole for part in knock.parts)
    kinds = ((channels, "channel"), (len(knock.parts) - channels, "neuron"))
    return " and ".join(counted(count, what) for count, what in kinds if count) or "nothing"


def _show_facts(scene: Scene, reference: Reference, answer: Answer) -> None:
    silent = [~mask for mask in reference.chosen.masks]
    lost = sum(int(mask.count_nonzero()) for mask in silent)
    dead = sum(int((mask & d).count_nonzero()) for mask, d in zip(silent, scene.dead, strict=True))
    st.html(
        ui.facts(
            {
                **ui.logits(scene, answer.before, answer.after),
                "p ratio": ratio(answer.p_ratio),
                "Prediction": FATES[answer.fate],
                "Neurons off": f"{number(lost)} ({percent(lost / scene.network.neurons)})",
                "of them dead anyway": number(dead),
            }
        )
        + ui.made_from({"gradient in": f"{1000 * answer.seconds:.0f} ms"})
    )


def _offer_map(page: ui.SceneContext, knock: KnockOut, answer: Answer, values: figures.Floats, end: float) -> None:
    made_from = page.made_from() | {
        "silenced" if not knock.only else "kept_alone": [str(part) for part in knock.parts],
        "p_ratio": answer.p_ratio,
        "prediction_kept": answer.prediction_kept,
        "near_chance": answer.fate == "near chance",
    }
    panels.offer_map(page, "knock-out", values, end, made_from, "knockout")


def _show_set(page: ui.SceneContext) -> None:
    """List the parts, each with a way to look at it and to take it out."""
    knock, network = page.view.knock, page.network
    st.html(ui.panel_title("The set", _said(knock)))
    if not knock.parts:
        st.info(
            "Nothing is silenced yet. Add channels above, or open a neuron (from a ranking, a mask or the Neuron "
            "page) and put it in."
        )
    for part in knock.parts[:20]:
        with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"part_{part}"):
            st.button(
                plain(part.title(network)),
                key=f"open_{part}",
                type="tertiary",
                on_click=lambda part=part: _open(network, part),
            )
            st.button(
                f"Take out {plain(part.title(network))}",  # the style sheet shows it to screen readers only
                key=f"drop_{part}",
                type="tertiary",
                icon=":material/close:",
                help="Take it out of the set",
                on_click=lambda part=part: edit(lambda k: k.without(part)),
            )
    if len(knock.parts) > 20:
        st.caption(f"and {len(knock.parts) - 20} more")


def _open(network: Network, part: Part) -> None:
    site = network.sites[part.site]
    position = site.position(part.place, 0, 0) if part.whole else part.place
    ui.open_neuron((part.site, position), whole=part.whole)
