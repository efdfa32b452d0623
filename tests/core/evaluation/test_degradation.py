"""LeRF, MoRF, insertion and deletion against pixel-by-pixel loops, Quantus and the paper's printed areas."""

from __future__ import annotations

import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import isnan
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from core.data.preprocessing import Preprocessing
from core.errors import Cancelled, PathwayError
from core.evaluation.degradation import SHARES, Curve, degradation, deletion, insertion, pixel_ranks, replaced
from core.network import Network, trace
from tests.networks import SHAPE, ByHand, image_of, seeded, toy

TABLES = json.loads((Path(__file__).resolve().parents[3] / "assets" / "paper_tables.json").read_text())
PRINTED = [
    (table, name) for table in ("lerf_cifar10", "lerf_birdsnap", "lerf_imagenet") for name in TABLES[table]["rows"]
]
COLOURS = Preprocessing(size=8, resize=8, mean=(0.5, 0.25, 0.75), std=(0.5, 0.5, 0.25))


def relevance_of(network: Network, seed: int = 3) -> Tensor:
    height, width = network.input_shape[1:]
    return torch.randperm(height * width, generator=torch.Generator().manual_seed(seed)).view(height, width) + 0.5


def straight() -> tuple[nn.Module, Network]:
    model = toy("Straight", double=True)[0]
    return model, trace(model, SHAPE, name="straight", preprocessing=COLOURS)


def by_hand(image: Tensor, replacement: str) -> Tensor:
    if replacement == "mean":
        return image * 0
    if replacement == "black":
        return torch.tensor([-1.0, -0.5, -3.0]).double().view(1, 3, 1, 1) + image * 0
    return torch.from_numpy(
        np.stack([[gaussian_filter(plane, 10, mode="reflect", truncate=4) for plane in image[0].numpy()]])
    )


def walked(model: nn.Module, start: Tensor, end: Tensor, pixels: list[tuple[int, int]], target: int) -> list[float]:
    """The target's probability after each pixel, one at a time; as many as there are pixels, and one before."""
    image, found = start.clone(), []
    with torch.no_grad():
        for row, column in [(-1, -1), *pixels]:
            if row >= 0:
                image[0, :, row, column] = end[0, :, row, column]
            found.append(float(model(image.clone()).softmax(1)[0, target]))
    return found


def places(relevance: Tensor) -> list[tuple[int, int]]:
    """Pixels from the least relevant up."""
    height, width = relevance.shape
    return sorted(((r, c) for r in range(height) for c in range(width)), key=lambda at: float(relevance[at]))


@pytest.mark.parametrize("replacement", ["mean", "black", "blur"])
@pytest.mark.parametrize("order", ["lerf", "morf"])
def test_every_pixel_one_at_a_time(order, replacement):
    model, network = straight()
    image, relevance = image_of(network), relevance_of(network)
    pixels = places(relevance)[:: 1 if order == "lerf" else -1]
    wanted = walked(model, image, by_hand(image, replacement), pixels, 2)
    shares = [k / 64 for k in range(1, 65)]
    curve = degradation(network, image, 2, relevance, order=order, shares=shares, replacement=replacement, batch_size=7)
    assert curve.shares == (0, *shares)
    assert_close(curve.probabilities, tuple(wanted), rtol=1e-10, atol=1e-12)
    assert curve.changes[0] == 0
    assert curve.changes[9] == pytest.approx(abs(wanted[9] - wanted[0]) / wanted[0])
    assert curve.tied == 0


@pytest.mark.parametrize("replacement", ["mean", "black", "blur"])
def test_insertion_puts_the_most_relevant_pixels_back_first(replacement):
    model, network = straight()
    image, relevance = image_of(network), relevance_of(network)
    wanted = walked(model, by_hand(image, replacement), image, places(relevance)[::-1], 1)
    curve = insertion(network, image, 1, relevance, shares=[k / 64 for k in range(1, 65)], replacement=replacement)
    assert_close(curve.probabilities, tuple(wanted), rtol=1e-10, atol=1e-12)
    assert curve.area() == pytest.approx(sum((a + b) / 128 for a, b in pairwise(wanted)))


