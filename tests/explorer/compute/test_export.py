"""Files to take away: what is in them comes back out, with what made it."""

from __future__ import annotations

import csv
import io
import json
import re
from importlib.metadata import version

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.data.images import image_hash
from core.data.preprocessing import Preprocessing
from core.network import Network, trace
from core.pathways.ranking import rank
from core.pathways.scores import Scores
from core.strategy import Strategy
from explorer.compute import export, rankings, restriction
from explorer.compute.rankings import Scored, Selection
from explorer.compute.restriction import Answer
from explorer.compute.scene import Scene, make_scene
from explorer.state.view import View
from tests.networks import SHAPE, TOYS, seeded

MADE_FROM = {
    "network": "squeezenet1_1",
    "target_name": "Küvasz, dog",
    "options": {"steps": 20},
    "crop": [0.5, 0.5, 1.0],
}


@pytest.fixture(scope="module")
def network() -> Network:
    classes = ["cat", "dog", "Küvasz, dog", "fish"]
    preprocessing = Preprocessing(size=8, resize=8)
    return trace(seeded(TOYS["Residual"]()), SHAPE, name="toy", preprocessing=preprocessing, class_names=classes)


def test_arrays_come_back_from_npz_with_what_made_them():
    values = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    with np.load(io.BytesIO(export.npz_file({"map": values}, MADE_FROM)), allow_pickle=False) as read:
        assert set(read) == {"map", "made_from"}
        assert read["map"].dtype == np.float32
        np.testing.assert_array_equal(read["map"], values)
        assert json.loads(str(read["made_from"])) == MADE_FROM


def test_rows_come_back_from_csv_below_what_made_them():
    rows = [
        {"site": "features.1", "channel": 3, "score": 0.1 + 0.2, "rank, Random": None},
        {"site": 'odd, "name"', "channel": 0, "score": 1e-30, "rank, Random": 7},
    ]
    text = export.csv_file(rows, MADE_FROM).decode("utf-8")
    lines = text.splitlines()
    assert lines[:4] == [
        '# network: "squeezenet1_1"',
        '# target_name: "K\\u00fcvasz, dog"',
        '# options: {"steps": 20}',
        "# crop: [0.5, 0.5, 1.0]",
    ]
    read = list(csv.DictReader(lines[4:]))
    assert [list(row) for row in read] == [["site", "channel", "score", "rank, Random"]] * 2
    assert [float(row["score"]) for row in read] == [0.1 + 0.2, 1e-30]
    assert [row["rank, Random"] for row in read] == ["", "7"]
    assert read[1]["site"] == 'odd, "name"'


def test_a_note_cannot_begin_a_row_of_its_own():
    text = export.csv_file([{"a": 1}], {"name": "two\nlines\r, three"}).decode()
    assert text.splitlines() == ['# name: "two\\nlines\\r, three"', "a", "1"]


def test_no_rows_are_still_a_file():
    assert export.csv_file([], {}).decode().split() == ["empty"]


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("chelsea", "squeezenet1_1", "NeuronMCT", "neurons.csv"), "chelsea-squeezenet1_1-NeuronMCT-neurons.csv"),
        (("upload-ab12", "my net/v2", "GreedyPruning (steps=20)"), "upload_ab12-my_net_v2-GreedyPruning__steps_20_"),
        (("..\\..", "/etc:passwd", '<>"|?*'), ".._..-_etc_passwd-______"),
    ],
)
def test_file_names(parts, name):
    assert export.file_name(*parts) == name


def test_files_are_named_after_what_they_are_about():
    made = export.Provenance(("chelsea", "vgg"), {"target": 3})
    mask = made.about("NeuronMCT", "masks") | {"site": "relu1"}
    assert mask.file_name("png") == "chelsea-vgg-NeuronMCT-masks.png"
    assert mask.facts == {"target": 3, "site": "relu1"}
    assert (made.file_name("csv"), made.facts) == ("chelsea-vgg.csv", {"target": 3})


