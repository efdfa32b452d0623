"""The one way pages offer a file: made only when somebody takes it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

__all__ = ["offer"]


def offer(label: str, name: str, mime: str, make: Callable[[], bytes], key: str) -> None:
    """Draw a button that makes a file when clicked and hands it over; ``key`` is the button's."""
    st.download_button(
        label, make, name, mime, key=f"offer_{key}", on_click="ignore", type="tertiary", icon=":material/download:"
    )
