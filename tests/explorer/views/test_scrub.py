"""Live scrub: what the browser is sent is what core says at every stop, it is small, and the page sends it once."""

from __future__ import annotations

import io
import json
import time
from base64 import b64decode
from dataclasses import astuple, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.data.preprocessing import Crop, Preprocessing
from core.methods import METHODS
from core.network import trace
from core.pathways.fidelity import fidelity
from core.pathways.overlap import dead_neurons, dead_share
from core.pathways.ranking import rank
from core.pathways.restriction import pathway_gradient, response, saliency_map
from core.pathways.scores import Scores
from core.strategy import Strategy
from explorer.compute import cache, comparison, rankings, task_queue
from explorer.compute.comparison import STRIP, SWEEP, Swept
from explorer.compute.rankings import Scored
from explorer.compute.scene import Scene, make_scene
from explorer.compute.tasks import TaskGroup
from explorer.plots import figures
from explorer.plots.words import number, percent, ratio
from explorer.state.choices import SPARSITIES
from explorer.views.explore.scrub import MOST_CHARACTERS, method_payload, payload
from tests.app import link, opened, ran, until_done, until_shown, view
from tests.networks import SHAPE, TOYS, seeded
from tests.waiting import finished

PHOTO = Image.fromarray(np.random.default_rng(3).integers(0, 256, (9, 12, 3), np.uint8))
QUICK = {"second": "Random"}  # both methods answer at once


def scene_of(kind: str, target: int | None = 1) -> Scene:
    preprocessing = Preprocessing(size=8, resize=9)
    network = trace(seeded(TOYS[kind]()), SHAPE, name=kind, preprocessing=preprocessing, weights_hash="toy")
    return make_scene(network, PHOTO, Crop(), target)


@pytest.fixture
def scene(nothing_made) -> Scene:
    return scene_of("Residual")


def scored(scene: Scene, name: str = "NeuronMCT") -> Scored:
    strategy = Strategy.of(name)
    scores = METHODS[name](scene.network, scene.image, scene.target)
    return Scored(rankings.scores_key(scene, strategy), strategy, rank(scores), scores.trajectory, 0.0)


def there(group: TaskGroup[Swept]) -> tuple[Swept | None, ...]:
    return task_queue.QUEUE.peek(group).result


def made(group: TaskGroup[Swept]) -> tuple[Swept | None, ...]:
    ticket = finished(group)
    assert ticket.state == "ready", ticket.error
    return ticket.result


def swept(scene: Scene, by: Scored, off: Any = "zero") -> Swept:
    (part,) = made(comparison.sweep_tasks(scene, [by], off))
    assert part is not None
    return part


def nothing(scene: Scene) -> Scored:
    """A ranking that keeps no neuron."""
    none = rank(Scores([torch.zeros(site.shape) for site in scene.network.sites], keeps_zeros=False))
    return Scored(("nothing",), Strategy("Random"), none, (), 0.0)


def picture(url: str) -> np.ndarray:
    assert url.startswith("data:image/jpeg;base64,")
    return np.asarray(Image.open(io.BytesIO(b64decode(url.partition(",")[2]))), dtype=float)


# -------------------------------------------------------------------------------------------------------------- stops


def test_the_stops_are_some_of_the_sliders_and_finer_near_the_top():
    assert len(SWEEP) == len(set(SWEEP)) == 25
    assert list(SWEEP) == sorted(SWEEP)
    assert set(STRIP) <= set(SWEEP) <= set(SPARSITIES)
    assert (SWEEP[0], SWEEP[-1]) == (0, 0.99)
    assert sum(stop >= 0.9 for stop in SWEEP) > len(SWEEP) / 2


def test_stops_lie_on_the_bar_as_on_the_slider_and_so_does_what_is_between_them(scene):
    stops = payload(scene, [], "magnitude")["stops"]
    assert [stop["at"] for stop in stops] == list(SWEEP)
    at, place = ([stop[name] for stop in stops] for name in ("at", "place"))
    everywhere = np.arange(len(SPARSITIES)) / (len(SPARSITIES) - 1)
    np.testing.assert_allclose(np.interp(SPARSITIES, at, place), everywhere, atol=1e-4)
    assert {stop["at"]: stop["label"] for stop in stops if stop["at"] in (0, 0.9, 0.983)} == {
        0: "0 %",
        0.9: "90 %",
        0.983: "98.3 %",
    }


