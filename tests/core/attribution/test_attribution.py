"""Every baseline against numbers by hand, a slow literal version or Captum on a model that it can read."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from math import factorial

import captum.attr
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from core.attribution import BASELINES, gradients, perturbations
from core.attribution.attribution import Attribution
from core.attribution.feature_map import feature_map
from core.attribution.perturbations import superpixels, window
from core.data.samples import sample_images
from core.errors import PathwayError
from core.models.architectures import build
from core.models.zoo import load_network
from core.network import Network, trace
from core.network.tracing import TRACE_LOCK
from tests.networks import SHAPE, TOYS, ByHand, Residual, Toy, architecture, image_of, listed, seeded, toy


class Pools(Toy):
    """Overlapping, dilated, padded and functional max pools, next to ReLUs and on values that others read too."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.relu, self.fc = nn.MaxPool2d(3, 2, 1), nn.ReLU(inplace=True), nn.Linear(4 * 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x)
        x = self.relu(self.pool(F.relu(z)) - F.max_pool2d(z, 3, stride=2, padding=1))
        z = self.pool(self.next(x).repeat(1, 1, 2, 2))
        return self.head(torch.max_pool2d(self.relu(z), 2, 1, 0, 2))


class Linear(nn.Module):
    """Linear over the images of these tests, which never come near -100."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 64, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(x + 100).flatten(1))


class Signed(Toy):
    """A convolution that reads values of both signs."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.next(self.conv(x))))


def network_of(model: nn.Module, shape: tuple[int, ...] = SHAPE) -> Network:
    return trace(seeded(model).double(), shape, name=type(model).__name__)


@cache
def named(name: str) -> Network:
    mine = {"Pools": Pools, "Signed": Signed}
    return network_of(mine[name]()) if name in mine else toy(name, double=True)[1]


@cache
def photo(name: str) -> tuple[Network, Tensor, int]:
    network = load_network(name)
    image = network.preprocess(sample_images()["chelsea"].open())
    return network, image, int(network.run(image).logits.argmax())


def response(network: Network, image: Tensor, target: int) -> float:
    with torch.no_grad():
        return float(network.run(image).logits[0, target])


def slope(run: Callable[[Tensor], Tensor], image: Tensor, target: int) -> Tensor:
    moved = image.detach().clone().requires_grad_()
    return torch.autograd.grad(run(moved)[0, target], moved)[0]


def expected_sum(network: Network, image: Tensor, target: int) -> float:
    return response(network, image, target) - response(network, torch.zeros_like(image), target)


def assert_delta_is_honest(found: Attribution, network: Network, image: Tensor, target: int) -> None:
    assert found.delta == pytest.approx(float(found.values.sum()) - expected_sum(network, image, target), abs=1e-9)


def by_hand(target: int, name: str) -> list[float]:
    return BASELINES[name](trace(ByHand().eval(), (2,)), torch.tensor([[1.0, 2.0]]), target).values.tolist()


# gradients


@pytest.mark.parametrize("name", TOYS)
def test_gradient_and_input_mct_equal_moving_every_value_of_the_raw_models_image(name):
    model, network = toy(name, double=True)
    image, step = image_of(network), 1e-6
    moves = step * torch.eye(192, dtype=torch.float64).view(192, *SHAPE)
    with torch.no_grad():
        gradient = ((model(image + moves) - model(image - moves))[:, 2] / (2 * step)).view(SHAPE)
    found = BASELINES["Gradient"](network, image, 2)
    assert_close(found.values, gradient, rtol=0, atol=1e-7)
    assert found.is_gradient
    contributed = BASELINES["InputMCT"](network, image, 2)
    assert_close(contributed.values, image[0] * gradient, rtol=0, atol=1e-6)
    assert not contributed.is_gradient


