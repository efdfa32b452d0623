"""The values a view can have: names, stops of the slider, and limits on how many of a kind are allowed."""

from __future__ import annotations

from typing import Literal

from core.attribution import BASELINES
from core.methods import METHODS

__all__ = [
    "ATTRIBUTIONS",
    "CHANGES",
    "LEAST_COLUMNS",
    "LINKED_PARTS",
    "MOST_ATTRIBUTIONS",
    "MOST_COLUMNS",
    "MOST_PAINT_STEPS",
    "MOST_RUNS",
    "NEAR",
    "ORDERS",
    "REGULARISERS",
    "SPARSITIES",
    "Box",
    "Neuron",
    "Order",
    "Scale",
    "Start",
    "Style",
    "nearest_sparsity",
]

Scale = Literal["shared", "panel"]
Style = Literal["magnitude", "signed"]
Start = Literal["noise", "grey"]
Order = Literal["lerf", "morf", "insertion", "deletion"]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom in percent of the square that the network sees."""
Neuron = tuple[int, int]
"""A site's index and a flat position in its activation."""

LEAST_COLUMNS, MOST_COLUMNS = 2, 6
LINKED_PARTS = 40
MOST_ATTRIBUTIONS = 8
MOST_RUNS = 6
MOST_PAINT_STEPS = 1024
REGULARISERS = ("Fourier", "jitter", "blur", "total variation")
ATTRIBUTIONS = (*METHODS, *BASELINES)
"""Everything whose attributions can be evaluated: selection methods by their pathway gradients, then the others."""

ORDERS = {
    "lerf": ("LeRF", "Least relevant pixels are replaced first. Lower is better: what a good map leaves out can go."),
    "morf": ("MoRF", "Most relevant pixels are replaced first. Higher is better: what a good map points at is missed."),
    "deletion": ("Deletion", "Most relevant pixels are replaced first. A smaller area is better: it falls early."),
    "insertion": (
        "Insertion",
        "Most relevant pixels are put back first. A larger area is better: the answer is there early.",
    ),
}
CHANGES = ("lerf", "morf")  # the orders that measure how far the answer changes, up or down
NEAR = 0.1  # of the pixels: where the paper's curves end


def _steps(start: int, stop: int, step: int) -> list[float]:
    return [thousandths / 1000 for thousandths in range(start, stop, step)]


SPARSITIES = tuple(_steps(0, 700, 50) + _steps(700, 900, 10) + _steps(900, 980, 5) + _steps(980, 991, 1))
"""The slider's stops: finer near the top, where pathways change fastest."""


def nearest_sparsity(value: float) -> float:
    """Return the slider's stop that is nearest to a value."""
    return min(SPARSITIES, key=lambda stop: abs(stop - value))
