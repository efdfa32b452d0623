"""Labelled images by number: a folder, the embedded photos, Fashion-MNIST, torchvision's data sets on disk.

    data = open_dataset("fashion-mnist")           # the 10,000 test images, embedded
    data.labels[3], data.class_names, data.read(3)  # an encoded image, as open_image takes it

An image is named by its data set and its number, never by a path. What ``read`` returns is not checked: a folder may
contain broken files, and opening one raises an error.

References:
    Xiao, Rasul, Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, 2017.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.data.folders import read_folder
from core.data.images import open_image
from core.data.samples import FOLDER, sample_images
from core.data.torchvision_sets import open_torchvision
from core.errors import ImageError, PathwayError

__all__ = [
    "FASHION_CLASSES",
    "FASHION_MNIST",
    "PHOTOS",
    "Dataset",
    "Pictures",
    "load_pictures",
    "open_dataset",
    "registered_datasets",
    "registered_image",
]

PHOTOS, FASHION_MNIST = "photos", "fashion-mnist"
FASHION_CLASSES = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
MAX_BYTES = 200 * 2**20  # of one image's file: a larger one is not a photo, and is not read

_EMBEDDED = Path(__file__).resolve().parents[2] / "assets" / "datasets"
_FASHION = {"test": "t10k", "train": "train"}


@dataclass(frozen=True)
class Dataset:
    """Images that can be read one by one.

    Attributes:
        name: in results and links.
        names: of the images, in their order.
        labels: index into ``class_names``, one per image; None where it has no class.
        class_names: of the labels.
        read: returns an image's encoded bytes, given its number.
        notes: sentences on what was chosen and what was left out when it was opened.

    Raises:
        PathwayError: a label is not an index into ``class_names``.
    """

    name: str
    names: Sequence[str]
    labels: Sequence[int | None]
    class_names: tuple[str, ...]
    read: Callable[[int], bytes] = field(repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        classes = len(self.class_names)
        for name, label in zip(self.names, self.labels, strict=False):
            if label is not None and (type(label) is not int or not 0 <= label < classes):
                wanted = f"0 to {classes - 1}, an index into its class names" if classes else "None, having no classes"
                raise PathwayError(
                    f"Got label {reprlib.repr(label)} of image {name} in {self.name}, wanted {wanted}. "
                    "Label images by number, and those of no class None."
                )

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Pictures:
    """A labelled data set in memory, for training.

    Attributes:
        pixels: (N, 3, H, W), uint8.
        labels: (N,), int64.
        class_names: of the labels.
    """

    pixels: Tensor
    labels: Tensor
    class_names: tuple[str, ...]


def open_dataset(source: str, *, root: str | Path | None = None) -> Dataset:
    """Return a data set by its name.

    Args:
        source: "photos"; "fashion-mnist", its test images; "fashion-mnist:train"; "torchvision:NAME" or
            "torchvision:NAME:SPLIT" (default test), by the names of torchvision.datasets, some with a version before
            the split, "torchvision:EMNIST:letters:test"; else a folder, whose sub-folders, if there are any, are the
            classes.
        root: folder of torchvision's data sets or of Fashion-MNIST's training images.

    Raises:
        PathwayError: there is no such data set, or its files are missing or damaged.
    """
    kind, _, rest = source.partition(":")
    if source == PHOTOS:
        return _photos()
    if kind == FASHION_MNIST and rest in ("", *_FASHION):
        return _fashion(rest or "test", root)
    if kind == "torchvision":
        return _torchvision(rest, root)
    return _folder(Path(source))


@cache
def registered_datasets() -> dict[str, Dataset]:
    """Return the data sets whose images the app shows by number: Fashion-MNIST and those of ``PATHWAY_DATASETS``.

    Raises:
        PathwayError: a registered data set cannot be opened.
    """
    entries = [line for line in os.environ.get("PATHWAY_DATASETS", "").splitlines() if line]
    found = {FASHION_MNIST: open_dataset(FASHION_MNIST)}
    for name, _, source in (entry.partition("=") for entry in entries):
        if not re.fullmatch(r"[\w.-]+", name) or not source or name in (*found, PHOTOS):
            raise PathwayError(f"Got data set {name!r} = {source!r}, wanted a new name of letters, digits, . - and _.")
        found[name] = replace(open_dataset(source), name=name)
    return found


def registered_image(name: str) -> tuple[Dataset, int] | None:
    """Return the data set and the number of the image named DATASET:NUMBER; None if there is no such image.

    Raises:
        PathwayError: a registered data set cannot be opened.
    """
    dataset, colon, number = name.rpartition(":")
    data = registered_datasets().get(dataset) if colon else None
    if data is None or not re.fullmatch(r"\d{1,9}", number) or int(number) >= len(data):
        return None
    return data, int(number)


def load_pictures(data: Dataset, count: int | None = None, *, seed: int = 0) -> Pictures:
    """Load labelled images of one size into memory, the first ones of a seeded order.

    Args:
        data: every image has a label, and all have the same size.
        count: how many at most; default all.
        seed: of the order; nothing is shuffled if all are taken.

    Raises:
        PathwayError: images have no labels or differ in size, or one cannot be read.
    """
    if any(label is None for label in data.labels):
        raise PathwayError(f"{data.name} has images without a class, wanted one for each: one sub-folder per class.")
    chosen: Sequence[int] = range(len(data))
    if count is not None and count < len(data):
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
        chosen = sorted(order[:count].tolist())
    rows = [_pixels(data, index) for index in chosen]
    sizes = {row.shape for row in rows}
    if len(sizes) != 1:
        raise PathwayError(f"{data.name} has images of {len(sizes)} sizes, wanted one size to train on; resize them.")
    pixels = torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).contiguous()  # (N, 3, H, W)
    labels = torch.tensor([data.labels[index] for index in chosen])
    return Pictures(pixels, labels, data.class_names)


def _pixels(data: Dataset, index: int) -> NDArray[np.uint8]:
    try:
        return np.asarray(open_image(data.read(index)))
    except ImageError as error:
        raise ImageError(f"{data.names[index]} in {data.name}: {error}") from error


def _photos() -> Dataset:
    photos = list(sample_images().values())
    names = [photo.name for photo in photos]
    return Dataset(PHOTOS, names, [None] * len(photos), (), lambda index: (FOLDER / photos[index].file).read_bytes())


def _folder(folder: Path) -> Dataset:
    if not folder.is_dir():
        raise PathwayError(
            f"There is no folder {str(folder)!r} and no data set of that name; wanted a folder of images, "
            f'"{PHOTOS}", "{FASHION_MNIST}" or "torchvision:CIFAR10".'
        )
    found = read_folder(folder)
    names = [_shown(path.relative_to(folder).as_posix()) for path, _ in found.files]
    labels = [label for _, label in found.files]
    classes = tuple(map(_shown, found.class_names))
    return Dataset(
        _shown(found.name), names, labels, classes, lambda index: _read_file(found.files[index][0]), found.notes
    )


def _shown(name: str) -> str:
    r"""Return a file's name as text: bytes that are not UTF-8 as \xff, and so a backslash as \\."""
    return os.fsencode(name).replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def _read_file(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size <= MAX_BYTES:
            return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PathwayError(
            f"{path.name} cannot be read ({reason}). Wanted a file that is there and may be read."
        ) from error
    raise PathwayError(
        f"{path.name} has {size:,} bytes, wanted at most {MAX_BYTES:,} ({MAX_BYTES >> 20} MB); scale the picture down."
    )


def _fashion(split: str, root: str | Path | None) -> Dataset:
    images = _idx(_fashion_file(f"{_FASHION[split]}-images-idx3-ubyte.gz", root), 3)
    labels = _idx(_fashion_file(f"{_FASHION[split]}-labels-idx1-ubyte.gz", root), 1).tolist()
    name = FASHION_MNIST if split == "test" else f"{FASHION_MNIST}:{split}"
    names = [f"{index:05d}" for index in range(len(images))]
    return Dataset(name, names, labels, FASHION_CLASSES, lambda index: _png(Image.fromarray(images[index])))


def _fashion_file(file: str, root: str | Path | None) -> Path:
    own = Path(root) if root else Path(os.environ.get("PATHWAY_DATA") or platformdirs.user_data_dir("pathway-explorer"))
    homes = [_EMBEDDED / FASHION_MNIST, own, own / "FashionMNIST" / "raw", Path("/usr/share/datasets/fashion-mnist")]
    for home in homes:
        if (home / file).is_file():
            return home / file
    raise PathwayError(
        f"Fashion-MNIST's {file} is not on this machine. Install Debian's package dataset-fashion-mnist, or download "
        f"it from https://github.com/zalandoresearch/fashion-mnist and put it into {own}."
    )


def _idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """Return the numbers of an idx file: two zeros, type 8, number of axes, each axis's length, then bytes."""
    try:
        data = gzip.decompress(path.read_bytes())
        shape = np.frombuffer(data, ">u4", axes, 4)
        if data[:4] != bytes((0, 0, 8, axes)):
            raise ValueError(f"it begins with {data[:4].hex()}")
        return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, ValueError, EOFError) as error:
        raise PathwayError(f"{path} is damaged ({error}). Fetch it again.") from error


def _torchvision(source: str, root: str | Path | None) -> Dataset:
    found = open_torchvision(source, root)
    names = [f"{index:05d}" for index in range(len(found.labels))]
    return Dataset(source, names, found.labels, found.class_names, lambda index: _png(found.picture(index)))


def _png(picture: Image.Image) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()
