"""Pictures as bytes, written by tifffile, by Pillow, or byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from core.data.images import open_image
from core.data.levels import Levels


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(values: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.asarray(values), **{"photometric": "minisblack", **options})
    return buffer.getvalue()


def png(values: Any, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 16 bits: (H, W) grey, (H, W, 2) with transparency, (H, W, 3) colour, (H, W, 4) with transparency."""
    values = np.asarray(values)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2] if values.ndim == 3 else 1]
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))
    parts = ((b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b""))
    packed = (struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def first(data: bytes, levels: Levels | None = None) -> list[int]:
    """The first row's red."""
    return np.asarray(open_image(data, levels))[0, :, 0].tolist()
