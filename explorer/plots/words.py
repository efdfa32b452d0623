"""Numbers and names as text, the same on every page."""

from __future__ import annotations

import re
from math import isnan

from core.errors import printable
from core.network import Site
from core.pathways.fidelity import Fate

__all__ = [
    "FATES",
    "counted",
    "duration",
    "number",
    "percent",
    "plain",
    "position_name",
    "ratio",
    "times",
]

_MARKS = re.compile(r"[!-/:-@\[-`{-~]")  # all of ASCII's punctuation, any of which may be escaped
_LINK = re.compile(r"https?://|www\.|@", re.IGNORECASE)  # Markdown makes links of these, escaped or not


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage; a share other than 0 or 1 is never rounded to 0 or 100 %."""
    if isnan(share):
        return "–"
    text = f"{100 * share:.{digits}f}"
    if share > 0 and float(text) == 0:
        return f"< {10**-digits:g} %"
    if share < 1 and float(text) == 100:
        return f"> {100 - 10**-digits:g} %"
    return f"{text} %"


def number(value: float) -> str:
    """Return a number with three figures; a whole one, or one from 1,000 to a million, with separated thousands."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e6 else f"{value:.3g}"


def counted(count: int, what: str) -> str:
    """Return how many of something there are, "1 image" or "2 images"."""
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def ratio(value: float) -> str:
    """Return a ratio of probabilities."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def times(factor: float) -> str:
    """Return a factor above 1."""
    return f"{factor:,.0f} ×" if factor >= 10 else f"{factor:.1f} ×"


def plain(text: str) -> str:
    """Return text escaped, so that Markdown shows it as it is, on one line, without links, lists, icons or colours."""
    return " ".join(
        _code(word) if _LINK.search(word) else _MARKS.sub(r"\\\g<0>", word) for word in printable(text).split()
    )


def _code(word: str) -> str:
    """Return a word as Markdown code, the only place where an address does not become a link."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", word)), default=0))
    pad = " " if "`" in (word[0], word[-1]) else ""
    return f"{fence}{pad}{word}{pad}{fence}"


FATES: dict[Fate, str] = {"kept": "kept", "near chance": "first, but near chance", "lost": "not kept"}
"""The fate of a prediction, in words."""


def duration(seconds: float) -> str:
    """Return a time as text."""
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    minutes, rest = divmod(round(seconds), 60)
    return f"{seconds:.1f} s" if seconds < 59.95 else f"{minutes} min {rest} s"


def position_name(site: Site, position: int) -> str:
    """Return a flat position at a site as channel, row and column."""
    channel, row, column = site.place(position)
    return f"channel {channel}" if site.planes[1:] == (1, 1) else f"channel {channel}, row {row}, column {column}"
