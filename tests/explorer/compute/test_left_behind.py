"""What a page leaves with the server for clicks that may never come: little, and enough."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from explorer.compute import cache
from explorer.compute.rankings import Scored
from explorer.compute.scene import Scene
from tests.app import button, opened, ran, until_done

PAIR = {"columns": "NeuronMCT~Random"}
VIEWS: dict[str, dict[str, str]] = {
    "explore": {"second": "Random"},
    "compare": PAIR,
    "neuron": {"neuron": "9-2916"},
    "knockout": {"parts": "9c3"},
    "evaluate": {"network": "fashion_vgg", "image": "fashion-mnist:0", "attributions": "Gradient~NeuronMCT"},
    "linearity": PAIR,
    "flow": {"second": "Random"},
}
ASKED = {"evaluate": "Randomise", "linearity": "Follow the line"}
"""Buttons that start what takes long, by page."""

Offers = dict[str, Callable[[], bytes]]


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch) -> Offers:
    """What makes the files that buttons offer, by the buttons' keys; the server keeps it as long as a session lasts."""
    found: Offers = {}
    draw = st.download_button

    def noted(label: str, data: Callable[[], bytes], *args: object, key: str, **options: object) -> bool:
        found[key] = data
        return draw(label, data, *args, key=key, **options)

    monkeypatch.setattr(st, "download_button", noted)
    return found


def alive() -> Iterator[Scene | Scored]:
    """Whatever holds a network's neurons, and is not a knock-out's or a reference's."""
    gc.collect()
    for thing in gc.get_objects():
        if type(thing) is Scored or (type(thing) is Scene and thing.activations):
            yield thing


def shown(page: str) -> AppTest:
    at = until_done(opened(VIEWS[page], page))
    return until_done(ran(button(at, ASKED[page]).click())) if page in ASKED else at


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.thorough
@pytest.mark.parametrize("page", VIEWS)
def test_neither_activations_nor_rankings_are_held_and_every_file_can_still_be_made(page: str, offers: Offers):
    before = list(alive())
    known = {id(thing) for thing in before}
    at = shown(page)
    cache.RESULTS.clear()
    held = [type(thing).__name__ for thing in alive() if id(thing) not in known]
    assert at.main is not None
    assert held == []
    assert offers
    for key, make in offers.items():
        assert len(make()) > 50, key
