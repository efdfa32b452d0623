"""What is said of files that are no picture to be read, and of what a picture's file holds besides."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from core.data.images import open_image, open_picture
from core.data.kinds import described
from core.data.notes import profile_name
from core.errors import ImageError
from tests.core.data.written import encoded, tiff


def boxed(brand: bytes, *others: bytes) -> bytes:
    return struct.pack(">I4s4sI", 16 + 4 * len(others), b"ftyp", brand, 0) + b"".join(others) + bytes(200)


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("a.png", encoded(Image.new("RGB", (3, 3))))
    return buffer.getvalue()


def numbers() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((3, 3)))
    return buffer.getvalue()


SMALL = Image.new("RGB", (30, 20), (200, 10, 10))
KINDS = {
    "HEIC": (boxed(b"heic", b"mif1", b"heic"), "a HEIC photo.*Export it as JPEG"),
    "HEIC in a HEIF": (boxed(b"mif1", b"heic", b"miaf"), "a HEIC photo"),
    "HEIF": (boxed(b"mif1", b"miaf"), "a HEIF picture"),
    "broken AVIF": (boxed(b"avif", b"mif1"), "an AVIF.*damaged, or Pillow was built without AVIF"),
    "CR3": (boxed(b"crx ", b"isom"), "raw file of a Canon camera .CR3.*Develop it"),
    "MP4": (boxed(b"isom", b"avc1"), "a video .MP4 or QuickTime.*frames"),
    "MOV": (boxed(b"qt  "), "a video"),
    "WebM": (b"\x1aE\xdf\xa3" + bytes(99), "WebM video"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document.*Export the picture"),
    "SVG": (b"<?xml version='1.0'?>\n<!-- x -->\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
    "HTML": (b"\n<!DOCTYPE html>\n<html><svg></svg></html>", "an HTML page.*save the picture itself"),
    "PSD": (b"8BPS\0\1" + bytes(99), "a Photoshop document"),
    "DICOM": (bytes(128) + b"DICM" + b"\2\0\0\0UL\4\0", "a DICOM file.*PNG or TIFF of 16 bits"),
    "NIfTI": (struct.pack("<i", 348) + bytes(340) + b"n+1\0", "a NIfTI volume"),
    "packed NIfTI": (b"\x1f\x8b\x08" + bytes(50), "a gzip archive.*Unpack it"),
    "JPEG 2000": (encoded(SMALL, "JPEG2000"), "a JPEG 2000 picture.*Convert it"),
    "JPEG 2000 code": (encoded(SMALL, "JPEG2000", no_jp2=True), "a JPEG 2000 picture"),
    "JPEG XL": (b"\xff\x0a" + bytes(40), "a JPEG XL picture"),
    "JPEG XL in boxes": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "a JPEG XL picture"),
    "ZIP": (archive(), "a ZIP archive, or an Office document.*Unpack"),
    "NumPy": (numbers(), "a NumPy array.*Save it as PNG or TIFF"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 file"),
    "icon": (encoded(SMALL, "ICO"), "an icon"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS.*git lfs pull"),
    "text": (b"x,y\n1,2\n", "are text, not a picture"),
    "text in UTF-8": ("Größe: 3 µm".encode(), "are text"),
    "zeros": (bytes(5000), "nothing but zeros, not a picture.*again"),
    "cut JPEG": (b"\xff\xd8\xff\xe0\0\x10JF", "a JPEG by its first bytes.*damaged"),
    "cut PNG": (encoded(SMALL)[:20], "a PNG by its first bytes.*damaged"),
    "cut TIFF": (encoded(SMALL, "TIFF")[:30], "a TIFF|damaged"),
    "noise": (bytes(range(150, 250)), "100 bytes are not a picture that can be read.*Convert it"),
    "float64": (tiff(np.zeros((4, 6))), "a TIFF of 1 channel of 64 bits, fractions, not a picture.*32-bit"),
    "five bands": (
        tiff(np.zeros((4, 6, 5), np.uint8), photometric="minisblack", planarconfig="contig"),
        "a TIFF of 5 channels of 8 bits, whole numbers, not",
    ),
    "float RGB": (tiff(np.zeros((4, 6, 3), np.float32), photometric="rgb"), "3 channels of 32 bits, fractions"),
    "BigTIFF": (tiff(np.zeros((4, 6)), bigtiff=True), "1 channel of 64 bits"),
    "DNG": (tiff(np.zeros((4, 6), np.uint8), extratags=[(50706, 1, 4, (1, 4, 0, 0), True)]), "raw file.*Develop it"),
    "CR2": (encoded(SMALL, "TIFF")[:8] + b"CR" + encoded(SMALL, "TIFF")[10:], "raw file|damaged|a TIFF"),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_a_file_is_instead_is_said_by_name(name: str) -> None:
    data, words = KINDS[name]
    with pytest.raises(ImageError, match=words) as raised:
        open_image(data)
    said = str(raised.value)
    assert said.isprintable()
    assert f"{len(data):,} bytes" in said


def test_a_raw_photo_is_not_its_preview() -> None:
    """NEF and DNG: the first picture is a thumbnail, and says so; the photo is in a page inside."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(np.zeros((4, 6, 3), np.uint8), photometric="rgb", subifds=1, subfiletype=1)
        file.write(np.zeros((40, 60), np.uint16))
    with pytest.raises(ImageError, match=r"a camera's raw file.*Develop it"):
        open_image(buffer.getvalue())


