"""The runs that come with the package: whole, of the networks that come with it, and still what the code computes."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import load_network, open_dataset
from core.methods import METHODS
from core.studies import Store, Study
from core.studies.measuring import measure
from core.studies.roar import Roar

RUNS = Path(__file__).resolve().parents[3] / "assets" / "studies"
STUDIES = ("fashion-mnist", "photos-squeezenet1_1", "photos-efficientnet_lite0")


def test_they_are_small_and_leave_nothing_half_written_behind():
    files = [path for path in RUNS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 8 * 2**20
    assert {path.suffix for path in files} <= {".json", ".parquet"}


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_whole_and_of_the_embedded_network(name):
    store = Store(RUNS / name)
    study, data = Study.from_plan(store.manifest["study"]), open_dataset(store.manifest["study"]["dataset"])
    network = load_network(study.network)
    assert {strategy.name for strategy in study.strategies} == set(METHODS)
    assert study.sparsities == (0.8, 0.9, 0.98)
    assert store.manifest["fingerprint"] == study.fingerprint(network, data)
    assert store.done() == set(range(len(study.parts(network, data))))
    assert store.manifest["command"].startswith("python -m explorer study --images")
    table = store.rows(measure=["overlap"], site=[""], method=["NeuronMCT"], sparsity=[0.9]).to_pandas()
    assert set(table["index"]) == set(study.chosen(len(data)))


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["photos-squeezenet1_1", "photos-efficientnet_lite0"])
def test_todays_code_finds_the_same_numbers(name):
    """Of the first photo, the methods that take no seconds; another machine may round otherwise."""
    store = Store(RUNS / name)
    study = Study.from_plan(store.manifest["study"])
    quick = Study(
        study.dataset, study.network, strategies=(study.strategies[0],), sparsities=(0.9,), measures=("fidelity",)
    )
    network, data = load_network(study.network), open_dataset(study.dataset)
    task = next(quick.tasks(data, quick.parts(network, data), set()))
    found = measure(network, task, data.name).rows.to_pandas()
    kept = store.rows(index=[0], method=["NeuronMCT"], sparsity=[0.9]).to_pandas()
    for wanted in ("p_ratio", "dead_share", "kept_share"):
        got, before = (table[table["measure"] == wanted] for table in (found, kept))
        assert got["site"].tolist() == before["site"].tolist()
        assert got["value"].tolist() == pytest.approx(before["value"].tolist(), rel=1e-3, nan_ok=True)
    assert set(found["image_hash"]) == set(kept["image_hash"])


def test_roar_has_a_row_for_each_training():
    store = Store(RUNS / "roar-fashion-mnist")
    chosen = store.manifest["roar"]
    assert chosen["seeds"] >= 3  # fewer say nothing of the spread
    plan = Roar(**{**chosen, "methods": tuple(chosen["methods"]), "fractions": tuple(chosen["fractions"])})
    assert (plan.train, plan.test, plan.fractions) == (20_000, 5_000, (0.1, 0.3, 0.5, 0.7, 0.9))
    table = store.rows(measure=["roar_accuracy"]).to_pandas()
    assert len(table) == len(plan.trainings)
    assert table["value"].between(0.5, 1).all()
    assert set(table["error"]) == {""}
