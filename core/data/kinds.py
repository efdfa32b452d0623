"""The kind of a file that cannot be read as a picture, by its first bytes, and what to do with it.

    described(data)     # "a HEIC photo, as phones take them. Export it as JPEG, ..."

Nothing is unpacked, decoded or followed: names are read off the first bytes alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["CONVERT", "DEVELOP", "described"]

HEAD = 4_096  # bytes looked at
CONVERT = "Convert it to PNG or JPEG and try again."
EXPORT = "Export the picture in it as PNG or JPEG."
DEEP = "Save the slice or band to look at as PNG or TIFF of 16 bits."
DEVELOP = "Develop it with the camera's software and save it as JPEG or TIFF."
UNPACK = "Unpack it and choose a picture in it."
DAMAGED = "It is damaged or of a kind that cannot be read: open it in an image editor and save it anew."
AVIF = "It is damaged, or Pillow was built without AVIF here: convert it to PNG or JPEG."
HEIC = "Export it as JPEG (on an iPhone: Settings, Camera, Formats, Most Compatible)."

_STARTS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"%PDF", "a PDF document", EXPORT),
    (0, b"%!PS", "a PostScript document", EXPORT),
    (0, b"8BPS", "a Photoshop document (PSD)", EXPORT),
    (0, b"gimp xcf", "a GIMP document (XCF)", EXPORT),
    (128, b"DICM", "a DICOM file", DEEP),
    (344, b"n+1\0", "a NIfTI volume", DEEP),
    (344, b"ni1\0", "the header of a NIfTI volume", DEEP),
    (4, b"n+2\0\r\n", "a NIfTI volume", DEEP),
    (0, b"SIMPLE  =", "a FITS file", DEEP),
    (0, b"v/1\x01", "an OpenEXR picture", CONVERT),
    (0, b"#?RADIANCE", "a Radiance HDR picture", CONVERT),
    (0, b"\x89HDF\r\n", "an HDF5 file", DEEP),
    (0, b"\x93NUMPY", "a NumPy array", "Save it as PNG or TIFF."),
    (0, b"\0\0\0\x0cjP  \r\n", "a JPEG 2000 picture", CONVERT),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture", CONVERT),
    (0, b"\0\0\0\x0cJXL \r\n", "a JPEG XL picture", CONVERT),
    (0, b"\xff\x0a", "a JPEG XL picture", CONVERT),
    (0, b"\xff\xd8\xff", "a JPEG by its first bytes", DAMAGED),
    (0, b"\x89PNG", "a PNG by its first bytes", DAMAGED),
    (0, b"GIF8", "a GIF by its first bytes", DAMAGED),
    (0, b"II*\0", "a TIFF by its first bytes", DAMAGED),
    (0, b"MM\0*", "a TIFF by its first bytes", DAMAGED),
    (8, b"WEBP", "a WebP by its first bytes", DAMAGED),
    (8, b"AVI ", "an AVI video", "Save one of its frames as PNG or JPEG."),
    (8, b"WAVE", "a sound file (WAV)", "Choose a picture."),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM video", "Save one of its frames as PNG or JPEG."),
    (0, b"\0\0\1\0", "an icon (ICO)", CONVERT),
    (0, b"qoif", "a QOI picture", CONVERT),
    (0, b"DDS ", "a DDS texture", CONVERT),
    (0, b"FUJIFILMCCD-RAW", "a raw file of a Fujifilm camera (RAF)", DEVELOP),
    (0, b"IIU\0", "a raw file of a Panasonic camera (RW2)", DEVELOP),
    (0, b"IIRO", "a raw file of an Olympus camera (ORF)", DEVELOP),
    (0, b"PK\x03\x04", "a ZIP archive, or an Office document", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (0, b"\x1f\x8b", "a gzip archive", UNPACK),
    (0, b"BZh", "a bzip2 archive", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the picture it stands for", "Fetch it: git lfs pull."),
)
_BRANDS: dict[str, tuple[str, str]] = {  # of a file that begins with a box "ftyp"
    **dict.fromkeys(("avif", "avis"), ("an AVIF by its first bytes", AVIF)),
    **dict.fromkeys(("heic", "heix", "heim", "heis", "hevc", "hevx"), ("a HEIC photo, as phones take them", HEIC)),
    **dict.fromkeys(("mif1", "msf1"), ("a HEIF picture", HEIC)),
    "crx ": ("a raw file of a Canon camera (CR3)", DEVELOP),
}
_PAGE = "It may have been saved in place of the picture: save the picture itself."
_MARKUP = (("<!doctype html|<html|<head|<body", "an HTML page", _PAGE), ("<svg", "an SVG drawing", EXPORT))


def described(data: bytes) -> tuple[str, str]:
    """Return the kind of a file and what to do with it; both are "" if the kind is unknown."""
    looks: tuple[Callable[[bytes], tuple[str, str]], ...] = (_by_start, _by_brand, _by_text)
    return next(filter(any, (look(data[:HEAD]) for look in looks)), ("", ""))


def _by_start(head: bytes) -> tuple[str, str]:
    if head and not head.strip(b"\0"):
        return "nothing but zeros", "Send or copy the file again."
    found = ((name, fix) for place, start, name, fix in _STARTS if head.startswith(start, place))
    return next(found, ("", ""))


def _by_brand(head: bytes) -> tuple[str, str]:
    """Return the kind of a container of boxes, such as a phone's photo or a video."""
    if head[4:8] != b"ftyp":
        return "", ""
    own, listed = head[8:12], head[16 : min(int.from_bytes(head[:4]), 200)]
    brands = [own, *(listed[place : place + 4] for place in range(0, len(listed), 4))]
    names = [brand.decode("latin-1") for brand in brands]
    if own in (b"mif1", b"msf1"):  # a container of any coding: those it goes by say which
        names = [*(name for name in names if name not in ("mif1", "msf1")), names[0]]
        return next((_BRANDS[name] for name in names if name in _BRANDS), ("", ""))
    return _BRANDS.get(names[0], ("a video (MP4 or QuickTime)", "Save one of its frames as PNG or JPEG."))


def _by_text(head: bytes) -> tuple[str, str]:
    try:
        text = head.decode("utf-8-sig") if len(head) < HEAD else head.decode("utf-8-sig", errors="ignore")
    except UnicodeDecodeError:
        return "", ""
    for pattern, name, fix in _MARKUP:
        if text.lstrip().startswith("<") and re.search(pattern, text, re.IGNORECASE):
            return name, fix
    if text and all(character.isprintable() or character.isspace() for character in text):
        return "text", "Choose the picture itself."
    return "", ""
