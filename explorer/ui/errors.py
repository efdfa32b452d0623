"""The message about an unexpected failure: a way out on the page, the traceback in the log."""

from __future__ import annotations

import logging

import streamlit as st

from core.errors import PathwayError
from explorer.compute import NO_MEMORY, cache, out_of_memory
from explorer.plots import plain
from explorer.state import View
from explorer.ui import session

__all__ = ["UNFORESEEN", "show_failure"]

UNFORESEEN = "Something went wrong here that should not have"


def show_failure(problem: Exception) -> None:
    """Show why a page ended early, and the ways on; the log has the traceback.

    Args:
        problem: what ended it.
    """
    logging.getLogger(__name__).error("The page %s ended early.", session.view().params(), exc_info=problem)
    if isinstance(problem, PathwayError):
        said = str(problem)
    elif out_of_memory(problem):
        cache.RESULTS.clear()
        said = NO_MEMORY
    else:
        said = f"{UNFORESEEN} ({type(problem).__name__}). What you chose and uploaded is kept."
    st.error(plain(said))
    with st.container(horizontal=True, gap="small"):
        st.button("Try again", key="failure_again", icon=":material/replay:")
        st.button("Back to the first view", key="failure_reset", on_click=lambda: session.look_anew(lambda _: View()))
