"""Why none of what a file holds is the weights of an architecture: the first cause that explains all that was found."""

from __future__ import annotations

import re
from collections.abc import Mapping

from core.errors import PathwayError, printable
from core.models.architectures import head, outline
from core.models.checkpoint_files import WANTED, CheckpointFile
from core.models.file_kinds import SAVE, part_of
from core.models.matching import Match, Weight, find_groups, head_layer, holds_arrays

__all__ = ["explain"]

_CHOOSE = "Choose the architecture it was made for."
_REWRITTEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"\.weight_(orig|mask)$"),
        "is pruned by torch.nn.utils.prune, which keeps a weight and its mask apart. Call "
        "prune.remove(layer, 'weight') on each pruned layer and save the state dict again.",
    ),
    (
        re.compile(r"\.weight_[gv]$|\.parametrizations\."),
        "keeps weights in parts, as weight and spectral normalisation do. Call "
        "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight') on each such layer and save the state "
        "dict again.",
    ),
)


def explain(file: CheckpointFile, architecture: str, match: Match | None) -> PathwayError | None:
    """Return what is wrong, best cause first; None where the names are right and shapes or values have to be looked at.

    Args:
        file: that was read.
        architecture: whose weights it was to hold.
        match: the set of tensors in the file that shares most names with it; None where none shares any.
    """
    group = max((group for _, group in find_groups(file.content)), key=len, default={})
    if match is None:
        return PathwayError(f"{file.label} {_nothing_there(file, architecture, group)}")
    rewritten = next((words for pattern, words in _REWRITTEN if any(map(pattern.search, match.inside))), None)
    if rewritten is not None:
        return PathwayError(f"{file.label} {rewritten}")
    if _is_of_other_head(match):
        return PathwayError(f"{file.label} {_about_head(match)}")
    part = part_of(file.label) if match.missing else None
    if part is not None:
        return PathwayError(f"{file.label} has {len(match.missing)} weights of {architecture} too few. {part}")
    if head(architecture) in match.missing:
        return PathwayError(f"{file.label} {_no_head(architecture, {**match.weights, **match.inside})}")
    return None


def _nothing_there(file: CheckpointFile, architecture: str, group: Mapping[str, Weight]) -> str:
    part = part_of(file.label)
    if file.modules:
        return (
            f"holds a whole model ({printable(file.modules[-1][:100])}), as torch.save(model, path) writes it. Reading "
            f"that would run its code. Load it where that code is, and save its weights: {SAVE}."
        )
    if part is not None:
        return f"has no weights of {architecture}. {part}"
    if group:
        return _no_head(architecture, group)
    if holds_arrays(file.content):
        return f"holds NumPy arrays in place of tensors. Convert each with torch.from_numpy. {WANTED}"
    return f"holds no weights. {WANTED}"


def _no_head(architecture: str, weights: Mapping[str, Weight]) -> str:
    have = ", ".join(printable(key[:100]) for key in list(weights)[-3:])
    return f"has no weight {head(architecture)}, the last layer of {architecture}; it ends with {have}. {_CHOOSE}"


def _is_of_other_head(match: Match) -> bool:
    """Whether all that does not fit is in the stage of the last layer, which is built in another way."""
    stage = head(match.architecture).partition(".")[0] + "."
    stem = [key for key in outline(match.architecture) if not key.startswith(stage)]
    replaced = head(match.architecture) in match.missing or bool(match.inside)
    faults = [*match.missing, *match.misshapen, *match.inside]
    return bool(stem) and replaced and all(key.startswith(stage) for key in faults)


def _about_head(match: Match) -> str:
    name, layer = match.architecture, head_layer(match.architecture)
    shape = outline(name)[head(name)]
    if not (match.inside or match.misshapen):
        return _about_backbone(match)
    have = {key: tuple(match.weights[key].shape) for key in match.misshapen}
    have.update((key, tuple(value.shape)) for key, value in match.inside.items())
    layers = [key for key, found in have.items() if len(found) > 1]
    said = (
        f"has the weights of {name}, but another last layer: {_shapes(have)}, wanted {head(name)} "
        f"(classes, {', '.join(map(str, shape[1:]))})."
    )
    if len(layers) == 1 and have[layers[0]][1:] == shape[1:]:
        old = layers[0].rpartition(".")[0] + "."
        return (
            f"{said} It is one layer inside a Sequential. Dropout beside it does nothing outside training; if there is "
            f"nothing else, rename {old}* to {layer}* in the state dict and save it again."
        )
    return f"{said} A last layer of other make is another network; it cannot be looked through as {name}."


def _about_backbone(match: Match) -> str:
    beside = ", ".join(key[:100] for key in match.beside[:4])
    fix = f"If one of these is its last layer, give it that name: {beside}." if beside else "Train a last layer on it."
    return (
        f"has the weights of {match.architecture} but for the last layer, {head(match.architecture)}: a backbone, "
        f"which tells no classes apart. {fix}"
    )


def _shapes(shapes: Mapping[str, tuple[int, ...]], most: int = 4) -> str:
    listed = [f"{printable(key[:100])} {str(shape)[:80]}" for key, shape in list(shapes.items())[:most]]
    return ", ".join(listed) + (f" and {len(shapes) - most} more" if len(shapes) > most else "")
