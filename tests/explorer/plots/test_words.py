"""Numbers and names as people read them, and the HTML they go into."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.network import Site
from explorer.plots.words import counted, duration, number, percent, plain, position_name, ratio
from explorer.ui import markup


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.0, 1, "0.0 %"),
        (1.0, 1, "100.0 %"),
        (0.5, 1, "50.0 %"),
        (0.1234, 1, "12.3 %"),
        (0.1234, 2, "12.34 %"),
        (0.0004, 1, "< 0.1 %"),
        (1e-30, 1, "< 0.1 %"),
        (0.0005001, 1, "0.1 %"),
        (0.00004, 2, "< 0.01 %"),
        (0.9996, 1, "> 99.9 %"),
        (0.9994, 1, "99.9 %"),
        (0.99996, 2, "> 99.99 %"),
        (1 - 1e-12, 1, "> 99.9 %"),
        (0.004, 0, "< 1 %"),
        (0.996, 0, "> 99 %"),
        (float("nan"), 1, "–"),
        (1.25, 1, "125.0 %"),
    ],
)
def test_percent(share, digits, text):
    assert percent(share, digits) == text


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.integers(0, 3))
def test_a_share_that_is_neither_none_nor_all_never_reads_so(share, digits):
    text = percent(share, digits).removesuffix(" %")
    if text[0] in "<>":
        assert float(text[2:]) == pytest.approx(100 * share, abs=10**-digits)
    else:
        assert 0 < float(text) < 100


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (0, "0"),
        (0.000123456, "0.000123"),
        (12345.6, "12,346"),
        (-0.5, "-0.5"),
        (2.0, "2"),
        (999.4, "999"),
        (999.6, "1,000"),
        (-1130.2, "-1,130"),
        (1.5e6, "1.5e+06"),
    ],
)
def test_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(1.0, "1.00"), (2.617, "2.62"), (0.1, "0.10"), (0.00512, "0.0051")])
def test_ratio(value, text):
    assert ratio(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.0124, "12 ms"),
        (0.9996, "1.0 s"),
        (1.0, "1.0 s"),
        (12.34, "12.3 s"),
        (59.97, "1 min 0 s"),
        (60.0, "1 min 0 s"),
        (119.6, "2 min 0 s"),
        (125.0, "2 min 5 s"),
        (3725.0, "62 min 5 s"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@given(st.floats(0, 1e5))
def test_no_duration_has_sixty_seconds_or_a_thousand_milliseconds(seconds):
    text = duration(seconds)
    assert "1000 ms" not in text
    assert "60 s" not in text
    assert "60.0 s" not in text


@pytest.mark.parametrize(
    ("shape", "position", "text"),
    [
        ((64, 111, 110), 0, "channel 0, row 0, column 0"),
        ((64, 111, 110), 2 * 111 * 110 + 3 * 110 + 4, "channel 2, row 3, column 4"),
        ((1000,), 17, "channel 17"),
        ((4, 1, 3), 5, "channel 1, row 0, column 2"),
    ],
)
def test_a_position_by_name(shape, position, text):
    site = Site(0, "relu", shape, float("inf"), None)
    assert position_name(site, position) == text


# -------------------------------------------------------------------------------------------------------------- HTML

HOSTILE = '<script>alert("1 & 2")</script>\'" onload="x'


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def read(html: str) -> Tags:
    tags = Tags()
    tags.feed(str(html))
    tags.close()
    return tags


@pytest.mark.parametrize(
    "html",
    [
        markup.panel_title(HOSTILE, HOSTILE, "#0072B2"),
        markup.facts({HOSTILE: HOSTILE}),
        markup.answers([(HOSTILE, 0.5, True)], 5),
        markup.made_from({HOSTILE: HOSTILE}),
        markup.legend({HOSTILE: "#0072B2"}),
        markup.runs_out_mark(0.5, HOSTILE, HOSTILE, "#000000"),
        markup.colour_bar(HOSTILE, HOSTILE, HOSTILE, ["#000000", "#FFFFFF"], HOSTILE),
    ],
)
def test_text_stays_text(html):
    found = read(html)
    assert "script" not in found.tags
    assert "onload" not in found.attributes
    assert HOSTILE in found.text


def test_answers_are_a_list_with_bars_and_the_target_marked():
    html = markup.answers([("tiger cat", 0.385, True), ("lynx", 0.0004, False)], 3)
    assert read(html).text == "tiger cat ◂38.5 %lynx< 0.1 %"
    assert re.findall(r"--share:([\d.]+%)", html) == ["38.5%", "0.0%"]
    assert [marked == "target" for marked in re.findall(r'<li class="(.*?)"', html)] == [True, False]
    assert "--rows:3" in html  # so much room, however many there are
    assert read(markup.answers([], 3, "999 classes alike")).text == "999 classes alike"


def test_a_title_is_a_heading_with_its_methods_colour():
    assert read(markup.panel_title("NeuronMCT", "pathway gradient")).attributes >= {"role", "aria-level"}
    assert 'style="background:#0072B2"' in markup.panel_title("NeuronMCT", colour="#0072B2")
    assert "swatch" not in markup.panel_title("Photo")


def test_the_brand_carries_its_logo_inside():
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in markup.brand("<svg/>")


def test_what_is_counted_has_its_plural():
    assert [counted(n, "image") for n in (0, 1, 2, 1000)] == ["0 images", "1 image", "2 images", "1,000 images"]


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("tiger cat", "tiger cat"),
        ("1. apple", r"1\. apple"),
        ("- pear\n# plum", r"\- pear \# plum"),
        ("a &lt; <b>", r"a \&lt\; \<b\>"),
        (":material/home:", r"\:material\/home\:"),
        ("see http://a.example.", "see `http://a.example.`"),
        ("www.a.example`", "`` www.a.example` ``"),
        ("me@a.example", "`me@a.example`"),
        ("\u202egnp.\ud800", "\ufffdgnp\\.\ufffd"),
        ("", ""),
    ],
)
def test_markdown_shows_plain_text_as_it_is(text, markdown):
    assert plain(text) == markdown
