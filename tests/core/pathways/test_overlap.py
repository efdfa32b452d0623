"""Membership counted by hand, against sets in plain Python, and against the metrics of pairs."""

from __future__ import annotations

from itertools import product
from math import isnan, nan

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from core.errors import PathwayError
from core.methods import METHODS
from core.pathways.overlap import (
    Membership,
    chance_overlap,
    dead_neurons,
    membership,
    overlap,
    share_within,
    site_overlaps,
)
from core.pathways.ranking import Pathway, rank
from tests.networks import image_of, toy

SHAPES = [(2, 2, 3), (5,), (3, 1, 2)]
DEAD = 128  # the bit of a code that says so


def marks(*sites: str) -> tuple[torch.Tensor, ...]:
    """One bool tensor a site from strings of 1s and 0s."""
    return tuple(torch.tensor([c == "1" for c in site]) for site in sites)


def shaped(codes: list[int], bit: int) -> tuple[torch.Tensor, ...]:
    """One bool tensor a site: which codes have a bit."""
    flat = torch.tensor([code & bit != 0 for code in codes])
    parts = flat.split([int(np.prod(shape)) for shape in SHAPES])
    return tuple(part.view(shape) for part, shape in zip(parts, SHAPES, strict=True))


def pathways_of(codes: list[int], count: int) -> list[Pathway]:
    return [Pathway(shaped(codes, 1 << p)) for p in range(count)]


def sets(masks: tuple[torch.Tensor, ...]) -> list[set[int]]:
    """The flat positions that are True at each site."""
    return [{i for i, on in enumerate(mask.flatten().tolist()) if on} for mask in masks]


def ratio(part: set[int], whole: set[int]) -> float:
    return len(part) / len(whole) if whole else nan


def split(first: set[int], second: set[int], dead: set[int]) -> list[list[int]]:
    """How many are on the first only, on both, on the second only; each active and dead."""
    return [[len(part - dead), len(part & dead)] for part in (first - second, first & second, second - first)]


def assert_same(got: np.ndarray, wanted: list) -> None:
    assert_close(torch.tensor(got), torch.tensor(wanted, dtype=torch.float64), rtol=1e-12, atol=0, equal_nan=True)


def by_hand() -> Membership:
    first, second = Pathway(marks("1101", "100")), Pathway(marks("0110", "010"))
    return membership([first, second], marks("0101", "010"))


def test_counts_by_hand():
    # Site 0: first; both, dead; second; first, dead.  Site 1: first; second, dead; neither.
    found = by_hand()
    assert found.counts.dtype == np.int64
    assert found.counts.tolist() == [[[0, 1, 1, 0], [0, 1, 0, 1]], [[1, 1, 0, 0], [0, 0, 1, 0]]]
    assert found.pathways == 2
    assert found.neurons.tolist() == [4, 3]
    assert found.dead.tolist() == [2, 1]
    assert found.sizes().tolist() == [[3, 1], [2, 1]]
    assert found.dead_sizes().tolist() == [[2, 0], [1, 1]]
    assert found.common(0, 1).tolist() == found.common(1, 0).tolist() == [1, 0]
    assert found.common(0, 0).tolist() == [3, 1]


def test_shares_by_hand():
    found = by_hand()
    assert_same(found.site_overlaps(0, 1), [1 / 4, 0.0])
    assert_same(found.site_chances(0, 1), [3 / 7, 1 / 5])  # of 3/4 and 2/4 kept, and of 1/3 and 1/3
    assert_same(found.overlaps(), [[1, 1 / 6], [1 / 6, 1]])
    assert_same(found.chances(), [[2 / 5, 12 / 37], [12 / 37, 3 / 11]])  # of 4/7 and 3/7 kept
    assert_same(found.dead_shares(), [2 / 4, 2 / 3])
    assert_same(found.site_dead_shares(), [[2 / 3, 0], [1 / 2, 1]])


def test_split_by_hand():
    found = by_hand()
    first, both, second = [[1, 1], [1, 0]], [[0, 0], [1, 0]], [[1, 0], [0, 1]]
    assert found.split(0, 1).tolist() == [first, both, second]
    assert found.split(1, 0).tolist() == [second, both, first]
    assert found.split(0, 0).tolist() == [[[0, 0], [0, 0]], [[1, 1], [2, 0]], [[0, 0], [0, 0]]]


def test_shares_of_nothing_are_nan():
    nothing, something = Pathway(marks("00", "00")), Pathway(marks("00", "01"))
    found = membership([nothing, something], marks("10", "00"))
    assert_same(found.overlaps(), [[nan, 0], [0, 1]])
    assert_same(found.chances(), [[nan, 0], [0, 1 / 7]])
    assert_same(found.site_overlaps(0, 1), [nan, 0.0])
    assert_same(found.site_chances(0, 1), [nan, 0.0])
    assert_same(found.site_overlaps(0, 0), [nan, nan])
    assert_same(found.dead_shares(), [nan, 0.0])
    assert_same(found.site_dead_shares(), [[nan, nan], [nan, 0]])


