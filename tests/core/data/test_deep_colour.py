"""Colour and transparency of 16 bits a channel, value by value."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from core.data.images import open_image, open_mask, open_picture
from core.data.levels import Levels
from core.errors import ImageError
from tests.core.data.written import first, png, tiff

COLOURS = np.random.default_rng(0).integers(0, 4096, (6, 8, 3)).astype(np.uint16)
COLOURS[0, 0] = 4095, 0, 2048


@pytest.mark.parametrize(
    "data",
    [
        png(COLOURS),
        tiff(COLOURS, photometric="rgb"),
        tiff(COLOURS, photometric="rgb", byteorder=">"),
        tiff(COLOURS, photometric="rgb", compression="zlib", predictor=True),
        tiff(np.ascontiguousarray(np.moveaxis(COLOURS, 2, 0)), photometric="rgb", planarconfig="separate"),
        tiff(np.moveaxis(COLOURS, 2, 0), photometric="rgb", planarconfig="separate", byteorder=">"),
    ],
)
def test_12_of_16_bits_of_colour(data: bytes) -> None:
    opened = open_picture(data)
    assert opened.levels == Levels(0, 4095, "12 of 16 bits hold values")
    assert np.array_equal(np.asarray(opened.image), np.rint(COLOURS * (255 / 4095)))


def test_all_16_bits_of_colour_are_the_upper_byte() -> None:
    whole = COLOURS * 16
    planes = np.ascontiguousarray(np.moveaxis(whole, 2, 0))
    for data in (
        png(whole),
        tiff(whole, photometric="rgb"),
        tiff(planes, photometric="rgb", planarconfig="separate"),
        tiff(planes, photometric="rgb", planarconfig="separate", compression="zlib"),
    ):
        assert np.array_equal(np.asarray(open_image(data)), whole >> 8)


def test_colour_of_which_the_lower_byte_cannot_be_had() -> None:
    planes = np.ascontiguousarray(np.moveaxis(COLOURS, 2, 0))
    data = tiff(planes, photometric="rgb", planarconfig="separate", compression="zlib")
    with pytest.raises(ImageError, match=r"only the upper 8 of 16 bits can be read.*12 of 16 bits hold values.*as PNG"):
        open_image(data)


def test_printing_colours_of_16_bits() -> None:
    """Side by side the upper bytes are taken; plane by plane Pillow would take both bytes for pixels of their own."""
    ink = np.zeros((4, 6, 4), np.uint16)
    ink[..., 0] = 65_535
    opened = open_picture(tiff(ink, photometric="separated"))
    assert np.asarray(opened.image)[0, 0].tolist() == [0, 255, 255]
    assert opened.notes[0] == "Of its 16 bits a channel, the upper 8 are shown."
    with pytest.raises(ImageError, match=r"CMYK. of 16 bits, each colour's plane by itself, which cannot be read"):
        open_image(tiff(np.ascontiguousarray(np.moveaxis(ink, 2, 0)), photometric="separated", planarconfig="separate"))


def test_transparency_of_16_bits_lies_on_white() -> None:
    grey = np.array([[[4095, 65_535], [2048, 65_535], [0, 0]]])
    assert first(png(grey)) == [255, 128, 255]
    mask = open_mask(png(grey))
    assert mask is not None
    assert np.asarray(mask).tolist() == [[255, 255, 0]]
    colour = np.array([[[4095, 0, 2048, 65_535], [1, 1, 1, 0]]])
    assert np.asarray(open_image(png(colour))).tolist() == [[[255, 0, 128], [255, 255, 255]]]


def test_a_transparent_value_of_16_bit_grey() -> None:
    data = png(np.array([[0, 1000, 60_000]]), (b"tRNS", struct.pack(">H", 1000)))
    assert first(data) == [0, 255, 233]
    mask = open_mask(data)
    assert mask is not None
    assert np.asarray(mask).tolist() == [[255, 0, 255]]


def test_what_holds_8_bits_has_no_levels_and_is_what_it_is() -> None:
    values = np.random.default_rng(1).integers(0, 90, (5, 7, 3)).astype(np.uint8)
    for data in (tiff(values, photometric="rgb"), tiff(values, photometric="rgb", compression="zlib")):
        for levels in (None, Levels(3, 9)):
            opened = open_picture(data, levels)
            assert opened.levels is None
            assert np.array_equal(np.asarray(opened.image), values)
    sixteen = Image.new("P", (16, 1))
    sixteen.putpalette([value * 17 for value in range(16) for _ in range(3)])
    sixteen.putdata(range(16))
    for picture, wanted in ((sixteen, [17 * n for n in range(16)]), (Image.new("1", (2, 1), 1), [255, 255])):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        assert first(buffer.getvalue()) == wanted


def test_deep_colour_is_turned_as_exif_says() -> None:
    exif = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    opened = open_image(png(COLOURS, (b"eXIf", exif)))
    assert np.array_equal(np.asarray(opened), np.rot90(np.rint(COLOURS * (255 / 4095)), -1))
