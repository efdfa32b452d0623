"""What a person chose: one frozen dataclass, to and from the address bar.

Only what differs from the default is written, so the default view has a clean address. Reading is forgiving: whatever a
link holds that does not fit is left at its default and named in a note; it is never an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from core.baselines import BASELINES
from core.errors import PathwayError
from core.evaluation import Replacement
from core.images import Crop
from core.methods import METHODS, Family
from explorer.knockouts import Part
from explorer.strategies import ACTIVE, ORIGINAL, STRATEGIES, Strategy

__all__ = [
    "ATTRIBUTIONS",
    "LEAST_COLUMNS",
    "MOST_ATTRIBUTIONS",
    "MOST_COLUMNS",
    "MOST_PAINT_STEPS",
    "MOST_RUNS",
    "REGULARISERS",
    "SPARSITIES",
    "Box",
    "Neuron",
    "Order",
    "Scale",
    "Style",
    "View",
    "beside",
    "nearest_sparsity",
]

Scale = Literal["shared", "panel"]
Style = Literal["magnitude", "signed"]
REGULARISERS = ("Fourier", "jitter", "blur", "total variation")
MOST_PAINT_STEPS = 1024
Start = Literal["noise", "grey"]
Order = Literal["lerf", "morf", "insertion", "deletion"]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom in percent of the square that the network sees."""
Neuron = tuple[int, int]
"""A site's index and a flat position in its activation."""


def _steps(start: int, stop: int, step: int) -> list[float]:
    return [thousandths / 1000 for thousandths in range(start, stop, step)]


SPARSITIES = tuple(_steps(0, 700, 50) + _steps(700, 900, 10) + _steps(900, 980, 5) + _steps(980, 991, 1))
"""Where the slider stops: finer near the top, where pathways change fastest."""


LEAST_COLUMNS, MOST_COLUMNS = 2, 6
LINKED_PARTS = 40
MOST_ATTRIBUTIONS = 8
MOST_RUNS = 6
MOST_NOTES = 10
ATTRIBUTIONS = (*METHODS, *BASELINES)
"""Everything whose attributions can be evaluated: selection methods by their pathway gradients, then the others."""
COMPARED = tuple(map(Strategy, ("NeuronMCT", "NeuronIntGrad", "GreedyPruning", "Random")))


