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

from core.images import Preprocessing, image_hash
from core.network import Network, trace
from explorer import compute, export
from explorer.view import View
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


@given(st.lists(st.text(max_size=30), min_size=2, max_size=4))
def test_no_file_name_holds_what_some_system_forbids(parts):
    name = export.file_name(*parts)
    assert not re.search(r'[\x00-\x1f\x7f/\\:*?"<>|\s]', name)
    assert name.count("-") == len(parts) - 1


def test_provenance_names_everything_it_takes_to_make_it_again(network):
    photo = Image.effect_noise((10, 8), 80).convert("RGB")
    view = View(image="noise", target=2, sparsity=0.5, off="frozen", x=0.25)
    scene = compute.scene(network, photo, view.crop, 2)
    scored = compute.ask_scores(scene, "Random", {"seed": 3}, "test").result
    answer = compute.answer(scene, scored, view.sparsity, view.off)
    made = export.provenance(scene, view, scored, answer)
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
        "torch": version("torch"),
        "method": "Random",
        "options": {"seed": 3},
        "complete": True,
        "sparsity_asked": 0.5,
        "sparsity": 0.5,
        "off": "frozen",
        "p_ratio": pytest.approx(1.0),
        "prediction_kept": True,
        "dead_share": pytest.approx(answer.dead_share),
        "ties": 0,
    }
    plain = export.provenance(scene, view)
    assert "method" not in plain
    assert "sparsity" not in plain
    assert torch.is_tensor(scene.image)
