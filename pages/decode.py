"""Decode: what a pathway encodes, painted: the image that it answers to most."""

import streamlit as st

from explorer.compute.scene import Scene
from explorer.plots.words import plain
from explorer.views import sidebar
from explorer.views.decode import choose_painting, show_neurons, show_pathways


def main() -> None:
    subject = sidebar.find_subject()
    if subject.scene:
        show_paintings(subject.scene)
    sidebar.show_sidebar(subject)


def show_paintings(scene: Scene) -> None:
    st.markdown(f"## What would each pathway like to see as *{plain(scene.network.class_names[scene.target])}*?")
    choose_painting()
    show_pathways(scene)
    show_neurons(scene)


main()
