"""A small VGG for small pictures: three pairs of 3x3 convolutions, each pair pooled, and two dense layers.

It has seven ReLUs and about 44,000 neurons on 28 x 28 pixels, so experiments that train many networks, or use thousands
of images, take minutes on a laptop. Grey pictures are given as three equal channels.

References:
    Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015; with batch
    norm after each convolution, as torchvision's vgg*_bn have it.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["SmallVGG"]

WIDTHS = (16, 32, 64)
HIDDEN = 64


class SmallVGG(nn.Module):
    """Convolutions 16-16, 32-32, 64-64, max pools between, dense 64, classes.

    Args:
        num_classes: number of logits.
        side: of the pictures, pixels, at least 8.
    """

    def __init__(self, num_classes: int = 10, side: int = 28) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width in WIDTHS:
            layers += [*_convolution(inputs, width), *_convolution(width, width), nn.MaxPool2d(2)]
            inputs = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(inputs * (side // 8) ** 2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, num_classes)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return logits, (N, num_classes), of images (N, 3, side, side)."""
        logits: Tensor = self.classifier(self.features(image))
        return logits


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
