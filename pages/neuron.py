"""Neuron: one neuron of the network, what it sees, what feeds it, and what it feeds."""

from explorer.views.neuron.neuron import show_neuron
from explorer.views.sidebar import render_page

render_page(show_neuron)