@given(st.lists(st.text(max_size=30), min_size=2, max_size=4))
def test_no_file_name_holds_what_some_system_forbids(parts):
    name = export.file_name(*parts)
    assert not re.search(r'[\x00-\x1f\x7f/\\:*?"<>|\s]', name)
    assert name.count("-") == len(parts) - 1


def test_provenance_names_everything_it_takes_to_make_it_again(network):
    photo = Image.fromarray(np.random.default_rng(1).integers(0, 256, (8, 10, 3), np.uint8))
    view = View(image="noise", target=2, sparsity=0.5, off="frozen", x=0.25)
    scene = make_scene(network, photo, view.crop, 2)
    scored = rankings.scores_now(scene, Strategy.of("Random", seed=3))
    answer = restriction.answer(scene, scored, view.sparsity, view.off)
    made = export.provenance(scene, view, scored, answer).facts
    assert json.loads(json.dumps(made)) == made
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", str(made.pop("made")))
    assert float(str(made.pop("method_seconds"))) >= 0
    assert made == {
        "software": "Pathway Explorer",
        "network": "toy",
        "weights": "",
        "image": "noise",
        "image_hash": image_hash(photo),
        "crop": [0.25, 0.5, 1.0],
        "target": 2,
        "target_name": "Küvasz, dog",
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "torch": version("torch"),
        "method": "Random",
        "options": {"seed": 3},
        "complete": True,
        "sparsity_asked": 0.5,
        "sparsity": 0.5,
        "off": "frozen",
        "p_ratio": pytest.approx(1.0),
        "prediction_kept": True,
        "near_chance": False,
        "logit_before": pytest.approx(float(scene.original.logits[0, scene.target])),
        "logit": pytest.approx(float(answer.restricted.logits[0, scene.target])),
        "rival_logit_before": pytest.approx(rival(scene, scene.original.logits)),
        "rival_logit": pytest.approx(rival(scene, answer.restricted.logits)),
        "dead_share": pytest.approx(answer.dead_share),
        "ties": 0,
    }
    plain = export.provenance(scene, view).facts
    assert "method" not in plain
    assert "sparsity" not in plain
    assert torch.is_tensor(scene.image)


# ------------------------------------------------------------------------------------------------- several strategies

PHOTO = Image.fromarray(np.random.default_rng(5).integers(0, 256, (8, 10, 3), np.uint8))
Answered = tuple[Selection, Answer]


@pytest.fixture(scope="module")
def scene(network: Network) -> Scene:
    return make_scene(network, PHOTO, View().crop, 2)


def answered(scene: Scene, selection: Selection, sparsity: float = 0.5) -> Answered:
    return selection, restriction.answer(scene, selection, sparsity, "zero")


def asked(scene: Scene, strategy: Strategy) -> Answered:
    selection = rankings.scores_now(scene, strategy) if strategy.method else rankings.reference(scene, strategy)
    return answered(scene, selection)


def nothing(scene: Scene) -> Answered:
    """A pathway without neurons, whose dead share is not a number, as cancelled work may have left it."""
    none = rank(Scores([torch.zeros(site.shape) for site in scene.network.sites], keeps_zeros=False))
    return answered(scene, Scored(("export", "none"), Strategy.of("DGR(init=r)", seed=7), none, (), 1.23456, False))


def rival(scene: Scene, logits: torch.Tensor) -> float:
    return max(logit for i, logit in enumerate(logits[0].tolist()) if i != scene.target)


def come_back(made: dict[str, object]) -> dict[str, object]:
    """Through JSON as others read it, which has no word for NaN."""
    return json.loads(json.dumps(made, allow_nan=False))


