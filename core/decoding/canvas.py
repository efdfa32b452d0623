"""How a parameter becomes an image: frequencies or pixels, colours, blur."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F

from core.decoding.recipe import Recipe
from core.errors import PathwayError
from core.network import Network

__all__ = ["Canvas"]

REACH = 3.0  # largest magnitude of inputs that are not photos
SPREAD = 4.0  # Lucid's divisor of images made from frequencies; keeps their colours from saturating
COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Root of the correlation of red, green and blue in ImageNet photos, one column per decorrelated colour. [Olah17]"""


class Canvas:
    """How a parameter becomes an image; its attributes depend on network and recipe alone."""

    def __init__(self, network: Network, recipe: Recipe) -> None:
        if len(network.input_shape) != 3 and recipe.for_planes:
            raise PathwayError(
                f"Got a recipe for images and {network.name}, which takes inputs of shape {network.input_shape}; "
                "these have no pixels to blur, roll or enlarge: paint them with recipe=PLAIN."
            )
        self._recipe, self._like = recipe, torch.empty(0, dtype=network.dtype, device=network.device)
        self._taken, self.shape = network.input_shape, _painted(network.input_shape, recipe.side)
        self._frequencies = self._to(_frequencies(self.shape[1:]))
        lowest = 1 / max(self.shape[1:], default=1)
        self._weights = 1 / (self._frequencies.clamp(min=lowest) * SPREAD)
        self._is_photo, self._turn = network.preprocessing is not None, None
        if network.preprocessing is not None:
            mean, std = network.preprocessing.mean, network.preprocessing.std
            self._mean, self._std = (self._to(torch.tensor(v))[:, None, None] for v in (mean, std))
            colours = self._to(torch.tensor(COLOURS))
            self._turn = colours / colours.norm(dim=0).max() if recipe.decorrelate else None

    def start(self, generator: torch.Generator) -> Tensor:
        """Return the parameter before the first step: (1, *shape), of frequencies (1, C, H, W // 2 + 1, 2)."""
        shape = self.shape
        if self._recipe.fourier:
            shape = (shape[0], *self._frequencies.shape, 2)
        return self._to(torch.randn(1, *shape, generator=generator) * self._recipe.noise)

    def painting(self, parameter: Tensor) -> Tensor:
        """Return the unbounded values that are mapped to colours, (1, *shape); 0 is mid grey."""
        free = parameter
        if self._recipe.fourier:
            spectrum = torch.view_as_complex(parameter * self._weights[..., None])
            free = torch.fft.irfft2(spectrum, s=self.shape[1:], norm="ortho")
        return free if self._turn is None else torch.einsum("rc,nchw->nrhw", self._turn, free)

    def image(self, painting: Tensor) -> Tensor:
        """Return a painting as the network takes it, (1, *network.input_shape)."""
        colours = torch.sigmoid(painting) if self._is_photo else REACH * torch.tanh(painting / REACH)
        if colours.shape[1:] != self._taken:
            colours = F.interpolate(colours, self._taken[1:], mode="bilinear", align_corners=True)
        return (colours - self._mean) / self._std if self._is_photo else colours

    def blurred(self, parameter: Tensor) -> Tensor:
        """Return the parameter, same shape, of the painting convolved with a Gaussian that wraps around."""
        kept = torch.exp(-2 * (pi * self._recipe.blur * self._frequencies) ** 2)
        if self._recipe.fourier:
            return parameter * kept[..., None]
        pixels: Tensor = torch.fft.irfft2(torch.fft.rfft2(parameter) * kept, s=self.shape[1:])
        return pixels

    def _to(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._like)


def _painted(shape: tuple[int, ...], side: int) -> tuple[int, ...]:
    """Return the shape of the painting: the network's, scaled so that its longer side has ``side`` pixels."""
    if not side:
        return shape
    return shape[0], *(max(1, round(length * side / max(shape[1:]))) for length in shape[1:])


def _frequencies(planes: tuple[int, ...]) -> Tensor:
    """Return the frequencies of a real spectrum, (H, W // 2 + 1), cycles per pixel; empty for inputs without planes."""
    if len(planes) != 2:
        return torch.empty(0)
    down, across = torch.fft.fftfreq(planes[0]), torch.fft.rfftfreq(planes[1])
    return torch.hypot(down[:, None], across)
