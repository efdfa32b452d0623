"""The kind of a file that is no checkpoint, in words, with the way to one.

    kind_of(b"<!DOCTYPE html>...")     # "is a web page, not the file behind the link. ..."

Files are told apart by how they begin, archives by the names in them, never by their own name, which may be
wrong. Nothing is decoded but JSON, of 1 MB at most.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection

from core.errors import printable

__all__ = ["SAVE", "kind_of", "kind_of_archive", "part_of"]

MAX_TEXT = 1 << 20  # bytes of a JSON file that is looked into
SAVE = "torch.save(model.state_dict(), path)"

_PACKED = "is a {}, which may hold a checkpoint. Unpack it and choose the file inside."
_EXPORTED = f"Go back to the PyTorch model that it was made from and save that one's weights with {SAVE}."
_KERAS = "Keras orders the axes of weights differently. Convert them to PyTorch's order and save them with torch.save."
_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".tar")  # of files in an archive that may be checkpoints
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", f"is an HDF5 file, as Keras saves weights. {_KERAS}"),
    (
        b"version https://git-lfs",
        "is a git-lfs pointer, a note of where the weights are. Run git lfs pull, or download the file itself.",
    ),
    (b"GGUF", "is a GGUF file of a language model, not of an image classifier."),
    (b"\x1f\x8b", _PACKED.format("gzip archive")),
    (b"BZh", _PACKED.format("bzip2 archive")),
    (b"\xfd7zXZ\x00", _PACKED.format("xz archive")),
    (b"(\xb5/\xfd", _PACKED.format("zstd archive")),
    (b"7z\xbc\xaf\x27\x1c", _PACKED.format("7z archive")),
    (b"Rar!", _PACKED.format("RAR archive")),
    (
        b"\x93NUMPY",
        "is a NumPy array, not a checkpoint. Build the state dict from the arrays with torch.from_numpy and "
        "save it with torch.save.",
    ),
    (b"\x89PNG", "is a picture. Choose it as the image, not as weights."),
    (b"\xff\xd8\xff", "is a picture. Choose it as the image, not as weights."),
    (b"%PDF", "is a PDF document, not a checkpoint."),
)
_ONNX_FIELDS = (b"\x12", b"\x1a", b"\x22", b"\x3a", b"\x42")  # producer, its version, domain, graph, opset
_PLAIN_PICKLE = (
    "is a plain pickle, which pickle.dump writes, not torch.save. Load it where it was made and save the weights with "
    f"{SAVE}."
)


def kind_of(data: bytes) -> str | None:
    """Return the kind of a file, as the rest of a sentence that begins with its name; None if it is unknown."""
    if not data:
        return "is empty (0 bytes). Download or copy it again."
    beginning = next((words for start, words in _BEGINNINGS if data.startswith(start)), None)
    return beginning or next((words for is_one, words in _LOOKS if is_one(data)), None) or _kind_of_text(data)


def kind_of_archive(names: Collection[str]) -> str | None:
    """Return the kind of a zip archive that torch.save did not make, by the names in it; None for a checkpoint."""
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return f"is a TorchScript program (torch.jit.save). Save the weights of the model instead: {SAVE}."
    if "archive_format" in inner or any(name.startswith("models/") and name.endswith(".json") for name in inner):
        return f"is a program of torch.export. Save the weights of the model instead: {SAVE}."
    if "data.pkl" in inner:
        return None
    if "model.weights.h5" in names:
        return f"is a Keras model. {_KERAS}"
    if names and all(name.endswith(".npy") for name in names):
        return "is a NumPy .npz archive. Build the state dict with torch.from_numpy and save it with torch.save."
    inside = next((name for name in names if name.endswith(_SUFFIXES)), None)
    if inside is not None:
        return f"is a zip archive with {printable(inside[-100:])} in it. Unpack it and choose that file."
    return "is a zip archive that torch.save did not make."


def part_of(filename: str) -> str | None:
    """Return that a file is one of several that hold a model's weights together, by its name; None if it is not one."""
    match = re.search(r"-(\d{5})-of-(\d{5})\.", filename)
    if match is None or int(match[2]) < 2:
        return None
    return (
        f"Its name says that it is part {int(match[1])} of {int(match[2])} of a model's weights. "
        "Load the model where all parts are, and save it as one file."
    )


def _is_onnx(data: bytes) -> bool:
    """Return whether this is a ModelProto: a version of the format, then one of the fields that follow it."""
    return data[:1] == b"\x08" and b"\x03" <= data[1:2] < b"\x20" and data[2:3] in _ONNX_FIELDS


_LOOKS: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (_is_onnx, f"is an ONNX model. {_EXPORTED}"),
    (lambda data: data[4:8] == b"TFL3", f"is a TensorFlow Lite model. {_EXPORTED}"),
    (lambda data: data[257:262] == b"ustar", _PACKED.format("tar archive")),
    (lambda data: data[:1] == b"\x80" and b"\x02" <= data[1:2] <= b"\x05", _PLAIN_PICKLE),
)


def _kind_of_text(data: bytes) -> str | None:
    start = data[:1000].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "is a web page, not the file behind the link. Download the file itself, signed in if need be."
    if start.startswith((b"<?xml", b"<error")):
        return "is an XML text, perhaps a server's word that it has no such file. Open it in an editor to see which."
    if start.startswith((b"{", b"[")):
        return _kind_of_json(data)
    return None


def _kind_of_json(data: bytes) -> str | None:
    try:
        content = json.loads(data[:MAX_TEXT])
    except (ValueError, RecursionError):
        return None
    parts = content.get("weight_map") if isinstance(content, dict) else None
    if isinstance(parts, dict):
        files = len({part for part in parts.values() if isinstance(part, str)})
        return (
            f"is an index: it says which of {files} files holds which of {len(parts):,} weights, and has none itself. "
            "Load the model where all the files are, and save it as one."
        )
    return "is a JSON text, a model's settings perhaps, and holds no weights."
