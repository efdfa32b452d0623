"""Sets of neurons and channels: how a link and a file name them, and what silencing them does to a network."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from core.data.preprocessing import Crop, Preprocessing
from core.errors import PathwayError
from core.network import Network, trace
from core.pathways.ranking import rank
from core.strategy import Strategy
from explorer.compute import catalogue, neurons, rankings, restriction
from explorer.compute.rankings import Scored, left_by
from explorer.compute.scene import Scene, make_scene
from explorer.state.knockout import MAX_BYTES, MOST_PARTS, KnockOut, Part
from tests.networks import SHAPE, seeded, toy

PHOTO = Image.effect_noise((12, 9), 90).convert("RGB")


class Mixed(nn.Module):
    """Sites of both shapes: (4, 6, 5), as two branches that are added, then (6,)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.next = nn.Conv2d(3, 4, (3, 4)), nn.Conv2d(4, 4, 3, padding=1)
        self.hidden, self.last = nn.Linear(4 * 30, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))
        x = x + F.relu(self.next(x))
        return self.last(F.relu(self.hidden(x.flatten(1))))

    def silenced(self, x: Tensor, factors: list[Tensor]) -> Tensor:
        """The forward pass with every activation multiplied by its factor."""
        x = F.relu(self.conv(x)) * factors[0]
        x = x + F.relu(self.next(x)) * factors[1]
        return self.last(F.relu(self.hidden(x.flatten(1))) * factors[2])


@cache
def mixed() -> tuple[Mixed, Network]:
    model = seeded(Mixed(), seed=3)
    assert isinstance(model, Mixed)
    preprocessing = Preprocessing(size=8, resize=9)
    return model, trace(model, SHAPE, name="mixed", preprocessing=preprocessing, weights_hash="abc")


@pytest.fixture
def network() -> Network:
    return mixed()[1]


@pytest.fixture
def scene(nothing_made: None, network: Network) -> Scene:
    return make_scene(network, PHOTO, Crop(), 1)


def channel(site: int, place: int) -> Part:
    return Part(site, place, whole=True)


def neuron(site: int, position: int) -> Part:
    return Part(site, position, whole=False)


def left(knock: KnockOut, network: Network) -> list[list[bool]]:
    """Which neurons stay, by the words of the page, one after the other."""
    kept = []
    for site in network.sites:
        _, height, width = site.planes
        own = [part for part in knock.parts if part.site == site.index]
        kept.append([])
        for position in range(site.neurons):
            named = False
            for part in own:
                if part.whole:
                    named = named or position // (height * width) == part.place
                else:
                    named = named or position == part.place
            kept[-1].append(True if not own else named == knock.only)
    return kept


SETS = {
    "nothing": (),
    "a neuron": (neuron(0, 37),),
    "a channel": (channel(1, 2),),
    "a neuron of a vector": (neuron(2, 5),),
    "a channel of a vector": (channel(2, 0),),
    "a channel and a neuron in it": (channel(0, 1), neuron(0, 30)),
    "a channel and a neuron beside it": (neuron(0, 119), channel(0, 0)),
    "the same neuron twice": (neuron(1, 4), neuron(1, 4)),
    "the same neuron of a vector twice, as neuron and as channel": (neuron(2, 3), channel(2, 3)),
    "all of a site": tuple(channel(1, c) for c in range(4)),
    "some of every site": (channel(0, 3), neuron(0, 0), neuron(1, 77), channel(2, 1), neuron(2, 4)),
}


# --------------------------------------------------------------------------------------------------------------- parts

PARTS = st.builds(Part, st.integers(0, 999_999), st.integers(0, 999_999_999), st.booleans())


@given(PARTS)
@example(Part(0, 0, whole=True))
@example(Part(999_999, 999_999_999, whole=False))
def test_a_part_is_read_as_it_is_written(part):
    assert Part.read(str(part)) == part
    assert str(part) == f"{part.site}{'c' if part.whole else 'n'}{part.place}"


