"""The values shown as black and as white in a picture of more than 8 bits per channel.

    levels = decide(values, declared)       # Levels(0, 4095, "12 of 16 bits hold values")
    shown(values, levels)                   # uint8: round(255 (v - low) / (high - low)), cut at 0 and 255

The first of these that applies decides, and none is decided by a single pixel:

1. a range that the file declares: the range to show that ImageJ writes, TIFF's SMinSampleValue and SMaxSampleValue or
   MinSampleValue and MaxSampleValue if nearly all values lie in it, BitsPerSample below 16, PNG's sBIT;
2. whole numbers, none below zero: the smallest depth of 8, 10, 12, 14 and 16 bits that holds all values but one in
   10,000; cameras and scanners of these depths write into 16 bits;
3. fractions: 0 to 1, 0 to 255 or 0 to 65,535, if nearly all values lie in it and reach an eighth of it;
4. the 0.1st to the 99.9th percentile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import PathwayError

__all__ = ["BAND", "ENOUGH", "STRAY", "Declared", "Levels", "Span", "by_depth", "decide", "present", "shown"]

BAND = 1 << 20  # values that are scaled at once: as doubles all of a large picture's would take eight times its memory
DEPTHS = (8, 10, 12, 14)
CEILINGS = (1.0, 255.0, 65535.0)
STRAY, TAIL = 10_000, 1_000  # one value of so many may lie outside a depth, or at either end outside a range
ENOUGH = 64  # values of which one may always be a stray
HUGE = 1e38  # no measurement: the largest numbers of 32 bits mark pixels without a value


@dataclass(frozen=True)
class Levels:
    """The values that are shown as black and as white.

    Attributes:
        low: shown as 0.
        high: shown as 255.
        how: in words, how the two were decided.
    """

    low: float
    high: float
    how: str = "chosen"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise PathwayError(
                f"Got levels from {self.low:g} to {self.high:g}, wanted two finite numbers, the lower one first."
            )

    @classmethod
    def window(cls, level: float, width: float) -> Levels:
        """Return the levels of a window: the value at its middle, and how many values it spans.

        Raises:
            PathwayError: they are not finite, or the width is not above zero.
        """
        if not (math.isfinite(level) and math.isfinite(width) and width > 0):
            raise PathwayError(f"Got level {level:g} and window {width:g}, wanted finite numbers, the window above 0.")
        return cls(level - width / 2, level + width / 2, f"level {level:g}, window {width:g}")

    @property
    def level(self) -> float:
        """The value in the middle."""
        return (self.low + self.high) / 2

    @property
    def width(self) -> float:
        """How many values lie between black and white."""
        return self.high - self.low

    def __str__(self) -> str:
        return f"{self.low:,g} is black and {self.high:,g} is white ({self.how})"


@dataclass(frozen=True)
class Span:
    """A range that a file declares.

    Attributes:
        low, high: its ends.
        source: what declares it, in words.
        binding: it is meant to be shown, whether or not values lie outside; else a statement that may be wrong.
    """

    low: float
    high: float
    source: str
    binding: bool = False


@dataclass(frozen=True)
class Declared:
    """What a file says about its values.

    Attributes:
        span: a range.
        bits: that a value is stored in, where they are fewer than its type's.
        significant: of PNG's sBIT, how many bits the values had before they were stored.
        nodata: the value of pixels without one.
    """

    span: Span | None = None
    bits: int | None = None
    significant: int | None = None
    nodata: float | None = None


def present(values: NDArray[Any], nodata: float | None = None) -> NDArray[np.bool_] | None:
    """Return where there is a value: a number, and neither the declared mark of no data nor the type's lowest.

    It is shaped like the values; None where every pixel has one.
    """
    held: NDArray[np.bool_] = np.ones(values.shape, bool)
    if values.dtype.kind == "f":
        held = np.abs(values) < HUGE  # false for what is no number, too
    elif values.dtype.kind == "i":
        held = values != np.iinfo(values.dtype).min
    if nodata is not None:
        held &= values != nodata if values.dtype.kind != "f" else values != values.dtype.type(nodata)
    return None if held.all() else held


def decide(values: NDArray[Any], declared: Declared, held: NDArray[np.bool_] | None = None) -> Levels:
    """Return the levels of a picture.

    Args:
        values: of any shape, whole numbers or fractions.
        declared: what its file says.
        held: where there is a value; default everywhere.
    """
    known = values.ravel() if held is None else values[held]
    if not known.size:
        return Levels(0, 1, "no pixel holds a value")
    low, high = _trimmed(known, TAIL)
    if declared.span and _fits(declared.span, low, high, known.dtype):
        return Levels(declared.span.low, declared.span.high, f"declared by {declared.span.source}")
    if known.dtype.kind != "f":
        lowest, highest = _trimmed(known, STRAY)
        levels = by_depth(highest, known.dtype, declared) if lowest >= 0 else None
    else:
        levels = _by_convention(low, high)
    return levels or _by_own_range(known, low, high)


def by_depth(highest: float, kind: np.dtype[Any], declared: Declared) -> Levels | None:
    """Return the levels of whole numbers, none below zero, by the bits that hold them; None where none suggest any.

    Args:
        highest: the largest value, strays left out.
        kind: their type.
        declared: what the file says.
    """
    bits = kind.itemsize * 8
    full = bits - (kind.kind == "i")
    if declared.bits:
        return Levels(0, 2**declared.bits - 1, f"{declared.bits} bits, as the file declares")
    if declared.significant and declared.significant < bits:
        if highest < 2**declared.significant:
            return Levels(0, 2**declared.significant - 1, f"{declared.significant} bits, declared by PNG's sBIT")
        return Levels(0, 2**full - 1, f"{bits} bits, the upper {declared.significant} in use by PNG's sBIT")
    for depth in (*DEPTHS, *([16] if full > 16 else [])):
        if depth < full and highest < 2**depth:
            return Levels(0, 2**depth - 1, f"{depth} of {bits} bits hold values")
    if full > 16 and highest < 2**full / 8:
        return None
    return Levels(0, 2**full - 1, f"{bits} bits, as the file declares")


def _by_convention(low: float, high: float) -> Levels | None:
    for ceiling in CEILINGS:
        if -ceiling / 10 <= low and ceiling / 8 <= high <= ceiling * 1.1:
            return Levels(0, ceiling, f"nearly all values lie within 0 to {ceiling:,g}")
    return None


def _by_own_range(known: NDArray[Any], low: float, high: float) -> Levels:
    if low < high:
        return Levels(low, high, "0.1st to 99.9th percentile")
    lowest, highest = float(known.min()), float(known.max())
    if lowest < highest:
        return Levels(lowest, highest, "lowest to highest value, as nearly all are equal")
    return Levels(min(0.0, low), max(0.0, high) or float(low == 0), f"all values are {low:g}")


def _trimmed(known: NDArray[Any], share: int) -> tuple[float, float]:
    """Return the lowest and the highest value that are left without one of so many at either end."""
    spare = max(known.size // share, int(known.size >= ENOUGH))
    ends = np.partition(known, (spare, known.size - 1 - spare))
    return float(ends[spare]), float(ends[-1 - spare])


def _fits(span: Span, low: float, high: float, kind: np.dtype[Any]) -> bool:
    """Say whether a declared range tells something about the values, and agrees with them."""
    if not (math.isfinite(span.low) and math.isfinite(span.high) and span.low < span.high):
        return False
    if kind.kind != "f" and span.low <= np.iinfo(kind).min and span.high >= np.iinfo(kind).max:
        return False
    return span.low < high and low < span.high if span.binding else span.low <= low and high <= span.high


def shown(values: NDArray[Any], levels: Levels, held: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Return values, (H, W) or (H, W, channels), as 8 bits of the same shape; pixels without a value are 0."""
    factor = 255.0 / levels.width
    seen = np.empty(values.shape, np.uint8)
    rows = max(1, BAND * len(values) // max(1, values.size))
    for band in (slice(start, start + rows) for start in range(0, len(values), rows)):
        scaled = np.rint((values[band].astype(np.float64) - levels.low) * factor)
        if held is not None:
            scaled = np.where(held[band], scaled, 0.0)
        seen[band] = np.clip(scaled, 0.0, 255.0).astype(np.uint8)
    return seen
