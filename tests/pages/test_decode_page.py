"""The Decode page as Streamlit runs it: what is painted is what core paints, from the same start, as far as it is."""

from __future__ import annotations

import io
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.data.samples import sample_images
from core.decoding import PLAIN, Recipe, decode, decode_neuron
from core.methods import METHODS
from core.models.zoo import load_network
from core.network import Network
from core.pathways.overlap import dead_neurons
from core.pathways.ranking import Pathway, rank
from core.pathways.restriction import response
from explorer.compute import decoding, rankings, task_queue
from explorer.compute.scene import make_scene
from explorer.plots.words import number, percent
from explorer.state.view import View
from tests.app import button, facts, link, opened, ran, until_done, until_shown, view
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("own_queue")

QUICK = {"painted": "Original~ActiveSubnet~NeuronMCT~Random", "paint_steps": "2"}


def decoded(params: dict[str, str]) -> AppTest:
    return until_done(opened(params, "decode"))


def painted(params: dict[str, str]) -> AppTest:
    at = decoded(params)
    button(at, "Paint").click() if len(buttons(at, "Paint")) == 1 else buttons(at, "Paint")[0].click()
    return until_done(ran(at))


def buttons(at: AppTest, label: str) -> list[Any]:
    return [b for b in at.button if b.label.startswith(label)]


class Known:
    """The default photo in the default network, from core alone."""

    def __init__(self) -> None:
        self.network = load_network("squeezenet1_1")
        self.image = self.network.preprocess(sample_images()["chelsea"].open())
        self.target = int(self.network.run(self.image).logits.argmax())
        self.scores = {n: METHODS[n](self.network, self.image, self.target) for n in ("NeuronMCT", "Random")}
        self.rankings = {name: rank(scores) for name, scores in self.scores.items()}
        alive = tuple(~dead for dead in dead_neurons(self.network, self.image))
        self.pathways: dict[str, Pathway | None] = {"Original network": None, "Active subnet": Pathway(alive)}
        self.pathways |= {name: ranking.pathway(0.98) for name, ranking in self.rankings.items()}


@pytest.fixture(scope="module")
def known() -> Known:
    return Known()


@pytest.mark.thorough
def test_each_painting_is_cores(known, nothing_made):
    at = painted(QUICK)
    shown = facts(at)
    assert len(shown) == 4
    for found, pathway in zip(shown, known.pathways.values(), strict=True):
        recipe = Recipe(steps=2)
        expected = decode(known.network, known.target, pathway, recipe=recipe)
        assert found["Objective"] == f"{number(expected.objective[0])} → {number(expected.value)}"
        probabilities = known.network.run(expected.image).logits[0].softmax(0)
        best = int(probabilities.argmax())
        photo = response(known.network, known.image, pathway)[0, known.target]
        assert found["Of the photo"] == number(float(photo))
        assert found["The network says"] == f"{known.network.class_names[best]} {percent(float(probabilities[best]))}"
    assert len([i for i in at.image if "painted in 2 steps" in i.proto.imgs[0].alt]) == 4


def test_nothing_is_painted_unasked(nothing_made):
    at = decoded(QUICK)
    assert not facts(at)
    assert task_queue.QUEUE.pending("short") == 0
    assert [b.label for b in buttons(at, "Paint")] == ["Paint 4 images, 2 steps each", "Paint 2 channels"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, Recipe(steps=128)),
        ({"regularisers": "", "start": "grey", "paint_steps": "9"}, replace(PLAIN, steps=9, noise=0.0)),
        ({"regularisers": "blur", "paint_seed": "4"}, replace(PLAIN, steps=128, blur=Recipe().blur, seed=4)),
        ({"regularisers": "Fourier~jitter"}, Recipe(steps=128, blur=0.0, total_variation=0.0)),
    ],
)
def test_the_recipe_is_what_the_view_says(params, expected):
    assert decoding.recipe(View.from_params(params)[0]) == expected


def test_what_changes_a_painting_changes_its_key(known):
    photo = sample_images()["chelsea"].open()
    base = View()
    scene = make_scene(known.network, photo, base.crop, None)
    selection = rankings.ready_scores(scene, base.strategy("NeuronMCT"))
    assert selection is not None

    def key(view: View) -> object:
        return decoding.painting_task(scene, selection, view).key

    for changed in ({"painted_at": "0.9"}, {"off": "frozen"}, {"paint_seed": "1"}, {"regularisers": ""}):
        assert key(View.from_params(changed)[0]) != key(base)
    assert key(View.from_params({"sparsity": "0.5"})[0]) == key(base)


