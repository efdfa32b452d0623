"""Files to take away, each with what produced it inside."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from math import isnan

import numpy as np
from numpy.typing import NDArray

from explorer.compute import Answer, Scene, Scored
from explorer.view import View

__all__ = ["csv_file", "file_name", "npz_file", "provenance"]

TORCH = version("torch")


def provenance(
    scene: Scene, view: View, scored: Scored | None = None, answer: Answer | None = None
) -> dict[str, object]:
    """Return what a result was made from, as plain values that JSON can hold."""
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
        "torch": TORCH,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if scored is not None:
        made |= {
            "method": scored.method,
            "options": scored.options,
            "method_seconds": round(scored.seconds, 4),
            "complete": scored.complete,
        }
    if answer is not None:
        made |= {
            "sparsity_asked": view.sparsity,
            "sparsity": answer.sparsity,
            "off": view.off,
            "p_ratio": answer.p_ratio,
            "prediction_kept": answer.prediction_kept,
            "dead_share": None if isnan(answer.dead_share) else answer.dead_share,
            "ties": answer.ties,
        }
    return made


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
