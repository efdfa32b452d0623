"""Items side by side on a page, in rows of equal width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

if TYPE_CHECKING:
    from explorer.ui.streamlit_compat import Place

__all__ = ["in_rows"]

Item = TypeVar("Item")


def in_rows(items: Sequence[Item], width: int = 4) -> Iterator[tuple[Place, Item]]:
    """Yield each item with the place it is drawn at, ``width`` of them in a row."""
    for start in range(0, len(items), width):
        yield from zip(st.columns(width), items[start : start + width], strict=False)
