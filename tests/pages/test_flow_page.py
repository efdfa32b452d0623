"""The Flow page as Streamlit runs it: its numbers, its links, its table, what it says while it waits."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from core.data.samples import sample_images
from core.flow import BIAS, IMAGE, LOGIT, channel_flow, link
from core.methods import METHODS
from core.models.zoo import load_network
from core.pathways.ranking import rank
from explorer.compute import cache
from explorer.compute import flow as flows
from explorer.compute.flow import Flow
from explorer.views import flow as flow_view
from tests.app import html, opened, ran, until_done, until_shown, view
from tests.app import link as address

pytestmark = pytest.mark.usefixtures("own_queue")

QUICK = {"second": "Random"}  # neither waits in line


def flow_page(params: dict[str, str] | None = None) -> AppTest:
    return opened(params, "flow")


def figure(at: AppTest) -> Any:
    (found,) = at.get("plotly_chart")
    return json.loads(found.proto.spec)


def nodes(at: AppTest) -> dict[tuple[int, int], tuple[str, str]]:
    """Each node's kind and what its hover text says."""
    return {
        tuple(place): (trace["name"], words)
        for trace in figure(at)["data"]
        if trace.get("customdata")
        for place, words in zip(trace["customdata"], trace["hovertext"], strict=True)
    }


def held() -> list[object]:
    """What there is among the results."""
    return [entry.value for entry in cache.RESULTS._entries.values()]


def found_flow() -> Flow:
    (flow,) = (value for value in held() if isinstance(value, Flow))
    return flow


@pytest.fixture(scope="module")
def expected() -> Any:
    """What core says of the default view: links, channels of largest |a dF/da| and the flow between them."""
    network = load_network("squeezenet1_1")
    image = network.preprocess(sample_images()["chelsea"].open())
    target = int(network.run(image).logits.argmax())
    pathway = rank(METHODS["NeuronMCT"](network, image, target)).pathway(0.9)
    links = link(network, image, target, pathway)
    channels = []
    for site, a, slope in zip(network.sites, links.activations, links.to_activation, strict=True):
        sums = (a * slope).abs().reshape(site.planes[0], -1).sum(1)
        channels.append([c for c in sums.argsort(descending=True, stable=True)[:12].tolist() if sums[c] > 0])
    return links, channels, channel_flow(links, channels)


def test_the_graphs_numbers_are_cores(nothing_made, expected):
    at = until_done(flow_page(QUICK))
    links, channels, given = expected
    table = at.dataframe[0].value
    assert 200 < len(table) <= 300
    names = {site.name: site.index for site in links.network.sites} | {"image": IMAGE, "logit": LOGIT}

    def node(site: str, channel: str) -> tuple[int, int]:
        index = names[site]
        if index < 0:
            return index, 0
        return index, len(channels[index]) if channel.endswith("others") else channels[index].index(int(channel))

    for row in table.to_dict("records"):
        start, end = node(row["from site"], row["from channel"]), node(row["to site"], row["to channel"])
        matrix = given.flows[start[0], end[0]]
        assert row["flow"] == pytest.approx(float(matrix[start[1], end[1]]), rel=1e-4, abs=1e-6)
        assert row["share"] == pytest.approx(abs(row["flow"]) / float(matrix.abs().sum()), rel=1e-4)
    assert {place for place in nodes(at) if place[0] >= 0} == {
        (s, n)
        for s, own in enumerate(channels)
        for n in range(len(own) + (len(own) < links.network.sites[s].planes[0]))
    }


def test_conservation_is_said_and_true(expected):
    at = until_done(flow_page(QUICK))
    links, _, given = expected
    into = sum(float(m.sum()) for (start, end), m in given.flows.items() if end == LOGIT and start != BIAS)
    biases = float(given.flows[BIAS, LOGIT].sum())
    assert into + biases == pytest.approx(links.response, rel=1e-5)
    shown = html(at)
    assert f"<dt>Flow into the logit, all links</dt><dd>{into:.4f}</dd>" in shown
    assert f"<dt>Together: the pathway&#39;s response</dt><dd>{links.response:.4f}</dd>" in shown
    assert "-0.0000" not in shown
    assert any("flow into the logit is the response minus what biases bring" in c.value for c in at.caption)


def test_nodes_say_whose_neurons_they_keep(expected):
    at = until_done(flow_page(QUICK))
    links, channels, _ = expected
    image = links.network.preprocess(sample_images()["chelsea"].open())
    masks = [
        rank(METHODS[name](links.network, image, links.target)).pathway(0.9).masks[5][channels[5][2]]
        for name in ("NeuronMCT", "Random")
    ]
    only, both, other = ((a & b).sum() for a, b in ((masks[0], ~masks[1]), masks, (~masks[0], masks[1])))
    kind, words = nodes(at)[5, 2]
    assert f"{only:,} kept only by NeuronMCT, {both:,} by both, {other:,} only by Random" in words
    names = ("kept mostly by NeuronMCT alone", "kept mostly by both", "kept mostly by Random alone")
    assert kind == names[int(torch.stack([only, both, other]).argmax())]


def test_what_is_not_drawn_is_counted():
    at = until_done(flow_page(QUICK))
    flow, drawn = found_flow_of(at), len(at.dataframe[0].value)
    said = next(c.value for c in at.caption if "links are drawn" in c.value)
    assert f"{drawn} links are drawn" in said
    assert f"{len(flow.edges) - drawn:,} weaker ones" in said
    alt = at.get("plotly_chart")[0].proto.alt
    assert f"{drawn} links" in alt
    assert "Flow into the logit 10." in alt


