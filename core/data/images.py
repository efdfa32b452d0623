"""Pictures: from unchecked bytes to RGB, upright.

picture = open_image(data)                 # RGB, upright, or ImageError
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.data.jpeg import check_jpeg
from core.errors import ImageError, printable

__all__ = ["downscale", "image_hash", "open_image", "open_mask"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_PIXELS = 50_000_000
MAX_SIDE = 30_000
BAND = 1 << 20  # pixels of deep grey (over 8 bits) that are scaled at once

Opened = TypeVar("Opened")

_WANTED = f"Wanted a picture in one of the formats {', '.join(FORMATS)}."


def open_image(data: bytes) -> Image.Image:
    """Return the first frame of an image file, upright, as RGB; transparent pixels are laid on white.

    Args:
        data: the file's bytes, from anywhere; at most 50 megapixels and 30,000 pixels per side.

    Raises:
        ImageError: not a picture, damaged, or too large; no other error is raised.
    """
    return _opened(data, _rgb)


def open_mask(data: bytes) -> Image.Image | None:
    """Return an image file's alpha channel, in mode "L", upright; None if it is opaque everywhere.

    Args:
        data: as for ``open_image``.

    Raises:
        ImageError: as for ``open_image``.
    """
    return _opened(data, _alpha)


def _opened(data: bytes, use: Callable[[Image.Image], Opened]) -> Opened:
    if not data:
        raise ImageError(f"The file is empty. {_WANTED}")
    check_jpeg(data)
    image = _header(data)
    _check_size(image.size)
    try:
        image.load()
        return use(_upright(image))
    except Exception as error:  # decoders of hostile files raise anything
        raise ImageError(
            f"This {image.format} file of {len(data):,} bytes is damaged or cut short ({_reason(error)}). "
            "Open it in an image editor and save it anew, or send it again."
        ) from error


def _reason(error: Exception) -> str:
    return printable(str(error)[:200]) or type(error).__name__


def _header(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"The picture is too large ({error}). {_limit()}") from error
    except Exception as error:  # decoders of hostile files raise anything
        raise ImageError(
            f"These {len(data):,} bytes are not a picture that can be read. {_WANTED} Convert the file and try again."
        ) from error


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS or max(size) > MAX_SIDE:
        megapixels = width * height / 1e6
        raise ImageError(f"The picture has {width:,} x {height:,} pixels ({megapixels:,.0f} megapixels). {_limit()}")


def _limit() -> str:
    most = MAX_PIXELS // 1_000_000
    return f"Wanted at most {most} megapixels and {MAX_SIDE:,} pixels per side; scale it down first."


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):  # broken EXIF: no rotation
        return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode[0] in "IF":
        image = Image.fromarray(_eight_bit(np.asarray(image)))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    image.info = {}  # place and time of the photo are private
    return image


def _alpha(image: Image.Image) -> Image.Image | None:
    if not image.has_transparency_data:
        return None
    alpha = image.convert("RGBA").getchannel("A")
    return None if alpha.getextrema()[0] == 255 else alpha


def _eight_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return deep grey values as 8 bits, scaled by the ceiling of their type or range, else by their own range.

    It works on one band of rows after the other: a large picture in doubles would take eight times its memory.
    """
    bands = np.array_split(values, max(1, values.size // BAND))
    lowest, highest = min(float(_wide(band).min()) for band in bands), max(float(_wide(band).max()) for band in bands)
    ceilings = [65535.0] if values.dtype.itemsize == 2 else [1.0, 255.0, 65535.0][values.dtype.kind != "f" :]
    low, high = 0.0, next((c for c in ceilings if highest <= c), highest)
    if lowest < 0:
        low, high = lowest, highest
    factor = 255.0 / ((high - low) or 1.0)
    return np.concatenate([np.rint((_wide(band) - low) * factor).astype(np.uint8) for band in bands])


def _wide(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return values as doubles; NaN and infinite values become 0."""
    return np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)


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