@settings(max_examples=60)
@example([127 + DEAD] * 23, 7)
@example([0] * 23, 7)
@given(st.lists(st.integers(0, 255), min_size=23, max_size=23), st.integers(1, 7))
def test_equals_sets_in_plain_python(codes, count):
    pathways, dead = pathways_of(codes, count), shaped(codes, DEAD)
    found, on, gone = membership(pathways, dead), [sets(p.masks) for p in pathways], sets(dead)
    assert (found.pathways, found.neurons.tolist()) == (count, [12, 5, 6])
    assert found.dead.tolist() == list(map(len, gone))
    assert found.sizes().tolist() == [list(map(len, one)) for one in on]
    assert_same(found.site_dead_shares(), [[ratio(a & d, a) for a, d in zip(one, gone, strict=True)] for one in on])
    for p, q in product(range(count), repeat=2):
        assert found.common(p, q).tolist() == [len(a & b) for a, b in zip(on[p], on[q], strict=True)]
        wanted = [split(a, b, d) for a, b, d in zip(on[p], on[q], gone, strict=True)]  # (sites, 3, 2)
        assert found.split(p, q).transpose(2, 0, 1).tolist() == wanted


@settings(max_examples=40)
@given(st.lists(st.integers(0, 255), min_size=23, max_size=23), st.integers(1, 7))
def test_equals_the_metrics_of_pairs(codes, count):
    pathways, dead = pathways_of(codes, count), shaped(codes, DEAD)
    found = membership(pathways, dead)
    assert_same(found.overlaps(), [[overlap(a, b) for b in pathways] for a in pathways])
    assert_same(found.chances(), [[chance_overlap(1 - a.sparsity, 1 - b.sparsity) for b in pathways] for a in pathways])
    assert_same(found.dead_shares(), [share_within(pathway, dead) for pathway in pathways])
    for (p, a), (q, b) in product(enumerate(pathways), repeat=2):
        assert_same(found.site_overlaps(p, q), site_overlaps(a, b))
        assert_same(found.site_chances(p, q), list(map(chance_overlap, a.kept_shares, b.kept_shares)))


@settings(max_examples=40)
@given(st.lists(st.integers(0, 255), min_size=23, max_size=23), st.integers(1, 7))
def test_what_always_holds(codes, count):
    found = membership(pathways_of(codes, count), shaped(codes, DEAD))
    assert (found.counts >= 0).all()
    assert found.counts.sum() == 23
    assert np.array_equal(found.overlaps(), found.overlaps().T, equal_nan=True)
    assert np.array_equal(found.chances(), found.chances().T, equal_nan=True)
    for itself, sizes in zip(found.overlaps().diagonal(), found.sizes(), strict=True):
        assert itself == 1 if sizes.any() else isnan(itself)
    for p, q in product(range(count), repeat=2):
        first, both, second = found.split(p, q).sum(1)
        assert np.array_equal(first + both, found.sizes()[p])
        assert np.array_equal(both + second, found.sizes()[q])


def test_pathways_of_a_network_and_what_it_leaves_as_it_was():
    network = toy("Residual")[1]
    image = image_of(network)
    dead = dead_neurons(network, image)
    names = ["NeuronMCT", "NeuronIntGrad", "Random"]
    pathways = [rank(METHODS[name](network, image, 0)).pathway(0.5) for name in names]
    before = [tensor.clone() for tensors in (dead, *(p.masks for p in pathways)) for tensor in tensors]
    found = membership(pathways, dead)
    after = [tensor for tensors in (dead, *(p.masks for p in pathways)) for tensor in tensors]
    assert all(map(torch.equal, before, after))
    assert found.sizes().tolist() == [list(pathway.sizes) for pathway in pathways]
    assert_same(found.dead_shares(), [share_within(pathway, dead) for pathway in pathways])
    assert found.dead_shares()[:2].tolist() == [0, 0]
    assert found.overlaps()[0, 1] == overlap(*pathways[:2])


def test_refuses_too_few_and_too_many():
    one, dead = Pathway(marks("10")), marks("01")
    with pytest.raises(PathwayError, match="Got 0 pathways, wanted from 1 to 7"):
        membership([], dead)
    with pytest.raises(PathwayError, match="Got 8 pathways, wanted from 1 to 7"):
        membership([one] * 8, dead)
    assert membership([one] * 7, dead).overlaps().tolist() == [[1.0] * 7] * 7


@pytest.mark.parametrize(
    ("sites", "words"),
    [
        (("101", "10"), r"shape \(3,\) and dead neurons of shape \(2,\) at site 0"),
        (("10", "101"), r"shape \(3,\) and dead neurons of shape \(2,\) at site 1"),
        (("10",), r"shape none and dead neurons of shape \(2,\) at site 1"),
        (("10", "10", "1"), r"shape \(1,\) and dead neurons of shape none at site 2"),
    ],
)
def test_refuses_other_sites(sites, words):
    good = Pathway(marks("10", "10"))
    with pytest.raises(PathwayError, match=f"Got a pathway's mask of {words}, wanted the same"):
        membership([good, Pathway(marks(*sites))], marks("01", "01"))
