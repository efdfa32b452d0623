"""Controls of the selection methods: which are shown or compared, and their options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from core.methods import METHODS
from core.strategy import STRATEGIES, Strategy
from explorer.state import LEAST_COLUMNS, MOST_COLUMNS, beside
from explorer.ui import session
from explorer.ui.fields import settle
from explorer.ui.session import view

__all__ = ["column", "methods", "more_columns", "option_controls", "options", "pair_side"]


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
    with st.expander("Options of the methods"):
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
    """Draw the choice of one of the two columns set against each other; choosing the other one swaps the two."""
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
