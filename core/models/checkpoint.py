"""A user's own weights, from unchecked bytes into a listed architecture.

safetensors files and PyTorch checkpoints are read; of the latter only tensors in plain containers, never code. Sizes
are checked before anything is decoded, so that a file cannot use many times its own memory: the size of the weights
and, separately, of the list of their names, which a few bytes can make large. The number of classes is read from the
last layer's weights.
"""

from __future__ import annotations

import hashlib
import io
import json
import reprlib
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from core.errors import PathwayError, printable
from core.models.architectures import build, check_name, fill, head, preprocessing_of
from core.network import Network, trace

__all__ = ["load_checkpoint"]

GIB = 1 << 30
MAX_LISTING = 4 << 20  # bytes of the list of a file's weights; the largest architecture needs 0.2 MB
MAX_ENTRIES = 100_000  # of a zip archive
MAX_CLASSES = 25_000  # ImageNet-21k has 21,841
LONGEST_KEY, LONGEST_NAME = 300, 200  # of a weight, of a class or a file; characters
ZIP, LEGACY = b"PK\x03\x04", b"\x80\x02\x8a\x0a"  # how torch.save begins a file, since 1.6 and before
NESTS = ("state_dict", "model_state_dict", "model", "net", "weights")
PREFIXES = ("module.", "_orig_mod.", "model.")
NAMES = ("class_names", "classes")
WANTED = "Wanted a safetensors file, or a .pth file made by torch.save(model.state_dict(), path)."


def load_checkpoint(
    data: bytes,
    architecture: str,
    *,
    filename: str = "",
    class_names: Sequence[str] | None = None,
    max_bytes: int = GIB,
    device: torch.device | str | None = None,
) -> Network:
    """Return a user's own weights in a listed architecture, with the preprocessing of its published weights.

    Args:
        data: the file's bytes; the weights may be under "state_dict" or "model", with "module." before their names.
        architecture: as ``available_networks`` lists it; GoogLeNet and Inception v3 re-scale their input, as
            torchvision's pretrained ones do.
        filename: name of the network.
        class_names: one per class; default those in the file ("class_names", in safetensors a JSON list in the
            metadata), else "class 0", "class 1", ...
        max_bytes: of the file, and of its content as declared.
        device: of the network.

    Raises:
        PathwayError: the file is not a checkpoint, too large, contains code, or does not fit the architecture.
    """
    check_name(architecture)
    label = _called(PurePath(filename).name) or "The checkpoint"
    _check_size(label, len(data), max_bytes)
    state, names = _read(data, label, max_bytes)
    _check_size(label, sum(value.numel() * max(4, value.element_size()) for value in state.values()), max_bytes)
    classes = _classes(state, architecture, label)
    model = fill(architecture, build(architecture, classes), state)
    names = _checked_names(class_names if class_names is not None else names, classes, label)
    return trace(
        model,
        (3, *(preprocessing_of(architecture).size,) * 2),
        name=_called(PurePath(filename).stem) or architecture,
        preprocessing=preprocessing_of(architecture),
        class_names=names,
        weights_hash=hashlib.sha256(data).hexdigest()[:16],
        device=device,
    )


def _called(filename: str) -> str:
    return printable(filename[:LONGEST_NAME])


def _check_size(label: str, size: int, most: int) -> None:
    if size > most:
        raise PathwayError(
            f"{label} holds {size / 2**20:,.0f} MB, wanted at most {most / 2**20:,.0f} MB. "
            "Save the weights alone, without the optimiser's state, or choose a smaller architecture."
        )


def _check_listing(label: str, size: int) -> None:
    if size > MAX_LISTING:
        raise PathwayError(
            f"{label} takes {size / 2**20:,.0f} MB to list its weights, wanted at most "
            f"{MAX_LISTING >> 20} MB. Save the weights alone. {WANTED}"
        )


def _read(data: bytes, label: str, max_bytes: int) -> tuple[dict[str, Tensor], Any]:
    """Return the weights by name, and the class names in the file, unchecked, None if it has none."""
    read = partial(_unpickled, max_bytes=max_bytes) if data.startswith((ZIP, LEGACY)) else _safetensors
    try:
        found, names = read(data, label)
        tensors = {printable(key): value for key, value in found.items()}
    except PathwayError:
        raise
    except Exception as error:  # both libraries, and the objects they return, raise any error on hostile bytes
        what = f"({len(data):,} bytes) is damaged, cut short or no checkpoint"
        if "Unsupported" in str(error):
            what = "contains more than tensors in plain containers; reading it could run code, so it was refused"
        raise PathwayError(f"{label} {what}: {_reason(error)}. {WANTED}") from error
    if not tensors:
        raise PathwayError(f"{label} holds no weights. {WANTED}")
    longest = max(map(len, tensors))
    if longest > LONGEST_KEY:
        raise PathwayError(
            f"{label} names a weight with {longest:,} characters, wanted at most {LONGEST_KEY}. {WANTED}"
        )
    return _unprefixed(tensors), names


