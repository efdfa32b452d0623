"""The Studies page as Streamlit runs it: every part of a real run, filters, links, what is damaged, ways to Explore."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy import stats
from streamlit.testing.v1 import AppTest

from core.strategy import Strategy
from core.studies import Loader, Serial, Store, Study, interval, run
from core.studies.roar import RANDOM, Roar
from core.studies.rows import Rows
from explorer import ui
from explorer.compute.export import Provenance
from explorer.plots.palette import Theme
from explorer.plots.words import percent, ratio
from explorer.ui import session
from explorer.views.paper import tables
from explorer.views.studies import runs
from tests.app import alts, captions, link, opened, pills, ran, sections, view, warnings

MEASURES = ("fidelity", "overlap", "class-agreement", "linear-radius", "lerf", "insertion", "sensitivity-n")
SECTIONS = [
    "What holds over many images?",
    "Do methods choose the same neurons?",
    "How many of the neurons chosen are dead?",
    "Where in the network do pathways run?",
    "Does the pathway keep the answer?",
    "What if the pixels that matter, or do not, are replaced?",
    "Do attributions add up to what the response loses?",
    "Do images of one class share pathways?",
    "Which methods differ, image by image?",
    "How far do single images lie apart?",
    "How far around an image is the network linear?",
]
ROAR = "Does accuracy fall where the evidence was removed?"
ACCURACIES = {"NeuronMCT": (0.8, 0.5), "Gradient": (0.85, 0.7), RANDOM: (0.88, 0.8)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: "small" of all measures, "other" of a few, and "roar"."""
    folder = tmp_path_factory.mktemp("studies")
    torch.manual_seed(0)
    strategies = (Strategy("NeuronMCT"), Strategy("NeuronIntGrad", (("n_steps", 2),)), Strategy("Random"))
    common = {"dataset": "fashion-mnist", "network": "fashion_vgg", "strategies": strategies}
    small = Study(**common, baselines=("Gradient",), sparsities=(0.8, 0.9), measures=MEASURES, count=7, seed=3, batch=4)
    other = Study(**common, sparsities=(0.9, 0.995), measures=("fidelity",), count=3, batch=2)
    for name, study in {"small": small, "other": other}.items():
        load = Loader.of(study)
        run(study, folder / name, Serial(load), load(), command=f"python -m explorer study --out {name}")
    write_roar(folder / "roar")
    return folder


