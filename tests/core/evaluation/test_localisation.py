"""Energy inside a mask and the pointing game, by hand and against TorchRay's written out."""

from __future__ import annotations

from math import isnan

import pytest
import torch

from core.errors import PathwayError
from core.evaluation.localisation import TOLERANCE, box_mask, chance_level, energy_inside, pointing_game


def random_case(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(20, 30, generator=generator), torch.rand(20, 30, generator=generator) > 0.99


def spot(row: int, column: int) -> torch.Tensor:
    relevance = torch.full((40, 60), 0.25)
    relevance[row, column] = 1
    return relevance


def test_energy_by_hand():
    relevance = torch.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]])
    mask = torch.tensor([[True, False, False], [True, True, False]])
    assert energy_inside(relevance, mask) == pytest.approx(0.5)
    assert energy_inside(relevance, ~mask) == pytest.approx(0.5)
    assert energy_inside(relevance, box_mask(2, 3, (2, 0, 3, 1))) == pytest.approx(0.3)
    assert energy_inside(torch.ones(2, 3), mask) == chance_level(mask) == 0.5


@pytest.mark.parametrize("factor", [1e-300, 1e300, 1e306])
def test_energy_does_not_depend_on_the_scale(factor):
    relevance, mask = random_case(0)
    assert energy_inside(relevance.double() * factor, mask) == pytest.approx(energy_inside(relevance, mask))


@pytest.mark.parametrize("tolerance", [0.5, 1, 3, 5.5, 15])
@pytest.mark.parametrize("seed", range(8))
def test_the_pointing_game_is_torchrays(seed, tolerance):
    relevance, mask = random_case(seed)
    v, u = divmod(int(relevance.argmax()), 30)
    rows, columns = torch.meshgrid((torch.arange(20.0) - v) ** 2, (torch.arange(30.0) - u) ** 2, indexing="ij")
    accept = (rows + columns) < tolerance**2
    assert pointing_game(relevance, mask, tolerance / 20) is bool((mask & accept).any())  # of the shorter side


def test_hits_and_misses_by_hand():
    mask = box_mask(40, 60, (30, 10, 40, 20))
    assert pointing_game(spot(10, 30), mask) is True
    assert pointing_game(spot(10, 30 - 14), mask, 15 / 40) is True
    assert pointing_game(spot(10, 30 - 15), mask, 15 / 40) is False  # closer than 15
    assert pointing_game(spot(19, 39), mask, 0) is True
    assert pointing_game(spot(20, 39), mask, 0) is False
    assert pointing_game(spot(20, 39), mask, 1 / 40) is False
    assert pointing_game(spot(20, 39), mask, 1.1 / 40) is True
    assert pointing_game(spot(21, 39), mask) is True  # 2 pixels off: closer than 15 / 224 of 40, which is 2.7
    assert pointing_game(spot(22, 39), mask) is False


@pytest.mark.parametrize(("side", "reached"), [(28, 1), (112, 7), (224, 14), (448, 29)])
def test_the_tolerance_is_the_usual_15_pixels_at_224_and_as_large_a_share_elsewhere(side, reached):
    mask = box_mask(side, side, (0, 0, side, side // 4))
    for off, hit in ((reached, True), (reached + 1, False)):
        relevance = torch.zeros(side, side)
        relevance[side // 4 - 1 + off, 3] = 1
        assert pointing_game(relevance, mask) is hit
    assert chance_level(mask, TOLERANCE) == (side // 4 + reached) / side


def test_chance_is_the_share_of_pixels_that_hit():
    for seed in range(3):
        mask = random_case(seed)[1]
        for tolerance in (0, 2.5 / 20, 7 / 20):
            hits = [pointing_game(torch.eye(600)[place].view(20, 30), mask, tolerance) for place in range(600)]
            assert chance_level(mask, tolerance) == pytest.approx(sum(map(bool, hits)) / 600)
        assert chance_level(mask) == pytest.approx(float(mask.double().mean()))


def test_one_of_several_most_relevant_pixels_is_chosen_by_seed():
    relevance, mask = torch.zeros(40, 60), box_mask(40, 60, (30, 0, 60, 40))
    relevance[5] = 1
    found = [pointing_game(relevance, mask, 0, seed=seed) for seed in range(200)]
    assert 60 < sum(map(bool, found)) < 140
    assert pointing_game(relevance, mask, 0) is pointing_game(relevance, mask, 0)


def test_flat_maps_point_nowhere_and_a_zero_map_has_no_energy():
    mask = box_mask(8, 8, (0, 0, 4, 4))
    assert isnan(energy_inside(torch.zeros(8, 8), mask))
    assert pointing_game(torch.zeros(8, 8), mask) is None
    assert pointing_game(torch.ones(8, 8), mask) is None
    assert energy_inside(torch.ones(8, 8), mask) == 0.25


def test_a_drawn_box():
    mask = box_mask(4, 5, (1, 2, 4, 3))
    assert mask.nonzero().tolist() == [[2, 1], [2, 2], [2, 3]]
    for box in ((1, 1, 1, 2), (3, 0, 2, 4), (0, 0, 6, 1), (0, -1, 2, 2), (0, 0, 2, 5)):
        with pytest.raises(PathwayError, match="5 x 4 pixels"):
            box_mask(4, 5, box)


@pytest.mark.parametrize("measure", [energy_inside, pointing_game])
def test_refusals_say_what_was_wanted(measure):
    relevance, mask = torch.rand(8, 8), box_mask(8, 8, (1, 1, 3, 3))
    broken = relevance.clone()
    broken[0, 0] = float("inf")
    for wrong, words in (
        (broken, "1 of 64"),
        (relevance[1:], r"\(8, 8\)"),
        (-relevance, "relevance"),
        (None, "NoneType"),
    ):
        with pytest.raises(PathwayError, match=words):
            measure(wrong, mask)
    for wrong, words in (
        (mask & False, "is empty"),
        (mask | True, "covers every pixel"),
        (mask.float(), "bool"),
        (mask[None], r"\(1, 8, 8\)"),
        (None, "NoneType"),
    ):
        with pytest.raises(PathwayError, match=words):
            measure(relevance, wrong)
        with pytest.raises(PathwayError, match=words):
            chance_level(wrong)
