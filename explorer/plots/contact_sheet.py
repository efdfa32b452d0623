"""Strips: pictures of several strategies at several sparsities in one labelled picture, as in the paper's figures.

Rows are strategies, columns are sparsities; the text is legible at half its size. The font that comes with PIL has
little beyond ASCII, so accents are dropped and a few signs are replaced.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import cast

from PIL import Image, ImageDraw, ImageFont

from explorer.plots.palette import Theme

__all__ = ["Cell", "strip"]

_MARGIN = 24
_GAP = 12
_LEAST = 160  # pixels per picture, about
_HEAD, _TITLE, _NOTE = 28, 28, 22  # heights of letters
_SIGNS = str.maketrans(
    {
        "–": "-",
        "—": "-",
        "−": "-",
        "×": "x",
        "≥": ">=",
        "≤": "<=",
        "≈": "~",
        "→": "->",
        "ß": "ss",
        "ø": "o",
        "Ø": "O",
        "ł": "l",
        "Ł": "L",
        "æ": "ae",
        "Æ": "Ae",
        "œ": "oe",
        "đ": "d",
    }
)
_BEYOND_ASCII = "·°«»‘’“”"


@dataclass(frozen=True)
class Cell:
    """A picture and the text under it, such as "p ratio 0.98 · kept"."""

    picture: Image.Image
    note: str


Row = tuple[str, str, Sequence[Cell | None]]


def strip(rows: Sequence[Row], heads: Sequence[str], theme: Theme, footer: str = "") -> Image.Image:
    """Return pictures in rows and columns with their titles, heads and notes.

    Args:
        rows: each a title, a colour for the swatch beside it, and one cell per head; None leaves a blank.
        heads: of the columns, such as "90 %".
        theme: of the page.
        footer: the source of the pictures, in small letters.

    Raises:
        ValueError: there is no column, a row does not have one cell per head, or the pictures differ in size.
    """
    rows = [(title, colour, [_enlarged(cell) for cell in cells]) for title, colour, cells in rows]
    size = _checked(rows, heads)
    width = 2 * _MARGIN - _GAP + len(heads) * (size[0] + _GAP)
    blocks = [_texts(heads, size[0], width, _HEAD, theme.ink, theme)]
    for title, colour, cells in rows:
        notes = [cell.note if cell else "" for cell in cells]
        blocks += [
            _title(title, colour, width, theme),
            _pictures(cells, size, width, theme),
            _texts(notes, size[0], width, _NOTE, theme.ink, theme),
        ]
    if footer:
        blocks.append(_blank(width, _GAP, theme))
    blocks.append(_texts([footer], width - 2 * _MARGIN, width, _NOTE, theme.muted, theme))
    return _stacked(blocks, width, theme)


def _enlarged(cell: Cell | None) -> Cell | None:
    """Return a picture of few pixels enlarged to large squares, so that there is room for its text."""
    if cell is None:
        return None
    factor = max(1, round(_LEAST / max(cell.picture.size)))
    size = (cell.picture.width * factor, cell.picture.height * factor)
    return Cell(cell.picture.resize(size, Image.Resampling.NEAREST), cell.note) if factor > 1 else cell


def _checked(rows: Sequence[Row], heads: Sequence[str]) -> tuple[int, int]:
    """Return the size that all pictures have."""
    if not heads:
        raise ValueError("A strip needs at least one column; heads is empty.")
    for title, _, cells in rows:
        if len(cells) != len(heads):
            raise ValueError(
                f"{title} has {len(cells)} cells for {len(heads)} heads; give one per head, None for a blank."
            )
    sizes = {cell.picture.size for _, _, cells in rows for cell in cells if cell}
    if len(sizes) > 1:
        raise ValueError(f"The pictures of a strip have one size; these have {sorted(sizes)}.")
    return sizes.pop() if sizes else (224, 224)


def _stacked(blocks: Sequence[Image.Image], width: int, theme: Theme) -> Image.Image:
    """Return blocks one below the other; blocks without height take no room."""
    shown = [block for block in blocks if block.height]
    tops = list(accumulate((block.height + _GAP for block in shown), initial=_MARGIN))
    whole = _blank(width, tops[-1] - _GAP + _MARGIN, theme)
    for block, top in zip(shown, tops, strict=False):
        whole.paste(block, (0, top))
    return whole


def _texts(texts: Sequence[str], across: int, width: int, height: int, colour: str, theme: Theme) -> Image.Image:
    """Return texts side by side, each wrapped to its width in pixels."""
    wrapped = [_lines(text, height, across) for text in texts]
    block = _blank(width, _step(height) * max(map(len, wrapped)), theme)
    draw = ImageDraw.Draw(block)
    for place, lines in enumerate(wrapped):
        for down, text in enumerate(lines):
            draw.text((_left(place, across), down * _step(height)), text, colour, _font(height))
    return block


def _title(title: str, colour: str, width: int, theme: Theme) -> Image.Image:
    """Return a row's title beside a swatch of its colour, with some space above."""
    lines = _lines(title, _TITLE, width - 2 * _MARGIN - _TITLE - _GAP)
    block = _blank(width, _GAP + _step(_TITLE) * max(1, len(lines)), theme)
    draw = ImageDraw.Draw(block)
    top = _GAP + (_step(_TITLE) - _TITLE) // 2
    draw.rectangle((_MARGIN, top, _MARGIN + _TITLE - 1, top + _TITLE - 1), colour)
    for down, text in enumerate(lines):
        draw.text((_MARGIN + _TITLE + _GAP, _GAP + down * _step(_TITLE)), text, theme.ink, _font(_TITLE))
    return block


