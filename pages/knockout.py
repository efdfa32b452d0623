"""Knock-out: silence neurons and channels, or keep only them, and see what the network then says."""

from explorer.views.knockout import show_knockout
from explorer.views.sidebar import render_page

render_page(show_knockout)