@pytest.mark.parametrize("name", ["Residual", "Saturating", "Pools"])
def test_input_intgrad_is_the_mean_over_midpoints_and_completes(name):
    network = named(name)
    image = image_of(network)
    slopes = [slope(lambda x: network.run(x).logits, image * (k + 0.5) / 50, 1)[0] for k in range(50)]
    found = BASELINES["InputIntGrad"](network, image, 1)
    assert_close(found.values, image[0] * torch.stack(slopes).mean(0), rtol=1e-6, atol=1e-8)  # Captum's steps: float32
    assert_delta_is_honest(found, network, image, 1)
    assert abs(found.delta or 0.0) < 0.02 * float(found.values.abs().sum())
    assert BASELINES["InputIntGrad"](network, torch.zeros_like(image), 1).values.abs().max() == 0


def test_smooth_grad_and_gradient_shap_on_a_linear_network():
    network = network_of(Linear())
    image, weight = image_of(network), network.program.model.fc.weight[3].view(SHAPE)
    assert_close(BASELINES["SmoothGrad"](network, image, 3).values, weight)
    found = BASELINES["GradientSHAP"](network, image, 3)
    assert_close(found.values, weight * image[0], rtol=0, atol=0.02)  # up to the noise
    assert_delta_is_honest(found, network, image, 3)
    assert 0 < abs(found.delta or 0.0) < 0.1


@pytest.mark.parametrize("name", ["Residual", "Functional"])
def test_smooth_grad_and_gradient_shap_approach_captums(name, monkeypatch):
    monkeypatch.setattr(gradients, "N_SAMPLES", 3000)
    network = named(name)
    image = image_of(network)
    sigma = 0.15 * float(image.max() - image.min())

    def logit(images: Tensor) -> Tensor:
        return network.run(images).logits[:, 1]

    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(logit))
    moved = image.clone().requires_grad_()
    torch.manual_seed(0)
    wanted = tunnel.attribute(
        moved, nt_type="smoothgrad", nt_samples=3000, nt_samples_batch_size=500, stdevs=sigma, abs=False
    )
    assert nearly(BASELINES["SmoothGrad"](network, image, 1).values, wanted[0])
    assert not nearly(BASELINES["Gradient"](network, image, 1).values, wanted[0])
    shap = captum.attr.GradientShap(logit)
    wanted = shap.attribute(moved, torch.zeros_like(image), n_samples=3000, stdevs=sigma / 15)
    assert nearly(BASELINES["GradientSHAP"](network, image, 1).values, wanted[0])
    assert not nearly(BASELINES["InputMCT"](network, image, 1).values, wanted[0])


def nearly(found: Tensor, wanted: Tensor) -> bool:
    return float((found - wanted).norm() / wanted.norm()) < 0.06


@pytest.mark.parametrize("name", TOYS)
def test_grad_cam_equals_its_formula(name):
    network = named(name)
    image = image_of(network)
    run = network.run(image.clone().requires_grad_(), record=True)
    for site, activation in zip(network.sites, run.activations, strict=True):
        (slopes,) = torch.autograd.grad(run.logits[0, 0], activation, retain_graph=True)
        cam = torch.zeros(site.shape[1:], dtype=torch.float64)
        for channel in range(site.shape[0]):
            cam += slopes[0, channel].mean() * activation[0, channel].detach()
        wanted = F.interpolate(cam.clamp(min=0)[None, None], SHAPE[1:], mode="bilinear")[0]
        found = BASELINES["Grad-CAM"](network, image, 0, site=site.index)
        assert_close(found.values, wanted)
        assert not found.is_gradient


def test_grad_cam_equals_captums():
    model = architecture("squeezenet1_1")
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    network = trace(model, (3, 64, 64))
    image, site = image_of(network), network.sites[-3]
    with TRACE_LOCK:
        cam = captum.attr.LayerGradCam(model, model.get_submodule(site.name))
        wanted = cam.attribute(image.clone().requires_grad_(), target=4, relu_attributions=True).detach()
    upsampled = captum.attr.LayerAttribution.interpolate(wanted, (64, 64), "bilinear")[0]
    found = BASELINES["Grad-CAM"](network, image, 4, site=site.index).values
    assert found.max() > 0
    assert_close(found, upsampled)