def _pictures(cells: Sequence[Cell | None], size: tuple[int, int], width: int, theme: Theme) -> Image.Image:
    """Return pictures side by side, unscaled; a frame with a dash stands for a missing one."""
    block = _blank(width, size[1], theme)
    draw = ImageDraw.Draw(block)
    for place, cell in enumerate(cells):
        left = _left(place, size[0])
        if cell:
            block.paste(cell.picture, (left, 0))
        else:
            draw.rectangle((left, 0, left + size[0] - 1, size[1] - 1), outline=theme.quiet, width=2)
            middle = (left + size[0] // 2, size[1] // 2)
            draw.line((middle[0] - 10, middle[1], middle[0] + 10, middle[1]), theme.muted, 3)
    return block


def _lines(text: str, height: int, across: int) -> list[str]:
    """Return text in lines that fit, keeping its own line breaks."""
    return [line for paragraph in text.split("\n") for line in _wrapped(paragraph, height, across)]


def _wrapped(paragraph: str, height: int, across: int) -> list[str]:
    """Return a paragraph in lines that fit; a word that is longer than a line is broken."""
    lines: list[str] = []
    for word in _writable(paragraph).split():
        if lines and _fits(f"{lines[-1]} {word}", height, across):
            lines[-1] += f" {word}"
            continue
        while not _fits(word, height, across) and len(word) > 1:
            cut = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or _fits(word[:n], height, across))
            lines.append(word[:cut])
            word = word[cut:]
        lines.append(word)
    return lines


def _writable(text: str) -> str:
    """Return text in letters that the font has."""
    parts = unicodedata.normalize("NFKD", text.translate(_SIGNS))
    letters = (c for c in parts if not unicodedata.combining(c))
    return "".join(c if c.isspace() or " " <= c <= "~" or c in _BEYOND_ASCII else "?" for c in letters)


def _fits(text: str, height: int, across: int) -> bool:
    return _font(height).getlength(text) <= across


@lru_cache(maxsize=4)
def _font(height: int) -> ImageFont.FreeTypeFont:
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(height))


def _step(height: int) -> int:
    """Return the distance from one line of text to the next."""
    return round(1.3 * height)


def _left(place: int, across: int) -> int:
    return _MARGIN + place * (across + _GAP)


def _blank(width: int, height: int, theme: Theme) -> Image.Image:
    return Image.new("RGB", (width, height), theme.line)
