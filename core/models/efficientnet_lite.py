"""EfficientNet-Lite0: a mobile ImageNet classifier whose only nonlinearity is ReLU6.

It has sixteen inverted-residual blocks, each expand (1x1) -> depthwise (3x3 or 5x5) -> project (1x1), without
squeeze-and-excitation. Strided convolutions pad like TensorFlow's "same", more at the end than at the start: on a side
that the stride divides, k - s pixels, (k - s) // 2 of them at the start. The padding is fixed, so it equals
TensorFlow's where the image's sides are multiples of 32, and the model can be traced symbolically. Stochastic depth,
used in training only, is left out.

References:
    Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019.
    https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from torch import Tensor, nn

__all__ = ["EfficientNetLite0", "conv_block"]

# repeats, kernel, stride of the first block, expansion, channels in, channels out
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


def conv_block(
    inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, relu: bool = True
) -> nn.Sequential:
    """Return convolution, batch norm and ReLU6, padded like TensorFlow's "same" on a side that the stride divides."""
    padding = kernel - stride
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if stride > 1:
        before, after = padding // 2, padding - padding // 2
        layers["pad"], padding = nn.ZeroPad2d((before, after, before, after)), 0
    layers["conv"] = nn.Conv2d(inputs, outputs, kernel, stride, padding // 2, groups=groups, bias=False)
    layers["norm"] = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)
    if relu:
        layers["relu"] = nn.ReLU6()
    return nn.Sequential(layers)


class _InvertedResidual(nn.Module):
    """Expand, filter every channel separately, project; add the input where the shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = conv_block(inputs, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = conv_block(hidden, hidden, kernel, stride=stride, groups=hidden)
        self.project = conv_block(hidden, outputs, relu=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H / stride, W / stride) of (N, inputs, H, W)."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """The smallest of the Lite networks, 4.7 million parameters."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.stem = conv_block(3, 32, 3, stride=2)
        self.blocks = nn.Sequential(*_blocks())
        self.head = conv_block(320, 1280)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(1280, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, classes) of images (N, 3, H, W); H and W multiples of 32, published for 224."""
        x = self.head(self.blocks(self.stem(x)))
        x = self.dropout(self.pool(x).flatten(1))
        logits: Tensor = self.classifier(x)
        return logits


def _blocks() -> Iterator[_InvertedResidual]:
    for repeats, kernel, stride, expansion, inputs, outputs in STAGES:
        yield _InvertedResidual(inputs, outputs, kernel, stride, expansion)
        for _ in range(repeats - 1):
            yield _InvertedResidual(outputs, outputs, kernel, 1, expansion)