def test_grad_cam_finds_the_last_map_before_dense_layers_and_refuses_vectors():
    vgg = trace(nn.Sequential(Residual(), nn.ReLU(), nn.Linear(4, 4)).eval(), SHAPE)
    image = image_of(vgg)
    assert_close(
        BASELINES["Grad-CAM"](vgg, image, 0).values,
        BASELINES["Grad-CAM"](vgg, image, 0, site=len(vgg.sites) - 2).values,
    )
    for site in (len(vgg.sites) - 1, -1, len(vgg.sites)):
        with pytest.raises(PathwayError, match="wanted a whole number"):
            BASELINES["Grad-CAM"](vgg, image, 0, site=site)
    flat = trace(nn.Sequential(nn.Flatten(), nn.Linear(192, 3), nn.ReLU(), nn.Linear(3, 2)).eval(), SHAPE)
    with pytest.raises(PathwayError, match="no map of positions"):
        BASELINES["Grad-CAM"](flat, image, 0)


class Skips(nn.Module):
    """A map, a branch of it that a skip goes around, their sum, and a pool."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = x + F.relu(self.inner(x))
        return self.fc(F.max_pool2d(F.dropout(x, training=False), 2).mean((2, 3)))


def test_the_default_map_is_none_that_a_skip_goes_around():
    network = trace(seeded(Skips()), SHAPE)
    assert [site.name for site in network.sites] == ["relu#1", "relu#2"]
    assert (feature_map(network).name, feature_map(network).shape) == ("max_pool2d", (4, 3, 3))


# Of each family: the last map of features, as a module of the model, and what the default calls it.
LAST_MAPS = {
    "alexnet": ("features.11", "features.11"),
    "densenet": ("1", "relu"),
    "efficientnet_lite0": ("head.relu", "head.relu"),
    "fashion_vgg": ("features.19", "features.19"),
    "googlenet": ("inception5b", "inception5b.cat"),
    "inception_v3": ("Mixed_7c", "Mixed_7c.cat"),
    "mnasnet": ("layers.16", "layers.16"),
    "mobilenet_v2": ("features.18.2", "features.18.2"),
    "mobilenet_v3_large": ("features.16.2", "features.16.2"),
    "mobilenet_v3_small": ("features.12.2", "features.12.2"),
    "regnet": ("trunk_output", "trunk_output.block4."),
    "resnet": ("layer4", "layer4."),
    "resnext": ("layer4", "layer4."),
    "shufflenet": ("conv5", "conv5.2"),
    "squeezenet1_0": ("features.12", "features.12.cat"),
    "squeezenet1_1": ("features.12", "features.12.cat"),
    "vgg": ("features", "features."),
    "wide_resnet": ("layer4", "layer4."),
}


@pytest.mark.parametrize("name", listed(quick=("googlenet", "mobilenet_v3_small", "resnet18", "squeezenet1_1")))
def test_grad_cams_default_is_captums_at_the_last_feature_map(name):
    path, called = next(last for family, last in LAST_MAPS.items() if name.startswith(family))
    side = 28 if name == "fashion_vgg" else 128
    model = seeded(build(name).to_empty(device="cpu"))
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    network = trace(model, (3, side, side))
    where, image = feature_map(network), image_of(network)
    assert where.name.startswith(called)
    if name.startswith("vgg"):  # its features end in the max pool behind that ReLU
        assert isinstance(model.features[-1], nn.MaxPool2d)
        path = f"features.{len(model.features) - 2}"
    if name.startswith("densenet"):  # whose last ReLU is a function, which has no module for Captum to read
        model = nn.Sequential(model.features, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), model.classifier)
    with TRACE_LOCK:
        cam = captum.attr.LayerGradCam(model, model.get_submodule(path))
        for target in range(10):  # the first one that something speaks for
            wanted = cam.attribute(image.clone().requires_grad_(), target=target, relu_attributions=True).detach()
            if wanted.max() > 0:
                break
    assert (wanted.shape[2:], bool(wanted.max() > 0)) == (where.shape[1:], True)
    wanted = captum.attr.LayerAttribution.interpolate(wanted, (side, side), "bilinear")[0]
    found = BASELINES["Grad-CAM"](network, image, target).values
    assert_close(found, wanted, rtol=1e-3, atol=1e-4 * float(wanted.max()))


# guided backpropagation


class Guided(torch.autograd.Function):
    @staticmethod
    def forward(context, x, ceiling):
        context.save_for_backward((x > 0) & (x < ceiling))
        return x.clamp(0, ceiling)

    @staticmethod
    def backward(context, gradient):
        (on,) = context.saved_tensors
        return gradient.clamp(min=0) * on, None


def guided(x: Tensor, ceiling: float = float("inf")) -> Tensor:
    return Guided.apply(x, ceiling)


def guided_functional(m: nn.Module, x: Tensor) -> Tensor:
    x = guided(m.conv(guided(x)) * 4, 6)
    return m.head(guided(guided(m.next(x)) - 0.5))


def guided_in_place(m: nn.Module, x: Tensor) -> Tensor:
    x = guided(m.conv(guided(m.conv(x)).narrow(1, 0, 3)) * 4, 6)
    return m.head(guided(guided(m.next(x)) - 0.5) * 2)


def guided_residual(m: nn.Module, x: Tensor) -> Tensor:
    x = guided(m.conv(x))
    return m.head(guided(m.next(x) + x))


def guided_reread(m: nn.Module, x: Tensor) -> Tensor:
    z = m.conv(x)
    x = guided(z)
    return m.head(x + m.next(x) + z * 3)


def guided_saturating(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(guided(m.next(guided(m.conv(x) * 9, 6)) * 9, 6))


def guided_pools(m: nn.Module, x: Tensor) -> Tensor:
    z = m.conv(x)
    x = guided(m.pool(guided(z)) - m.pool(z))
    z = guided(m.pool(m.next(x).repeat(1, 1, 2, 2)))
    return m.head(F.max_pool2d(z, 2, stride=1, dilation=2))


@pytest.mark.parametrize(
    ("name", "forward"),
    {
        "Functional": guided_functional,
        "InPlaceFunctional": guided_in_place,
        "Residual": guided_residual,
        "RereadModule": guided_reread,
        "Saturating": guided_saturating,
        "Pools": guided_pools,
    }.items(),
)
def test_guided_backpropagation_equals_relus_written_by_hand(name, forward):
    network = named(name)
    image, model = image_of(network), network.program.model
    assert_close(forward(model, image), network.run(image).logits)
    for target in range(4):
        wanted = slope(lambda x: forward(model, x), image, target)[0]
        found = BASELINES["Guided Backpropagation"](network, image, target)
        assert_close(found.values, wanted)
        assert found.is_gradient
        assert (found.values - BASELINES["Gradient"](network, image, target).values).abs().max() > 1e-3


@pytest.mark.parametrize("name", [*TOYS, "googlenet", "densenet121", "mobilenet_v2"])
def test_guided_backpropagation_equals_cutting_the_gradient_at_every_site(name):
    network = named(name) if name in TOYS else trace(architecture(name).double(), (3, 32, 32))
    image = image_of(network)

    def edit(site, activation):
        activation = activation.clone()
        if activation.requires_grad:
            activation.register_hook(lambda gradient: gradient.clamp(min=0))
        return activation

    wanted = slope(lambda x: network.run(x, edit).logits, image, 1)[0]
    assert_close(BASELINES["Guided Backpropagation"](network, image, 1).values, wanted)


def test_guided_backpropagation_by_hand():
    # target 0: dF/da2 = (2, -3), cut to (2, 0); dF/da1 = (2, 0, -2), cut to (2, 0, 0); dF/dx = 2 (1, 1)
    # target 1: dF/da2 = (0, 1); dF/da1 = (0, 5, 1), its second neuron dead; dF/dx = (2, 0)
    assert by_hand(0, "Guided Backpropagation") == [2, 2]
    assert by_hand(1, "Guided Backpropagation") == [2, 0]


# DeepLIFT


def test_deep_lift_by_hand():
    # From 0, where z2 = (-0.25, 1):  z1 moves by (3, -1, 2) and a1 by (3, 0, 2), so m1 = (1, 0, 1);
    # z2 by (1, 2) and a2 by (0.75, 2), so m2 = (0.75, 1).  dF/da2 = (2, -3), times m2 (1.5, -3);
    # at a1 (1.5, -15, -4.5), times m1 (1.5, 0, -4.5);  at x (1.5 - 9, 1.5), times (1, 2)
    assert by_hand(0, "DeepLIFT") == [-7.5, 3]


@pytest.mark.parametrize("name", [*TOYS, "Pools"])
def test_deep_lift_completes_on_every_toy(name):
    network = named(name)
    for seed, target in itertools.product(range(3), range(4)):
        image = image_of(network, seed)
        found = BASELINES["DeepLIFT"](network, image, target)
        assert_delta_is_honest(found, network, image, target)
        assert abs(found.delta or 0.0) < 1e-11
        assert not found.is_gradient
    absent = BASELINES["DeepLIFT"](network, torch.zeros_like(image), 1)
    assert absent.values.abs().max() == absent.delta == 0


@pytest.mark.parametrize("name", ["Residual", "RereadModule", "Saturating"])
def test_deep_lift_equals_a_network_of_multipliers(name):
    """Between two images DeepLIFT is linear: put its multipliers for the ReLUs and take that network's gradient."""
    network = named(name)
    image = image_of(network)
    here, there = (network.run(x, record=True) for x in (image, torch.zeros_like(image)))
    moved = []
    for i in range(len(network.sites)):
        before = here.pre_activations[i] - there.pre_activations[i]
        moved.append((here.activations[i] - there.activations[i]) / before)
    model, multipliers = network.program.model, iter(moved)

    def scaled(z: Tensor) -> Tensor:
        return z * next(multipliers)

    forward = {
        "Residual": lambda m, x: m.head(scaled(m.next(y := scaled(m.conv(x))) + y)),
        "RereadModule": lambda m, x: m.head((y := scaled(z := m.conv(x))) + m.next(y) + z * 3),
        "Saturating": lambda m, x: m.head(scaled(m.next(scaled(m.conv(x) * 9)) * 9)),
    }[name]
    wanted = image[0] * slope(lambda x: forward(model, x), image, 2)[0]
    assert_close(BASELINES["DeepLIFT"](network, image, 2).values, wanted)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["squeezenet1_1", "efficientnet_lite0"])