@pytest.mark.thorough
def test_neurons_are_the_strongest_of_the_last_feature_site(known, nothing_made):
    at = decoded(QUICK)
    buttons(at, "Paint 2 channels")[0].click()
    at = until_done(ran(at))
    site = decoding.last_feature_site(known.network)
    assert site.name == "features.12.expand3x3_activation"  # the last one is a map of classes
    shown = facts(at)
    assert len(shown) == 2
    for found, name in zip(shown, ("NeuronMCT", "Random"), strict=True):
        position = int(known.scores[name][site.index].flatten().argmax())
        expected = decode_neuron(known.network, site, position, whole=True, recipe=Recipe(steps=2))
        assert found["Objective"] == f"{number(expected.objective[0])} → {number(expected.value)}"
    buttons(at, "Open this neuron")[0].click()
    at = ran(at)
    assert view(at).neuron == (site.index, int(known.scores["NeuronMCT"][site.index].flatten().argmax()))


@pytest.mark.thorough
def test_it_is_shown_as_it_comes_and_can_be_cancelled(nothing_made, monkeypatch):
    seen, go_on, run = [], threading.Event(), Network.run
    slow = decoding.decode

    def held(*args: Any, progress: Any, shown: Any, **options: Any) -> Any:
        def told(done: int, total: int, note: str) -> None:
            while done >= 9 and not go_on.wait(0.01):
                progress(done, total, note)
            progress(done, total, note)

        return slow(*args, progress=told, shown=lambda step, image: seen.append(step) or shown(step, image), **options)

    monkeypatch.setattr(decoding, "decode", held)
    assert run is Network.run
    at = opened({"painted": "Original", "paint_steps": "40"}, "decode")
    buttons(at, "Paint 1 image")[0].click()
    at = ran(at)
    until(lambda: 8 in seen)
    at = ran(at)
    assert [i.proto.imgs[0].alt for i in at.image if "after 8 steps" in i.proto.imgs[0].alt]
    buttons(at, "Cancel")[0].click()
    at = ran(at)
    until(lambda: not task_queue.QUEUE.pending("short"))
    at = ran(at)
    assert any("Cancelled" in i.value for i in at.info)
    assert [f for f in facts(at) if "Objective" in f]  # as far as it came
    go_on.set()
    buttons(at, "Start it")[0].click()
    at = until_done(ran(at))
    assert [i for i in at.image if "painted in 40 steps" in i.proto.imgs[0].alt]


@pytest.mark.thorough
def test_a_cancelled_neuron_is_shown_as_far_as_it_came(nothing_made, monkeypatch):
    slow = decoding.decode_neuron

    def held(*args: Any, progress: Any, **options: Any) -> Any:
        def told(done: int, total: int, note: str) -> None:
            progress(done, total, note)
            while done >= 9:
                time.sleep(0.01)
                progress(done, total, note)

        return slow(*args, progress=told, **options)

    monkeypatch.setattr(decoding, "decode_neuron", held)
    at = opened({"painted": "NeuronMCT", "paint_steps": "40"}, "decode")
    buttons(at, "Paint 1 channel")[0].click()
    at = until_shown(ran(at), lambda at: [i for i in at.image if "after 8 steps" in i.proto.imgs[0].alt])
    buttons(at, "Cancel")[0].click()
    at = ran(at)
    until(lambda: not task_queue.QUEUE.pending("short"))
    at = ran(at)
    assert [f for f in facts(at) if "Objective" in f]
    monkeypatch.setattr(decoding, "decode_neuron", slow)
    buttons(at, "Start it")[0].click()
    assert until_done(ran(at))  # the line still works


def test_choices_are_in_the_link():
    at = decoded({"paint_steps": "2"})
    (pills,) = (g for g in at.button_group if g.label == "Paint for")
    pills.set_value(["NeuronMCT"])
    (regularisers,) = (g for g in at.button_group if g.label == "Regularisers")
    regularisers.set_value(["blur", "Fourier"])
    at = ran(at)
    assert link(at) == {"paint_steps": "2", "painted": "NeuronMCT", "regularisers": "Fourier~blur"}
    (pills,) = (g for g in at.button_group if g.label == "Paint for")
    pills.set_value([])
    at = ran(at)
    assert view(at).painted == ("NeuronMCT",)


def test_a_painting_is_a_picture_of_the_networks_own_size(known):
    data = decoding.picture(known.network, torch.zeros(1, 3, 224, 224))
    shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert shown.shape == (224, 224, 3)
    np.testing.assert_allclose(shown.mean((0, 1)), [124, 116, 104], atol=2)  # the mean colour