def test_parts_by_hand():
    assert Part.read("9c4") == Part(site=9, place=4, whole=True)
    assert Part.read("9n3000") == Part(site=9, place=3000, whole=False)
    assert str(Part(25, 0, whole=False)) == "25n0"


NO_PARTS = [
    *("", "9", "c", "c4", "9c", "9x4", "9C4", "9N4", "9cn4", "nine", "9c4c5", "9c4~9c5", "9-4"),
    *("-9c4", "9c-4", "+9c4", "9c+4", "9.0c4", "9c4.0", "9c1e3", "9c0x4", "1_0c4", "9c1_0"),
    *(" 9c4", "9c4 ", "9 c4", "9c 4", "9c4\n", "\t9c4", "9c4\x00"),
    *("1234567c1", "1c1234567890", f"1c{10**30}", "9" * 5000 + "c1"),
    *("٩c4", "9c٤", "９c4", "9c４", "9с4", "9c²", "9ｃ4"),
]


@pytest.mark.parametrize("text", NO_PARTS, ids=lambda text: ascii(text)[:20])
def test_what_names_no_part_is_refused(text):
    with pytest.raises(ValueError, match=r"^"):  # whatever it says
        Part.read(text)


@given(st.text(max_size=12))
def test_any_text_names_a_part_or_is_refused(text):
    try:
        part = Part.read(text)
    except ValueError:
        return
    assert Part.read(str(part)) == part
    assert text.isascii()


@pytest.mark.parametrize(
    ("part", "fits"),
    [
        (channel(0, 3), True),
        (channel(0, 4), False),
        (neuron(0, 119), True),
        (neuron(0, 120), False),
        (channel(1, 3), True),
        (channel(1, 30), False),
        (channel(2, 5), True),
        (channel(2, 6), False),
        (neuron(2, 5), True),
        (neuron(2, 6), False),
        (channel(3, 0), False),
        (neuron(999_999, 0), False),
        (neuron(0, 999_999_999), False),
    ],
)
def test_a_part_fits_a_network_that_has_it(part, fits, network):
    assert [site.shape for site in network.sites] == [(4, 6, 5), (4, 6, 5), (6,)]
    assert part.fits(network) == fits


def test_titles_say_where_a_part_is(network):
    first, _, last = (site.name for site in network.sites)
    assert channel(0, 2).title(network) == f"{first}, channel 2"
    assert neuron(0, 2 * 30 + 4 * 5 + 3).title(network) == f"{first}, channel 2, row 4, column 3"
    assert channel(2, 5).title(network) == neuron(2, 5).title(network) == f"{last}, channel 5"


# ---------------------------------------------------------------------------------------------------------------- sets


def test_adding_keeps_the_order_and_what_is_there_already():
    a, b, c = channel(0, 1), neuron(0, 1), channel(1, 0)
    knock = KnockOut((b, a), only=True)
    assert knock.adding([]) == knock
    assert knock.adding([c, a, c]) == KnockOut((b, a, c), only=True)
    assert knock.adding(iter([a, b])) == knock
    assert knock.parts == (b, a)


def test_a_set_has_at_most_two_hundred_parts():
    many = [neuron(0, i) for i in range(300)]
    assert MOST_PARTS == 200
    assert KnockOut().adding(many).parts == tuple(many[:200])
    full = KnockOut(tuple(many[:199])).adding(reversed(many))
    assert full.parts == (*many[:199], many[299])
    assert full.adding([many[200]]) == full


def test_without_takes_one_part_out():
    a, b, c = channel(0, 1), neuron(0, 1), channel(1, 0)
    assert KnockOut((a, b, c), only=True).without(b) == KnockOut((a, c), only=True)
    assert KnockOut((a,)).without(a) == KnockOut()
    assert KnockOut((a,)).without(b) == KnockOut((a,))


