"""Studies: the paper's experiments over many images, as they came out here, with the paper's own numbers beside."""

import streamlit as st

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

PARTS = (
    *(show_facts, show_overlaps, show_dead, show_sites, show_fidelity, show_degradation, show_sensitivity),
    *(show_classes, show_differences, show_images, show_radii, show_roar),
)


def main() -> None:
    st.markdown("## What holds over many images?")
    studied = choose()
    if not find_runs()[0]:
        show_empty()
    elif studied:
        for show in PARTS:
            show(studied)
    show_sidebar()


main()