def write_roar(folder: Path) -> None:
    plan = Roar(methods=tuple(ACCURACIES), fractions=(0.1, 0.5), seeds=2)
    folder.mkdir()
    manifest = {
        "kind": "roar",
        "roar": asdict(plan),
        "fingerprint": "f",
        "command": "python -m explorer roar",
        "dataset": {"name": "fashion-mnist", "train": 2000, "test": 500, "classes": ["bag"]},
        "network": {"name": "small VGG, retrained", "weights_hash": "", "sites": {}},
        "versions": "torch 2",
        "started": "2026-11-23T06:00:00+00:00",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for number, (method, place, seed) in enumerate(plan.trainings):
        rows = Rows.begun(part=number, dataset="fashion-mnist", network="small VGG, retrained", off="zero")
        value = (ACCURACIES[method][place] if method else 0.9) + (0.01 if seed else -0.01)
        rows.common["weights_hash"] = ""
        rows.add("roar_accuracy", value, method=method, other=f"seed {seed}", x=plan.fractions[place] if method else 0)
        Store(folder).write(number, rows.table(), None)


@pytest.fixture
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(runs, "EMBEDDED", tmp_path / "none")
    monkeypatch.setenv("PATHWAY_STUDIES", str(home))
    return home


@pytest.fixture(scope="module")
def rows(home: Path) -> pd.DataFrame:
    """Everything that the run "small" measured, from core alone."""
    return Store(home / "small").rows().to_pandas()


def studies(**params: str) -> AppTest:
    return opened(params, "studies")


def table(at: AppTest, *columns: str) -> pd.DataFrame:
    """The table behind a chart that has these columns."""
    (found,) = (t.value for t in at.dataframe if set(columns) <= set(t.value.columns))
    return found


def values(rows: pd.DataFrame, measure: str, **where: object) -> Any:
    chosen = rows[(rows["measure"] == measure) & (rows["error"] == "")]
    for column, value in ({"site": ""} | where).items():
        chosen = chosen[chosen[column] == value]
    return chosen["value"].to_numpy()


# -------------------------------------------------------------------------------------------------------------- parts


def ramps(at: AppTest) -> list[list[list[Any]]]:
    traces = [trace for chart in at.get("plotly_chart") for trace in json.loads(chart.proto.spec)["data"]]
    return [trace["colorscale"] for trace in traces if trace["type"] == "heatmap"]


def test_matrices_have_the_colours_of_the_page_they_are_on(at_home, monkeypatch):
    for dark in (False, True):
        monkeypatch.setattr(session, "theme", lambda dark=dark: Theme(dark))
        shown = ramps(studies(runs="small"))
        assert len(shown) == 3  # of methods, of classes, and of differences
        expected = [Theme(dark).ramp, Theme(dark).ramp, Theme(dark).signs]
        assert [[colour for _, colour in each] for each in shown] == expected


def test_every_part_is_shown_with_its_numbers_in_words_and_what_they_are_of(at_home, rows):
    at = studies(runs="small~roar")
    assert sections(at) == [*SECTIONS, ROAR]
    charts = at.get("plotly_chart")
    assert len(charts) == 14
    assert all(len(chart.proto.alt) > 60 for chart in charts)
    assert all(
        "fashion_vgg on fashion-mnist, 7 images" in c.proto.alt for c in charts[1:-1] if "paper" not in c.proto.alt
    )
    assert captions(at).count("Ours: fashion_vgg on fashion-mnist, 7 images") >= 10
    assert captions(at).count("VGG16, mean of 1000 ImageNet validation images, sparsity 90 %") == 2
    assert warnings(at) == ""
    dead = values(rows, "dead_share", method="Random", sparsity=0.9)
    low, high = interval(dead)
    said = f"{percent(dead.mean())} ({percent(low)} to {percent(high)}, n = 7)"
    assert f"Random, ours, fashion_vgg on fashion-mnist, {said}" in alts(at)
    assert "Random in the paper 59.5 %" in alts(at)
    ratios = values(rows, "p_ratio", method="NeuronMCT", sparsity=0.8)
    assert (
        f"NeuronMCT at 80.0 % median {ratio(float(np.median(ratios)))}, geometric mean {ratio(stats.gmean(ratios))}"
        in alts(at)
    )


def test_methods_are_compared_on_the_same_images(at_home, rows):
    at = studies(runs="small", compared="dead_share")
    found = table(at, "mean difference", "p adjusted (Holm)")
    assert len(found) == 3
    row = found[(found["first"] == "Random") & (found["second"] == "NeuronMCT")].iloc[0]
    one, other = (values(rows, "dead_share", method=method, sparsity=0.9) for method in ("Random", "NeuronMCT"))
    assert row["mean difference"] == pytest.approx((one - other).mean())
    assert row["p"] == pytest.approx(stats.ttest_rel(one, other).pvalue)
    assert row["images"] == 7
    assert f"Random against NeuronMCT {100 * (one - other).mean():+.1f} (" in alts(at)
    assert "adjusted by Holm's method for 3 comparisons" in captions(at)
    at.selectbox(key="study_compared").set_value("p_ratio")
    ran(at)
    assert view(at).compared == "p_ratio"
    ratios = table(at, "ratio of geometric means").iloc[0]
    ours = [
        values(rows, "p_ratio", method=method, sparsity=0.9) for method in (ratios["first"].split(" ")[0], "NeuronMCT")
    ]
    assert ratios["ratio of geometric means"] == pytest.approx(stats.gmean(ours[0]) / stats.gmean(ours[1]))


def test_too_few_images_are_said(at_home):
    at = studies(runs="other", compared="dead_share")
    assert "n = 3: too few for a test" in alts(at)
    assert "(n = 3: too few for an interval)" in alts(at)
    assert "n = 3 each (no interval below n = 5)" in captions(at)


def test_agreement_has_its_own_intervals_and_older_files_none(at_home, rows, tmp_path, monkeypatch):
    of_all = {
        part: values(rows, f"same_class_overlap_{part}", method="NeuronMCT", sparsity=0.9, label="")
        for part in ("mean", "low", "high")
    }
    mean, low, high = (percent(float(v[0])) for v in of_all.values())
    at = studies(runs="small")
    assert f"NeuronMCT with its own class {mean} ({low} to {high}, n = " in alts(at)
    shutil.copytree(at_home / "small", tmp_path / "old")
    file = tmp_path / "old" / "agreement.parquet"
    before = pq.read_table(file)
    kept = ~before.to_pandas()["measure"].astype(str).str.contains("_overlap_")
    pq.write_table(before.filter(pa.array(kept)), file)
    monkeypatch.setenv("PATHWAY_STUDIES", str(tmp_path / "old"))
    at = studies(runs="old")
    assert warnings(at) == ""
    assert "no interval in this run's files" in alts(at)
    assert "this run's files hold no intervals" in captions(at)


def test_the_facts_of_a_run(at_home):
    at = studies(runs="other")
    facts = "\n".join(element.value for element in at.html)
    assert "<dd>3 of 10,000</dd>" in facts
    assert "<dd>90 %, 99.5 %</dd>" in facts
    assert "NeuronIntGrad (n steps=2)" in captions(at) or "NeuronIntGrad (n_steps=2)" in captions(at)
    assert "python -m explorer study --out other" in [code.value for code in at.code]
    assert sections(at) == [SECTIONS[i] for i in (0, 2, 3, 4, 8, 9)]  # those that this run measured


def test_the_papers_areas_and_overlaps_stand_beside_ours(at_home, rows):
    at = studies(runs="small")
    pairs, areas = (t.value.to_dict("records") for t in at.table)
    ours = values(rows, "overlap", method="NeuronMCT", other="NeuronIntGrad:n_steps=2", sparsity=0.9).mean()
    assert pairs[0] == {
        "pair": "NeuronMCT & NeuronIntGrad (n_steps=2)",
        "paper": "65.9 %",
        "labels exchanged": "65.9 %",
        "ours": percent(ours),
    }
    assert [row["method"] for row in areas] == ["NeuronMCT", "NeuronIntGrad (n_steps=2)", "Random", "Gradient"]
    area = values(rows, "lerf_area_10", method="Gradient").mean()
    assert areas[3]["ours"] == f"{area:.4f}"
    printed = tables()["lerf_imagenet"]["rows"]["Gradients"][-1]
    assert areas[3]["paper, ImageNet, ResNet50"] == f"{printed:.4f}"
    assert areas[2]["paper, Birdsnap"] == ""


def test_roar_stands_beside_the_papers(at_home):
    at = studies(runs="roar")
    assert sections(at) == [SECTIONS[0], ROAR]
    assert "unchanged images 90.0 %; NeuronMCT at 10 % removed 80.0 %; NeuronMCT at 50 % removed 50.0 %" in alts(at)
    ours = table(at, "removed", "accuracy", "lowest", "highest")
    row = ours[(ours["method"] == RANDOM) & (ours["removed"] == 0.5)].iloc[0]
    assert (row["accuracy"], row["lowest"], row["highest"], row["trainings"]) == pytest.approx((0.8, 0.79, 0.81, 2))
    assert "one training a point, other networks and data than ours" in captions(at)
    assert row["standard deviation"] == pytest.approx(0.02 / 2**0.5)
    test_set = stats.binomtest(400, 500).proportion_ci(method="wilson")  # 0.8 of 500 test images
    assert (row["test low"], row["test high"]) == pytest.approx((test_set.low, test_set.high))
    assert "measured on 500 test images, the test set's own error" in captions(at)
    assert "from the lowest to the highest training" in captions(at)
    theirs = next(t.value for t in at.dataframe if "30 %" in t.value.columns)
    assert theirs.iloc[5][["data", "method", "0 %", "90 %"]].tolist() == [
        "CIFAR-10, ResNet8",
        "NeuronMCT",
        "84.36",
        "44.39",
    ]


def test_runs_stay_apart(at_home):
    at = studies(runs="small~other")
    dead = table(at, "method", "dead share", "median", "run")
    assert set(dead["run"]) == {"the paper's poster", "small", "other"}
    assert sorted(dead.loc[dead["method"] == "Random", "images"].dropna()) == [3, 7]
    ratios = [c for c in at.get("plotly_chart") if c.proto.alt.startswith("Probability ratio")]
    assert ["7 images" in ratios[0].proto.alt, "3 images" in ratios[1].proto.alt] == [True, True]


# ------------------------------------------------------------------------------------------------------------ filters


def test_a_class_alone_is_what_pandas_says(at_home, rows):
    label = rows.loc[rows["label"] != "", "label"].value_counts().index[0]
    at = studies(runs="small")
    at.selectbox(key="studied_label").set_value(label)
    at = ran(at)
    assert link(at)["label"] == label
    chosen = rows[(rows["label"] == label) & (rows["measure"] == "prediction_kept") & (rows["method"] == "NeuronMCT")]
    expected = chosen.groupby("sparsity")["value"].mean()
    shown = table(at, "prediction kept")
    shown = shown[shown["method"] == "NeuronMCT"].set_index("sparsity")["prediction kept"]
    pd.testing.assert_series_equal(shown, expected, check_names=False)
    images = chosen["index"].nunique()
    assert images < 7
    assert f"{images} image{'s' if images > 1 else ''} of class {label}" in captions(at)


def test_a_sparsity_is_chosen_and_in_the_link(at_home, rows):
    at = studies(runs="small")
    assert pills(at, "Sparsity").value == 0.9
    pills(at, "Sparsity").set_value(0.8)
    at = ran(at)
    assert link(at) == {"runs": "small", "sparsity": "0.8"}
    shares = values(rows, "dead_share", method="Random", sparsity=0.8)
    found = table(at, "method", "dead share", "median", "run").set_index(["run", "method"])
    assert found.loc[("small", "Random"), "dead share"] == pytest.approx(shares.mean())


def test_a_sparsity_that_other_pages_do_not_have_is_shown_and_leaves_theirs(at_home):
    at = studies(runs="other", sparsity="0.5")
    assert pills(at, "Sparsity").value == 0.9  # the run has none at the view's
    pills(at, "Sparsity").set_value(0.995)
    at = ran(at)
    assert pills(at, "Sparsity").value == 0.995
    assert (view(at).sparsity, view(at).studied_at) == (0.5, 0.995)
    assert "sparsity 99.5 %" in captions(at)
    again = studies(**link(at))
    assert (view(again), alts(again)) == (view(at), alts(at))


def test_a_run_without_the_sparsity_is_said_to_be_left_out(at_home):
    at = studies(runs="small~other", studied_at="0.995")
    assert "no pathways at the sparsity chosen" in warnings(at)
    assert "Mean overlap of every two methods" not in alts(at)


def test_everything_chosen_comes_back_with_the_link(at_home):
    at = studies(runs="small~other")
    at.selectbox(key="study_spread").set_value("overlap")
    at = ran(at)
    at.selectbox(key="study_partner_0").set_value("Random")
    at = ran(at)
    pills(at, "Order").set_value("insertion")
    pills(at, "Pixels").set_value(False)
    at = ran(at)
    chosen = view(at)
    assert (chosen.spread, chosen.closer, chosen.order, chosen.near) == ("overlap", "Random", "insertion", False)
    assert "Insertion, fashion_vgg" in alts(at)
    again = studies(**link(at))
    assert (view(again), alts(again)) == (chosen, alts(at))


def test_other_runs_are_chosen(at_home):
    at = studies()
    assert at.multiselect(key="studied_runs").options == ["other", "roar", "small"]
    assert at.multiselect(key="studied_runs").value == ["other"]
    at.multiselect(key="studied_runs").set_value(["roar"])
    at = ran(at)
    assert link(at)["runs"] == "roar"
    at = opened({"runs": "gone~small", "label": "no such"}, "studies", followed=False)
    assert "runs that are not here: gone" in warnings(at)
    assert "No image here is of class no such" in warnings(at)
    assert view(at).runs == ("gone", "small")


# ------------------------------------------------------------------------------------------------- damaged and missing


def test_where_no_run_is_the_page_says_how_to_make_one(monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "EMBEDDED", tmp_path / "none")
    monkeypatch.setenv("PATHWAY_STUDIES", str(tmp_path))
    at = studies()
    assert "There is no run" in at.info[0].value
    assert "python -m explorer study --help" in at.code[0].value
    assert len(at.get("plotly_chart")) == 0


def test_damaged_runs_are_named_and_the_others_work(at_home, monkeypatch, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(at_home / "other", broken / "cut off")
    part = broken / "cut off" / "rows" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:200])
    for name, text in {"no json": "{", "no study": "[]", "half": '{"study": {}}'}.items():
        (broken / name).mkdir()
        (broken / name / "manifest.json").write_text(text)
    monkeypatch.setenv("PATHWAY_STUDIES", f"{broken}:{at_home / 'small'}")
    at = studies(runs="cut off~small")
    said = warnings(at)
    assert "The run cut off cannot be shown" in said
    assert "part-00001.parquet" in said
    assert all(f"{name}" in said for name in ("no json", "no study", "half"))
    assert sections(at) == SECTIONS
    at = studies(runs="cut off")
    assert "part-00001.parquet" in warnings(at)
    assert sections(at) == SECTIONS[:1]


