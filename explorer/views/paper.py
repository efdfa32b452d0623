"""The paper's own figures, as printed, by our names of the methods."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["AS_PRINTED", "LEAST_RELEVANT", "ON_POSTER", "Printed", "printed_dead_shares", "printed_overlap", "tables"]

TABLES = Path(__file__).resolve().parents[2] / "assets" / "paper_tables.json"
ON_POSTER = {  # the poster's labels, with what our methods are called; two are almost surely exchanged
    "NeuronIntGrad": "IntGrad",
    "NeuronMCT": "MCT",
    "DGR(init=1)": "DGR(1)",
    "DGR(init=r)": "DGR(r)",
    "GreedyPruning": '"Greedy"',
    "Random": '"Random"',
}
EXCHANGED = {  # as the released code orders the rows
    "GreedyPruning": "Random",
    "Random": "GreedyPruning",
    "NeuronMCT": "NeuronIntGrad",
    "NeuronIntGrad": "NeuronMCT",
}
AS_PRINTED = {  # our names, with the paper's
    "Gradient": "Gradients",
    "Guided Backpropagation": "GBP",
    "Grad-CAM": "GradCAM",
    "InputMCT": "InputMCT",
    "InputIntGrad": "InputIntGrad",
    "NeuronMCT": "NeuronMCT",
    "NeuronIntGrad": "NeuronIntGrad",
}
LEAST_RELEVANT = {
    "ImageNet, ResNet50": "lerf_imagenet",
    "CIFAR-10, ResNet8": "lerf_cifar10",
    "Birdsnap": "lerf_birdsnap",
}


@cache
def tables() -> dict[str, Any]:
    """Return the paper's figures as printed, by name, each with its rows; "source" says where they come from."""
    found: dict[str, Any] = json.loads(TABLES.read_text("utf-8"))
    return found


@dataclass(frozen=True)
class Printed:
    """An overlap of the poster: under its printed label, and under the label exchanged; None where it has none."""

    as_printed: float | None
    exchanged: float | None


def printed_dead_shares() -> dict[str, float]:
    """Return each method's dead share at 90 %, VGG16, mean of 1000 images, as the poster prints it."""
    shares = tables()["dead_share_percent_vgg16_imagenet_sparsity90"]
    return {method: value / 100 for method, value in shares.items()}


def printed_overlap(first: str, second: str) -> Printed:
    """Return the overlap of two methods at 90 %, VGG16, mean of 1000 images, as the poster prints it."""
    exchanged = [EXCHANGED.get(name, name) for name in (first, second)]
    return Printed(_entry(first, second), _entry(*exchanged) if exchanged != [first, second] else None)


def _entry(first: str, second: str) -> float | None:
    """One number of the poster's upper triangle; None where it has no such pair."""
    matrix = tables()["jaccard_percent_vgg16_imagenet_sparsity90"]
    places = sorted(matrix["columns"].index(ON_POSTER[name]) for name in (first, second))
    if places[0] == places[1]:
        return None
    percent_printed: float = list(matrix["rows"].values())[places[0]][places[1]]
    return percent_printed / 100
