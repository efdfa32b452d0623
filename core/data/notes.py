"""What was left out or assumed when a picture was opened, in sentences to stand beside it.

A colour profile is named and not applied. torchvision's own pipelines, with which the networks were trained and their
accuracies published, hand over the numbers as they are stored; a picture converted to sRGB would be another input than
the one that the same file gives everywhere else.
"""

from __future__ import annotations

import struct

from PIL import Image

from core.data.deep import Stored
from core.errors import printable

__all__ = ["notes_on", "profile_name"]

MOST_TAGS, LONGEST = 100, 60


def notes_on(image: Image.Image, stored: Stored) -> list[str]:
    """Return the notes on a picture as it was opened, before anything is converted."""
    extra = stored.channels - len(image.getbands())
    name = profile_name(image.info.get("icc_profile"))
    notes = {
        "The file holds several pictures, pages or frames; this is the first.": getattr(image, "is_animated", False),
        f"Of the file's {stored.channels} channels, the first {len(image.getbands())} are shown.": extra > 0,
        "Of its 16 bits a channel, the upper 8 are shown.": stored.raw and image.mode not in ("RGB", "RGBA"),
        "In this file 0 is white.": stored.inverted,
        "Its numbers have a sign, which is left out of account.": stored.signed and not stored.kind,
        "It is in printing colours (CMYK), converted without a colour profile: colours are approximate.": (
            image.mode == "CMYK"
        ),
        f'Its colour profile, "{name}", is not applied: networks are given the numbers as they are stored.': (
            image.mode != "CMYK" and name and "srgb" not in name.lower()
        ),
    }
    return [note for note, holds in notes.items() if holds]


def profile_name(profile: object) -> str:
    """Return the name of a colour profile; "" if there is no profile, or it has no name."""
    if not isinstance(profile, bytes) or len(profile) < 132:
        return ""
    (count,) = struct.unpack_from(">I", profile, 128)
    for number in range(min(count, MOST_TAGS, (len(profile) - 132) // 12)):
        tag, start, size = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        if tag == b"desc":
            return _described(profile[start : start + min(size, 1000)])
    return ""


def _described(tag: bytes) -> str:
    """Return the text of a "desc" tag: of version 2 in ASCII behind its length, of version 4 the first translation."""
    if tag[:4] == b"desc":
        text = tag[12 : 12 + int.from_bytes(tag[8:12])].decode("latin-1")
    elif tag[:4] == b"mluc":
        length, start = int.from_bytes(tag[20:24]), int.from_bytes(tag[24:28])
        text = tag[start : start + length].decode("utf-16-be", errors="replace")
    else:
        return ""
    return printable(text.partition("\0")[0].strip())[:LONGEST]
