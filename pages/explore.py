"""Explore: one photo, one network, one pathway beside another."""

from explorer import ui
from explorer.report.report import offer_report
from explorer.views.explore.layers import show_layers
from explorer.views.explore.neurons import show_neurons
from explorer.views.explore.pathways import show_pathways
from explorer.views.sidebar import render_page

render_page(show_pathways, offer_report, show_layers, show_neurons, options=ui.strategy_controls.option_controls)
