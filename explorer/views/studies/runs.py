"""The runs that the page may show, and their rows, which are read when a part of the page needs them.

Runs lie in ``assets/studies`` and in every folder that the environment variable ``PATHWAY_STUDIES`` lists, which holds
runs or is one. A run is called by its folder's name; nothing but that name leaves this module for a link. Rows are
shared by all sessions, under the files' sizes and times, so that a run that is still growing is read anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import PathwayError
from core.strategy import Strategy, written
from core.studies import Store
from explorer.compute import cache

__all__ = ["ORIGINAL", "Census", "Run", "census", "find_runs", "read", "titled"]

EMBEDDED = Path(__file__).resolve().parents[3] / "assets" / "studies"
ORIGINAL = "original network"
FAILED = ["image", "scores", "attribution"]  # measures of the rows of what failed before anything was measured
CENSUS = {  # of each kind of measure, the rows that tell which images are there, as few rows as possible
    "fidelity": "prediction_kept",
    "overlap": "chance_overlap",
    "linear-radius": "linear_radius",
    "lerf": "lerf_area",
    "morf": "morf_area",
    "insertion": "insertion_area",
    "deletion": "deletion_area",
    "sensitivity-n": "sensitivity_n",
    "sanity": "sanity_ssim",
    "localisation": "mask_share",
    "class-agreement": "same_class_overlap",
    "roar": "roar_accuracy",
}
COLUMNS = [
    "index",
    "image",
    "label",
    "target",
    "prediction",
    "method",
    "options",
    "sparsity",
    "achieved",
    "measure",
    "other",
    "site",
    "x",
    "value",
    "error",
]


@dataclass(frozen=True)
class Run:
    """A run: its folder and its manifest.

    Attributes:
        name: what people and links call it.
        folder: where it lies.
        manifest: as ``core.studies`` writes it.
        stamp: what changes when one of the files does.
    """

    name: str
    folder: Path
    manifest: Mapping[str, Any]
    stamp: tuple[tuple[str, int, int], ...] = ()

    @property
    def is_roar(self) -> bool:
        """Return whether networks were retrained, instead of one being looked into."""
        return self.manifest.get("kind") == "roar"

    @property
    def plan(self) -> Mapping[str, Any]:
        """Return the plan of the run."""
        found: Mapping[str, Any] = self.manifest["roar" if self.is_roar else "study"]
        return found

    @property
    def network(self) -> str:
        """Return the network's name."""
        return str(self.manifest["network"]["name"])

    @property
    def dataset(self) -> str:
        """Return the data set's name."""
        return str(self.manifest["dataset"]["name"])

    @property
    def sites(self) -> list[str]:
        """Return the network's sites, from the image on."""
        return list(self.manifest["network"]["sites"])

    @property
    def classes(self) -> list[str]:
        """Return the data set's classes, none where it has none."""
        return list(self.manifest["dataset"]["classes"])

    @property
    def planned(self) -> int:
        """Return how many images, or trainings, were asked for."""
        if self.is_roar:
            return int(self.plan["seeds"]) * (1 + len(self.plan["methods"]) * len(self.plan["fractions"]))
        images = int(self.manifest["dataset"]["images"])
        return min(images, self.plan["count"] or images)

    @property
    def sparsities(self) -> list[float]:
        """Return the sparsities of its pathways, rising."""
        if self.is_roar:
            return [float(self.plan["sparsity"])]
        return sorted(map(float, self.plan["sparsities"])) if self.plan["strategies"] else []

    @property
    def measures(self) -> list[str]:
        """Return the measures of the plan."""
        return ["roar"] if self.is_roar else list(self.plan["measures"])

    @cached_property
    def methods(self) -> dict[str, str]:
        """Return the methods and baselines, by their titles, in the order of the plan."""
        if self.is_roar:
            return {titled(text): text.partition(":")[0] for text in self.plan["methods"]}
        chosen = [
            (each["method"], ",".join(f"{o}={v}" for o, v in sorted(each["options"].items())))
            for each in self.plan["strategies"]
        ]
        texts = [written(method, options) for method, options in chosen]
        return {titled(text): text.partition(":")[0] for text in [*texts, *self.plan["baselines"]]}


@dataclass(frozen=True)
class Census:
    """Which images a run has so far.

    Attributes:
        images: how many; of ROAR, trainings.
        labels: classes that they are of, in the data set's order.
        failures: measure, what went wrong and how often.
    """

    images: int
    labels: tuple[str, ...]
    failures: tuple[tuple[str, str, int], ...]


