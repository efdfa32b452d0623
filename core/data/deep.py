"""Pictures of more than 8 bits per channel: their values as stored, and what their file declares about them.

Pillow opens 16-bit colour with the upper byte alone, unsigned 32-bit grey as signed, grey of which 0 is white as it is
stored, and TIFF's planes of 16 bits, stored one after the other, as if they were of 8. Where a channel's lower byte is
needed, the file is decoded a second time with the order of the two bytes turned round, which gives exactly that.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, PngImagePlugin, TiffImagePlugin

from core.data import tiff
from core.data.levels import ENOUGH, STRAY, Declared, Levels, by_depth, decide, present, shown
from core.errors import ImageError

__all__ = ["Stored", "clear", "colour_as_bytes", "grey_as_bytes", "mend_planes", "read_stored", "upright"]

OTHER_ORDER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
MOST_CHUNKS = 1_000  # of a PNG, before its pixels

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Stored:
    """How a file stores its picture.

    Attributes:
        declared: what it says about its values.
        kind: the type of grey values of more than 8 bits; None for others.
        raw: Pillow's name for 16-bit colour as it is stored, such as "RGB;16B"; "" for others.
        whole: the lower bytes of 16-bit colour can be had.
        inverted: 0 is white, and Pillow has not turned it round.
        channels: how many a pixel has, 0 where the file does not say.
        signed: its numbers have a sign.
    """

    declared: Declared = field(default_factory=Declared)
    kind: np.dtype[Any] | None = None
    raw: str = ""
    whole: bool = True
    inverted: bool = False
    channels: int = 0
    signed: bool = False


def read_stored(image: Image.Image, data: bytes) -> Stored:
    """Return how a file stores its picture, which has been opened and not yet decoded."""
    raw = _raw(image)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        form, bits = tiff.number(image.tag_v2, tiff.FORMAT) or tiff.UNSIGNED, tiff.number(image.tag_v2, tiff.BITS) or 1
        deep = image.mode[0] in "IF"
        return Stored(
            declared=tiff.declared(image),
            kind=_kind(image.mode, int(bits), int(form)),
            raw=raw,
            whole=_is_whole(image, raw),
            inverted=deep and tiff.number(image.tag_v2, tiff.PHOTOMETRIC) == 0,
            channels=int(tiff.number(image.tag_v2, tiff.CHANNELS) or 1),
            signed=form == tiff.SIGNED,
        )
    kind = _kind(image.mode, 16 if image.mode.startswith("I;16") else 32, tiff.SIGNED)
    if isinstance(image, PngImagePlugin.PngImageFile) and (raw or kind):
        return Stored(Declared(significant=_significant(data)), kind, raw)
    return Stored(kind=kind, raw=raw)


def _kind(mode: str, bits: int, form: int) -> np.dtype[Any] | None:
    if mode == "F":
        return np.dtype(np.float32)
    if mode == "I":
        return np.dtype(f"{'i' if form == tiff.SIGNED else 'u'}{2 if bits == 16 else 4}")
    return np.dtype(np.uint16) if mode.startswith("I;16") else None


def _raw(image: Image.Image) -> str:
    """Return the name of the 16-bit colour that a file's decoder is set to, "" where it is set to something else."""
    for tile in getattr(image, "tile", []):
        name = tile.args if isinstance(tile.args, str) else next(iter(tile.args or ()), "")
        if isinstance(name, str) and re.fullmatch(r"(RGB|RGBA|RGBX|RGBa|LA|CMYK|[RGBACMYK]);16[LBN]", name):
            return name
    return ""


def _is_whole(image: TiffImagePlugin.TiffImageFile, raw: str) -> bool:
    """Say whether lower bytes can be had: not of packed planes, nor of colour multiplied by its transparency."""
    packed_planes = tiff.number(image.tag_v2, tiff.PLANES) == 2 and any(
        tile.codec_name == "libtiff" for tile in image.tile
    )
    return not packed_planes and not raw.startswith("RGBa")


def mend_planes(image: Image.Image) -> None:
    """Tell Pillow that the planes of a TIFF's colour are of 16 bits, where it takes them for planes of 8.

    Raises:
        ImageError: they are of printing colours.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or tiff.number(image.tag_v2, tiff.BITS) != 16:
        return
    if not any(map(_is_plane, image.tile)):
        return
    if image.mode == "CMYK":
        raise ImageError(
            "This TIFF stores printing colours (CMYK) of 16 bits, each colour's plane by itself, which cannot be read. "
            "Wanted a pixel's channels side by side: save it anew as RGB."
        )
    order = "B" if image.tag_v2.prefix == b"MM" else "L"
    image.tile = [tile._replace(args=_of_16_bits(tile.args, order)) for tile in image.tile]


def _of_16_bits(args: Any, order: str) -> Any:
    return (f"{args[0]};16{order}", *args[1:])


def _is_plane(tile: Any) -> bool:
    return tile.codec_name == "raw" and isinstance(tile.args, tuple) and tile.args[0] in tuple("RGBACMYK")


def _significant(data: bytes) -> int | None:
    """Return how many bits a PNG's sBIT says its values had, the most of any channel."""
    place = 8
    for _ in range(MOST_CHUNKS):
        if len(data) < place + 8:
            return None
        length, name = struct.unpack_from(">I4s", data, place)
        if name == b"IDAT":
            return None
        if name == b"sBIT" and 0 < length <= 4:
            return max(data[place + 8 : place + 8 + length], default=0) or None
        place += 12 + length
    return None


