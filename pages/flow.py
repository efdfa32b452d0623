"""Flow: the first method's pathway as a graph, from the image over the strongest channels to the logit."""

from explorer import ui
from explorer.views.flow import show_flow
from explorer.views.sidebar import render_page

render_page(show_flow, options=ui.strategy_controls.option_controls)