# -------------------------------------------------------------------------------------------------------------- sweeps


@pytest.mark.parametrize("off", ["zero", "frozen"])
@pytest.mark.parametrize("kind", ["Straight", "Residual", "Functional", "Branches"])
def test_a_sweep_is_what_core_says_of_each_pathway_alone(nothing_made, kind, off):
    scene = scene_of(kind)
    by = scored(scene)
    part = swept(scene, by, off)
    assert part.maps.shape == (25, 8, 8)
    dead = dead_neurons(scene.network, scene.image)
    for i, sparsity in enumerate(SWEEP):
        pathway = by.ranking.pathway(sparsity)
        gradient = pathway_gradient(scene.network, scene.image, 1, pathway, off=off)
        np.testing.assert_allclose(part.maps[i], saliency_map(gradient).numpy(), rtol=1e-4, atol=1e-7)
        logits = response(scene.network, scene.image, pathway, off=off)
        np.testing.assert_allclose(part.probabilities[i], logits.softmax(1)[0].numpy(), rtol=1e-4)
        wanted = fidelity(scene.network, scene.image, 1, pathway, off=off)
        assert part.p_ratios[i] == pytest.approx(wanted.p_ratio, rel=1e-4)
        assert (part.fates[i], part.sparsities[i]) == (wanted.fate, wanted.sparsity)
        assert astuple(part.standings[i]) == pytest.approx(astuple(wanted.after), rel=1e-4, abs=1e-5)
        assert part.sizes[i].tolist() == list(pathway.sizes)
        lost = [int((mask & d).count_nonzero()) for mask, d in zip(pathway.masks, dead, strict=True)]
        assert part.dead[i].tolist() == lost


def test_a_sweep_is_made_when_asked_for_once_and_shared(scene):
    one, other = scored(scene), scored(scene, "Random")
    first = comparison.sweep_tasks(scene, [one], "zero")
    assert there(first) == (None,)
    assert task_queue.QUEUE.pending() == 0
    made(first)
    both = comparison.sweep_tasks(scene, [one, other], "zero")
    assert there(both) == (*there(first), None)
    assert there(comparison.sweep_tasks(scene, [one], "frozen")) == (None,)
    made(both)
    assert None not in there(comparison.sweep_tasks(scene, [other, one], "zero"))


def test_a_sweep_holds_what_it_says_and_tells_its_progress(scene):
    told: list[tuple[int, int, str]] = []
    group = comparison.sweep_tasks(scene, [scored(scene)], "zero")
    group.make(cache.RESULTS, lambda *step: told.append(step))
    (part,) = there(group)
    assert part.maps.nbytes == 25 * 8 * 8 * 4
    assert part.probabilities.nbytes == 25 * 4 * 4
    assert part.sizes.nbytes == part.dead.nbytes == 25 * len(scene.network.sites) * 8
    assert [step[0] for step in told] == [4, 8, 12, 16, 20, 24, 25]
    assert {step[1:] for step in told} == {(25, "sparsities: NeuronMCT")}


# ------------------------------------------------------------------------------------------------------------ payload


