"""Files to take away, each with what produced it inside."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from math import isnan

import numpy as np
import torch
from numpy.typing import NDArray

from explorer.compute.rankings import Selection
from explorer.compute.restriction import Answer
from explorer.compute.scene import Scene
from explorer.state import View

__all__ = ["Provenance", "csv_file", "file_name", "npz_file", "provenance", "provenance_of_all", "row"]


TORCH = version("torch")


@dataclass(frozen=True)
class Provenance:
    """What a result was made from, and what files of it are called.

    Attributes:
        stem: the parts of a file's name, without its kind.
        facts: by name, as plain values that JSON can hold.
    """

    stem: tuple[str, ...]
    facts: Mapping[str, object]

    def about(self, *what: str) -> Provenance:
        """Return the provenance of one part of the result, which gives its files their names."""
        return replace(self, stem=(*self.stem, *what))

    def __or__(self, more: Mapping[str, object]) -> Provenance:
        """Return it with further facts."""
        return replace(self, facts={**self.facts, **more})

    def file_name(self, kind: str) -> str:
        """Return the name of a file of a kind, such as "csv"."""
        return f"{file_name(*self.stem)}.{kind}"


def provenance(
    scene: Scene, view: View, selection: Selection | None = None, answer: Answer | None = None
) -> Provenance:
    """Return the provenance of a result about a scene."""
    made: dict[str, object] = {
        "software": "Pathway Explorer",
        "network": scene.network.name,
        "weights": scene.network.weights_hash,
        "image": view.image,
        "image_hash": str(scene.key[3]),
        "crop": [view.x, view.y, view.zoom],
        "target": scene.target,
        "target_name": scene.network.class_names[scene.target],
        "device": str(scene.network.device),
        "threads": torch.get_num_threads(),
        "torch": TORCH,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if selection is not None:
        made |= _selected(selection)
    if answer is not None:
        made |= {"sparsity_asked": view.sparsity, "off": view.off} | _answered(answer)
    return Provenance((view.image, scene.network.name), made)


def provenance_of_all(scene: Scene, view: View, columns: Sequence[tuple[Selection, Answer | None]]) -> Provenance:
    """Return the provenance of a comparison; no answers where it is of many sparsities."""
    made = provenance(scene, view) | {"off": view.off}
    if any(answer for _, answer in columns):
        made |= {"sparsity_asked": view.sparsity}
    return made | {"columns": [_selected(s) | (_answered(a) if a else {}) for s, a in columns]}


def row(selection: Selection, answer: Answer) -> dict[str, object]:
    """Return a selection and what it does as a table's row."""
    options = json.dumps(selection.strategy.chosen)
    return _selected(selection) | {"options": options} | _answered(answer)


def _selected(selection: Selection) -> dict[str, object]:
    return {
        "method": selection.strategy.name,
        "options": selection.strategy.chosen,
        "method_seconds": round(selection.seconds, 4),
        "complete": selection.complete,
    }


def _answered(answer: Answer) -> dict[str, object]:
    return {
        "sparsity": answer.sparsity,
        "p_ratio": answer.p_ratio,
        "prediction_kept": answer.prediction_kept,
        "near_chance": answer.fate == "near chance",
        "logit_before": answer.before.logit,
        "logit": answer.after.logit,
        "rival_logit_before": answer.before.rival_logit,
        "rival_logit": answer.after.rival_logit,
        "dead_share": None if isnan(answer.dead_share) else answer.dead_share,
        "ties": answer.ties,
    }


def npz_file(arrays: Mapping[str, NDArray[np.generic]], made_from: Mapping[str, object]) -> bytes:
    """Return arrays as a compressed NPZ file; ``made_from`` holds JSON."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, made_from=np.array(json.dumps(made_from)), **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def csv_file(rows: Sequence[Mapping[str, object]], made_from: Mapping[str, object]) -> bytes:
    """Return rows as CSV; comment lines above them say what they were made from."""
    buffer = io.StringIO()
    for name, value in made_from.items():
        buffer.write(f"# {name}: {json.dumps(value)}\n")
    writer = csv.DictWriter(buffer, list(rows[0]) if rows else ["empty"])
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def file_name(*parts: str) -> str:
    """Return a file name from parts, safe on any system."""
    return "-".join("".join(c if c.isalnum() or c in "._" else "_" for c in part) for part in parts)
