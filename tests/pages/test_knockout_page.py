"""The Knock-out page as Streamlit runs it: the answer before and after, the set and its history, its file, its link."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import unescape
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

from core.data.datasets import registered_image
from core.data.images import open_image
from core.data.samples import sample_images
from core.methods import METHODS
from core.models.zoo import load_network
from explorer.plots.words import number, percent, ratio
from explorer.state.choices import LINKED_PARTS
from explorer.state.knockout import KnockOut, Part
from explorer.state.view import View
from tests.app import PAGES, button, facts, html, link, opened, ran, titles, view, warnings

pytestmark = pytest.mark.usefixtures("own_queue")

SET = {"parts": "9c4~3n70"}
PARTS = (Part(9, 4, whole=True), Part(3, 70, whole=False))
STRONGEST = "Add NeuronMCT's strongest channels"


def knocked(params: dict[str, str] | None = None) -> AppTest:
    return opened(params, "knockout")


def changed(at: AppTest) -> dict[str, str]:
    """The numbers before and after."""
    (found,) = (numbers for numbers in facts(at) if "Neurons off" in numbers)
    return {name: unescape(value) for name, value in found.items()}


def answers(at: AppTest) -> list[list[tuple[str, str]]]:
    """The most probable classes before, and those after."""
    lists = re.findall(r'<ol class="answers".*?>(.*?)</ol>', html(at))
    return [re.findall(r'<span title="(.*?)">.*?<b>(.*?)</b>', items) for items in lists]


def listed(at: AppTest) -> list[str]:
    """The parts that stand in the list, as people read them."""
    return [re.sub(r"\\(.)", r"\1", b.label) for b in at.button if str(b.key).startswith("open_")]


def captions(at: AppTest) -> str:
    return "\n".join(caption.value for caption in at.caption)


def state(at: AppTest) -> dict[str, bool]:
    """Which of the buttons about the set as a whole can be clicked."""
    return {label: not button(at, label).disabled for label in ("Undo", "Redo", "Empty")}


def turn(at: AppTest, page: str) -> AppTest:
    """Go to another page by the navigation."""
    at.query_params.clear()
    at.switch_page(str(PAGES / f"{page}.py"))
    return ran(at)


class Known:
    """The default photo in the default network, from core alone."""

    def __init__(self) -> None:
        self.network = load_network("squeezenet1_1")
        self.image = self.network.preprocess(sample_images()["chelsea"].open())
        run = self.network.run(self.image, record=True)
        self.logits, self.activations = run.logits, run.activations
        self.target = int(run.logits.argmax())
        self.scores = METHODS["NeuronMCT"](self.network, self.image, self.target)

    def factors(self, parts: Sequence[Part], only: bool) -> dict[int, torch.Tensor]:
        """What the activation of every site that has a part is multiplied by."""
        named: dict[int, torch.Tensor] = {}
        for part in parts:
            site = self.network.sites[part.site]
            factor = named.setdefault(part.site, torch.zeros(site.shape))
            if part.whole:
                factor[part.place] = 1
            else:
                factor.flatten()[part.place] = 1
        return named if only else {site: 1 - factor for site, factor in named.items()}

    def without(self, parts: Sequence[Part], only: bool = False) -> torch.Tensor:
        """The logits with those activations multiplied by 0."""
        factors = self.factors(parts, only)
        with torch.no_grad():
            return self.network.run(self.image, lambda site, a: a * factors.get(site.index, torch.ones(()))).logits

    def strongest(self, site: int, count: int) -> list[Part]:
        """Channels by the sum of their scores, one after the other."""
        sums = [float(plane.double().sum()) for plane in self.scores[site]]
        order = sorted(range(len(sums)), key=lambda c: -sums[c])[:count]
        return [Part(site, c, whole=True) for c in order if sums[c] > 0]


@pytest.fixture(scope="module")
def known() -> Known:
    return Known()


def shows(at: AppTest, known: Known, parts: Sequence[Part], only: bool = False) -> None:
    """Everything on the page is what core says of these parts."""
    assert (view(at).parts, view(at).only) == (tuple(parts), only)
    before, after = known.logits, known.without(parts, only)
    p, q = before.softmax(1)[0], after.softmax(1)[0]
    off = {site: factor == 0 for site, factor in known.factors(parts, only).items()}
    lost = sum(int(mask.sum()) for mask in off.values())
    dead = sum(int((mask & (known.activations[site][0] == 0)).sum()) for site, mask in off.items())
    shown, rivals = changed(at), []
    for logits in (before, after):
        rest = [(value, i) for i, value in enumerate(logits[0].tolist()) if i != known.target]
        rivals.append(max(rest, key=lambda pair: pair[0]))
    (b, was), (a, now) = [(number(value), known.network.class_names[i]) for value, i in rivals]
    assert shown.pop("Target logit") == " → ".join(number(float(x[0, known.target])) for x in (before, after))
    assert shown.pop("Best other logit") == f"{b} {was} → {a}" + (f" {now}" if now != was else "")
    assert shown == {
        "p ratio": ratio(float(q[known.target] / p[known.target])),
        "Prediction": "kept" if int(after.argmax()) == known.target else "not kept",
        "Neurons off": f"{lost:,} ({percent(lost / known.network.neurons)})",
        "of them dead anyway": f"{dead:,}",
    }
    names = known.network.class_names
    for shown, probabilities in zip(answers(at), (p, q), strict=True):
        *best, sixth = zip(*(values.tolist() for values in probabilities.topk(6)), strict=True)
        named = [(names[i], percent(p)) for p, i in best if p > sixth[0]]  # of many alike, none is named
        assert [(unescape(name), unescape(share)) for name, share in shown] == named
    assert listed(at) == [part.title(known.network) for part in parts[:20]]
    channels = sum(part.whole for part in parts)
    counts = ((channels, "channel"), (len(parts) - channels, "neuron"))
    said = " and ".join(f"{n:,} {what}{'s' if n > 1 else ''}" for n, what in counts if n) or "nothing"
    assert titles(at)["After"] == f"{said} {'kept alone' if only else 'silenced'}"
    assert titles(at)["The set"] == said
    assert link(at).get("parts", "") == "~".join(map(str, parts))


# ------------------------------------------------------------------------------------------------------------- numbers


def test_nothing_is_silenced_at_first(known):
    at = knocked()
    (heading,) = (m.value for m in at.markdown if m.value.startswith("## "))
    assert heading == "## What does the network say of *tiger cat* without them?"
    shows(at, known, ())
    assert changed(at)["p ratio"] == "1.00"
    assert changed(at)["Neurons off"] == "0 (0.0 %)"
    assert at.info[0].value.startswith("Nothing is silenced yet.")
    assert state(at) == {"Undo": False, "Redo": False, "Empty": False}
    assert [d.proto.label for d in at.get("download_button")] == ["PNG", "NPZ"]
    assert link(at) == {}
    assert warnings(at) == ""
    assert all(len(element.proto.imgs[0].alt) > 20 for element in at.image)


@pytest.mark.parametrize("only", [False, True], ids=["silenced", "kept alone"])
@pytest.mark.parametrize(
    "parts",
    [PARTS, (Part(1, 9, whole=True),), (Part(24, 128, whole=True),), (Part(9, 4, whole=True), Part(9, 4 * 729, False))],
    ids=["two", "a channel", "a class's own channel", "a channel and a neuron in it"],
)
def test_a_link_with_parts_shows_what_core_says(parts, only, known):
    params = {"parts": "~".join(map(str, parts))} | ({"only": "True"} if only else {})
    at = knocked(params)
    shows(at, known, parts, only)
    assert link(at) == params
    assert not at.info
    assert warnings(at) == ""
    assert [d.proto.label for d in at.get("download_button")] == ["JSON", "PNG", "NPZ"]
    assert state(at) == {"Undo": False, "Redo": False, "Empty": True}


def test_the_numbers_are_those_of_another_class_too(known):
    at = knocked(SET | {"target": "285"})
    assert "*Egyptian cat*" in at.markdown[0].value
    after = known.without(PARTS)
    assert changed(at)["Target logit"].split(" → ")[1] == number(float(after[0, 285]))
    p, q = known.logits.softmax(1)[0, 285], after.softmax(1)[0, 285]
    assert changed(at)["p ratio"] == ratio(float(q / p))


# --------------------------------------------------------------------------------------------------------- the set


@pytest.mark.parametrize(("site", "count"), [(0, 5), (9, 3), (19, 30)])
def test_the_strongest_channels_of_the_site_are_added(site, count, known):
    at = knocked(SET | {"site": str(site)})
    at = ran(at.number_input(key="knock_count").set_value(count))
    at = ran(button(at, STRONGEST).click())
    expected = [part for part in known.strongest(site, count) if part not in PARTS]
    shows(at, known, (*PARTS, *expected))
    at = ran(button(at, STRONGEST).click())  # again: they are there
    assert view(at).parts == (*PARTS, *expected)


def test_channels_without_a_score_are_not_among_the_strongest():
    network, image = load_network("fashion_vgg"), "fashion-mnist:0"
    at = knocked({"network": "fashion_vgg", "image": image, "site": "6"})
    at = ran(at.number_input(key="knock_count").set_value(50))
    at = ran(button(at, STRONGEST).click())
    data, index = registered_image(image)
    shown = network.preprocess(open_image(data.read(index)))
    scores = METHODS["NeuronMCT"](network, shown, int(network.run(shown).logits.argmax()))[6].tolist()
    scored = sorted((c for c, score in enumerate(scores) if score > 0), key=lambda c: -scores[c])
    assert 5 < len(scored) < 50 < len(scores)
    assert view(at).parts == tuple(Part(6, c, whole=True) for c in scored)


def test_as_many_channels_are_added_as_the_number_says_when_the_button_is_clicked(known):
    """A browser hands over a number that was just typed together with the click that leaves its field."""
    at = knocked()
    at.number_input(key="knock_count").set_value(2)
    at = ran(button(at, STRONGEST).click())
    assert view(at).parts == tuple(known.strongest(13, 2))


def test_channels_are_added_of_the_site_that_is_chosen(known):
    at = knocked()
    at = ran(at.selectbox(key="site_squeezenet1_1").set_value(15))
    at = ran(button(at, STRONGEST).click())
    shows(at, known, known.strongest(15, 5))
    assert link(at)["site"] == "15"


def test_a_set_is_changed_undone_and_made_again(known):
    at = knocked(SET)
    at = ran(at.button(key="drop_9c4").click())
    shows(at, known, PARTS[1:])
    at = ran(at.segmented_control(key="knock_only").set_value(True))
    shows(at, known, PARTS[1:], only=True)
    at = ran(button(at, "Empty").click())
    shows(at, known, (), only=True)
    assert changed(at)["Neurons off"] == "0 (0.0 %)"
    assert state(at) == {"Undo": True, "Redo": False, "Empty": False}

    steps: list[tuple[Sequence[Part], bool]] = [(PARTS, False), (PARTS[1:], False), (PARTS[1:], True), ((), True)]
    for parts, only in reversed(steps[:-1]):
        at = ran(button(at, "Undo").click())
        shows(at, known, parts, only)
        assert at.segmented_control(key="knock_only").value == only
    assert state(at) == {"Undo": False, "Redo": True, "Empty": True}
    for parts, only in steps[1:]:
        at = ran(button(at, "Redo").click())
        shows(at, known, parts, only)
        assert at.segmented_control(key="knock_only").value == only
    assert state(at) == {"Undo": True, "Redo": False, "Empty": False}


def test_a_change_after_undoing_forgets_what_was_undone():
    at = knocked(SET)
    at = ran(at.button(key="drop_9c4").click())
    at = ran(button(at, "Undo").click())
    assert state(at)["Redo"]
    at = ran(at.button(key="drop_3n70").click())
    assert state(at) == {"Undo": True, "Redo": False, "Empty": True}
    assert link(at) == {"parts": "9c4"}
    at = ran(button(at, "Undo").click())
    assert link(at) == SET


def test_what_changes_nothing_is_no_step():
    at = ran(ran(button(knocked(), STRONGEST).click()).segmented_control(key="knock_only").set_value(False))
    assert len(view(at).parts) == 5
    at = ran(button(at, STRONGEST).click())
    at = ran(button(at, "Undo").click())
    assert view(at).parts == ()
    assert not state(at)["Undo"]


def many() -> None:
    from dataclasses import replace

    import streamlit as st

    from explorer.state.knockout import Part
    from explorer.ui import session
    from explorer.views import knockout

    if "view" not in st.session_state:
        session.start("")
        for i in range(80):
            knockout.edit(lambda k, i=i: replace(k, parts=(Part(0, i, whole=False),)))
        back = 0
        while st.session_state["past"]:
            knockout.undo()
            back += 1
        st.session_state["back"], st.session_state["first"] = back, session.view().parts
        while st.session_state["future"]:
            knockout.redo()


def test_the_last_fifty_steps_can_be_undone():
    at = ran(AppTest.from_function(many))
    assert at.session_state["back"] == 50
    assert at.session_state["first"] == (Part(0, 29, whole=False),)
    assert view(at).parts == (Part(0, 79, whole=False),)


def test_one_persons_history_is_not_anothers():
    mine, others = knocked(), knocked()
    mine = ran(button(mine, STRONGEST).click())
    others = ran(others)
    assert view(others).parts == ()
    assert state(others) == {"Undo": False, "Redo": False, "Empty": False}
    assert state(mine)["Undo"]
    later = knocked(link(mine))
    assert view(later).parts == view(mine).parts
    assert not state(later)["Undo"]


def test_the_set_and_its_history_are_kept_from_page_to_page(known):
    at = ran(knocked(SET).button(key="drop_9c4").click())
    for page in ("neuron", "explore", "compare", "knockout"):
        at = turn(at, page)
        assert link(at) == {"parts": "3n70"}
    shows(at, known, PARTS[1:])
    shows(ran(button(at, "Undo").click()), known, PARTS)


def test_the_other_pages_show_the_original_network(known):
    """What is silenced is silenced on Knock-out alone."""
    for page in ("explore", "neuron"):
        plain, silenced = (opened({"second": "Random"} | params, page) for params in ({}, SET))
        assert answers(plain) == answers(silenced)
        assert [i.proto.imgs[0].alt for i in plain.image] == [i.proto.imgs[0].alt for i in silenced.image]


# ------------------------------------------------------------------------------------------------------ many parts


def linked(count: int) -> dict[str, str]:
    return {"parts": "~".join(f"9c{i}" for i in range(count))}


def test_forty_parts_are_in_the_link_and_one_more_is_not(known):
    assert LINKED_PARTS == 40
    at = knocked(linked(39))
    at = ran(at.number_input(key="knock_count").set_value(1))
    at = ran(button(at, STRONGEST).click())
    forty = (*(Part(9, i, whole=True) for i in range(39)), *known.strongest(13, 1))
    shows(at, known, forty)
    assert "not in the link" not in captions(at)
    assert "and 20 more" in captions(at)

    at = ran(at.number_input(key="knock_count").set_value(2))
    at = ran(button(at, STRONGEST).click())
    assert view(at).parts == (*forty, known.strongest(13, 2)[1])
    assert link(at) == {}
    assert "More than 40 neurons and channels are not in the link; save them as JSON." in captions(at)
    assert "and 21 more" in captions(at)
    at = ran(at)
    assert len(view(at).parts) == 41  # kept as long as the session is
    at = turn(turn(at, "neuron"), "knockout")
    assert len(view(at).parts) == 41


def test_more_parts_than_the_link_holds_come_back_from_the_file(known):
    at = ran(knocked({"site": "0"}).number_input(key="knock_count").set_value(50))
    at = ran(button(at, STRONGEST).click())
    assert view(at).parts == tuple(known.strongest(0, 50))
    file = KnockOut(view(at).parts).file(known.network)
    other = uploaded(knocked(), file)
    assert view(other).parts == tuple(known.strongest(0, 50))
    assert changed(other) == changed(at)


# --------------------------------------------------------------------------------------------------------------- files


def uploaded(at: AppTest, data: bytes, name: str = "set.json") -> AppTest:
    uploader = next(u for u in at.file_uploader if str(u.key).startswith("knock_file_"))
    return ran(uploader.upload(name, data))


@pytest.mark.parametrize("only", [False, True])
def test_a_saved_set_is_loaded_and_loading_it_can_be_undone(only, known):
    at = uploaded(knocked({"parts": "1c9"}), KnockOut(PARTS, only).file(known.network))
    assert warnings(at) == ""
    shows(at, known, PARTS, only)
    assert at.segmented_control(key="knock_only").value == only
    at = ran(button(at, "Undo").click())
    shows(at, known, (Part(1, 9, whole=True),))
    at = uploaded(at, KnockOut(PARTS[:1]).file(known.network))  # the uploader can be used again
    shows(at, known, PARTS[:1])


def altered(known: Known, **changes: Any) -> bytes:
    return json.dumps(json.loads(KnockOut(PARTS).file(known.network)) | changes).encode()


REFUSED = {
    "no JSON": (lambda known: b"not a set at all", "not a knock-out set"),
    "other JSON": (lambda known: b'{"cat": 1}', "not a knock-out set"),
    "empty": (lambda known: b"", "not a knock-out set"),
    "nested": (lambda known: b"[" * 60_000, "not a knock-out set"),
    "another network": (
        lambda known: altered(known, network="<b>resnet18</b>"),
        "of <b>resnet18</b>; the network here is squeezenet1_1",
    ),
    "a neuron too many": (
        lambda known: altered(known, parts=[{"site": "features.1", "part": "0n788544"}]),
        "names neurons that squeezenet1_1 does not have",
    ),
    "too large": (lambda known: altered(known, note="x" * 100_000), "at most 100000"),
    "half a letter": (lambda known: altered(known, network="\ud800"), "squeezenet1_1"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_does_not_fit_is_refused_in_words_and_changes_nothing(kind, known):
    make, words = REFUSED[kind]
    at = uploaded(knocked(SET), make(known))
    assert words in warnings(at)
    assert "The set is unchanged." in warnings(at)
    shows(at, known, PARTS)
    assert not state(at)["Undo"]
    at = ran(at.button(key="drop_9c4").click())  # the person goes on
    assert warnings(at) == ""
    at = uploaded(at, KnockOut(PARTS[:1]).file(known.network))
    shows(at, known, PARTS[:1])


# ----------------------------------------------------------------------------------------------------- other networks


def test_parts_that_the_network_lacks_are_dropped_in_words(known):
    at = opened({"parts": "9c4~9c128~26c0~3n70~25n169000"}, "knockout", followed=False)
    assert "squeezenet1_1 does not have what the link asks for: parts=9c4~9c128~26c0~3n70~25n169000" in warnings(at)
    shows(at, known, PARTS)
    assert link(at) == SET


def test_parts_of_another_network_are_dropped_in_words():
    parts = "25c1151~25c1152~0n401407~0n401408"
    at = opened({"network": "efficientnet_lite0", "parts": parts}, "knockout", followed=False)
    assert "efficientnet_lite0 does not have what the link asks for: parts=" in warnings(at)
    assert view(at).parts == (Part(25, 1151, whole=True), Part(0, 401407, whole=False))
    assert link(at) == {"network": "efficientnet_lite0", "parts": "25c1151~0n401407"}


@pytest.mark.parametrize("parts", ["9x4", "9c4~", "~9c4", "9c4~9c-1", "9c4 ~3n70", "٩c4", "9c4,3n70", ""])
def test_parts_that_are_none_are_named(parts):
    at = opened({"parts": parts}, "knockout", followed=False)
    assert f"parts={parts}" in warnings(at)
    assert view(at) == View()


def test_another_network_empties_the_set():
    at = knocked(SET)
    at = ran(at.selectbox(key="network").select("efficientnet_lite0"))
    assert view(at).network == "efficientnet_lite0"
    assert view(at).parts == ()
    assert link(at) == {"network": "efficientnet_lite0"}
    assert at.info[0].value.startswith("Nothing is silenced yet.")
    assert warnings(at) == ""


def test_undoing_brings_back_no_parts_of_another_network():
    at = knocked(SET)
    at = ran(at.button(key="drop_3n70").click())
    at = ran(at.selectbox(key="network").select("efficientnet_lite0"))
    assert view(at).parts == ()
    undo = button(at, "Undo")
    at = at if undo.disabled else ran(undo.click())
    assert view(at).parts == ()
    assert warnings(at) == ""


def test_another_photo_keeps_the_set(known):
    at = knocked(SET | {"image": "coffee"})
    assert view(at).parts == PARTS
    image = known.network.preprocess(sample_images()["coffee"].open())
    factors = known.factors(PARTS, only=False)
    run = known.network.run(image, lambda site, a: a * factors.get(site.index, torch.ones(())))
    target = int(known.network.run(image).logits.argmax())
    assert changed(at)["Target logit"].split(" → ")[1] == number(float(run.logits[0, target]))


# ---------------------------------------------------------------------------------------------------- from page to page


def test_a_neuron_is_put_in_and_taken_out_on_its_page(known):
    at = opened({"neuron": "9-2916"}, "neuron")
    assert not at.get("page_link")
    at = ran(button(at, "Put this neuron into the knock-out").click())
    assert view(at).parts == (Part(9, 2916, whole=False),)
    assert [p.proto.label for p in at.get("page_link")] == ["Knock-out (1)"]
    at = ran(button(at, "Put its channel into the knock-out").click())
    assert view(at).parts == (Part(9, 2916, whole=False), Part(9, 4, whole=True))
    assert link(at) == {"neuron": "9-2916", "parts": "9n2916~9c4"}
    assert [p.proto.label for p in at.get("page_link")] == ["Knock-out (2)"]
    shows(turn(at, "knockout"), known, (Part(9, 2916, whole=False), Part(9, 4, whole=True)))
    at = turn(at, "neuron")
    at = ran(button(at, "Take this neuron out of the knock-out").click())
    assert view(at).parts == (Part(9, 4, whole=True),)
    at = ran(button(at, "Take its channel out of the knock-out").click())
    assert view(at).parts == ()
    assert not at.get("page_link")
    at = turn(at, "knockout")
    for expected in ("9c4", "9n2916~9c4", "9n2916", None):  # each was a step
        at = ran(button(at, "Undo").click())
        assert link(at).get("parts") == expected


def test_the_default_neuron_can_be_put_in():
    at = ran(button(opened(page="neuron"), "Put its channel into").click())
    assert view(at).parts == (Part(1, 9, whole=True),)


@pytest.mark.parametrize(
    ("part", "neuron", "whole"), [("9c4", (9, 4 * 729), True), ("3n70", (3, 70), False)], ids=["channel", "neuron"]
)
def test_a_part_in_the_list_opens_its_neuron(part, neuron, whole):
    at = ran(knocked(SET).button(key=f"open_{part}").click())
    assert (view(at).neuron, view(at).whole) == (neuron, whole)
    assert any(m.value.startswith("## What does this neuron do") for m in at.markdown)
    assert button(at, f"Take {'its channel' if whole else 'this neuron'} out of")
    assert link(at)["parts"] == SET["parts"]
