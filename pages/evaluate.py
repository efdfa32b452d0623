"""Evaluate: is the pathway gradient right? It beside other attributions, measured in five ways."""

import streamlit as st

from explorer.compute.scene import Scene
from explorer.plots.words import plain
from explorer.ui import controls
from explorer.views import sidebar
from explorer.views.evaluate.attributions import Attributed, submit_attributions
from explorer.views.evaluate.gallery import choose_attributions, choose_map, show_gallery
from explorer.views.evaluate.measures import show_degradation, show_localisation, show_sensitivity
from explorer.views.evaluate.paper import show_printed
from explorer.views.evaluate.sanity import show_sanity


def main() -> None:
    subject = sidebar.find_subject()
    attributed = show_attributions(subject.scene) if subject.scene else []
    sidebar.show_sidebar(subject)
    if subject.scene:
        show_degradation(subject.scene, attributed)
        show_localisation(subject.scene, subject.photo, attributed)
        show_sensitivity(subject.scene, attributed)
        show_sanity(subject.scene, attributed)
        show_printed(subject.scene, attributed)


def show_attributions(scene: Scene) -> list[Attributed]:
    st.markdown(f"## Which attribution of *{plain(scene.network.class_names[scene.target])}* holds up?")
    choose_attributions()
    choose_map(scene.network)
    attributed = submit_attributions(scene)
    if any(each.detail.startswith("pathway") for each in attributed):
        controls.sparsity()
    controls.how_shown()
    show_gallery(scene, attributed)
    return attributed


main()
