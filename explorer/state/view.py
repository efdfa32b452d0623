"""The view that a user chose: one frozen dataclass, to and from the address bar; see ``choices`` and ``url``.

Only values that differ from the default are written, so the default view has a short address. Reading is tolerant: a
value in a link that does not fit stays at its default and is named in a note; it is never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import log
from typing import Literal

from core.data.preprocessing import Crop
from core.errors import PathwayError
from core.evaluation import Replacement
from core.methods import METHODS, Family
from core.network import Network
from core.strategy import ACTIVE, ORIGINAL, STRATEGIES, Strategy
from explorer.state.choices import (
    LEAST_COLUMNS,
    LINKED_PARTS,
    MOST_COLUMNS,
    REGULARISERS,
    SPARSITIES,
    Box,
    Neuron,
    Order,
    Scale,
    Start,
    Style,
)
from explorer.state.knockout import Part
from explorer.state.url import READERS, written

__all__ = ["SPARSITIES", "View", "beside"]

MOST_NOTES = 10
LEGIBLE = 13  # positions per side of a map whose mosaic is legible
COMPARED = tuple(map(Strategy, ("NeuronMCT", "NeuronIntGrad", "GreedyPruning", "Random")))


@dataclass(frozen=True)
class View:
    """The choices that determine everything a page shows.

    Attributes:
        network: a name the zoo knows, or "checkpoint-<hash>" of this session. The default is the embedded network that
            shows its first picture sooner, and on which every method ends within minutes.
        image: a photo's name, "upload-<hash>" of this session, or "DATASET:NUMBER" of a registered data set.
        x, y, zoom: the square that the network sees, see ``core.data.preprocessing.Crop``.
        target: class index; None for the predicted class.
        first, second: the methods shown; the toggle shows the first one's family.
        options: of these two methods, where they are not defaults, as ("Method.option", value).
        columns: the strategies compared, two to six.
        pair: indices of the two columns that are compared with each other.
        sparsity: share of neurons off the pathway, one of ``SPARSITIES``.
        scrub: whether the live scrub is shown.
        off: how neurons off the pathway are held.
        scale: one colour scale for all pathway gradients, or one per panel.
        style: magnitude or sign of the maps.
        opacity: of a map over the photo, in percent; 100 shows only the map.
        site: index of the site shown in detail; None for a legible one, see ``site_in``.
        only_site: whether the ranking lists only that site.
        neuron: the selected one.
        whole: whether its whole channel is selected.
        attributions: the methods that are evaluated, of ``ATTRIBUTIONS``.
        cam_site: index of the site whose map Grad-CAM weights; None for the network's last feature map.
        order: in which pixels are replaced.
        replacement: for removed pixels.
        near: whether the curves over pixels show only their first tenth.
        cascade: whether parameters are randomised from the last layer up, or one layer at a time.
        box: around the object, if the picture has no mask.
        parts: neurons and channels knocked out; more than ``LINKED_PARTS`` are not in the link.
        only: whether only they are kept instead.
        ray: the end of a line through the image: "gradient", "random", or a photo's name.
        ray_of: index of the column whose response is followed along it.
        painted: the strategies whose pathways are decoded, of ``STRATEGIES``.
        painted_at: the sparsity of these pathways.
        start: of the painting.
        regularisers: those used, of ``REGULARISERS``.
        paint_steps, paint_seed: of the painting.
        runs: names of the studies shown, () for the first available.
        studied_at: the studies' sparsity if it is not in ``SPARSITIES``; None if it is ``sparsity``.
        label: class of the images shown in the studies, "" for all.
        closer: title of the strategy that the studies show in detail.
        spread: measure whose images are shown one by one.
        compared: measure by which the studies' methods are compared with each other.
        lesson: name of the current one, "" for none.
        step: of the lesson, from 1.
        present: whether controls are hidden and text and pictures are large.
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
    scale: Scale = "panel"
    style: Style = "magnitude"
    opacity: int = 100
    site: int | None = None
    only_site: bool = False
    neuron: Neuron | None = None
    whole: bool = False
    attributions: tuple[str, ...] = ("NeuronMCT", "Gradient", "InputMCT", "Grad-CAM")
    cam_site: int | None = None
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
    compared: str = "p_ratio"
    lesson: str = ""
    step: int = 1
    present: bool = False

    @property
    def crop(self) -> Crop:
        """Return the crop given by x, y and zoom."""
        return Crop(self.x, self.y, self.zoom)

    @property
    def cam(self) -> dict[str, int]:
        """Return the options of Grad-CAM that are not its defaults."""
        return {} if self.cam_site is None else {"site": self.cam_site}

    @property
    def family(self) -> Family:
        """Return the family of the first method."""
        return METHODS[self.first].family

    def site_in(self, network: Network) -> int:
        """Return the index of the site shown in detail: by default the first whose map is nearest to 13 x 13."""
        if self.site is not None:
            return min(self.site, len(network.sites) - 1)
        return min(network.sites, key=lambda site: abs(log(site.planes[1] / LEGIBLE))).index

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
        """Return the view with the toggle at a family: its method first, a method of the other family second."""
        if family == self.family:
            return self
        if METHODS[self.second].family == family:
            return replace(self, first=self.second, second=self.first)
        return replace(self, first=next(name for name, m in METHODS.items() if m.family == family), second=self.first)

    def with_first(self, method: str) -> View:
        """Return the view with another first method; a second one of its family is replaced by the other family's."""
        if METHODS[self.second].family != METHODS[method].family:
            return replace(self, first=method)
        return replace(self, first=method, second=next(iter(beside(method))))

    def with_column(self, place: int, strategy: Strategy) -> View:
        """Return the view with another strategy in a column, if there is such a column."""
        if place >= len(self.columns):
            return self
        return replace(self, columns=(*self.columns[:place], strategy, *self.columns[place + 1 :]))

    def with_more_columns(self) -> View:
        """Return the view with the first strategy that is not compared yet added as a column, if there is room."""
        shown = {strategy.name for strategy in self.columns}
        added = next((name for name in STRATEGIES if name not in shown), STRATEGIES[0])
        return replace(self, columns=(*self.columns, Strategy(added))[:MOST_COLUMNS])

    def with_pair(self, side: int, place: int) -> View:
        """Return the view with another column on one side of the pair; choosing the other side's column swaps them."""
        if place >= len(self.columns):
            return self
        other = self.pair[1 - side] if self.pair[1 - side] != place else self.pair[side]
        return replace(self, pair=(place, other) if side == 0 else (other, place))

    def without_column(self, place: int) -> View:
        """Return the view with one column less, unless it has the fewest allowed; the pair keeps its strategies."""
        if len(self.columns) == LEAST_COLUMNS:
            return self
        left = [i for i in range(len(self.columns)) if i != place]
        pair = [left.index(i) for i in self.pair if i != place]
        pair += [i for i in range(len(left)) if i not in pair][: 2 - len(pair)]
        return replace(self, columns=tuple(self.columns[i] for i in left), pair=(pair[0], pair[1]))

    def params(self) -> dict[str, str]:
        """Return the address bar's parameters: the values that differ from the default."""
        default = View()
        chosen = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "options"}
        if len(self.parts) > LINKED_PARTS:
            del chosen["parts"]
        shown = {name: written(value) for name, value in chosen.items() if value != getattr(default, name)}
        return shown | {name: str(value) for name, value in self.options}

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> tuple[View, list[str]]:
        """Return the view in a link, and notes on values that could not be read, the first few of them."""
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
        return replace(self, **{name: READERS[name](text)})


def beside(method: str) -> list[str]:
    """Return the methods that may be shown beside a method: those of other families, pruning and contribution first."""
    others = [m for m in METHODS.values() if m.family != METHODS[method].family]
    return [m.name for m in sorted(others, key=lambda m: m.family == "baseline")]
