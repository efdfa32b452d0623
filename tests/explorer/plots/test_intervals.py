"""Many images: intervals that are core's, charts that draw what the numbers were, the view that shows one image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.studies import interval
from core.studies.summary import summarised
from explorer.plots.intervals import Group, Points, banded, interval_bars, spread, whiskered
from explorer.plots.lines import Axis, Line, curves, sparsity_lines
from explorer.plots.matrices import class_matrix
from explorer.plots.palette import LIGHT
from explorer.state.view import View
from explorer.views.studies import runs
from explorer.views.studies.choice import at_sparsity, nearest
from explorer.views.studies.one_image import explored, picked, picture_name
from explorer.views.studies.runs import Run, find_runs, titled

BLUE, ORANGE = "#0072B2", "#E69F00"
NAN, INF = float("nan"), float("inf")

# ------------------------------------------------------------------------------------------------------------ numbers


def test_summaries_by_hand():
    rows = pd.DataFrame(
        {
            "who": pd.Categorical(["b", "a", "b", "a", "b"], ["a", "b", "unused"]),
            "measure": "dead_share",
            "x": [NAN, 1.0, NAN, 1.0, NAN],
            "value": [1.0, 10.0, 2.0, 20.0, 6.0],
            "achieved": [0.9, NAN, 0.8, NAN, 0.7],
        }
    )
    found = summarised(rows, ["who", "x"])
    assert found["who"].tolist() == ["b", "a"]  # as they come
    assert found["mean"].tolist() == [3.0, 15.0]
    assert found["median"].tolist() == [2.0, 15.0]
    assert found["images"].tolist() == [3, 2]
    assert found["achieved"].tolist() == pytest.approx([0.8, NAN], nan_ok=True)
    assert np.isnan(found["x"][0])
    assert np.isnan(found[["low", "high"]]).all().all()  # too few
    six = pd.concat([rows, rows.assign(value=rows["value"] + 1)])
    assert tuple(summarised(six, ["who"]).loc[0, ["low", "high"]]) == interval(np.array([1.0, 2.0, 6.0, 2.0, 3.0, 7.0]))
    assert list(summarised(rows[:0], ["who"]).columns) == ["who", *found.columns[2:]]


# ------------------------------------------------------------------------------------------------------------- charts


def test_a_band_lies_behind_its_line_and_leaves_out_what_has_no_interval():
    lines = [Line("a", BLUE, [0.1, 0.2, 0.3], [0.0, 0.5, 1.0]), Line("b", ORANGE, [0.5], [0.5])]
    figure = curves(lines, Axis("share", percent=True), Axis("kept", percent=True))
    banded(figure, [([0.05, NAN, 0.2], [0.2, NAN, 0.5]), ([NAN], [NAN])], percent=True)
    one, other, first, second = figure.data
    assert [first.name, second.name] == ["a", "b"]
    assert list(one.x) == [0, 100, 100, 0]
    assert list(one.y) == [5, 20, 50, 20]
    assert (one.fill, one.showlegend, one.hoverinfo) == ("toself", False, "skip")
    assert one.fillcolor == "rgba(0, 114, 178, 0.18)"
    assert one.legendgroup == first.legendgroup != second.legendgroup
    assert not other.x


def test_whiskers_reach_from_the_point_to_the_ends():
    figure = sparsity_lines([Line("a", BLUE, [0.5, NAN], [0.8, 0.9])], 0.8, "kept", percent=True)
    whiskered(figure.data[:1], [([0.4, NAN], [0.7, NAN])], percent=True)
    assert list(figure.data[0].error_y.array) == pytest.approx([20, None])
    assert list(figure.data[0].error_y.arrayminus) == pytest.approx([10, None])


def test_bars_of_groups_stand_side_by_side_with_their_numbers_and_whiskers():
    groups = [
        Group("paper", ["#777777", "#777777"], [0.25, NAN]),
        Group("ours", [BLUE, ORANGE], [0.5, 1.0], ([0.4, 1.0], [0.55, 1.0])),
    ]
    figure = interval_bars(["m", "n"], groups, "dead")
    bars = [trace for trace in figure.data if trace.type == "bar" and trace.x[0] is not None]
    texts = [trace for trace in figure.data if trace.type == "scatter"]
    assert [list(bar.y) for bar in bars] == [[25, None], [50, 100]]
    assert list(bars[0].x) == pytest.approx([-0.205, 0.795])
    assert list(bars[1].x) == pytest.approx([0.205, 1.205])
    assert [list(text.text) for text in texts] == [["25.0", ""], ["50.0", "100"]]
    assert [list(text.y) for text in texts] == [[25, None], [pytest.approx(55), 100]]
    assert list(bars[1].error_y.array) == [pytest.approx(5), None]  # an interval of no length has no whisker
    assert list(bars[1].error_y.arrayminus) == [pytest.approx(10), None]
    assert bars[1].customdata[0] == "m<br>ours: 50.00 %, 40.00 to 55.00 %"
    assert bars[0].marker.pattern.shape != bars[1].marker.pattern.shape  # not by colour alone
    assert [trace.name for trace in figure.data if trace.showlegend] == ["paper", "ours"]
    assert figure.layout.yaxis.title.text == "dead, %"


def test_every_image_is_a_point_with_its_own_key():
    columns = [
        Points("a", BLUE, (0.1, 0.2, 0.3), [0.1, 0.3], ["one", "two"], [7, 9]),
        Points("b", ORANGE, (0.5, 0.5, 0.5), [0.5], ["three"], [7]),
    ]
    figure = spread(columns, "dead share", percent=True)
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert [list(trace.y) for trace in points] == [[10, 30], [50]]
    assert [[list(key) for key in trace.customdata] for trace in points] == [[["a", 7], ["a", 9]], [["b", 7]]]
    assert all(abs(x - place) < 0.3 for place, trace in enumerate(points) for x in trace.x)
    frames = [trace for trace in figure.data if trace.fill == "toself"]
    assert list(frames[0].y) == [10, 10, 30, 30, 10]
    assert spread(columns, "dead share", percent=True) == figure  # the same way every time


def test_zeros_stand_at_the_foot_of_a_logarithmic_axis_and_are_named():
    columns = [Points("a", BLUE, (0.0, 0.03, 0.3), [0.0, 0.03, 0.3], [""] * 3, [1, 2, 3])]
    figure = spread(columns, "radius", logarithmic=True)
    assert list(figure.data[0].y) == pytest.approx([0.01, 0.03, 0.3])
    assert figure.layout.yaxis.type == "log"
    assert [note.text for note in figure.layout.annotations] == ["exactly 0"]


def test_classes_against_classes():
    figure = class_matrix(["bag", "coat"], np.array([[0.25, 0.125], [0.125, NAN]]), "overlap", LIGHT)
    (cells,) = figure.data
    assert [list(row) for row in cells.z] == [[25, 12.5], [12.5, None]]
    notes = {(note.x, note.y): (note.text, note.font.color) for note in figure.layout.annotations}
    assert notes == {(0, 0): ("25.0", "#FFFFFF"), (1, 0): ("12.5", "#000000"), (0, 1): ("12.5", "#000000")}
    assert cells.hovertext[0][1] == "bag and coat:<br>overlap 12.50 %"


# -------------------------------------------------------------------------------------------------------------- runs


def a_run(folder: Path, **changes: object) -> Path:
    manifest = {
        "study": {"strategies": [], "baselines": ["Gradient"], "sparsities": [], "measures": ["lerf"], "count": 9},
        "dataset": {"name": "photos", "images": 4, "classes": []},
        "network": {"name": "squeezenet1_1", "weights_hash": "w", "sites": {"a": 3}},
    }
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))
    return folder


def test_runs_are_found_in_folders_of_runs_and_in_runs_and_have_names_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "EMBEDDED", tmp_path / "embedded")
    first, second = a_run(tmp_path / "embedded" / "x~y"), a_run(tmp_path / "mine" / "x_y")
    other = a_run(tmp_path / "alone")
    monkeypatch.setenv("PATHWAY_STUDIES", f"{tmp_path / 'mine'}:{other}:{tmp_path / 'missing'}:")
    found, problems = find_runs()
    assert {name: run.folder for name, run in found.items()} == {"x_y": first, "x_y (2)": second, "alone": other}
    assert problems == []
    run = found["alone"]
    assert (run.planned, run.sparsities, run.methods, run.sites) == (4, [], {"Gradient": "Gradient"}, ["a"])


def test_a_manifest_without_what_it_needs_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "EMBEDDED", tmp_path)
    a_run(tmp_path / "bad", dataset={"name": "photos"})
    assert find_runs() == ({}, [f"{tmp_path / 'bad' / 'manifest.json'} is not a study's (KeyError: 'images')."])


def test_titles_are_those_of_the_other_pages():
    assert titled("NeuronIntGrad:n_steps=5") == "NeuronIntGrad (n_steps=5)"
    assert [titled(text) for text in ("NeuronMCT", "Grad-CAM", "Best:steps=1", "original")] == [
        "NeuronMCT",
        "Grad-CAM",
        "Best:steps=1",
        "original network",
    ]


# -------------------------------------------------------------------------------------------------------------- views


def test_the_sparsity_shown_is_the_views_else_90_percent_else_the_first():
    assert nearest(View(sparsity=0.8), [0.8, 0.9]) == 0.8
    assert nearest(View(sparsity=0.5), [0.8, 0.9]) == 0.9
    assert nearest(View(sparsity=0.5), [0.7, 0.8]) == 0.7
    assert nearest(View(sparsity=0.9, studied_at=0.995), [0.9, 0.995]) == 0.995
    assert at_sparsity(View(sparsity=0.5), 0.995) == View(sparsity=0.5, studied_at=0.995)
    assert at_sparsity(View(studied_at=0.995), 0.8) == View(sparsity=0.8)


def test_explore_shows_a_rows_method_with_its_options_and_its_sparsity():
    view = View(image="fashion-mnist:3", network="fashion_vgg")
    shown = explored(view, "NeuronIntGrad", "n_steps=5", 0.8, None)
    assert (shown.first, shown.sparsity, shown.options) == ("NeuronIntGrad", 0.8, (("NeuronIntGrad.n_steps", 5),))
    assert explored(shown, "NeuronIntGrad", "", 0.8, None).options == ()
    random = explored(view, "Random", "", 0.9, 4)
    assert (random.first, random.second, random.target) == ("NeuronMCT", "Random", 4)
    assert explored(view, "Grad-CAM", "", NAN, None) == view
    assert explored(view, "NeuronMCT", "", 0.9, None, "frozen").off == "frozen"
    pruning = explored(view, "GreedyPruning", "", 0.9, None)
    assert (pruning.first, pruning.second) == ("GreedyPruning", "NeuronMCT")


def test_a_click_is_an_image_that_is_there():
    rows = pd.DataFrame({"who": ["a", "b"], "index": [3, 4]})

    def clicked(*data: object) -> dict[str, object]:
        return {"selection": {"points": [{"customdata": list(data)}]}}

    assert picked(clicked("a", 3), rows) == ("a", 3)
    assert picked(clicked("a", 4), rows) is None
    assert picked(clicked("a"), rows) is None
    assert picked({"selection": {"points": []}}, rows) is None
    assert picked(None, rows) is None


def test_an_image_is_called_by_data_set_and_number_where_it_is_registered(tmp_path):
    def run_of(dataset: str) -> Run:
        return Run("r", tmp_path, {"dataset": {"name": dataset}})

    assert picture_name(run_of("photos"), 0, "chelsea") == "chelsea"
    assert picture_name(run_of("photos"), 0, "../etc") is None
    assert picture_name(run_of("fashion-mnist"), 123, "00123") == "fashion-mnist:123"
    assert picture_name(run_of("fashion-mnist"), 123, "00124") is None  # another data set of that name
    assert picture_name(run_of("shoes"), 1, "00001") is None
