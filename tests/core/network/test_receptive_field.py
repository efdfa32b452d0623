from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from core.errors import PathwayError
from core.network import Network, Site, trace
from core.network.receptive_field import Box, _NoRule, _walk, receptive_field
from core.network.surrogate import bounding_box, surrogate_field
from tests.networks import seeded

WHOLE = (0, 0, 8, 8)


class Headed(nn.Module):
    """``body(x, *parts)`` and a ReLU, its only site, whose positions and channels the two logits mix."""

    def __init__(self, body: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.body, self.parts = body, nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        values = F.relu(self.body(x, *self.parts)).flatten(1)
        return torch.stack([values.sum(1), -values.sum(1)], 1)


def traced(*layers: nn.Module) -> Network:
    return made(nn.Sequential(*layers))


def made(body: Callable[..., Tensor], *parts: nn.Module) -> Network:
    return trace(Headed(body, *parts).eval(), (1, 8, 8))


def at(site: Site, channel: int, row: int = 0, column: int = 0) -> int:
    _, height, width = site.planes
    return (channel * height + row) * width + column


def box(network: Network, row: int, column: int, channel: int = 0) -> Box:
    """Return a box of site 0, which both ways must agree on."""
    site = network.sites[0]
    found = receptive_field(network, site, at(site, channel, row, column))
    assert found == surrogate_field(network, site, at(site, channel, row, column))
    return found


def test_a_1x1_convolution_sees_its_own_pixel() -> None:
    assert box(traced(nn.Conv2d(1, 1, 1)), 3, 5) == (5, 3, 6, 4)


def test_padding_is_no_pixel() -> None:
    network = traced(nn.Conv2d(1, 1, 3, stride=2, padding=1))  # window i looks at 2i - 1 .. 2i + 1
    assert box(network, 0, 0) == (0, 0, 2, 2)
    assert box(network, 1, 2) == (3, 1, 6, 4)
    assert box(network, 3, 3) == (5, 5, 8, 8)


def test_boxes_grow_with_depth() -> None:
    network = traced(nn.Conv2d(1, 2, 3, padding=1), nn.Tanh(), nn.Conv2d(2, 1, (1, 3), padding=(0, 1)))
    assert box(network, 4, 4) == (2, 3, 7, 6)
    assert box(network, 0, 7) == (5, 0, 8, 2)


def test_a_dilated_window_at_the_border_begins_inside() -> None:
    network = traced(nn.Conv2d(1, 1, 3, padding=2, dilation=2))
    assert box(network, 1, 0) == (0, 1, 3, 4)  # rows -1, 1, 3; columns -2, 0, 2


def test_holes_between_dilated_windows_are_not_filled() -> None:
    network = traced(nn.Conv2d(1, 1, 3, padding=1, dilation=2), nn.Conv2d(1, 1, 2, dilation=2))
    # 0 and 2 of the first, which look at -1, 1, 3 and 1, 3, 5; its 1, which looks at 0, is skipped
    assert box(network, 0, 0) == (1, 1, 6, 6)


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch copies the input, and says so
def test_same_padding_has_its_smaller_half_first() -> None:
    network = traced(nn.Conv2d(1, 1, 4, padding="same"))
    assert box(network, 0, 4) == (3, 0, 7, 3)


def test_a_window_in_the_padding_sees_nothing() -> None:
    assert box(traced(nn.Conv2d(1, 1, 1, padding=1)), 0, 4) == (0, 0, 0, 0)


def test_reflected_padding_is_pixels_again() -> None:
    network = traced(nn.Conv2d(1, 1, 3, padding=2, padding_mode="reflect"))
    assert box(network, 0, 4) == (2, 0, 5, 3)  # rows 2, 1, 0


@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
def test_the_last_window_of_ceil_mode_is_cut(pool: Callable[..., nn.Module]) -> None:
    network = traced(pool(3, 2, ceil_mode=True))
    assert box(network, 0, 1) == (2, 0, 5, 3)
    assert box(network, 3, 3) == (6, 6, 8, 8)


def test_a_dilated_max_pool() -> None:
    network = traced(nn.MaxPool2d(2, 2, padding=1, dilation=3, ceil_mode=True))  # window i: 2i - 1 and 2i + 2
    assert box(network, 0, 1) == (1, 2, 5, 3)


def test_functional_pools() -> None:
    network = made(lambda x: F.avg_pool2d(F.max_pool2d(x, 3, stride=1, padding=1), 2))
    assert box(network, 0, 1) == (1, 0, 5, 3)


def test_a_kernel_size_computed_on_the_way() -> None:
    network = made(lambda x: F.avg_pool2d(x, x.shape[2:]))
    assert box(network, 0, 0) == WHOLE


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d])
def test_adaptive_windows_overlap(pool: Callable[..., nn.Module]) -> None:
    assert box(traced(pool(3)), 0, 1) == (2, 0, 6, 3)  # floor(8/3) .. ceil(16/3)


