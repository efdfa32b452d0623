"""Colours that mean the same everywhere, in light and dark; knows neither Streamlit nor torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from plotly.colors import unlabel_rgb

__all__ = ["DEAD", "FAMILIES", "MARK", "background", "ink", "line", "pale", "quiet", "rgb", "shades"]

# A family's own colour, then those of its further columns; each stands out from white and from the dark page.
_SHADES = {
    "contribution": ("#0072B2", "#56B4E9", "#4B4FC9", "#A59BF2", "#16A6C0", "#3A7488"),
    "pruning": ("#E69F00", "#D55E00", "#9C6A00", "#F09C7C", "#A63C1C", "#CDB93A"),
    "baseline": ("#7A7A7A", "#B0B0B0", "#555555", "#A08A76", "#63819A", "#8FA08F"),
    "attribution": ("#1FA187", "#D1495B", "#A45BC8", "#7A9A01", "#E07FB0", "#8B5A2B", "#5FBF60", "#C2185B"),
    "reference": ("#009E73", "#7CC95A", "#00706C", "#5A7F1E", "#52CDB8", "#B0C93A"),
}
FAMILIES = {family: own for family, (own, *_) in _SHADES.items()}
DEAD = "#CC79A7"
MARK = "#E8384F"
_PALE = 0.55


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue of a colour written "#RRGGBB" or as Plotly does."""
    if colour.startswith("rgb"):
        red, green, blue = (round(float(c)) for c in unlabel_rgb(colour))
        return red, green, blue
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def shades(families: Sequence[str]) -> list[str]:
    """Return one colour a column: its family's own, or another shade where the family has come before.

    Args:
        families: of the columns, in order; each has six shades or eight, which then come round again.
    """
    seen: Counter[str] = Counter()
    chosen = []
    for family in families:
        chosen.append(_SHADES[family][seen[family] % len(_SHADES[family])])
        seen[family] += 1
    return chosen


def ink(dark: bool) -> str:
    """Return the colour of neurons that are on both of two pathways, and of text."""
    return "#FFFFFF" if dark else "#222222"


def pale(colour: str, dark: bool) -> str:
    """Return a colour mixed with a little more of the page's than of itself: the same neurons, but dead."""
    mixed = (c + _PALE * (page - c) for c, page in zip(rgb(colour), rgb(line(dark)), strict=True))
    return "#" + "".join(f"{round(c):02X}" for c in mixed)


def background(dark: bool) -> str:
    """Return the ground of masks, and the colour of neurons that are dead and not on the pathway."""
    return "#22262E" if dark else "#F3F4F6"


def quiet(dark: bool) -> str:
    """Return the grey of neurons that are active but not on the pathway."""
    return "#4A505C" if dark else "#CBD0D8"


def line(dark: bool) -> str:
    """Return the colour of the lines between cells, the page's own."""
    return "#0E1117" if dark else "#FFFFFF"
