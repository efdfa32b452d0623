"""Controls of the view: each is set from the view, and using it replaces the view. See ``explorer.ui.session``."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.network import Network
from explorer.plots import percent
from explorer.state import SPARSITIES, Neuron, View
from explorer.ui import captions, components, session
from explorer.ui.fields import field, settle
from explorer.ui.session import view

__all__ = [
    "copy_link",
    "how_shown",
    "near",
    "neuron",
    "ranking_scope",
    "reset",
    "restriction",
    "site",
    "site_label",
    "sparsity",
]


def neuron(chosen: Network, selected: Neuron) -> None:
    """Draw the choice of one neuron: its site, its channel and where in it."""
    place = chosen.sites[selected[0]]
    names = ("channel", "row", "column")
    columns = st.columns([2, 1, 1, 1])
    with columns[0]:
        site_key = f"neuron_site_{chosen.name}"
        st.selectbox(
            "Site",
            range(len(chosen.sites)),
            index=settle(site_key, selected[0]),
            format_func=lambda i: site_label(chosen, i),
            key=site_key,
            on_change=lambda: session.change(lambda v: replace(v, neuron=(st.session_state[site_key], 0))),
        )
    keys = [f"neuron_{name}_{chosen.name}_{selected[0]}" for name in names]

    def moved() -> None:
        position = place.position(*(int(st.session_state[key]) for key in keys))
        session.change(lambda v: replace(v, neuron=(selected[0], position)))

    for column, name, key, value, size in zip(
        columns[1:], names, keys, place.place(selected[1]), place.planes, strict=True
    ):
        with column:
            st.number_input(
                name.title(), 0, size - 1, settle(key, value), step=1, key=key, on_change=moved, disabled=size == 1
            )
    st.toggle(
        "Its whole channel",
        help="Ranks and edges of all neurons of the channel together.",
        disabled=place.planes[1:] == (1, 1),
        **field("whole"),
    )


def site_label(chosen: Network, index: int) -> str:
    """Return how a site is listed."""
    return f"{index} · {chosen.sites[index].name} · {' × '.join(map(str, chosen.sites[index].shape))}"


def sparsity() -> None:
    """Draw the sparsity slider."""
    st.select_slider("Sparsity: share of neurons off the pathway", SPARSITIES, format_func=percent, **field("sparsity"))


def how_shown() -> None:
    """Draw, folded, how neurons off the pathway are held and how maps are shown; the title names the choice."""
    v = view()
    opacity = "" if v.opacity == 100 else f" · {v.opacity} % over the photo"
    shown = f"off the pathway {captions.held(v.off)} · {v.style} · {v.scale} scale{opacity}"
    with st.expander(f"How it is shown – {shown}", key="shown"):
        left, right = st.columns([1, 2.6])
        with left:
            restriction()
        with right:
            _maps()


def restriction() -> None:
    """Draw the choice of how neurons off the pathway are held."""
    st.segmented_control(
        "Off the pathway",
        ["zero", "frozen"],
        required=True,
        format_func=captions.held,
        help="Zero: they are switched off, and the response changes. Frozen: they keep the value they have "
        "for this photo, so the response stays and only the gradient is restricted.",
        **field("off", "default"),
    )


def _maps() -> None:
    """Draw the choice of how maps are shown: value, colour scale, over the photo or alone."""
    columns = st.columns([1, 1, 1.2])
    with columns[0]:
        st.segmented_control("Map shows", ["magnitude", "signed"], required=True, **field("style", "default"))
    with columns[1]:
        st.segmented_control(
            "Colour scale",
            ["panel", "shared"],
            required=True,
            format_func=lambda scale: "shared" if scale == "shared" else "per panel",
            **field("scale", "default"),
            help="Per panel: each map ends at its own 99.9th percentile, and how much weaker it is than the first is "
            "said below. Shared: one scale for all.",
        )
    with columns[2]:
        st.slider(
            "Map over photo, %",
            step=5,
            help="100: the map alone. Less lets the photo through.",
            **field("opacity"),
        )


def site(chosen: Network) -> None:
    """Draw the choice of site, for people who do not click the strip."""
    key = f"site_{chosen.name}"  # its labels are this network's; Streamlit tells options apart by label
    st.selectbox(
        "Site",
        range(len(chosen.sites)),
        index=settle(key, view().site_in(chosen)),
        key=key,
        on_change=lambda: session.change(lambda v: replace(v, site=st.session_state[key])),
        format_func=lambda i: site_label(chosen, i),
        help="One ReLU call of the network. Choose here, or click a bar.",
    )


def ranking_scope() -> None:
    """Draw the choice whether the ranking lists all sites or the chosen one."""
    st.segmented_control(
        "Ranking over",
        [False, True],
        required=True,
        format_func=lambda only: "the chosen site" if only else "all sites",
        label_visibility="collapsed",
        **field("only_site", "default"),
    )


def copy_link() -> None:
    """Draw the button that copies the page's address."""
    components.copy_link()
    if view().image.startswith(session.UPLOAD) or view().network.startswith(session.CHECKPOINT):
        st.caption("What you uploaded is not in the link.")


def reset() -> None:
    """Draw the button that brings the first view back; uploads stay in the gallery."""
    st.button("Reset", on_click=lambda: session.look_anew(lambda _: View()), width="stretch")


def near() -> None:
    """Draw the choice whether curves show all pixels or the first tenth of them."""
    st.segmented_control(
        "Pixels",
        [True, False],
        required=True,
        format_func=lambda first: "up to 10 %" if first else "all",
        **field("near", "default"),
    )