def test_an_unfinished_run_says_how_much_is_there_and_failures_are_listed(at_home, monkeypatch, tmp_path):
    shutil.copytree(at_home / "other", tmp_path / "other")
    (tmp_path / "other" / "rows" / "part-00001.parquet").unlink()
    study = Study("fashion-mnist", "fashion_vgg", strategies=(Strategy("NeuronMCT"),), sparsities=(0.9,))
    failed = Rows.of(study, Loader.of(study)(), 2, "fashion-mnist")
    for index in (5, 6):
        failed.fail("image", ValueError("it is cut off"), index=index, image=f"{index:05d}")
    Store(tmp_path / "other").write(2, failed.table(), None)
    monkeypatch.setenv("PATHWAY_STUDIES", str(tmp_path))
    at = studies()
    assert [e.label for e in at.expander] == ["Command", ":material/error: 2 failures"]
    assert at.table[0].value.to_dict("records") == [{"measure": "image", "times": 2, "error": "it is cut off"}]
    assert "3 of 10,000" not in "\n".join(element.value for element in at.html)


# -------------------------------------------------------------------------------------------------- images, and files


def buttons(at: AppTest, side: str) -> Sequence[Any]:
    return [b for b in at.button if b.key and b.key.startswith(f"open_{side}")]


def test_an_outlier_opens_explore_with_the_view_that_shows_it(at_home, rows):
    at = studies(runs="small", sparsity="0.8", spread="dead_share")
    highest = rows[(rows["measure"] == "dead_share") & (rows["site"] == "") & (rows["sparsity"] == 0.8)]
    top = highest.sort_values("value", kind="stable").iloc[-1]
    found = buttons(at, "Highest")
    assert len(found) == 4
    name = f"fashion-mnist:{top['index']}"
    assert re.sub(r"\\", "", found[0].label).startswith(f"**{name}** Random {percent(top['value'])}")
    found[0].click()
    at = ran(at)
    assert at.session_state["page"] in ("", "explore")
    shown = view(at)
    assert (shown.network, shown.image, shown.sparsity) == ("fashion_vgg", name, 0.8)
    assert (shown.first, shown.second, shown.target) == ("NeuronMCT", "Random", None)
    assert warnings(at) == ""


