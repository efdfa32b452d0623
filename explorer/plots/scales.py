"""The colour scales of maps shown side by side: each its own, or one for all; knows no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.plots import figures
from explorer.plots.words import percent, times

__all__ = ["ColourScale", "colour_scales"]

LEAST_SHARE = 0.05  # of a shared scale that a map has to reach, lest that be said


@dataclass(frozen=True)
class ColourScale:
    """Where the colours of a map end.

    Attributes:
        end: the magnitude that the last colour stands for.
        words: whose scale it is.
        note: what the colours do not tell, "" if nothing: how strong the map is beside the first one, or that it hardly
            shows.
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
        titles: one a map, in the order shown.
        maps: each (H, W).
        shared: one scale for all.
        weaker, stronger: what a map is beside the first one whose scale ends higher, or lower.
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
