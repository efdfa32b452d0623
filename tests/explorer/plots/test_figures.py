"""Pictures, pixel by pixel: what a colour says is what the numbers were."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.data.preprocessing import Crop, Preprocessing
from explorer.plots import figures
from explorer.plots.palette import DARK, FAMILIES, LIGHT, Theme, rgb

BLUE, ORANGE, PINK = (0, 114, 178), (230, 159, 0), (204, 121, 167)  # contribution, pruning, dead
WHITE, RED = (255, 255, 255), (232, 56, 79)


def row(picture: Image.Image) -> list[tuple[int, ...]]:
    """The pixels of the first row."""
    return [picture.getpixel((x, 0)) for x in range(picture.width)]


def grey(side: int = 8, level: int = 128) -> Image.Image:
    return Image.new("RGB", (side, side), (level, level, level))


# ------------------------------------------------------------------------------------------------------- scale's ends


def test_a_scale_ends_at_the_999th_thousandth_of_the_magnitudes():
    values = np.arange(1001, dtype=float)
    for maps in ([values.reshape(7, 143)], [-values], [values[:501], -values[501:]]):  # over all maps together
        assert figures.limit(*maps) == pytest.approx(999)


@pytest.mark.parametrize("maps", [(), (np.zeros((3, 3)),), (np.zeros((0, 3)),), (np.full((2, 2), np.nan),)])
def test_where_there_is_nothing_a_scale_ends_at_zero(maps):
    assert figures.limit(*maps) == 0.0


def test_what_is_not_a_number_does_not_count():
    assert figures.limit(np.array([[np.nan, 2.0], [np.inf, -2.0]])) == 2.0


def test_a_few_values_among_many_zeros_do_not_vanish():
    values = np.zeros((100, 100))
    values[3, 4] = -0.5
    end = figures.limit(values)
    assert end == 0.5
    assert figures.map_picture(values, end, "magnitude").getpixel((4, 3)) == (254, 232, 56)


# --------------------------------------------------------------------------------------------------------------- maps


def test_magnitudes_run_from_dark_blue_to_yellow():
    values = np.array([[0.0, 2.0, -2.0, 5.0, np.nan, 1.0]])
    dark, bright = (0, 34, 78), (254, 232, 56)  # cividis
    assert row(figures.map_picture(values, 2.0, "magnitude"))[:5] == [dark, bright, bright, bright, dark]
    middle = row(figures.map_picture(values, 2.0, "magnitude"))[5]
    assert all(abs(a - b) <= 3 for a, b in zip(middle, (124, 123, 120), strict=True))


def test_signs_are_blue_and_orange_with_white_at_zero():
    values = np.array([[-2.0, -9.0, -1.0, 0.0, 1.0, 2.0, 9.0, np.nan]], dtype=np.float32)
    blue, orange = (11, 85, 159), (194, 87, 12)
    pixels = row(figures.map_picture(values, 2.0, "signed"))
    assert pixels[:2] == [blue, blue]
    assert pixels[3] == pixels[7] == WHITE
    assert pixels[5:7] == [orange, orange]
    assert all(abs(a - b) <= 2 for a, b in zip(pixels[2], (127, 178, 219), strict=True))
    assert all(abs(a - b) <= 2 for a, b in zip(pixels[4], (253, 187, 118), strict=True))


@pytest.mark.parametrize(("style", "zero"), [("magnitude", (0, 34, 78)), ("signed", WHITE)])
def test_a_scale_that_ends_at_zero_draws_everything_as_zero(style, zero):
    assert set(row(figures.map_picture(np.array([[0.0, 3.0, -1.0]]), 0.0, style))) == {zero}


def test_a_map_keeps_its_orientation():
    values = np.zeros((2, 3))
    values[1, 0] = 1.0
    picture = figures.map_picture(values, 1.0, "magnitude")
    assert picture.size == (3, 2)
    assert picture.getpixel((0, 1)) == (254, 232, 56)
    assert picture.getpixel((1, 0)) == (0, 34, 78)


@pytest.mark.parametrize("style", ["magnitude", "signed"])
def test_the_bar_beside_a_map_has_the_colours_of_its_ends(style):
    low, high = (
        row(figures.map_picture(np.array([[value]]), 1.0, style))[0]
        for value in (-1.0 if style == "signed" else 0.0, 1.0)
    )
    assert [rgb(colour) for colour in (figures.colours(style)[0], figures.colours(style)[-1])] == [low, high]


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(["magnitude", "signed"]), st.data())
def test_any_map_can_be_drawn(height, width, style, data):
    number = st.floats(width=32, allow_infinity=False)
    values = np.array(data.draw(st.lists(number, min_size=height * width, max_size=height * width)), np.float32)
    picture = figures.map_picture(values.reshape(height, width), figures.limit(values), style)
    assert picture.size == (width, height)


def test_a_map_over_the_photo_covers_it_where_it_is_strong():
    values = np.zeros((8, 8), np.float32)
    values[0, 0], values[0, 1] = 1.0, -0.25
    photo = Image.new("RGB", (8, 8), (255, 0, 0))
    alone = figures.map_picture(values, 1.0, "signed")
    assert figures.over_photo(photo, values, 1.0, "signed", 100).tobytes() == alone.tobytes()
    assert set(row(figures.over_photo(photo, values, 1.0, "signed", 0))) == {(76, 76, 76)}  # red as grey
    strong, weak, none, *_ = row(figures.over_photo(photo, values, 1.0, "signed", 50))
    full = row(alone)
    assert strong == pytest.approx([(c + 76) / 2 for c in full[0]], abs=1)
    assert weak == pytest.approx([c * 0.25 + 76 * 0.75 for c in full[1]], abs=1.5)  # the root of a quarter, of half
    assert none == (76, 76, 76)
    assert set(row(figures.over_photo(photo, np.zeros((8, 8)), 0.0, "magnitude", 60))) == {(76, 76, 76)}
    assert figures.over_photo(grey(16), values, 1.0, "signed", 50).size == (8, 8)


# -------------------------------------------------------------------------------------------------------------- masks


def cell(picture: Image.Image, x: int, y: int, across: int, down: int) -> tuple[int, ...]:
    """The colour in the middle of a cell of a picture that has so many across and down, every pixel of it alike."""
    picture = picture.convert("RGB")
    width, height = picture.width // across, picture.height // down
    pixels = {picture.getpixel((x * width + i, y * height + j)) for i in range(width) for j in range(height)}
    assert len(pixels) == 1
    return pixels.pop()


MASK = np.array([[[1, 1], [0, 0]], [[0, 0], [0, 1]], [[1, 0], [0, 0]]], bool)  # three channels of 2 x 2
DEAD = np.array([[[0, 1], [0, 1]], [[1, 1], [1, 1]], [[0, 0], [0, 0]]], bool)


@pytest.mark.parametrize(
    ("dark", "active", "background", "line"),
    [(False, (203, 208, 216), (243, 244, 246), WHITE), (True, (53, 58, 68), (34, 38, 46), (14, 17, 23))],
)
def test_a_mosaic_by_hand(dark, active, background, line):
    picture = figures.mosaic(MASK, DEAD, FAMILIES["contribution"], Theme(dark))
    expected = [
        [BLUE, PINK, line, background, background, line],  # channel 0 | channel 1
        [active, background, line, background, PINK, line],
        [line] * 6,
        [BLUE, active, line, line, line, line],  # channel 2 | nothing
        [active, active, line, line, line, line],
        [line] * 6,
    ]
    assert [[cell(picture, x, y, 6, 6) for x in range(6)] for y in range(6)] == expected


def test_the_other_family_has_another_colour():
    assert cell(figures.mosaic(MASK, DEAD, FAMILIES["pruning"], LIGHT), 0, 0, 6, 6) == ORANGE


def test_the_channels_of_a_vector_are_one_plane():
    mask, dead = np.zeros((5, 1, 1), bool), np.zeros((5, 1, 1), bool)
    mask[[0, 3, 4]] = dead[4] = True
    picture = figures.mosaic(mask, dead, FAMILIES["pruning"], LIGHT)
    active, beyond = (203, 208, 216), (243, 244, 246)
    assert [cell(picture, x, 0, 4, 3) for x in range(3)] == [ORANGE, active, active]
    assert [cell(picture, x, 1, 4, 3) for x in range(3)] == [ORANGE, PINK, beyond]


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 1), (1000, 1, 1), (1, 7, 3), (64, 111, 111), (13, 1, 5)])
def test_a_mosaic_shows_as_many_kept_neurons_as_there_are(shape):
    generator = np.random.default_rng(0)
    mask = generator.random(shape) < 0.3
    mask[0, 0, 0] = True
    pixels = np.asarray(figures.mosaic(mask, np.zeros(shape, bool), FAMILIES["contribution"], LIGHT).convert("RGB"))
    blue = int((pixels == BLUE).all(-1).sum())
    factor = blue / int(mask.sum())  # every neuron is a square of pixels of one size
    assert blue > 0
    assert np.sqrt(factor) == round(np.sqrt(factor))
    assert max(pixels.shape) >= 720


def test_positions_by_hand():
    empty = (243, 244, 246)
    picture = figures.position_map(MASK, DEAD, FAMILIES["contribution"], LIGHT)
    halfway = tuple(round((a + b) / 2) for a, b in zip(empty, BLUE, strict=True))
    assert cell(picture, 0, 0, 2, 2) == BLUE  # two channels there, the most
    assert cell(picture, 1, 0, 2, 2) == PINK  # one, and it is dead
    assert cell(picture, 0, 1, 2, 2) == empty
    assert cell(picture, 1, 1, 2, 2) == PINK
    alive = figures.position_map(MASK, np.zeros_like(DEAD), FAMILIES["contribution"], LIGHT)
    assert cell(alive, 1, 0, 2, 2) == pytest.approx(halfway, abs=2)


def test_positions_of_an_empty_mask_are_background():
    picture = figures.position_map(np.zeros((2, 3, 4), bool), np.ones((2, 3, 4), bool), FAMILIES["pruning"], DARK)
    assert picture.convert("RGB").getcolors() == [(picture.width * picture.height, (34, 38, 46))]


# --------------------------------------------------------------------------------------------------------- membership

FIRST = np.array([[[1, 1], [0, 0]], [[0, 1], [0, 1]]], bool)  # two channels of 2 x 2
SECOND = np.array([[[0, 1], [0, 1]], [[0, 1], [0, 0]]], bool)
UNUSED = np.array([[[0, 0], [0, 1]], [[1, 1], [0, 1]]], bool)
PAIR = (FAMILIES["contribution"], FAMILIES["pruning"])


@pytest.mark.parametrize(
    ("dark", "both", "both_dead", "blue_dead", "orange_dead", "active", "background", "line"),
    [
        (False, (34, 34, 34), (156,) * 3, (140, 192, 220), (244, 212, 140), (203, 208, 216), (243, 244, 246), WHITE),
        (True, WHITE, (122, 124, 127), (8, 61, 93), (111, 81, 13), (53, 58, 68), (34, 38, 46), (14, 17, 23)),
    ],
)
def test_membership_by_hand(dark, both, both_dead, blue_dead, orange_dead, active, background, line):
    picture = figures.membership_mosaic(FIRST, SECOND, UNUSED, PAIR, Theme(dark))
    expected = [
        [BLUE, both, line, background, both_dead, line],
        [active, orange_dead, line, active, blue_dead, line],
        [line] * 6,
    ]
    assert [[cell(picture, x, y, 6, 3) for x in range(6)] for y in range(3)] == expected


def test_membership_has_the_colours_of_its_pathways():
    alive = np.zeros((1, 1, 2), bool)
    first, second = np.array([[[True, False]]]), np.array([[[False, True]]])
    picture = figures.membership_mosaic(first, second, alive, ("#D55E00", "#009E73"), LIGHT)
    assert [cell(picture, x, 0, 3, 2) for x in range(2)] == [(213, 94, 0), (0, 158, 115)]


def test_membership_of_a_vector_is_one_plane():
    first, second, dead = np.zeros((3, 5, 1, 1), bool)
    first[[0, 1]] = second[[1, 4]] = dead[3] = True
    picture = figures.membership_mosaic(first, second, dead, PAIR, LIGHT)
    active, beyond = (203, 208, 216), (243, 244, 246)
    assert [cell(picture, x, 0, 4, 3) for x in range(3)] == [BLUE, (34, 34, 34), active]
    assert [cell(picture, x, 1, 4, 3) for x in range(3)] == [beyond, ORANGE, beyond]


def test_membership_on_one_pathway_is_its_mosaic_without_the_dead():
    alive = np.zeros_like(MASK)
    alone = figures.membership_mosaic(MASK, alive, alive, PAIR, LIGHT).convert("RGB")
    assert alone.tobytes() == figures.mosaic(MASK, alive, PAIR[0], LIGHT).convert("RGB").tobytes()


def test_positions_mix_the_pathways_there():
    picture = figures.membership_positions(FIRST, SECOND, PAIR, LIGHT)
    empty = np.array((243, 244, 246))

    def half(colour: tuple[int, ...]) -> list[float]:
        return list((empty + colour) / 2)

    assert cell(picture, 1, 0, 2, 2) == (34, 34, 34)  # two channels, the most, each on both
    assert cell(picture, 0, 0, 2, 2) == pytest.approx(half(BLUE), abs=1)  # one, on the first
    assert cell(picture, 0, 1, 2, 2) == tuple(empty)
    assert cell(picture, 1, 1, 2, 2) == pytest.approx([(a + b) / 2 for a, b in zip(BLUE, ORANGE, strict=True)], abs=1)
    assert max(picture.size) >= 360


def test_positions_on_no_pathway_are_background():
    nowhere = np.zeros((2, 3, 4), bool)
    picture = figures.membership_positions(nowhere, nowhere, PAIR, DARK)
    assert picture.getcolors() == [(picture.width * picture.height, (34, 38, 46))]


# ------------------------------------------------------------------------------------- which neuron a mosaic's cell is

SITES = [
    (1, 1, 1),
    (2, 1, 1),
    (5, 1, 1),
    (9, 1, 1),
    (10, 1, 1),
    (3, 2, 2),
    (4, 3, 3),
    (7, 2, 5),
    (5, 6, 2),
    (1, 4, 3),
    (13, 1, 5),
    (6, 5, 1),
    (2, 1, 9),
    (11, 3, 2),
]


def drawn(planes: tuple[int, int, int], number: int) -> tuple[int, int]:
    """Across and down of the one cell of a mosaic that is drawn in colour when one neuron is on the pathway."""
    mask = np.zeros(planes, bool)
    mask.flat[number] = True
    picture = figures.mosaic(mask, np.zeros(planes, bool), FAMILIES["contribution"], LIGHT).convert("RGB")
    width, height = figures.mosaic_cells(planes)
    side = picture.width // width
    assert picture.size == (width * side, height * side)
    rows, columns = np.nonzero((np.asarray(picture) == BLUE).all(-1))
    assert len(rows) == side * side  # one cell, and all of it
    across, down = int(columns.min()) // side, int(rows.min()) // side
    assert (int(columns.max()) // side, int(rows.max()) // side) == (across, down)
    return across, down


@pytest.mark.parametrize("planes", SITES)
def test_a_mosaics_cell_is_the_neuron_that_is_drawn_there(planes):
    places = {drawn(planes, number): number for number in range(int(np.prod(planes)))}
    assert len(places) == np.prod(planes)
    for (across, down), number in places.items():
        found = figures.mosaic_neuron(planes, across, down)
        assert found == tuple(int(i) for i in np.unravel_index(number, planes))
        assert all(type(i) is int for i in found)
    width, height = figures.mosaic_cells(planes)
    others = [(x, y) for x in range(width) for y in range(height) if (x, y) not in places]
    assert {figures.mosaic_neuron(planes, *place) for place in others} == {None}  # lines, and beyond the last channel
    assert len(others) == width * height - np.prod(planes)


def test_a_mosaics_cells_by_hand():
    assert figures.mosaic_cells((3, 2, 2)) == (6, 6)  # two channels across, two down, a line after each
    assert figures.mosaic_neuron((3, 2, 2), 0, 0) == (0, 0, 0)
    assert figures.mosaic_neuron((3, 2, 2), 4, 1) == (1, 1, 1)
    assert figures.mosaic_neuron((3, 2, 2), 1, 3) == (2, 0, 1)
    on_a_line, beyond = [(2, 0), (5, 0), (0, 2), (0, 5), (2, 2)], [(3, 3), (4, 4)]
    assert {figures.mosaic_neuron((3, 2, 2), *place) for place in on_a_line + beyond} == {None}


@pytest.mark.parametrize("planes", [(3, 2, 2), (5, 1, 1), (13, 1, 5)])
def test_outside_a_mosaic_is_no_neuron(planes):
    width, height = figures.mosaic_cells(planes)
    outside = [(x, y) for x in range(2 * width) for y in range(2 * height) if x >= width or y >= height]
    assert {figures.mosaic_neuron(planes, *place) for place in outside} == {None}


def test_the_cells_of_a_vectors_mosaic_by_hand():
    assert figures.mosaic_cells((5, 1, 1)) == (4, 3)  # one plane of 3 x 2, and its lines
    assert [figures.mosaic_neuron((5, 1, 1), x, 0) for x in range(4)] == [(0, 0, 0), (1, 0, 0), (2, 0, 0), None]
    assert [figures.mosaic_neuron((5, 1, 1), x, 1) for x in range(4)] == [(3, 0, 0), (4, 0, 0), None, None]
    assert [figures.mosaic_neuron((5, 1, 1), x, 2) for x in range(5)] == [None] * 5


@pytest.mark.parametrize("planes", [*SITES, (64, 111, 111), (1000, 13, 13), (1280, 7, 7), (4096, 1, 1), (16, 55, 55)])
def test_a_mosaic_is_its_cells_enlarged(planes):
    nowhere = np.zeros(planes, bool)
    width, height = figures.mosaic_cells(planes)
    for picture in (
        figures.mosaic(nowhere, nowhere, FAMILIES["pruning"], DARK),
        figures.membership_mosaic(nowhere, nowhere, nowhere, PAIR, DARK),
    ):
        factor = picture.width // width
        assert factor >= 1
        assert picture.size == (width * factor, height * factor)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 9))
def test_every_neuron_of_any_site_has_one_cell(channels, height, width):
    planes = (channels, height, width)
    across, down = figures.mosaic_cells(planes)
    found = [figures.mosaic_neuron(planes, x, y) for y in range(down) for x in range(across)]
    named = [neuron for neuron in found if neuron is not None]
    assert sorted(named) == [(c, y, x) for c in range(channels) for y in range(height) for x in range(width)]


# ------------------------------------------------------------------------------------------- positions over a picture


def slowly_spread(values: np.ndarray, size: tuple[int, int]) -> list[list[float]]:
    """Each position fills the pixels from where its share of the picture begins to where the next one's does."""
    (height, width), (right, bottom) = values.shape, size
    picture = [[float("nan")] * right for _ in range(bottom)]
    for row in range(height):
        for column in range(width):
            for y in range(-(-row * bottom // height), -(-(row + 1) * bottom // height)):
                for x in range(-(-column * right // width), -(-(column + 1) * right // width)):
                    picture[y][x] = float(values[row, column])
    return picture


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 1), (4, 3)),
        ((2, 3), (6, 4)),
        ((2, 3), (7, 5)),
        ((3, 3), (8, 8)),
        ((13, 13), (224, 224)),
        ((5, 2), (9, 11)),
        ((55, 55), (224, 224)),
        ((4, 4), (4, 4)),
        ((9, 1), (3, 40)),
        ((7, 5), (3, 2)),
    ],
)
def test_positions_are_spread_as_a_slow_loop_does(shape, size):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    spread = figures.spread(values, size)
    assert spread.shape == size[::-1]
    assert spread.dtype == np.float32
    assert spread.tolist() == slowly_spread(values, size)