def test_deep_lift_completes_on_a_photo(name):
    network, image, target = photo(name)
    found = BASELINES["DeepLIFT"](network, image, target)
    assert abs(found.delta or 0.0) < 1e-4
    assert float(found.values.sum()) == pytest.approx(expected_sum(network, image, target), abs=1e-3)


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "densenet121", "mobilenet_v2"])
def test_deep_lift_completes_in_every_family(name):
    network = trace(architecture(name).double(), (3, 64, 64))
    found = BASELINES["DeepLIFT"](network, image_of(network), 3)
    assert abs(found.delta or 0.0) < 1e-8 * float(found.values.abs().sum())


class Places(Toy):
    """A max pool that also returns where its winners were."""

    def forward(self, x: Tensor) -> Tensor:
        pooled, _ = F.max_pool2d(self.next(F.relu(self.conv(x))), 3, 1, 1, return_indices=True)
        return self.head(F.relu(pooled))


def test_deep_lift_is_refused_where_a_pool_has_no_rule_and_others_are_not():
    network = network_of(Places())
    with pytest.raises(PathwayError, match="DeepLIFT's contributions in Places sum to"):
        BASELINES["DeepLIFT"](network, image_of(network), 0)
    assert BASELINES["Guided Backpropagation"](network, image_of(network), 0).values.shape == SHAPE


