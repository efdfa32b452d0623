"""Recipes of the data sets of digits and letters."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from core.data.torchvision_sets.recipe import Recipe, Split, by_split, listed, split_of, train_test

__all__ = ["DIGITS"]

TEN = listed(*"0123456789")


def _mnist(name: str) -> Recipe:
    stems = [f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")]
    files = " ".join(f"{name}/raw/{stem}" for stem in stems)
    return Recipe(train_test(files, " ".join(f"{stem}.gz" for stem in stems)))


def _emnist() -> dict[str, Split]:
    splits = {}
    for kind in ("byclass", "bymerge", "balanced", "letters", "digits", "mnist"):
        for name in ("train", "test"):
            stem = f"EMNIST/raw/emnist-{kind}-{name}"
            files = f"{stem}-images-idx3-ubyte {stem}-labels-idx1-ubyte"
            splits[f"{kind}:{name}"] = split_of(files, "gzip.zip", split=kind, train=name == "train")
    return splits


def _qmnist(name: str, stem: str, packed: str) -> Split:
    files = f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx2-int"
    raw = " ".join(f"QMNIST/raw/{file}" for file in files)
    return split_of(raw, " ".join(f"{file}.{packed}" for file in files), what=name)


def _qmnist_splits() -> dict[str, Split]:
    tests = {name: _qmnist(name, "qmnist-test", "gz") for name in ("test", "test10k", "test50k")}
    return {"train": _qmnist("train", "qmnist-train", "gz"), **tests, "nist": _qmnist("nist", "xnist", "xz")}


def _omniglot(folder: str, *, background: bool) -> Split:
    return split_of(f"omniglot-py/{folder}.zip omniglot-py/{folder}", f"{folder}.zip", background=background)


def _drawings(data: Any) -> list[tuple[str, str]]:
    """Return the character and the file of each drawing of Omniglot."""
    return [(data._characters[number], file) for file, number in data._flat_character_images]


def _characters(data: Any) -> list[int]:
    """Return labels in the order of the characters' names; torchvision's follow the order of the file system."""
    places = {character: place for place, character in enumerate(sorted(data._characters))}
    return [places[character] for character, _ in _drawings(data)]


DIGITS: Mapping[str, Recipe] = {
    "EMNIST": Recipe(_emnist()),
    "FashionMNIST": _mnist("FashionMNIST"),
    "KMNIST": _mnist("KMNIST"),
    "MNIST": _mnist("MNIST"),
    "Omniglot": Recipe(
        {
            "background": _omniglot("images_background", background=True),
            "evaluation": _omniglot("images_evaluation", background=False),
        },
        _characters,
        lambda data: sorted(data._characters),
        order=_drawings,
    ),
    "QMNIST": Recipe(_qmnist_splits(), lambda data: data.targets[:, 0]),  # the other columns say who wrote the digit
    "SEMEION": Recipe({"": split_of("semeion.data", "semeion.data", download=False)}, attrgetter("labels"), TEN),
    "SVHN": Recipe(
        by_split("train test extra", "{split}_32x32.mat", "{split}_32x32.mat"),
        attrgetter("labels"),
        TEN,
        package="scipy",
    ),
    "USPS": Recipe(
        {
            "train": split_of("usps.bz2", "usps.bz2", train=True),
            "test": split_of("usps.t.bz2", "usps.t.bz2", train=False),
        },
        classes=TEN,
    ),
}
