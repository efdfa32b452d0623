"""Evaluate: is the pathway gradient right? It beside other attributions, measured in five ways."""

from explorer.views.evaluate.gallery import show_attributions
from explorer.views.evaluate.measures import show_degradation, show_localisation, show_sensitivity
from explorer.views.evaluate.paper import show_printed
from explorer.views.evaluate.sanity import show_sanity
from explorer.views.sidebar import render_page

render_page(show_attributions, show_degradation, show_localisation, show_sensitivity, show_sanity, show_printed)
