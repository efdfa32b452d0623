"""Our EfficientNet-Lite0 against the package that published its weights."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from core.models.efficientnet_lite import EfficientNetLite0, conv_block
from core.models.weights import embedded_state

PARTS = {
    "expand.conv": "_expand_conv",
    "expand.norm": "_bn0",
    "depthwise.conv": "_depthwise_conv",
    "depthwise.norm": "_bn1",
    "project.conv": "_project_conv",
    "project.norm": "_bn2",
}
ENDS = {
    "stem.conv": "_conv_stem",
    "stem.norm": "_bn0",
    "head.conv": "_conv_head",
    "head.norm": "_bn1",
    "classifier": "_fc",
}


def published_name(key: str) -> str:
    if match := re.fullmatch(r"blocks\.(\d+)\.(\w+\.\w+)\.(\w+)", key):
        return f"_blocks.{match[1]}.{PARTS[match[2]]}.{match[3]}"
    layer, _, kind = key.rpartition(".")
    return f"{ENDS[layer]}.{kind}"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return embedded_state("efficientnet_lite0")[0]


@pytest.fixture(scope="module")
def model(state: dict[str, torch.Tensor]) -> nn.Module:
    model = EfficientNetLite0()
    model.load_state_dict(state)
    return model.eval()


def test_logits_equal_those_of_the_published_package(model: nn.Module, state: dict[str, torch.Tensor]) -> None:
    published = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet.from_name("efficientnet-lite0")
    published.load_state_dict({published_name(key): value for key, value in state.items()})
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(model(images), published.eval()(images), atol=1e-5, rtol=1e-5)


def test_logits_of_a_grey_image_are_what_they_were(model: nn.Module) -> None:
    with torch.no_grad():
        logits = model(torch.zeros(1, 3, 224, 224))[0]
    assert int(logits.argmax()) == 649
    torch.testing.assert_close(logits[:3], torch.tensor([0.03259, -0.01573, 0.00504]), atol=1e-4, rtol=0)


def test_size(model: nn.Module) -> None:
    assert sum(p.numel() for p in model.parameters()) == 4_652_008
    assert sum(isinstance(module, nn.ReLU6) for module in model.modules()) == 33
    assert EfficientNetLite0(num_classes=7).eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 7)


def test_fx_traces_it_and_the_trace_agrees(model: nn.Module) -> None:
    graph = torch.fx.symbolic_trace(model)
    images = torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(graph(images), model(images))


@pytest.mark.parametrize(("kernel", "first"), [(3, (0, 1, 2)), (5, (0, 1, 2, 3))])
def test_a_strided_convolution_pads_one_pixel_more_at_the_end(kernel: int, first: tuple[int, ...]) -> None:
    """TensorFlow's "same" on 6 pixels, stride 2: k - 2 pixels in all, (k - 2) // 2 first, so window 0 starts there."""
    block = conv_block(1, 1, kernel, stride=2, relu=False).eval()
    nn.init.ones_(block.conv.weight)
    image = torch.zeros(1, 1, 6, 6, requires_grad=True)
    block(image)[0, 0, 0, 0].backward()
    assert image.grad is not None
    assert tuple(image.grad[0, 0, 0].nonzero().flatten().tolist()) == first
    assert block(image).shape == (1, 1, 3, 3)


def test_dropout_acts_only_in_training() -> None:
    model = EfficientNetLite0(5).eval()
    nn.init.ones_(model.head.norm.bias)  # else an untrained network's features are next to nothing
    image = torch.randn(2, 3, 32, 32)
    assert torch.equal(model(image), model(image))
    model.dropout.train()
    assert not torch.equal(model(image), model(image))
