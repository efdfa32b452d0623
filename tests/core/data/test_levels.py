"""Levels by hand: what is black and white in files of more than 8 bits, written by tifffile or byte by byte."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data.images import open_image, open_picture
from core.data.levels import Levels
from core.errors import PathwayError
from tests.core.data.written import first, png, tiff


def ramp(low: float, high: float, kind: Any = np.float32) -> np.ndarray:
    """200 x 100 values that rise evenly."""
    return np.linspace(low, high, 20_000).reshape(200, 100).astype(kind)


# --------------------------------------------------------------------------------------------------------- fractions


@pytest.mark.parametrize("stray", [1.0001, 7.0, 1e9, -5.0, np.nan, np.inf, -np.inf, 3.4e38])
def test_one_pixel_does_not_decide(stray: float) -> None:
    values = ramp(0, 1)
    values[100, 50] = stray
    opened = open_picture(tiff(values))
    assert opened.levels is not None
    assert (opened.levels.low, opened.levels.high) == (0, 1)
    assert np.asarray(opened.image)[199, 99].tolist() == [255] * 3
    assert np.asarray(opened.image)[100, 0, 0] == 128  # 0.50003 * 255 = 127.506


@pytest.mark.parametrize(
    ("values", "low", "high", "how"),
    [
        (ramp(0, 1), 0, 1, "nearly all values lie within 0 to 1"),
        (ramp(-0.05, 1.08), 0, 1, "within 0 to 1"),  # a sharpened or enlarged picture
        (ramp(0, 255), 0, 255, "within 0 to 255"),
        (ramp(0, 65535), 0, 65535, "within 0 to 65,535"),
        (ramp(0, 3), 0.003, 2.997, "0.1st to 99.9th percentile"),  # heights in metres
        (ramp(-1, 1), -0.998, 0.998, "percentile"),
        (ramp(-1024, 3071), -1019.9, 3066.9, "percentile"),
        (ramp(0, 1e-6), 1e-9, 9.99e-7, "percentile"),
        (np.full((20, 20), 7e-4), -0.0, 7e-4, "all values are 0.0007"),
        (np.full((20, 20), -4.0), -4, 0, "all values are -4"),
        (np.zeros((20, 20)), 0, 1, "all values are 0"),
        (np.full((20, 20), np.nan), 0, 1, "no pixel holds a value"),
    ],
)
def test_levels_of_fractions(values: np.ndarray, low: float, high: float, how: str) -> None:
    levels = open_picture(tiff(values.astype(np.float32))).levels
    assert levels is not None
    assert (levels.low, levels.high) == pytest.approx((low, high), rel=1e-3)
    assert how in levels.how


def test_a_few_bright_spots_on_black_are_seen() -> None:
    values = np.zeros((100, 100), np.float32)
    values[3, 4:7] = 500, 1000, 2000
    opened = open_picture(tiff(values))
    assert np.asarray(opened.image)[3, 3:8, 0].tolist() == [0, 64, 128, 255, 0]
    assert opened.levels is not None
    assert "nearly all are equal" in opened.levels.how


def test_pixels_without_a_value_are_black_and_counted() -> None:
    values = ramp(10, 20)
    values[0, :50] = -9999
    opened = open_picture(tiff(values, extratags=[(42113, "s", 0, "-9999", True)]))
    assert opened.levels is not None
    assert (opened.levels.low, opened.levels.high) == pytest.approx((10.035, 19.99), abs=0.01)
    assert np.asarray(opened.image)[0, :50].max() == 0
    assert opened.notes == ("50 of its pixels hold no value and are black.",)


# ----------------------------------------------------------------------------------------------------- whole numbers


@pytest.mark.parametrize("write", [tiff, png])
@pytest.mark.parametrize(
    ("highest", "ceiling", "how"),
    [
        (255, 255, "8 of 16 bits hold values"),
        (256, 1023, "10 of 16 bits hold values"),
        (1023, 1023, "10 of 16"),
        (4095, 4095, "12 of 16 bits hold values"),
        (16_383, 16_383, "14 of 16"),
        (16_384, 65_535, "16 bits, as the file declares"),
        (65_535, 65_535, "16 bits"),
    ],
)
def test_16_bits_by_those_that_hold_values(write: Any, highest: int, ceiling: int, how: str) -> None:
    opened = open_picture(write(np.array([[0, highest // 2, highest]], np.uint16)))
    assert opened.levels is not None
    assert (opened.levels.low, opened.levels.high) == (0, ceiling)
    assert how in opened.levels.how
    wanted = [0, *(round(value * 255 / ceiling) for value in (highest // 2, highest))]
    assert np.asarray(opened.image)[0, :, 1].tolist() == wanted


@pytest.mark.parametrize("order", ["<", ">"])
def test_all_16_bits_are_as_they_always_were(order: str) -> None:
    values = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    seen = np.asarray(open_image(tiff(values, byteorder=order)))[..., 0]
    assert np.array_equal(seen, np.rint(values.astype(float) * 255.0 / 65535.0))


def test_a_hot_pixel_does_not_make_12_bits_16() -> None:
    values = ramp(0, 4095, np.uint16)
    values[5, 5] = 65_535
    opened = open_picture(png(values))
    assert opened.levels is not None
    assert opened.levels.high == 4095
    assert np.asarray(opened.image)[199, 99, 0] == np.asarray(opened.image)[5, 5, 0] == 255


@pytest.mark.parametrize(
    ("values", "low", "high", "how"),
    [
        (ramp(0, 2000, np.int16), 0, 4095, "12 of 16"),
        (ramp(0, 32_767, np.int16), 0, 32_767, "16 bits"),
        (ramp(-1024, 3071, np.int16), -1020, 3067, "percentile"),
        (ramp(0, 255, np.int32), 0, 255, "8 of 32"),
        (ramp(0, 60_000, np.uint32), 0, 65_535, "16 of 32"),
        (ramp(0, 1e6, np.uint32), 1000, 999_000, "percentile"),
        (ramp(0, 2**32 - 1, np.uint32), 0, 2**32 - 1, "32 bits"),  # half of them with a sign for Pillow
        (ramp(-(2**31) + 1, 2**31 - 1, np.int32), -2.143e9, 2.143e9, "percentile"),
        (np.zeros((20, 20), np.uint16), 0, 255, "8 of 16"),
    ],
)
def test_levels_of_whole_numbers(values: np.ndarray, low: float, high: float, how: str) -> None:
    opened = open_picture(tiff(values))
    assert opened.levels is not None
    assert (opened.levels.low, opened.levels.high) == pytest.approx((low, high), rel=2e-3)
    assert how in opened.levels.how
    seen = np.asarray(opened.image)[..., 0].ravel().astype(int)
    assert (np.diff(seen) >= 0).all()


def test_the_lowest_signed_number_marks_pixels_without_a_value() -> None:
    values = ramp(-1000, 1000, np.int16)
    values[:20] = -32_768
    opened = open_picture(tiff(values))
    assert opened.levels is not None
    assert opened.levels.low > -1000
    assert opened.notes == ("2,000 of its pixels hold no value and are black.",)


# ----------------------------------------------------------------------------------------------------- what is declared


@pytest.mark.parametrize(
    ("options", "ends", "how"),
    [
        ({"extratags": [(340, 3, 1, 0, True), (341, 3, 1, 20_000, True)]}, (0, 20_000), "SMinSampleValue and SMaxS"),
        ({"extratags": [(281, 3, 1, 12_000, True)]}, (0, 12_000), "MinSampleValue and MaxSampleValue"),
        ({"extratags": [(341, 3, 1, 255, True)]}, (0, 16_383), "14 of 16"),  # contradicted by the values
        ({"extratags": [(341, 3, 1, 65_535, True)]}, (0, 16_383), "14 of 16"),  # says nothing
        ({"imagej": True, "metadata": {"min": 100.0, "max": 900.0}}, (100, 900), "ImageJ's min and max"),
        ({"imagej": True, "metadata": {"min": 9.0, "max": 9.0}}, (0, 16_383), "14 of 16"),
        ({"extratags": [(42113, "s", 0, "nonsense", True)]}, (0, 16_383), "14 of 16"),
    ],
)
def test_a_declared_range(options: dict[str, Any], ends: tuple[int, int], how: str) -> None:
    options = options if "imagej" in options else {**options, "metadata": None}
    levels = open_picture(tiff(ramp(0, 10_000, np.uint16), **options)).levels
    assert levels is not None
    assert (levels.low, levels.high) == ends
    assert how in levels.how


def test_12_bits_that_are_packed() -> None:
    """Two values in three bytes; BitsPerSample says 12, so that 819 is a fifth of white, not four fifths."""
    values = [0, 819, 0, 819]
    packed = b"".join(
        bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in zip(values[::2], values[1::2], strict=True)
    )
    rows = [(256, 4), (257, 1), (258, 12), (259, 1), (262, 1), (273, 200), (277, 1), (278, 1), (279, len(packed))]
    listed = struct.pack("<H", len(rows)) + b"".join(struct.pack("<HHII", tag, 4, 1, v) for tag, v in rows) + bytes(4)
    data = (b"II*\0" + struct.pack("<I", 8) + listed).ljust(200, b"\0") + packed
    levels = open_picture(data).levels
    assert levels == Levels(0, 4095, "12 bits, as the file declares")
    assert first(data) == [0, 51, 0, 51]


def test_sbit_says_how_many_bits_there_were() -> None:
    """Scaled up to 16 bits, as PNG wants it, they fill them; left as they were, they do not."""
    scaled, left = (np.array([[0, 800, 4095]]) * factor for factor in (16, 1))
    for values, ends in ((scaled, (0, 65_535)), (left, (0, 4095)), (np.array([[0, 900]]), (0, 4095))):
        levels = open_picture(png(values, (b"sBIT", b"\x0c"))).levels
        assert levels is not None
        assert (levels.low, levels.high) == ends
        assert "sBIT" in levels.how


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_where_0_is_white(kind: Any) -> None:
    opened = open_picture(tiff(np.array([[0, 30_000, 65_535]], kind), photometric="miniswhite"))
    assert np.asarray(opened.image)[0, :, 0].tolist() == [255, 138, 0]  # 255 - round(30,000 / 257)
    assert opened.notes == ("In this file 0 is white.",)
    assert first(tiff(np.array([[0, 100, 255]], np.uint8), photometric="miniswhite")) == [255, 155, 0]


# ----------------------------------------------------------------------------------------------- levels that are wanted


def test_a_window_shows_what_lies_in_it() -> None:
    """Soft tissue of a computed tomography: level 40, window 400, so -160 is black and 240 is white."""
    data = tiff(np.array([[-1024, -160, 41, 240, 3071]], np.int16))
    levels = Levels.window(40, 400)
    assert (levels.low, levels.high, levels.level, levels.width) == (-160, 240, 40, 400)
    assert first(data, levels) == [0, 0, 128, 255, 255]
    assert open_picture(data, levels).levels == levels
    assert str(levels) == "-160 is black and 240 is white (level 40, window 400)"


def test_wanted_levels_of_colour_and_of_what_is_white_at_0() -> None:
    values = np.array([[[0, 1000, 2000]]])
    assert np.asarray(open_image(png(values), Levels(1000, 2000))).tolist() == [[[0, 0, 255]]]
    inverted = tiff(np.array([[0, 1000, 2000]], np.uint16), photometric="miniswhite")
    assert first(inverted, Levels(1000, 2000)) == [255, 255, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Levels(1, 1),
        lambda: Levels(2, 1),
        lambda: Levels(0, float("inf")),
        lambda: Levels(float("nan"), 1),
        lambda: Levels.window(40, 0),
        lambda: Levels.window(40, -1),
        lambda: Levels.window(float("nan"), 1),
    ],
)
def test_levels_that_are_none(make: Any) -> None:
    with pytest.raises(PathwayError, match=r"Got level.*wanted"):
        make()


@pytest.mark.parametrize("values", [np.uint16([[0, 1, 2], [3, 4, 4095]]), np.float32([[0, 0, 0], [0, 0, 1]])])
def test_deep_pictures_are_turned_as_exif_says(values: np.ndarray) -> None:
    """6: a quarter to the right, so that the last row becomes the first column."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("TIFF", "PNG") if values.dtype == np.uint16 else ("TIFF",):
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, kind, exif=exif)
        seen = np.asarray(open_image(buffer.getvalue()))[..., 0]
        assert seen.shape == (3, 2)
        assert seen[2].tolist() == [255, 0]
