"""A person's own weights, as bytes that nobody has checked, into a listed architecture.

safetensors files and PyTorch checkpoints are read. Of the latter only tensors in plain containers, never code. Sizes
are checked before anything is decoded, so that a file cannot claim many times its own memory: those of the weights,
and apart from them those of what says how the weights are called, which a few bytes can make large. How many classes
there are is read from the last layer's weights.
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
from core.models.architectures import TRANSFORMING, build, check_name, fill, head, preprocessing_of
from core.models.weights import usual_input_transform
from core.network import Network, trace

__all__ = ["load_checkpoint"]

GIB = 1 << 30
MAX_LISTING = 4 << 20  # bytes of a file that say how its weights are called; the largest architecture needs 0.2 MB
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
    transform_input: bool | None = None,
    max_bytes: int = GIB,
    device: torch.device | str | None = None,
) -> Network:
    """Return a person's own weights in a listed architecture, preprocessing as for its published weights.

    Args:
        data: the file's bytes; the weights may lie under "state_dict" or "model", with "module." before their names.
        architecture: as ``available_networks`` lists it.
        filename: what to call the network.
        class_names: one a class; default those in the file ("class_names", in safetensors a JSON list in the
            metadata), else "class 0", "class 1", ...
        transform_input: of GoogLeNet and Inception v3, whether they re-scale their input, which the file does not say;
            default true of the file that torchvision publishes, and else false, as in torchvision's constructors.
        max_bytes: of the file, and of what it claims to hold.
        device: where the network lives.

    Raises:
        PathwayError: not a checkpoint, too large, holding code, or not fitting the architecture.
    """
    check_name(architecture)
    label = _called(PurePath(filename).name) or "The checkpoint"
    _check_size(label, len(data), max_bytes)
    state, names = _read(data, label, max_bytes)
    _check_size(label, sum(value.numel() * max(4, value.element_size()) for value in state.values()), max_bytes)
    classes = _classes(state, architecture, label)
    digest = hashlib.sha256(data).hexdigest()
    transform = _input_transform(architecture, digest, transform_input)
    model = fill(architecture, build(architecture, classes, transform_input=transform), state)
    names = _checked_names(class_names if class_names is not None else names, classes, label)
    return trace(
        model,
        (3, *(preprocessing_of(architecture).size,) * 2),
        name=_called(PurePath(filename).stem) or architecture,
        preprocessing=preprocessing_of(architecture),
        class_names=names,
        weights_hash=_hash(digest, "" if transform or architecture not in TRANSFORMING else "transform_input=False"),
        device=device,
    )


def _input_transform(architecture: str, digest: str, asked: bool | None) -> bool:
    """Return whether the network re-scales its input, as asked or as usual for the file with this SHA-256."""
    if asked and architecture not in TRANSFORMING:
        raise PathwayError(
            f"Got transform_input=True for {architecture}, which takes its input as it is; wanted it for "
            f"{' or '.join(TRANSFORMING)} alone. Leave it out."
        )
    return usual_input_transform(architecture, digest) if asked is None else asked


def _hash(digest: str, choice: str) -> str:
    """Return 16 digits that tell networks apart: by their file's SHA-256, and by what was chosen about it, if any."""
    return hashlib.sha256((digest + choice).encode()).hexdigest()[:16] if choice else digest[:16]


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
            f"{label} takes {size / 2**20:,.0f} MB to say what its weights are called, wanted at most "
            f"{MAX_LISTING >> 20} MB. Save the weights alone. {WANTED}"
        )


def _read(data: bytes, label: str, max_bytes: int) -> tuple[dict[str, Tensor], Any]:
    """Return the weights by name, and the class names the file holds, unchecked, None where it holds none."""
    read = partial(_unpickled, max_bytes=max_bytes) if data.startswith((ZIP, LEGACY)) else _safetensors
    try:
        found, names = read(data, label)
        tensors = {printable(key): value for key, value in found.items()}
    except PathwayError:
        raise
    except Exception as error:  # both libraries raise anything on hostile bytes, and so does what they make of them
        what = f"({len(data):,} bytes) is damaged, cut short or no checkpoint"
        if "Unsupported" in str(error):
            what = "holds more than tensors in plain containers; reading it could run code, so it was refused"
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
    if length <= len(data):  # else the library says what is wrong
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
    """Return a zip archive with the same files, which is as large as it says.

    Where an archive is made to be, two readers can find two listings. Sizes are those that Python's reader finds;
    torch's own reads what is packed anew, and so finds the same.
    """
    if data.count(b"PK\x01\x02") > MAX_ENTRIES:
        raise PathwayError(f"{label} is an archive of more than {MAX_ENTRIES:,} files. {WANTED}")
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(packed, "w") as kept:
        entries = {entry.filename: entry for entry in archive.infolist()}
        _check_size(label, sum(entry.file_size for entry in entries.values()), max_bytes)
        _check_listing(label, sum(entry.file_size for name, entry in entries.items() if name.endswith(".pkl")))
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise PathwayError(f"{label} is compressed, as torch.save makes no file. {WANTED}")
        for name, entry in entries.items():
            kept.writestr(name, archive.read(entry))
    return packed.getvalue()


class _Frugal(io.BytesIO):
    """A file in torch's old format, of which no more is unpickled than a listing of weights takes.

    An empty dictionary is one byte in the file and 64 in memory. Weights themselves are read by ``readinto``.
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
    """Return the line of torch's long message that says what was found."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "WeightsUnpickler error" in line or "Unsupported" in line] or lines
    return printable((telling[0] if telling else type(error).__name__)[:200])


def _unnested(content: Any) -> Mapping[Any, Any]:
    """Return the mapping that holds the weights, whichever usual key it lies under."""
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
    """Return the weights without what wrappers put before all their names."""
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
        raise PathwayError(f"{label}: {key} has shape {str(tuple(shape))[:80]}, wanted one row a class.")
    if shape[0] > MAX_CLASSES:
        raise PathwayError(f"{label} tells {shape[0]:,} classes apart, wanted at most {MAX_CLASSES:,}.")
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