def test_shares_are_rounded_to_whole_pixels():
    network = straight()[1]
    image, relevance = image_of(network), relevance_of(network)
    fine = degradation(network, image, 0, relevance, shares=[k / 64 for k in range(1, 65)]).probabilities
    curve = degradation(network, image, 0, relevance, shares=[0.001, 0.01, 0.02, 0.03, 0.5])  # 0.06, 0.64, ... pixels
    assert_close(curve.probabilities, tuple(fine[count] for count in (0, 0, 1, 1, 2, 32)))


def test_deletion_is_morf():
    network = straight()[1]
    image, relevance = image_of(network), relevance_of(network)
    assert deletion(network, image, 1, relevance) == degradation(network, image, 1, relevance, order="morf")


def test_the_default_curve_has_twenty_points_and_costs_twenty_images(monkeypatch):
    network, sizes = straight()[1], []
    run = Network.run
    monkeypatch.setattr(
        Network, "run", lambda self, image, *a, **k: sizes.append(len(image)) or run(self, image, *a, **k)
    )
    curve = degradation(network, image_of(network), 0, relevance_of(network), batch_size=10)
    assert sizes == [10, 10]
    percents = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert [round(100 * share, 9) for share in curve.shares] == percents
    assert curve.shares == (0, *SHARES)
    for batch_size in (1, 7, 64):
        other = degradation(network, image_of(network), 0, relevance_of(network), batch_size=batch_size)
        assert_close(other.probabilities, curve.probabilities, rtol=1e-12, atol=0)


@pytest.mark.parametrize("size", [(8, 8), (5, 9), (90, 61)])
def test_blur_is_scipys_gaussian_of_ten_pixels(size):
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)).double()
    assert_close(replaced(straight()[1], image, "blur"), by_hand(image, "blur"), rtol=1e-12, atol=1e-13)
    single = replaced(straight()[1], image.float(), "blur")
    assert single.dtype == torch.float32
    assert_close(single.double(), by_hand(image, "blur"), rtol=1e-5, atol=1e-6)


def test_black_is_what_a_black_picture_becomes():
    network = trace(toy("Straight")[0], SHAPE, preprocessing=COLOURS)
    black = network.preprocess(Image.new("RGB", (8, 8)))
    assert_close(replaced(network, image_of(network), "black"), black)


@pytest.mark.parametrize(("table", "name"), PRINTED, ids=lambda part: part)
def test_the_papers_areas_follow_from_its_printed_rows(table, name):
    *changes, printed = TABLES[table]["rows"][name]
    curve = Curve((0, *(k / 100 for k in range(1, 11)), 1), (1.0, *(1 - change for change in changes), 0.5), 0)
    assert_close(curve.changes[1:11], tuple(changes))
    assert curve.change_area(0.1) == pytest.approx(printed, abs=1.1e-5)  # rows and areas are rounded
    assert curve.change_area() == pytest.approx(curve.change_area(0.1) + 0.9 * (changes[-1] + 0.5) / 2)


def test_areas_by_hand():
    curve = Curve((0, 0.5, 1), (0.8, 0.4, 1.0), 0)
    assert curve.changes == pytest.approx((0, 0.5, 0.25))
    assert curve.change_area() == pytest.approx(0.125 + 0.1875)
    assert curve.area() == pytest.approx(0.3 + 0.35)
    assert curve.area(0.5) == pytest.approx(0.3)


def test_a_probability_of_zero_has_no_relative_change():
    curve = Curve((0, 1), (0.0, 0.5), 0)
    assert all(map(isnan, (*curve.changes, curve.change_area())))
    assert curve.area() == 0.25


def test_morf_is_lerf_backwards_among_ties_too():
    relevance = torch.tensor([[1.0, 0.0, 1.0], [0.0, 2.0, 1.0]])
    ranks = pixel_ranks(relevance, "lerf", seed=4)
    assert (ranks + pixel_ranks(relevance, "morf", seed=4) == 5).all()
    assert sorted(ranks.flatten().tolist()) == list(range(6))
    assert {int(ranks[0, 1]), int(ranks[1, 0])} == {0, 1}
    assert ranks[1, 1] == 5


