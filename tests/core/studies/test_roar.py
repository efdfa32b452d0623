"""ROAR against images whose evidence is known, and run again after it was stopped."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from core import load_network
from core.data.datasets import Pictures
from core.data.preprocessing import Preprocessing
from core.errors import PathwayError
from core.evaluation.degradation import pixel_ranks
from core.methods import METHODS
from core.models.small_vgg import SmallVGG
from core.models.training import Recipe, train
from core.network import trace
from core.pathways.ranking import rank
from core.pathways.restriction import pathway_gradient, saliency_map
from core.studies import Serial, Store
from core.studies import roar as roars
from core.studies.roar import RANDOM, Roar, maps, material, remove_and_retrain, retraining
from core.studies.roar.maps import _Chunk, _places
from core.studies.roar.material import Load, Material, pictures_of
from core.studies.roar.retraining import _changed
from explorer.study_summary import roar_lines

PLAIN = Preprocessing(8, 8, mean=(0.5,) * 3, std=(0.5,) * 3)
PLAN = Roar(methods=("NeuronMCT", "Gradient", RANDOM), fractions=(0.25, 0.75), epochs=8, train=96, test=48)


def marked(count: int, seed: int) -> Pictures:
    """Noise, 8 x 8, whose top left quarter alone says which of two classes it is."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(60, 190, (count, 3, 8, 8), generator=generator)
    labels = torch.arange(count) % 2
    pixels[:, :, :4, :4] = (20 + 200 * labels).view(-1, 1, 1, 1)
    return Pictures(pixels.to(torch.uint8), labels, ("dark", "bright"))


PICTURES = marked(96, 0), marked(48, 1)


@pytest.fixture
def plan(monkeypatch) -> Roar:
    monkeypatch.setattr(roars, "pictures_of", lambda _: PICTURES)
    return PLAN


@pytest.fixture(scope="module")
def base() -> Material:
    model = train(lambda: SmallVGG(2, 8), PICTURES[0], PLAIN, Recipe(8))
    return Material(PICTURES, PLAIN, trace(model, (3, 8, 8), preprocessing=PLAIN, class_names=("dark", "bright")))


def accuracies(folder) -> dict[tuple[str, float], float]:
    table = Store(folder).rows(measure=["roar_accuracy"]).to_pandas()
    return {(row.method, row.x): row.value for row in table.itertuples()}


def test_it_falls_where_the_evidence_goes_and_a_stopped_run_goes_on(plan, tmp_path):
    def stop(done, total, note):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remove_and_retrain(plan, tmp_path, Serial, trained=stop)
    there = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("part-*")}
    told = []
    assert remove_and_retrain(plan, tmp_path, Serial, mapped=lambda *now: told.append(now)) == 0
    assert told == [(432, 432, "images")]  # 3 methods of 144 images: nothing of the maps was left to do
    assert all(path.stat().st_mtime_ns == time for path, time in there.items())
    found = accuracies(tmp_path)
    assert set(found) == {("", 0.0), *((method, x) for method in plan.methods for x in plan.fractions)}
    assert found["", 0.0] == 1.0
    assert found[RANDOM, 0.25] > 0.9  # a quarter of the pixels taken anywhere leaves plenty
    assert found[RANDOM, 0.75] > 0.9
    for method in ("NeuronMCT", "Gradient"):
        assert found[method, 0.75] < 0.65  # all evidence is gone: a guess
    assert remove_and_retrain(plan, tmp_path, Serial) == 0
    with pytest.raises(PathwayError, match="holds another study"):
        remove_and_retrain(dataclasses.replace(plan, epochs=2), tmp_path, Serial)


def test_a_failed_training_is_a_row_with_its_error(plan, tmp_path):
    class Broken(Serial):
        def run(self, tasks, work):
            for task in tasks:
                done = work(self._load(), task) if getattr(task, "number", 0) != 1 or hasattr(task, "plan") else None
                yield done or retraining.Failed(task, RuntimeError("killed"))

    assert remove_and_retrain(dataclasses.replace(plan, epochs=1), tmp_path, Broken) == 1
    table = Store(tmp_path).rows().to_pandas()
    assert table[table["error"] != ""][["part", "error"]].to_numpy().tolist() == [[1, "killed"]]