@pytest.mark.parametrize("only", [False, True], ids=["silenced", "kept alone"])
@pytest.mark.parametrize("kind", SETS)
def test_what_is_left_is_what_a_slow_count_says(kind, only, network):
    knock = KnockOut(SETS[kind], only)
    pathway = left_by(knock, network)
    assert [mask.flatten().tolist() for mask in pathway.masks] == left(knock, network)
    assert [tuple(mask.shape) for mask in pathway.masks] == [site.shape for site in network.sites]
    assert {mask.dtype for mask in pathway.masks} == {torch.bool}


def test_what_is_left_by_hand(network):
    assert left_by(KnockOut(), network).sizes == (120, 120, 6)
    assert left_by(KnockOut((), only=True), network).sizes == (120, 120, 6)
    parts = (channel(0, 1), neuron(0, 31), neuron(0, 0), neuron(2, 2))  # the first neuron lies in the channel
    assert left_by(KnockOut(parts), network).sizes == (120 - 31, 120, 5)
    assert left_by(KnockOut(parts, only=True), network).sizes == (31, 120, 1)
    silenced = left_by(KnockOut(parts), network).masks
    assert not silenced[0][1].any()
    assert not silenced[0][0, 0, 0]
    assert silenced[0][0, 0, 1]
    assert silenced[2].tolist() == [True, True, False, True, True, True]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 119), st.booleans()), max_size=12), st.booleans())
def test_any_set_leaves_what_a_slow_count_says(named, only):
    network = mixed()[1]
    sizes = [(4, 120), (4, 120), (6, 6)]
    parts = [Part(site, place % sizes[site][0 if whole else 1], whole) for site, place, whole in named]
    knock = KnockOut(only=only).adding(parts)
    assert [mask.flatten().tolist() for mask in left_by(knock, network).masks] == left(knock, network)


@pytest.mark.parametrize("name", ["Residual", "Functional", "Split", "Branches", "ShapeDependent"])
def test_the_sites_of_awkward_networks_are_silenced_too(name):
    network = toy(name)[1]
    for site in network.sites:
        knock = KnockOut((channel(site.index, site.planes[0] - 1), neuron(site.index, 1)))
        assert [mask.flatten().tolist() for mask in left_by(knock, network).masks] == left(knock, network)


# ------------------------------------------------------------------------------------------------------------- answers


def literal(scene: Scene, knock: KnockOut) -> tuple[Tensor, Tensor]:
    """Logits and gradient of the raw model with every activation multiplied by 1 or 0."""
    model, network = mixed()
    kept = left(knock, network)
    factors = [torch.tensor(k).float().view(site.shape) for k, site in zip(kept, network.sites, strict=True)]
    image = scene.image.clone().requires_grad_()
    logits = model.silenced(image, factors)
    (gradient,) = torch.autograd.grad(logits[0, scene.target], image)
    return logits.detach(), gradient[0]


@pytest.mark.parametrize("only", [False, True], ids=["silenced", "kept alone"])
@pytest.mark.parametrize("kind", SETS)
def test_an_answer_is_the_pass_with_those_activations_multiplied_by_zero(kind, only, scene):
    knock = KnockOut(SETS[kind], only)
    answer = restriction.answer(scene, rankings.knocked(scene, knock), 0.0, "zero")
    logits, gradient = literal(scene, knock)
    torch.testing.assert_close(answer.restricted.logits, logits)
    torch.testing.assert_close(answer.restricted.gradient, gradient)
    before = scene.original.logits.softmax(1)[0, scene.target]
    assert answer.p_ratio == pytest.approx(float(logits.softmax(1)[0, scene.target] / before), rel=1e-5)
    assert answer.prediction_kept == (int(logits.argmax()) == scene.prediction)
    assert answer.sizes == tuple(map(sum, left(knock, scene.network)))


def test_silencing_changes_something(scene):
    """Else the comparison above would say nothing."""
    original = literal(scene, KnockOut())[0]
    for site in (0, 1, 2):
        active = int(scene.activations[site].flatten().argmax())
        logits = literal(scene, KnockOut((neuron(site, active),)))[0]
        assert float((logits - original).abs().max()) > 1e-3


