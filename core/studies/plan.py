"""A study's plan, as data: the images, the network, the strategies and their sparsities, and the measures.

    study = Study("fashion-mnist", "fashion_vgg", strategies=(Strategy.parse("NeuronIntGrad:n_steps=5"),))
    study.fingerprint(network, data)      # identifies the results, so that those of other plans are kept apart

A study's images are divided into *parts* of a few images each. A part is one task of a worker and one file of results,
so neither depends on the engine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import torch

from core.attribution import BASELINES
from core.data.datasets import Dataset
from core.errors import PathwayError
from core.methods import METHODS
from core.network import Network
from core.pathways.ranking import Off, check_off, check_sparsity
from core.strategy import Strategy

__all__ = ["MAPS", "MEASURES", "Item", "Study", "Target", "Task"]

Target = Literal["predicted", "label"]

MEASURES = {
    "fidelity": "probability ratio, whether the prediction is kept, dead share; kept and dead share of every site",
    "overlap": "intersection over union of every pair of strategies, overall and at every site, with chance",
    "linear-radius": "L2 radius of the ball in which the restricted network is exactly affine",
    "lerf": "change of the answer while the least relevant pixels are replaced",
    "morf": "change of the answer while the most relevant pixels are replaced",
    "insertion": "probability while the most relevant pixels are put back",
    "deletion": "probability while the most relevant pixels are deleted",
    "sensitivity-n": "correlation of attributions with what the response loses, by number of pixels",
    "sanity": "likeness of maps once layers are randomised, from the last one up",
    "localisation": "energy inside the object's mask and pointing game, each with chance, for images with transparency",
    "class-agreement": "overlap of a pathway with those of its own class and with those of other classes",
}
MAPS = ("lerf", "morf", "insertion", "deletion", "sensitivity-n", "sanity", "localisation")
"""The measures of a saliency map, not of a pathway; baselines have them too."""

NEURONS = 2_000_000  # of all images of a part together, about: small images go in batches, photos one by one
LARGEST = 32


@dataclass(frozen=True)
class Item:
    """One image of a study as a worker receives it.

    Attributes:
        index: in its data set.
        name: in its data set.
        label: index of its class; None if it has none.
        data: the encoded image, unchecked.
        problem: why there is none, "" where it was read.
    """

    index: int
    name: str
    label: int | None
    data: bytes
    problem: str = ""


@dataclass(frozen=True)
class Task:
    """A part as a worker receives it."""

    study: Study
    number: int
    items: tuple[Item, ...]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A plan, which ``core.studies.run`` carries out.

    Attributes:
        dataset: as ``core.data.datasets.open_dataset`` takes it.
        network: a name that ``load_network`` knows, or the architecture of a checkpoint.
        checkpoint: file of a user's own weights; "" for the network's published ones.
        strategies: selection methods with options.
        baselines: names of other attribution methods, for the measures of maps.
        sparsities: each in [0, 1).
        measures: of ``MEASURES``.
        off: how neurons off the pathway are held.
        target: the class explained: the predicted one, or the image's label.
        count: how many images; None for all.
        seed: which images, if not all.
        batch: images per part; 0 for a number that suits the network's size.
        root: folder of data sets, where ``dataset`` does not contain it.
    """

    dataset: str
    network: str = "squeezenet1_1"
    checkpoint: str = ""
    strategies: tuple[Strategy, ...] = (Strategy("NeuronMCT"), Strategy("NeuronIntGrad"), Strategy("Random"))
    baselines: tuple[str, ...] = ()
    sparsities: tuple[float, ...] = (0.8, 0.9, 0.98)
    measures: tuple[str, ...] = ("fidelity", "overlap")
    off: Off = "zero"
    target: Target = "predicted"
    count: int | None = None
    seed: int = 0
    batch: int = 0
    root: str = ""

    def __post_init__(self) -> None:
        check_off(self.off)
        for sparsity in self.sparsities:
            check_sparsity(sparsity)
        references = [each.name for each in self.strategies if not each.method]
        if references:
            raise PathwayError(f"There is no selection method {references[0]!r}; wanted one of {', '.join(METHODS)}.")
        for what, known, chosen in (("measure", MEASURES, self.measures), ("baseline", BASELINES, self.baselines)):
            unknown = [name for name in chosen if name not in known]
            if unknown:
                raise PathwayError(f"There is no {what} {unknown[0]!r}; wanted any of {', '.join(known)}.")
        if not self.measures or not (self.strategies or self.baselines):
            raise PathwayError("The study measures nothing; wanted a measure, and a strategy or a baseline.")
        if self.baselines and not set(self.measures) & set(MAPS):
            raise PathwayError(f"Baselines have no pathways; for them choose a measure of maps: {', '.join(MAPS)}.")
        if self.strategies and not self.sparsities:
            raise PathwayError("Strategies are cut at sparsities; wanted one or more, such as 0.9.")
        for name, values in (("strategy", self.strategies), ("sparsity", self.sparsities)):
            if len(set(values)) < len(values):
                raise PathwayError(f"A {name} is named twice; its results would be, too.")
        if self.target not in ("predicted", "label") or self.batch < 0 or (self.count is not None and self.count < 1):
            raise PathwayError('Wanted target "predicted" or "label", a batch of 0 or more, and at least one image.')

    @property
    def needs_maps(self) -> bool:
        """Return whether a measure needs saliency maps."""
        return not set(self.measures).isdisjoint(MAPS)

    @cached_property
    def plan(self) -> dict[str, Any]:
        """Return the study as data for JSON."""
        listed = [{"method": each.name, "options": dict(each.options)} for each in self.strategies]
        return asdict(self) | {"strategies": listed}

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> Study:
        """Return the study that ``plan`` was made from.

        Raises:
            PathwayError: it is not such a plan.
        """
        try:
            strategies = tuple(Strategy(s["method"], tuple(s["options"].items())) for s in plan["strategies"])
            lists = {name: tuple(plan[name]) for name in ("baselines", "sparsities", "measures")}
            return cls(**{**plan, **lists, "strategies": strategies})
        except (KeyError, TypeError, AttributeError) as error:
            raise PathwayError(f"This is no plan of a study ({error!r}).") from error

    def fingerprint(self, network: Network, data: Dataset) -> str:
        """Return 16 hex digits that identify everything the results depend on."""
        facts = [self.plan, network.weights_hash, list(data.names), list(data.labels)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def parts(self, network: Network, data: Dataset) -> list[tuple[int, ...]]:
        """Return the numbers of the images of each part.

        Raises:
            PathwayError: labels are to be explained, and the data set's classes are not the network's.
        """
        if self.target == "label" and data.class_names != network.class_names:
            raise PathwayError(
                f"The classes of {data.name} are not those of {network.name}, so that labels cannot be explained; "
                'choose target "predicted".'
            )
        if "class-agreement" in self.measures and not data.class_names:
            raise PathwayError(f"{data.name} has no classes to compare; give each class a sub-folder.")
        size = self.batch or max(1, min(LARGEST, NEURONS // network.neurons))
        chosen = self.chosen(len(data))
        return [tuple(chosen[start : start + size]) for start in range(0, len(chosen), size)]

    def chosen(self, size: int) -> list[int]:
        """Return the numbers of the images chosen from a data set of a size, rising."""
        if self.count is None or self.count >= size:
            return list(range(size))
        order = torch.randperm(size, generator=torch.Generator().manual_seed(self.seed))
        return sorted(order[: self.count].tolist())

    def tasks(self, data: Dataset, parts: Sequence[tuple[int, ...]], done: set[int]) -> Iterator[Task]:
        """Yield the parts that are not done, reading their images one part at a time."""
        for number, part in enumerate(parts):
            if number not in done:
                yield Task(self, number, tuple(_item(data, index) for index in part), data.class_names)


def _item(data: Dataset, index: int) -> Item:
    encoded, problem = b"", ""
    try:
        encoded = data.read(index)
    except (OSError, PathwayError) as error:
        problem = str(error) or type(error).__name__
    return Item(index, str(data.names[index]), data.labels[index], encoded, problem)
