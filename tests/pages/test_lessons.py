"""Lessons: every file loads, every state opens, what they claim holds, and one finds one's way through them."""

from __future__ import annotations

import re
from functools import cache

import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor

from core.attribution import BASELINES
from core.attribution.attribution import pathway_attribute
from core.data.samples import sample_images
from core.evaluation import degradation, sanity_check
from core.linearity import along, linear_radius
from core.methods import METHODS
from core.models.zoo import load_network
from core.network import Network
from core.pathways.fidelity import Fidelity, fidelity
from core.pathways.overlap import chance_overlap, dead_neurons, dead_share, overlap
from core.pathways.ranking import Pathway, Ranking, rank
from core.pathways.restriction import pathway_gradient, response, saliency_map
from explorer.plots import figures
from explorer.state.lessons import FOLDER, lessons, read_lesson
from explorer.state.view import View
from tests.app import PAGES, button, link, opened, ran, view, warnings

pytestmark = pytest.mark.usefixtures("own_queue")

STEPS = [
    pytest.param(name, place, marks=[pytest.mark.thorough] if place > 1 else [])
    for name, lesson in lessons().items()
    for place in range(1, len(lesson.steps) + 1)
]
FILE = """+++
title = "T"
about = "A"
[[step]]
page = "compare"
view = "sparsity=0.5"
+++

## First

One.

Two.

**Look at** this.

**Question** Why?

**Answer** So.
"""


def shown(at: AppTest) -> str:
    return "\n".join(m.value for m in at.markdown)


# --------------------------------------------------------------------------------------------------------------- files


def test_there_is_a_lesson_for_every_subject():
    assert list(lessons()) == [re.sub(r"^\d+-", "", file.stem) for file in sorted(FOLDER.glob("*.md"))]
    assert {
        "pathway",
        "contribution-and-pruning",
        "dead-neurons",
        "what-survives",
        "can-you-trust-it",
        "a-wrong-answer",
        "a-milk-can",
    } <= set(lessons())


def test_a_file_is_read():
    lesson = read_lesson("3-mine", FILE)
    assert (lesson.name, lesson.title, lesson.about) == ("mine", "T", "A")
    (step,) = lesson.steps
    assert (step.title, step.text, step.look) == ("First", "One.\n\nTwo.", "this.")
    assert (step.question, step.answer, step.page) == ("Why?", "So.", "compare")
    expected = {"lesson": "mine", "step": "4", "present": "True", "sparsity": "0.5"}
    assert step.view("mine", 4, present=True).params() == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("**Look at**", "Look"),
        ("**Answer** So.", ""),
        ("title = ", "name = "),
        ("## First", "First"),
        ("page = ", "p = "),
        ("[[step]]", "[step]"),
        ("One.\n\nTwo.\n\n", ""),
    ],
)
def test_a_file_that_lacks_something_is_refused(old, new):
    assert old in FILE
    with pytest.raises((ValueError, TypeError, AttributeError)):
        read_lesson("3-mine", FILE.replace(old, new))


def test_a_view_that_cannot_be_is_refused():
    lesson = read_lesson("3-mine", FILE.replace("sparsity=0.5", "sparsity=half"))
    with pytest.raises(ValueError, match="sparsity=half"):
        lesson.steps[0].view("mine", 1, present=False)


# --------------------------------------------------------------------------------------------------------------- states


@pytest.mark.parametrize(("name", "place"), STEPS)
def test_every_state_opens(name, place):
    step = lessons()[name].steps[place - 1]
    params = step.view(name, place, present=False).params()
    at = opened(params, step.page)
    assert warnings(at) == ""
    assert not at.error
    assert link(at) == params
    assert f"step {place} of {len(lessons()[name].steps)}" in shown(at)
    assert step.text in shown(at)
    assert [e.label for e in at.expander if step.question in e.label]
    assert not [b for b in at.button if b.label == "As the step has it"]  # that is where one is


# --------------------------------------------------------------------------------------------------------------- claims