def test_ties_follow_a_seeded_order_and_never_the_position():
    flat = torch.zeros(30, 30)
    ranks = [pixel_ranks(flat, "lerf", seed) for seed in (0, 0, 1)]
    assert ranks[0].equal(ranks[1])
    assert not ranks[0].equal(ranks[2])
    first = (ranks[0].flatten() < 450).nonzero().double()
    assert 400 < first.mean() < 500  # by position it would be 224.5
    mixed = torch.cat([torch.ones(15, 30), flat[:15]])
    assert (pixel_ranks(mixed, "lerf")[15:] < 450).all()
    network = straight()[1]
    relevance = relevance_of(network)
    relevance[0, :3] = relevance[0, 3]
    assert degradation(network, image_of(network), 0, relevance).tied == 4


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-30])
def test_a_flat_map_is_a_random_order_and_says_so(value):
    network = straight()[1]
    curve = degradation(network, image_of(network), 0, torch.full((8, 8), value).double())
    assert curve.tied == 64
    assert np.isfinite(curve.probabilities).all()
    assert curve == degradation(network, image_of(network), 0, torch.zeros(8, 8))


def test_an_image_of_one_colour():
    network = straight()[1]
    image = torch.zeros(1, *SHAPE).double()
    curve = degradation(network, image, 0, relevance_of(network))
    assert set(curve.changes) == {0.0}
    assert curve.change_area() == 0
    blurred = degradation(network, image + 0.3, 0, relevance_of(network), replacement="blur")
    assert max(blurred.changes) < 1e-12


def test_a_networks_own_dtype_is_kept_and_large_logits_do_not_overflow():
    model = seeded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 4)))
    with torch.no_grad():
        model[3].weight *= 1e4
    network = trace(model, SHAPE)
    curve = degradation(network, image_of(network), 0, torch.rand(8, 8))
    assert all(0 <= p <= 1 for p in curve.probabilities)


class Grey(nn.Module):
    """One channel a pixel or three, 6 x 6 pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(channels, 4, 3), nn.Linear(64, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.conv(x)).flatten(1))


@pytest.fixture(scope="module")
def pixel_flipping():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("quantus").PixelFlipping


@pytest.mark.filterwarnings("ignore")  # Quantus's own
@pytest.mark.parametrize(
    ("channels", "baseline", "replacement"), [(1, 0.0, "mean"), (3, 0.0, "mean"), (3, "black", "black")]
)
def test_morf_and_deletion_are_quantus_pixel_flipping(pixel_flipping, monkeypatch, channels, baseline, replacement):
    """It flips scalars: equal values in three channels make them one pixel; its black is the image's own minimum."""
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    model = seeded(Grey(channels), 5)
    half = (0.5, 0.5, 0.5)
    network = trace(model, (channels, 6, 6), preprocessing=Preprocessing(6, 6, half, half))
    image = image_of(network, seed=1).clamp(-1, 1)
    image[0, 0, 2, 2] = -1  # what black is normalised to
    relevance = relevance_of(network).float()
    expanded = relevance.expand(1, channels, 6, 6)
    pixels = 4  # a step
    metric = pixel_flipping(
        features_in_step=pixels * channels, normalise=False, perturb_baseline=baseline, disable_warnings=True
    )
    case = {"x_batch": image.numpy(), "y_batch": np.array([3]), "a_batch": expanded.numpy(), "softmax": True}
    wanted = metric(model=model, channel_first=True, device="cpu", **case)[0]
    curve = deletion(network, image, 3, relevance, shares=[k / 9 for k in range(1, 10)], replacement=replacement)
    assert_close(curve.probabilities[1:], tuple(map(float, wanted)), rtol=1e-5, atol=1e-6)
    metric.return_auc_per_sample = True
    area = metric(model=model, channel_first=True, device="cpu", **case)[0]  # from its first step on, in steps
    assert area / 9 == pytest.approx(curve.area() - curve.area(1 / 9), rel=1e-5)


