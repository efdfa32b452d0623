"""The sections of a view: each declares its fields once, with default, limits, and how a link writes them.

A field's annotation says what a link may hold: a bool, one of a Literal's words, or what the reader in ``Annotated``
takes. The limits of a ``Within`` are those of the widget over the field as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from typing import Annotated, Literal, Self

from core.data.preprocessing import Crop
from core.evaluation import Replacement
from core.methods import METHODS, Family
from core.network import Network
from core.strategy import ACTIVE, ORIGINAL, STRATEGIES, Strategy
from explorer.state import url
from explorer.state.choices import (
    ATTRIBUTIONS,
    LEAST_COLUMNS,
    MOST_ATTRIBUTIONS,
    MOST_COLUMNS,
    MOST_PAINT_STEPS,
    REGULARISERS,
    Box,
    Neuron,
    Order,
    Scale,
    Start,
    Style,
)
from explorer.state.knockout import KnockOut, Part
from explorer.state.url import Within

__all__ = [
    "Comparison",
    "Decoding",
    "Display",
    "Evaluation",
    "Guide",
    "KnockedOut",
    "Linearity",
    "Methods",
    "Place",
    "Source",
    "Studies",
    "beside",
]

LEGIBLE = 13  # positions per side of a map whose mosaic reads well
COMPARED = tuple(map(Strategy, ("NeuronMCT", "NeuronIntGrad", "GreedyPruning", "Random")))


@dataclass(frozen=True)
class Source:
    """What is looked at, and through which network.

    Attributes:
        network: a name the zoo knows, or "checkpoint-<hash>" of this session. The default is the embedded network that
            shows its first picture sooner, and on which every method ends within minutes.
        image: a photo's name, "upload-<hash>" of this session, or "DATASET:NUMBER" of a registered data set.
        x, y, zoom: where the square lies that the network sees, see ``core.data.preprocessing.Crop``.
        target: class index; None for the predicted class.
    """

    network: Annotated[str, url.read_name] = "squeezenet1_1"
    image: Annotated[str, url.read_picture] = "chelsea"
    x: Annotated[float, Within(0.0, 1.0)] = 0.5
    y: Annotated[float, Within(0.0, 1.0)] = 0.5
    zoom: Annotated[float, Within(1.0, 8.0)] = 1.0
    target: Annotated[int | None, url.read_index] = None

    @property
    def crop(self) -> Crop:
        """Return the crop given by x, y and zoom."""
        return Crop(self.x, self.y, self.zoom)


@dataclass(frozen=True)
class Methods:
    """The two methods that stand side by side.

    Attributes:
        first, second: the methods shown; the toggle shows the first one's family.
        options: of these two methods, where they are not defaults, as ("Method.option", value).
    """

    first: Annotated[str, url.read_selecting] = "NeuronMCT"
    second: Annotated[str, url.read_method] = "GreedyPruning"
    options: tuple[tuple[str, int], ...] = ()

    @property
    def family(self) -> Family:
        """Return the family of the first method."""
        return METHODS[self.first].family

    def strategy(self, method: str) -> Strategy:
        """Return a method with the options chosen for it on Explore."""
        prefix = f"{method}."
        chosen = {name.removeprefix(prefix): value for name, value in self.options if name.startswith(prefix)}
        return Strategy.of(method, **chosen)

    def with_option(self, method: str, option: str, value: int) -> Self:
        """Return the view with one option of a method set."""
        changed = self.strategy(method).with_option(option, value)
        others = [(name, v) for name, v in self.options if not name.startswith(f"{method}.")]
        own = [(f"{method}.{name}", v) for name, v in changed.options]
        return replace(self, options=tuple(sorted(others + own)))

    def with_family(self, family: Family) -> Self:
        """Return the view with the toggle at a family: its method first, a method of the other family second."""
        if family == self.family:
            return self
        if METHODS[self.second].family == family:
            return replace(self, first=self.second, second=self.first)
        return replace(self, first=next(name for name, m in METHODS.items() if m.family == family), second=self.first)

    def with_first(self, method: str) -> Self:
        """Return the view with another first method; a second one of its family is replaced by the other family's."""
        if METHODS[self.second].family != METHODS[method].family:
            return replace(self, first=method)
        return replace(self, first=method, second=next(iter(beside(method))))


