"""What silencing a set of neurons does: the set and its history, the answer before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from core.errors import PathwayError
from core.network import Network
from core.strategy import Strategy
from explorer.compute import export, neurons, rankings, restriction
from explorer.compute.rankings import Reference
from explorer.compute.restriction import Answer
from explorer.compute.scene import Scene, scene_again
from explorer.plots import figures
from explorer.plots.scales import colour_scales
from explorer.plots.words import FATES, counted, number, percent, plain, ratio
from explorer.state.choices import LINKED_PARTS, Neuron
from explorer.state.knockout import KnockOut, Part
from explorer.ui import captions, markup, navigation, session
from explorer.ui.downloads import offer
from explorer.ui.fields import settle
from explorer.views import panels

__all__ = ["edit", "offer_silencing", "redo", "show_before_and_after", "show_tools", "undo"]

KEPT_STEPS = 50


def _current() -> KnockOut:
    """Return the set as the view has it."""
    return KnockOut(session.view().parts, session.view().only)


def edit(make: Callable[[KnockOut], KnockOut]) -> None:
    """Replace the set, from a callback; what it was can be brought back."""
    before = _current()
    after = make(before)
    if after != before:
        _past().append(before)
        del _past()[:-KEPT_STEPS]
        _future().clear()
    _settle(after)


def undo() -> None:
    """Bring the set before the last change back, from a callback."""
    _future().append(_current())
    _settle(_past().pop())


def redo() -> None:
    """Make the change that was undone last again, from a callback."""
    _past().append(_current())
    _settle(_future().pop())


def _settle(chosen: KnockOut) -> None:
    session.change(lambda v: replace(v, parts=chosen.parts, only=chosen.only))


def _past() -> list[KnockOut]:
    past: list[KnockOut] = st.session_state.setdefault("past", [])
    return past


def _future() -> list[KnockOut]:
    future: list[KnockOut] = st.session_state.setdefault("future", [])
    return future


def offer_silencing(scene: Scene, neuron: Neuron) -> None:
    """Draw the buttons that put a neuron, or its channel, into the set."""
    site = scene.network.sites[neuron[0]]
    one, channel = Part(*neuron, whole=False), Part(neuron[0], site.place(neuron[1])[0], whole=True)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for part, what in ((one, "this neuron"), (channel, "its channel")):
            there = part in _current().parts
            st.button(
                f"{'Take' if there else 'Put'} {what} {'out of' if there else 'into'} the knock-out",
                key=f"silence_{what}",
                on_click=lambda part=part, there=there: edit(lambda k: k.without(part) if there else k.adding([part])),
            )
        if _current().parts:
            navigation.link("knockout", f"Knock-out ({len(_current().parts)})")


def show_tools(scene: Scene) -> None:
    """Draw what changes the set as a whole: add, undo, redo, empty, save and load."""
    network, find = scene.network, scene_again(scene)
    with st.container(key="methods"):
        left, middle, right = st.columns([1.3, 1, 1], vertical_alignment="bottom")
        with left:
            st.segmented_control(
                "These neurons and channels",
                [False, True],
                format_func=lambda only: "kept alone" if only else "silenced",
                required=True,
                default=settle("knock_only", session.view().only),
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
                on_click=lambda: edit(lambda k: k.adding(_strongest(find(), int(st.session_state["knock_count"])))),
                help=f"Those of {network.sites[session.view().site_in(network)].name} by the sum of their scores.",
            )
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button("Undo", icon=":material/undo:", disabled=not _past(), on_click=undo)
        st.button("Redo", icon=":material/redo:", disabled=not _future(), on_click=redo)
        st.button("Empty", icon=":material/close:", disabled=not _current().parts, on_click=lambda: edit(_emptied))
        name = export.file_name(network.name, "knock-out.json")
        if _current().parts:
            knock = _current()  # the file is made outside the session
            offer("JSON", name, "application/json", lambda: knock.file(network), "knockout")
        with st.popover("Load", type="tertiary", icon=":material/upload:"):
            _loader(scene)
    if len(_current().parts) > LINKED_PARTS:
        st.caption(f"More than {LINKED_PARTS} neurons and channels are not in the link; save them as JSON.")


def _emptied(knock: KnockOut) -> KnockOut:
    return replace(knock, parts=())


def _strongest(scene: Scene, count: int) -> list[Part]:
    scored = rankings.scores_now(scene, Strategy("NeuronMCT"))
    site = session.view().site_in(scene.network)
    return [Part(site, channel, whole=True) for channel in neurons.strongest_channels(scored, scene, site, count)]


def _loader(scene: Scene) -> None:
    loads, network = st.session_state.setdefault("knock_loads", 0), scene.network
    key = f"knock_file_{loads}"

    def loaded() -> None:
        file = st.session_state.get(key)
        if file is None:
            return
        st.session_state["knock_loads"] += 1
        try:
            found = KnockOut.open(file.getvalue(), network)
        except PathwayError as problem:
            session.tell(f"{problem} The set is unchanged.")
            return
        edit(lambda _: found)

    st.file_uploader("A set saved here", ["json"], key=key, on_change=loaded, max_upload_size=1)


def show_before_and_after(scene: Scene) -> None:
    """Show gradient, top-5 and numbers of the original network beside those without the set."""
    knock = _current()
    reference = rankings.knocked(scene, knock)
    answer = restriction.answer(scene, reference, 0.0, "zero")
    before, after = neurons.saliency(scene.original), neurons.saliency(answer.restricted)
    scales = colour_scales(("Before", "After"), (before, after), shared=True)
    with st.container(key="panels"):
        left, middle, right = st.columns([1, 1, 1])
        with left:
            panels.show_map(scene, "Before", "the original network", before, scales[0])
            panels.show_answer(scene, scene.original.logits.softmax(1)[0].tolist(), 5)
        with middle:
            what = "kept alone" if knock.only else "silenced"
            panels.show_map(scene, "After", f"{_said(knock)} {what}", after, scales[1])
            panels.show_answer(scene, answer.restricted.logits.softmax(1)[0].tolist(), 5)
            _show_facts(scene, reference, answer)
            _offer_map(scene, knock, answer, after, scales[1].end)
        with right:
            _show_set(scene)


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
        markup.facts(
            {
                **captions.logits(scene, answer.before, answer.after),
                "p ratio": ratio(answer.p_ratio),
                "Prediction": FATES[answer.fate],
                "Neurons off": f"{number(lost)} ({percent(lost / scene.network.neurons)})",
                "of them dead anyway": number(dead),
            }
        )
        + markup.made_from({"gradient in": f"{1000 * answer.seconds:.0f} ms"})
    )


def _offer_map(scene: Scene, knock: KnockOut, answer: Answer, values: figures.Floats, end: float) -> None:
    made_from = export.provenance(scene, session.view()) | {
        "silenced" if not knock.only else "kept_alone": [str(part) for part in knock.parts],
        "p_ratio": answer.p_ratio,
        "prediction_kept": answer.prediction_kept,
        "near_chance": answer.fate == "near chance",
    }
    panels.offer_map(scene, "knock-out", values, end, made_from, "knockout")


def _show_set(scene: Scene) -> None:
    """List the parts, each with a way to look at it and to take it out."""
    knock, network = _current(), scene.network
    st.html(markup.panel_title("The set", _said(knock)))
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
                f"Take out {plain(part.title(network))}",  # the style sheet leaves it to those who listen
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
    navigation.open_neuron((part.site, position), whole=part.whole)
