"""Ranking and cutting: exact counts, nesting, ties, zeros, against sorting in plain Python."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import PathwayError
from core.methods import METHODS
from core.network import Site
from core.pathways.ranking import Pathway, Ranking, lowest, rank, restriction
from core.pathways.scores import Scores
from tests.networks import TOYS, cheap, image_of, toy
from tests.replicas import flattened

SITES = [(3, 4, 5), (7,), (2, 6, 6), (11,)]
SPARSITIES = [0.0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.999]


def split(flat: list[float], dtype=torch.float32) -> list[torch.Tensor]:
    """Scores over three sites of different shapes, as many neurons as given."""
    tensor = torch.tensor(flat, dtype=dtype)
    third = len(flat) // 3
    return [tensor[:third].view(1, 1, -1), tensor[third : 2 * third].view(-1, 1, 1), tensor[2 * third :]]


def tied(seed: int, values: int, dtype=torch.float32) -> list[torch.Tensor]:
    """Scores among few values, 0 among them."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, values, shape, generator=generator).to(dtype) / 7 for shape in SITES]


def kept(pathway: Pathway) -> set[int]:
    return {i for i, on in enumerate(flattened(pathway.masks)) if on}


def places(ranking: Ranking) -> list[int]:
    """The neurons by their ranks, the one kept longest first."""
    ranks = [int(place) for place in flattened(ranking.ranks)]
    assert sorted(ranks) == list(range(ranking.neurons))
    return sorted(range(len(ranks)), key=ranks.__getitem__)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("values", [2, 3, 20, 10**6])
def test_equals_sorting_in_plain_python(values, dtype):
    scores = tied(values, values, dtype)
    ranking, neurons, flat = rank(scores), 150, flattened(scores)
    best = places(ranking)
    assert [flat[i] for i in best] == sorted(flat, reverse=True)
    for sparsity in SPARSITIES:
        pathway = ranking.pathway(sparsity)
        wanted = best[: round((1 - sparsity) * neurons)]
        assert kept(pathway) == set(wanted)
        assert [mask.shape for mask in pathway.masks] == [torch.Size(shape) for shape in SITES]
        assert pathway.size == sum(pathway.sizes) == len(wanted) == ranking.size(sparsity)
        assert pathway.sparsity == 1 - len(wanted) / neurons
        shared = [i for i in best if flat[i] == flat[wanted[-1]]] if wanted else []
        parted = len(set(shared) & set(wanted)) < len(shared)
        assert pathway.ties == (len(shared) if parted else 0)
        assert pathway.ties_kept == (len(set(shared) & set(wanted)) if parted else 0)
    positive = [score for score in sorted(flat, reverse=True) if score > 0]
    assert ranking.scores.tolist() == positive
    assert ranking.runs_out == pytest.approx(1 - len(positive) / neurons)


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([0.0, 1e-45, 1e-30, 0.5, 1.0, 1.0 + 2**-23, 3e38]), min_size=3, max_size=60),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=5),
)
def test_counts_are_exact_and_pathways_nested(flat, sparsities):
    ranking = rank(split(flat))
    pathways = [ranking.pathway(sparsity) for sparsity in sorted(sparsities)]
    for sparsity, pathway in zip(sorted(sparsities), pathways, strict=True):
        assert pathway.size == round((1 - sparsity) * len(flat))
        off = set(range(len(flat))) - kept(pathway)
        assert max((flat[i] for i in off), default=0) <= min((flat[i] for i in kept(pathway)), default=float("inf"))
    for larger, smaller in pairwise(pathways):
        assert kept(smaller) <= kept(larger)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=50), st.integers(0, 60), st.booleans())
def test_lowest_is_the_other_end_of_the_ranking(values, count, double):
    flat = torch.tensor(values, dtype=torch.float64 if double else torch.float32)
    rising = [i for i in reversed(places(rank([flat]))) if values[i] > 0]
    assert sorted(lowest(flat, count).tolist()) == sorted(rising[:count])


def test_equals_follow_one_order_whatever_they_score_and_whoever_is_beside_them():
    everyone = places(rank([torch.ones(500)]))
    for seed in range(3):
        flat = torch.randint(0, 3, (500,), generator=torch.Generator().manual_seed(seed)).float()
        order = places(rank([flat]))
        for value in range(3):
            assert [i for i in order if flat[i] == value] == [i for i in everyone if flat[i] == value]


def test_float64_is_ranked_beyond_what_float32_can_tell_apart():
    scores = [1 + i * 1e-12 for i in random.Random(0).sample(range(300), 300)]
    assert places(rank(split(scores, torch.float64))) == sorted(range(300), key=scores.__getitem__, reverse=True)
    ints = [float(i) for i in random.Random(1).choices(range(9), k=300)]
    single, double = rank(split(ints)), rank(split(ints, torch.float64))
    assert all(torch.equal(a, b) for a, b in zip(single.ranks, double.ranks, strict=True))
    assert torch.equal(single.scores.double(), double.scores)


def test_ties_fall_on_all_sites_and_positions_alike():
    ranking = rank([torch.ones(10, 10, 10)] * 20)
    pathway = ranking.pathway(0.9)
    assert pathway.size == 2000
    assert pathway.ties == 20_000
    assert pathway.ties_kept == pathway.size  # all scores are equal
    assert all(70 <= size <= 130 for size in pathway.sizes)  # 100 +- 3 sigma
    assert all(0.07 <= share <= 0.13 for share in pathway.kept_shares)
    planes = torch.stack([mask.sum((1, 2)) for mask in pathway.masks]).sum(0)  # per channel, 200 expected
    assert all(150 <= int(plane) <= 250 for plane in planes)