def found_flow_of(at: AppTest) -> Flow:
    chosen = [v for v in held() if isinstance(v, Flow) and len(v.channels) == 25]
    return chosen[-1]


def test_a_channel_is_selected_without_the_mouse_and_a_link_brings_it_back(expected):
    at = until_done(flow_page(QUICK))
    links, channels, _ = expected
    box = next(s for s in at.selectbox if s.label == "Selected channel")
    at = ran(box.select((7, 1)))
    site = links.network.sites[7]
    strength = (links.activations[7] * links.to_activation[7]).abs()[channels[7][1]]
    row, column = np.unravel_index(int(strength.argmax()), strength.shape)
    assert view(at).neuron == (7, site.position(channels[7][1], int(row), int(column)))
    assert view(at).whole
    assert "selected" in [trace.get("name") for trace in figure(at)["data"]]
    assert "Gets from the sites before" in html(at)
    again = until_done(flow_page(address(at)))
    assert view(again) == view(at)
    assert next(s for s in again.selectbox if s.label == "Selected channel").value == (7, 1)
    table = at.dataframe[0].value
    own = table[(table["from site"] == site.name) & (table["from channel"] == str(channels[7][1]))]
    assert len(own) == 26  # all that it gives to the two sites after it, however little


def test_a_neuron_outside_the_strongest_channels_is_among_the_others(expected):
    links, channels, _ = expected
    site = links.network.sites[5]
    outside = next(c for c in range(site.planes[0]) if c not in channels[5])
    at = until_done(flow_page(QUICK | {"neuron": f"5-{site.position(outside, 0, 0)}"}))
    assert any("others" in info.value for info in at.info)
    assert next(s for s in at.selectbox if s.label == "Selected channel").value is None


def test_clicks_select_channels_and_nothing_else():
    assert flow_view.picked([{"customdata": [4, 2], "point_index": 9}]) == (4, 2)
    assert flow_view.picked([{"point_index": 9}]) is None  # the middle of a link
    assert flow_view.picked([]) is None
    flow = Flow(((4, 4, 4), (2, 1, 1)), (1, 2), ((3, 1), ()), ((50, 17), ()), {}, 1.0, 0.1)
    assert flow.neuron((0, 0)) == (0, 50)
    assert flow.neuron((0, 2)) is None  # its others
    assert flow.neuron((IMAGE, 0)) is None
    assert flow.place((0, 20)) == (0, 1)
    assert flow.place((0, 5)) == (0, 2)


def test_strongest_gives_every_two_sites_a_share():
    matrices = {
        (IMAGE, 0): np.array([[5.0, -4.0, 3.0]]),
        (0, LOGIT): np.array([[0.1], [-0.3], [0.0]]),
        (BIAS, LOGIT): np.array([[9.0]]),
    }
    flow = Flow(((3, 1, 1),), (1,), ((2, 0),), ((2, 0),), matrices, 8.8, 0.1)
    assert [edge.flow for edge in flow.edges] == [5, -4, 3, -0.3, 0.1]
    assert [edge.flow for edge in flow.strongest(most=2)] == [5, -0.3]
    assert [edge.flow for edge in flow.strongest((0, 0), most=2)] == [5, -0.3, 0.1]
    assert flow.edges[0].share == pytest.approx(5 / 12)
    assert flow.given((LOGIT, 0)) + flow.from_biases == pytest.approx(8.8)
    assert flow.passed((IMAGE, 0)) == 4
    assert flow.given((0, 1)) == -4


@pytest.mark.thorough
def test_a_network_with_skips_works(nothing_made):
    at = until_done(flow_page(QUICK | {"network": "efficientnet_lite0"}))
    flow = found_flow()
    assert len(flow.channels) == 33
    assert flow.depths == tuple(range(1, 34))  # a chain, with links past some of it
    assert any(end - start > 1 for start, end in flow.matrices if start >= 0)
    assert flow.given((LOGIT, 0)) + flow.from_biases == pytest.approx(flow.response, rel=1e-3)
    assert {site for site, _ in nodes(at)} == {IMAGE, LOGIT, *range(33)}


def test_frozen_neurons_are_said_to_give():
    at = until_done(flow_page(QUICK | {"off": "frozen"}))
    assert any("Frozen neurons give what they hold" in c.value for c in at.caption)


@pytest.mark.thorough
def test_a_first_method_still_in_line_is_said(nothing_made, go_on):
    at = flow_page({"first": "GreedyPruning", "second": "NeuronMCT"})
    assert any("whose ranking is still in line" in info.value for info in at.info)
    assert not at.get("plotly_chart")
    go_on.set()
    assert until_done(at).get("plotly_chart")


@pytest.mark.thorough
def test_without_the_second_method_the_first_colours_alone(nothing_made, go_on):
    at = until_shown(flow_page(), lambda at: at.get("plotly_chart"))
    assert any("GreedyPruning keeps too is not known yet" in c.value for c in at.caption)
    assert "kept by NeuronMCT" in {kind for kind, _ in nodes(at).values()}
    go_on.set()
    at = until_done(at)
    assert "kept mostly by GreedyPruning alone" in {kind for kind, _ in nodes(at).values()}


def test_it_can_be_cancelled_and_started_again(nothing_made, monkeypatch):
    go_on, made = threading.Event(), flows.link

    def held(*inputs: Any, **options: Any) -> Any:
        go_on.wait(20)
        return made(*inputs, **options)

    monkeypatch.setattr(flows, "link", held)
    at = flow_page(QUICK)
    at = ran(ran(at.button(key="flow_cancel").click()))
    assert "Cancelled." in [m.value for m in at.info]
    go_on.set()
    at = until_done(ran(at.button(key="start_flow").click()))
    assert at.get("plotly_chart")
