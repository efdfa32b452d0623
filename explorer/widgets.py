"""Controls for how one looks: one each, set from the view; using one replaces the view. See ``explorer.session``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from core.methods import METHODS
from core.network import Network
from explorer import browser, session
from explorer.session import view
from explorer.view import SPARSITIES, View, beside
from explorer.words import percent

__all__ = [
    "copy_link",
    "field",
    "maps",
    "methods",
    "option_controls",
    "ranking_scope",
    "reset",
    "restriction",
    "settle",
    "site",
    "sparsity",
]


def settle(key: str, value: object) -> None:
    """Set a widget from the view. What it shows already is left alone: the person may have moved it on meanwhile."""
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value


def field(name: str) -> dict[str, Any]:
    """Return key and callback for a widget over one field of the view, and set the widget from it."""
    key = f"view_{name}"
    settle(key, getattr(view(), name))

    def changed() -> None:
        value = st.session_state[key]
        if value is not None:
            session.change(lambda v: replace(v, **{name: value}))

    return {"key": key, "on_change": changed}


def methods() -> None:
    """Draw the toggle contribution | pruning, the method within it, and the one beside it."""
    columns = st.columns([1.2, 1, 1], vertical_alignment="top")
    with columns[0]:
        settle("family", view().family)

        def toggled() -> None:
            family = st.session_state["family"]
            if family:
                session.change(lambda v: v.with_family(family))

        st.segmented_control(
            "Selection by",
            ["contribution", "pruning"],
            key="family",
            on_change=toggled,
            required=True,
            width="stretch",
            help="Contribution keeps neurons that matter for the answer; pruning, any that leave the answer as it is.",
        )
    with columns[1]:
        control = field("first")
        names = [name for name, method in METHODS.items() if method.family == view().family]
        st.selectbox(
            "Method",
            names,
            key=control["key"],
            help=METHODS[view().first].summary,
            on_change=lambda: session.change(lambda v: v.with_first(st.session_state[control["key"]])),
        )
    with columns[2]:
        st.selectbox("Beside it", beside(view().first), help=METHODS[view().second].summary, **field("second"))


def option_controls() -> None:
    """Draw the options of the methods shown."""
    for method in (view().first, view().second):
        chosen = view().chosen_options(method)
        for option in METHODS[method].options:
            key = f"option_{method}_{option.name}"
            settle(key, bool(chosen[option.name]) if (option.low, option.high) == (0, 1) else chosen[option.name])

            def changed(method: str = method, name: str = option.name, key: str = key) -> None:
                session.change(lambda v: v.with_option(method, name, int(st.session_state[key])))

            label = f"{method}: {option.name.replace('_', ' ')}"
            if (option.low, option.high) == (0, 1):
                st.toggle(label, key=key, on_change=changed, help=option.help)
            else:
                st.number_input(label, option.low, option.high, step=1, key=key, on_change=changed, help=option.help)


def sparsity() -> None:
    """Draw the sparsity slider."""
    st.select_slider("Sparsity: share of neurons off the pathway", SPARSITIES, format_func=percent, **field("sparsity"))


def restriction() -> None:
    """Draw how neurons off the pathway are held."""
    st.segmented_control(
        "Off the pathway",
        ["zero", "frozen"],
        required=True,
        format_func=lambda off: f"held at {off}" if off == "zero" else off,
        help="Zero: they are switched off, and the response changes. Frozen: they keep the value they have "
        "for this photo, so the response stays and only the gradient is restricted.",
        **field("off"),
    )


def maps() -> None:
    """Draw how maps are shown: value, colour scale, over the photo or alone."""
    columns = st.columns([1, 1, 1.2])
    with columns[0]:
        st.segmented_control("Map shows", ["magnitude", "signed"], required=True, **field("style"))
    with columns[1]:
        st.segmented_control(
            "Colour scale",
            ["shared", "panel"],
            required=True,
            format_func=lambda scale: "shared" if scale == "shared" else "per panel",
            **field("scale"),
            help="Shared: one scale for both pathway gradients. Per panel: each ends at its own 99.9th percentile.",
        )
    with columns[2]:
        st.slider(
            "Map over photo, %",
            0,
            100,
            step=5,
            help="100: the map alone. Less lets the photo through.",
            **field("opacity"),
        )


def site(chosen: Network) -> None:
    """Draw the choice of site, for those who do not click the strip."""
    key = f"site_{chosen.name}"  # its labels are this network's; Streamlit tells options apart by label
    settle(key, view().site)
    st.selectbox(
        "Site",
        range(len(chosen.sites)),
        key=key,
        on_change=lambda: session.change(lambda v: replace(v, site=st.session_state[key])),
        format_func=lambda i: f"{i} · {chosen.sites[i].name} · {' × '.join(map(str, chosen.sites[i].shape))}",
        help="One ReLU call of the network. Click a bar above, or choose here.",
    )


def ranking_scope() -> None:
    """Draw whether the ranking lists all sites or the chosen one."""
    st.segmented_control(
        "Ranking over",
        [False, True],
        required=True,
        format_func=lambda only: "the chosen site" if only else "all sites",
        label_visibility="collapsed",
        **field("only_site"),
    )


def copy_link() -> None:
    """Draw the button that copies the page's address."""
    browser.copy_link()
    if view().image.startswith(session.UPLOAD) or view().network.startswith(session.CHECKPOINT):
        st.caption("What you uploaded is not in the link.")


def reset() -> None:
    """Draw the button that brings the first view back; uploads stay in the gallery."""
    st.button("Reset", on_click=lambda: session.look_anew(lambda _: View()), width="stretch")
