"""The work of a worker: one part of a study, from encoded images to rows.

The images of a part are scored and restricted together, and each is ranked separately. A failure for one image is a row
of that image; where a batch fails as a whole, its images are taken one by one, so that one does not fail the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from core.attribution import BASELINES
from core.attribution.attribution import Attribute, Attribution, pathway_attribute
from core.data.images import image_hash, open_image, open_mask
from core.errors import Cancelled, PathwayError
from core.methods import METHODS
from core.network import Network
from core.pathways.ranking import Ranking, rank
from core.pathways.restriction import restrict_each
from core.progress import Progress, silent
from core.strategy import Strategy
from core.studies.measures import OF_CUTS, OF_MAPS, Case, Cut, Found, between, radius
from core.studies.plan import Item, Study, Task
from core.studies.rows import MASKS, Rows, about

__all__ = ["Part", "measure"]


@dataclass(frozen=True)
class Part:
    """The result of a task.

    Attributes:
        number: of the part.
        rows: with the columns of ``SCHEMA``.
        masks: with the columns of ``MASKS``; None if no measure needs them.
        errors: how many rows are failures.
    """

    number: int
    rows: pa.Table
    masks: pa.Table | None
    errors: int


@dataclass(frozen=True)
class _Ranked:
    """One image's ranking by one strategy, and the seconds it took."""

    case: Case
    ranking: Ranking
    seconds: float


def measure(network: Network, task: Task, dataset: str, progress: Progress = silent) -> Part:
    """Return the rows of one part.

    Args:
        network: the study's.
        task: the part.
        dataset: name of the data set, for the rows.
        progress: called between steps; raise ``Cancelled`` in it to stop there.
    """
    work = _measured(network, task, dataset, task.items, progress)
    masks = pa.table(work.masks, schema=MASKS) if "class-agreement" in task.study.measures else None
    return Part(task.number, work.rows.table(), masks, work.rows.errors)


def _measured(network: Network, task: Task, dataset: str, items: Sequence[Item], progress: Progress) -> _Work:
    """Measure images together; if that fails as a whole, one by one."""
    work = _Work(network, task, Rows.of(task.study, network, task.number, dataset), progress)
    try:
        work.measure(items)
    except Cancelled:
        raise
    except Exception as error:  # out of memory, a decoder's own error: it becomes a row of its image
        work = _Work(network, task, Rows.of(task.study, network, task.number, dataset), progress)
        if len(items) == 1:
            work.rows.fail("image", error, **about(items[0], task.class_names))
        else:
            for item in items:
                work.join(_measured(network, task, dataset, [item], progress))
    return work


def _opened(item: Item) -> Image.Image:
    """Return an image's picture; raise what kept it from being read, where something did."""
    if item.problem:
        raise PathwayError(item.problem)
    return open_image(item.data)