# -------------------------------------------------------------------------------------------------------- as bytes


def grey_as_bytes(image: Image.Image, stored: Stored, wanted: Levels | None) -> tuple[Grey, Levels, Any]:
    """Return deep grey as 8 bits, (H, W), its levels, and where it holds values (None: everywhere)."""
    values = _values(image, stored)
    held = present(values, stored.declared.nodata)
    levels = wanted or decide(values, stored.declared, held)
    seen = shown(values, levels, held)
    if stored.inverted:
        np.subtract(255, seen, out=seen)
        if held is not None:
            seen[~held] = 0
    return seen, levels, held


def clear(image: Image.Image) -> NDArray[np.bool_] | None:
    """Return where deep grey has the value that its PNG declares transparent, (H, W); None where it declares none."""
    value = image.info.get("transparency")
    return np.asarray(image) == value if image.mode[0] in "IF" and isinstance(value, int) else None


def _values(image: Image.Image, stored: Stored) -> NDArray[Any]:
    values = np.asarray(image)
    kind = stored.kind or values.dtype
    if kind == np.uint32:
        return values.view(np.uint32)  # Pillow has no unsigned mode: the bits are right, the sign is not
    return values.astype(kind, copy=False)


def colour_as_bytes(
    image: Image.Image, stored: Stored, wanted: Levels | None, again: Callable[[], ImageFile.ImageFile]
) -> tuple[Image.Image, Levels]:
    """Return 16-bit colour in the mode it was opened in, and its levels.

    Args:
        image: its upper bytes, upright.
        stored: how its file stores it.
        wanted: levels; default by what the file declares and by the bits that hold values.
        again: opens the file anew, undecoded.

    Raises:
        ImageError: the lower bytes cannot be read.
    """
    levels = wanted or _colour_levels(image, stored.declared)
    if not wanted and levels.high == 65535:
        return image, levels
    if not stored.whole:
        raise ImageError(
            f"Of this TIFF's colour only the upper 8 of 16 bits can be read, as it is stored, and {levels.how}. "
            "Wanted a pixel's channels side by side, not multiplied by its transparency: save it anew as PNG."
        )
    lower = _lower(again, stored.raw)
    bands = list(image.split())
    for number, low in enumerate(lower):
        values = np.asarray(bands[number]).astype(np.uint16)
        values <<= 8
        values |= np.asarray(low)
        bands[number] = Image.fromarray(shown(values, levels))
    if len(lower) == 1:  # grey and transparency, which Pillow opens as RGBA
        bands[1:3] = [bands[0]] * 2
    return Image.merge(image.mode, bands), levels


def _colour_levels(image: Image.Image, declared: Declared) -> Levels:
    """Return the levels by the upper bytes: the depths in question end where one of them does."""
    counts = np.array(image.histogram()).reshape(-1, 256)[:3].sum(axis=0)
    spare = max(counts.sum() // STRAY, counts.sum() >= ENOUGH)
    upper = int(np.flatnonzero(counts[::-1].cumsum() <= spare).size)  # values of the top that are strays
    highest = (max(0, 255 - upper) << 8) + 255
    levels = by_depth(highest, np.dtype(np.uint16), declared)
    return levels or Levels(0, 65535, "16 bits, as the file declares")


def _lower(again: Callable[[], ImageFile.ImageFile], raw: str) -> list[Image.Image]:
    """Return the lower bytes of the colour channels, upright."""
    image = again()
    mend_planes(image)
    image.tile = [tile._replace(args=_turned_round(tile.args, raw)) for tile in image.tile]
    image.load()
    bands = upright(image).split()
    return [bands[1]] if raw.startswith("LA") else list(bands[:3])


def _turned_round(args: Any, raw: str) -> Any:
    if raw.startswith("LA"):
        return "RGBA"  # the four bytes of a pixel as they are: grey's upper and lower, transparency's upper and lower
    name = args if isinstance(args, str) else args[0]
    other = name[:-1] + OTHER_ORDER[name[-1]]
    return other if isinstance(args, str) else (other, *args[1:])


def upright(image: Image.Image) -> Image.Image:
    """Return a picture turned as its EXIF says; as it is where that is broken."""
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):  # broken EXIF
        return image