class Cat:
    """The default photo in the default network, and what the lessons ask of it, from core alone."""

    def __init__(self) -> None:
        self.network = load_network("squeezenet1_1")
        self.names = self.network.class_names
        self.image = self.photo("chelsea")
        self.logits = self.network.run(self.image).logits
        self.case = self.network, self.image, int(self.logits.argmax())
        self.dead = dead_neurons(self.network, self.image)
        self.own = sum(int(dead.sum()) for dead in self.dead) / self.network.neurons

    def photo(self, name: str) -> Tensor:
        return self.network.preprocess(sample_images()[name].open())

    @cache  # noqa: B019  # one of it lives as long as the tests
    def ranking(self, method: str) -> Ranking:
        return rank(METHODS[method](*self.case))

    def fidelity(self, method: str, sparsity: float) -> Fidelity:
        return fidelity(*self.case, self.ranking(method).pathway(sparsity))


@pytest.fixture(scope="module")
def cat() -> Cat:
    return Cat()


def test_what_a_pathway_is(cat):
    assert cat.names[cat.case[2]] == "tiger cat"
    assert (round(cat.network.neurons / 1e6, 1), len(cat.network.sites)) == (2.4, 25)
    assert [cat.fidelity(method, 0.9).fate for method in ("NeuronMCT", "Random")] == ["kept", "lost"]
    shares = cat.ranking("NeuronMCT").pathway(0.9).kept_shares
    widest = sorted(cat.network.sites, key=lambda site: -shares[site.index])
    assert all("squeeze" in site.name for site in widest[:8])
    assert max(cat.ranking("Random").pathway(0.9).kept_shares) < 0.11


@pytest.mark.thorough
def test_contribution_against_pruning(cat):
    pathways = {m: cat.ranking(m).pathway(0.9) for m in ("NeuronMCT", "NeuronIntGrad", "GreedyPruning", "Random")}
    found = {method: cat.fidelity(method, 0.9) for method in pathways}
    assert [f.prediction_kept for f in found.values()] == [True, True, True, False]
    assert found["GreedyPruning"].after.probability < 0.05 < 0.2 < found["NeuronMCT"].after.probability
    assert overlap(pathways["NeuronMCT"], pathways["GreedyPruning"]) < 2 * chance_overlap(0.1, 0.1)
    assert overlap(pathways["NeuronMCT"], pathways["NeuronIntGrad"]) > 0.5
    shares = [dead_share(cat.network, cat.image, pathway) for pathway in pathways.values()]
    assert (shares[0], shares[1]) == (0, 0)
    assert shares[2] > cat.own + 0.1
    assert shares[3] == pytest.approx(cat.own, abs=0.01)


def test_dead_neurons(cat):
    assert cat.own > 0.5
    active = Pathway(tuple(~dead for dead in cat.dead))
    assert fidelity(*cat.case, active).p_ratio == 1
    original, restricted = (pathway_gradient(*cat.case, pathway) for pathway in (None, active))
    assert torch.equal(original, restricted)
    assert 0.7 < cat.ranking("NeuronMCT").runs_out < 0.8  # "about three quarters"
    by_sparsity = {s: cat.fidelity("NeuronMCT", s) for s in (0.0, 0.3, 0.5, 0.6, 0.7)}
    assert [f.p_ratio for f in by_sparsity.values()] == pytest.approx([1] * 5, abs=1e-3)
    assert [f.dead_share for f in by_sparsity.values()] == sorted(
        (f.dead_share for f in by_sparsity.values()), reverse=True
    )
    assert by_sparsity[0.6].dead_share == 0


def test_what_survives(cat):
    surer = cat.fidelity("NeuronMCT", 0.8)
    assert surer.p_ratio > 1.5
    assert 0 < surer.before.logit - surer.after.logit < surer.before.rival_logit - surer.after.rival_logit
    assert [cat.fidelity("Random", s).fate for s in (0.3, 0.5, 0.9)] == ["lost"] * 3
    assert cat.fidelity("NeuronMCT", 0.99).fate == "lost"
    ends = [
        figures.limit(saliency_map(pathway_gradient(*cat.case, pathway)).numpy())
        for pathway in (None, cat.ranking("NeuronMCT").pathway(0.99))
    ]
    assert ends[0] > 2000 * ends[1] > 0


