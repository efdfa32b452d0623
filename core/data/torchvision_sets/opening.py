"""Open one of torchvision's data sets, or say what is missing.

``found = open_torchvision("DTD:val", "data")`` reads labels and class names without decoding the images; one image is
decoded, to see that they are there. Torchvision downloads nothing here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from PIL import Image
from torchvision import datasets

from core.data.torchvision_sets.digits import DIGITS
from core.data.torchvision_sets.pictures import PICTURES
from core.data.torchvision_sets.recipe import Recipe, Split
from core.data.torchvision_sets.refused import REFUSED
from core.errors import PathwayError, printable

__all__ = ["RECIPES", "Opened", "open_torchvision"]

RECIPES: dict[str, Recipe] = {**DIGITS, **PICTURES}

_WANTED = "Wanted a data set with one class per image, such as CIFAR10, or a folder with a sub-folder per class."
_GENERATOR = Lock()  # torch's global one, which FakeData seeds for each image


@dataclass(frozen=True)
class Opened:
    """A data set that torchvision has opened.

    Attributes:
        labels: index into ``class_names``, one per image; None where it has no class.
        class_names: of the labels.
        picture: an image in mode "L" or "RGB", given its number.
    """

    labels: list[int | None]
    class_names: tuple[str, ...]
    picture: Callable[[int], Image.Image]


@dataclass(frozen=True)
class _Asked:
    """What is asked for: a split of a data set in a folder."""

    name: str
    split: str
    root: Path

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.name]

    @property
    def part(self) -> Split:
        return self.recipe.splits[self.split]

    def __str__(self) -> str:
        return f"torchvision's {self.name}:{self.split}".removesuffix(":")


def open_torchvision(source: str, root: str | Path | None = None) -> Opened:
    """Return one of torchvision's data sets that lies on disk.

    Args:
        source: "CIFAR10", whose split is test; "CIFAR10:train"; "EMNIST:letters:train".
        root: the folder that torchvision calls root; default the working folder.

    Raises:
        PathwayError: there is no such data set or split, or its files or a package are missing or damaged.
    """
    name, _, split = source.partition(":")
    folder = Path(root or Path.cwd()).expanduser().absolute()
    asked = _Asked(name, _known_split(name, split), folder)
    _check_place(asked)
    try:
        return _opened(asked, _built(asked))
    except Exception as error:  # each data set has its own
        raise _unusable(asked, error) from error


def _known_split(name: str, split: str) -> str:
    """Return the name of a split as the recipe has it; "test" may be left out."""
    if name in REFUSED:
        raise PathwayError(f"torchvision's {name} cannot be opened: {REFUSED[name]}. {_WANTED}")
    known = sorted(RECIPES.keys() & set(datasets.__all__))
    if name not in known:
        raise PathwayError(
            f"torchvision has no data set {name!r} that can be opened here; wanted one of {', '.join(known)}."
        )
    splits = RECIPES[name].splits
    for wanted in (split, f"{split}:test".removeprefix(":")):
        if wanted in splits:
            return wanted
    got = f"Got torchvision:{name}:{split}".removesuffix(":")
    if "" in splits:
        raise PathwayError(f"{got}, but {name} is not divided into splits; wanted torchvision:{name}.")
    raise PathwayError(
        f"{got}, which names no split of {name}; wanted torchvision:{name}:SPLIT with one of {', '.join(splits)}."
    )


def _check_place(asked: _Asked) -> None:
    package = asked.recipe.package
    if package and importlib.util.find_spec(package) is None:
        raise PathwayError(_needs(asked, package))
    if not asked.recipe.drawn and not asked.root.is_dir():
        raise PathwayError(f"{asked} cannot be opened: there is no folder {asked.root}. {_where(asked)}")


def _built(asked: _Asked) -> Any:
    """Return torchvision's object."""
    place = () if asked.recipe.drawn else (str(asked.root),)
    return getattr(datasets, asked.name)(*place, **asked.part.options)


def _opened(asked: _Asked, data: Any) -> Opened:
    recipe, size = asked.recipe, len(data)
    keys = recipe.order(data) if recipe.order else range(size)
    numbers = sorted(range(size), key=keys.__getitem__)
    with _reading(asked):
        labels = [None if label is None else int(label) for label in recipe.labels(data)]
    class_names = tuple(recipe.classes(data))
    _check(size, labels, len(class_names))
    picture = partial(_picture, asked, data, numbers)
    _check_first(picture)
    return Opened([labels[number] for number in numbers], class_names, picture)


def _check(size: int, labels: list[int | None], classes: int) -> None:
    if not size:
        raise ValueError("it holds no images")
    if len(labels) != size:
        raise ValueError(f"it has {size} images and {len(labels)} labels")
    for label in labels:
        if label is not None and not 0 <= label < classes:
            raise ValueError(f"it has the label {label} and {classes} classes")


def _check_first(picture: Callable[[int], Image.Image]) -> None:
    """Raise the error that the first image is not there; torchvision opens many lists without looking for images."""
    try:
        picture(0)
    except PathwayError as error:
        if isinstance(error.__cause__, FileNotFoundError | ImportError):
            raise error.__cause__ from None  # a damaged image is an error of this image only


def _picture(asked: _Asked, data: Any, numbers: list[int], number: int) -> Image.Image:
    try:
        with _reading(asked):
            picture: Image.Image = data[numbers[number]][0]
            picture = picture.convert("L" if picture.mode == "L" else "RGB")
    except Exception as error:  # decoders of damaged files raise anything
        raise PathwayError(f"Image {number} of {asked} cannot be read ({_reason(error)}).") from error
    picture.info = {}  # torchvision takes no notice of transparency and orientation
    return picture


def _reading(asked: _Asked) -> AbstractContextManager[Any]:
    return _GENERATOR if asked.recipe.drawn else nullcontext()


def _unusable(asked: _Asked, error: Exception) -> PathwayError:
    """Return the error that says why a data set cannot be opened: a package, missing files, damaged ones."""
    if isinstance(error, ImportError) and error.name:
        return PathwayError(_needs(asked, error.name.partition(".")[0]))
    missing = [each for each in asked.part.files if not any((asked.root / one).exists() for one in each.split("|"))]
    if missing:
        why = f"it has no {', no '.join(each.replace('|', ' or ') for each in missing)} there"
    elif "download=True" in str(error):  # torchvision's advice, which does not help here
        why = "a file is missing or is not as published; torchvision compares some files' MD5 sums"
    else:
        why = _reason(error)
    return PathwayError(f"{asked} cannot be opened in {asked.root}: {why}. {_where(asked)}")


def _where(asked: _Asked) -> str:
    """Return how to get the files of the split, and no others."""
    archives, source = ", ".join(asked.part.archives), asked.recipe.source
    if not archives:
        return "Wanted a folder with a sub-folder of images per class."
    if source:
        return f"Nothing is downloaded here. Get {archives} from {source}."
    options = {**asked.part.options, "download": True}
    call = f"{asked.name}({str(asked.root)!r}, {', '.join(f'{key}={value!r}' for key, value in options.items())})"
    needs = f" with the package {asked.recipe.downloader}" * bool(asked.recipe.downloader)
    return (
        f"Nothing is downloaded here. It is published as {archives}; torchvision fetches and unpacks that{needs}: "
        f'python -c "from torchvision.datasets import {asked.name}; {call}"'
    )


def _needs(asked: _Asked, package: str) -> str:
    return f"{asked} needs the package {package}, which is not installed: python -m pip install {package}"


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {printable(str(error))[:200]}".removesuffix(": ")
