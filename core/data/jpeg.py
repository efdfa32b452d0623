"""The work that a JPEG file makes for its decoder, counted before it is decoded.

A picture may come in scans that refine it step by step, and each costs a pass over all pixels: at 75 bytes per scan, a
small file can keep a decoder busy for hours. Metadata segments are joined one by one, at a cost that grows with the
square of their number. A file made by a camera or an editor has a dozen scans and a few hundred segments at most;
libtiff, for the JPEG inside a TIFF, stops at 100 scans too.
"""

from __future__ import annotations

import re

from core.errors import ImageError

__all__ = ["MAX_SCANS", "MAX_SEGMENTS", "check_jpeg"]

MAX_SCANS, MAX_SEGMENTS = 100, 2_000
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # neither a stuffed byte, nor a restart, nor padding
_START, _SCAN, _END, _BARE = b"\xff\xd8\xff", 0xDA, 0xD9, (0x01, 0xD8)


def check_jpeg(data: bytes) -> None:
    """Raise ImageError for a JPEG file with more scans or segments than a photo has; other files pass."""
    if not data.startswith(_START):
        return
    place, scans, segments = 2, 0, 0
    while (found := _MARKER.search(data, place)) and found[1][0] != _END:
        place, kind = found.end(), found[1][0]
        if kind in _BARE:
            continue
        scans, segments = scans + (kind == _SCAN), segments + 1
        if scans > MAX_SCANS or segments > MAX_SEGMENTS:
            raise ImageError(
                f"This JPEG file has more than {MAX_SCANS} scans or {MAX_SEGMENTS:,} segments, as no photo has. "
                "Open it in an image editor and save it again."
            )
        place += int.from_bytes(data[place : place + 2])
