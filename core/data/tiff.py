"""The tags of an unchecked TIFF that describe its picture; a tag that cannot be read counts as missing."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from core.data.levels import Declared, Span

__all__ = [
    "BITS",
    "CHANNELS",
    "FORMAT",
    "PHOTOMETRIC",
    "PLANES",
    "SIGNED",
    "UNSIGNED",
    "declared",
    "is_camera_raw",
    "number",
    "unreadable",
]

PREVIEW, BITS, PHOTOMETRIC, DESCRIPTION, CHANNELS, PLANES = 254, 258, 262, 270, 277, 284
PAGES_INSIDE, FORMAT, NODATA, DNG = 330, 339, 42113, 50706
RANGES = ((340, 341, "SMinSampleValue and SMaxSampleValue"), (280, 281, "MinSampleValue and MaxSampleValue"))
UNSIGNED, SIGNED = 1, 2  # of FORMAT
LONGEST = 2_000  # characters of a text that are looked at
_KINDS = {
    1: "whole numbers",
    2: "whole numbers with a sign",
    3: "fractions",
    5: "complex numbers",
    6: "complex numbers",
}


def number(tags: Any, tag: int, pick: Callable[..., Any] = max) -> float | None:
    """Return the number that a tag holds, the largest of several; None where it holds none."""
    try:
        found = tags[tag]
        value = float(pick(found) if isinstance(found, tuple) else found)
    except Exception:  # tags of hostile files raise anything
        return None
    return value if math.isfinite(value) else None


def _text(tags: Any, tag: int) -> str:
    try:
        return str(tags[tag])[:LONGEST]
    except Exception:  # as above
        return ""


def declared(image: TiffImageFile) -> Declared:
    """Return the range and the bits that a TIFF declares for its values."""
    bits = number(image.tag_v2, BITS)
    fewer = int(bits) if bits and bits < 16 and image.mode.startswith("I;16") else None
    return Declared(span=next(_spans(image.tag_v2), None), bits=fewer, nodata=_nodata(image.tag_v2))


def _nodata(tags: Any) -> float | None:
    """Return the value that GDAL has written for pixels without one."""
    try:
        value = float(_text(tags, NODATA).strip("\0 "))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _spans(tags: Any) -> Iterator[Span]:
    text = _text(tags, DESCRIPTION)
    if text.startswith("ImageJ="):
        ends = dict(re.findall(r"^(min|max)=(-?[\d.]+(?:[eE][+-]?\d+)?)\s*$", text, re.MULTILINE))
        with suppress(KeyError, ValueError):
            yield Span(float(ends["min"]), float(ends["max"]), "ImageJ's min and max", binding=True)
    for lowest, highest, source in RANGES:
        high = number(tags, highest)
        if high is not None:
            yield Span(number(tags, lowest, min) or 0.0, high, source)


def is_camera_raw(image: TiffImageFile, data: bytes) -> bool:
    """Say whether it is a camera's raw file, of which Pillow would open a small preview."""
    tags = image.tag_v2
    preview = int(number(tags, PREVIEW) or 0) & 1 and PAGES_INSIDE in tags
    return bool(data[8:10] == b"CR" or DNG in tags or preview)


def unreadable(data: bytes) -> str:
    """Return in words how a TIFF stores a picture that Pillow does not open; "" where it is no TIFF or is damaged."""
    try:
        tags, file = (
            ImageFileDirectory_v2(data[: 16 if data[2:3] == b"+" or data[3:4] == b"+" else 8]),
            io.BytesIO(data),
        )
        file.seek(tags.next)
        tags.load(file)
    except Exception:  # as above
        return ""
    bits = number(tags, BITS)
    if not bits or 256 not in tags:
        return ""
    channels, form = number(tags, CHANNELS) or 1, number(tags, FORMAT) or UNSIGNED
    many = f"{channels:g} channels" if channels > 1 else "1 channel"
    return f"a TIFF of {many} of {bits:g} bits, {_KINDS.get(int(form), 'of an unknown kind')}"
