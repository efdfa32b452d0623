"""Colours that mean the same everywhere, in light and dark; knows neither Streamlit nor torch."""

from __future__ import annotations

from plotly.colors import unlabel_rgb

__all__ = ["DEAD", "FAMILIES", "MARK", "background", "line", "quiet", "rgb"]

FAMILIES = {"contribution": "#0072B2", "pruning": "#E69F00", "baseline": "#7A7A7A"}
DEAD = "#CC79A7"
MARK = "#E8384F"


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue of a colour written "#RRGGBB" or as Plotly does."""
    if colour.startswith("rgb"):
        red, green, blue = (round(float(c)) for c in unlabel_rgb(colour))
        return red, green, blue
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def background(dark: bool) -> str:
    """Return the ground of masks, and the colour of neurons that are dead and not on the pathway."""
    return "#22262E" if dark else "#F3F4F6"


def quiet(dark: bool) -> str:
    """Return the grey of neurons that are active but not on the pathway."""
    return "#4A505C" if dark else "#CBD0D8"


def line(dark: bool) -> str:
    """Return the colour of the lines between cells, the page's own."""
    return "#0E1117" if dark else "#FFFFFF"
