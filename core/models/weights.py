"""Weights on disk: those that come with the package, and published ones that a user downloaded.

Nothing is downloaded unless ``download_weights`` is called. A published file is looked for in the weights folder
(``PATHWAY_WEIGHTS``, else this user's data folder) and in torch.hub's cache, and is read only if its SHA-256 begins
with the digits in its name. Files are unpickled only as tensors in plain containers.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import platformdirs
import torch
import torchvision
from safetensors.torch import load as load_safetensors
from torch import Tensor

from core.errors import PathwayError, WeightsMissing
from core.models.architectures import TRANSFORMING, check_name
from core.progress import Progress, silent

__all__ = [
    "MODELS",
    "PublishedWeights",
    "download_weights",
    "embedded_state",
    "find_weights",
    "published_state",
    "published_weights",
    "usual_input_transform",
    "weights_folder",
]

MODELS = Path(__file__).resolve().parents[2] / "assets" / "models"
CHUNK = 1 << 20
TIMEOUT = 30.0  # seconds without a byte


@dataclass(frozen=True)
class PublishedWeights:
    """Where torchvision publishes a network's weights.

    Attributes:
        url: of the file.
        filename: at the publisher and on this machine.
        megabytes: of 2**20 bytes; 0 if not known.
        sha256: the first hex digits of the file's SHA-256.
    """

    url: str
    filename: str
    megabytes: float
    sha256: str


def weights_folder() -> Path:
    """Return the folder for published weights; it need not exist."""
    chosen = os.environ.get("PATHWAY_WEIGHTS")
    return Path(chosen) if chosen else Path(platformdirs.user_data_dir("pathway-explorer")) / "weights"


def published_weights(name: str) -> PublishedWeights:
    """Return where a torchvision classifier's default weights are published.

    Raises:
        PathwayError: torchvision has no such classifier.
    """
    if check_name(name) in ("efficientnet_lite0", "fashion_vgg"):
        raise PathwayError(f"{name} is embedded; load it without a download.")
    weights = torchvision.models.get_model_weights(name).DEFAULT
    filename = weights.url.rsplit("/", 1)[-1]
    match = re.search(r"-([0-9a-f]{8,})\.", filename)
    return PublishedWeights(weights.url, filename, weights.meta.get("_file_size", 0.0), match[1] if match else "")


def usual_input_transform(name: str, digest: str) -> bool:
    """Return whether an architecture usually re-scales its input: behind the weights that torchvision publishes.

    Args:
        name: of the architecture.
        digest: SHA-256 of the file of weights, hex.
    """
    return check_name(name) in TRANSFORMING and digest.startswith(published_weights(name).sha256)


def find_weights(name: str) -> Path | None:
    """Return the file of published weights on this machine, unchecked; None if there is none."""
    filename = published_weights(name).filename
    folders = (weights_folder(), Path(torch.hub.get_dir()) / "checkpoints")
    return next((folder / filename for folder in folders if (folder / filename).is_file()), None)


def embedded_state(name: str) -> tuple[dict[str, Tensor], str]:
    """Return the weights that come with the package, and the first 16 hex digits of their file's SHA-256.

    Raises:
        PathwayError: the file is missing or was changed.
    """
    fix = "Restore it: python assets/build.py, for fashion_vgg python assets/train.py"
    try:
        entry = json.loads((MODELS / "models.json").read_text(encoding="utf-8"))[name]
        data = (MODELS / entry["file"]).read_bytes()
    except (OSError, ValueError, KeyError) as error:
        raise PathwayError(f"The weights of {name} in {MODELS} cannot be read ({error}). {fix}") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != entry["sha256"]:
        raise PathwayError(f"{MODELS / entry['file']} was changed: SHA-256 {digest}, wanted {entry['sha256']}. {fix}")
    return load_safetensors(data), digest[:16]


def published_state(name: str) -> tuple[dict[str, Tensor], str]:
    """Return published weights from this machine, and the first 16 hex digits of their file's SHA-256.

    Raises:
        WeightsMissing: they are not on this machine.
        PathwayError: the file is damaged.
    """
    source, path = published_weights(name), find_weights(name)
    if path is None:
        raise WeightsMissing(name, source.url, str(weights_folder() / source.filename), source.megabytes)
    fix = f"Delete it and fetch it again from {source.url}."
    try:
        digest = _file_hash(path)
        if not digest.startswith(source.sha256):
            raise PathwayError(f"{path} is damaged: its SHA-256 is {digest}, wanted {source.sha256}... . {fix}")
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except PathwayError:
        raise
    except Exception as error:  # torch.load may raise any error
        raise PathwayError(f"{path} cannot be read ({str(error)[:200]}). {fix}") from error
    return dict(state), digest[:16]


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download_weights(name: str, progress: Progress = silent) -> Path:
    """Download published weights into the weights folder, unless they are there; return the file.

    Args:
        name: of a torchvision classifier.
        progress: called after each megabyte with bytes done, bytes in total and a note; raise in it to cancel.

    Raises:
        PathwayError: there is no connection, the publisher sent a wrong file, or the folder cannot be written.
    """
    source, folder = published_weights(name), weights_folder()
    there = find_weights(name)
    if there is not None:
        return there
    partial = folder / f"{source.filename}.{uuid4().hex}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as file:
            digest = _receive(source, file, progress)
        if not digest.startswith(source.sha256):
            raise PathwayError(
                f"What {source.url} sent is not {source.filename}: SHA-256 {digest}, wanted {source.sha256}... . "
                f"Try again later. {_otherwise(source)}"
            )
        os.replace(partial, folder / source.filename)
    except OSError as error:
        raise PathwayError(
            f"{folder} cannot be written ({error}). Set PATHWAY_WEIGHTS to a folder that can be written."
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return folder / source.filename


def _otherwise(source: PublishedWeights) -> str:
    return f"Or download {source.url} by other means and put {source.filename} into {weights_folder()}."


def _receive(source: PublishedWeights, file: BinaryIO, progress: Progress) -> str:
    """Write the publisher's data to a file; return its SHA-256."""
    digest = hashlib.sha256()
    for chunk, done, total in _chunks(source):
        file.write(chunk)
        digest.update(chunk)
        progress(done // 2**20, total // 2**20, f"MB of {source.filename}")
    return digest.hexdigest()


def _chunks(source: PublishedWeights) -> Iterator[tuple[bytes, int, int]]:
    """Yield the publisher's data, with bytes so far and bytes in total."""
    done = 0
    try:
        with urllib.request.urlopen(source.url, timeout=TIMEOUT) as answer:
            total = int(answer.headers.get("Content-Length") or source.megabytes * 2**20)
            while chunk := answer.read(CHUNK):
                done += len(chunk)
                yield chunk, done, max(total, done)
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise PathwayError(
            f"Fetching {source.filename} from {source.url} failed after {done:,} bytes ({error}). "
            f"Check the connection and try again. {_otherwise(source)}"
        ) from error
