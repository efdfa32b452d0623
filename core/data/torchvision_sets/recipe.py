"""How one of torchvision's data sets is opened, as data.

    Recipe(by_split("train test", "food-101/images food-101/meta/{split}.json", "food-101.tar.gz"), LABELS)

Torchvision keeps the labels under another name in nearly every class. A recipe has this name, so that no image has to
be decoded to learn its label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

__all__ = ["LABELS", "SAMPLES", "Classes", "Labels", "Recipe", "Split", "by_split", "listed", "split_of", "train_test"]

Labels = Callable[[Any], Iterable[int | None]]
Classes = Callable[[Any], Iterable[str]]


@dataclass(frozen=True)
class Split:
    """A part of a data set that is opened on its own.

    Attributes:
        files: files and folders that it is read from, below the root; "a|b" where one of the two is enough.
        archives: the names under which they are published.
        options: arguments of torchvision's class, beside its root.
    """

    files: tuple[str, ...]
    archives: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """How a data set with one class per image is opened.

    Attributes:
        splits: by name, "test" or "letters:test"; the only name is "" if the data set is not divided.
        labels: of torchvision's object, one per image; None for an image without a label.
        classes: the names of torchvision's object; a label is an index into them.
        order: sort keys of the images, where torchvision lists them in the order of the file system.
        package: an optional package that torchvision needs to read the files.
        downloader: an optional package that torchvision needs to download them.
        source: where to get the files by hand, if torchvision cannot download them.
        drawn: the images are drawn at random, from torch's global generator; there are no files.
    """

    splits: Mapping[str, Split]
    labels: Labels = attrgetter("targets")
    classes: Classes = attrgetter("classes")
    order: Callable[[Any], list[Any]] | None = None
    package: str = ""
    downloader: str = ""
    source: str = ""
    drawn: bool = False


def split_of(files: str, archives: str, **options: Any) -> Split:
    """Return a split; files and archives are separated by spaces."""
    return Split(tuple(files.split()), tuple(archives.split()), options)


def by_split(names: str, files: str, archives: str, *, before: str = "", **options: Any) -> dict[str, Split]:
    """Return the splits of a class with the argument ``split``; "{split}" in files and archives is the split's name.

    Args:
        names: of the splits, separated by spaces.
        files: as for ``split_of``.
        archives: as for ``split_of``.
        before: what the user writes before the split's name, "letters:".
        options: arguments of all splits.
    """
    return {
        before + name: split_of(files.format(split=name), archives.format(split=name), split=name, **options)
        for name in names.split()
    }


def train_test(files: str, archives: str) -> dict[str, Split]:
    """Return the splits of a class with the argument ``train`` that reads the files of both."""
    return {name: split_of(files, archives, train=name == "train") for name in ("train", "test")}


def listed(*names: str) -> Classes:
    """Return names of classes for a data set whose torchvision object has none."""
    return lambda _: names


def _second(attribute: str) -> Labels:
    return lambda data: [pair[1] for pair in getattr(data, attribute)]


LABELS: Labels = attrgetter("_labels")
SAMPLES: Labels = _second("_samples")  # (image, label)