def titled(text: str) -> str:
    """Return the title of a strategy as ``core.studies`` writes it, or of a baseline."""
    try:
        return Strategy.parse(text).title
    except PathwayError:  # a baseline, or a method of another version
        return ORIGINAL if text == "original" else text


def find_runs() -> tuple[dict[str, Run], list[str]]:
    """Return all runs by name, and what is wrong with folders that hold none that can be read."""
    found: dict[str, Run] = {}
    problems = []
    for folder in _folders():
        try:
            run = Run(_free(folder.name, found), folder, Store(folder).manifest, _stamp(folder))
            _ = (run.planned, run.measures, run.methods, run.sparsities, run.sites, run.classes)
        except PathwayError as problem:
            problems.append(str(problem))
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            problems.append(f"{folder / 'manifest.json'} is not a study's ({type(problem).__name__}: {problem}).")
        else:
            found[run.name] = run
    return found, problems


def _folders() -> Iterator[Path]:
    """Yield the folders that hold a manifest, the embedded ones first."""
    listed = os.environ.get("PATHWAY_STUDIES", "").split(os.pathsep)
    for home in [EMBEDDED, *(Path(each) for each in listed if each)]:
        if (home / "manifest.json").is_file():
            yield home
        elif home.is_dir():
            yield from sorted(path.parent for path in home.glob("*/manifest.json"))


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return the names, times and sizes of a run's files."""
    paths = [*sorted((folder / "rows").glob("part-*.parquet")), folder / "agreement.parquet"]
    facts = [(path.name, path.stat()) for path in paths if path.exists()]
    return tuple((name, fact.st_mtime_ns, fact.st_size) for name, fact in facts)


def _free(name: str, taken: Mapping[str, object]) -> str:
    """Return a name for a run that no other has and that a link can hold."""
    name = "".join(c if c.isprintable() and c != "~" else "_" for c in name)[:70]
    return next(n for n in [name, *(f"{name} ({i})" for i in range(2, len(taken) + 3))] if n not in taken)


def census(run: Run) -> Census:
    """Return which images a run has; errors as for ``read``."""
    return cache.RESULTS.get(("census", run.folder, run.stamp), lambda: _census(run))


def _census(run: Run) -> Census:
    wanted = [CENSUS[measure] for measure in run.measures if measure in CENSUS][:1]
    rows = _table(run, measure=[*wanted, *FAILED])
    failures: tuple[tuple[str, str, int], ...] = ()
    if run.stamp and Store(run.folder).errors():
        everything = _table(run, measure=[*wanted, *FAILED, *run.measures])
        failed = everything[everything["error"] != ""]
        counts = failed.groupby(["measure", "error"], observed=True, sort=False).size()
        failures = tuple((str(measure), str(error), int(n)) for (measure, error), n in counts.items())
    there = set(rows["label"].unique())
    images = len(rows) if run.is_roar else rows["index"].nunique()
    return Census(images, tuple(label for label in run.classes if label in there), failures)


def read(run: Run, measures: Sequence[str], *, overall: bool = True) -> pd.DataFrame:
    """Return the rows of some measures that hold a number, with the title of each row's method in ``who``.

    All sessions share them; they are never written to.

    Args:
        run: whose.
        measures: of its rows.
        overall: whether only those about all sites together are wanted; else those of each site.

    Raises:
        PathwayError: a file is damaged; names it.
    """
    key = ("rows", run.folder, run.stamp, tuple(measures), overall)
    return cache.RESULTS.get(key, lambda: _rows(run, measures, overall))


def _rows(run: Run, measures: Sequence[str], overall: bool) -> pd.DataFrame:
    sites = [""] if overall else run.sites or ["none"]  # of an empty list Arrow does not know the type
    table = _table(run, measure=list(measures), site=sites)
    table = table[(table["error"] == "") & table["value"].notna()].drop(columns="error")
    pairs = table[["method", "options"]].drop_duplicates()
    titles = {(method, options): titled(written(method, options)) for method, options in pairs.itertuples(index=False)}
    named = [titles[pair] for pair in zip(table["method"], table["options"], strict=True)]
    return table.assign(who=pd.Categorical(named)).reset_index(drop=True)


def _table(run: Run, **wanted: Sequence[Any]) -> pd.DataFrame:
    return Store(run.folder).rows(**wanted).select(COLUMNS).to_pandas()