def test_provenance_of_a_comparison_names_each_strategy_in_its_order(scene):
    view = View(image="noise", sparsity=0.5, target=2)
    columns = [
        asked(scene, Strategy("Original")),
        nothing(scene),
        asked(scene, Strategy.of("Random", seed=3)),
        asked(scene, Strategy("ActiveSubnet")),
    ]
    made = export.provenance_of_all(scene, view, columns).facts
    assert come_back(made) == made
    assert (made["sparsity_asked"], made["off"]) == (0.5, "zero")
    for part in made["columns"]:
        assert set(part) == {
            "method",
            "options",
            "method_seconds",
            "complete",
            "sparsity",
            "p_ratio",
            "prediction_kept",
            "dead_share",
            "ties",
            "near_chance",
            "logit_before",
            "logit",
            "rival_logit_before",
            "rival_logit",
        }
    original, none, random, active = made["columns"]
    assert original == {
        "method": "Original",
        "options": {},
        "method_seconds": 0.0,
        "complete": True,
        "sparsity": 0.0,
        "p_ratio": 1.0,
        "prediction_kept": True,
        "dead_share": pytest.approx(scene.dead_share),
        "ties": 0,
        "near_chance": False,
        "logit_before": original["logit"],
        "logit": pytest.approx(float(scene.original.logits[0, scene.target])),
        "rival_logit_before": original["rival_logit"],
        "rival_logit": pytest.approx(rival(scene, scene.original.logits)),
    }
    assert (none["method"], none["options"]) == ("DGR(init=r)", {"iterations": 0, "per_channel": 0, "seed": 7})
    assert (none["method_seconds"], none["complete"]) == (1.2346, False)
    assert (none["sparsity"], none["dead_share"], none["ties"]) == (1.0, None, 0)
    assert (random["method"], random["options"], random["sparsity"]) == ("Random", {"seed": 3}, 0.5)
    assert (active["method"], active["options"], active["dead_share"]) == ("ActiveSubnet", {}, 0.0)
    alone = export.provenance(scene, view).facts
    assert {name: value for name, value in made.items() if name in alone and name != "made"} == {
        name: value for name, value in alone.items() if name != "made"
    }


def test_a_comparison_says_at_what_sparsity_it_was_asked(scene):
    made = export.provenance_of_all(scene, View(sparsity=0.7), [asked(scene, Strategy("Original"))]).facts
    assert made["sparsity_asked"] == 0.7
    assert made["columns"][0]["sparsity"] == 0.0


def test_what_is_of_many_sparsities_names_none(scene):
    selection, _ = asked(scene, Strategy("NeuronMCT"))
    made = export.provenance_of_all(scene, View(), [(selection, None)]).facts
    assert "sparsity_asked" not in made
    assert not {"sparsity", "p_ratio", "dead_share"} & set(made["columns"][0])
    assert made["columns"][0]["method"] == "NeuronMCT"


def test_provenance_of_no_strategies_is_that_of_the_scene(scene):
    made = export.provenance_of_all(scene, View(off="frozen"), []).facts
    assert (made["columns"], made["off"]) == ([], "frozen")
    assert come_back(made) == made


def test_provenance_of_a_reference(scene):
    made = export.provenance(scene, View(), *asked(scene, Strategy("ActiveSubnet"))).facts
    assert come_back(made) == made
    assert (made["method"], made["options"], made["complete"]) == ("ActiveSubnet", {}, True)
    assert made["sparsity"] == pytest.approx(scene.dead_share)


def test_a_row_is_flat_and_every_strategys_has_the_same_columns(scene):
    strategies = [Strategy("Original"), Strategy.of("Random", seed=3), Strategy("NeuronMCT")]
    rows = [*(export.row(*asked(scene, strategy)) for strategy in strategies), export.row(*nothing(scene))]
    assert all(come_back(row) == row for row in rows)
    assert not any(isinstance(value, dict | list | tuple) for row in rows for value in row.values())
    assert len({tuple(row) for row in rows}) == 1
    read = list(csv.DictReader(io.StringIO(export.csv_file(rows, {}).decode())))
    assert [row["method"] for row in read] == ["Original", "Random", "NeuronMCT", "DGR(init=r)"]
    assert [json.loads(row["options"]) for row in read] == [
        {},
        {"seed": 3},
        {},
        {"iterations": 0, "per_channel": 0, "seed": 7},
    ]
    assert [row["dead_share"] for row in read][2:] == ["0.0", ""]
    assert float(read[0]["p_ratio"]) == 1.0
    assert [row["complete"] for row in read] == ["True", "True", "True", "False"]