def beside(method: str) -> list[str]:
    """Return the methods that may be shown beside a method: those of other families, pruning and contribution first."""
    others = [m for m in METHODS.values() if m.family != METHODS[method].family]
    return [m.name for m in sorted(others, key=lambda m: m.family == "baseline")]


@dataclass(frozen=True)
class Comparison:
    """What Compare, and Linearity with it, sets side by side.

    Attributes:
        columns: the strategies compared, two to six.
        pair: indices of the two columns that are compared with each other.
    """

    columns: Annotated[tuple[Strategy, ...], url.read_columns] = COMPARED
    pair: Annotated[tuple[int, int], url.read_pair] = (0, 2)

    def with_column(self, place: int, strategy: Strategy) -> Self:
        """Return the view with another strategy in a column, if there is such a column."""
        if place >= len(self.columns):
            return self
        return replace(self, columns=(*self.columns[:place], strategy, *self.columns[place + 1 :]))

    def with_more_columns(self) -> Self:
        """Return the view with the first strategy that is not compared yet added as a column, if there is room."""
        shown = {strategy.name for strategy in self.columns}
        added = next((name for name in STRATEGIES if name not in shown), STRATEGIES[0])
        return replace(self, columns=(*self.columns, Strategy(added))[:MOST_COLUMNS])

    def with_pair(self, side: int, place: int) -> Self:
        """Return the view with another column on one side of the pair; choosing the other side's column swaps them."""
        if place >= len(self.columns):
            return self
        other = self.pair[1 - side] if self.pair[1 - side] != place else self.pair[side]
        return replace(self, pair=(place, other) if side == 0 else (other, place))

    def without_column(self, place: int) -> Self:
        """Return the view with one column less, unless it has the fewest allowed; the pair keeps its strategies."""
        if len(self.columns) == LEAST_COLUMNS:
            return self
        left = [i for i in range(len(self.columns)) if i != place]
        pair = [left.index(i) for i in self.pair if i != place]
        pair += [i for i in range(len(left)) if i not in pair][: 2 - len(pair)]
        return replace(self, columns=tuple(self.columns[i] for i in left), pair=(pair[0], pair[1]))


@dataclass(frozen=True)
class Display:
    """How much of a pathway is shown, and how.

    Attributes:
        sparsity: share of neurons off the pathway, one of ``SPARSITIES``.
        scrub: whether the live scrub is shown.
        off: how neurons off the pathway are held.
        scale: one colour scale for the pathway gradients, or one per panel.
        style: magnitude or sign of the maps.
        opacity: of a map over the photo, in percent; 100 shows only the map.
    """

    sparsity: Annotated[float, url.read_stop] = 0.9
    scrub: bool = False
    off: Literal["zero", "frozen"] = "zero"
    scale: Scale = "panel"
    style: Style = "magnitude"
    opacity: Annotated[int, Within(0, 100)] = 100


@dataclass(frozen=True)
class Place:
    """Where in the network one looks.

    Attributes:
        site: index of the site shown in detail; None for a legible one, see ``site_in``.
        only_site: whether the ranking lists only that site.
        neuron: the selected one.
        whole: whether its whole channel is selected.
    """

    site: Annotated[int | None, url.read_index] = None
    only_site: bool = False
    neuron: Annotated[Neuron | None, url.read_neuron] = None
    whole: bool = False

    def site_in(self, network: Network) -> int:
        """Return the index of the site shown in detail: by default the first whose map is nearest to 13 x 13."""
        if self.site is not None:
            return min(self.site, len(network.sites) - 1)
        return min(network.sites, key=lambda site: abs(log(site.planes[1] / LEGIBLE))).index