class Faint(Toy):
    """A bend that DeepLIFT has no rule for; logits as small as one likes, on a bias as large as one likes."""

    def __init__(self, bends: bool = True) -> None:
        super().__init__()
        self.bends = bends

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.next(F.relu(self.conv(x))))
        return self.head(x * x if self.bends else x)


@pytest.mark.parametrize(("scale", "bias"), [(1, 0), (1e-6, 0), (1e-3, 10), (1e4, 0)])
def test_deep_lift_is_refused_by_how_far_off_it_is_whatever_the_scale_of_the_logits(scale, bias):
    for bends in (True, False):
        model = seeded(Faint(bends))
        with torch.no_grad():
            model.fc.weight.mul_(scale)
            model.fc.bias.fill_(bias)
        network = trace(model, SHAPE, name="faint")  # in float32
        image = image_of(network)
        if bends:
            with pytest.raises(PathwayError, match=r"DeepLIFT's contributions in faint sum to"):
                BASELINES["DeepLIFT"](network, image, 1)
        else:
            found = BASELINES["DeepLIFT"](network, image, 1)
            double = deepcopy(model).double()
            wanted = (double(image.double()) - double(torch.zeros_like(image).double())).tolist()
            assert float(found.values.double().sum()) == pytest.approx(wanted[0][1], rel=1e-4)


