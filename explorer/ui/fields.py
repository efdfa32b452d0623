"""Widgets over fields of the view: set from it before they are drawn, and replacing it when used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

import streamlit as st

from explorer.state import View, limits
from explorer.ui import session
from explorer.ui.session import view

__all__ = ["field", "settle", "several"]

Value = TypeVar("Value")


def settle(key: str, value: Value) -> Value:
    """Set a widget from the view, and return the value, which is to be the widget's default as well.

    A widget that shows the value already is left alone: the person may have moved it on meanwhile. The default is for a
    slow browser, for which the page runs again before it has drawn the widget: such a browser never sees the run that
    set the widget, and would answer with the first option.
    """
    if session.turned() or key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return value


def field(name: str, default: Literal["value", "default"] = "value") -> dict[str, Any]:
    """Return key, default, limits and callback for a widget over one field of the view, and set the widget from it.

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

    within = limits(View, name)
    ends = {} if within is None else {"min_value": within.low, "max_value": within.high}
    return {"key": key, "on_change": changed, default: value, **ends}


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
        name: how a name is shown.
        help: behind the question mark.
    """
    shown = settle(key, [each for each in known if each in chosen])
    st.pills(
        label, known, selection_mode="multi", default=shown, format_func=name, key=key, on_change=on_change, help=help
    )