@pytest.mark.parametrize("style", ["magnitude", "signed"])
def test_the_browser_is_sent_the_numbers_of_core(scene, style):
    by = scored(scene)
    stops = method_payload(scene, swept(scene, by), style)["stops"]
    names = scene.network.class_names
    assert len(stops) == 25
    for stop, sparsity in zip(stops, SWEEP, strict=True):
        pathway = by.ranking.pathway(sparsity)
        wanted = fidelity(scene.network, scene.image, 1, pathway)
        became = {"kept": "kept", "near chance": "first, but near chance", "lost": "not kept"}[wanted.fate]
        assert stop["sizes"] == list(pathway.sizes)
        assert stop["dead_share"] == percent(dead_share(scene.network, scene.image, pathway))
        assert [name for name, _ in stop["logits"]] == ["Target logit", "Best other logit"]
        assert stop["logits"][0][1] == f"{wanted.before.logit:.3g} → {wanted.after.logit:.3g}"
        assert stop["p_ratio"] == ratio(wanted.p_ratio)
        assert stop["said"] == f"p ratio {ratio(wanted.p_ratio)}, prediction {became}"
        assert (stop["fate"], stop["kept"], stop["near"]) == (became, became == "kept", wanted.fate == "near chance")
        probabilities = response(scene.network, scene.image, pathway).softmax(1)[0]
        assert stop["p"] == pytest.approx(float(probabilities[1]), rel=1e-4)
        best = probabilities.argsort(descending=True).tolist()
        assert [(name, target) for name, _, _, target in stop["top"]] == [(names[i], i == 1) for i in best]
        assert [share for _, share, *_ in stop["top"]] == pytest.approx(sorted(probabilities.tolist())[::-1], rel=1e-4)
        end = figures.limit(saliency_map(pathway_gradient(scene.network, scene.image, 1, pathway)).numpy())
        assert stop["high"] == number(end)
        assert stop["low"] == ("0" if style == "magnitude" else number(-end))


@pytest.mark.parametrize("style", ["magnitude", "signed"])
def test_each_map_is_on_its_own_scale_and_in_its_place(scene, style):
    part = swept(scene, scored(scene))
    for stop, values in zip(method_payload(scene, part, style)["stops"], part.maps, strict=True):
        wanted = np.asarray(figures.map_picture(values, figures.limit(values), style), dtype=float)
        sent = picture(stop["map"])
        assert sent.shape == wanted.shape
        assert np.abs(sent - wanted).mean() < 8  # of 255: JPEG
        row, column = divmod(int(np.abs(values).argmax()), 8)
        assert stop["map_said"].startswith(f"strongest at row {row}, column {column} of 8; scale ends at ")


def test_the_whole_names_sites_target_and_the_original(scene):
    whole = payload(scene, [{"title": "a"}, {"title": "b"}], "signed")
    assert whole["sites"] == [site.name for site in scene.network.sites]
    assert whole["neurons"] == [site.neurons for site in scene.network.sites]
    assert whole["target"] == scene.network.class_names[1]
    assert whole["original"] == pytest.approx(float(scene.original.logits.softmax(1)[0, 1]))
    assert whole["scale"] == figures.colours("signed")
    assert [method["title"] for method in whole["methods"]] == ["a", "b"]


def test_an_empty_pathway_has_a_payload_that_browsers_can_read(scene):
    part = method_payload(scene, swept(scene, nothing(scene)), "magnitude")
    json.dumps(payload(scene, [part], "magnitude"), allow_nan=False)
    assert {stop["dead_share"] for stop in part["stops"]} == {"–"}
    assert {sum(stop["sizes"]) for stop in part["stops"]} == {0}
    assert {stop["layers_said"] for stop in part["stops"]} == {
        f"most at {scene.network.sites[0].name}, 0.0 %; 0 of 0 dead"
    }


def test_classes_that_are_alike_are_a_number(scene):
    part = swept(scene, scored(scene))
    network: Any = SimpleNamespace(class_names=tuple("abcdefgh"), sites=scene.network.sites)
    many = replace(scene, network=network)
    probabilities = np.full((25, 8), 0.05, np.float32)
    probabilities[:, [1, 6]] = 0.5, 0.2
    stop = method_payload(many, replace(part, probabilities=probabilities), "magnitude")["stops"][0]
    assert [(name, target) for name, _, _, target in stop["top"]] == [("b", True), ("g", False)]
    assert stop["rest"] == "6 classes alike, 5.0 % each"
    unlike = replace(part, probabilities=np.tile(np.arange(8, dtype=np.float32) / 28, (25, 1)))
    stop = method_payload(many, unlike, "magnitude")["stops"][0]
    assert ([name for name, *_ in stop["top"]], stop["rest"]) == (list("hgfed"), "")