def test_a_pyramid_whose_first_page_is_whole_is_a_picture() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(np.full((40, 60, 3), 9, np.uint8), photometric="rgb", subifds=1)
        file.write(np.full((20, 30, 3), 9, np.uint8), photometric="rgb", subfiletype=1)
    assert open_image(buffer.getvalue()).size == (60, 40)


def test_names_are_read_off_the_first_bytes_alone() -> None:
    assert described(b"") == described(b"\x80\x81") == ("", "")
    assert described(b"x" * 5_000_000 + b"\xff")[0] == "text"
    assert described("é".encode() * 4000 + b"\xff")[0] == "text"  # the last letter looked at may be cut in half
    assert described(b"a" + "é".encode() * 4000)[0] == "text"


# -------------------------------------------------------------------------------------------------------------- notes

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile(text: bytes) -> bytes:
    """A profile that holds nothing but its name."""
    return bytes(128) + struct.pack(">I4sII", 1, b"desc", 144, len(text)) + text


def version_2(name: bytes) -> bytes:
    return profile(b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + b"\0" + bytes(80))


def version_4(name: str) -> bytes:
    text = name.encode("utf-16-be")
    return profile(b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text)


def test_the_name_of_a_profile() -> None:
    assert "sRGB" in profile_name(SRGB)
    assert profile_name(version_2(b"Adobe RGB (1998)")) == "Adobe RGB (1998)"
    assert profile_name(version_4("Display P3")) == "Display P3"
    assert profile_name(version_4("a\nb" * 100)) == ("a b" * 100)[:60]
    for broken in (None, b"", bytes(131), bytes(200), b"\xff" * 200, version_4("Display P3")[:150], version_2(b"")):
        assert not profile_name(broken).strip("\ufffd")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_a_colour_profile_is_named_and_left_out(kind: str) -> None:
    opened = open_picture(encoded(SMALL, kind, icc_profile=version_4("Display P3")))
    assert opened.notes == (
        'Its colour profile, "Display P3", is not applied: networks are given the numbers as they are stored.',
    )
    plain = open_picture(encoded(SMALL, kind))
    assert plain.notes == open_picture(encoded(SMALL, kind, icc_profile=SRGB)).notes == ()
    assert plain.image.tobytes() == opened.image.tobytes()


def test_printing_colours_are_approximate_and_said_to_be() -> None:
    opened = open_picture(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG"))
    assert opened.notes == (
        "It is in printing colours (CMYK), converted without a colour profile: colours are approximate.",
    )


def test_channels_that_are_left_out_are_said() -> None:
    bands = np.arange(4 * 6 * 5, dtype=np.uint8).reshape(4, 6, 5)
    opened = open_picture(
        tiff(bands, photometric="rgb", planarconfig="contig", extrasamples=["unspecified", "unspecified"])
    )
    assert opened.notes == ("Of the file's 5 channels, the first 3 are shown.",)
    assert np.array_equal(np.asarray(opened.image), bands[..., :3])


def test_a_sign_that_is_left_out_is_said() -> None:
    opened = open_picture(tiff(np.array([[0, 5, -1]], np.int8), photometric="minisblack"))
    assert opened.notes == ("Its numbers have a sign, which is left out of account.",)
