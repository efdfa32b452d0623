"""Many images: the paper's experiments as studies, on one core or a cluster, into tables that last.

    study = Study("fashion-mnist", "fashion_vgg", count=200, measures=("fidelity", "overlap"))
    load = Loader.of(study)
    run(study, "runs/fashion", DaskEngine(load, workers=2), load())
    summarise(Store("runs/fashion").rows(measure=["dead_share"], site=[""]))

What is measured is a plan (``plan``), what a worker does with a few images is a pure function (``measuring``), who
works is an engine (``engine``), and results are Parquet files written at once or not at all (``store``).
"""

from __future__ import annotations

from core.studies.comparison import LEVEL, comparable, compared, holm
from core.studies.engine import DaskEngine, Engine, Serial
from core.studies.intervals import FEWEST, interval, kind_of, wilson
from core.studies.plan import MAPS, MEASURES, Study
from core.studies.running import Estimate, Loader, Outcome, estimate, run
from core.studies.store import Store
from core.studies.summary import AGREED, OF_PAIRS, PLACES, SCALARS, summarise, summarised, why_no_interval

__all__ = [
    "AGREED",
    "FEWEST",
    "LEVEL",
    "MAPS",
    "MEASURES",
    "OF_PAIRS",
    "PLACES",
    "SCALARS",
    "DaskEngine",
    "Engine",
    "Estimate",
    "Loader",
    "Outcome",
    "Serial",
    "Store",
    "Study",
    "comparable",
    "compared",
    "estimate",
    "holm",
    "interval",
    "kind_of",
    "run",
    "summarise",
    "summarised",
    "why_no_interval",
    "wilson",
]
