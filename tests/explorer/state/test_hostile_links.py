"""Links, knock-out files and words that mean harm, by the thousand: read, or left out and named; shown as they are."""

from __future__ import annotations

import json
import re
import time
from dataclasses import fields
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import printable
from core.methods import METHODS
from explorer.compute.export import csv_file, file_name
from explorer.compute.rankings import left_by
from explorer.plots.layout import literal, wrapped
from explorer.plots.words import plain
from explorer.state.knockout import MOST_PARTS, KnockOut
from explorer.state.view import MOST_NOTES, View
from explorer.ui import markup
from tests.explorer.state.test_knockout import mixed
from tests.hostile import BROKEN, outcome, watched

FIELDS = [field.name for field in fields(View)]
OPTIONS = [f"{method.name}.{option.name}" for method in METHODS.values() for option in method.options]
NAMES = [
    *FIELDS,
    *OPTIONS,
    "",
    ".",
    "__class__",
    "__init__.x",
    "Random.__class__",
    "crop",
    "<script>",
    "a" * 10_000,
    "\x00",
]


def followed(params: dict[str, str]) -> View:
    """A view that is whole: what it says comes back from its own link."""
    start = time.monotonic()
    view, notes = View.from_params(params)
    assert time.monotonic() - start < 1
    assert len(notes) <= MOST_NOTES + 1
    assert all(len(note) <= 80 for note in notes)
    written = view.params()
    assert all(isinstance(text, str) and len(text) < 3000 for text in written.values())
    assert View.from_params(written) == (view, [])
    assert view.crop.zoom >= 1
    return view


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_every_parameter_survives_every_broken_value(name: str) -> None:
    with watched():
        for text in BROKEN:
            followed({name: text})


@settings(max_examples=300, derandomize=True)
@given(
    st.dictionaries(
        st.sampled_from(NAMES) | st.text(max_size=5), st.sampled_from(BROKEN) | st.text(max_size=20), max_size=60
    )
)
def test_any_parameters_together(params: dict[str, str]) -> None:
    followed(params)


pieces = st.sampled_from(
    ["0", "1", "9", "-", "~", "!", "=", ".", ":", "c", "n", "e", "_", " ", "²", "٣", *METHODS, "seed", "coffee"]
)


@settings(max_examples=500, derandomize=True)
@given(st.sampled_from(NAMES), st.lists(pieces, max_size=12).map("".join))
def test_texts_that_are_nearly_right(name: str, text: str) -> None:
    followed({name: text})


def test_thousands_of_items_and_parameters_take_no_time() -> None:
    for name in NAMES:
        for item in ("Random", "1c1", "a", "1", "Gradient", "Fourier"):
            for mark in "~-!.:":
                followed({name: mark.join([item] * 20_000)})
    followed({"columns": "~".join(["NeuronIntGrad!n_steps=5"] * 300_000)})
    _, notes = View.from_params({f"{n}<b>": "x" * 1000 for n in range(20_000)})
    assert notes[-1] == f"and {20_000 - MOST_NOTES} more"