def test_images_of_a_data_set_that_is_not_registered_are_named_but_not_opened(at_home, monkeypatch, tmp_path):
    shutil.copytree(at_home / "other", tmp_path / "other")
    manifest = json.loads((tmp_path / "other" / "manifest.json").read_text())
    manifest["dataset"]["name"] = "shoes"
    (tmp_path / "other" / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("PATHWAY_STUDIES", str(tmp_path))
    at = studies()
    assert buttons(at, "Highest") == []
    assert "--dataset shoes=FOLDER" in captions(at)


def test_the_csv_is_the_table_with_what_it_was_made_from(at_home, monkeypatch):
    made: dict[str, Any] = {}

    def taken(rows: Any, made_from: Provenance, key: str) -> None:
        made[made_from.file_name("csv")] = (rows, made_from.facts)

    monkeypatch.setattr(ui, "offer_table", taken)
    studies(runs="small")
    rows, made_from = made["study-small-dead_share.csv"]
    (about,) = made_from["runs"]
    assert (about["run"], about["network"], about["images"], about["sparsity_shown"]) == (
        "small",
        "fashion_vgg",
        7,
        0.9,
    )
    assert about["plan"]["strategies"][1] == {"method": "NeuronIntGrad", "options": {"n_steps": 2}}
    monkeypatch.undo()
    monkeypatch.setattr(runs, "EMBEDDED", at_home)
    at = studies(runs="small")
    pd.testing.assert_frame_equal(
        table(at, "method", "dead share", "median", "run"), pd.DataFrame(rows), check_dtype=False
    )
