"""The Studies page: the choice of runs, then its parts."""

from __future__ import annotations

import streamlit as st

from explorer import ui
from explorer.views.studies.choice import choose, show_sidebar
from explorer.views.studies.classes import show_classes
from explorer.views.studies.differences import show_differences
from explorer.views.studies.facts import show_empty, show_facts
from explorer.views.studies.fidelity import show_fidelity, show_radii
from explorer.views.studies.images import show_images
from explorer.views.studies.maps import show_degradation, show_sensitivity
from explorer.views.studies.pathways import show_dead, show_overlaps, show_sites
from explorer.views.studies.roar import show_roar
from explorer.views.studies.runs import find_runs

__all__ = ["render"]

PARTS = (
    *(show_overlaps, show_dead, show_sites, show_fidelity, show_degradation, show_sensitivity),
    *(show_classes, show_differences, show_images, show_radii, show_roar),
)


def render() -> None:
    """Draw the choice of runs, and what they show."""
    page = ui.find_page()
    st.markdown("## What holds over many images?")
    studied = choose(page)
    if not find_runs()[0]:
        show_empty()
    elif studied:
        show_facts(studied)
        for show in PARTS:
            show(page, studied)
    show_sidebar()