def test_positions_are_spread_to_boxes_of_one_value():
    values = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert figures.spread(values, (6, 3)).tolist() == [
        [1, 1, 2, 2, 3, 3],
        [1, 1, 2, 2, 3, 3],
        [4, 4, 5, 5, 6, 6],
    ]


# ------------------------------------------------------------------------------------------------------- boxes, crops


def test_the_box_of_a_neuron_lies_where_it_sees():
    picture = figures.outlined(grey(20), (3, 5, 13, 17))
    assert picture.size == (40, 40)
    assert [picture.getpixel((x, 20)) for x in range(5, 12)] == [(128,) * 3, WHITE, RED, RED, RED, WHITE, (128,) * 3]
    assert [picture.getpixel((x, 20)) for x in range(20, 28)][1:7] == [WHITE, RED, RED, RED, WHITE, (128,) * 3]
    assert [picture.getpixel((15, y)) for y in range(9, 16)] == [(128,) * 3, WHITE, RED, RED, RED, WHITE, (128,) * 3]
    assert picture.getpixel((15, 33)) == WHITE
    assert picture.getpixel((15, 34)) == (128, 128, 128)


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (3, 3, 4, 9), (19, 0, 20, 20), (0, 0, 20, 20), (5, 5, 7, 7)])
def test_small_and_large_boxes_can_be_drawn(box):
    picture = figures.outlined(grey(20), box)
    left, top, right, bottom = (2 * edge for edge in box)
    rows, columns = np.nonzero((np.asarray(picture) != 128).any(-1))
    assert (columns.min(), rows.min()) == pytest.approx((left, top), abs=3)
    assert (columns.max(), rows.max()) == pytest.approx((right - 1, bottom - 1), abs=4)
    assert RED in {colour for _, colour in picture.crop((left, top, right, bottom)).getcolors(9999)}


