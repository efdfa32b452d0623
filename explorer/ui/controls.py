"""Controls for how one looks: one each, set from the view; using one replaces the view. See ``explorer.ui.session``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

import streamlit as st

from core.methods import METHODS
from core.network import Network
from explorer.plots.words import percent
from explorer.state.choices import LEAST_COLUMNS, MOST_COLUMNS, SPARSITIES, Neuron
from explorer.state.strategies import STRATEGIES, Strategy
from explorer.state.view import View, beside
from explorer.ui import captions, components, session
from explorer.ui.session import view

__all__ = [
    "column",
    "copy_link",
    "field",
    "how_shown",
    "methods",
    "more_columns",
    "near",
    "neuron",
    "option_controls",
    "options",
    "pair_side",
    "ranking_scope",
    "reset",
    "restriction",
    "settle",
    "several",
    "site",
    "site_label",
    "sparsity",
]

Value = TypeVar("Value")


def settle(key: str, value: Value) -> Value:
    """Set a widget from the view, and return the value, which is to be the widget's default as well.

    What it shows already is left alone: the person may have moved it on meanwhile. The default is for a browser so slow
    that the page ran again before it drew the widget: it never sees the run that set it, and would answer with the
    first of its options.
    """
    if session.turned() or key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return value


def field(name: str, default: Literal["value", "default"] = "value") -> dict[str, Any]:
    """Return key, default and callback for a widget over one field of the view, and set the widget from it.

    Args:
        name: the field's.
        default: what the widget calls its default.
    """
    key = f"view_{name}"
    value = settle(key, getattr(view(), name))

    def changed() -> None:
        value = st.session_state[key]
        if value is not None:
            session.change(lambda v: replace(v, **{name: value}))

    return {"key": key, "on_change": changed, default: value}


def several(
    label: str,
    key: str,
    known: Sequence[str],
    chosen: Collection[str],
    on_change: Callable[[], None],
    *,
    name: Callable[[str], str] = str,
    help: str | None = None,  # noqa: A002  # Streamlit's word
) -> None:
    """Draw the choice of several names, in the order in which they are known.

    Args:
        label: above it.
        key: the widget's; what is picked stands under it.
        known: all names.
        chosen: those that the view has.
        on_change: called when a name is added or taken away.
        name: how one is shown.
        help: behind the question mark.
    """
    shown = settle(key, [each for each in known if each in chosen])
    st.pills(
        label, known, selection_mode="multi", default=shown, format_func=name, key=key, on_change=on_change, help=help
    )


def methods() -> None:
    """Draw the toggle contribution | pruning, the method within it, and the one beside it."""
    columns = st.columns([1.2, 1, 1], vertical_alignment="top")
    with columns[0]:
        family = settle("family", view().family)

        def toggled() -> None:
            chosen = st.session_state["family"]
            if chosen:
                session.change(lambda v: v.with_family(chosen))

        st.segmented_control(
            "Selection by",
            ["contribution", "pruning"],
            key="family",
            default=family,
            on_change=toggled,
            required=True,
            width="stretch",
            help="Contribution keeps neurons that matter for the answer; pruning, any that leave the answer as it is.",
        )
    with columns[1]:
        names = [name for name, method in METHODS.items() if method.family == family]
        st.selectbox(
            "Method",
            names,
            index=names.index(settle("first", view().first)),
            key="first",
            help=METHODS[view().first].summary,
            on_change=lambda: session.change(lambda v: v.with_first(st.session_state["first"])),
        )
    with columns[2]:
        others = beside(view().first)
        st.selectbox(
            "Beside it",
            others,
            index=others.index(settle("second", view().second)),
            key="second",
            help=METHODS[view().second].summary,
            on_change=lambda: session.change(lambda v: replace(v, second=st.session_state["second"])),
        )


def options(strategy: Strategy, key: str, choose: Callable[[str, int], None], label: str = "") -> None:
    """Draw the options of a strategy's method.

    Args:
        strategy: whose options, as they are chosen.
        key: before the widgets' keys.
        choose: called with an option's name and its new value.
        label: before the options' names.
    """
    for option in strategy.method.options if strategy.method else ():
        own, value = f"{key}_{strategy.name}_{option.name}", strategy.chosen[option.name]
        switch = (option.low, option.high) == (0, 1)
        text = f"{label}{option.name.replace('_', ' ')}"
        control: dict[str, Any] = {
            "key": own,
            "on_change": lambda name=option.name, own=own: choose(name, int(st.session_state[own])),
            "help": option.help,
        }
        if switch:
            st.toggle(text, settle(own, bool(value)), **control)
        else:
            st.number_input(text, option.low, option.high, settle(own, value), step=1, **control)


def option_controls() -> None:
    """Draw the options of the two methods on Explore."""
    for method in (view().first, view().second):

        def choose(option: str, value: int, method: str = method) -> None:
            session.change(lambda v: v.with_option(method, option, value))

        options(view().strategy(method), "option", choose, f"{method}: ")


def column(place: int) -> None:
    """Draw the choice of strategy for one place of the comparison, its options, and the way to leave it out."""
    strategy = view().columns[place]
    key = f"strategy_{place}"

    def choose(option: str, value: int) -> None:
        session.change(lambda v: v.with_column(place, v.columns[place].with_option(option, value)))

    st.selectbox(
        f"Column {place + 1}",
        STRATEGIES,
        index=list(STRATEGIES).index(settle(key, strategy.name)),
        format_func=lambda name: Strategy(name).title,
        key=key,
        on_change=lambda: session.change(lambda v: v.with_column(place, Strategy(st.session_state[key]))),
        help=strategy.summary,
    )
    with st.container(horizontal=True, gap="small", key=f"column_tools_{place}"):
        if strategy.method and strategy.method.options:
            with st.popover("Options", type="tertiary", icon=":material/tune:"):
                options(strategy, f"column_{place}", choose)
        if len(view().columns) > LEAST_COLUMNS:
            st.button(
                "Remove",
                key=f"remove_{place}",
                type="tertiary",
                icon=":material/close:",
                on_click=lambda: session.change(lambda v: v.without_column(place)),
            )


def more_columns() -> None:
    """Draw the button that adds a column to the comparison."""
    full = len(view().columns) == MOST_COLUMNS
    st.button(
        "Add a column",
        icon=":material/add:",
        disabled=full,
        help=f"At most {MOST_COLUMNS} fit beside each other." if full else None,
        on_click=lambda: session.change(lambda v: v.with_more_columns()),
    )


def pair_side(side: int) -> None:
    """Draw the choice of one of the two columns that are set against each other; its other one swaps the two."""
    titles = [strategy.title for strategy in view().columns]
    key = f"pair_{side}_{hash(tuple(titles))}"  # Streamlit tells options apart by label
    st.selectbox(
        ("First", "Second")[side],
        range(len(titles)),
        index=settle(key, view().pair[side]),
        format_func=lambda place: f"{place + 1} · {titles[place]}",
        key=key,
        on_change=lambda: session.change(lambda v: v.with_pair(side, st.session_state[key])),
    )


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
    """Draw, folded, how neurons off the pathway are held and how maps are shown; its title says what is chosen."""
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
    """Draw how neurons off the pathway are held."""
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
    """Draw how maps are shown: value, colour scale, over the photo or alone."""
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
            0,
            100,
            step=5,
            help="100: the map alone. Less lets the photo through.",
            **field("opacity"),
        )


def site(chosen: Network) -> None:
    """Draw the choice of site, for those who do not click the strip."""
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
    """Draw whether the ranking lists all sites or the chosen one."""
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
    """Draw whether curves show all pixels, or the first tenth of them."""
    st.segmented_control(
        "Pixels",
        [True, False],
        required=True,
        format_func=lambda first: "up to 10 %" if first else "all",
        **field("near", "default"),
    )