@dataclass(frozen=True)
class View:
    """Everything a page shows follows from this.

    Attributes:
        network: a name the zoo knows, or "checkpoint-<hash>" of this session.
        image: a photo's name, "upload-<hash>" of this session, or "DATASET:NUMBER" of a registered data set.
        x, y, zoom: where the square lies that the network sees, see ``core.images.Crop``.
        target: class index; None for the predicted class.
        first, second: the methods shown; the first one's family is the toggle.
        options: chosen options of those two that are not defaults, as ("Method.option", value).
        columns: the strategies compared, two to six.
        pair: places of the two of them that are set against each other.
        sparsity: share of neurons off the pathway, one of ``SPARSITIES``.
        scrub: whether the live scrub is shown.
        off: how neurons off the pathway are held.
        scale: one colour scale for the pathway gradients, or one a panel.
        style: magnitude or sign of the maps.
        opacity: of a map over the photo, in percent; 100 shows the map alone.
        site: index of the site looked into.
        only_site: whether the ranking lists that site alone.
        neuron: the one selected.
        whole: whether its whole channel is meant.
        attributions: whose are evaluated, of ``ATTRIBUTIONS``.
        order: in which pixels are replaced.
        replacement: what replaces them.
        near: whether the curves over pixels show their first tenth only.
        cascade: whether parameters are randomised from the last layer up, or one layer at a time.
        box: around the object, where the picture does not say by itself.
        parts: neurons and channels knocked out; more than ``LINKED_PARTS`` are not in the link.
        only: whether they are kept alone instead.
        ray: where a line through the image leads: "gradient", "random", or a photo's name.
        ray_of: place of the column whose response is followed along it.
        painted: the strategies whose pathways are decoded, of ``STRATEGIES``.
        painted_at: the sparsity at which they are.
        start: what the painting begins with.
        regularisers: those used, of ``REGULARISERS``.
        paint_steps, paint_seed: of the painting.
        runs: names of the studies shown, () for the first there is.
        studied_at: the studies' sparsity where it is none of ``SPARSITIES``; None where it is ``sparsity``.
        label: class whose images the studies are about, "" for all.
        closer: strategy that the studies look at closely, as they are titled.
        spread: measure whose images are shown one by one.
        lesson: name of the one that is followed, "" for none.
        step: of the lesson, from 1.
        present: whether controls are hidden and type and pictures large.
    """

    network: str = "squeezenet1_1"
    image: str = "chelsea"
    x: float = 0.5
    y: float = 0.5
    zoom: float = 1.0
    target: int | None = None
    first: str = "NeuronMCT"
    second: str = "GreedyPruning"
    options: tuple[tuple[str, int], ...] = ()
    columns: tuple[Strategy, ...] = COMPARED
    pair: tuple[int, int] = (0, 2)
    sparsity: float = 0.9
    scrub: bool = False
    off: Literal["zero", "frozen"] = "zero"
    scale: Scale = "shared"
    style: Style = "magnitude"
    opacity: int = 100
    site: int = 0
    only_site: bool = False
    neuron: Neuron | None = None
    whole: bool = False
    attributions: tuple[str, ...] = ("NeuronMCT", "Gradient", "InputMCT", "Grad-CAM")
    order: Order = "lerf"
    replacement: Replacement = "mean"
    near: bool = True
    cascade: bool = True
    box: Box | None = None
    parts: tuple[Part, ...] = ()
    only: bool = False
    ray: str = "gradient"
    ray_of: int = 0
    painted: tuple[str, ...] = (ORIGINAL, ACTIVE, "NeuronMCT", "Random")
    painted_at: float = 0.98
    start: Start = "noise"
    regularisers: tuple[str, ...] = REGULARISERS
    paint_steps: int = 128
    paint_seed: int = 0
    runs: tuple[str, ...] = ()
    studied_at: float | None = None
    label: str = ""
    closer: str = "NeuronMCT"
    spread: str = "p_ratio"
    lesson: str = ""
    step: int = 1
    present: bool = False

    @property
    def crop(self) -> Crop:
        """Return the crop that x, y and zoom say."""
        return Crop(self.x, self.y, self.zoom)

    @property
    def family(self) -> Family:
        """Return the family of the first method."""
        return METHODS[self.first].family

    def strategy(self, method: str) -> Strategy:
        """Return a method with the options chosen for it on Explore."""
        prefix = f"{method}."
        chosen = {name.removeprefix(prefix): value for name, value in self.options if name.startswith(prefix)}
        return Strategy.of(method, **chosen)

    def with_option(self, method: str, option: str, value: int) -> View:
        """Return the view with one option of a method set."""
        changed = self.strategy(method).with_option(option, value)
        others = [(name, v) for name, v in self.options if not name.startswith(f"{method}.")]
        own = [(f"{method}.{name}", v) for name, v in changed.options]
        return replace(self, options=tuple(sorted(others + own)))

    def with_family(self, family: Family) -> View:
        """Return the view with the toggle at a family: its method first, the other family's beside it."""
        if family == self.family:
            return self
        if METHODS[self.second].family == family:
            return replace(self, first=self.second, second=self.first)
        return replace(self, first=next(name for name, m in METHODS.items() if m.family == family), second=self.first)

    def with_first(self, method: str) -> View:
        """Return the view with another first method; a second one of the same family gives way to the other family."""
        if METHODS[self.second].family != METHODS[method].family:
            return replace(self, first=method)
        return replace(self, first=method, second=next(iter(beside(method))))

    def with_column(self, place: int, strategy: Strategy) -> View:
        """Return the view with another strategy at a place of the comparison, if there is such a place."""
        if place >= len(self.columns):
            return self
        return replace(self, columns=(*self.columns[:place], strategy, *self.columns[place + 1 :]))

    def with_more_columns(self) -> View:
        """Return the view with the first strategy added that is not compared yet, if there is room."""
        shown = {strategy.name for strategy in self.columns}
        added = next((name for name in STRATEGIES if name not in shown), STRATEGIES[0])
        return replace(self, columns=(*self.columns, Strategy(added))[:MOST_COLUMNS])

    def with_pair(self, side: int, place: int) -> View:
        """Return the view with another column on one side of the pair; the other side's own swaps the two."""
        if place >= len(self.columns):
            return self
        other = self.pair[1 - side] if self.pair[1 - side] != place else self.pair[side]
        return replace(self, pair=(place, other) if side == 0 else (other, place))

    def without_column(self, place: int) -> View:
        """Return the view with one strategy less, unless they are as few as can be; the pair keeps to its own."""
        if len(self.columns) == LEAST_COLUMNS:
            return self
        left = [i for i in range(len(self.columns)) if i != place]
        pair = [left.index(i) for i in self.pair if i != place]
        pair += [i for i in range(len(left)) if i not in pair][: 2 - len(pair)]
        return replace(self, columns=tuple(self.columns[i] for i in left), pair=(pair[0], pair[1]))

    def params(self) -> dict[str, str]:
        """Return the address bar's parameters: what differs from the default."""
        default = View()
        chosen = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "options"}
        if len(self.parts) > LINKED_PARTS:
            del chosen["parts"]
        shown = {name: _written(value) for name, value in chosen.items() if value != getattr(default, name)}
        return shown | {name: str(value) for name, value in self.options}

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> tuple[View, list[str]]:
        """Return the view a link describes, and what in the link could not be followed, the first few of it."""
        view, notes = cls(), []
        for name, text in params.items():
            try:
                view = view._with_param(name, text)
            except (ValueError, KeyError, PathwayError):
                notes.append(f"{name[:80]}={text[:80]}"[:80])
        if len(notes) > MOST_NOTES:
            notes[MOST_NOTES:] = [f"and {len(notes) - MOST_NOTES} more"]
        if METHODS[view.first].family == METHODS[view.second].family:
            view = view.with_first(view.first)
        if max(view.pair) >= len(view.columns):
            notes += [f"pair={params['pair']}"] if "pair" in params else []
            view = replace(view, pair=(0, 1))
        return view, notes

    def _with_param(self, name: str, text: str) -> View:
        method, _, option = name.partition(".")
        if option:
            return self.with_option(method, option, int(text))
        return replace(self, **{name: _READERS[name](text)})


