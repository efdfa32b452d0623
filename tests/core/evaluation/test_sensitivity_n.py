"""Sensitivity-n against a loop over subsets, and where it must be 1, -1 or undefined."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from math import isnan

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from core.attribution.attribution import Attribution
from core.errors import Cancelled, PathwayError
from core.evaluation.maps import pearson
from core.evaluation.sensitivity import SAME_RESPONSE, SAME_SUMS, Removals, removals, sensitivity_n, subset_sizes
from core.network import Network, trace
from core.pathways.restriction import pathway_gradient
from tests.networks import SHAPE, ByHand, image_of, seeded, toy

SIZES = (1, 2, 5, 17, 51, 63)


class Affine(nn.Module):
    """Its ReLU never cuts, so that the logits are affine in the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4 * 64, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.conv(x) + 50).flatten(1))


class Homogeneous(nn.Module):
    """Without biases a ReLU network is F(x) = x . dF/dx."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.Linear(4 * 64, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.conv(x)).flatten(1))


def double(model: nn.Module) -> Network:
    return trace(seeded(model).double(), SHAPE)


def gradient_times_input(network: Network, image: Tensor, target: int) -> Tensor:
    return Attribution(pathway_gradient(network, image, target), is_gradient=True).contributions(image)


def noise_map(seed: int = 0) -> Tensor:
    return torch.randn(8, 8, generator=torch.Generator().manual_seed(seed)).double()


def loop(model: nn.Module, image: Tensor, target: int, contributions: Tensor, sizes, subsets: int, seed: int):
    generator, found = torch.Generator().manual_seed(seed), []
    for size in sizes:
        sums, losses = [], []
        for _ in range(subsets):
            removed = torch.randperm(64, generator=generator)[:size].tolist()
            without = image.clone()
            for pixel in removed:
                without[0, :, pixel // 8, pixel % 8] = 0
            sums.append(sum(float(contributions[pixel // 8, pixel % 8]) for pixel in removed))
            with torch.no_grad():
                losses.append(float(model(image.clone())[0, target] - model(without)[0, target]))
        found.append(np.corrcoef(sums, losses)[0, 1])
    return tuple(map(float, found))


@pytest.mark.parametrize("name", ["Straight", "Saturating", "Branches"])
@pytest.mark.parametrize("subsets", [100, 103])
def test_a_loop_over_subsets_and_pixels(name, subsets):
    model, network = toy(name, double=True)
    image, contributions = image_of(network), noise_map()
    removed = removals(network, image, 2, sizes=SIZES, subsets=subsets, seed=7)
    curve = sensitivity_n(removed, contributions)
    assert curve.sizes == SIZES
    assert curve.reasons == ("",) * len(SIZES)
    assert_close(curve.correlations, loop(model, image, 2, contributions, SIZES, subsets, 7), rtol=1e-9, atol=1e-11)


def test_a_linear_model_and_gradient_times_input_give_one_at_every_size():
    network = double(Affine())
    image = image_of(network)
    removed = removals(network, image, 1, sizes=range(1, 64))
    contributions = gradient_times_input(network, image, 1)
    assert_close(sensitivity_n(removed, contributions).correlations, (1.0,) * 63, rtol=0, atol=1e-12)
    assert_close(sensitivity_n(removed, -3 * contributions).correlations, (-1.0,) * 63, rtol=0, atol=1e-12)
    assert max(sensitivity_n(removed, contributions).correlations) <= 1
    other = sensitivity_n(removed, gradient_times_input(network, image, 2)).correlations
    assert max(other) < 0.9


def test_a_linear_model_in_single_precision_gives_almost_one():
    network = trace(seeded(Affine()), SHAPE)
    image = image_of(network)
    removed = removals(network, image, 1)
    assert min(sensitivity_n(removed, gradient_times_input(network, image, 1)).correlations) > 0.9999


def test_what_all_pixels_bring_is_what_the_response_loses_without_them():
    """Completeness of gradient times input, where it holds; and then there is one subset, so no correlation."""
    network = double(Homogeneous())
    image = image_of(network)
    removed = removals(network, image, 3, sizes=[64])
    loss = network.run(image).logits[0, 3] - removed.responses[0]
    contributions = gradient_times_input(network, image, 3)
    assert_close(loss, contributions.sum().expand(100))
    curve = sensitivity_n(removed, contributions)
    assert isnan(curve.correlations[0])
    assert curve.reasons == (SAME_RESPONSE,)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e20, 1e-20])
def test_a_flat_map_has_no_variance_and_says_so(value):
    network = toy("Straight", double=True)[1]
    removed = removals(network, image_of(network), 0, sizes=SIZES)
    curve = sensitivity_n(removed, torch.full((8, 8), value))
    assert all(map(isnan, curve.correlations))
    assert set(curve.reasons) == {SAME_SUMS}


def test_a_map_that_only_rounding_tells_from_a_flat_one_is_flat():
    network = toy("Straight", double=True)[1]
    removed = removals(network, image_of(network), 0, sizes=SIZES)
    almost = torch.from_numpy(np.where(noise_map() > 0, 0.1, np.nextafter(0.1, 1)))
    assert almost.unique().numel() == 2
    assert set(sensitivity_n(removed, almost).reasons) == {SAME_SUMS}


def test_correlations_of_constants_are_undefined_and_print_nothing():
    for constant in (0.0, 0.1, -3.0):
        assert isnan(pearson([constant] * 9, range(9)))
        assert isnan(pearson(range(9), [constant] * 9))
    assert isnan(pearson([0.0, float("nan")], [0.0, 1.0]))
    assert pearson([1, 2, 3], [2, 4, 6]) == 1


@pytest.mark.parametrize("is_double", [True, False])
def test_a_mean_image_loses_nothing_and_says_so(is_double):
    network = toy("Straight", double=is_double)[1]
    removed = removals(network, image_of(network) * 0, 0, sizes=SIZES, batch_size=7)
    curve = sensitivity_n(removed, noise_map())
    assert all(map(isnan, curve.correlations))
    assert set(curve.reasons) == {SAME_RESPONSE}


def test_an_image_of_one_colour_and_a_map_of_one_pixel():
    network = toy("Straight", double=True)[1]
    image = torch.ones(1, *SHAPE).double()
    single = torch.zeros(8, 8).double()
    single[3, 4] = 1
    removed = removals(network, image, 0, sizes=[30])
    curve = sensitivity_n(removed, single)
    hit = torch.tensor([27 + 1 in row for row in next(removed.subsets()).tolist()])
    wanted = np.corrcoef(hit.double(), -removed.responses[0])[0, 1]
    assert curve.correlations == pytest.approx((wanted,))


def test_no_map_is_better_than_chance_at_random():
    network = toy("Residual", double=True)[1]
    removed = removals(network, image_of(network), 0, sizes=SIZES, subsets=400)
    found = [sensitivity_n(removed, noise_map(seed)).correlations for seed in range(30)]
    assert abs(np.mean(found)) < 0.1


def test_scale_and_magnitude_do_not_matter():
    network = toy("Residual", double=True)[1]
    removed = removals(network, image_of(network), 0, sizes=SIZES)
    wanted = sensitivity_n(removed, noise_map()).correlations
    for factor in (1e-200, 1e200):
        assert_close(sensitivity_n(removed, noise_map() * factor).correlations, wanted, rtol=1e-9, atol=1e-12)


def test_default_sizes_run_from_one_pixel_to_four_fifths():
    assert subset_sizes(224 * 224) == (1, 3, 7, 18, 47, 124, 324, 850, 2229, 5842, 15313, 40140)
    assert subset_sizes(64)[0] == 1
    assert subset_sizes(64)[-1] == 51
    assert list(subset_sizes(64)) == sorted(set(subset_sizes(64)))
    assert subset_sizes(1) == (1,)
    network = toy("Straight")[1]
    assert removals(network, image_of(network), 0).sizes == subset_sizes(64)


def test_seed_and_batches(monkeypatch):
    network, images = toy("Straight", double=True)[1], []
    image = image_of(network)
    first = removals(network, image, 0, sizes=SIZES)
    run = Network.run
    monkeypatch.setattr(Network, "run", lambda self, x, *a, **k: images.append(len(x)) or run(self, x, *a, **k))
    again = removals(network, image, 0, sizes=SIZES, batch_size=33)
    assert sum(images) == 100 * len(SIZES)
    assert max(images) == 33
    for seed in range(5):
        sensitivity_n(again, noise_map(seed))
    assert sum(images) == 100 * len(SIZES)  # maps cost no passes
    assert_close(first.responses, again.responses, rtol=1e-12, atol=1e-13)
    assert not first.responses.allclose(removals(network, image, 0, sizes=SIZES, seed=1).responses)
    for size, positions in zip(SIZES, first.subsets(), strict=True):
        assert positions.shape == (100, size)
        assert all(len(set(row)) == size for row in positions.tolist())


def test_two_threads_and_a_third_that_traces_change_nothing():
    network = toy("Residual", double=True)[1]

    def curve(seed: int) -> tuple[float, ...]:
        return sensitivity_n(removals(network, image_of(network, seed), 0, sizes=SIZES), noise_map()).correlations

    wanted = [curve(seed) for seed in range(4)]
    with ThreadPoolExecutor(3) as pool:
        traces = pool.submit(lambda: [trace(toy("Residual")[0], SHAPE) for _ in range(10)])
        assert list(pool.map(curve, range(4))) == wanted
        traces.result()


def test_progress_is_told_and_may_cancel():
    network, told = toy("Straight")[1], []
    removals(network, image_of(network), 0, sizes=[1, 5], batch_size=60, progress=lambda *s: told.append(s[:2]))
    assert told == [(60, 200), (100, 200), (160, 200), (200, 200)]

    def stop(done: int, total: int, note: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        removals(network, image_of(network), 0, progress=stop)


def test_refusals_say_what_was_wanted():
    network = toy("Straight", double=True)[1]
    image = image_of(network)
    for options, words in (
        ({"subsets": 99}, "100 or more"),
        ({"sizes": []}, "1 to 64"),
        ({"sizes": [0]}, "1 to 64"),
        ({"sizes": [65]}, "1 to 64"),
        ({"sizes": [0.5]}, "1 to 64"),
    ):
        with pytest.raises(PathwayError, match=words):
            removals(network, image, 0, **options)
    with pytest.raises(PathwayError, match="NaN or infinite"):
        removals(network, image / 0, 0)
    with pytest.raises(PathwayError, match="target"):
        removals(network, image, -1)
    with pytest.raises(PathwayError, match="pixels"):
        removals(trace(ByHand().eval(), (2,)), torch.ones(1, 2), 0)
    removed = Removals((1,), torch.zeros(1, 100).double(), 0, (8, 8), 0.0)
    with pytest.raises(PathwayError, match="64 of 64"):
        sensitivity_n(removed, noise_map() * float("nan"))
    with pytest.raises(PathwayError, match="one value per pixel"):
        sensitivity_n(removed, torch.zeros(3, 8, 8))
