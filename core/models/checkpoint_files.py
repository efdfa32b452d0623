"""Checkpoints as files: from unchecked bytes to dictionaries of tensors.

    file = open_checkpoint(data, filename="birds.ckpt", max_bytes=GIB)
    file.content["state_dict"]["fc.weight"]

What a file is, is read off its bytes, never its name. safetensors are read by their library, files of ``torch.save`` as
data (``core.models.torch_files``). Sizes are checked before anything is decoded: those of the weights, and apart from
them those of what says how the weights are called, which a few bytes can make large.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any

from safetensors.torch import load as load_safetensors

from core.errors import PathwayError, printable
from core.models.file_kinds import kind_of, kind_of_archive
from core.models.matching import find_groups
from core.models.torch_files import MAX_LISTING, read_archive, read_legacy

__all__ = [
    "GIB",
    "LONGEST_NAME",
    "WANTED",
    "CheckpointFile",
    "check_size",
    "damage_named",
    "open_checkpoint",
    "shown_name",
]

GIB = 1 << 30
MAX_ENTRIES = 100_000  # of a zip archive
LONGEST_KEY, LONGEST_NAME = 300, 200  # of a weight, of a class or a file; characters
ZIP, LEGACY = b"PK\x03\x04", b"\x80\x02\x8a\x0a"  # how torch.save begins a file, since 1.6 and before
ZIP_LISTED = b"PK\x01\x02"  # how an entry of a zip archive's listing begins
NAMES = ("class_names", "classes")
WANTED = "Wanted a safetensors file, or a .pth file made by torch.save(model.state_dict(), path)."


@dataclass(frozen=True)
class CheckpointFile:
    """What is in a checkpoint.

    Attributes:
        label: what to call the file in a message.
        content: dictionaries, lists and tuples of tensors, numbers, text, and stand-ins for everything else.
        size: of the file, in bytes.
        class_names: as the file has them, unchecked; None where it has none.
        modules: classes of whole networks in it, of which nothing is read, the outermost last.
    """

    label: str
    content: Any
    size: int
    class_names: Any = None
    modules: tuple[str, ...] = ()


def shown_name(filename: str) -> str:
    """Return a file's name as a label: one line, of bounded length."""
    return printable(filename[:LONGEST_NAME])


def check_size(label: str, size: int, most: int) -> None:
    """Raise PathwayError for more bytes than wanted."""
    if size > most:
        raise PathwayError(
            f"{label} holds {size / 2**20:,.0f} MB, wanted at most {most / 2**20:,.0f} MB. "
            "Save the weights alone, without the optimiser's state, or choose a smaller architecture."
        )


def open_checkpoint(data: bytes, *, filename: str = "", max_bytes: int = GIB) -> CheckpointFile:
    """Return what a file holds.

    Args:
        data: of the file.
        filename: for messages.
        max_bytes: of the file, and of what it claims to hold.

    Raises:
        PathwayError: not a checkpoint, damaged, or too large.
    """
    label = shown_name(PurePath(filename).name) or "The checkpoint"
    check_size(label, len(data), max_bytes)
    with damage_named(label, len(data)):
        file = _reader(data, label)(data, label, max_bytes)
        _check_keys(file)
    return file


@contextmanager
def damage_named(label: str, size: int) -> Iterator[None]:
    """Turn whatever reading a file of that many bytes raises into a PathwayError; on hostile bytes that is anything.

    Raises:
        PathwayError: something was raised inside.
    """
    try:
        yield
    except PathwayError:
        raise
    except Exception as error:
        what = f"({size:,} bytes) is damaged, cut short or no checkpoint"
        raise PathwayError(f"{label} {what}: {_reason(error)}. {WANTED}") from error


def _reader(data: bytes, label: str) -> Callable[[bytes, str, int], CheckpointFile]:
    """Return the function that reads this kind of file, or say what else it is."""
    if data.startswith(ZIP):
        return _zipped
    if data.startswith(LEGACY):
        return _legacy
    is_safetensors = data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data)
    kind = None if is_safetensors else kind_of(data)
    if kind is not None:
        raise PathwayError(f"{label} {kind} {WANTED}")
    return _safetensors


def _check_listing(label: str, size: int) -> None:
    if size > MAX_LISTING:
        raise PathwayError(
            f"{label} takes {size / 2**20:,.0f} MB to list its weights, wanted at most "
            f"{MAX_LISTING >> 20} MB. Save the weights alone. {WANTED}"
        )


def _check_keys(file: CheckpointFile) -> None:
    longest = max((len(key) for _, group in find_groups(file.content) for key in group), default=0)
    if longest > LONGEST_KEY:
        raise PathwayError(
            f"{file.label} names a weight with {longest:,} characters, wanted at most {LONGEST_KEY}. {WANTED}"
        )


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable((lines[0] if lines else type(error).__name__)[:200])


def _safetensors(data: bytes, label: str, _max_bytes: int) -> CheckpointFile:
    length = int.from_bytes(data[:8], "little")
    if length <= len(data):  # else the library says what is wrong
        _check_listing(label, length)
    state = load_safetensors(data)
    names = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get("class_names")
    try:
        return CheckpointFile(label, state, len(data), names if names is None else json.loads(names))
    except (ValueError, RecursionError) as error:
        what = f'The metadata "class_names" of {label} is not a JSON list of words'
        raise PathwayError(f"{what} ({_reason(error)}).") from error


def _zipped(data: bytes, label: str, max_bytes: int) -> CheckpointFile:
    if data.count(ZIP_LISTED) > MAX_ENTRIES:
        raise PathwayError(f"{label} is an archive of more than {MAX_ENTRIES:,} files. {WANTED}")
    return _pickled(label, len(data), *read_archive(data, partial(_checked_archive, label, max_bytes)))


def _checked_archive(label: str, max_bytes: int, archive: zipfile.ZipFile) -> str:
    """Return the folder that an archive keeps everything in."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    check_size(label, sum(entry.file_size for entry in entries.values()), max_bytes)
    _check_listing(label, sum(entry.file_size for name, entry in entries.items() if name.endswith(".pkl")))
    kind = kind_of_archive(entries)
    if kind is not None:
        raise PathwayError(f"{label} {kind} {WANTED}")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
        raise PathwayError(f"{label} is compressed, as no file of torch.save is. {WANTED}")
    return next(name for name in entries if name.partition("/")[2] == "data.pkl").partition("/")[0]


def _legacy(data: bytes, label: str, _max_bytes: int) -> CheckpointFile:
    return _pickled(label, len(data), *read_legacy(data, partial(_check_listing, label)))


def _pickled(label: str, size: int, content: Any, modules: list[str]) -> CheckpointFile:
    given = [content.get(key) for key in NAMES] if isinstance(content, dict) else []
    names = next((each for each in given if isinstance(each, str | list | tuple)), None)  # not a number
    return CheckpointFile(label, content, size, names, tuple(modules))