def test_deep_lift_and_lrp_are_refused_where_values_are_multiplied():
    network = trace(architecture("mobilenet_v3_small").double(), (3, 64, 64), name="mobile")
    with pytest.raises(PathwayError, match=r"DeepLIFT's contributions in mobile sum to .* multiplies"):
        BASELINES["DeepLIFT"](network, image_of(network), 3)
    with pytest.raises(PathwayError, match="in mobile, wanted the logit"):
        BASELINES["LRP"](network, image_of(network), 3)


# what is taken out


@pytest.mark.parametrize(("shape", "wanted"), [((3, 8, 8), (2, 1)), ((3, 224, 224), (24, 12)), ((3, 40, 40), (4, 2))])
def test_windows_are_a_ninth_of_the_side_and_step_by_half(shape, wanted):
    assert window(shape[1]) == wanted


@pytest.mark.parametrize("shape", [SHAPE, (3, 41, 8)])
def test_occlusion_equals_one_run_a_window(shape):
    network = network_of(
        nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), Head()), shape
    )
    image, runs = image_of(network), []
    found = BASELINES["Occlusion"](network, image, 1, progress=lambda done, total, note: runs.append((done, total)))
    whole = response(network, image, 1)
    (height, down), (width, across) = map(window, shape[1:])
    total, count, windows = torch.zeros(shape[1:]).double(), torch.zeros(shape[1:]), 0
    for top in starts(shape[1], height, down):
        for left in starts(shape[2], width, across):
            without = image.clone()
            without[..., top : top + height, left : left + width] = 0
            total[top : top + height, left : left + width] += whole - response(network, without, 1)
            count[top : top + height, left : left + width] += 1
            windows += 1
    assert_close(found.values, (total / count)[None])
    assert runs[-1] == (1 + windows, 1 + windows)


class Head(nn.Linear):
    def __init__(self) -> None:
        super().__init__(8, 4)


def starts(side: int, size: int, stride: int) -> list[int]:
    """Every stride, until a window reaches the end."""
    found = [0]
    while found[-1] + size < side:
        found.append(found[-1] + stride)
    return found


def per_superpixel(values: Tensor, segments: Tensor) -> Tensor:
    """Sums over superpixels, which must be spread evenly."""
    for k in range(int(segments.max()) + 1):
        assert values[segments == k].unique().numel() == 1
    return torch.stack([values[segments == k].sum() for k in range(int(segments.max()) + 1)])


@pytest.mark.parametrize("name", ["Residual", "Functional", "Pools"])
def test_kernel_shap_approaches_shapley_values(name, monkeypatch):
    monkeypatch.setattr(perturbations, "MASKS", 4000)
    network = named(name)
    image = image_of(network)
    segments = superpixels(network, image)
    count = int(segments.max()) + 1
    assert 3 <= count <= 8
    wanted = torch.zeros(count).double()
    value = {}
    for mask in itertools.product((0, 1), repeat=count):
        value[mask] = response(network, image * torch.tensor(mask)[segments], 2)
    for mask, k in itertools.product(value, range(count)):
        if not mask[k]:
            within = tuple(int(m or j == k) for j, m in enumerate(mask))
            share = factorial(sum(mask)) * factorial(count - sum(mask) - 1) / factorial(count)
            wanted[k] += share * (value[within] - value[mask])
    found = BASELINES["KernelSHAP"](network, image, 2)
    assert_close(per_superpixel(found.values, segments), wanted, rtol=0, atol=0.03 * float(wanted.abs().max()))
    assert_delta_is_honest(found, network, image, 2)
    assert abs(found.delta or 0.0) < 1e-3