def test_explicit_padding_and_cropping_shift() -> None:
    network = made(lambda x: x + F.pad(x, (2, -2, 0, 0)))
    assert box(network, 1, 5) == (3, 1, 6, 2)
    assert box(network, 1, 1) == (1, 1, 2, 2)
    assert box(traced(nn.ZeroPad2d((1, 0, 2, 0)), nn.Conv2d(1, 1, 1)), 3, 3) == (2, 1, 3, 2)


def test_a_skip_unites() -> None:
    left, wide = nn.Conv2d(1, 1, (1, 3), padding=(0, 1)), nn.Conv2d(1, 1, (3, 1), padding=(1, 0))
    network = made(lambda x, left, wide: left(x).add(wide(x)), left, wide)
    assert box(network, 4, 4) == (3, 3, 6, 6)


def test_a_window_in_the_padding_brings_no_columns_to_a_skip() -> None:
    network = made(lambda x, padded: padded(x) + F.pad(x, (1, -1, 0, 2)), nn.Conv2d(1, 1, 1, padding=(1, 0)))
    assert box(network, 0, 4) == (3, 0, 4, 1)


def test_a_path_that_carries_nothing_is_a_path() -> None:
    silent = nn.Conv2d(1, 1, 3, padding=1)
    nn.init.zeros_(silent.weight)
    assert box(made(lambda x, silent: silent(x) - silent(x), silent), 4, 4) == (3, 3, 6, 6)


def test_channels_of_a_concatenation_see_their_own_branch() -> None:
    narrow, wide, depthwise = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 5, padding=2), nn.Conv2d(2, 2, 3, groups=2)
    network = made(lambda x, narrow, wide, last: last(torch.cat([narrow(x), wide(x)], 1)), narrow, wide, depthwise)
    assert box(network, 2, 2, channel=0) == (2, 2, 5, 5)
    assert box(network, 2, 2, channel=1) == (0, 0, 7, 7)


def test_picked_channels() -> None:
    def picked(x: Tensor, wide: nn.Module) -> Tensor:
        return torch.cat((wide(x), x), 1)[:, 1:] * 2 + torch.unsqueeze(x[:, 0], 1)

    network = made(picked, nn.Conv2d(1, 1, 3, padding=1))
    assert box(network, 2, 3) == (3, 2, 4, 3)


def test_squeeze_and_excitation_sees_everything() -> None:
    gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(1, 1, 1), nn.Sigmoid())
    assert box(made(lambda x, gate: gate(x) * x, gate), 2, 3) == WHOLE


def test_a_flattened_pixel_is_still_one_pixel() -> None:
    assert box(traced(nn.MaxPool2d(2), nn.Flatten()), 0, 0, channel=6) == (4, 2, 6, 4)  # row 1, column 2 of 4x4


def test_after_a_dense_layer_the_whole_image() -> None:
    assert box(traced(nn.Flatten(), nn.Linear(64, 3)), 0, 0, channel=2) == WHOLE


def test_after_a_global_mean_the_whole_image() -> None:
    network = made(lambda x: x.mean([2, 3]))
    assert box(network, 0, 0) == WHOLE


def test_a_channel_shuffle_is_followed_by_the_surrogate() -> None:
    def shuffled(x: Tensor, narrow: nn.Module, wide: nn.Module) -> Tensor:
        both = torch.cat([narrow(x), wide(x)], 1)
        return both.view(-1, 2, 2, 8, 8).transpose(1, 2).reshape(-1, 4, 8, 8)  # narrow, wide, narrow, wide

    network = made(shuffled, nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 3, padding=1))
    with pytest.raises(_NoRule):
        _walk(network.program, network.sites[0].node, 0)
    assert [box(network, 4, 4, channel) for channel in range(4)] == [(4, 4, 5, 5), (3, 3, 6, 6)] * 2


@pytest.mark.parametrize("position", [-1, 64, True, 1.0])
def test_a_bad_position_is_refused(position: int) -> None:
    network = traced(nn.Conv2d(1, 1, 1))
    for field in (receptive_field, surrogate_field):
        with pytest.raises(PathwayError, match="wanted an integer from 0 to 63"):
            field(network, network.sites[0], position)


