"""From a picture to a network's input, and back.

    shown = preprocessing.crop(picture)        # the square the network sees, size x size
    image = preprocessing.tensor(shown)        # (1, 3, size, size), normalised

``preprocessing(picture)`` does both. With ``Crop()`` it is what the publishers of the weights do (resize the shorter
side, cut out the centre); ``Crop(x, y, zoom)`` moves and shrinks the square. Everything here is a function of PIL
images: torchvision's transform modules are not called, since a trace in another thread would break them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.errors import PathwayError

__all__ = ["Crop", "Preprocessing"]

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Crop:
    """Where the square that the network sees lies.

    Attributes:
        x: 0 for the leftmost place, 1 for the rightmost.
        y: 0 for the top, 1 for the bottom.
        zoom: 1 is the published crop; 2 shows a square of half its side. From 1 to 100.
    """

    x: float = 0.5
    y: float = 0.5
    zoom: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.x <= 1 and 0 <= self.y <= 1 and 1 <= self.zoom <= 100):
            raise PathwayError(f"Got {self}, wanted x and y from 0 to 1 and zoom from 1 to 100.")


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes a network's input: resize the shorter side, cut out a square, normalise.

    Attributes:
        size: side of the square, pixels.
        resize: the shorter side before the square is cut out, pixels, at least ``size``.
        mean: of red, green and blue in [0, 1], subtracted.
        std: of red, green and blue, divided by.
        interpolation: "bilinear" or "bicubic", antialiased.
    """

    size: int = 224
    resize: int = 256
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if not 0 < self.size <= self.resize:
            raise PathwayError(f"Got size {self.size} and resize {self.resize}, wanted 0 < size <= resize.")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise PathwayError(f"Got mean {self.mean} and std {self.std}, wanted three numbers each, std above 0.")
        if self.interpolation not in _FILTERS:
            raise PathwayError(f"Got interpolation {self.interpolation!r}, wanted one of {', '.join(_FILTERS)}.")

    def __call__(self, image: Image.Image, crop: Crop = Crop()) -> Tensor:
        """Return the network's input, (1, 3, size, size)."""
        return self.tensor(self.crop(image, crop))

    def crop(self, image: Image.Image, crop: Crop = Crop()) -> Image.Image:
        """Return the picture the network sees, RGB, size x size pixels."""
        image = image if image.mode == "RGB" else image.convert("RGB")
        square = (self.size, self.size)
        width, height = self._resized(image.size)
        if crop.zoom > 1 or max(width, height) > 16 * self.resize:  # the whole resized picture would be huge
            return image.resize(square, _FILTERS[self.interpolation], box=self.box(image.size, crop))
        left, top = self._corner((width, height), crop)
        whole = image.resize((width, height), _FILTERS[self.interpolation])
        return whole.crop((round(left), round(top), round(left) + self.size, round(top) + self.size))

    def mask(self, mask: Image.Image, crop: Crop = Crop()) -> Tensor:
        """Return which pixels of the network's picture lie on an object, bool (size, size).

        Args:
            mask: of the whole photo, in mode "L", in its proportions at any size; values from 128 on are the object.
            crop: as for the photo.
        """
        square = mask.resize((self.size, self.size), Image.Resampling.NEAREST, box=self.box(mask.size, crop))
        return torch.from_numpy(np.array(square) >= 128)

    def box(self, image_size: tuple[int, int], crop: Crop = Crop()) -> tuple[float, float, float, float]:
        """Return (left, top, right, bottom) of the square the network sees, in pixels of an image of that size."""
        resized = self._resized(image_size)
        left, top = self._corner(resized, crop)
        side = self.size / crop.zoom
        across, down = image_size[0] / resized[0], image_size[1] / resized[1]
        right, bottom = min((left + side) * across, image_size[0]), min((top + side) * down, image_size[1])
        return left * across, top * down, right, bottom

    def tensor(self, picture: Image.Image) -> Tensor:
        """Return a cropped picture normalised, (1, 3, size, size), float32.

        Raises:
            PathwayError: the picture is not size x size.
        """
        if picture.size != (self.size, self.size):
            wanted = f"{self.size} x {self.size}: cut it out with crop() first"
            raise PathwayError(f"Got a picture of {picture.width} x {picture.height} pixels, wanted {wanted}.")
        pixels = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).float() / 255
        mean, std = torch.tensor(self.mean)[:, None, None], torch.tensor(self.std)[:, None, None]
        return ((pixels - mean) / std)[None]

    def picture(self, image: Tensor) -> Image.Image:
        """Return a normalised tensor, (3, H, W) or (1, 3, H, W), as a picture; colours out of range are clipped.

        Raises:
            PathwayError: the tensor has another shape.
        """
        if image.ndim == 4 and len(image) == 1:
            image = image[0]
        if image.ndim != 3 or len(image) != 3:
            raise PathwayError(f"Got a tensor of shape {tuple(image.shape)}, wanted (3, H, W) or (1, 3, H, W).")
        mean, std = torch.tensor(self.mean)[:, None, None], torch.tensor(self.std)[:, None, None]
        pixels = (image.detach().cpu().float() * std + mean).mul(255).round().clamp(0, 255)
        return Image.fromarray(pixels.byte().permute(1, 2, 0).contiguous().numpy())

    def _resized(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return (width, height) with the shorter side ``resize``, the longer one rounded down as torchvision does."""
        short, long = min(image_size), int(self.resize * max(image_size) / min(image_size))
        return (self.resize, long) if image_size[0] == short else (long, self.resize)

    def _corner(self, resized: tuple[int, int], crop: Crop) -> tuple[float, float]:
        """Return (left, top) of the square in the resized image; on whole pixels without zoom."""
        side = self.size / crop.zoom
        left, top = crop.x * (resized[0] - side), crop.y * (resized[1] - side)
        return (left, top) if crop.zoom > 1 else (round(left), round(top))