def test_kernel_shap_and_lime_on_a_linear_network():
    network = network_of(Linear())
    image, weight = image_of(network), network.program.model.fc.weight[0].view(SHAPE)
    segments = superpixels(network, image)
    wanted = per_superpixel_sums((weight * image[0]).sum(0, keepdim=True), segments)
    shap = BASELINES["KernelSHAP"](network, image, 0)
    assert_close(per_superpixel(shap.values, segments), wanted, rtol=0, atol=1e-4)
    lime = per_superpixel(BASELINES["LIME"](network, image, 0).values, segments)
    assert_close(lime, wanted, rtol=0.05, atol=0.1)  # the ridge pulls towards 0
    assert lime.norm() < wanted.norm()


def per_superpixel_sums(values: Tensor, segments: Tensor) -> Tensor:
    return torch.stack([values[segments == k].sum() for k in range(int(segments.max()) + 1)])


def test_lime_equals_its_regression_written_out():
    network = named("Residual")
    image = image_of(network)
    segments = superpixels(network, image)
    count = int(segments.max()) + 1
    masks = torch.randint(0, 2, (500, count), generator=torch.Generator().manual_seed(7)).double()
    masks[0] = 1
    cosine = masks.sum(1) / (masks.norm(dim=1) * count**0.5).clamp(min=1e-12)
    weights = torch.exp(-((1 - cosine) ** 2) / (2 * 0.25**2))
    outputs = torch.tensor([response(network, image * mask[segments], 1) for mask in masks]).double()
    centred = masks - (weights @ masks) / weights.sum()  # the intercept goes unpunished
    left = centred.T @ (weights[:, None] * centred) + torch.eye(count)
    wanted = torch.linalg.solve(left, centred.T @ (weights * outputs))
    found = BASELINES["LIME"](network, image, 1, seed=7)
    assert_close(per_superpixel(found.values, segments), wanted, rtol=1e-5, atol=1e-5)
    assert found.delta is None


@pytest.mark.parametrize("planted", range(3))
def test_lime_and_kernel_shap_find_the_superpixel_that_was_planted(planted):
    network = network_of(Linear())
    image = image_of(network)
    segments = superpixels(network, image)
    with torch.no_grad():
        weight = network.program.model.fc.weight
        weight[1] = ((segments == planted) * image[0].sign()).flatten()
    for name in ("LIME", "KernelSHAP"):
        values = BASELINES[name](network, image, 1).values
        assert segments.flatten()[values.argmax()] == planted
        assert values[segments != planted].abs().max() < 0.02 * values.max()


def test_superpixels_follow_the_photo_and_a_plain_image_has_some():
    network, image, _ = photo("squeezenet1_1")
    segments = superpixels(network, image)
    assert segments.shape == (1, 224, 224)
    assert 30 <= len(segments.unique()) == int(segments.max()) + 1 <= 60
    picture = torch.from_numpy(np.array(network.preprocessing.picture(image))).double()
    within = sum(
        float(picture[segments[0] == k].var(0).sum()) * int((segments == k).sum())
        for k in range(int(segments.max()) + 1)
    )
    squares = torch.arange(224) // 32
    grid = squares[:, None] * 7 + squares
    regular = sum(float(picture[grid == k].var(0).sum()) * 1024 for k in range(49))
    assert within < 0.8 * regular  # than as many squares
    plain = toy("Straight")[1]
    for name in ("KernelSHAP", "LIME"):
        assert BASELINES[name](plain, torch.zeros(1, *SHAPE), 0).values.abs().max() < 1e-5
    tiny = trace(seeded(nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))), (1, 2, 2))
    found = BASELINES["KernelSHAP"](tiny, image_of(tiny), 0)  # grey, and one superpixel: it brings the whole difference
    assert float(found.values.sum()) == pytest.approx(expected_sum(tiny, image_of(tiny), 0), abs=1e-4)


