"""Studies: the paper's experiments over many images, as they came out here, with the paper's own numbers beside."""

from explorer.views.studies.page import render

render()
