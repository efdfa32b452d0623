"""The poster's figures, as printed there: under their own labels and under the two that are exchanged."""

from __future__ import annotations

from itertools import permutations

import pytest

from core.methods import METHODS
from explorer.views.paper import Printed, printed_dead_shares, printed_overlap

INTGRAD, MCT, ONES, RANDOMLY, GREEDY, RANDOM = (
    "NeuronIntGrad",
    "NeuronMCT",
    "DGR(init=1)",
    "DGR(init=r)",
    "GreedyPruning",
    "Random",
)
OVERLAPS = {  # as printed, and with Greedy and Random, IntGrad and MCT exchanged
    (INTGRAD, MCT): (0.6591, 0.6591),
    (INTGRAD, ONES): (0.2959, 0.2984),
    (INTGRAD, RANDOMLY): (0.0228, 0.0229),
    (INTGRAD, GREEDY): (0.0526, 0.0676),
    (INTGRAD, RANDOM): (0.0668, 0.0526),
    (MCT, ONES): (0.2984, 0.2959),
    (MCT, RANDOMLY): (0.0229, 0.0228),
    (MCT, GREEDY): (0.0526, 0.0668),
    (MCT, RANDOM): (0.0676, 0.0526),
    (ONES, RANDOMLY): (0.0235, None),
    (ONES, GREEDY): (0.0526, 0.0680),
    (ONES, RANDOM): (0.0680, 0.0526),
    (RANDOMLY, GREEDY): (0.0225, 0.0410),
    (RANDOMLY, RANDOM): (0.0410, 0.0225),
    (GREEDY, RANDOM): (0.0974, 0.0974),
}


@pytest.mark.parametrize(("pair", "printed"), OVERLAPS.items(), ids=map(" & ".join, OVERLAPS))
def test_overlaps_as_printed_whichever_of_the_two_comes_first(pair, printed):
    for first, second in (pair, pair[::-1]):
        found = printed_overlap(first, second)
        assert found.as_printed == pytest.approx(printed[0], abs=1e-12)
        assert found.exchanged == (None if printed[1] is None else pytest.approx(printed[1], abs=1e-12))


def test_every_two_methods_have_an_overlap():
    assert {frozenset(pair) for pair in OVERLAPS} == {frozenset(pair) for pair in permutations(METHODS, 2)}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_has_none_with_itself(method):
    assert printed_overlap(method, method) == Printed(None, None)


def test_what_the_poster_calls_greedy_overlaps_by_chance():
    """Two independent tenths overlap by 0.01 / 0.19: why the labels are taken to be exchanged."""
    for method in (INTGRAD, MCT, ONES):
        assert round(printed_overlap(method, GREEDY).as_printed, 4) == round(0.01 / 0.19, 4)
        assert round(printed_overlap(method, RANDOM).exchanged, 4) == round(0.01 / 0.19, 4)


def test_dead_shares_as_printed():
    shares = {INTGRAD: 0, MCT: 0, ONES: 0.0779, RANDOMLY: 0.6699, GREEDY: 0.6878, RANDOM: 0.5951}
    assert printed_dead_shares() == pytest.approx(shares, abs=1e-12)
    assert set(shares) == set(METHODS)