def beside(method: str) -> list[str]:
    """Return the methods that may stand beside a method: those of other families, pruning and contribution first."""
    others = [m for m in METHODS.values() if m.family != METHODS[method].family]
    return [m.name for m in sorted(others, key=lambda m: m.family == "baseline")]


def nearest_sparsity(value: float) -> float:
    """Return the slider's stop next to a value."""
    return min(SPARSITIES, key=lambda stop: abs(stop - value))


def _written(value: object) -> str:
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
    return tuple(map(Strategy.read, names))


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
    """A photo's name, or DATASET:NUMBER."""
    dataset, colon, number = text.rpartition(":")
    if not colon:
        return _name(text)
    if not number.isdecimal() or len(text) > 80 or not dataset.replace(":", "").replace(".", ""):
        raise ValueError(text)
    _name(dataset.replace(".", "").replace(":", ""))
    return text


def _text(text: str) -> str:
    """A name that people gave: a class's, a folder's."""
    if not text.strip() or len(text) > 80 or "~" in text or not text.isprintable():
        raise ValueError(text)
    return text


def _texts(text: str) -> tuple[str, ...]:
    names = dict.fromkeys(text.split("~"))
    if len(names) > MOST_RUNS:
        raise ValueError(text)
    return tuple(map(_text, names))


_READERS: dict[str, Any] = {
    "network": _name,
    "image": _picture,
    "x": _number(0, 1),
    "y": _number(0, 1),
    "zoom": _number(1, 8),
    "target": _index,
    "first": lambda text: METHODS[text].name if METHODS[text].family != "baseline" else METHODS[""].name,
    "second": lambda text: METHODS[text].name,
    "columns": _columns,
    "pair": _pair,
    "sparsity": lambda text: nearest_sparsity(_number(0, 1)(text)),
    "scrub": _switch,
    "off": _one_of("zero", "frozen"),
    "scale": _one_of(*get_args(Scale)),
    "style": _one_of(*get_args(Style)),
    "opacity": lambda text: int(_number(0, 100)(text)),
    "site": _index,
    "only_site": _switch,
    "neuron": _neuron,
    "whole": _switch,
    "attributions": _some_of(ATTRIBUTIONS, MOST_ATTRIBUTIONS),
    "order": _one_of(*get_args(Order)),
    "replacement": _one_of(*get_args(Replacement)),
    "near": _switch,
    "cascade": _switch,
    "box": _box,
    "parts": lambda text: tuple(dict.fromkeys(map(Part.read, text.split("~")[:LINKED_PARTS]))),
    "only": _switch,
    "ray": _name,
    "ray_of": lambda text: _within(0, MOST_COLUMNS - 1, text),
    "painted": _some_of(STRATEGIES, len(STRATEGIES)),
    "painted_at": lambda text: nearest_sparsity(_number(0, 1)(text)),
    "start": _one_of(*get_args(Start)),
    "regularisers": _some_of(REGULARISERS, len(REGULARISERS), least=0),
    "paint_steps": lambda text: _within(1, MOST_PAINT_STEPS, text),
    "paint_seed": lambda text: _within(0, 9999, text),
    "runs": _texts,
    "studied_at": _number(0, 1),
    "label": _text,
    "closer": _text,
    "spread": _name,
    "lesson": _name,
    "step": _index,
    "present": _switch,
}
