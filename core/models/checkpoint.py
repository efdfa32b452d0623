"""A user's own weights, from unchecked bytes into a listed architecture.

    load_checkpoint(data, "resnet18")                          # a Network
    load_checkpoint(data, "resnet18", weights="model_ema")     # where a file holds several sets of weights
    read_checkpoint(data, "resnet18").left_out                 # ("criterion.pos_weight",): tensors that were not used
    checkpoint_candidates(data, "resnet18")                    # the sets of weights that fit, and how they differ

safetensors files and those of ``torch.save`` are read, whatever they are called. Of the latter only tensors in plain
containers: what else they hold becomes a stand-in that does nothing (``core.models.pickles``). Sizes are checked before
anything is decoded, so that a file cannot claim many times its own memory. How many classes there are is read from the
last layer's weights.
"""

from __future__ import annotations

import hashlib
import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypedDict, Unpack

import torch
from torch import Tensor

from core.errors import PathwayError, SeveralWeights, printable
from core.models.architectures import TRANSFORMING, build, check_name, fill, head, preprocessing_of
from core.models.candidates import Candidate, compare, loaded
from core.models.checkpoint_files import (
    GIB,
    LONGEST_NAME,
    CheckpointFile,
    check_size,
    damage_named,
    open_checkpoint,
    shown_name,
)
from core.models.explaining import explain
from core.models.matching import Match, Weight, find_matches
from core.models.weights import usual_input_transform
from core.network import Network, trace

__all__ = ["Candidate", "Checkpoint", "checkpoint_candidates", "load_checkpoint", "read_checkpoint"]

MAX_CLASSES = 25_000  # ImageNet-21k has 21,841


@dataclass(frozen=True)
class Checkpoint:
    """A network with a person's own weights, and where in the file they were.

    Attributes:
        network: ready to explore.
        weights: the name of the set of weights in the file; "" for the outermost.
        left_out: names of tensors beside them that are no part of the network, as the file has them.
    """

    network: Network
    weights: str
    left_out: tuple[str, ...]


class _Options(TypedDict, total=False):
    """What may be said about a checkpoint; ``read_checkpoint`` says what it means."""

    weights: str | None
    filename: str
    class_names: Sequence[str] | None
    transform_input: bool | None
    max_bytes: int
    device: torch.device | str | None


def load_checkpoint(data: bytes, architecture: str, **options: Unpack[_Options]) -> Network:
    """Return the network of ``read_checkpoint``, which has the same arguments and errors."""
    return read_checkpoint(data, architecture, **options).network


def read_checkpoint(
    data: bytes,
    architecture: str,
    *,
    weights: str | None = None,
    filename: str = "",
    class_names: Sequence[str] | None = None,
    transform_input: bool | None = None,
    max_bytes: int = GIB,
    device: torch.device | str | None = None,
) -> Checkpoint:
    """Return a person's own weights in a listed architecture, preprocessing as for its published weights.

    Args:
        data: the file's bytes; the weights may lie under any keys, with anything before their names.
        architecture: as ``available_networks`` lists it.
        weights: the name of a set of weights in the file, needed where several fit.
        filename: what to call the network.
        class_names: one per class; default those in the file ("class_names", in safetensors a JSON list in the
            metadata), else "class 0", "class 1", ...
        transform_input: of GoogLeNet and Inception v3, whether they re-scale their input, which the file does not say;
            default true of the file that torchvision publishes, and else false, as in torchvision's constructors.
        max_bytes: of the file, and of its content as declared.
        device: of the network.

    Raises:
        SeveralWeights: several sets of weights fit, and none was chosen.
        PathwayError: not a checkpoint, too large, damaged, or not fitting the architecture.
    """
    check_name(architecture)
    file = open_checkpoint(data, filename=filename, max_bytes=max_bytes)
    fitting = _fitting(file, architecture, max_bytes)
    match = _chosen(file, fitting, weights)
    classes = _classes(match, file.label)
    names = _checked_names(class_names if class_names is not None else file.class_names, classes, file.label)
    digest = hashlib.sha256(data)
    transform = _input_transform(architecture, digest.hexdigest(), transform_input)
    for choice in _choices(match.name if len(fitting) > 1 else "", architecture, transform):
        digest.update(choice.encode())  # so that networks chosen from one file differ
    network = trace(
        fill(
            architecture,
            build(architecture, classes, transform_input=transform),
            _loaded(file, match.weights),
        ),
        (3, *(preprocessing_of(architecture).size,) * 2),
        name=shown_name(PurePath(filename).stem) or architecture,
        preprocessing=preprocessing_of(architecture),
        class_names=names,
        weights_hash=digest.hexdigest()[:16],
        device=device,
    )
    return Checkpoint(network, match.name, match.beside)


