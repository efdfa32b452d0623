"""Pictures: from unchecked bytes to RGB, upright.

picture = open_image(data)                              # RGB, upright, or ImageError
opened = open_picture(data)                             # with what was assumed: opened.levels, opened.notes
darker = open_image(data, Levels.window(40, 400))       # the same with other levels, if it holds more than 8 bits
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image, ImageFile, features
from PIL.TiffImagePlugin import TiffImageFile

from core.data import tiff
from core.data.deep import Stored, clear, colour_as_bytes, grey_as_bytes, mend_planes, read_stored, upright
from core.data.jpeg import check_jpeg
from core.data.kinds import CONVERT, DEVELOP, described
from core.data.levels import Levels
from core.data.notes import notes_on
from core.errors import ImageError, printable

__all__ = ["FORMATS", "Levels", "Picture", "downscale", "image_hash", "open_image", "open_mask", "open_picture"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", *(["AVIF"] if features.check("avif") else []))
MAX_PIXELS = 50_000_000
MAX_SIDE = 30_000

Opened = TypeVar("Opened")

_WANTED = f"Wanted a picture in one of the formats {', '.join(FORMATS)}."


@dataclass(frozen=True)
class Picture:
    """An opened picture, and what was assumed to open it.

    Attributes:
        image: RGB, upright; transparency lies on white.
        levels: the values shown as black and white; None where the file holds 8 bits per channel or fewer.
        notes: sentences on what was left out or assumed.
    """

    image: Image.Image
    levels: Levels | None = None
    notes: tuple[str, ...] = ()


def open_image(data: bytes, levels: Levels | None = None) -> Image.Image:
    """Return the first frame of an image file, upright, as RGB; transparent pixels are laid on white.

    Args:
        data: the file's bytes, from anywhere; at most 50 megapixels and 30,000 pixels per side.
        levels: what is black and white in a picture of more than 8 bits per channel; default as ``core.data.levels``
            decides. A picture of 8 bits is not changed.

    Raises:
        ImageError: not a picture, damaged, or too large; no other error is raised.
    """
    return open_picture(data, levels).image


def open_picture(data: bytes, levels: Levels | None = None) -> Picture:
    """Return the picture that ``open_image`` returns, with its levels and notes on what was assumed.

    Args:
        data, levels: as for ``open_image``.

    Raises:
        ImageError: as for ``open_image``.
    """
    return _opened(data, lambda image, stored: _picture(image, stored, levels, lambda: _header(data)))


def open_mask(data: bytes) -> Image.Image | None:
    """Return an image file's alpha channel, in mode "L", upright; None if it is opaque everywhere.

    Args:
        data: as for ``open_image``.

    Raises:
        ImageError: as for ``open_image``.
    """
    return _opened(data, lambda image, _: _alpha(image))


def _opened(data: bytes, use: Callable[[Image.Image, Stored], Opened]) -> Opened:
    if not data:
        raise ImageError(f"The file is empty. {_WANTED}")
    check_jpeg(data)
    image = _header(data)
    _check_size(image.size)
    try:
        mend_planes(image)
        stored = read_stored(image, data)
        image.load()
        return use(image, stored)
    except ImageError:
        raise
    except Exception as error:  # decoders of hostile files raise anything
        raise ImageError(
            f"This {image.format} file of {len(data):,} bytes is damaged or cut short ({_reason(error)}). "
            "Open it in an image editor and save it anew, or send it again."
        ) from error


def _reason(error: Exception) -> str:
    return printable(str(error)[:200]) or type(error).__name__


def _header(data: bytes) -> ImageFile.ImageFile:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        claimed = re.search(r"\d+", str(error))
        raise ImageError(f"The picture has {int(claimed[0]) if claimed else 0:,} pixels. {_most_pixels()}") from error
    except Exception as error:  # decoders of hostile files raise anything
        raise ImageError(_no_picture(data)) from error
    if isinstance(image, TiffImageFile) and tiff.is_camera_raw(image, data):
        raise ImageError(f"These {len(data):,} bytes are a camera's raw file, not a picture to be shown. {DEVELOP}")
    return image


def _no_picture(data: bytes) -> str:
    name, fix = described(data)
    stored = tiff.unreadable(data)
    if stored:
        name, fix = stored, "Save it with 1 or 3 channels of 8 or 16 bits, or with 1 of 32-bit fractions."
    known = f"{name}, " if name else ""
    return f"These {len(data):,} bytes are {known}not a picture that can be read. {_WANTED} {fix or CONVERT}"


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    has = f"The picture has {width:,} x {height:,} pixels"
    if width * height > MAX_PIXELS:
        raise ImageError(f"{has}, {width * height:,} in all. {_most_pixels()}")
    if max(size) > MAX_SIDE:
        raise ImageError(f"{has}. Wanted at most {MAX_SIDE:,} pixels per side; scale it down first.")


def _most_pixels() -> str:
    return f"Wanted at most {MAX_PIXELS:,} ({MAX_PIXELS // 1_000_000} megapixels); scale it down first."


def _picture(
    image: Image.Image, stored: Stored, wanted: Levels | None, again: Callable[[], ImageFile.ImageFile]
) -> Picture:
    notes = notes_on(image, stored)
    if image.mode[0] in "IF":
        seen, levels, missing = _grey(upright(image), stored, wanted)
        if missing:
            notes.append(f"{missing:,} of its pixels hold no value and are black.")
        return Picture(_rgb(seen), levels, tuple(notes))
    if stored.raw and image.mode in ("RGB", "RGBA"):
        seen, levels = colour_as_bytes(upright(image), stored, wanted, again)
        return Picture(_rgb(seen), levels, tuple(notes))
    return Picture(_rgb(upright(image)), None, tuple(notes))


def _grey(image: Image.Image, stored: Stored, wanted: Levels | None) -> tuple[Image.Image, Levels, int]:
    """Return deep grey in 8 bits, its levels, and how many pixels hold no value."""
    seen, levels, held = grey_as_bytes(image, stored, wanted)
    transparent = clear(image)
    if transparent is not None:
        seen[transparent] = 255
    return Image.fromarray(seen), levels, 0 if held is None else int((~held).sum())


def _rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    image.info = {}  # place and time of the photo are private
    return image


def _alpha(image: Image.Image) -> Image.Image | None:
    image = upright(image)
    if not image.has_transparency_data:
        return None
    transparent = clear(image)
    if transparent is not None:
        alpha = Image.fromarray(np.where(transparent, 0, 255).astype(np.uint8))
    else:
        alpha = image.convert("RGBA").getchannel("A")
    return None if alpha.getextrema()[0] == 255 else alpha


def downscale(image: Image.Image, longest: int = 1024) -> Image.Image:
    """Return the image with its longer side at most ``longest`` pixels; unchanged if it already is."""
    factor = longest / max(image.size)
    if factor >= 1:
        return image
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def image_hash(image: Image.Image) -> str:
    """Return 16 hex digits that identify an image by its mode, size and pixels."""
    digest = hashlib.sha256(f"{image.mode} {image.size}".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()[:16]
