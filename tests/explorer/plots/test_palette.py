"""Colours: what they mean, that they can be told apart, and that all stand out from the page by WCAG's measure."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from explorer.plots import palette
from explorer.plots.palette import DARK, FAMILIES, GRAPHIC, LIGHT, TEXT, Theme, contrast, legible, rgb

EXPLORER = Path(palette.__file__).parents[1]
THEME = tomllib.loads((EXPLORER / ".streamlit" / "config.toml").read_text("utf-8"))["theme"]
STYLE = (EXPLORER / "style.css").read_text("utf-8")
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#7A7A7A"
BOTH = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])


def theme(dark: bool) -> dict[str, str]:
    return THEME["dark" if dark else "light"]


def grounds(dark: bool) -> list[str]:
    """Everything that text may stand on: the page, the sidebar, and what is framed on either."""
    own = theme(dark)
    return [each[f"{name}ackgroundColor"] for each in (own, own["sidebar"]) for name in ("b", "secondaryB")]


def over(colour: str, ground: str, share: float) -> str:
    mixed = (b + share * (a - b) for a, b in zip(rgb(colour), rgb(ground), strict=True))
    return "#" + "".join(f"{round(c):02X}" for c in mixed)


# ----------------------------------------------------------------------------------------------------------- contrast


def test_contrast_by_hand():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#FFFFFF", "#FFFFFF") == 1
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)  # the grey that is just too light
    assert contrast("rgb(119, 119, 119)", "#FFFFFF") == contrast("#FFFFFF", "#777777")


@BOTH
def test_the_page_is_the_one_that_streamlit_draws(dark):
    assert Theme(dark).page == theme(dark)["backgroundColor"]


@BOTH
def test_what_is_written_can_be_read_on_every_ground(dark):
    for colour, ground in itertools.product((theme(dark)["textColor"], theme(dark)["linkColor"]), grounds(dark)):
        assert contrast(colour, ground) >= TEXT
    for colour in (Theme(dark).ink, Theme(dark).muted):
        for ground in (Theme(dark).page, Theme(dark).line):
            assert contrast(colour, ground) >= TEXT


@BOTH
def test_text_that_stands_back_can_still_be_read(dark):
    faintest = min(float(share) for share in re.findall(r"opacity: (\.\d+)", STYLE) if float(share) > 0.55)
    assert faintest < 1
    for ground in grounds(dark):
        assert contrast(over(theme(dark)["textColor"], ground, faintest), ground) >= TEXT


def test_the_grey_that_replaces_streamlits_in_charts_can_be_read():
    (replaced, ours) = re.findall(r"text\[style\*=\"fill: (rgb\([\d, ]+\))\"\] { fill: (#\w+) !important", STYLE)[0]
    assert contrast(replaced, LIGHT.page) < TEXT <= contrast(ours, LIGHT.page)
    assert ours == LIGHT.muted


@BOTH
def test_text_on_the_themes_own_colour_can_be_read(dark):
    written = re.findall(r"light-dark\((#\w+), (#\w+)\)", STYLE)[0][dark]
    assert contrast(written, theme(dark)["primaryColor"]) >= TEXT


@BOTH
def test_the_ring_around_what_has_the_keyboard_stands_out_from_every_ground(dark):
    (ring,) = re.findall(r"outline: 2px solid (#\w+)", STYLE)
    for ground, colour in itertools.product(grounds(dark), (ring, theme(dark)["primaryColor"])):
        assert contrast(colour, ground) >= GRAPHIC


@BOTH
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_drawn_stands_out_from_the_page(family, dark):
    for colour in Theme(dark).shades([family] * 8):
        assert contrast(colour, Theme(dark).page) >= GRAPHIC


@BOTH
def test_marks_and_references_stand_out_from_both_pages(dark):
    for colour in (palette.MARK, palette.DEAD, palette.FAINT, FAMILIES["baseline"], FAMILIES["reference"]):
        assert contrast(colour, Theme(dark).page) >= GRAPHIC


@pytest.mark.parametrize("grey", range(0, 256, 5))
def test_black_or_white_is_legible_on_every_colour(grey):
    colour = f"#{grey:02X}{grey:02X}{grey:02X}"
    assert contrast(legible(colour), colour) >= TEXT


def test_a_colour_changes_only_where_it_has_to():
    assert LIGHT.standing_out(BLUE) == DARK.standing_out(BLUE) == BLUE
    assert DARK.standing_out(ORANGE) == ORANGE
    darker = LIGHT.standing_out(ORANGE)
    assert rgb(darker)[0] < rgb(ORANGE)[0]
    assert 3 <= contrast(darker, "#FFFFFF") < 3.2
    assert 3 <= contrast(DARK.standing_out("#000000"), DARK.page) < 3.3


# ----------------------------------------------------------------------------------------------------------- families


def test_a_familys_first_column_has_its_colour():
    families = ["pruning", "contribution", "pruning", "contribution", "baseline", "reference", "pruning"]
    assert DARK.shades(families) == [ORANGE, BLUE, "#D55E00", "#56B4E9", GREY, "#009E73", "#9C6A00"]
    assert [DARK.shades([family]) for family in FAMILIES] == [[colour] for colour in FAMILIES.values()]
    assert LIGHT.shades([]) == []


@BOTH
@pytest.mark.parametrize("family", FAMILIES)
def test_columns_of_one_family_can_be_told_apart(family, dark):
    count = 8 if family == "attribution" else 6
    colours = Theme(dark).shades([family] * (count + 1))
    assert colours[count] == colours[0]
    for first, second in itertools.combinations(colours[:count], 2):
        assert np.linalg.norm(np.subtract(rgb(first), rgb(second))) > 35


@BOTH
def test_no_two_families_share_a_colour(dark):
    assert len({colour for family in FAMILIES for colour in Theme(dark).shades([family] * 6)}) == 6 * len(FAMILIES)


@BOTH
def test_larger_shares_stand_out_more(dark):
    none, half, all_ = (contrast(colour, Theme(dark).page) for colour in Theme(dark).ramp)
    assert 1.1 < none < 1.5
    assert half > 2.9
    assert all_ > 2 * half


def test_pale_is_nearer_to_the_page():
    assert [Theme(dark).ink for dark in (False, True)] == ["#222222", "#FFFFFF"]
    assert LIGHT.pale("#000000") == "#8C8C8C"  # 0.55 of the way to white
    assert DARK.pale("#0E1117") == "#0E1117"
    assert LIGHT.pale(BLUE) == "#8CC0DC"
    assert DARK.pale(BLUE) == "#083D5D"


@pytest.mark.parametrize("dark", [False, True])
def test_the_kinds_of_a_mosaic_can_be_told_apart(dark):
    own = [BLUE, ORANGE, Theme(dark).ink]
    kinds = [*own, *(Theme(dark).pale(colour) for colour in own), Theme(dark).quiet, Theme(dark).background]
    for first, second in itertools.combinations(kinds, 2):
        assert np.linalg.norm(np.subtract(rgb(first), rgb(second))) > 35
