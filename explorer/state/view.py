"""What a person chose: one frozen dataclass, to and from the address bar; see ``choices`` and ``link``.

Only what differs from the default is written, so the default view has a clean address. Reading is forgiving: whatever a
link holds that does not fit is left at its default and named in a note; it is never an error.
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
LEGIBLE = 13  # positions a side of a map whose mosaic reads well
COMPARED = tuple(map(Strategy, ("NeuronMCT", "NeuronIntGrad", "GreedyPruning", "Random")))


@dataclass(frozen=True)
class View:
    """Everything a page shows follows from this.

    Attributes:
        network: a name the zoo knows, or "checkpoint-<hash>" of this session. The default is the embedded network whose
            first picture is there sooner, and whose every method ends within minutes.
        image: a photo's name, "upload-<hash>" of this session, or "DATASET:NUMBER" of a registered data set.
        x, y, zoom: where the square lies that the network sees, see ``core.data.images.Crop``.
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
        site: index of the site looked into; None for one that reads well, see ``site_in``.
        only_site: whether the ranking lists that site alone.
        neuron: the one selected.
        whole: whether its whole channel is meant.
        attributions: whose are evaluated, of ``ATTRIBUTIONS``.
        cam_site: index of the site whose map Grad-CAM weights; None for the network's last feature map.
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
        compared: measure by which the studies' methods are compared with each other.
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
        """Return the crop that x, y and zoom say."""
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
        """Return the index of the site looked into: by default the first whose map is nearest to 13 x 13."""
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
        shown = {name: written(value) for name, value in chosen.items() if value != getattr(default, name)}
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
        return replace(self, **{name: READERS[name](text)})


def beside(method: str) -> list[str]:
    """Return the methods that may stand beside a method: those of other families, pruning and contribution first."""
    others = [m for m in METHODS.values() if m.family != METHODS[method].family]
    return [m.name for m in sorted(others, key=lambda m: m.family == "baseline")]