@dataclass
class _Work:
    """Some images of a part, and the rows and masks that measuring them gives."""

    network: Network
    task: Task
    rows: Rows
    progress: Progress
    masks: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in MASKS.names})

    @property
    def study(self) -> Study:
        return self.task.study

    def join(self, other: _Work) -> None:
        """Add the rows and masks of other images."""
        for mine, theirs in ((self.rows.columns, other.rows.columns), (self.masks, other.masks)):
            for name, values in theirs.items():
                mine[name] += values

    def measure(self, items: Sequence[Item]) -> None:
        """Add all rows of some images."""
        cases = self._cases(items)
        if not cases:
            return
        for case in cases:
            self._originals(case)
        ranked = [self._ranked(strategy, cases) for strategy in self.study.strategies]
        for sparsity in self.study.sparsities:
            cuts = [
                self._cuts(strategy, sparsity, found)
                for strategy, found in zip(self.study.strategies, ranked, strict=True)
            ]
            for cut in (cut for found in cuts for cut in found):
                self._pathway(cut)
            if "overlap" in self.study.measures:
                self._overlaps(cuts)

    def _cases(self, items: Sequence[Item]) -> list[Case]:
        """Return the images that could be opened, with their original runs; add a row for each that could not."""
        opened = []
        for item in items:
            columns = about(item, self.task.class_names)
            try:
                picture = _opened(item)
            except PathwayError as error:
                self.rows.fail("image", error, **columns)
            else:
                columns |= {"image_hash": image_hash(picture)}
                opened.append((item, columns, self.network.preprocess(picture)))
        if not opened:
            return []
        images = torch.cat([image for *_, image in opened])
        with torch.no_grad():
            run = self.network.run(images, record=True)
        return [
            self._case(item, columns, image, run.logits[row : row + 1], tuple(a[row] == 0 for a in run.activations))
            for row, (item, columns, image) in enumerate(opened)
        ]

    def _case(
        self, item: Item, columns: dict[str, Any], image: Tensor, logits: Tensor, dead: tuple[Tensor, ...]
    ) -> Case:
        predicted = int(logits.argmax())
        target = item.label if self.study.target == "label" and item.label is not None else predicted
        columns |= {"target": target, "prediction": self.network.class_names[predicted]}
        wanted = open_mask(item.data) if "localisation" in self.study.measures else None
        mask = self.network.preprocessing.mask(wanted) if wanted and self.network.preprocessing else None
        if mask is not None and bool(mask.all() | ~mask.any()):
            mask = None  # the object fills the crop, or is outside it
        return Case(self.network, self.study, columns, image, target, logits, dead, mask)

    def _originals(self, case: Case) -> None:
        """Measure what needs no pathway: the original network's radius, and the baselines' maps."""
        if "linear-radius" in self.study.measures:
            self._add(case, {"method": "original"}, "linear-radius", lambda: radius(case, None))
        for name in self.study.baselines:
            start = time.perf_counter()
            try:
                attribution = BASELINES[name](self.network, case.image, case.target, progress=self.progress)
            except PathwayError as error:
                if isinstance(error, Cancelled):
                    raise
                self.rows.fail("attribution", error, **case.columns, method=name)
            else:
                self._maps(case, {"method": name}, attribution, BASELINES[name], time.perf_counter() - start)

    def _ranked(self, strategy: Strategy, cases: list[Case]) -> list[_Ranked]:
        """Return the rankings of the images for which the method found one; add a row for each of the others."""
        start = time.perf_counter()
        images, targets = torch.cat([case.image for case in cases]), [case.target for case in cases]
        scored = METHODS[strategy.name].batch(
            self.network, images, targets, progress=self.progress, **dict(strategy.options)
        )
        rankings = [each if isinstance(each, PathwayError) else rank(each) for each in scored]
        seconds = (time.perf_counter() - start) / len(cases)
        names = {"method": strategy.name, "options": strategy.written, "seconds": seconds}
        found = []
        for case, ranking in zip(cases, rankings, strict=True):
            if isinstance(ranking, PathwayError):
                self.rows.fail("scores", ranking, **case.columns, **names)
            else:
                found.append(_Ranked(case, ranking, seconds))
        return found

    def _cuts(self, strategy: Strategy, sparsity: float, ranked: list[_Ranked]) -> list[Cut]:
        """Return each image's pathway with its restricted run."""
        if not ranked:
            return []
        start = time.perf_counter()
        images, targets = torch.cat([each.case.image for each in ranked]), [each.case.target for each in ranked]
        pathways = [each.ranking.pathway(sparsity) for each in ranked]
        restricted = restrict_each(self.network, images, targets, pathways, off=self.study.off)
        seconds = (time.perf_counter() - start) / len(ranked)
        self.progress(0, 0, f"{strategy} at {sparsity:g}")
        logits = torch.split(restricted.logits, 1)
        return [
            Cut(each.case, strategy, sparsity, pathway, restricted_logits, gradient, each.seconds + seconds)
            for each, pathway, restricted_logits, gradient in zip(
                ranked, pathways, logits, restricted.gradient, strict=True
            )
        ]

    def _pathway(self, cut: Cut) -> None:
        """Measure one pathway."""
        for name in self.study.measures:
            if name in OF_CUTS:
                self._add(cut.case, cut.names, name, partial(OF_CUTS[name], cut), cut.seconds)
        if "class-agreement" in self.study.measures:
            self._keep(cut)
        if self.study.needs_maps:
            strategy = cut.strategy
            again = pathway_attribute(strategy.name, cut.sparsity, self.study.off, **dict(strategy.options))
            self._maps(cut.case, cut.names, Attribution(cut.gradient, True), again, cut.seconds)

    def _maps(
        self, case: Case, names: dict[str, Any], attribution: Attribution, attribute: Attribute, seconds: float
    ) -> None:
        """Measure one saliency map."""
        for name in self.study.measures:
            if name in OF_MAPS:
                self._add(case, names, name, partial(OF_MAPS[name], case, attribution, attribute), seconds)
                self.progress(0, 0, f"{name} of {names['method']}")

    def _overlaps(self, cuts: list[list[Cut]]) -> None:
        """Measure the overlaps of all pairs of strategies at one sparsity."""
        for one, other in combinations(cuts, 2):
            partners = {cut.case.columns["index"]: cut for cut in other}
            for cut in one:
                partner = partners.get(cut.case.columns["index"])
                if partner is not None:
                    self._add(cut.case, cut.names, "overlap", partial(between, cut, partner), cut.seconds)

    def _keep(self, cut: Cut) -> None:
        """Keep a pathway's mask, one bit per neuron, for the measures over all images together."""
        if METHODS[cut.strategy.name].family == "baseline":
            return
        flat = torch.cat([mask.flatten() for mask in cut.pathway.masks]).cpu().numpy()
        columns = cut.case.columns
        values = (columns["index"], columns["label"], cut.strategy.name, cut.strategy.written, cut.sparsity)
        for column, value in zip(self.masks.values(), (*values, np.packbits(flat).tobytes()), strict=True):
            column.append(value)

    def _add(
        self,
        case: Case,
        names: dict[str, Any],
        measure: str,
        function: Callable[[], Iterable[Found]],
        seconds: float = 0.0,
    ) -> None:
        """Add a measure's numbers, or its error."""
        columns, start = case.columns | names, time.perf_counter()
        try:
            found = list(function())
        except PathwayError as error:
            if isinstance(error, Cancelled):
                raise
            self.rows.fail(measure, error, **columns)
            return
        spent = time.perf_counter() - start + seconds
        for each in found:
            self.rows.add(
                each.measure, each.value, **columns, other=each.other, site=each.site, x=each.x, seconds=spent
            )
