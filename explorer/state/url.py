"""A view's values as text in a link, written and read.

A field's annotation says how its text is read, see ``readers``. Each reader takes the text and returns the value, or
raises ValueError, KeyError or PathwayError where the text is none. What comes with a link comes from anybody: lengths
and numbers are bounded before they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from core.methods import METHODS
from core.strategy import Strategy
from explorer.state.choices import (
    LEAST_COLUMNS,
    LINKED_PARTS,
    MOST_COLUMNS,
    MOST_RUNS,
    Box,
    Neuron,
    nearest_sparsity,
)
from explorer.state.knockout import Part

__all__ = [
    "Within",
    "limits",
    "read_box",
    "read_columns",
    "read_index",
    "read_method",
    "read_name",
    "read_neuron",
    "read_pair",
    "read_parts",
    "read_picture",
    "read_runs",
    "read_selecting",
    "read_stop",
    "read_text",
    "readers",
    "some_of",
    "write",
]

Reader = Callable[[str], Any]


def write(value: object) -> str:
    """Return a value as text for a link."""
    if not isinstance(value, tuple):
        return str(value)
    return ("~" if not value or isinstance(value[0], str | Strategy | Part) else "-").join(map(str, value))


@dataclass(frozen=True)
class Within:
    """A number from ``low`` to ``high``, both included; whole numbers where these are."""

    low: float
    high: float

    def __call__(self, text: str) -> float:
        """Return the number that a text names.

        Raises:
            ValueError: the text names none, or one outside.
        """
        value = read_index(text) if isinstance(self.low, int) else float(text)
        if not self.low <= value <= self.high:
            raise ValueError(text)
        return value


@cache
def readers(view: type) -> Mapping[str, Reader]:
    """Return how the text of each field is read, by its annotation; fields without a reader are left out.

    Args:
        view: the dataclass. A bool and a Literal are read as what they are, ``Annotated`` by the reader in it.
    """
    hints = get_type_hints(view, include_extras=True)
    found = {name: _reader(hint) for name, hint in hints.items()}
    return {name: reader for name, reader in found.items() if reader is not None}


def limits(view: type, name: str) -> Within | None:
    """Return between which numbers a field lies, None where it has no limits."""
    reader = readers(view).get(name)
    return reader if isinstance(reader, Within) else None


def _reader(hint: Any) -> Reader | None:
    if hint is bool:
        return _read_switch
    if get_origin(hint) is Literal:
        allowed: tuple[str, ...] = get_args(hint)
        return lambda text: allowed[allowed.index(text)]
    if get_origin(hint) is Annotated:
        reader: Reader = get_args(hint)[1]
        return reader
    return None


def _read_switch(text: str) -> bool:
    return ("False", "True").index(text) == 1


def read_index(text: str) -> int:
    """Return a whole number from 0."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ValueError(text)
    return int(text)


def read_neuron(text: str) -> Neuron:
    """Return a neuron, written as its site and its position."""
    site, position = map(read_index, text.split("-"))
    return site, position


def read_pair(text: str) -> tuple[int, int]:
    """Return the places of two columns."""
    first, second = map(read_index, text.split("-"))
    if first == second or max(first, second) >= MOST_COLUMNS:
        raise ValueError(text)
    return first, second


def read_columns(text: str) -> tuple[Strategy, ...]:
    """Return the strategies compared."""
    names = text.split("~", MOST_COLUMNS)
    if not LEAST_COLUMNS <= len(names) <= MOST_COLUMNS:
        raise ValueError(text)
    return tuple(map(Strategy.parse, names))


def some_of(known: Sequence[str], most: int, least: int = 1) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of several names, ``least`` to ``most`` of those known."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split("~"))) if text else ()
        if not least <= len(names) <= most or not set(names) <= set(known):
            raise ValueError(text)
        return names

    return read


def read_box(text: str) -> Box:
    """Return a box, written as left, top, right and bottom in percent."""
    left, top, right, bottom = map(read_index, text.split("-"))
    if not (left < right <= 100 and top < bottom <= 100):
        raise ValueError(text)
    return left, top, right, bottom


def read_name(text: str) -> str:
    """Return a name of letters, digits, hyphens and underscores."""
    if not text.replace("_", "").replace("-", "").isalnum() or len(text) > 64:
        raise ValueError(text)
    return text


def read_picture(text: str) -> str:
    """Return a photo's name, or DATASET:NUMBER."""
    dataset, colon, number = text.rpartition(":")
    if not colon:
        return read_name(text)
    if not number.isdecimal() or len(text) > 80 or not dataset.replace(":", "").replace(".", ""):
        raise ValueError(text)
    read_name(dataset.replace(".", "").replace(":", ""))
    return text


def read_text(text: str) -> str:
    """Return a name that people gave: a class's, a folder's."""
    if not text.strip() or len(text) > 80 or "~" in text or not text.isprintable():
        raise ValueError(text)
    return text


def read_runs(text: str) -> tuple[str, ...]:
    """Return the names of the runs shown."""
    names = dict.fromkeys(text.split("~"))
    if len(names) > MOST_RUNS:
        raise ValueError(text)
    return tuple(map(read_text, names))


def read_method(text: str) -> str:
    """Return the name of a selection method."""
    if text not in METHODS:
        raise ValueError(text)
    return text


def read_selecting(text: str) -> str:
    """Return the name of a method that contributes or prunes: no baseline."""
    if METHODS[read_method(text)].family == "baseline":
        raise ValueError(text)
    return text


def read_stop(text: str) -> float:
    """Return the slider's stop next to a sparsity."""
    return nearest_sparsity(Within(0.0, 1.0)(text))


def read_parts(text: str) -> tuple[Part, ...]:
    """Return neurons and channels to silence."""
    return tuple(dict.fromkeys(map(Part.read, text.split("~")[:LINKED_PARTS])))
