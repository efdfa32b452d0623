"""Strips, pixel by pixel: every picture is where its row and its column say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from explorer.plots import contact_sheet as strips
from explorer.plots.contact_sheet import Cell, strip
from explorer.plots.palette import DARK, LIGHT, Theme, rgb

BLUE, ORANGE = "#0072B2", "#E69F00"
PAGES = {False: (255, 255, 255), True: (14, 17, 23)}


def noise(seed: int, size: tuple[int, int] = (224, 224)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8))


def sample(dark: bool = False, footer: str = "", **texts: str) -> Image.Image:
    """Two rows, three columns, with a blank in the middle of the second row."""
    note, title, head = (texts.get(part, "") for part in ("note", "title", "head"))
    rows = [
        (title, BLUE, [Cell(noise(k), note) for k in range(3)]),
        (title, ORANGE, [Cell(noise(3), note), None, Cell(noise(5), note)]),
    ]
    return strip(rows, [head] * 3, Theme(dark), footer)


def found(whole: Image.Image, part: Image.Image) -> list[tuple[int, int]]:
    """Where a picture lies in another, pixel by pixel."""
    pixels, wanted = np.asarray(whole), np.asarray(part)
    height, width = wanted.shape[:2]
    corners = np.argwhere((pixels == wanted[0, 0]).all(-1))
    return [(int(x), int(y)) for y, x in corners if np.array_equal(pixels[y : y + height, x : x + width], wanted)]


@pytest.mark.parametrize("dark", PAGES)
def test_pictures_stand_in_rows_and_columns(dark):
    whole = sample(dark, "made here", note="p ratio 0.98 · kept", title="NeuronMCT", head="90 %")
    places = {k: found(whole, noise(k)) for k in (0, 1, 2, 3, 5)}
    assert all(len(at) == 1 for at in places.values())
    x, y = {k: at[0][0] for k, at in places.items()}, {k: at[0][1] for k, at in places.items()}
    assert (x[0], x[1], x[2]) == (24, 24 + 236, 24 + 472)
    assert (x[3], x[5]) == (x[0], x[2])
    assert y[0] == y[1] == y[2] < y[3] - 224
    assert y[3] == y[5]
    assert whole.size[0] == 24 + 3 * 224 + 2 * 12 + 24
    assert {whole.getpixel(corner) for corner in [(0, 0), (0, whole.height - 1)]} == {PAGES[dark]}


def test_eight_columns_are_1924_wide():
    cells = [Cell(noise(0), "")] * 8
    assert strip([("a", BLUE, cells)], [""] * 8, LIGHT).width == 1924


@pytest.mark.parametrize("dark", PAGES)
def test_a_blank_is_framed_and_has_a_dash(dark):
    whole = sample(dark)
    (left, top) = found(whole, noise(3))[0]
    blank = np.asarray(whole.crop((left + 236, top, left + 460, top + 224)))
    inked = (blank != PAGES[dark]).any(-1)
    assert inked[0].all()
    assert inked[:, -1].all()
    rows, columns = np.nonzero(inked[2:-2, 2:-2])
    assert np.ptp(rows) < np.ptp(columns) <= 20
    assert (rows.mean() + 2, columns.mean() + 2) == pytest.approx((112, 112), abs=1)


def test_each_row_has_its_colour():
    pixels = np.asarray(sample(title="NeuronMCT"))
    swatches = [
        np.argwhere((pixels == rgb(colour)).all(-1) & (np.arange(pixels.shape[1]) < 52)) for colour in (BLUE, ORANGE)
    ]
    assert [len(swatch) for swatch in swatches] == [28 * 28] * 2
    assert swatches[0].max(0)[0] < swatches[1].min(0)[0]


def inked(whole: Image.Image, box: tuple[int, int, int, int]) -> int:
    return int((np.asarray(whole.crop(box)) != PAGES[False]).any(-1).sum())


def test_text_is_where_it_belongs():
    texts = {"note": "p ratio 0.98 · kept", "title": "NeuronMCT", "head": "90 %"}
    whole = sample(footer="made here", **texts)
    (left, top), (_, below) = found(whole, noise(2))[0], found(whole, noise(5))[0]
    head, note = (left, 0, left + 224, 24 + 36), (left, top + 224, left + 224, top + 224 + 12 + 29)
    title, footer = (70, 60, 400, top), (24, below + 224 + 12 + 29, whole.width, whole.height)
    assert all(inked(whole, box) > 50 for box in (head, note, title, footer))
    assert not any(inked(whole, (0, edge, whole.width, edge + 20)) for edge in (0, whole.height - 20))
    assert whole.height > sample(**texts).height


def test_a_long_note_makes_its_row_taller():
    short, long = sample(note="kept"), sample(note="p ratio 0.98 · prediction not kept, 12 % of it dead")
    assert (long.height - short.height) % (2 * 29) == 0
    assert long.height > short.height
    assert long.width == short.width
    assert len(found(long, noise(5))) == 1


def test_pictures_of_any_one_size():
    row = ("a", BLUE, [Cell(noise(0, (180, 120)), "kept"), Cell(noise(1, (180, 120)), "")])
    whole = strip([row], ["0 %", "50 %"], LIGHT)
    assert whole.width == 24 + 180 + 12 + 180 + 24
    assert found(whole, noise(1, (180, 120)))[0][0] == 24 + 192


def test_pictures_of_few_pixels_are_enlarged_so_that_words_fit_under_them():
    small = noise(0, (28, 28))
    whole = strip([("a", BLUE, [Cell(small, "kept")])], ["classifier.3"], LIGHT)
    large = small.resize((168, 168), Image.Resampling.NEAREST)
    assert whole.width == 24 + 168 + 24
    assert len(found(whole, large)) == 1


@pytest.mark.parametrize(
    ("row", "heads", "message"),
    [
        ([Cell(noise(0), "")], ["0 %", "50 %"], "NeuronMCT has 1 cells for 2 heads"),
        ([None, None, None], ["0 %", "50 %"], "NeuronMCT has 3 cells for 2 heads"),
        ([], [], "at least one column"),
        ([Cell(noise(0), ""), Cell(noise(0, (9, 9)), "")], ["0 %", "50 %"], "one size"),
    ],
)
def test_what_does_not_fit_is_refused(row, heads, message):
    with pytest.raises(ValueError, match=message):
        strip([("NeuronMCT", BLUE, row)], heads, LIGHT)


def test_there_may_be_nothing_to_show():
    assert strip([], ["0 %"], LIGHT).width == 24 + 224 + 24
    assert strip([("a", BLUE, [None])], ["0 %"], DARK).getpixel((0, 0)) == PAGES[True]


# --------------------------------------------------------------------------------------------------------------- text


def test_text_is_written_in_letters_the_font_has():
    assert strips._writable("p ratio 0.98 · kept – 3 × 4 ≥ −1 %") == "p ratio 0.98 · kept - 3 x 4 >= -1 %"
    assert strips._writable("Küvasz, Łódź, 犬, ½") == "Kuvasz, Lodz, ?, 1?2"
    font = ImageFont.load_default(40)
    missing = bytes(font.getmask("\uffff"))
    letters = {chr(c) for c in range(33, 127)} | set(strips._BEYOND_ASCII)
    assert [c for c in letters if bytes(font.getmask(c)) == missing] == []


@given(st.text(max_size=60), st.integers(20, 300))
def test_lines_fit_and_keep_every_word(text, across):
    lines = strips._lines(text, 22, across)
    assert "".join("".join(lines).split()) == "".join(strips._writable(text).split())
    assert all(len(words) == 1 or strips._fits(words, 22, across) for words in lines)


def test_lines_break_between_words():
    assert strips._lines("", 22, 224) == []
    assert strips._lines("p ratio 0.98 · kept", 22, 224) == ["p ratio 0.98 · kept"]
    assert strips._lines("p ratio 0.98 · kept", 22, 150) == ["p ratio 0.98 ·", "kept"]