KEPT, NEAR, LOST = "kept", "near chance", "lost"
FLIPS = {
    "prediction kept at every stop": [KEPT] * 25,
    "prediction not kept at every stop": [LOST] * 25,
    "prediction kept, not kept from 30 %": [KEPT] + [LOST] * 24,
    "prediction kept, first, but near chance from 98.6 %, not kept from 99 %": [KEPT] * 23 + [NEAR, LOST],
    "prediction not kept, kept from 30 %": [LOST] + [KEPT] * 24,
    "prediction kept, not kept from 30 %, kept from 50 %": [KEPT, LOST] + [KEPT] * 23,
    "prediction kept at first, changes 4 times": [KEPT, LOST, KEPT, NEAR] + [LOST] * 21,
}


@pytest.mark.parametrize(("words", "fates"), FLIPS.items(), ids=FLIPS)
def test_it_is_said_where_the_prediction_flips(scene, words, fates):
    part = replace(swept(scene, scored(scene)), fates=tuple(fates))
    assert method_payload(scene, part, "magnitude")["flips"] == words


@pytest.mark.parametrize("side", [224, 600])
def test_pictures_of_noise_still_fit(scene, side):
    noise = np.random.default_rng(0).normal(size=(25, side, side)).astype(np.float32)
    stops = method_payload(scene, replace(swept(scene, scored(scene)), maps=noise), "signed")["stops"]
    assert sum(len(stop["map"]) for stop in stops) <= MOST_CHARACTERS


# --------------------------------------------------------------------------------------------------------------- page


def sent(at: AppTest) -> list[str]:
    """What the component is given, each time it is drawn."""
    found = [element.proto for element in at.get("bidi_component")]
    return [proto.json for proto in found if proto.component_name == "scrub"]


def test_the_switch_shows_the_scrub_and_is_in_the_link(own_queue):
    at = opened(QUICK)
    assert sent(at) == []
    at = until_done(ran(at.toggle(key="view_scrub").set_value(True)))
    assert view(at).scrub
    assert link(at) == QUICK | {"scrub": "True"}
    (text,) = sent(at)
    assert [method["title"] for method in json.loads(text)["methods"]] == ["NeuronMCT", "Random"]
    assert 'data-sparsity="0.9"' in "".join(element.value for element in at.html)
    at = ran(at.toggle(key="view_scrub").set_value(False))
    assert (sent(at), link(at)) == ([], QUICK)


@pytest.mark.parametrize("style", ["magnitude", "signed"])
def test_two_methods_are_small_and_a_step_of_the_slider_sends_the_same(own_queue, style):
    at = until_done(opened(QUICK | {"scrub": "True", "style": style}))
    (before,) = sent(at)
    assert 200_000 < len(before.encode()) < 600_000
    at = ran(at.select_slider(key="view_sparsity").set_value(0.95))
    assert sent(at) == [before]
    assert 'data-sparsity="0.95"' in "".join(element.value for element in at.html)


def test_the_first_method_is_there_while_the_second_is_in_line(own_queue, go_on):
    at = until_shown(opened({"scrub": "True", "GreedyPruning.steps": "10"}), sent)
    assert [method["title"] for method in json.loads(sent(at)[0])["methods"]] == ["NeuronMCT"]
    assert len(at.progress) == 1


def test_it_can_be_cancelled_and_started_again(nothing_made, monkeypatch):
    def held(*inputs, progress, **options):
        while True:
            time.sleep(0.05)
            progress(0, len(SWEEP), "sparsities")

    monkeypatch.setattr(comparison, "sweep", held)
    at = ran(opened(QUICK | {"scrub": "True"}).button(key="scrub_cancel").click())
    assert ([element.value for element in at.info], len(at.progress)) == (["Cancelled."], 0)
    at = ran(at.button(key="start_scrub").click())
    assert (len(at.info), len(at.progress), sent(at)) == (0, 1, [])
