"""A view's values as text in a link, written and read.

Each reader takes the text of one field and returns its value, or raises ValueError, KeyError or PathwayError if the
text is not valid. Links are not trusted: lengths and numbers are bounded before they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, get_args

from core.evaluation import Replacement
from core.methods import METHODS
from core.strategy import STRATEGIES, Strategy
from explorer.state.choices import (
    ATTRIBUTIONS,
    LEAST_COLUMNS,
    LINKED_PARTS,
    MOST_ATTRIBUTIONS,
    MOST_COLUMNS,
    MOST_PAINT_STEPS,
    MOST_RUNS,
    REGULARISERS,
    Box,
    Neuron,
    Order,
    Scale,
    Start,
    Style,
    nearest_sparsity,
)
from explorer.state.knockout import Part

__all__ = ["READERS", "written"]


def written(value: object) -> str:
    """Return a value as text for a link."""
    if not isinstance(value, tuple):
        return str(value)
    return ("~" if not value or isinstance(value[0], str | Strategy | Part) else "-").join(map(str, value))


def _one_of(*allowed: str) -> Any:
    return lambda text: allowed[allowed.index(text)]


def _switch(text: str) -> bool:
    return ("False", "True").index(text) == 1


def _number(low: float, high: float) -> Any:
    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return read


def _index(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ValueError(text)
    return int(text)


def _within(low: int, high: int, text: str) -> int:
    value = _index(text)
    if not low <= value <= high:
        raise ValueError(text)
    return value


def _neuron(text: str) -> Neuron:
    site, position = map(_index, text.split("-"))
    return site, position


def _pair(text: str) -> tuple[int, int]:
    first, second = map(_index, text.split("-"))
    if first == second or max(first, second) >= MOST_COLUMNS:
        raise ValueError(text)
    return first, second


def _columns(text: str) -> tuple[Strategy, ...]:
    names = text.split("~", MOST_COLUMNS)
    if not LEAST_COLUMNS <= len(names) <= MOST_COLUMNS:
        raise ValueError(text)
    return tuple(map(Strategy.parse, names))


def _some_of(known: Sequence[str], most: int, least: int = 1) -> Any:
    def read(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split("~"))) if text else ()
        if not least <= len(names) <= most or not set(names) <= set(known):
            raise ValueError(text)
        return names

    return read


def _box(text: str) -> Box:
    left, top, right, bottom = map(_index, text.split("-"))
    if not (left < right <= 100 and top < bottom <= 100):
        raise ValueError(text)
    return left, top, right, bottom


def _name(text: str) -> str:
    if not text.replace("_", "").replace("-", "").isalnum() or len(text) > 64:
        raise ValueError(text)
    return text


def _picture(text: str) -> str:
    """Read a photo's name, or DATASET:NUMBER."""
    dataset, colon, number = text.rpartition(":")
    if not colon:
        return _name(text)
    if not number.isdecimal() or len(text) > 80 or not dataset.replace(":", "").replace(".", ""):
        raise ValueError(text)
    _name(dataset.replace(".", "").replace(":", ""))
    return text


def _text(text: str) -> str:
    """Read a name that a user gave to a class or a folder."""
    if not text.strip() or len(text) > 80 or "~" in text or not text.isprintable():
        raise ValueError(text)
    return text


def _texts(text: str) -> tuple[str, ...]:
    names = dict.fromkeys(text.split("~"))
    if len(names) > MOST_RUNS:
        raise ValueError(text)
    return tuple(map(_text, names))


def _method(text: str) -> str:
    if text not in METHODS:
        raise ValueError(text)
    return text


def _selecting(text: str) -> str:
    """Read the name of a contribution or pruning method, not of a baseline."""
    if METHODS[_method(text)].family == "baseline":
        raise ValueError(text)
    return text


def _stop(text: str) -> float:
    """Read a sparsity as the slider's nearest stop."""
    return nearest_sparsity(_number(0, 1)(text))


def _opacity(text: str) -> int:
    return int(_number(0, 100)(text))


def _parts(text: str) -> tuple[Part, ...]:
    return tuple(dict.fromkeys(map(Part.read, text.split("~")[:LINKED_PARTS])))


READERS: dict[str, Any] = {
    "network": _name,
    "image": _picture,
    "x": _number(0, 1),
    "y": _number(0, 1),
    "zoom": _number(1, 8),
    "target": _index,
    "first": _selecting,
    "second": _method,
    "columns": _columns,
    "pair": _pair,
    "sparsity": _stop,
    "scrub": _switch,
    "off": _one_of("zero", "frozen"),
    "scale": _one_of(*get_args(Scale)),
    "style": _one_of(*get_args(Style)),
    "opacity": _opacity,
    "site": _index,
    "only_site": _switch,
    "neuron": _neuron,
    "whole": _switch,
    "attributions": _some_of(ATTRIBUTIONS, MOST_ATTRIBUTIONS),
    "order": _one_of(*get_args(Order)),
    "replacement": _one_of(*get_args(Replacement)),
    "near": _switch,
    "cam_site": _index,
    "cascade": _switch,
    "box": _box,
    "parts": _parts,
    "only": _switch,
    "ray": _name,
    "ray_of": partial(_within, 0, MOST_COLUMNS - 1),
    "painted": _some_of(STRATEGIES, len(STRATEGIES)),
    "painted_at": _stop,
    "start": _one_of(*get_args(Start)),
    "regularisers": _some_of(REGULARISERS, len(REGULARISERS), least=0),
    "paint_steps": partial(_within, 1, MOST_PAINT_STEPS),
    "paint_seed": partial(_within, 0, 9999),
    "runs": _texts,
    "studied_at": _number(0, 1),
    "label": _text,
    "closer": _text,
    "spread": _name,
    "compared": _name,
    "lesson": _name,
    "step": _index,
    "present": _switch,
}
"""The reader of each field of a view; ``View`` itself reads the options of methods."""