@pytest.mark.parametrize("only", [False, True], ids=["silenced", "kept alone"])
def test_the_empty_set_is_the_original_network(only, scene):
    reference = rankings.knocked(scene, KnockOut((), only))
    answer = restriction.answer(scene, reference, 0.0, "zero")
    assert torch.equal(answer.restricted.logits, scene.original.logits)
    assert torch.equal(answer.restricted.gradient, scene.original.gradient)
    assert (answer.sparsity, answer.p_ratio, answer.prediction_kept) == (0.0, 1.0, True)
    assert reference.size(0.9) == scene.network.neurons


def test_sets_of_one_size_and_targets_have_their_own_answers(network, scene):
    other = make_scene(network, PHOTO, Crop(), 2)
    asked = [
        (s, KnockOut((part,), only))
        for s in (scene, other)
        for part in (channel(0, 0), channel(0, 1))
        for only in (False, True)
    ]
    answers = [restriction.answer(s, rankings.knocked(s, knock), 0.0, "zero") for s, knock in asked]
    assert len({id(answer) for answer in answers}) == 8
    for (s, knock), answer in zip(asked, answers, strict=True):
        torch.testing.assert_close(answer.restricted.gradient, literal(s, knock)[1])
        assert restriction.answer(s, rankings.knocked(s, knock), 0.9, "zero") is answer  # no sparsity changes it


def test_photos_have_their_own_answers(network, scene):
    knock = KnockOut((channel(0, 0),))
    brighter = make_scene(network, PHOTO.point(lambda v: min(255, v + 40)), Crop(), 1)
    for s in (scene, brighter):
        answer = restriction.answer(s, rankings.knocked(s, knock), 0.0, "zero")
        torch.testing.assert_close(answer.restricted.logits, literal(s, knock)[0])


# -------------------------------------------------------------------------------------------------- strongest channels


def ranked(network: Network, values: dict[tuple[int, int], float], dtype: torch.dtype = torch.float32) -> Scored:
    """A ranking of these scores, by (site, flat position); all others are 0."""
    scores = [torch.zeros(site.neurons, dtype=dtype) for site in network.sites]
    for (site, position), value in values.items():
        scores[site][position] = value
    shaped = [score.view(site.shape) for score, site in zip(scores, network.sites, strict=True)]
    return Scored(("test",), Strategy("NeuronMCT"), rank(shaped), (), 0.0)


def test_strongest_channels_by_hand(scene, network):
    scored = ranked(network, {(0, 0): 2.0, (0, 61): 1.5, (0, 89): 1.0, (0, 90): 0.25, (1, 30): 9.0, (2, 4): 3.0})
    assert neurons.strongest_channels(scored, scene, 0, 5) == [2, 0, 3]  # 2.5, 2.0, 0.25; the other one scores 0
    assert neurons.strongest_channels(scored, scene, 0, 1) == [2]
    assert neurons.strongest_channels(scored, scene, 1, 50) == [1]
    assert neurons.strongest_channels(scored, scene, 2, 50) == [4]
    assert neurons.strongest_channels(ranked(network, {(0, 0): 1.0}), scene, 2, 5) == []
    assert neurons.strongest_channels(ranked(network, {}), scene, 0, 5) == []


@pytest.mark.parametrize("method", ["NeuronMCT", "Random"])
def test_strongest_channels_are_those_of_a_slow_sum(method, scene, network):
    scored = rankings.scores_now(scene, Strategy(method))
    for site in network.sites:
        area = site.neurons // site.planes[0]
        sums = [
            sum(scored.ranking.score(site.index, position) for position in range(c * area, (c + 1) * area))
            for c in range(site.planes[0])
        ]
        order = [c for c in sorted(range(len(sums)), key=lambda c: -sums[c]) if sums[c] > 0]
        for count in (1, 2, 50):
            assert neurons.strongest_channels(scored, scene, site.index, count) == order[:count]


