"""Lessons: every file loads, every state opens, what they claim holds, and one finds one's way through them."""

from __future__ import annotations

import re

import pytest
from streamlit.testing.v1 import AppTest

from core.images import sample_images
from core.methods import METHODS
from core.metrics import chance_overlap, dead_neurons, dead_share, fidelity, overlap
from core.pathway import Pathway, rank
from core.zoo import load_network
from explorer.lessons import FOLDER, lessons, read_lesson
from explorer.view import View
from tests.app import PAGES, button, link, opened, ran, view, warnings

pytestmark = pytest.mark.usefixtures("own_queue")

STEPS = [(name, place) for name, lesson in lessons().items() for place in range(1, len(lesson.steps) + 1)]
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
        "pathway", "contribution-and-pruning", "dead-neurons", "what-survives", "can-you-trust-it", "a-wrong-answer",
    } <= set(lessons())  # fmt: skip


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
        ("**Look at**", "Look"), ("**Answer** So.", ""), ("title = ", "name = "), ("## First", "First"),
        ("page = ", "p = "), ("[[step]]", "[step]"), ("One.\n\nTwo.\n\n", ""),
    ],
)  # fmt: skip
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


@pytest.mark.thorough
def test_what_the_lessons_say_of_the_cat_holds():
    network = load_network("squeezenet1_1")
    image = network.preprocess(sample_images()["chelsea"].open())
    run = network.run(image)
    case = network, image, int(run.logits.argmax())
    assert network.class_names[case[2]] == "tiger cat"
    assert (round(network.neurons / 1e6, 1), len(network.sites)) == (2.6, 26)
    pathways = {name: rank(METHODS[name](*case)).pathway(0.9) for name in ("NeuronMCT", "GreedyPruning", "Random")}
    found = {name: fidelity(*case, pathway) for name, pathway in pathways.items()}
    assert [found[name].prediction_kept for name in pathways] == [True, True, False]
    assert found["NeuronMCT"].p_ratio > 1
    own = sum(int(dead.sum()) for dead in dead_neurons(network, image)) / network.neurons
    assert own > 0.5
    shares = [dead_share(network, image, pathway) for pathway in pathways.values()]
    assert shares[0] == 0
    assert shares[1] > own + 0.1
    assert shares[2] == pytest.approx(own, abs=0.01)
    both = overlap(pathways["NeuronMCT"], pathways["GreedyPruning"])
    assert both < chance_overlap(0.1, 0.1) / 2
    active = Pathway(tuple(~dead for dead in dead_neurons(network, image)))
    assert fidelity(*case, active).p_ratio == 1


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