def test_what_scores_nothing_comes_last_the_active_by_activation_and_before_the_dead():
    scores = Scores(
        [torch.tensor([0.0, 3.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])],
        [torch.tensor([0.5, 0.0, 0.0, 2.0]), torch.tensor([0.0, 9.0, 1.0])],
    )
    ranking = rank(scores)
    assert places(ranking)[:5] == [1, 5, 3, 6, 0]
    assert set(places(ranking)[5:]) == {2, 4}
    assert ranking.runs_out == pytest.approx(5 / 7)
    assert [m.tolist() for m in ranking.pathway(0.7).masks] == [[False, True, False, False], [False, True, False]]
    assert ranking.pathway(0).size == ranking.most == 7
    assert [(ranking.pathway(1 - n / 7).ties, ranking.pathway(1 - n / 7).ties_kept) for n in range(1, 8)] == [
        *[(0, 0)] * 5,
        (2, 1),
        (0, 0),
    ]
    nothing = rank([torch.zeros(4)])
    assert (nothing.pathway(0).size, nothing.pathway(0.5).ties, nothing.runs_out, nothing.top(3)) == (4, 4, 1.0, [])


def test_equal_activations_are_ties_too():
    ranking = rank(Scores([torch.zeros(5)], [torch.tensor([6.0, 6.0, 6.0, 1.0, 0.0])]))
    assert (ranking.pathway(0.6).ties, ranking.pathway(0.6).ties_kept) == (3, 2)
    assert (ranking.pathway(0.4).ties, ranking.pathway(0.2).ties) == (0, 0)


def test_a_released_rule_never_keeps_what_scores_nothing():
    ranking = rank(Scores([torch.tensor([0.0, 3.0, 0.0, 1.0])], [torch.ones(4)], keeps_zeros=False))
    assert [ranking.pathway(sparsity).size for sparsity in (0.0, 0.5, 0.75)] == [2, 2, 1]
    assert ranking.pathway(0).ties == 0


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("toy_name", TOYS)
def test_sparsity_0_is_the_original_network_and_every_pathway_has_the_size_asked_for(name, toy_name):
    network = toy(toy_name)[1]
    image = image_of(network)
    run = network.run(image, record=True)
    ranking = rank(METHODS[name](network, image, int(run.logits.argmax()), **cheap(METHODS[name])))
    whole = ranking.pathway(0)
    assert all(bool(mask.all()) for mask in whole.masks)
    assert torch.equal(network.run(image, restriction(whole)).logits, run.logits)
    dead = {i for i, value in enumerate(flattened(run.activations)) if value == 0}
    scored = set(places(ranking)[: len(ranking.scores)])
    for sparsity in SPARSITIES:
        pathway = ranking.pathway(sparsity)
        assert pathway.size == round((1 - sparsity) * network.neurons)
        if kept(pathway) & dead - scored:
            assert set(range(network.neurons)) - dead <= kept(pathway)  # no dead one before all active ones


def test_top_and_score():
    scores = tied(5, 9)
    ranking, flat = rank(scores), flattened(scores)
    starts = [0, 60, 67, 139]
    best = [i for i in places(ranking) if flat[i] > 0]
    wanted = [next((s, i - starts[s]) for s in (3, 2, 1, 0) if i >= starts[s]) for i in best]
    assert ranking.top(10) == wanted[:10]
    assert ranking.top(10**6) == wanted
    assert ranking.top(4, site=1) == [place for place in wanted if place[0] == 1][:4]
    for site, position in [(0, 0), (1, 3), (2, 71), *wanted[:5]]:
        assert ranking.score(site, position) == pytest.approx(flat[starts[site] + position])
    assert ranking.neurons == 150
    assert sum(ranks.nbytes for ranks in ranking.ranks) == 4 * 150
    assert ranking.scores.nbytes == 4 * len(wanted)


def test_random_scores_are_a_permutation_and_keep_exactly():
    network = toy("Residual")[1]
    scores = METHODS["Random"](network, image_of(network), 0, seed=3)
    assert sorted(flattened(scores)) == list(range(1, network.neurons + 1))
    for sparsity in SPARSITIES:
        pathway = rank(scores).pathway(sparsity)
        assert (pathway.size, pathway.ties) == (round((1 - sparsity) * network.neurons), 0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1e-30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_refuses_scores(bad, dtype):
    with pytest.raises(PathwayError, match="negative, infinite, NaN"):
        rank([torch.ones(5, dtype=dtype), torch.tensor([1.0, bad, 2.0], dtype=dtype)])


def test_refuses_no_scores():
    with pytest.raises(PathwayError, match="missing"):
        rank([])


@pytest.mark.parametrize("sparsity", [-0.01, 1, 1.0, 90, float("nan")])
def test_refuses_sparsities(sparsity):
    with pytest.raises(PathwayError, match=r"0\.9 for 90 %"):
        rank([torch.ones(5)]).pathway(sparsity)


def test_restriction_holds_what_is_off():
    pathway = Pathway((torch.tensor([True, False, True]),))
    site, activation = Site(0, "relu", (3,), float("inf"), None), torch.tensor([[1.0, 2.0, 3.0]])
    assert restriction(pathway)(site, activation).tolist() == [[1, 0, 3]]
    held = (torch.tensor([[7.0, 8.0, 9.0]]),)
    assert restriction(pathway, "frozen", held)(site, activation).tolist() == [[1, 8, 3]]
    for off, values in [("frozen", None), ("zero", held), ("mean", None)]:
        with pytest.raises(PathwayError, match="wanted"):
            restriction(pathway, off, values)
