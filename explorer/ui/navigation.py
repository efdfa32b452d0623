"""The pages and the links between them; all pages share one view."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from explorer.state import Neuron, View
from explorer.ui import session

if TYPE_CHECKING:
    from explorer.ui.streamlit_compat import Page

__all__ = ["follow", "link", "open_neuron", "open_picture", "pages"]

FOLDER = Path(__file__).resolve().parents[2] / "pages"
_PAGES = {  # file: title, and icon of links to it
    "explore": ("Explore", ":material/route:"),
    "compare": ("Compare", ":material/compare:"),
    "evaluate": ("Evaluate", ":material/fact_check:"),
    "neuron": ("Neuron", ":material/adjust:"),
    "flow": ("Flow", ":material/account_tree:"),
    "knockout": ("Knock-out", ":material/content_cut:"),
    "linearity": ("Linearity", ":material/straighten:"),
    "decode": ("Decode", ":material/palette:"),
    "studies": ("Studies", ":material/bar_chart:"),
    "lessons": ("Lessons", ":material/school:"),
}


def pages() -> list[Page]:
    """Return the pages in the order of the navigation, the first one the start."""
    return [_page(name) for name in _PAGES]


def _page(name: str) -> Page:
    return st.Page(FOLDER / f"{name}.py", title=_PAGES[name][0], default=name == "explore")  # an icon would be fetched


def link(name: str, label: str) -> None:
    """Draw a link to a page of this session; it shows the same view."""
    st.page_link(_page(name), label=label, icon=_PAGES[name][1])


def open_neuron(neuron: Neuron, *, whole: bool = False) -> None:
    """Look at one neuron on its own page; from a callback, see ``follow``."""
    session.select(neuron, whole=whole)
    st.session_state["go_to"] = "neuron"


def open_picture(name: str, network: str, make: Callable[[View], View]) -> None:
    """Look at a picture through a network on Explore, from a callback; ``make`` sets what else is looked at."""
    if network != session.view().network:
        session.look_through(network)
    session.look_at(name)
    session.change(make)
    st.session_state["go_to"] = "explore"


def follow() -> None:
    """Switch to the page that a callback asked for, if one did: callbacks cannot switch pages themselves."""
    name = st.session_state.pop("go_to", None)
    if name is not None:
        st.switch_page(_page(name))
