"""The state of the app: what a user chose. It uses neither Streamlit nor torch."""

from __future__ import annotations

from explorer.state.choices import (
    ATTRIBUTIONS,
    CHANGES,
    LEAST_COLUMNS,
    LINKED_PARTS,
    MOST_ATTRIBUTIONS,
    MOST_COLUMNS,
    MOST_RUNS,
    NEAR,
    ORDERS,
    REGULARISERS,
    SPARSITIES,
    Box,
    Neuron,
    Scale,
    Style,
    nearest_sparsity,
)
from explorer.state.knockout import KnockOut, Part
from explorer.state.lessons import Lesson, Step
from explorer.state.sections import beside
from explorer.state.url import limits
from explorer.state.view import View

__all__ = [
    "ATTRIBUTIONS",
    "CHANGES",
    "LEAST_COLUMNS",
    "LINKED_PARTS",
    "MOST_ATTRIBUTIONS",
    "MOST_COLUMNS",
    "MOST_RUNS",
    "NEAR",
    "ORDERS",
    "REGULARISERS",
    "SPARSITIES",
    "Box",
    "KnockOut",
    "Lesson",
    "Neuron",
    "Part",
    "Scale",
    "Step",
    "Style",
    "View",
    "beside",
    "limits",
    "nearest_sparsity",
]
