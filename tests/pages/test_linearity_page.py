"""The Linearity page as Streamlit runs it: its radii are core's, what limits them is a link, a line shows the ball."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from core.data.samples import sample_images
from core.linearity import along, effective_linear_radius, linear_radius
from core.methods import METHODS
from core.models.zoo import load_network
from core.pathways.ranking import rank
from explorer.compute import linearity
from explorer.plots.words import number
from tests.app import alts, facts, html, link, opened, ran, until_done, view, warnings

pytestmark = pytest.mark.usefixtures("own_queue")

QUICK = {"network": "fashion_vgg", "columns": "NeuronMCT~Random", "pair": "0-1", "sparsity": "0.98"}


@pytest.fixture(autouse=True)
def few_directions(monkeypatch):
    """Effective radii in one direction, and only where they are known to lie."""
    monkeypatch.setattr(linearity, "effective_linear_radius", partial(effective_linear_radius, largest=1e-5))
    monkeypatch.setattr(linearity.radii_tasks, "__defaults__", (1,))
    monkeypatch.setattr(linearity, "DIRECTIONS", 1)


def pressed(at: AppTest, label: str) -> AppTest:
    (found,) = (b for b in at.button if b.label.startswith(label))
    found.click()
    return until_done(ran(at))


class Known:
    """The pathway of the default photo in the small network at 98 %, from core alone."""

    def __init__(self) -> None:
        self.network = load_network("fashion_vgg")
        self.image = self.network.preprocess(sample_images()["chelsea"].open())
        self.target = int(self.network.run(self.image).logits.argmax())
        self.case = (self.network, self.image, self.target)
        self.pathway = rank(METHODS["NeuronMCT"](*self.case)).pathway(0.98)
        self.exact = linear_radius(*self.case, self.pathway)


@pytest.fixture(scope="module")
def known() -> Known:
    return Known()


@pytest.mark.thorough
def test_the_radius_and_what_limits_it_are_cores(known, nothing_made):
    at = opened(QUICK, "linearity")
    assert not alts(at)
    at = pressed(at, "Measure the radii of 2")
    first = facts(at)[0]
    assert first["Exact radius"] == number(known.exact.radius)
    assert f"NeuronMCT exact {number(known.exact.radius)}" in alts(at)
    assert int(first["Changed just outside"].replace(",", "")) >= 1
    assert float(first["Off its tangent, inside"].removeprefix("≤ ")) < 1e-9
    assert "confidence 0.999" in html(at)
    limit = known.exact.limit
    if limit.site is not None:
        (opener,) = [b for b in at.button if b.label == "Open this neuron"][:1]
        opener.click()
        at = ran(at)
        assert view(at).neuron == (limit.site, limit.position)
        assert "What does this neuron do" in "".join(m.value for m in at.markdown)


@pytest.mark.thorough
def test_radii_over_sparsity_are_cores(known, nothing_made, monkeypatch):
    monkeypatch.setattr(linearity, "SPARSITIES", (0.95, 0.98))
    at = opened(QUICK | {"columns": "NeuronMCT~Original"}, "linearity")
    at = pressed(at, "Measure at 2 sparsities")
    assert f"NeuronMCT at 98.0 % {number(known.exact.radius)}." in alts(at)
    assert "NeuronMCT at 95.0 %" in alts(at)


@pytest.mark.parametrize(
    "ray", ["gradient", *(pytest.param(ray, marks=pytest.mark.thorough) for ray in ("random", "coffee"))]
)
def test_the_line_is_cores(ray, known, nothing_made, monkeypatch):
    monkeypatch.setattr(linearity, "POINTS", 3)
    at = opened(QUICK | {"columns": "NeuronMCT~Original", "ray": ray}, "linearity")
    at = pressed(at, "Follow the line")
    found = re.search(r"from (\S+) at the photo to (\S+) at distance (\S+)\.", alts(at))
    assert found
    if ray == "coffee":
        step = (known.network.preprocess(sample_images()["coffee"].open()) - known.image)[0].double()
        end = float(step.norm())
        line = along(*known.case, known.pathway, step / end, [end])
        assert found[3] == number(end)
        assert found[2] == number(float(line.responses[0]))
    else:
        assert found[3] == "1,000"
    assert float(found[1]) == pytest.approx(
        float(along(*known.case, known.pathway, known.image[0] * 0, [0.0]).responses[0]), rel=1e-2
    )
    assert link(at)["ray"] == ray if ray != "gradient" else "ray" not in link(at)


def test_directions_and_columns_are_chosen():
    at = opened(QUICK, "linearity")
    boxes = {s.label: s for s in at.selectbox}
    boxes["Direction"].set_value("coffee")
    at = ran(at)
    {s.label: s for s in at.selectbox}["Follow the response of"].set_value(1)
    at = ran(at)
    assert (view(at).ray, view(at).ray_of) == ("coffee", 1)
    assert warnings(at) == ""
    assert link(at) == QUICK | {"ray": "coffee", "ray_of": "1"}


def test_a_link_to_a_photo_that_is_not_there_goes_up_the_gradient():
    at = opened(QUICK | {"ray": "no-such", "ray_of": "5"}, "linearity")
    boxes = {s.label: s.value for s in at.selectbox}
    assert boxes["Direction"] == "gradient"
    assert boxes["Follow the response of"] == 1


def test_a_unit_step_leads_where_it_says(known):
    gradient = torch.randn(known.network.input_shape)
    scene_like = type("Scene", (), {"image": known.image, "network": known.network})()
    for ray in ("gradient", "random", "coffee"):
        step, end = linearity._direction(scene_like, gradient, ray)
        assert float(step.norm()) == pytest.approx(1)
        assert end > 0
    step, end = linearity._direction(scene_like, gradient, "coffee")
    coffee = known.network.preprocess(sample_images()["coffee"].open())
    np.testing.assert_allclose((known.image[0].double() + end * step), coffee[0].double(), atol=1e-5)