# LRP


def matrix(layer: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """A layer without its bias as a dense matrix, (outputs, inputs)."""
    units = torch.eye(torch.Size(shape).numel(), dtype=torch.float64)
    zero = layer(torch.zeros(1, *shape, dtype=torch.float64)).flatten(1)
    return (layer(units.view(-1, *shape)).flatten(1) - zero).T


def share(parts: Tensor, relevance: Tensor) -> Tensor:
    """Relevance of inputs, given parts (outputs, inputs) that they bring."""
    total = parts.sum(1)
    quotient = torch.where(total > 0, relevance / total, 0)
    return (parts * quotient[:, None]).sum(0)


@pytest.mark.parametrize("name", ["Straight", "Residual", "Signed"])
def test_lrp_equals_its_rules_written_out(name):
    network = named(name)
    image, m = image_of(network), network.program.model
    with torch.no_grad():
        a1 = m.conv(image) if name == "Signed" else F.relu(m.conv(image))
        z2 = m.next(a1)
        total = z2 + a1 if name == "Residual" else z2
        a2 = F.relu(total)
        logits = m.head(a2)[0]
        for target in range(4):
            relevance = torch.zeros(4).double()
            relevance[target] = logits[target]
            at_a2 = share((matrix(m.fc, (256,)) * a2.flatten()).clamp(min=0), relevance)
            at_z2, skip = at_a2, torch.zeros(256).double()
            if name == "Residual":
                ratio = torch.where(total == 0, 0, at_a2.view_as(total) / total)
                at_z2, skip = (z2 * ratio).flatten(), (a1 * ratio).flatten()
            at_a1 = skip + share((matrix(m.next, (4, 8, 8)) * a1.flatten()).clamp(min=0), at_z2)
            low, high = (
                bound.expand_as(image).flatten() for bound in (image.amin((2, 3), True), image.amax((2, 3), True))
            )
            w = matrix(m.conv, SHAPE)
            wanted = share(w * image.flatten() - w.clamp(min=0) * low - w.clamp(max=0) * high, at_a1)
            found = BASELINES["LRP"](network, image, target)
            assert_close(found.values, wanted.view(SHAPE), rtol=1e-6, atol=1e-9)
            assert found.delta == pytest.approx(float(wanted.sum() - logits[target]), abs=1e-9)
            assert not found.is_gradient


@pytest.mark.parametrize("name", ["Straight", "Residual", "Saturating", "Split", "Blind"])
def test_lrp_conserves_relevance_on_toys(name):
    network = named(name)
    image = image_of(network)
    for target in range(4):
        found = BASELINES["LRP"](network, image, target)
        assert float(found.values.sum()) == pytest.approx(response(network, image, target), rel=0.01)
        assert abs(found.delta or 0.0) <= 0.01 * abs(response(network, image, target))


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "squeezenet1_1"])
def test_lrp_conserves_relevance_in_families(name):
    network = trace(architecture(name).double(), (3, 64, 64))
    image = image_of(network)
    found = BASELINES["LRP"](network, image, 3)
    assert float(found.values.sum()) == pytest.approx(response(network, image, 3), rel=0.01)


@pytest.mark.parametrize("name", ["Functional", "Branches"])
def test_lrp_is_refused_where_constants_are_added_outside_a_layer(name):
    with pytest.raises(PathwayError, match=f"LRP gives the image .* in {name}, wanted the logit"):
        BASELINES["LRP"](named(name), image_of(named(name)), 2)


def test_lrp_conserves_on_a_photo_and_says_where_it_does_not():
    network, image, target = photo("squeezenet1_1")
    found = BASELINES["LRP"](network, image, target)
    assert float(found.values.sum()) == pytest.approx(response(network, image, target), rel=1e-4)
    assert found.values.min() >= 0
    with pytest.raises(PathwayError, match=r"LRP gives the image .* in efficientnet_lite0, wanted the logit"):
        BASELINES["LRP"](*photo("efficientnet_lite0"))