def test_a_channels_activity_is_light():
    activation = np.zeros((2, 2), np.float32)
    activation[0, 1] = 3.0
    shown = figures.outlined(grey(40, 200), (0, 30, 10, 40), activation)
    light, shade = shown.getpixel((78, 2))[0], shown.getpixel((2, 2))[0]
    assert light == 200
    assert shade < 150
    unlit = figures.outlined(grey(40, 200), (0, 30, 10, 40), np.zeros((2, 2), np.float32))
    assert unlit.getpixel((2, 2)) == (200, 200, 200)


def test_the_crop_is_clear_and_the_rest_veiled():
    photo = Image.new("RGB", (640, 400), (255, 0, 0))
    preview = figures.crop_preview(photo, (200.0, 100.0, 400.0, 300.0))
    assert preview.size == (320, 200)
    assert preview.getpixel((150, 100)) == (255, 0, 0)
    assert preview.getpixel((100, 60)) == RED
    veiled = preview.getpixel((50, 100))
    assert veiled == pytest.approx((255 * 0.3 + 136 * 0.7, 95, 95), abs=2)
    assert photo.getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("size", [(1, 1), (1024, 1), (1, 1024), (1024, 3), (300, 451)])
@pytest.mark.parametrize("crop", [Crop(), Crop(0, 0, 8), Crop(1, 1, 8), Crop(0.3, 0.95, 1)])
def test_however_thin_the_photo_its_crop_can_be_drawn(size, crop):
    photo = Image.new("RGB", size, "red")
    preview = figures.crop_preview(photo, Preprocessing().box(size, crop))
    assert max(preview.size) <= 320
    assert RED in {colour for _, colour in preview.getcolors(100_000)}
    assert figures.thumbnail(photo).size == (112, 112)