def _safetensors(data: bytes, label: str) -> tuple[dict[str, Tensor], Any]:
    length = int.from_bytes(data[:8], "little")
    if length <= len(data):  # else the library raises the error
        _check_listing(label, length)
    state = load_safetensors(data)
    names = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get("class_names")
    try:
        return state, names if names is None else json.loads(names)
    except (ValueError, RecursionError) as error:
        what = f'The metadata "class_names" of {label} is not a JSON list of words'
        raise PathwayError(f"{what} ({_reason(error)}).") from error


def _unpickled(data: bytes, label: str, max_bytes: int) -> tuple[dict[str, Tensor], Any]:
    file = io.BytesIO(_repacked(data, label, max_bytes)) if data.startswith(ZIP) else _Frugal(data, label)
    content = torch.load(file, map_location="cpu", weights_only=True)
    names = next((content[key] for key in NAMES if isinstance(content, Mapping) and key in content), None)
    return {key: value.detach() for key, value in _tensors(_unnested(content))}, names


def _repacked(data: bytes, label: str, max_bytes: int) -> bytes:
    """Return a zip archive with the same files whose declared sizes are true.

    Two readers can find different lists of files in a crafted archive. Sizes are checked by Python's reader, and the
    files are packed again, so that torch's reader finds the same.
    """
    if data.count(b"PK\x01\x02") > MAX_ENTRIES:
        raise PathwayError(f"{label} is an archive of more than {MAX_ENTRIES:,} files. {WANTED}")
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(packed, "w") as kept:
        entries = {entry.filename: entry for entry in archive.infolist()}
        _check_size(label, sum(entry.file_size for entry in entries.values()), max_bytes)
        _check_listing(label, sum(entry.file_size for name, entry in entries.items() if name.endswith(".pkl")))
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise PathwayError(f"{label} is compressed, as no file of torch.save is. {WANTED}")
        for name, entry in entries.items():
            kept.writestr(name, archive.read(entry))
    return packed.getvalue()


class _Frugal(io.BytesIO):
    """A file in torch's old format from which only as many bytes are unpickled as a list of weights needs.

    An empty dictionary is one byte in the file and 64 in memory. The weights themselves are read by ``readinto``.
    """

    def __init__(self, data: bytes, label: str) -> None:
        super().__init__(data)
        self.label, self.taken = label, 0

    def read(self, size: int | None = -1, /) -> bytes:
        return self._counted(super().read(size))

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._counted(super().readline(size))

    def _counted(self, found: bytes) -> bytes:
        self.taken += len(found)
        _check_listing(self.label, self.taken)
        return found


def _reason(error: Exception) -> str:
    """Return the line of torch's long message that names the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "WeightsUnpickler error" in line or "Unsupported" in line] or lines
    return printable((telling[0] if telling else type(error).__name__)[:200])


def _unnested(content: Any) -> Mapping[Any, Any]:
    """Return the mapping of the weights, under whichever of the usual keys it is."""
    for _ in NESTS:
        if not isinstance(content, Mapping):
            return {}
        content = next((content[key] for key in NESTS if _is_mapping(content.get(key))), content)
    return content if isinstance(content, Mapping) else {}


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) > 0


def _tensors(weights: Mapping[Any, Any]) -> list[tuple[str, Tensor]]:
    return [(key, value) for key, value in weights.items() if isinstance(key, str) and isinstance(value, Tensor)]


def _unprefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights without the prefixes that wrappers add to their names."""
    while prefix := next((p for p in PREFIXES if all(key.startswith(p) for key in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _classes(state: Mapping[str, Tensor], architecture: str, label: str) -> int:
    key = head(architecture)
    if key not in state:
        have = ", ".join(list(state)[-3:])
        raise PathwayError(
            f"{label} has no weight {key}, the last layer of {architecture}; it ends with {have}. "
            "Choose the architecture it was made for."
        )
    shape = state[key].shape
    if not 0 < len(shape) <= 4 or shape[0] == 0:
        raise PathwayError(f"{label}: {key} has shape {str(tuple(shape))[:80]}, wanted one row per class.")
    if shape[0] > MAX_CLASSES:
        raise PathwayError(f"{label} has {shape[0]:,} classes, wanted at most {MAX_CLASSES:,}.")
    return shape[0]


def _checked_names(names: Any, classes: int, label: str) -> list[str] | None:
    if names is None:
        return None
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise PathwayError(
            f"{label}: the class names are {reprlib.repr(names)[:80]}, wanted a list of {classes} words."
        )
    if len(names) != classes:
        raise PathwayError(f"{label}: got {len(names)} class names, wanted one for each of its {classes} classes.")
    longest = max(map(len, names))
    if longest > LONGEST_NAME:
        raise PathwayError(f"{label}: a class name has {longest:,} characters, wanted at most {LONGEST_NAME}.")
    return list(map(printable, names))
