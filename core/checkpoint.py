"""A person's own weights, as bytes that nobody has checked, into a listed architecture.

safetensors files and PyTorch checkpoints are read. Of the latter only tensors in plain containers, never code. Sizes
are checked before anything is decoded, so that a small file cannot claim a large memory; how many classes there are
is read from the last layer's weights.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from core.architectures import build, check_name, fill, head, preprocessing_of
from core.errors import PathwayError
from core.network import Network, trace

__all__ = ["load_checkpoint"]

GIB = 1 << 30
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
    """Return a person's own weights in a listed architecture, preprocessing as for its published weights.

    Args:
        data: the file's bytes; the weights may lie under "state_dict" or "model", with "module." before their names.
        architecture: as ``available_networks`` lists it; GoogLeNet and Inception v3 re-scale their input, as
            torchvision's pretrained ones do.
        filename: what to call the network.
        class_names: one a class; default those in the file ("class_names", in safetensors a JSON list in the
            metadata), else "class 0", "class 1", ...
        max_bytes: of the file, and of what it claims to hold.
        device: where the network lives.

    Raises:
        PathwayError: not a checkpoint, too large, holding code, or not fitting the architecture.
    """
    check_name(architecture)
    label = filename or "The checkpoint"
    _check_size(label, len(data), max_bytes)
    state, names = _read(data, label, max_bytes)
    _check_size(label, sum(value.numel() * max(4, value.element_size()) for value in state.values()), max_bytes)
    classes = _classes(state, architecture, label)
    model = fill(architecture, build(architecture, classes), state)
    names = _checked_names(class_names if class_names is not None else names, classes, label)
    return trace(
        model,
        (3, *(preprocessing_of(architecture).size,) * 2),
        name=PurePath(filename).stem or architecture,
        preprocessing=preprocessing_of(architecture),
        class_names=names,
        weights_hash=hashlib.sha256(data).hexdigest()[:16],
        device=device,
    )


def _check_size(label: str, size: int, most: int) -> None:
    if size > most:
        raise PathwayError(
            f"{label} holds {size / 2**20:,.0f} MB, wanted at most {most / 2**20:,.0f} MB. "
            "Save the weights alone, without the optimiser's state, or choose a smaller architecture."
        )


def _read(data: bytes, label: str, max_bytes: int) -> tuple[dict[str, Tensor], Any]:
    """Return the weights by name, and the class names the file holds, unchecked, None where it holds none."""
    if data.startswith((ZIP, LEGACY)):
        content = _unpickled(data, label, max_bytes)
        nested = _unnested(content)
        found = next((content[key] for key in NAMES if isinstance(content, Mapping) and key in content), None)
    else:
        nested, found = _safetensors(data, label)
    tensors = {str(key): value for key, value in nested.items() if isinstance(value, Tensor)}
    if not tensors:
        raise PathwayError(f"{label} holds no weights. {WANTED}")
    return _unprefixed(tensors), found


def _safetensors(data: bytes, label: str) -> tuple[dict[str, Tensor], Any]:
    try:
        state: dict[str, Tensor] = load_safetensors(data)
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except Exception as error:  # the library raises several kinds on hostile bytes
        what = f"{label} ({len(data):,} bytes) is no checkpoint that can be read"
        raise PathwayError(f"{what}: {error}. {WANTED}") from error
    try:
        return state, json.loads(metadata["class_names"]) if "class_names" in metadata else None
    except ValueError as error:
        raise PathwayError(f'The metadata "class_names" of {label} is not a JSON list of words ({error}).') from error


def _unpickled(data: bytes, label: str, max_bytes: int) -> Any:
    try:
        if data.startswith(ZIP):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                _check_size(label, sum(entry.file_size for entry in archive.infolist()), max_bytes)
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except PathwayError:
        raise
    except Exception as error:  # torch.load raises anything on hostile bytes
        what = f"({len(data):,} bytes) is damaged or cut short"
        if "Unsupported" in str(error):
            what = "holds more than tensors in plain containers; reading it could run code, so it was refused"
        raise PathwayError(f"{label} {what}: {_reason(error)}. {WANTED}") from error


def _reason(error: Exception) -> str:
    """Return the line of torch's long message that says what was found."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "WeightsUnpickler error" in line or "Unsupported" in line] or lines
    return (telling[0] if telling else type(error).__name__)[:200]


def _unnested(content: Any) -> Mapping[Any, Any]:
    """Return the mapping that holds the weights, whichever usual key it lies under."""
    for _ in NESTS:
        if not isinstance(content, Mapping):
            return {}
        content = next((content[key] for key in NESTS if _is_mapping(content.get(key))), content)
    return content if isinstance(content, Mapping) else {}


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) > 0


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
    if state[key].ndim == 0 or len(state[key]) == 0:
        raise PathwayError(f"{label}: {key} has shape {tuple(state[key].shape)}, wanted one row a class.")
    return len(state[key])


def _checked_names(names: Any, classes: int, label: str) -> list[str] | None:
    if names is None:
        return None
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise PathwayError(f"{label}: the class names are {str(names)[:80]!r}, wanted a list of {classes} words.")
    if len(names) != classes:
        raise PathwayError(f"{label}: got {len(names)} class names, wanted one for each of its {classes} classes.")
    return list(names)
