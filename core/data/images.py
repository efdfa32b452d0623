"""Photos: from bytes that nobody has checked to the tensor a network takes, and back.

    picture = open_image(data)                 # RGB, upright, or ImageError
    shown   = preprocessing.crop(picture)      # the very square the network sees, size x size
    image   = preprocessing.tensor(shown)      # (1, 3, size, size), normalised

``preprocessing(picture)`` is the last two in one. With ``Crop()`` it is what the publishers of the weights do (resize
the shorter side, cut out the centre); ``Crop(x, y, zoom)`` moves and shrinks the square. Everything here is a function
of PIL images: transform modules are not called, since a trace in another thread would break them.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from core.data.jpeg import check_jpeg
from core.errors import ImageError, PathwayError, printable

__all__ = [
    "FOLDER",
    "Crop",
    "Preprocessing",
    "SampleImage",
    "downscale",
    "image_hash",
    "open_image",
    "open_mask",
    "sample_images",
]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_PIXELS = 50_000_000
MAX_SIDE = 30_000
BAND = 1 << 20  # pixels of deep grey that are scaled at once
FOLDER = Path(__file__).resolve().parents[2] / "assets" / "images"

Opened = TypeVar("Opened")

_WANTED = f"Wanted a picture in one of the formats {', '.join(FORMATS)}."
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def open_image(data: bytes) -> Image.Image:
    """Return the first frame of an image file, upright, as RGB; transparency laid on white.

    Args:
        data: the file's bytes, from anywhere; at most 50 megapixels and 30,000 pixels a side.

    Raises:
        ImageError: not a picture, damaged, or too large; nothing else is ever raised.
    """
    return _opened(data, _rgb)


def open_mask(data: bytes) -> Image.Image | None:
    """Return what an image file's transparency leaves of its picture, in mode "L", upright; None where all is opaque.

    Args:
        data: as for ``open_image``.

    Raises:
        ImageError: as for ``open_image``.
    """
    return _opened(data, _alpha)


def _opened(data: bytes, use: Callable[[Image.Image], Opened]) -> Opened:
    if not data:
        raise ImageError(f"The file is empty. {_WANTED}")
    check_jpeg(data)
    image = _header(data)
    _check_size(image.size)
    try:
        image.load()
        return use(_upright(image))
    except Exception as error:  # decoders of hostile files raise anything
        raise ImageError(
            f"This {image.format} file of {len(data):,} bytes is damaged or cut short ({_reason(error)}). "
            "Open it in an image editor and save it anew, or send it again."
        ) from error


def _reason(error: Exception) -> str:
    return printable(str(error)[:200]) or type(error).__name__


def _header(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"The picture is too large ({error}). {_limit()}") from error
    except Exception as error:  # decoders of hostile files raise anything
        raise ImageError(
            f"These {len(data):,} bytes are not a picture that can be read. {_WANTED} Convert the file and try again."
        ) from error


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS or max(size) > MAX_SIDE:
        megapixels = width * height / 1e6
        raise ImageError(f"The picture has {width:,} x {height:,} pixels ({megapixels:,.0f} megapixels). {_limit()}")


def _limit() -> str:
    most = MAX_PIXELS // 1_000_000
    return f"Wanted at most {most} megapixels and {MAX_SIDE:,} pixels a side; scale it down first."


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):  # broken EXIF: taken as it is
        return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode[0] in "IF":
        image = Image.fromarray(_eight_bit(np.asarray(image)))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    image.info = {}  # where and when it was taken stays with its owner
    return image


def _alpha(image: Image.Image) -> Image.Image | None:
    if not image.has_transparency_data:
        return None
    alpha = image.convert("RGBA").getchannel("A")
    return None if alpha.getextrema()[0] == 255 else alpha


def _eight_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return deep grey values as 8 bits, by the ceiling their type or their range suggests, else by their own range.

    A band of rows after the other: as doubles all of a large picture's at once would take eight times its memory.
    """
    bands = np.array_split(values, max(1, values.size // BAND))
    lowest, highest = min(float(_wide(band).min()) for band in bands), max(float(_wide(band).max()) for band in bands)
    ceilings = [65535.0] if values.dtype.itemsize == 2 else [1.0, 255.0, 65535.0][values.dtype.kind != "f" :]
    low, high = 0.0, next((c for c in ceilings if highest <= c), highest)
    if lowest < 0:
        low, high = lowest, highest
    factor = 255.0 / ((high - low) or 1.0)
    return np.concatenate([np.rint((_wide(band) - low) * factor).astype(np.uint8) for band in bands])


def _wide(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return values as doubles; what is no number, or infinite, as 0."""
    return np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)


def downscale(image: Image.Image, longest: int = 1024) -> Image.Image:
    """Return the image with its longer side at most ``longest`` pixels; unchanged where it is already."""
    factor = longest / max(image.size)
    if factor >= 1:
        return image
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def image_hash(image: Image.Image) -> str:
    """Return 16 hex digits that name an image by its mode, size and pixels."""
    digest = hashlib.sha256(f"{image.mode} {image.size}".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Crop:
    """Where the square that the network sees lies.

    Attributes:
        x: 0 at the left end of the room there is, 1 at the right end.
        y: 0 at the top, 1 at the bottom.
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
        """Return what the network takes, (1, 3, size, size)."""
        return self.tensor(self.crop(image, crop))

    def crop(self, image: Image.Image, crop: Crop = Crop()) -> Image.Image:
        """Return the picture the network sees, RGB, size x size pixels."""
        image = image if image.mode == "RGB" else image.convert("RGB")
        square = (self.size, self.size)
        width, height = self._resized(image.size)
        if crop.zoom > 1 or max(width, height) > 16 * self.resize:  # else the whole resized strip would be huge
            return image.resize(square, _FILTERS[self.interpolation], box=self.box(image.size, crop))
        left, top = self._corner((width, height), crop)
        whole = image.resize((width, height), _FILTERS[self.interpolation])
        return whole.crop((round(left), round(top), round(left) + self.size, round(top) + self.size))

    def mask(self, mask: Image.Image, crop: Crop = Crop()) -> Tensor:
        """Return which pixels of the picture the network sees lie on an object, bool (size, size).

        Args:
            mask: of the whole photo, in mode "L", of any size but its shape; 128 and above is the object.
            crop: as for the photo.
        """
        square = mask.resize((self.size, self.size), Image.Resampling.NEAREST, box=self.box(mask.size, crop))
        return torch.from_numpy(np.array(square) >= 128)

    def box(self, image_size: tuple[int, int], crop: Crop = Crop()) -> tuple[float, float, float, float]:
        """Return (left, top, right, bottom) of the square the network sees, in the pixels of an image of that size."""
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
        """Return the picture of a normalised tensor, (3, H, W) or (1, 3, H, W); colours out of range are clipped.

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
        """Return (left, top) of the square in the resized image; on whole pixels where nothing is zoomed."""
        side = self.size / crop.zoom
        left, top = crop.x * (resized[0] - side), crop.y * (resized[1] - side)
        return (left, top) if crop.zoom > 1 else (round(left), round(top))


@dataclass(frozen=True)
class SampleImage:
    """A photo that comes with the package.

    Attributes:
        name: what code and links call it.
        title: what people call it.
        author: who took it.
        licence: under which it may be passed on.
        source: where it comes from.
        alt: what it shows, for those who cannot see it.
        file: where it lies, in the folder of photos.
        sha256: of that file.
    """

    name: str
    title: str
    author: str
    licence: str
    source: str
    alt: str
    file: str
    sha256: str = ""

    @property
    def credit(self) -> str:
        """Return title, author and licence in a line."""
        return f"{self.title}, {self.author}." + (f" {self.licence}." if self.licence else "")

    def open(self) -> Image.Image:
        """Return the photo, RGB.

        Raises:
            ImageError: its file is missing or was changed.
        """
        path, fix = FOLDER / self.file, "Restore it: python assets/build.py"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ImageError(f"The photo {path} cannot be read ({error}). {fix}") from error
        digest = hashlib.sha256(data).hexdigest()
        if digest != self.sha256:
            raise ImageError(f"The photo {path} was changed: SHA-256 {digest}, wanted {self.sha256}. {fix}")
        return open_image(data)


@cache
def sample_images() -> dict[str, SampleImage]:
    """Return the photos that come with the package, by name.

    Raises:
        PathwayError: their listing is missing or damaged.
    """
    listing = FOLDER / "sources.json"
    try:
        entries = json.loads(listing.read_text(encoding="utf-8"))
        return {entry["name"]: SampleImage(**entry) for entry in entries}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PathwayError(f"{listing} cannot be read ({error}). Restore it from the package.") from error