# -------------------------------------------------------------------------------------------------------------- files


def test_a_png_says_what_it_was_made_from():
    made_from = {"network": "squeezenet1_1", "crop": [0.5, 0.5, 1.0], "target_name": "Küvasz – «dog»", "p": 0.25}
    read = Image.open(io.BytesIO(figures.png(grey(), made_from)))
    assert read.format == "PNG"
    assert read.tobytes() == grey().tobytes()
    assert read.text == {
        "network": "squeezenet1_1",
        "crop": "[0.5, 0.5, 1.0]",
        "target_name": "Küvasz – «dog»",
        "p": "0.25",
    }
    assert json.loads(read.text["crop"]) == [0.5, 0.5, 1.0]


def test_a_png_without_notes_and_a_jpeg():
    assert Image.open(io.BytesIO(figures.png(grey()))).text == {}
    read = Image.open(io.BytesIO(figures.jpeg(Image.new("RGB", (9, 5), (200, 30, 30)))))
    assert (read.format, read.size) == ("JPEG", (9, 5))
    assert read.getpixel((4, 2)) == pytest.approx((200, 30, 30), abs=4)


def test_a_picture_that_several_threads_write_at_once_is_written_as_each_asks_for():
    shared = Image.effect_noise((64, 64), 50).convert("RGB")
    wanted = {quality: figures.jpeg(shared, quality) for quality in (40, 95)}
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda quality: (quality, figures.jpeg(shared, quality)), [40, 95] * 1000))
    assert all(file == wanted[quality] for quality, file in written)


