"""Small pieces of HTML that Streamlit has no element for; their template, ``markup.html``, escapes all text.

Pieces are ``Markup``: one may be added to another or put into a template, and plain text that is added is escaped.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.environment import TemplateModule
from markupsafe import Markup

from explorer.plots import data_url, percent

__all__ = [
    "answers",
    "brand",
    "colour_bar",
    "facts",
    "image",
    "legend",
    "made_from",
    "panel_title",
    "runs_out_mark",
    "templates",
]


@cache
def templates(folder: Path) -> Environment:
    """Return the templates of a folder, each compiled once; all text that they are given is escaped."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@cache
def _pieces() -> TemplateModule:
    return templates(Path(__file__).parent).get_template("markup.html").module


def _piece(name: str, *values: object) -> Markup:
    piece: Markup = getattr(_pieces(), name)(*values)
    return piece


def panel_title(title: str, detail: str = "", colour: str = "") -> Markup:
    """Return a panel's heading, with a square of its method's colour."""
    return _piece("panel_title", title, detail, colour)


def brand(logo: str) -> Markup:
    """Return the product's name beside its logo, given as the text of an SVG file."""
    return _piece("brand", f"data:image/svg+xml;base64,{b64encode(logo.encode()).decode()}")


def facts(pairs: Mapping[str, str]) -> Markup:
    """Return names and values in two columns."""
    return _piece("facts", pairs)


def answers(top: Sequence[tuple[str, float, bool]], rows: int, rest: str = "") -> Markup:
    """Return classes with their probabilities as bars; each is (name, probability, is the target); then a line.

    The result is as high as ``rows`` classes, so that what stands below lines up from panel to panel.
    """
    bars = [(name, f"{100 * share:.1f}", percent(share), target) for name, share, target in top]
    return _piece("answers", bars, rows, rest)


def made_from(parts: Mapping[str, object]) -> Markup:
    """Return the line that says what a picture was made from."""
    return _piece("made_from", parts)


def legend(entries: Mapping[str, str]) -> Markup:
    """Return colours and what they mean."""
    return _piece("legend", entries)


def runs_out_mark(place: float, text: str, card: str, colour: str) -> Markup:
    """Return a mark under a slider that opens a card.

    Args:
        place: along the slider's length, in [0, 1].
        text: beside the mark.
        card: what it means.
        colour: of the mark.
    """
    return _piece("runs_out_mark", "before" if place > 0.5 else "after", f"{100 * place:.1f}", text, card, colour)


def colour_bar(low: str, high: str, words: str, colours: Sequence[str], note: str = "") -> Markup:
    """Return a colour scale with the values at its ends, whose scale it is, and a note."""
    return _piece("colour_bar", low, high, " · ".join(part for part in (words, note) if part), ", ".join(colours))


def image(file: bytes, alt: str, dark: bytes | None = None) -> Markup:
    """Return a picture as part of the page itself; ``dark`` is shown in its place on a dark screen."""
    return _piece("image", data_url(file), alt, "" if dark is None else data_url(dark))