def test_scores_of_a_channel_are_those_of_its_neurons(scene, network):
    scored = rankings.scores_now(scene, Strategy("NeuronMCT"))
    for site in network.sites:
        _, height, width = site.planes
        position = site.neurons - 1
        start = position - position % (height * width)
        found = neurons.channel_scores(scene, scored, (site.index, position))
        assert found.shape == (height, width)
        slow = [scored.ranking.score(site.index, start + i) for i in range(height * width)]
        assert found.flatten().tolist() == slow
    assert not neurons.channel_scores(scene, ranked(network, {}), (0, 3)).any()


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9])
def test_a_neuron_is_on_the_pathway_where_its_mask_says_so(sparsity, scene, network):
    scored = rankings.scores_now(scene, Strategy("NeuronMCT"))
    masks = scored.ranking.pathway(sparsity).masks
    for site in network.sites:
        on = [neurons.on_pathway(scored, sparsity, (site.index, position)) for position in range(site.neurons)]
        assert on == masks[site.index].flatten().tolist()


# --------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("only", [False, True])
@pytest.mark.parametrize("kind", [kind for kind in SETS if kind != "the same neuron twice"])
def test_a_set_is_opened_as_it_was_saved(kind, only, network):
    knock = KnockOut(SETS[kind], only)
    assert KnockOut.open(knock.file(network), network) == knock


def test_the_largest_set_can_be_saved_and_opened():
    network = catalogue.network("squeezenet1_1")
    knock = KnockOut().adding(neuron(12, 93_311 - i) for i in range(MOST_PARTS))
    assert KnockOut.open(knock.file(network), network) == knock


def test_a_file_says_what_it_is_of(network):
    content = json.loads(KnockOut((channel(0, 3), neuron(2, 5)), only=True).file(network))
    first, _, last = (site.name for site in network.sites)
    assert content == {
        "kind": "knock-out",
        "network": "mixed",
        "weights": "abc",
        "only": True,
        "parts": [{"site": first, "part": "0c3"}, {"site": last, "part": "2n5"}],
    }


def made(network: Network, /, **changes: Any) -> bytes:
    """A file as the page writes it, with some entries changed."""
    return json.dumps(json.loads(KnockOut((channel(0, 3), neuron(2, 5))).file(network)) | changes).encode()


def part_of(network: Network, part: str, site: int = 0) -> list[dict[str, str]]:
    return [{"site": network.sites[site].name, "part": part}]