@pytest.mark.thorough
def test_linear_regions(cat):
    radii = [
        linear_radius(*cat.case, pathway).radius
        for pathway in (None, cat.ranking("NeuronMCT").pathway(0.9), cat.ranking("Random").pathway(0.9))
    ]
    assert radii[0] < min(radii[1:])  # and a random pathway's ball is larger than the network's, too
    assert max(radii) < 1e-2 / 255 / 0.229  # of a step of a pixel's colour, as the network takes it
    gradient = pathway_gradient(*cat.case)
    line = along(*cat.case, None, gradient / gradient.norm(), [0.1])
    assert int(line.switched[0]) > 2000
    gained = float(line.responses[0] - cat.logits[0, cat.case[2]])
    assert abs(float(line.responses[0] - line.tangent[0])) < 0.02 * gained
    reached = response(cat.network, cat.photo("coffee"), cat.ranking("NeuronMCT").pathway(0.9))
    assert int(reached.argmax()) == cat.case[2]


@pytest.mark.thorough
def test_can_you_trust_it(cat):
    names = ("NeuronMCT", "Gradient", "Guided Backpropagation", "Grad-CAM")
    makers = {name: BASELINES[name] if name in BASELINES else pathway_attribute(name, 0.9, "zero") for name in names}
    areas = {n: degradation(*cat.case, make(*cat.case).relevance).change_area(0.1) for n, make in makers.items()}
    assert min(areas, key=areas.__getitem__) == "Grad-CAM"
    halves = {}
    for name, make in makers.items():
        stages = sanity_check(*cat.case, make)
        halves[name] = stages[len(stages) // 2].similarity.spearman_abs
    assert max(halves, key=halves.__getitem__) == "Guided Backpropagation"


def test_ask_the_cat_for_a_milk_can(cat):
    target = cat.names.index("milk can")
    assert [step.view("x", 1, present=False).target for step in lessons()["a-milk-can"].steps[:3]] == [target] * 3
    scores = METHODS["NeuronMCT"](cat.network, cat.image, target)
    found = fidelity(cat.network, cat.image, target, rank(scores).pathway(0.9))
    assert found.p_ratio > 1e6
    assert 2e-11 < found.before.probability < 5e-10  # "a ten-thousandth of a millionth"
    assert found.after.logit < found.before.logit
    assert found.before.logit - found.after.logit < found.before.rival_logit - found.after.rival_logit
    assert cat.names[found.after.rival] == "Egyptian cat"
    assert found.after.logit < found.after.rival_logit  # it is the pathway's prediction
    assert [each.name for each in cat.network.left_out] == ["classifier.2"]


def test_were_the_maps_of_classes_a_site_any_class_would_win(cat):
    program = cat.network.program
    whole = Network(program, name="with its maps of classes", class_names=cat.names)
    assert len(whole.sites) == len(cat.network.sites) + 1
    for name in ("milk can", "cabbage butterfly", "coffee mug"):
        target = cat.names.index(name)
        pathway = rank(METHODS["NeuronMCT"](whole, cat.image, target)).pathway(0.9)
        assert int(response(whole, cat.image, pathway).argmax()) == target


def test_another_network_predicts_a_cat_too():
    network = load_network("efficientnet_lite0")
    image, target = network.preprocess(sample_images()["chelsea"].open()), network.class_names.index("milk can")
    assert network.left_out == ()
    pathway = rank(METHODS["NeuronMCT"](network, image, target)).pathway(0.9)
    assert network.class_names[int(response(network, image, pathway).argmax())].endswith("cat")


def test_the_cats_pathway_predicts_a_cat_whatever_it_is_shown(cat):
    pathway = cat.ranking("NeuronMCT").pathway(0.9)
    noise = torch.randn(cat.image.shape, generator=torch.Generator().manual_seed(0))
    for shown in (cat.photo("coffee"), noise):
        assert int(response(cat.network, shown, pathway).argmax()) == cat.case[2]


def test_what_the_lessons_say_of_the_acanthus_holds():
    network = load_network("efficientnet_lite0")
    image = network.preprocess(sample_images()["acanthus-mollis"].open())
    probabilities = network.run(image).logits.softmax(1)[0]
    assert network.class_names[int(probabilities.argmax())] == "pineapple"
    assert round(float(probabilities.max()), 2) == 0.92
    step = lessons()["a-wrong-answer"].steps[3].view("x", 1, present=False)
    scores = METHODS["NeuronMCT"](network, image, int(probabilities.argmax()))[32].flatten(1).sum(1)
    assert network.sites[-1].index == 32
    assert {part.place for part in step.parts} == set(scores.argsort(descending=True)[:8].tolist())
    assert len(scores) == 1280
    off = torch.tensor([part.place for part in step.parts])
    with torch.no_grad():
        silenced = network.run(
            image, lambda site, a: a.index_fill(1, off, 0) if site.index == 32 else a
        ).logits.softmax(1)[0]
    assert int(silenced.argmax()) == int(probabilities.argmax())
    assert silenced.max() < 0.7 * probabilities.max()  # much is lost, and it still leads


# ----------------------------------------------------------------------------------------------------------------- ways


def test_the_page_lists_them_all_and_leads_into_them():
    at = opened(page="lessons")
    assert [b.label for b in at.button if b.label == "Begin"] == ["Begin"] * len(lessons())
    assert len([b for b in at.button if re.match(r"\d · ", b.label)]) == len(STEPS)
    button(at, "2 · Keep a tenth").click()
    at = ran(at)
    assert "Which neurons carry *tiger cat*?" in shown(at)
    assert (view(at).lesson, view(at).step) == ("pathway", 2)


def test_one_goes_from_step_to_step_and_page_to_page():
    lesson = lessons()["pathway"]
    at = opened(lesson.steps[2].view("pathway", 3, present=True).params())
    button(at, "Next").click()
    at = ran(at)
    assert "## What does this neuron do for *tiger cat*?" in shown(at)
    assert (view(at).step, view(at).present) == (4, True)
    button(at, "Next").click()
    at = ran(at)
    assert view(at) == lesson.steps[4].view("pathway", 5, present=True)
    assert not [b for b in at.button if b.label == "Next"]
    button(at, "Back").click()
    at = ran(at)
    assert view(at).step == 4


def test_one_may_move_on_and_come_back():
    at = opened({"lesson": "pathway", "step": "2", "second": "Random"})
    at.select_slider[0].set_value(0.5)
    at = ran(at)
    assert view(at).sparsity == 0.5
    button(at, "As the step has it").click()
    at = ran(at)
    assert view(at) == lessons()["pathway"].steps[1].view("pathway", 2, present=False)
    button(at, "Close").click()
    at = ran(at)
    assert link(at) == {"second": "Random"}
    assert "step 2 of" not in shown(at)


@pytest.mark.parametrize(
    "params", [{"lesson": "no-such"}, {"lesson": "pathway", "step": "9"}, {"lesson": "pathway", "step": "0"}]
)
def test_a_step_that_is_not_there_is_said(params):
    at = opened(params | {"second": "Random"})
    assert "There is no step" in warnings(at)
    assert "Which neurons carry" in shown(at)


def test_presenting_is_turned_on_and_off():
    at = opened({"second": "Random"})
    button(at, "Present").click()
    at = ran(at)
    assert link(at) == {"second": "Random", "present": "True"}
    assert any('data-testid="stSidebar"' in str(h.value) for h in at.html)
    button(at, "Leave presenter mode").click()
    at = ran(at)
    assert link(at) == {"second": "Random"}
    assert not any('"stSidebar"], [data-testid="stSidebarCollapsedControl"]' in str(h.value) for h in at.html)


def test_lessons_stand_on_pages_that_there_are():
    assert {step.page for lesson in lessons().values() for step in lesson.steps} <= {p.stem for p in PAGES.glob("*.py")}
    assert View().lesson == ""
