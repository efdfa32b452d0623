"""Numbers in, pictures out; it uses neither Streamlit nor torch."""

from __future__ import annotations

from explorer.plots.bars import bars_beside, bars_with_level, dots, layer_strip, membership_bars
from explorer.plots.contact_sheet import Cell, strip
from explorer.plots.figures import data_url, jpeg
from explorer.plots.flow_graph import Kind, Link, Node
from explorer.plots.intervals import Points, banded, interval_bars, whiskered
from explorer.plots.layout import literal, shaded
from explorer.plots.lines import Axis, Line, curves, pixel_axis, site_lines, sparsity_lines
from explorer.plots.matrices import Difference, class_matrix, difference_matrix, overlap_matrix
from explorer.plots.palette import DARK, LIGHT, Theme
from explorer.plots.scales import ColourScale, colour_scales
from explorer.plots.words import FATES, counted, duration, number, percent, plain, position_name, ratio

__all__ = [
    "DARK",
    "FATES",
    "LIGHT",
    "Axis",
    "Cell",
    "ColourScale",
    "Difference",
    "Kind",
    "Line",
    "Link",
    "Node",
    "Points",
    "Theme",
    "banded",
    "bars_beside",
    "bars_with_level",
    "class_matrix",
    "colour_scales",
    "counted",
    "curves",
    "data_url",
    "difference_matrix",
    "dots",
    "duration",
    "interval_bars",
    "jpeg",
    "layer_strip",
    "literal",
    "membership_bars",
    "number",
    "overlap_matrix",
    "percent",
    "pixel_axis",
    "plain",
    "position_name",
    "ratio",
    "shaded",
    "site_lines",
    "sparsity_lines",
    "strip",
    "whiskered",
]