@dataclass(frozen=True)
class Evaluation:
    """Which attributions are evaluated, and how.

    Attributes:
        attributions: the methods that are evaluated, of ``ATTRIBUTIONS``.
        cam_site: index of the site whose map Grad-CAM weights; None for the network's last feature map.
        order: in which pixels are replaced.
        replacement: for removed pixels.
        near: whether the curves over pixels show only their first tenth.
        cascade: whether parameters are randomised from the last layer up, or one layer at a time.
        box: around the object, if the picture has no mask.
    """

    attributions: Annotated[tuple[str, ...], url.some_of(ATTRIBUTIONS, MOST_ATTRIBUTIONS)] = (
        *("NeuronMCT", "Gradient"),
        *("InputMCT", "Grad-CAM"),
    )
    cam_site: Annotated[int | None, url.read_index] = None
    order: Order = "lerf"
    replacement: Replacement = "mean"
    near: bool = True
    cascade: bool = True
    box: Annotated[Box | None, url.read_box] = None

    @property
    def cam(self) -> dict[str, int]:
        """Return the options of Grad-CAM that are not its defaults."""
        return {} if self.cam_site is None else {"site": self.cam_site}


@dataclass(frozen=True)
class KnockedOut:
    """What is silenced.

    Attributes:
        parts: neurons and channels knocked out; more than ``LINKED_PARTS`` are not in the link.
        only: whether only they are kept instead.
    """

    parts: Annotated[tuple[Part, ...], url.read_parts] = ()
    only: bool = False

    @property
    def knock(self) -> KnockOut:
        """Return the set of neurons and channels."""
        return KnockOut(self.parts, self.only)

    def with_knock(self, knock: KnockOut) -> Self:
        """Return the view with another set."""
        return replace(self, parts=knock.parts, only=knock.only)


@dataclass(frozen=True)
class Linearity:
    """Along which line Linearity follows the response.

    Attributes:
        ray: the end of a line through the image: "gradient", "random", or a photo's name.
        ray_of: index of the column whose response is followed along it.
    """

    ray: Annotated[str, url.read_name] = "gradient"
    ray_of: Annotated[int, Within(0, MOST_COLUMNS - 1)] = 0


@dataclass(frozen=True)
class Decoding:
    """Which pathways are decoded, and how they are painted.

    Attributes:
        painted: the strategies whose pathways are decoded, of ``STRATEGIES``.
        painted_at: the sparsity of these pathways.
        start: of the painting.
        regularisers: those used, of ``REGULARISERS``.
        paint_steps, paint_seed: of the painting.
    """

    painted: Annotated[tuple[str, ...], url.some_of(STRATEGIES, len(STRATEGIES))] = (
        *(ORIGINAL, ACTIVE),
        *("NeuronMCT", "Random"),
    )
    painted_at: Annotated[float, url.read_stop] = 0.98
    start: Start = "noise"
    regularisers: Annotated[tuple[str, ...], url.some_of(REGULARISERS, len(REGULARISERS), least=0)] = REGULARISERS
    paint_steps: Annotated[int, Within(1, MOST_PAINT_STEPS)] = 128
    paint_seed: Annotated[int, Within(0, 9999)] = 0


@dataclass(frozen=True)
class Studies:
    """Which runs Studies shows, and what of them.

    Attributes:
        runs: names of the studies shown, () for the first available.
        studied_at: the studies' sparsity if it is not in ``SPARSITIES``; None if it is ``sparsity``.
        label: class of the images shown in the studies, "" for all.
        closer: title of the strategy that the studies show in detail.
        spread: measure whose images are shown one by one.
        compared: measure by which the studies' methods are compared with each other.
    """

    runs: Annotated[tuple[str, ...], url.read_runs] = ()
    studied_at: Annotated[float | None, Within(0.0, 1.0)] = None
    label: Annotated[str, url.read_text] = ""
    closer: Annotated[str, url.read_text] = "NeuronMCT"
    spread: Annotated[str, url.read_name] = "p_ratio"
    compared: Annotated[str, url.read_name] = "p_ratio"


@dataclass(frozen=True)
class Guide:
    """The lesson that is followed, and presenter mode.

    Attributes:
        lesson: name of the current one, "" for none.
        step: of the lesson, from 1.
        present: whether controls are hidden and text and pictures are large.
    """

    lesson: Annotated[str, url.read_name] = ""
    step: Annotated[int, url.read_index] = 1
    present: bool = False
