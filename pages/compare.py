"""Compare: two to six selection strategies on one photo, side by side."""

from explorer.views.compare.agreement import show_dead, show_overlaps
from explorer.views.compare.grid import show_strategies
from explorer.views.compare.pair import show_pair
from explorer.views.compare.paper import show_paper
from explorer.views.compare.survival import show_fidelity, show_strip
from explorer.views.sidebar import render_page

render_page(show_strategies, show_overlaps, show_pair, show_dead, show_fidelity, show_strip, show_paper)
