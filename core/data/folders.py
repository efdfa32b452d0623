"""A folder of images, whose sub-folders are the classes, as torchvision's ImageFolder reads them.

    found = read_folder(Path("pets"))     # pets/cat/1.png, pets/cat/kittens/2.png, pets/dog/1.png
    found.class_names                     # ("cat", "dog"): a class has every image beneath its folder
    found.notes                           # what was left out, with a number and an example

Hidden entries and those that operating systems leave in folders are neither classes nor images. A folder that holds the
parts of a data set, such as ``train`` and ``val``, is read as one of these parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import PathwayError, printable

__all__ = ["SUFFIXES", "ImageFolder", "read_folder"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
PARTS = ("val", "valid", "validation", "test", "train")  # of a data set; the first that is there is read
SYSTEM = {
    *("__MACOSX", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information"),
    *("lost+found", "@eaDir", "#recycle", "__pycache__"),
}


@dataclass(frozen=True)
class ImageFolder:
    """What a folder of images holds.

    Attributes:
        name: of the data set: the folder's, with the part that was read.
        files: each image with its class, an index into ``class_names``; None where the folder has no classes.
        class_names: of the sub-folders.
        notes: sentences on what was chosen and what was left out.
    """

    name: str
    files: tuple[tuple[Path, int | None], ...]
    class_names: tuple[str, ...]
    notes: tuple[str, ...]


def read_folder(folder: Path) -> ImageFolder:
    """Return the images of a folder and their classes.

    Every sub-folder with an image beneath it is a class. A folder whose sub-folders are all parts of a data set
    ("train", "val", "test"), each with classes of its own, is read as its validation part, or else as its test part.

    Args:
        folder: where the images lie.

    Raises:
        PathwayError: it cannot be read, or holds no images.
    """
    walk = _Walk(folder)
    parts = _parts(walk, folder)
    home = folder
    if parts:
        home = parts[0]
        walk = _Walk(home)
    beneath = {place: sorted(walk.images_beneath(place), key=_order) for place in walk.folders(home)}
    classes = [place for place, images in beneath.items() if images]
    walk.leave_out("without an image", [place for place, images in beneath.items() if not images])
    loose = walk.images(home)
    files: list[tuple[Path, int | None]] = [(path, None) for path in loose]
    if classes:
        files = [(path, label) for label, place in enumerate(classes) for path in beneath[place]]
        walk.leave_out("beside the folders of the classes", loose)
    notes = (*_choice(folder, parts), *walk.notes())
    if not files:
        raise PathwayError(
            " ".join((f"{folder} holds no images; wanted files ending in {', '.join(SUFFIXES)}.", *notes))
        )
    name = "-".join(path.name for path in (folder.resolve(), *parts[:1]))
    return ImageFolder(name, tuple(files), tuple(place.name for place in classes), notes)


def _order(path: Path) -> tuple[str, str]:
    """Return the sort key that torchvision's ImageFolder uses for the images of a class."""
    return str(path.parent), path.name


def _parts(walk: _Walk, folder: Path) -> list[Path]:
    """Return the parts of a data set that a folder holds, the one to read first; none where it holds classes."""
    places = {place.name.lower(): place for place in walk.folders(folder)}
    parts = [places[name] for name in PARTS if name in places]
    if len(parts) < 2 or len(parts) < len(places):
        return []
    classes = [any(any(walk.images_beneath(each)) for each in walk.folders(part)) for part in parts]
    parts = [part for part, there in zip(parts, classes, strict=True) if there]
    return parts if len(parts) > 1 else []


def _choice(folder: Path, parts: list[Path]) -> tuple[str, ...]:
    if not parts:
        return ()
    others = " or ".join(repr(str(part)) for part in parts[1:])
    return (
        f"{printable(str(folder))} holds the parts of a data set; {parts[0].name!r} is read. Name {others} instead.",
    )


class _Walk:
    """A way through a folder that counts what it leaves out, by reason, each with an example."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._left_out: dict[str, list[Path]] = {}
        self._seen: dict[Path, tuple[list[Path], list[Path]]] = {}

    def leave_out(self, reason: str, paths: list[Path]) -> None:
        """Count entries as left out."""
        if paths:
            self._left_out.setdefault(reason, []).extend(paths)

    def notes(self) -> tuple[str, ...]:
        """Return in words what was left out."""
        return tuple(self._note(reason, paths) for reason, paths in self._left_out.items())

    def _note(self, reason: str, paths: list[Path]) -> str:
        what = "1 entry" if len(paths) == 1 else f"{len(paths):,} entries"
        return f"Left out: {what} {reason}, such as {printable(str(paths[0].relative_to(self._root)))!r}."

    def folders(self, folder: Path) -> list[Path]:
        """Return the folders in a folder, by name."""
        return self._entries(folder)[0]

    def images(self, folder: Path) -> list[Path]:
        """Return the images in a folder, by name."""
        return self._entries(folder)[1]

    def images_beneath(self, folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
        """Yield the images in a folder and in all beneath it, one folder after the other, each folder by name."""
        home = folder.resolve()
        if home in above:  # a link to a folder around it
            self.leave_out("leading back to a folder above", [folder])
            return
        yield from self.images(folder)
        for place in self.folders(folder):
            yield from self.images_beneath(place, above | {home})

    def _entries(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Return the folders and the images in a folder, by name; a folder is read, and its rest counted, only once."""
        if folder not in self._seen:
            self._seen[folder] = self._read(folder)
        return self._seen[folder]

    def _read(self, folder: Path) -> tuple[list[Path], list[Path]]:
        try:
            there = sorted(folder.iterdir())
        except OSError:
            self.leave_out("that cannot be read", [folder])
            return [], []
        self.leave_out("hidden or of the operating system", [path for path in there if _is_hidden(path)])
        shown = [path for path in there if not _is_hidden(path)]
        folders = [path for path in shown if path.is_dir()]
        files = [path for path in shown if path.is_file()]
        self.leave_out("not named as an image", [path for path in files if path.suffix.lower() not in SUFFIXES])
        return folders, [path for path in files if path.suffix.lower() in SUFFIXES]


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name in SYSTEM
