"""Pieces of HTML: whatever text comes in, only the piece's own elements come out."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from markupsafe import Markup

from explorer.ui import markup

HOSTILE = '</b><script>alert(\'a\')</script>" onload="x" {{ 7 * 7 }} &amp; <img>'
PIECES = {
    "panel_title": markup.panel_title(HOSTILE, HOSTILE, HOSTILE),
    "facts": markup.facts({HOSTILE: HOSTILE}),
    "answers": markup.answers([(HOSTILE, 0.25, True), ("cup", 0.125, False)], 3, HOSTILE),
    "made_from": markup.made_from({HOSTILE: HOSTILE, "seconds": 3}),
    "legend": markup.legend({HOSTILE: HOSTILE}),
    "runs_out": markup.runs_out_mark(0.75, HOSTILE, HOSTILE, HOSTILE),
    "colour_bar": markup.colour_bar(HOSTILE, HOSTILE, HOSTILE, [HOSTILE], HOSTILE),
    "image": markup.image(b"file", HOSTILE, b"dark"),
}
OWN = {
    "b",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "picture",
    "small",
    "source",
    "span",
    "summary",
}


class Read(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", PIECES)
def test_text_stays_text(name):
    read = Read(PIECES[name])
    assert set(read.tags) <= OWN
    assert {attribute for attribute, _ in read.attributes}.isdisjoint({"onload", "onerror"})
    assert HOSTILE in read.text or HOSTILE in dict(read.attributes).values()


def test_pieces_are_added_and_plain_text_beside_them_is_escaped():
    both = markup.facts({"a": "b"}) + markup.made_from({"c": "d"})
    assert both == '<dl class="facts"><dt>a</dt><dd>b</dd></dl><p class="made-from">c d</p>'
    assert both + "<b>" == Markup(f"{both}&lt;b&gt;")


def test_answers_are_bars_with_the_target_marked():
    assert markup.answers([("cat", 0.25, True), ("cup", 0.125, False)], 3, "rest") == (
        '<ol class="answers" style="--rows:3">'
        '<li class="target" style="--share:25.0%"><span title="cat">cat ◂</span><b>25.0 %</b></li>'
        '<li class="" style="--share:12.5%"><span title="cup">cup</span><b>12.5 %</b></li>'
        '<li class="rest"><span>rest</span></li></ol>'
    )


def test_a_title_has_a_square_only_with_a_colour():
    start = '<div class="panel-title" role="heading" aria-level="3">'
    assert markup.panel_title("Photo") == f"{start}Photo<small></small></div>"
    square = '<span class="swatch" style="background:#123456"></span>'
    assert markup.panel_title("a", "b", "#123456") == f"{start}{square}a<small>b</small></div>"


def test_a_picture_may_have_another_for_the_dark():
    assert markup.image(b"a", "alt").startswith('<img src="data:image/')
    both = markup.image(b"a", "alt", b"b")
    assert both.startswith('<picture><source media="screen and (prefers-color-scheme: dark)" srcset="data:image/')
    assert both.endswith("</picture>")