def test_a_thumbnail_is_the_middle_square():
    photo = Image.new("RGB", (300, 100), "red")
    photo.paste((0, 0, 255), (100, 0, 200, 100))
    thumbnail = figures.thumbnail(photo, 10)
    assert thumbnail.getcolors() == [(100, (0, 0, 255))]


@pytest.mark.parametrize(("write", "kind"), [(figures.png, "png"), (figures.jpeg, "jpeg")])
def test_a_data_url_is_the_file(write, kind):
    file = write(Image.new("RGB", (9, 5), (200, 30, 30)))
    head, text = figures.data_url(file).split(",")
    assert head == f"data:image/{kind};base64"
    assert b64decode(text, validate=True) == file
    assert Image.open(io.BytesIO(b64decode(text))).format == kind.upper()


def test_a_data_url_by_hand():
    assert figures.data_url(b"\x89PNG?>") == "data:image/png;base64,iVBORz8+"


def test_what_is_outside_a_mask_is_faded():
    picture = Image.fromarray(np.full((2, 3, 3), (200, 10, 30), np.uint8))
    mask = np.array([[True, False, False], [False, True, False]])
    shown = np.asarray(figures.dimmed(picture, mask))
    assert (shown[mask] == (200, 10, 30)).all()
    assert (shown[~mask] == 174).all()  # 150 + 0.3 of the grey, 80