plain_values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["9c4", "0c1"])
)
anything = st.recursive(
    plain_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
part = st.fixed_dictionaries({}, optional={"site": st.just("relu") | anything, "part": anything})
sets = st.fixed_dictionaries(
    {},
    optional={
        "kind": anything,
        "network": st.just("mixed") | anything,
        "only": anything,
        "parts": st.lists(part | anything, max_size=4) | anything,
    },
)


def opened(file: bytes) -> str:
    """What is said of a file; a set that is taken is one that the network has."""

    def take() -> None:
        network = mixed()[1]
        found = KnockOut.open(file, network)
        assert len(found.parts) <= MOST_PARTS
        assert all(part.fits(network) for part in found.parts)
        left_by(found, network)

    return outcome(take)


@settings(max_examples=300, derandomize=True)
@given(sets | anything)
def test_knock_out_files_of_any_content(content: Any) -> None:
    opened(json.dumps(content).encode("utf-8", "surrogatepass"))


@settings(max_examples=500, derandomize=True)
@given(st.integers(0, 250), st.integers(0, 8), st.binary(max_size=12))
def test_damaged_knock_out_files(place: int, lost: int, put: bytes) -> None:
    network = mixed()[1]
    file = KnockOut().adding([]).file(network)
    part = json.dumps({"site": network.sites[0].name, "part": "0c1"}).encode()
    file = file.replace(b"[]", b"[" + part + b"]")
    opened(file[:place] + put + file[place + lost :])


@pytest.mark.parametrize(
    "file",
    [
        b"[" * 99_000,
        b'{"parts":' * 9000,
        b"9" * 99_000,
        b'{"a":1e99999}',
        b"NaN",
        b"Infinity",
        b"",
        b"\xff\xfe",
        b'{"network": "\\ud800", "parts": [], "only": true}',
        b'{"network": "\\u202e<script>", "parts": [], "only": 1}',
        b'{"network": "mixed", "network": "x", "parts": []}',
        b"x" * 100_001,
        b'{"parts": 0}',
        b"null",
        b"[[]]",
        b'{"network": "mixed", "only": false, "parts": [{"site": "../../etc/passwd", "part": "0c1"}]}',
    ],
    ids=lambda file: ascii(file)[:30],
)
def test_knock_out_files_that_are_none(file: bytes) -> None:
    with watched():
        assert opened(file)


def markdown_reads(text: str) -> tuple[str, str]:
    """What Markdown makes of a line in which all is escaped or in code: its letters, and those that are not in code."""
    read, outside, place = "", "", 0
    while place < len(text):
        if fence := re.compile("`+").match(text, place):
            end = re.compile(f"(?<!`){fence[0]}(?!`)").search(text, fence.end())
            assert end, text
            inner = text[fence.end() : end.start()]
            read, place = read + (inner[1:-1] if inner.startswith(" ") else inner), end.end()
            continue
        if text[place] == "\\":
            place += 1
        else:
            assert text[place].isalnum() or text[place] == " " or ord(text[place]) > 127, text
        read, outside, place = read + text[place], outside + text[place], place + 1
    return read, outside


marks = st.sampled_from(
    ["`", "``", "\\", "www.", "http://", "HTTPS://", "@", " ", "\n", "<b>", "[x](y)", "1.", "-", ":red[", "$", "&lt;"]
)


@settings(max_examples=500, derandomize=True)
@given(st.lists(marks | st.text(max_size=4), max_size=8).map("".join))
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    read, outside = markdown_reads(shown)
    assert read == " ".join(printable(text).split())
    assert not re.search(r"https?://|www\.|@", outside, re.IGNORECASE)


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag, *(name for name, _ in attrs)]


def elements(html: str) -> list[str]:
    parser = Elements()
    parser.feed(html)
    parser.close()
    return parser.found


BUILDERS = [
    lambda text: markup.panel_title(text, text, "#000000"),
    lambda text: markup.facts({text: text, "b": "c"}),
    lambda text: markup.answers([(text, 0.5, True)], 3, text),
    lambda text: markup.made_from({text: text, "b": 1}),
    lambda text: markup.legend({text: "#000000"}),
    lambda text: markup.runs_out_mark(0.5, text, text, "#000000"),
    lambda text: markup.colour_bar(text, text, text, ["#000000"], text),
]
tags = st.sampled_from(
    ["<", ">", '"', "'", "&", "<b ", "</dd>", "<!--", "]]>", "onload=", "javascript:", "&#60;", "\x00", "<script>"]
)


@pytest.mark.parametrize("build", BUILDERS)
@settings(max_examples=100, derandomize=True)
@given(text=st.lists(tags | st.text(max_size=3), min_size=1, max_size=8).map("".join))
def test_no_text_makes_an_element(build: Any, text: str) -> None:
    assert elements(build(f"x{text}")) == elements(build("x"))


@settings(max_examples=200, derandomize=True)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=3))
def test_file_names_are_one_name(parts: list[str]) -> None:
    name = file_name(*parts, "x.csv")
    assert re.fullmatch(r"[\w.\-]+", name)
    assert name.endswith("-x.csv")


@settings(max_examples=300, derandomize=True)
@given(st.text(max_size=20))
def test_what_a_table_was_made_from_stays_in_its_comment(text: str) -> None:
    lines = csv_file([{"a": 1}], {"target_name": text}).decode().splitlines()
    assert lines[0].startswith("# target_name: ")
    assert lines[1:] == ["a", "1"]


@settings(max_examples=300, derandomize=True)
@given(st.lists(tags | st.text(max_size=3), min_size=1, max_size=8).map("".join))
def test_no_name_makes_an_element_in_a_chart(text: str) -> None:
    assert set(elements(wrapped(text))) <= {"br"}
    assert elements(literal(text)) == []