NOT_ONE = "not a knock-out set"
DOES_NOT_HAVE = "does not have"
REFUSED = {
    "nothing": (lambda n: b"", NOT_ONE),
    "text": (lambda n: b"silence them all", NOT_ONE),
    "bytes": (lambda n: bytes(range(256)), NOT_ONE),
    "cut short": (lambda n: made(n)[:-5], NOT_ONE),
    "null": (lambda n: b"null", NOT_ONE),
    "a number": (lambda n: b"7", NOT_ONE),
    "a huge number": (lambda n: b"9" * 9000, NOT_ONE),
    "a list": (lambda n: b"[1, 2]", NOT_ONE),
    "an empty object": (lambda n: b"{}", NOT_ONE),
    "no network": (lambda n: b'{"only": false, "parts": []}', NOT_ONE),
    "parts is null": (lambda n: made(n, parts=None), NOT_ONE),
    "parts of numbers": (lambda n: made(n, parts=[1]), NOT_ONE),
    "parts of text": (lambda n: made(n, parts=["0c3"]), NOT_ONE),
    "parts as an object": (lambda n: made(n, parts={"site": "0c3"}), NOT_ONE),
    "a part without a site": (lambda n: made(n, parts=[{"part": "0c3"}]), NOT_ONE),
    "a part that is a number": (lambda n: made(n, parts=[{"site": "relu", "part": 3}]), NOT_ONE),
    "a part that names none": (lambda n: made(n, parts=part_of(n, "0x3")), NOT_ONE),
    "a negative part": (lambda n: made(n, parts=part_of(n, "0c-3")), NOT_ONE),
    "a part in other digits": (lambda n: made(n, parts=part_of(n, "0c٣")), NOT_ONE),
    "nested lists": (lambda n: b"[" * 50_000 + b"]" * 50_000, NOT_ONE),
    "nested objects": (lambda n: b'{"parts":' * 9_000, NOT_ONE),
    "nested within": (lambda n: made(n).replace(b'"0c3"', b"[" * 40_000 + b"]" * 40_000), NOT_ONE),
    "another network": (lambda n: made(n, network="resnet18"), "of resnet18; the network here is mixed"),
    "a channel too many": (lambda n: made(n, parts=part_of(n, "0c4")), DOES_NOT_HAVE),
    "a neuron too many": (lambda n: made(n, parts=part_of(n, "0n120")), DOES_NOT_HAVE),
    "a site too many": (lambda n: made(n, parts=part_of(n, "3c0")), DOES_NOT_HAVE),
    "another site's name": (lambda n: made(n, parts=part_of(n, "0c3", site=1)), DOES_NOT_HAVE),
    "no site's name": (lambda n: made(n, parts=[{"site": None, "part": "0c3"}]), DOES_NOT_HAVE),
    "too many parts": (lambda n: made(n, parts=[p for i in range(101) for p in part_of(n, f"0n{i}") * 2]), "200"),
    "too large": (lambda n: made(n) + b" " * MAX_BYTES, "at most 100000"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_does_not_fit_is_refused_in_words(kind, network):
    make, words = REFUSED[kind]
    with pytest.raises(PathwayError, match=words):
        KnockOut.open(make(network), network)


def test_what_is_refused_is_not_refused_for_another_reason(network):
    """The files above differ from this one in one thing each."""
    expected = KnockOut((channel(0, 3), neuron(2, 5)))
    assert KnockOut.open(made(network), network) == expected
    assert KnockOut.open(made(network).ljust(MAX_BYTES), network) == expected
    two_hundred = [p for i in range(100) for p in part_of(network, f"0n{i}") * 2]
    assert KnockOut.open(made(network, parts=two_hundred), network).parts == tuple(neuron(0, i) for i in range(100))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries(
    {"network": st.just("mixed") | JSON, "only": st.booleans() | JSON},
    optional={
        "kind": JSON,
        "weights": JSON,
        "parts": JSON
        | st.lists(
            JSON
            | st.fixed_dictionaries(
                {
                    "site": st.sampled_from([site.name for site in mixed()[1].sites]) | JSON,
                    "part": st.from_regex(r"\A[0-3][cn][0-9]{1,3}\Z") | JSON,
                }
            ),
            max_size=5,
        ),
    },
)


def opens_or_says_why(file: bytes) -> None:
    """Whatever the file holds: a set that fits, or words that can be shown."""
    network = mixed()[1]
    try:
        found = KnockOut.open(file, network)
    except PathwayError as problem:
        str(problem).encode()  # a page has to be able to send them
        return
    assert all(part.fits(network) for part in found.parts)
    assert len(found.parts) <= MOST_PARTS
    assert isinstance(found.only, bool)
    assert KnockOut.open(found.file(network), network) == found


@given(st.binary())
def test_any_bytes_are_a_set_or_refused(file):
    opens_or_says_why(file)


@given(JSON)
def test_any_json_is_a_set_or_refused(content):
    opens_or_says_why(json.dumps(content).encode())


@given(NEARLY)
@example({"network": "\ud800", "only": False, "parts": []})
@example({"network": "mixed", "only": True, "parts": [{"site": mixed()[1].sites[0].name, "part": "0c3"}]})
def test_what_is_nearly_a_set_is_a_set_or_refused(content):
    opens_or_says_why(json.dumps(content).encode())