def test_two_threads_and_a_third_that_traces_change_nothing():
    network = toy("Residual")[1]
    before = [p.clone() for p in network.program.model.parameters()]
    relevance = relevance_of(network)
    wanted = [degradation(network, image_of(network, i), 0, relevance, batch_size=4) for i in range(8)]
    with ThreadPoolExecutor(3) as pool:
        traces = pool.submit(lambda: [trace(toy("Residual")[0], SHAPE) for _ in range(10)])
        found = list(
            pool.map(lambda i: degradation(network, image_of(network, i), 0, relevance, batch_size=4), range(8))
        )
        traces.result()
    assert found == wanted
    assert all(a.equal(b) for a, b in zip(before, network.program.model.parameters(), strict=True))


def test_progress_is_told_and_may_cancel():
    network, told = straight()[1], []
    case = (network, image_of(network), 0, relevance_of(network))
    degradation(*case, batch_size=8, progress=lambda *step: told.append(step[:2]))
    assert told == [(8, 20), (16, 20), (20, 20)]

    def stop(done: int, total: int, note: str) -> None:
        raise Cancelled

    for measure in (degradation, deletion, insertion):
        with pytest.raises(Cancelled):
            measure(*case, progress=stop)


def test_refusals_say_what_was_wanted():
    network = straight()[1]
    image, good = image_of(network), relevance_of(network)
    broken = good.clone()
    broken[1, 2] = float("nan")
    for relevance, words in (
        (broken, "1 of 64 values"),
        (good[:4], r"shape \(8, 8\)"),
        (good[None], "one value per pixel"),
    ):
        for measure in (degradation, insertion, deletion):
            with pytest.raises(PathwayError, match=words):
                measure(network, image, 0, relevance)
    for options, words in (
        ({"order": "best"}, "lerf"),
        ({"replacement": "white"}, "mean, black, blur"),
        ({"shares": []}, "rising"),
        ({"shares": [0.2, 0.1]}, "rising"),
        ({"shares": [0.5, 1.1]}, "rising"),
        ({"shares": [float("nan")]}, "rising"),
    ):
        with pytest.raises(PathwayError, match=words):
            degradation(network, image, 0, good, **options)
    with pytest.raises(PathwayError, match="has no preprocessing"):
        degradation(toy("Straight")[1], image.float(), 0, good, replacement="black")
    with pytest.raises(PathwayError, match="NaN or infinite"):
        degradation(network, image * float("nan"), 0, good)
    with pytest.raises(PathwayError, match="target"):
        degradation(network, image, 4, good)
    grey = trace(Grey(1).eval(), (1, 6, 6), preprocessing=Preprocessing(6, 6))
    with pytest.raises(PathwayError, match="has no preprocessing"):
        degradation(grey, image_of(grey), 0, relevance_of(grey), replacement="black")
    vectors = trace(ByHand().eval(), (2,))
    with pytest.raises(PathwayError, match="pixels"):
        degradation(vectors, torch.ones(1, 2), 0, good)


def test_logits_beyond_the_dtype_are_named():
    model = seeded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 4)))
    with torch.no_grad():
        model[3].weight *= 1e30
    network = trace(model, SHAPE)
    with pytest.raises(PathwayError, match="float64"):
        degradation(network, image_of(network) * 1e12, 0, torch.rand(8, 8))


def test_what_rounding_leaves_in_a_flat_region_orders_nothing():
    coarse = torch.zeros(1, 1, 7, 7)
    coarse[0, 0, 2:4, 2:5] = 1 / 3
    smooth = F.interpolate(coarse, (56, 56), mode="bilinear", align_corners=False)[0, 0]
    exact = F.interpolate(coarse.double(), (56, 56), mode="bilinear", align_corners=False)[0, 0]
    gaps = smooth.flatten().sort().values.diff()
    assert ((gaps > 0) & (gaps < 1e-7)).any()  # the fault this is about
    for order in ("lerf", "morf"):
        assert pixel_ranks(smooth, order).equal(pixel_ranks(exact, order))
    shaken = smooth + 1e-9 * torch.randn(smooth.shape, generator=torch.Generator().manual_seed(0))
    assert pixel_ranks(shaken, "lerf").equal(pixel_ranks(smooth, "lerf"))
    steps = torch.arange(56 * 56.0).view(56, 56)
    assert pixel_ranks(steps, "lerf").equal(steps.long())  # steps of more than a millionth are kept