def test_seeds_are_trainings_of_their_own(plan, tmp_path):
    few = dataclasses.replace(plan, methods=(RANDOM,), fractions=(0.5,), seeds=2, epochs=1)
    assert few.trainings == [("", -1, 0), (RANDOM, 0, 0), ("", -1, 1), (RANDOM, 0, 1)]
    remove_and_retrain(few, tmp_path, Serial)
    table = Store(tmp_path).rows().to_pandas()
    assert table["other"].tolist() == ["seed 0", "seed 0", "seed 1", "seed 1"]
    found = table[table["x"] == 0.5]["value"]
    (line,) = (line for line in roar_lines(tmp_path, 48) if line.startswith(RANDOM))
    ends = stats.binomtest(round(found.mean() * 48), 48).proportion_ci(method="wilson")
    assert f"2 seeds from {found.min():.4f} to {found.max():.4f}, standard deviation {found.std():.4f}" in line
    assert line.endswith(f"48 test images alone: {ends.low:.4f} to {ends.high:.4f})")
    assert Roar().seeds == 3
    assert (tmp_path / "base.safetensors").exists()  # no embedded network knows these classes


@pytest.mark.parametrize("method", ["NeuronMCT", "Gradient", "InputMCT"])
def test_pixels_go_in_the_order_of_each_images_own_map(base, method):
    plan = dataclasses.replace(PLAN, methods=(method,), sparsity=0.8)
    _, places = _places(base, _Chunk(0, method, 90, 100, plan))  # across training and test images
    pixels = torch.cat([each.pixels for each in PICTURES])
    for row, index in enumerate(range(90, 100)):
        image = (pixels[index : index + 1].float() / 255 - 0.5) / 0.5
        target = int(base.network.run(image).logits.argmax())
        pathway = (
            rank(METHODS["NeuronMCT"](base.network, image, target)).pathway(0.8) if method == "NeuronMCT" else None
        )
        gradient = pathway_gradient(base.network, image, target, pathway)
        values = gradient * image[0] if method == "InputMCT" else gradient
        ranks = pixel_ranks(saliency_map(values).abs(), "morf", 0).numpy()
        wanted = np.where(ranks < 16, 0, np.where(ranks < 48, 1, 2))  # a quarter and three quarters of 64
        assert (places[row] != wanted).mean() < 0.05  # batches round otherwise: a tie may fall elsewhere
        assert [(places[row] <= place).sum() for place in (0, 1)] == [16, 48]


def test_removed_pixels_take_the_mean_colour(base):
    count = 96 + 48
    gone = np.zeros((count, 8, 8), bool)
    gone[:, 0, :3] = True
    changed = _changed(base, np.packbits(gone).tobytes())
    mean = PICTURES[0].pixels.double().mean((0, 2, 3)).round()
    for before, after in zip(PICTURES, changed, strict=True):
        assert torch.equal(after.pixels[:, :, 0, :3].double(), mean.view(1, 3, 1).expand(len(before.labels), 3, 3))
        assert torch.equal(after.pixels[:, :, 1:], before.pixels[:, :, 1:])
        assert torch.equal(after.labels, before.labels)
    assert _changed(base, b"") == list(PICTURES)


def test_fashion_mnist_takes_the_embedded_network(monkeypatch):
    plan = Roar(train=20, test=10)
    sources = []
    test_set = material.open_dataset("fashion-mnist")
    monkeypatch.setattr(material, "open_dataset", lambda source, root: sources.append(source) or test_set)
    pictures = pictures_of(plan)
    assert sources == ["fashion-mnist:train", "fashion-mnist"]
    assert [len(each.labels) for each in pictures] == [20, 10]
    assert material.trained_base(plan, pictures, None) == "fashion_vgg"
    loaded = Load(pictures, "fashion_vgg")()
    assert loaded.network.weights_hash == load_network("fashion_vgg").weights_hash


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("Best",)}, "There is no strategy 'Best'"),
        ({"methods": ()}, "and a method"),
        ({"fractions": (0.5, 0.3)}, "wanted rising shares"),
        ({"fractions": (0.5, 1.2)}, "wanted rising shares"),
        ({"seeds": 0}, "at least one seed"),
        ({"sparsity": 1.0}, r"a sparsity in \[0, 1\)"),
    ],
)
def test_plans_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(PathwayError, match=message):
        dataclasses.replace(PLAN, **changes)


def test_maps_that_cannot_be_made_end_the_run(plan, tmp_path, monkeypatch):
    class Broken(Serial):
        def run(self, tasks, work):
            for task in tasks:
                yield maps.Failed(task, RuntimeError("killed"))

    with pytest.raises(PathwayError, match="The maps of NeuronMCT could not be made: killed"):
        remove_and_retrain(plan, tmp_path, Broken)
