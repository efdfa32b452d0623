"""The Compare page as Streamlit runs it: its numbers, its columns, its questions, its links."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.data.samples import sample_images
from core.methods import METHODS
from core.models.zoo import load_network
from core.pathways.fidelity import fidelity
from core.pathways.overlap import chance_overlap, dead_neurons, dead_share, overlap, site_overlaps
from core.pathways.ranking import Pathway, rank
from core.pathways.restriction import response
from core.strategy import Strategy
from explorer.compute import comparison, task_queue
from explorer.plots.words import percent, ratio
from explorer.state.view import View
from explorer.views.compare.presets import PRESETS
from tests.app import (
    PAGES,
    alts,
    button,
    facts,
    html,
    link,
    opened,
    ran,
    sections,
    until_done,
    until_shown,
    view,
    warnings,
)

pytestmark = pytest.mark.usefixtures("own_queue")

QUICK = {"columns": "Original~ActiveSubnet~NeuronMCT~Random", "pair": "2-3"}  # none of them waits in line
SECTIONS = [
    "Do they choose the same neurons?",
    "Two of them, neuron by neuron",
    "Where dead neurons enter",
    "What survives as pathways grow sparser",
    "The pathway gradient as the pathway grows sparser",
    "Beside the paper's own figures",
]


def compared(params: dict[str, str] | None = None) -> AppTest:
    return opened(params, "compare")


def chart(at: AppTest, key: str) -> Any:
    (found,) = (c for c in at.get("plotly_chart") if key in c.proto.id)
    return found.proto


@pytest.fixture(scope="module")
def pathways() -> dict[str, Pathway]:
    """What the quick columns keep on the default photo at 90 %, from core alone."""
    network = load_network("squeezenet1_1")
    image = network.preprocess(sample_images()["chelsea"].open())
    target = int(network.run(image).logits.argmax())
    dead = dead_neurons(network, image)
    chosen = {name: rank(METHODS[name](network, image, target)).pathway(0.9) for name in ("NeuronMCT", "Random")}
    return {
        "Original network": Pathway(tuple(mask | True for mask in dead)),
        "Active subnet": Pathway(tuple(~mask for mask in dead)),
    } | chosen


# ------------------------------------------------------------------------------------------------------------ numbers


def test_the_page_shows_every_part(nothing_made):
    at = until_done(compared(QUICK))
    assert sections(at)[1:] == SECTIONS
    assert warnings(at) == ""
    assert len(at.get("plotly_chart")) == 7
    assert len(at.image) == 4 + 1 + 1 + 1  # the maps, one site by position, the strip, the crop
    (picker,) = (each.proto for each in at.get("bidi_component") if each.proto.component_name == "mask_picker")
    assert json.loads(picker.json)["alt"].startswith("All channels of ")  # in which a click opens a neuron
    assert all(element.proto.imgs[0].alt for element in at.image)
    assert all(c.proto.alt for c in at.get("plotly_chart"))


def shown_logit(value: float) -> str:
    return f"{value:.3g}"


def best_others(names: Sequence[str], target: int, before: list[float], after: list[float]) -> str:
    (b, before_name), (a, after_name) = (
        max((logit, name) for i, (logit, name) in enumerate(zip(logits, names, strict=True)) if i != target)
        for logits in (before, after)
    )
    return f"{shown_logit(b)} {before_name} → {shown_logit(a)}" + (
        f" {after_name}" if after_name != before_name else ""
    )


def test_the_numbers_under_each_picture_are_cores(pathways):
    network = load_network("squeezenet1_1")
    image = network.preprocess(sample_images()["chelsea"].open())
    logits = network.run(image).logits[0].tolist()
    target = logits.index(max(logits))
    shown = facts(compared(QUICK))
    assert len(shown) == 4
    for found, pathway in zip(shown, pathways.values(), strict=True):
        expected = fidelity(network, image, target, pathway)
        restricted = response(network, image, pathway)[0].tolist()
        assert found == {
            "Sparsity": percent(pathway.sparsity, 2),
            "p ratio": ratio(expected.p_ratio),
            "Prediction": "kept" if expected.prediction_kept else "not kept",
            "Target logit": f"{shown_logit(logits[target])} → {shown_logit(restricted[target])}",
            "Best other logit": best_others(network.class_names, target, logits, restricted),
            "Dead share": percent(dead_share(network, image, pathway)),
        }
    assert [found["Dead share"] for found in shown] == ["56.6 %", "0.0 %", "0.0 %", "56.7 %"]


def test_the_overlaps_on_the_page_are_cores(pathways):
    words = alts(compared(QUICK))
    names = list(pathways)
    for j, second in enumerate(names):
        for first in names[:j]:
            a, b = pathways[first], pathways[second]
            chance = chance_overlap(1 - a.sparsity, 1 - b.sparsity)
            assert f"{first} and {second} {percent(overlap(a, b))}, by chance {percent(chance)}" in words
    per_site = site_overlaps(pathways["NeuronMCT"], pathways["Random"])
    assert f"Random from {percent(min(per_site))} to {percent(max(per_site))}" in words


def test_membership_counts_on_the_page_are_those_of_the_masks(pathways):
    shown = html(compared(QUICK))
    network = load_network("squeezenet1_1")
    dead = dead_neurons(network, network.preprocess(sample_images()["chelsea"].open()))
    first, second = pathways["NeuronMCT"].masks, pathways["Random"].masks
    parts = {"NeuronMCT only": (first, second), "Random only": (second, first)}
    for name, (these, those) in parts.items():
        alone = [a & ~b for a, b in zip(these, those, strict=True)]
        active = sum(int((mask & ~d).sum()) for mask, d in zip(alone, dead, strict=True))
        assert f"{name}: {active:,}<" in shown
        lost = sum(int((mask & d).sum()) for mask, d in zip(alone, dead, strict=True))
        assert (f"{name} but dead: {lost:,}<" in shown) == (lost > 0)
        there = bool(
            (alone[13] & dead[13]).any()
        )  # features.9.squeeze_activation, 13 x 13, is the site whose every neuron is drawn
        assert (f"{name} but dead</span>" in shown) == there
    both = sum(int((a & b).sum()) for a, b in zip(first, second, strict=True))
    assert f"both: {both:,}<" in shown


# ------------------------------------------------------------------------------------------------------------ columns


def test_choosing_adding_and_removing_columns_goes_to_the_link_and_back():
    at = compared(QUICK)
    at = ran(at.selectbox(key="strategy_3").select("NeuronMCT"))
    assert link(at) == {"columns": "Original~ActiveSubnet~NeuronMCT~NeuronMCT", "pair": "2-3"}
    at = ran(at.selectbox(key="strategy_3").select("Random"))
    at = ran(at.number_input(key="column_3_Random_seed").set_value(7))
    assert link(at)["columns"] == "Original~ActiveSubnet~NeuronMCT~Random:seed=7"
    assert "Random (seed=7)" in html(at)
    at = ran(at.button(key="remove_0").click())
    assert link(at) == {"columns": "ActiveSubnet~NeuronMCT~Random:seed=7", "pair": "1-2"}
    assert len(facts(at)) == 3
    at = ran(button(at, "Add a column").click())
    assert view(at).columns[-1] == Strategy("NeuronIntGrad")
    again = compared(link(at))
    assert view(again) == view(at)


def test_two_columns_cannot_be_removed_and_a_seventh_not_added():
    at = compared({"columns": "NeuronMCT~Random"})
    assert not [b for b in at.button if b.label == "Remove"]
    at = compared({"columns": "~".join(["NeuronMCT"] * 6)})
    assert button(at, "Add a column").disabled
    assert len(facts(at)) == 6  # the same one may stand there more than once


def test_the_pair_is_chosen_and_swapped():
    at = compared(QUICK)
    first, second = (next(s for s in at.selectbox if s.label == label) for label in ("First", "Second"))
    assert (first.value, second.value) == (2, 3)
    at = ran(first.select(3))
    assert view(at).pair == (3, 2)
    assert "Random only" in html(at)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"columns": "NeuronMCT"}, "columns=NeuronMCT"),
        ({"columns": "NeuronMCT~Nonsense"}, "columns=NeuronMCT~Nonsense"),
        ({"columns": "NeuronMCT~Random:seed=x"}, "columns=NeuronMCT~Random:seed=x"),
        ({"pair": "1-1"}, "pair=1-1"),
    ],
)
def test_what_a_link_asks_and_cannot_have_is_named(params, named, go_on):
    at = opened(params, "compare", followed=False)
    assert named in warnings(at)
    assert view(at).columns == View().columns


def test_the_view_is_kept_from_page_to_page():
    at = compared(QUICK | {"sparsity": "0.95", "image": "coffee"})
    seen = view(at)
    at.query_params.clear()
    at.switch_page(str(PAGES / "explore.py"))
    at = ran(at)
    assert view(at) == seen
    assert link(at) == seen.params()


# ------------------------------------------------------------------------------------------------------------ presets


@pytest.mark.thorough
@pytest.mark.parametrize("place", [1, 2])
def test_a_question_is_answered_with_one_click(place):
    preset = PRESETS[place]
    at = ran(compared(QUICK).button(key=f"preset_{place}").click())
    assert preset.ask(View()) == view(at)
    waits = at.info[0].value
    assert waits.startswith(f"**{preset.question}**")
    at = until_done(at)
    said = re.sub(r"\\\\(.)", r"\\1", at.info[0].value)
    assert said.startswith(f"**{preset.question}**")
    assert "waits" not in said
    assert "%" in said or "p ratio" in said


# ----------------------------------------------------------------------------------------------------- waiting in line


@pytest.mark.thorough
def test_six_slow_columns_show_their_places_in_line(nothing_made, go_on):
    columns = "~".join(f"GreedyPruning!steps={steps}" for steps in range(10, 16))
    at = until_shown(compared({"columns": columns}), lambda at: "steps" in at.progress[0].text)
    assert [bar.text for bar in at.progress] == ["0 of 10 steps", "In line: one job before this one"] + [
        f"In line: {ahead} jobs before this one" for ahead in range(2, 6)
    ]
    assert sections(at)[1:] == SECTIONS  # each says what it waits for
    go_on.set()
    at = until_done(at)
    assert len(facts(at)) == 6


@pytest.mark.thorough
def test_curves_can_be_cancelled_and_started_again(nothing_made, monkeypatch):
    go_on, curve = threading.Event(), comparison.fidelity_curve

    def held(*inputs: Any, progress: Any, **options: Any) -> Any:
        while not go_on.wait(0.01):
            progress(0, 16, "sparsities")
        return curve(*inputs, progress=progress, **options)

    monkeypatch.setattr(comparison, "fidelity_curve", held)
    at = compared({"columns": "NeuronMCT~Random"})
    at = ran(at.button(key="curves_cancel").click())
    at = ran(at)
    assert "Cancelled." in [m.value for m in at.info]
    assert not [b for b in at.button if b.key == "curves_cancel"]
    at = ran(at.button(key="start_curves").click())
    go_on.set()
    at = until_done(at)
    assert "p ratio over sparsity; at 90.0 %" in alts(at)
    assert task_queue.QUEUE.pending("short") == 0