def test_a_site_of_another_network_is_refused() -> None:
    with pytest.raises(PathwayError, match="wanted a site of network"):
        receptive_field(traced(nn.Conv2d(1, 1, 1)), traced(nn.Conv2d(1, 2, 1)).sites[0], 0)


def test_a_network_of_vectors_is_refused() -> None:
    network = trace(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval(), (4,))
    with pytest.raises(PathwayError, match=r"takes inputs of shape \(4,\)"):
        receptive_field(network, network.sites[0], 0)


# Against the surrogate, and against neither


@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("squeezenet1_1", 96, {}),
        pytest.param("resnet18", 96, {}, marks=pytest.mark.thorough),
        pytest.param("googlenet", 96, {"init_weights": False, "transform_input": True}, marks=pytest.mark.thorough),
        pytest.param("mobilenet_v2", 96, {}, marks=pytest.mark.thorough),
        ("mobilenet_v3_small", 64, {}),
        pytest.param("densenet121", 64, {}, marks=pytest.mark.thorough),
    ],
)
def test_the_walk_equals_the_surrogate(name: str, size: int, options: dict[str, bool]) -> None:
    network = trace(models.get_model(name, weights=None, **options).eval(), (3, size, size), name=name)
    chosen = torch.linspace(0, len(network.sites) - 1, 3 if name == "densenet121" else 5).int().tolist()
    for site in (network.sites[index] for index in chosen):
        channels, height, width = site.planes
        places = {(0, 0, 0), (channels // 2, height // 2, width // 2), (channels - 1, height - 1, 0)}
        for position in (at(site, *place) for place in places):
            assert _walk(network.program, site.node, position) == surrogate_field(network, site, position), site


def test_shufflenet_goes_through_the_fallback() -> None:
    network = trace(models.shufflenet_v2_x0_5(weights=None).eval(), (3, 64, 64))
    site = network.sites[len(network.sites) // 2]
    with pytest.raises(_NoRule):
        _walk(network.program, site.node, 0)
    assert receptive_field(network, site, 0) == surrogate_field(network, site, 0)
    assert receptive_field(network, network.sites[0], 0) == (0, 0, 2, 2)  # a convolution of stride 2, padding 1


RAW = {
    "squeezenet1_1": (2, 9),
    "resnet18": (1, 6),
    "mobilenet_v2": (3, 10),
    "mobilenet_v3_small": (2,),
    "shufflenet_v2_x0_5": (7,),
}


class Reached(Exception):
    """What was to be watched has been called."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n.startswith("shuffle") else [pytest.mark.thorough]) for n in RAW]
)
def test_the_rows_and_columns_that_change_a_neuron_of_the_raw_model(name: str) -> None:
    """Watched by a hook on the model itself, whose ReLUs leak so that no path is shut."""
    size, model = 64, seeded(models.get_model(name, weights=None)).double()
    network = trace(model, (3, size, size), name=name)
    for path, module in list(model.named_modules()):
        if isinstance(module, nn.ReLU | nn.ReLU6):
            model.set_submodule(path, nn.LeakyReLU(0.3))
    torch.manual_seed(0)
    image = torch.randn(1, 3, size, size).double()
    bands = torch.eye(size).double().view(size, 1, size, 1) * torch.randn(size, 3, 1, 1).double() * 3
    for site in (network.sites[index] for index in RAW[name]):
        path, _, call = site.name.partition("#")
        given: list[Tensor] = []

        def watch(
            _: nn.Module, inputs: tuple[Tensor], given: list[Tensor] = given, calls: int = int(call or 1)
        ) -> None:
            given.append(inputs[0])
            if len(given) == calls:
                raise Reached

        hook = model.get_submodule(path).register_forward_pre_hook(watch)
        positions = [at(site, channel, row, row) for channel, row in ((0, 0), (1, site.shape[1] // 2))]
        moved = []
        for pushed in (bands, bands.transpose(2, 3)):
            given.clear()
            with torch.no_grad(), pytest.raises(Reached):
                model(torch.cat([image, image + pushed]))
            before, after = given[-1].flatten(1)[:, positions].split([1, size])
            moved.append((after != before).T.numpy())
        hook.remove()
        wanted = [bounding_box(rows, columns) for rows, columns in zip(*moved, strict=True)]
        assert [receptive_field(network, site, position) for position in positions] == wanted, site


class Varied(nn.Module):
    """Stride, ceil_mode, groups, dilation, a concatenation and a skip; each path always carries something."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2, 1, ceil_mode=True)
        self.grouped = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2)
        self.mixed = nn.Conv2d(4, 4, (3, 1), padding=(1, 0))
        self.depthwise = nn.Conv2d(8, 8, 2, groups=8)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.stem(x), 0.5)
        y = F.leaky_relu(self.grouped(x), 0.5)
        joined = torch.cat([self.mixed(x) + x, y], dim=1)
        return F.relu(self.pool(self.depthwise(joined))).flatten(1)


def test_the_pixels_that_change_a_neuron_when_changed() -> None:
    torch.manual_seed(0)
    network = trace(Varied().double().eval(), (2, 19, 15))
    image, size = torch.randn(1, 2, 19, 15, dtype=torch.float64), 19 * 15
    pushes = torch.eye(size, dtype=torch.float64).view(size, 1, 19, 15) * torch.randn(4, 1, 2, 1, 1).double() * 1e3
    pushed = image + torch.cat([pushes, -pushes]).flatten(0, 1)  # (8 * pixels, 2, 19, 15)
    site = network.sites[0]
    rest = network.run(image, record=True).pre_activations[0].flatten(1)
    moved = (network.run(pushed, record=True).pre_activations[0].flatten(1) != rest).view(8, 19, 15, -1).any(0)
    for position in range(site.neurons):
        rows, columns = moved[:, :, position].nonzero().unbind(1)
        found = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        assert receptive_field(network, site, position) == found


# Calls that pick, compare or normalise: against the raw model, each pixel of which is pushed about.

SIDES = (2, 6, 5)


def narrow_and_wide(x: Tensor) -> Tensor:
    """Four channels, which see 1 pixel, 3 in a row, 3 in a column and 3 by 3."""
    weight = torch.linspace(0.5, 1.5, 18, dtype=x.dtype).view(1, 2, 3, 3)
    rows, columns = F.conv2d(x, weight[..., 1:2, :], padding=(0, 1)), F.conv2d(x, weight[..., 1:2], padding=(1, 0))
    return torch.cat([F.conv2d(x, weight[..., 1:2, 1:2]), rows, columns, F.conv2d(x, weight, padding=1)], 1)


def right(x: Tensor) -> Tensor:
    return F.pad(x, (1, -1))


def down(x: Tensor) -> Tensor:
    return F.pad(x, (0, 0, 2, -2))


class Standardised(nn.Conv2d):
    """Weight standardisation: of equal weights nothing is left."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight / weight.std((1, 2, 3), keepdim=True), None, padding=1)


class Attending(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        return ((tokens @ tokens.transpose(1, 2)).softmax(2) @ tokens).transpose(1, 2).unflatten(2, SIDES[1:])


class Scaling(nn.Module):
    """A ReLU module on what no pixel changes."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.scale = nn.ReLU(), nn.Parameter(torch.ones(1, 2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return right(x) * self.relu(self.scale)


Body = Callable[..., Tensor]
BODIES: dict[str, Body | tuple[Body, nn.Module]] = {
    "layer norm over channels": (lambda x, norm: norm(narrow_and_wide(x).movedim(1, 3)).movedim(3, 1), nn.LayerNorm(4)),
    "group norm": (lambda x, norm: norm(narrow_and_wide(x)), nn.GroupNorm(2, 4)),
    "instance norm": lambda x: F.instance_norm(x),
    "local response norm": lambda x: F.local_response_norm(narrow_and_wide(x), 3),
    "normalize": lambda x: F.normalize(narrow_and_wide(x), dim=1),
    "softmax over channels": lambda x: narrow_and_wide(x).softmax(1),
    "softmax over columns": lambda x: F.softmax(x, -1),
    "log softmax": lambda x: narrow_and_wide(x).log_softmax(1),
    "group norm, mixed": (lambda x, parts: parts(x), nn.Sequential(nn.GroupNorm(1, 2), nn.Conv2d(2, 2, 1))),
    "normalize, mixed": (lambda x, conv: conv(F.normalize(x, dim=1)), nn.Conv2d(2, 2, 1)),
    "softmax, mixed": (lambda x, conv: conv(x.softmax(1)), nn.Conv2d(2, 2, 1)),
    "standard deviation": lambda x: narrow_and_wide(x).std(1, keepdim=True),
    "variance of a row": lambda x: x.var(3),
    "standardised weights": (lambda x, conv: conv(x), Standardised(2, 2, 3)),
    "max over channels": lambda x: narrow_and_wide(x).max(1)[0],
    "max of columns, by name": lambda x: torch.max(x, dim=2, keepdim=True).values,
    "min over channels": lambda x: narrow_and_wide(x).min(dim=1, keepdim=True)[0],
    "amax and amin": lambda x: torch.stack([x.amax((2, 3)), x.amin(dim=(2, 3))], 1),
    "median": lambda x: narrow_and_wide(x)[:, 1:].median(1)[0],
    "top two": lambda x: narrow_and_wide(x).topk(2, dim=1)[0],
    "top two of a row": lambda x: torch.topk(x, 2).values,
    "third of four": lambda x: narrow_and_wide(x).kthvalue(3, 1).values,
    "sorted": lambda x: narrow_and_wide(x).sort(1)[0],
    "max pool of one axis": lambda x: F.max_pool1d(x.flatten(2), 3, 2),
    "max pool of one axis, module": (lambda x, pool: pool(x.flatten(2)), nn.MaxPool1d(3, padding=1, dilation=2)),
    "adaptive max pool of one axis": lambda x: F.adaptive_max_pool1d(x.flatten(2), 4),
    "max pool that says where": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "max pool that says where, module": (lambda x, pool: pool(x)[0], nn.MaxPool2d(2, return_indices=True)),
    "where": lambda x: torch.where(x[:, :1] > 0, right(x), down(x) + 1),
    "a comparison": lambda x: x[:, :1] + (right(x[:, 1:]) > 0.1),
    "masked": lambda x: x.masked_fill(right(x) < 0, 0.5),
    "greater and smaller of two": lambda x: torch.maximum(x, right(x)) - x.minimum(down(x)),
    "max of two": lambda x: torch.max(x, right(x)),
    "clamped, shrunk, in steps": lambda x: F.hardshrink(x.clamp(-1, 1)) + torch.round(right(x)),
    "powers": lambda x: x.square() + right(x).abs().sqrt() + torch.exp(down(x) / 1000),
    "logsumexp": lambda x: narrow_and_wide(x).logsumexp(1),
    "running sum": lambda x: x.cumsum(3),
    "attention": (lambda x, attention: attention(x), Attending()),
    "a relu on a constant": (lambda x, scaling: scaling(x), Scaling()),
}


def changed_by(body: Callable[[Tensor], Tensor]) -> list[Box]:
    """Return for each value of a raw model the box of the pixels that change it when each is pushed about."""
    torch.manual_seed(1)
    channels, height, width = SIDES
    one = torch.eye(height * width).double().view(-1, 1, 1, 1, height, width)
    sizes = torch.tensor([0.05, 0.5, 5.0, 50.0]).double().view(4, 1, 1, 1, 1)
    moved = torch.zeros(height, width, body(torch.zeros(1, *SIDES).double()).numel(), dtype=torch.bool)
    for _ in range(16):
        image, signs = torch.randn(1, *SIDES).double(), torch.randn(6, channels, 1, 1).double()
        before, after = body(image), body(image + (one * sizes * signs).flatten(0, 2))
        moved |= (after != before).reshape(height, width, 24, -1).any(2)
    return [bounding_box(each.any(1), each.any(0)) for each in moved.permute(2, 0, 1).numpy()]


@pytest.mark.parametrize("name", BODIES)
def test_what_picks_compares_or_normalises_sees_all_that_may_change_it(name: str) -> None:
    known = BODIES[name]
    body, *parts = known if isinstance(known, tuple) else (known,)
    model = Headed(body, *parts).double().eval()
    network = trace(model, SIDES)
    with torch.no_grad():
        wanted = changed_by(lambda images: body(images, *parts))
    (site,) = network.sites
    assert len(wanted) == site.neurons
    for position, found in enumerate(wanted):
        assert (receptive_field(network, site, position), surrogate_field(network, site, position)) == (found, found)


def test_threads_agree_and_nothing_is_left_on_the_network() -> None:
    network = trace(models.squeezenet1_1(weights=None).eval(), (3, 64, 64))
    image = torch.randn(1, 3, 64, 64)
    before, site = network.run(image).logits, network.sites[10]
    asked = [position * 7 for position in range(40)]
    with ThreadPoolExecutor(8) as pool:
        boxes = list(pool.map(lambda position: receptive_field(network, site, position), asked))
        fields = list(pool.map(lambda position: surrogate_field(network, site, position), asked))
    assert boxes == fields == [receptive_field(network, site, position) for position in asked]
    assert torch.equal(network.run(image).logits, before)
