"""Questions that one click asks: their views come back from links, and their answers say what core says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.preprocessing import Crop, Preprocessing
from core.methods import METHODS
from core.network import trace
from core.pathways.fidelity import Fate, Standing, fidelity
from core.pathways.overlap import membership
from core.pathways.ranking import Pathway, rank
from core.pathways.restriction import Restricted, response
from core.pathways.scores import Scores
from core.strategy import Strategy
from explorer.compute import rankings, restriction
from explorer.compute.rankings import Scored
from explorer.compute.restriction import Answer
from explorer.compute.scene import Scene, make_scene
from explorer.state.choices import SPARSITIES
from explorer.state.view import View
from explorer.views.compare.presets import PRESETS, Findings, asked
from tests.networks import SHAPE, TOYS, seeded

AGREEMENT, DEAD, SURVIVAL = PRESETS
PHOTO = Image.fromarray(np.random.default_rng(3).integers(0, 256, (9, 12, 3), np.uint8))
NEEDED = {"NeuronMCT": {}, "NeuronIntGrad": {"n_steps": 4}, "GreedyPruning": {"steps": 20}, "Random": {}}
each = pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.question)

# -------------------------------------------------------------------------------------------------------- their views


def test_what_is_asked_and_what_is_compared_for_it():
    assert [preset.question for preset in PRESETS] == [
        "Do contribution and pruning agree?",
        "Where do dead neurons enter?",
        "What survives at 99 %?",
    ]
    assert [preset.ask(View()).params() for preset in PRESETS] == [
        {"columns": "NeuronMCT~NeuronIntGrad~GreedyPruning~DGR(init=1)~Random"},
        {"columns": "ActiveSubnet~NeuronMCT~GreedyPruning~Random", "pair": "1-2"},
        {
            "columns": "Original~NeuronMCT~NeuronIntGrad~GreedyPruning",
            "pair": "1-3",
            "sparsity": "0.99",
        },
    ]


@each
def test_a_question_survives_the_link_and_moves_nothing_but_the_comparison(preset):
    start = View(network="resnet18", image="coffee", x=0.25, zoom=2.0, target=3, off="frozen", style="signed", site=4)
    view = preset.ask(start)
    assert View.from_params(view.params()) == (view, [])
    assert replace(view, columns=start.columns, pair=start.pair, sparsity=start.sparsity, scale=start.scale) == start
    assert (view.columns, view.pair, view.sparsity) == (preset.columns, preset.pair, preset.sparsity)
    assert view.scale == preset.scale
    assert preset.ask(view) == view


@each
def test_a_question_is_sound(preset):
    names = [strategy.name for strategy in preset.columns]
    assert len(set(names)) == len(names)
    assert set(preset.needs) <= set(names)
    assert set(preset.pair) <= set(range(len(names)))
    assert preset.pair[0] != preset.pair[1]
    assert preset.sparsity in SPARSITIES


@each
def test_the_question_asked_is_found_and_no_other(preset):
    view = preset.ask(View())
    assert asked(view) is preset
    assert [other for other in PRESETS if other.ask(view) == view] == [preset]
    assert asked(View.from_params(view.params())[0]) is preset


@each
def test_another_photo_network_or_target_still_asks_it(preset):
    view = preset.ask(View())
    assert asked(replace(view, image="coffee", x=0.1, y=0.9, zoom=3.0)) is preset
    assert asked(replace(view, network="efficientnet_lite0", target=7, site=3)) is preset
    assert asked(replace(view, style="signed", opacity=40, first="NeuronIntGrad")) is preset


@each
def test_what_was_moved_since_asks_it_no_more(preset):
    view = preset.ask(View())
    assert asked(replace(view, sparsity=0.95)) is None
    assert asked(view.with_pair(0, view.pair[1])) is None
    assert asked(view.without_column(0)) is None
    assert asked(view.with_more_columns()) is None
    assert asked(view.with_column(1, Strategy.of("Random", seed=9))) is None
    assert asked(view.with_column(1, Strategy.of("Random", seed=9)).with_column(1, view.columns[1])) is preset


def test_the_default_view_asks_nothing():
    assert asked(View()) is None


# ---------------------------------------------------------------------------------------------- answers of toy networks

KINDS = ["Residual", "Branches", "Split", "Saturating"]
ORDERS = [("NeuronMCT", "NeuronIntGrad", "GreedyPruning"), ("Random", "GreedyPruning", "NeuronIntGrad", "NeuronMCT")]
Neurons = set[tuple[int, int]]  # site, flat position


def scene_of(kind: str) -> Scene:
    preprocessing = Preprocessing(size=8, resize=9)
    network = trace(seeded(TOYS[kind]()), SHAPE, name=kind, preprocessing=preprocessing, weights_hash="presets")
    return make_scene(network, PHOTO, Crop(), None)


def pathways_of(scene: Scene, sparsity: float) -> dict[str, Pathway]:
    arguments = scene.network, scene.image, scene.target
    return {name: rank(METHODS[name](*arguments, **options)).pathway(sparsity) for name, options in NEEDED.items()}


def findings(
    scene: Scene, pathways: Mapping[str, Pathway], order: tuple[str, ...], answers: Mapping[str, Answer] | None = None
) -> Findings:
    table = membership([pathways[name] for name in order], scene.dead)
    return Findings(scene, table, {name: place for place, name in enumerate(order)}, answers or {})


def neurons_of(masks: tuple[torch.Tensor, ...]) -> Neurons:
    return {(s, i) for s, mask in enumerate(masks) for i, on in enumerate(mask.flatten().tolist()) if on}


def shown(part: int, whole: float) -> str:
    return f"{100 * part / whole:.1f} %"


@pytest.mark.parametrize("order", ORDERS, ids=["as asked", "as they come"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_about_agreement_is_what_sets_say(kind, order):
    scene = scene_of(kind)
    pathways = pathways_of(scene, 0.9)
    mct, intgrad, greedy, _ = (neurons_of(pathway.masks) for pathway in pathways.values())
    k, m = len(mct) / scene.network.neurons, len(greedy) / scene.network.neurons
    assert AGREEMENT.answer(findings(scene, pathways, order)) == (
        f"The two contribution methods overlap by {shown(len(mct & intgrad), len(mct | intgrad))}. NeuronMCT and "
        f"GreedyPruning overlap by {shown(len(mct & greedy), len(mct | greedy))}, where chance would give "
        f"{100 * k * m / (k + m - k * m):.1f} %."
    )


@pytest.mark.parametrize("order", ORDERS, ids=["as asked", "as they come"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_about_dead_neurons_is_what_sets_say(kind, order):
    scene = scene_of(kind)
    pathways = pathways_of(scene, 0.9)
    dead = neurons_of(tuple(activation[0] == 0 for activation in scene.activations))
    mct, _, greedy, _ = (neurons_of(pathway.masks) for pathway in pathways.values())
    per_site = [sum(s == site.index for s, _ in greedy & dead) for site in scene.network.sites]
    assert max(per_site) > 0
    said = DEAD.answer(findings(scene, pathways, order))
    assert said.startswith(
        f"{shown(len(dead), scene.network.neurons)} of the network's neurons are dead for this photo. Of NeuronMCT's "
        f"pathway {shown(len(mct & dead), len(mct))} is, of GreedyPruning's {shown(len(greedy & dead), len(greedy))}"
    )
    site = scene.network.sites[per_site.index(max(per_site))].name
    assert said.endswith(f"; no site has more of these than {site}, {max(per_site):,}.")


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_about_survival_is_cores_fidelity(kind):
    scene = scene_of(kind)
    answers, fates = {}, []
    for name, options in NEEDED.items():
        strategy = Strategy.of(name, **options)
        ranking = rank(METHODS[name](scene.network, scene.image, scene.target, **options))
        scored = Scored(rankings.scores_key(scene, strategy), strategy, ranking, (), 0.0)
        answers[name] = restriction.answer(scene, scored, 0.99, "zero")
        found = fidelity(scene.network, scene.image, scene.target, ranking.pathway(0.99))
        number = f"{found.p_ratio:.2f}" if found.p_ratio >= 0.1 else f"{found.p_ratio:.2g}"
        logits = response(scene.network, scene.image, ranking.pathway(0.99))
        kept = "keeps" if float(logits.softmax(1).max()) > 2 / 4 else "at a probability near chance has first"
        said = kept if int(logits.argmax()) == scene.prediction else "loses"
        p = f"{100 * found.after.probability:.1f} %"
        fates.append(f"{name} {said} the prediction (p {p}, p ratio {number})")
    assert SURVIVAL.answer(findings(scene, pathways_of(scene, 0.99), ORDERS[0], answers)) == (
        f"With one neuron in a hundred, {fates[0]}, {fates[1]} and {fates[2]}. The maps show what of the photo these "
        "neurons still answer to."
    )


# ------------------------------------------------------------------------------------------------- answers made by hand


@pytest.fixture(scope="module")
def residual() -> Scene:
    return scene_of("Residual")


def marked(*positions: list[int]) -> tuple[torch.Tensor, ...]:
    """One mask of 256 neurons a site, True at these positions."""
    return tuple(torch.zeros(256, dtype=torch.bool).index_fill(0, torch.tensor(p).long(), True) for p in positions)


def by_hand(scene: Scene, dead: tuple[torch.Tensor, ...], **pathways: tuple[torch.Tensor, ...]) -> Findings:
    table = membership([Pathway(masks) for masks in pathways.values()], dead)
    return Findings(scene, table, {name: place for place, name in enumerate(pathways)}, {})


def test_the_answer_about_agreement_by_hand(residual):
    found = by_hand(
        residual,
        marked([], []),
        NeuronMCT=marked([*range(64)], [0, 1, 2, 3]),
        GreedyPruning=marked([0, 70], []),
        NeuronIntGrad=marked([*range(17)], [0]),
    )
    # 18 of 68; 1 of 69; k = 68 / 512 and m = 2 / 512 kept: 136 / (512 * 70 - 136) = 0.0038
    assert AGREEMENT.answer(found) == (
        "The two contribution methods overlap by 26.5 %. NeuronMCT and GreedyPruning overlap by 1.4 %, where chance "
        "would give 0.4 %."
    )


def test_the_answer_about_dead_neurons_by_hand(residual):
    dead = marked([0, 1, 2], [*range(10)])
    found = by_hand(residual, dead, GreedyPruning=marked([0, 1, 50], [*range(5)]), NeuronMCT=marked([0, 9], [11, 12]))
    name = residual.network.sites[1].name
    said = DEAD.answer(replace(found, scene=replace(residual, activations=tuple(~mask[None] for mask in dead))))
    assert said == (
        "2.5 % of the network's neurons are dead for this photo. Of NeuronMCT's pathway 25.0 % is, of GreedyPruning's "
        f"87.5 %; no site has more of these than {name}, 5."
    )


def test_where_no_dead_neuron_enters_no_site_is_named(residual):
    found = by_hand(residual, marked([0], [0]), NeuronMCT=marked([3], []), GreedyPruning=marked([1, 2], [4]))
    assert DEAD.answer(found).endswith("Of NeuronMCT's pathway 0.0 % is, of GreedyPruning's 0.0 %.")


def fate(p_ratio: float, became: Fate, p: float) -> Answer:
    restricted, sizes = Restricted(torch.zeros(1, 4), torch.zeros(3, 8, 8)), (3, 2)
    before, after = Standing(0.3, 2.0, 1, 1.0), Standing(p, 1.0, 2, 0.5)
    return Answer(restricted, 1 - sum(sizes) / 512, sizes, 0, 0, p_ratio, became, before, after, 0.0, 0.0)


def test_the_answer_about_survival_by_hand(residual):
    answers = {
        "GreedyPruning": fate(0.0123, "lost", 0.004),
        "NeuronMCT": fate(2.6, "kept", 0.78),
        "NeuronIntGrad": fate(0.5, "near chance", 0.15),
    }
    found = replace(by_hand(residual, marked([], []), NeuronMCT=marked([1], [])), answers=answers)
    assert SURVIVAL.answer(found) == (
        "With one neuron in a hundred, NeuronMCT keeps the prediction (p 78.0 %, p ratio 2.60), NeuronIntGrad at a "
        "probability near chance has first the prediction (p 15.0 %, p ratio 0.50) and GreedyPruning loses the "
        "prediction (p 0.4 %, p ratio 0.012). The maps show what of the photo these neurons still answer to."
    )


def test_a_method_whose_pathway_is_empty_leaves_nothing(residual):
    strategy = Strategy.of("NeuronMCT")
    zeros = [torch.zeros(site.shape) for site in residual.network.sites]
    none = rank(Scores(zeros, keeps_zeros=False))  # as a released rule may leave it
    empty = restriction.answer(residual, Scored(("none",), strategy, none, (), 0.0), 0.99, "zero")
    assert sum(empty.sizes) == 0
    answers = {"NeuronMCT": empty, "NeuronIntGrad": fate(0.5, "kept", 0.2), "GreedyPruning": fate(0.5, "kept", 0.2)}
    found = replace(by_hand(residual, marked([], []), NeuronMCT=marked([], [])), answers=answers)
    assert "NeuronMCT leaves no neuron, NeuronIntGrad keeps" in SURVIVAL.answer(found)
