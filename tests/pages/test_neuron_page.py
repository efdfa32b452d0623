"""The Neuron page as Streamlit runs it: the neuron's facts, its place under strategies, the photos that excite it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

from core.data.preprocessing import Preprocessing
from core.data.samples import sample_images
from core.methods import METHODS
from core.models.zoo import load_network
from core.network import Network, trace
from core.network.receptive_field import receptive_field
from core.pathways.ranking import Ranking, rank
from explorer.compute import catalogue, neurons, task_queue
from explorer.compute.neurons import Excitement
from explorer.plots.words import number, percent
from explorer.state.view import View
from tests.app import PAGES, button, facts, link, opened, ran, sections, titles, until_done, until_shown, view, warnings
from tests.networks import SHAPE, seeded
from tests.waiting import finished, until

pytestmark = pytest.mark.usefixtures("own_queue")

SITE = "neuron_site_squeezenet1_1"
Neuron = tuple[int, int]


def looked(params: dict[str, str] | None = None) -> AppTest:
    return opened(params, "neuron")


def written(neuron: Neuron) -> dict[str, str]:
    return {"neuron": f"{neuron[0]}-{neuron[1]}"}


def alts(at: AppTest) -> list[str]:
    return [element.proto.imgs[0].alt for element in at.image]


def places(at: AppTest) -> dict[str, dict[str, str]]:
    """The table of strategies, by their titles."""
    (table,) = at.table
    return {row.pop("strategy"): row for row in table.value.to_dict("records")}


class Known:
    """The default photo in the default network, from core alone."""

    def __init__(self) -> None:
        self.network = load_network("squeezenet1_1")
        self.image = self.network.preprocess(sample_images()["chelsea"].open())
        run = self.network.run(self.image, record=True)
        self.target, self.activations = int(run.logits.argmax()), [a[0] for a in run.activations]
        self.scores: dict[str, list[Tensor]] = {}
        self.rankings: dict[str, Ranking] = {}
        for name in ("NeuronMCT", "Random"):
            self.score(name)

    def score(self, name: str, **options: int) -> None:
        self.scores[name] = list(METHODS[name](self.network, self.image, self.target, **options))
        self.rankings[name] = rank(self.scores[name])

    def value(self, neuron: Neuron) -> float:
        return float(self.activations[neuron[0]].flatten()[neuron[1]])

    def place(self, name: str, neuron: Neuron) -> str:
        """The rank as the page writes it, counted: how many neurons score more."""
        score = float(self.scores[name][neuron[0]].flatten()[neuron[1]])
        if score == 0:
            return "score 0"
        more = sum(int((scores > score).sum()) for scores in self.scores[name])
        equal = sum(int((scores == score).sum()) for scores in self.scores[name])
        assert equal == 1  # else its rank is not a matter of counting
        return f"{more + 1:,} of 2,420,352"

    def on(self, name: str, neuron: Neuron, sparsity: float) -> bool:
        return bool(self.rankings[name].pathway(sparsity).masks[neuron[0]].flatten()[neuron[1]])

    def first(self, wanted: Callable[[int], Tensor]) -> Neuron:
        """The first neuron, from the last site backwards, that a mask per site holds for."""
        for site in reversed(range(len(self.network.sites))):
            found = wanted(site).flatten().nonzero()
            if len(found):
                return site, int(found[0])
        raise LookupError


@pytest.fixture(scope="module")
def known() -> Known:
    return Known()


# --------------------------------------------------------------------------------------------------------------- facts


@pytest.mark.parametrize("neuron", [(1, 28340), (9, 4400), (24, 128 * 169 + 84)])
def test_a_whole_channel_is_ranked_by_its_neurons_together(neuron, known):
    at = looked(written(neuron) | {"whole": "True"})
    ran(at)
    site = known.network.sites[neuron[0]]
    channel = site.place(neuron[1])[0]
    dead = known.activations[site.index][channel] == 0
    for name, row in places(at).items():
        if name not in known.scores:
            continue
        scores = known.scores[name][site.index][channel]
        top = float(scores.max())
        better = sum(int((others > top).sum()) for others in known.scores[name])
        kept = known.rankings[name].pathway(0.9).masks[site.index][channel]
        lost = int((kept & dead).sum())
        assert row["rank"] == ("best score 0" if top == 0 else f"best {better + 1:,} of 2,420,352")
        assert row["score"] == ("" if name == "Random" else f"sum {number(float(scores.sum()))}")
        assert row["on the pathway"] == f"{int(kept.sum()):,} of {kept.numel():,}" + (
            f", {lost:,} of them dead" if lost else ""
        )
    assert f"Where strategies rank the neurons of channel {channel}" in sections(at)


def test_the_page_shows_every_part(nothing_made):
    at = until_done(looked())
    assert sections(at) == [
        "What does this neuron do for *tiger cat*?",
        "What feeds it, and what it feeds",
        "Where strategies rank it",
        "Which photos excite channel 9 of features.3.squeeze_activation",
    ]
    assert warnings(at) == ""
    assert link(at) == {}
    assert len(at.image) == 3 + 6 + 1  # what it sees, two maps, six photos, the crop
    assert all(len(text) > 20 for text in alts(at))


def test_the_default_neuron_is_the_one_that_neuronmct_keeps_longest(known):
    scores = known.scores["NeuronMCT"]
    site = max(range(len(scores)), key=lambda s: float(scores[s].max()))
    position = int(scores[site].argmax())
    assert (site, known.network.sites[site].place(position)) == (1, (9, 20, 15))
    at = looked()
    assert at.selectbox(key=SITE).value == 1
    assert [at.number_input(key=f"neuron_{what}_squeezenet1_1_1").value for what in ("channel", "row", "column")] == [
        9,
        20,
        15,
    ]
    assert titles(at)["features.3.squeeze_activation"] == "channel 9, row 20, column 15"
    assert places(at)["NeuronMCT"]["rank"] == "1 of 2,420,352"
    assert view(at).neuron is None  # it follows the photo until a person chooses


def described(known: Known, neuron: Neuron) -> None:
    """What the page says of a neuron is what core says."""
    at = looked(written(neuron))
    site, position = known.network.sites[neuron[0]], neuron[1]
    channel, row, column = site.place(position)
    plane = known.activations[site.index][channel]
    value = known.value(neuron)
    own = next(found for found in facts(at) if "Site" in found)
    assert own == {
        "Activation": number(value) if value else "0, dead",
        "Site": f"{neuron[0]} of 0 to 24, {' × '.join(map(str, site.shape))}",
        "Channel, active": percent(int((plane > 0).sum()) / plane.numel()),
        "Channel, largest": number(float(plane.max())),
    }
    shown = titles(at)
    assert shown[site.name] == f"channel {channel}, row {row}, column {column}"
    left, top, right, bottom = receptive_field(known.network, site, position)
    assert shown["What it sees"] == f"{right - left} × {bottom - top} pixels"
    words = "\n".join(alts(at))
    assert f"the neuron sees pixels {left} to {right} across and {top} to {bottom} down." in words
    for title, detail, values in (
        ("Activation", f"channel {channel} on this photo", plane),
        ("Score", "NeuronMCT", known.scores["NeuronMCT"][site.index][channel]),
    ):
        assert shown[title] == detail
        peak = float(values.max())
        assert f"{title}, {detail}: largest, {number(peak)}, at row" in words
        at_row, at_column = map(
            int, re.findall(rf"{title}, .* at row (\d+), column (\d+) of {site.shape[1]}\.", words)[0]
        )
        assert float(values[at_row, at_column]) == peak
    rows = places(at)
    assert rows["NeuronMCT"]["rank"] == known.place("NeuronMCT", neuron)
    score = float(known.scores["NeuronMCT"][site.index].flatten()[position])
    assert rows["NeuronMCT"]["score"] == number(score)
    assert rows["Random"] == {
        "rank": known.place("Random", neuron),
        "score": "",  # its scores are places and say no more than the ranks
        "on the pathway": ("yes" if known.on("Random", neuron, 0.9) else "no") + ("" if value else ", dead"),
    }
    on = known.on("NeuronMCT", neuron, 0.9)
    assert rows["NeuronMCT"]["on the pathway"] == ("yes" if on else "no") + ("" if value else ", dead")


@pytest.mark.parametrize("neuron", [(9, 4400), (0, 12345), (24, 128 * 169 + 84), (13, 40 * 169)])
def test_the_facts_of_a_neuron_are_cores(neuron, known):
    described(known, neuron)


def test_the_facts_of_a_neuron_on_the_pathway_are_cores(known):
    masks = known.rankings["NeuronMCT"].pathway(0.9).masks
    neuron = known.first(lambda site: masks[site] if site < 20 else masks[site] & False)
    assert known.value(neuron) > 0
    described(known, neuron)


@pytest.mark.parametrize("on", [True, False], ids=["on Random's pathway", "off it"])
def test_the_facts_of_a_dead_neuron_are_cores(on, known):
    masks = known.rankings["Random"].pathway(0.9).masks
    neuron = known.first(lambda site: (known.activations[site] == 0) & (masks[site] == on))
    assert known.value(neuron) == 0.0
    described(known, neuron)
    at = looked(written(neuron))
    assert next(found for found in facts(at) if "Site" in found)["Activation"] == "0, dead"
    assert places(at)["NeuronMCT"] == {"rank": "score 0", "score": "0", "on the pathway": "no, dead"}
    assert places(at)["Random"]["on the pathway"] == ("yes, dead" if on else "no, dead")


def test_whether_a_neuron_is_on_the_pathway_follows_the_sparsity(known):
    neuron = (9, 4400)
    at = looked(written(neuron))
    seen = []
    for sparsity in (0.8, 0.85, 0.88, 0.89, 0.9, 0.95):
        at = ran(at.select_slider(key="view_sparsity").set_value(sparsity))
        seen.append(places(at)["NeuronMCT"]["on the pathway"])
        assert seen[-1] == ("yes" if known.on("NeuronMCT", neuron, sparsity) else "no")
    assert set(seen) == {"yes", "no"}


# ----------------------------------------------------------------------------------------------------------- the choice


@pytest.mark.parametrize("start", [{}, {"neuron": "9-4400"}], ids=["the default", "one with a column of its own"])
@pytest.mark.parametrize("site", [0, 7, 24])
def test_choosing_a_site_goes_to_the_link_and_back(site, start):
    at = looked(start)
    at = ran(at.selectbox(key=SITE).select(site))
    assert view(at).neuron == (site, 0)
    assert link(at) == {"neuron": f"{site}-0"}
    assert warnings(at) == ""
    again = looked(link(at))
    assert view(again) == view(at)
    assert again.selectbox(key=SITE).value == site


def test_choosing_channel_row_and_column_goes_to_the_link_and_back():
    at = looked({"neuron": "7-0"})
    for what, value, position in (("channel", 3, 2187), ("row", 26, 2187 + 702), ("column", 5, 2187 + 702 + 5)):
        at = ran(at.number_input(key=f"neuron_{what}_squeezenet1_1_7").set_value(value))
        assert view(at).neuron == (7, position)
        assert link(at) == {"neuron": f"7-{position}"}
    assert titles(at)["features.6.squeeze_activation"] == "channel 3, row 26, column 5"
    again = looked(link(at))
    assert view(again) == view(at)
    keys = [SITE, *(f"neuron_{what}_squeezenet1_1_7" for what in ("channel", "row", "column"))]
    shown = [*again.selectbox, *again.number_input]
    assert [next(w.value for w in shown if w.key == key) for key in keys] == [7, 3, 26, 5]


def test_row_and_column_may_change_in_one_step():
    at = looked({"neuron": "7-0"})
    at.number_input(key="neuron_row_squeezenet1_1_7").set_value(2)
    at.number_input(key="neuron_column_squeezenet1_1_7").set_value(4)
    at = ran(at)
    assert view(at).neuron == (7, 2 * 27 + 4)


def test_moving_from_the_default_neuron_moves_from_there():
    at = looked()
    at = ran(at.number_input(key="neuron_column_squeezenet1_1_1").set_value(16))
    assert view(at).neuron == (1, (9 * 55 + 20) * 55 + 16)


def test_the_whole_channel_is_a_switch_in_the_link():
    at = looked({"neuron": "7-0"})
    at = ran(at.toggle(key="view_whole").set_value(True))
    assert link(at) == {"neuron": "7-0", "whole": "True"}
    assert view(looked(link(at))) == view(at)


def test_the_neuron_is_kept_from_page_to_page():
    at = looked({"neuron": "7-2894", "sparsity": "0.95"})
    seen = view(at)
    for page in ("explore", "knockout", "neuron"):
        at.query_params.clear()
        at.switch_page(str(PAGES / f"{page}.py"))
        at = ran(at)
        assert view(at) == seen
    assert titles(at)["features.6.squeeze_activation"] == "channel 3, row 26, column 5"
    assert at.selectbox(key=SITE).value == 7


@pytest.mark.parametrize(
    "neuron", ["25-0", "999-0", "24-43264", "0-788544", "0-999999999"], ids=lambda neuron: str(neuron)
)
def test_a_neuron_that_the_network_lacks_is_refused_in_words(neuron):
    at = opened({"neuron": neuron}, "neuron", followed=False)
    assert f"squeezenet1_1 does not have what the link asks for: neuron={neuron}" in warnings(at)
    assert view(at) == View()
    assert link(at) == {}
    assert "features.3.squeeze_activation" in titles(at)  # the default one


@pytest.mark.parametrize("neuron", ["24-43263", "0-788543"])
def test_the_last_neuron_of_a_site_is_shown(neuron):
    at = looked({"neuron": neuron})
    assert warnings(at) == ""
    assert link(at) == {"neuron": neuron}


@pytest.mark.parametrize("neuron", ["-1-0", "1--1", "1", "one-two", "1-2-3", "٣-1", "1-1e3", ""])
def test_a_neuron_that_is_none_is_named(neuron):
    at = opened({"neuron": neuron}, "neuron", followed=False)
    assert f"neuron={neuron}" in warnings(at)
    assert view(at) == View()


# --------------------------------------------------------------------------------------------------- slow strategies

QUICK = {"GreedyPruning.steps": "10", "NeuronIntGrad.n_steps": "3", "DGR(init=1).iterations": "3"}
SLOW = ["NeuronIntGrad (n_steps=3)", "GreedyPruning (steps=10)", "DGR(init=1) (iterations=3)", "DGR(init=r)"]


def finds_none(*_: Any, **__: Any) -> Any:
    raise RuntimeError("no luck with gates")


def test_slow_strategies_are_not_asked_for_until_a_person_says_so(nothing_made, go_on):
    at = looked(QUICK)
    rows = places(at)
    assert list(rows) == ["NeuronMCT", *SLOW, "Random"]
    for title in SLOW:
        assert rows[title] == {"rank": "not made yet", "score": "", "on the pathway": ""}
    assert task_queue.QUEUE.pending("long") == 0
    assert button(at, "Rank it under the others too").help.startswith(", ".join(SLOW))


@pytest.mark.thorough
def test_slow_strategies_fill_in_when_a_person_asks_for_them(nothing_made, go_on, known, monkeypatch):
    monkeypatch.setitem(METHODS, "DGR(init=r)", replace(METHODS["DGR(init=r)"], function=finds_none))
    neuron = (24, 121 * 169 + 132)  # active
    at = until_done(looked(QUICK | written(neuron)))  # edges and photos
    at = ran(button(at, "Rank it under").click())
    assert not [b for b in at.button if b.label.startswith("Rank it under")]
    assert task_queue.QUEUE.pending("long") == 4
    assert len(at.progress) == 4
    at = until_shown(at, lambda at: places(at)[SLOW[0]]["rank"] != "not made yet")  # while the second is held
    assert [places(at)[title]["rank"] == "not made yet" for title in SLOW] == [False, True, True, True]
    go_on.set()
    at = until_done(at)
    rows = places(at)
    for title, options in zip(SLOW[:3], ({"n_steps": 3}, {"steps": 10}, {"iterations": 3}), strict=True):
        name = title.split(" ")[0]
        ranking = rank(METHODS[name](known.network, known.image, known.target, **options))
        place = int(ranking.ranks[neuron[0]].flatten()[neuron[1]])
        scored = place < len(ranking.scores)
        on = bool(ranking.pathway(0.9).masks[neuron[0]].flatten()[neuron[1]])
        assert rows[title] == {
            "rank": f"{place + 1:,} of 2,420,352" if scored else "score 0",
            "score": "" if name == "GreedyPruning" else number(ranking.score(*neuron)),
            "on the pathway": "yes" if on else "no",
        }
    assert rows["DGR(init=r)"]["rank"] == "not made yet"
    assert "no luck with gates" in at.error[0].value  # and the others are there all the same
    assert task_queue.QUEUE.pending("long") == 0


@pytest.mark.thorough
def test_the_score_of_a_slow_first_method_fills_in(nothing_made, go_on):
    at = looked({"first": "GreedyPruning", "second": "NeuronMCT", "GreedyPruning.steps": "10", "neuron": "9-4400"})
    assert titles(at)["Score"] == "GreedyPruning (steps=10), still in line"
    assert sum("Score, GreedyPruning" in text for text in alts(at)) == 0
    go_on.set()
    at = until_done(at)
    assert titles(at)["Score"] == "GreedyPruning (steps=10)"
    assert sum("Score, GreedyPruning (steps=10): largest" in text for text in alts(at)) == 1
    assert places(at)["GreedyPruning (steps=10)"]["rank"] != "not made yet"


def test_a_cancelled_first_method_stays_cancelled(nothing_made, go_on):
    at = looked({"first": "GreedyPruning", "second": "NeuronMCT", "neuron": "9-4400"})
    at = ran(ran(at.button(key="score_cancel").click()))
    assert "Cancelled." in [info.value for info in at.info]
    until(lambda: task_queue.QUEUE.pending("long") == 0)
    ran(at)
    assert task_queue.QUEUE.pending("long") == 0  # what the page draws beside it submits it no more


# ---------------------------------------------------------------------------------------------- photos that excite it


def excited(network: Network) -> Excitement:
    found = finished(neurons.excitement_task(network)).result
    assert found is not None
    return found


def slow_peaks(network: Network, site: int, channel: int) -> list[tuple[str, float]]:
    """The largest activation of one channel on every embedded photo, largest first."""
    found = []
    for name, photo in sample_images().items():
        activation = network.run(network.preprocess(photo.open()), record=True).activations[site][0, channel]
        found.append((name, max(activation.flatten().tolist())))
    return sorted(found, key=lambda pair: -pair[1])


def test_excitement_is_the_largest_activation_on_every_photo(nothing_made, known):
    found = excited(known.network)
    assert found.photos == tuple(sample_images())
    assert [peaks.shape for peaks in found.peaks] == [(11, site.shape[0]) for site in known.network.sites]
    assert found.strongest(9, 6) == slow_peaks(known.network, 9, 6)
    assert {str(peaks.dtype) for peaks in found.peaks} == {"float32"}
    chelsea = found.photos.index("chelsea")
    for peaks, activation in zip(found.peaks, known.activations, strict=True):
        assert peaks[chelsea].tolist() == activation.amax((1, 2)).tolist()


def test_excitement_is_made_once_for_a_network(nothing_made, known):
    assert excited(known.network) is excited(known.network)
    other = trace(*vectors_model(), name="squeezenet1_1", preprocessing=PREPROCESSING, weights_hash="other")
    assert excited(other).photos == excited(known.network).photos
    assert excited(other) is not excited(known.network)


def photos(at: AppTest) -> list[dict[str, str]]:
    """The facts under the photos, which hold nothing else."""
    named = {photo.title for photo in sample_images().values()}
    return [found for found in facts(at) if set(found) <= named]


def test_the_photos_that_excite_a_channel_are_shown_in_order(known):
    at = until_done(looked({"neuron": "9-4400"}))
    expected = slow_peaks(known.network, 9, 6)[:6]
    assert photos(at) == [{sample_images()[name].title: number(peak)} for name, peak in expected]
    words = [text for text in alts(at) if "largest activation" in text]
    assert words == [f"{sample_images()[name].title}: largest activation {number(peak)}." for name, peak in expected]


def test_looking_at_a_photo_changes_it_and_keeps_the_neuron(known):
    params = {"neuron": "9-4400", "target": "285", "x": "0.2", "zoom": "2.0", "sparsity": "0.8"}
    at = until_done(looked(params))
    (second, peak) = slow_peaks(known.network, 9, 6)[1]
    before = photos(at)
    at = ran(at.button(key="look_1").click())
    assert view(at) == View(image=second, neuron=(9, 4400), sparsity=0.8)  # uncropped, at its own prediction
    assert next(found for found in facts(at) if "Site" in found)["Channel, largest"] == number(peak)
    assert photos(at) == before
    assert warnings(at) == ""


def test_looking_at_a_photo_keeps_the_neuron_that_nobody_chose():
    at = until_done(looked())
    shown = sections(at)[-1]
    assert "channel 9 of features.3.squeeze_activation" in shown
    at = ran(at.button(key="look_0").click())
    assert view(at).image != "chelsea"
    assert sections(at)[-1] == shown
    assert titles(at)["features.3.squeeze_activation"] == "channel 9, row 20, column 15"


# ------------------------------------------------------------------------------------------------------------- vectors

PREPROCESSING = Preprocessing(size=8, resize=9)


def vectors_model() -> tuple[nn.Module, tuple[int, ...]]:
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 6), nn.ReLU(), nn.Linear(6, 3)
    return seeded(nn.Sequential(*layers), seed=1), SHAPE


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch) -> Network:
    """A small network that a link may name: four channels of 6 x 6, then a vector of six."""
    network = trace(*vectors_model(), name="vectors", preprocessing=PREPROCESSING, weights_hash="vectors")
    labels, of_the_zoo = catalogue.network_labels(), catalogue.network
    monkeypatch.setattr(catalogue, "network_labels", lambda: labels | {"vectors": "vectors · toy"})
    monkeypatch.setattr(catalogue, "network", lambda name: network if name == "vectors" else of_the_zoo(name))
    return network


def test_a_vectors_excitement_is_its_activation_on_every_photo(nothing_made, vectors):
    found = excited(vectors)
    assert [peaks.shape for peaks in found.peaks] == [(11, 4), (11, 6)]
    for channel in range(6):
        assert found.strongest(1, channel) == slow_peaks(vectors, 1, channel)
    assert found.strongest(0, 3) == slow_peaks(vectors, 0, 3)
    for name, peak in found.strongest(1, 2):
        run = vectors.run(vectors.preprocess(sample_images()[name].open()), record=True)
        assert peak == float(run.activations[1][0, 2])


@pytest.mark.parametrize("channel", range(6))
def test_a_neuron_of_a_vector_is_shown(channel, nothing_made, vectors):
    at = until_done(looked({"network": "vectors", "neuron": f"1-{channel}"}))
    image = vectors.preprocess(sample_images()["chelsea"].open())
    run = vectors.run(image, record=True)
    value = float(run.activations[1][0, channel])
    assert warnings(at) == ""
    assert titles(at)["4"] == f"channel {channel}"
    assert titles(at)["What it sees"] == "8 × 8 pixels"
    own = next(found for found in facts(at) if "Site" in found)
    assert own["Site"] == "1 of 0 to 1, 6"
    assert own["Activation"] == (number(value) if value else "0, dead")
    assert own["Channel, active"] == ("100.0 %" if value else "0.0 %")
    assert own["Channel, largest"] == number(value)
    scores = METHODS["NeuronMCT"](vectors, image, int(run.logits.argmax()))
    score = float(scores[1][channel])
    more = sum(int((s > score).sum()) for s in scores)
    assert places(at)["NeuronMCT"]["rank"] == (f"{more + 1} of 150" if score else "score 0")
    inputs = {n.key: n for n in at.number_input}
    assert inputs["neuron_channel_vectors_1"].value == channel
    assert [inputs[f"neuron_{what}_vectors_1"].disabled for what in ("channel", "row", "column")] == [False, True, True]
    expected = [{sample_images()[name].title: number(peak)} for name, peak in slow_peaks(vectors, 1, channel)[:6]]
    assert photos(at) == expected


def test_the_toy_has_neurons_of_both_kinds(vectors):
    """Else the test above would leave out the dead, or the living."""
    activation = vectors.run(vectors.preprocess(sample_images()["chelsea"].open()), record=True).activations[1]
    assert 0 < int((activation > 0).sum()) < 6
    assert [site.shape for site in vectors.sites] == [(4, 6, 6), (6,)]


def test_moving_along_a_vector_and_over_planes(nothing_made, vectors):
    at = looked({"network": "vectors", "neuron": "1-2"})
    at = ran(at.number_input(key="neuron_channel_vectors_1").set_value(5))
    assert view(at).neuron == (1, 5)
    at = looked({"network": "vectors", "neuron": "0-0"})
    at = ran(at.number_input(key="neuron_row_vectors_0").set_value(5))
    assert view(at).neuron == (0, 30)


def test_a_neuron_of_a_vector_that_is_not_there_is_refused_in_words(nothing_made, vectors):
    at = opened({"network": "vectors", "neuron": "1-6"}, "neuron", followed=False)
    assert "vectors does not have what the link asks for: neuron=1-6" in warnings(at)
    assert view(at) == View(network="vectors")
