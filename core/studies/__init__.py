"""Many images: the paper's experiments as studies, on one core or a cluster, into tables on disk.

    study = Study("fashion-mnist", "fashion_vgg", count=8, measures=("fidelity", "overlap"))
    run(study, "runs/fashion", Serial(Loader.of(study)), load_network("fashion_vgg"))
    table = summarise(Store("runs/fashion").rows(measure=["dead_share"], site=[""]))

A plan says what is measured (``plan``), a pure function measures a few images (``measuring``), an engine distributes
the work (``engine``; ``DaskEngine`` to several processes), and results are Parquet files, written atomically
(``store``).
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
