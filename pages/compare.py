"""Compare: two to six selection strategies on one photo, side by side."""

import streamlit as st

from explorer.compute.scene import Scene
from explorer.plots.words import plain
from explorer.ui import controls, session
from explorer.views import sidebar
from explorer.views.columns import Column, submit_columns
from explorer.views.compare.agreement import show_dead, show_overlaps
from explorer.views.compare.grid import show_answer_to_preset, show_grid, show_presets
from explorer.views.compare.pair import show_pair
from explorer.views.compare.paper import show_paper
from explorer.views.compare.survival import show_fidelity, show_strip


def main() -> None:
    subject = sidebar.find_subject()
    columns = show_strategies(subject.scene) if subject.scene else []
    sidebar.show_sidebar(subject)
    if subject.scene:
        show_overlaps(subject.scene, columns)
        show_pair(subject.scene, columns)
        show_dead(subject.scene, columns)
        show_fidelity(subject.scene, columns)
        show_strip(subject.scene, columns)
        show_paper(subject.scene, columns)


def show_strategies(scene: Scene) -> list[Column]:
    st.markdown(f"## Do strategies agree on what carries *{plain(scene.network.class_names[scene.target])}*?")
    show_presets()
    columns = submit_columns(scene, session.view().columns)
    controls.sparsity()
    controls.how_shown()
    show_answer_to_preset(scene, columns)
    show_grid(scene, columns)
    return columns


main()
