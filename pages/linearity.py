"""Linearity: how far around the photo a pathway is affine, and what happens beyond."""

from explorer.views.linearity import show_line, show_over_sparsity, show_radii, show_strategies
from explorer.views.sidebar import render_page

render_page(show_strategies, show_radii, show_line, show_over_sparsity)
