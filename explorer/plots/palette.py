"""Colours that mean the same everywhere, in light and dark; this module uses neither Streamlit nor torch.

Graphics have a contrast of at least 3 : 1 with the page, text of 4.5 : 1, as WCAG defines contrast:
(L₁ + 0.05) / (L₂ + 0.05), with L the relative luminance of the lighter and of the darker colour.

References: Web Content Accessibility Guidelines 2.1, success criteria 1.4.3 and 1.4.11.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from plotly.colors import unlabel_rgb

__all__ = [
    "DARK",
    "DEAD",
    "FAINT",
    "FAMILIES",
    "GRAPHIC",
    "LIGHT",
    "MARK",
    "TEXT",
    "Theme",
    "contrast",
    "legible",
    "rgb",
]

# A family's own colour, then the colours of its further columns; ``standing_out`` adapts them to the page.
_SHADES = {
    "contribution": ("#0072B2", "#56B4E9", "#4B4FC9", "#A59BF2", "#16A6C0", "#3A7488"),
    "pruning": ("#E69F00", "#D55E00", "#9C6A00", "#F09C7C", "#A63C1C", "#CDB93A"),
    "baseline": ("#7A7A7A", "#B0B0B0", "#555555", "#A3835F", "#63819A", "#7FA06A"),
    "attribution": ("#1FA187", "#D1495B", "#A45BC8", "#7A9A01", "#E07FB0", "#8B5A2B", "#5FBF60", "#C2185B"),
    "reference": ("#009E73", "#7CC95A", "#00706C", "#5A7F1E", "#52CDB8", "#B0C93A"),
}
FAMILIES = {family: own for family, (own, *_) in _SHADES.items()}
DEAD = "#CC79A7"
MARK = "#E8384F"
FAINT = "#8A8F98"  # of levels, rims and references
TEXT, GRAPHIC = 4.5, 3.0  # the least contrast of text, and of graphics
_PALE = 0.55


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue of a colour written as "#RRGGBB" or in Plotly's form."""
    if colour.startswith("rgb"):
        red, green, blue = (round(float(c)) for c in unlabel_rgb(colour))
        return red, green, blue
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours, from 1 for equal ones to 21 for black and white."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb(colour)))
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def legible(colour: str) -> str:
    """Return black or white, whichever is more legible on a colour; its contrast is at least 4.58 : 1."""
    return max("#000000", "#FFFFFF", key=lambda text: contrast(text, colour))


@dataclass(frozen=True)
class Theme:
    """The colours of a page that is light or dark.

    Attributes:
        dark: whether it is dark.
    """

    dark: bool

    def standing_out(self, colour: str) -> str:
        """Return a colour, darkened on the light page or lightened on the dark one as far as contrast needs."""
        end = 255 if self.dark else 0
        shades = (_mixed(rgb(colour), (end,) * 3, step / 50) for step in range(51))
        return next(shade for shade in shades if contrast(shade, self.page) >= GRAPHIC)

    def shades(self, families: Sequence[str]) -> list[str]:
        """Return one colour per column: its family's own, or another shade if the family has come before.

        Args:
            families: of the columns, in order; each has six shades or eight, which then repeat.
        """
        seen: Counter[str] = Counter()
        chosen = []
        for family in families:
            chosen.append(self.standing_out(_SHADES[family][seen[family] % len(_SHADES[family])]))
            seen[family] += 1
        return chosen

    @property
    def ink(self) -> str:
        """Return the colour of neurons that are on both of two pathways, and of text."""
        return "#FFFFFF" if self.dark else "#222222"

    def pale(self, colour: str) -> str:
        """Return a colour mixed with slightly more of the page's colour: for the same neurons if dead."""
        return _mixed(rgb(colour), rgb(self.line), _PALE)

    @property
    def ramp(self) -> list[str]:
        """Return the colours of the shares 0, one half and 1 in a matrix: larger shares contrast more with the page."""
        return ["#262B38", "#666CAB", "#C8CCF8"] if self.dark else ["#E9EAF1", "#8E93BD", "#3B3F78"]

    @property
    def signs(self) -> list[str]:
        """Return the colours of lower, faintly lower, equal, faintly higher and higher in a matrix of differences."""
        if self.dark:
            return ["#E08A6C", "#382B2B", self.background, "#222F40", "#74AEE6"]
        return ["#A94A2F", "#F6E6E0", self.background, "#E0EAF5", "#2A66A5"]

    @property
    def page(self) -> str:
        """Return the page's background, as in Streamlit's configuration."""
        return "#11151B" if self.dark else "#FFFFFF"

    @property
    def muted(self) -> str:
        """Return the colour of secondary text."""
        return "#A3A8B4" if self.dark else "#5F6570"

    @property
    def background(self) -> str:
        """Return the background of masks, and the colour of neurons that are dead and not on the pathway."""
        return "#22262E" if self.dark else "#F3F4F6"

    @property
    def quiet(self) -> str:
        """Return the grey of neurons that are active but not on the pathway."""
        return "#353A44" if self.dark else "#CBD0D8"

    @property
    def line(self) -> str:
        """Return the colour of the lines between cells, the page's own."""
        return "#0E1117" if self.dark else "#FFFFFF"


LIGHT, DARK = Theme(dark=False), Theme(dark=True)


def _mixed(start: Sequence[int], end: Sequence[int], share: float) -> str:
    return "#" + "".join(f"{round(a + share * (b - a)):02X}" for a, b in zip(start, end, strict=True))
