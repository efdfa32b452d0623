"""Decode: what a pathway encodes, painted: the image that it answers to most."""

from explorer.views.decode import show_paintings
from explorer.views.sidebar import render_page

render_page(show_paintings)