def _input_transform(architecture: str, digest: str, asked: bool | None) -> bool:
    """Return whether the network re-scales its input, as asked or as usual for the file with this SHA-256."""
    if asked and architecture not in TRANSFORMING:
        raise PathwayError(
            f"Got transform_input=True for {architecture}, which takes its input as it is; wanted it for "
            f"{' or '.join(TRANSFORMING)} alone. Leave it out."
        )
    return usual_input_transform(architecture, digest) if asked is None else asked


def checkpoint_candidates(
    data: bytes, architecture: str, *, filename: str = "", max_bytes: int = GIB
) -> list[Candidate]:
    """Return the sets of weights in a file that fit an architecture, as many as differ; the arguments are those above.

    Raises:
        PathwayError: none fits, or as for ``read_checkpoint``.
    """
    check_name(architecture)
    file = open_checkpoint(data, filename=filename, max_bytes=max_bytes)
    return _compared(file, _fitting(file, architecture, max_bytes))


def _choices(weights: str, architecture: str, transform: bool) -> list[str]:
    """Return what was chosen about a file: the set of weights, and an input that is not re-scaled as usual."""
    return [weights, *(["transform_input=False"] if architecture in TRANSFORMING and not transform else [])]


def _fitting(file: CheckpointFile, architecture: str, max_bytes: int) -> list[Match]:
    """Return the sets of weights that fit; where none does, raise why."""
    found = _find(file, architecture)
    for match in found:
        sizes = (math.prod(each.shape) * max(4, each.dtype.itemsize) for each in match.weights.values())
        check_size(file.label, sum(sizes), max_bytes)
    fitting = [match for match in found if match.fits]
    if not fitting:
        raise _misfit(file, architecture, found[0] if found else None)
    return fitting


def _find(file: CheckpointFile, architecture: str) -> list[Match]:
    try:
        return find_matches(file.content, architecture)
    except ValueError as error:
        raise PathwayError(f"{file.label} is no plain checkpoint: {error}. Save the weights alone.") from error


def _misfit(file: CheckpointFile, architecture: str, match: Match | None) -> PathwayError:
    cause = explain(file, architecture, match)
    if cause is None and match is not None:
        model = build(architecture, _classes(match, file.label))
        try:
            fill(architecture, model, _loaded(file, {**match.weights, **match.inside}))
        except PathwayError as error:
            cause = error
    return cause or PathwayError(f"{file.label} does not fit {architecture}. Choose the architecture it was made for.")


def _chosen(file: CheckpointFile, fitting: list[Match], weights: str | None) -> Match:
    """Return the set of weights that was asked for, or the only one."""
    if weights is not None:
        named = next((match for match in fitting if match.name == weights), None)
        if named is None:
            have = ", ".join(repr(match.name[:60]) for match in fitting[:5])
            raise PathwayError(
                f"{file.label} has no weights called {printable(weights[:100])!r} that fit; it has {have}."
            )
        return named
    different = _compared(file, fitting) if len(fitting) > 1 else []
    if len(different) > 1:
        first = different[0].name
        raise SeveralWeights(file.label, {one.name: one.describe(first) for one in different})
    return fitting[0]


def _compared(file: CheckpointFile, fitting: list[Match]) -> list[Candidate]:
    with damage_named(file.label, file.size):
        return compare(fitting)


def _loaded(file: CheckpointFile, weights: Mapping[str, Weight]) -> dict[str, Tensor]:
    with damage_named(file.label, file.size):
        return loaded(weights)


def _classes(match: Match, label: str) -> int:
    key = head(match.architecture)
    shape = tuple(match.weights[key].shape)
    if not 0 < len(shape) <= 4 or shape[0] == 0:
        raise PathwayError(f"{label}: {key} has shape {str(shape)[:80]}, wanted one row per class.")
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
