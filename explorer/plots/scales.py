"""The colour scales of maps shown side by side: one for each, or one for all; this module does not use Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.plots import figures
from explorer.plots.words import percent, times

__all__ = ["ColourScale", "colour_scales"]

LEAST_SHARE = 0.05  # of a shared scale; a note says so if a map does not reach it


@dataclass(frozen=True)
class ColourScale:
    """The colour scale of a map.

    Attributes:
        end: the magnitude of the last colour.
        words: whose scale it is.
        note: what the colours do not show, or "": how strong the map is compared with the first one, or that it is
            hardly visible.
    """

    end: float
    words: str
    note: str = ""


def colour_scales(
    titles: Sequence[str],
    maps: Sequence[figures.Floats],
    *,
    shared: bool,
    weaker: str = "weaker",
    stronger: str = "stronger",
) -> list[ColourScale]:
    """Return each map's colour scale.

    Args:
        titles: one per map, in the order shown.
        maps: each (H, W).
        shared: whether all share one scale.
        weaker, stronger: words for a map whose scale ends lower, or higher, than the first one's.
    """
    if shared:
        end = figures.limit(*maps)
        return [ColourScale(end, "shared scale", _faint(values, end)) for values in maps]
    ends = [figures.limit(values) for values in maps]
    notes = ["", *(_beside(end, ends[0], titles[0], weaker, stronger) for end in ends[1:])]
    return [ColourScale(end, "own scale", note) for end, note in zip(ends, notes, strict=False)]


def _beside(end: float, other: float, first: str, weaker: str, stronger: str) -> str:
    if not end or not other:
        return ""
    factor, word = (other / end, weaker) if end < other else (end / other, stronger)
    return f"about as strong as {first}" if factor < 1.05 else f"{times(factor)} {word} than {first}"


def _faint(values: figures.Floats, end: float) -> str:
    most = float(np.abs(values).max(initial=0))
    if not 0 < most < LEAST_SHARE * end:
        return ""
    return f"its largest value is {percent(most / end)} of this scale: choose one per panel to see it"
