"""Decode: what a pathway encodes, painted: the image that it answers to most."""

import streamlit as st

from explorer.compute.answers import Scene
from explorer.plots.words import plain
from explorer.views import sources
from explorer.views.decoded import choose_painting, show_neurons, show_pathways


def main() -> None:
    subject = sources.find_subject()
    if subject.scene:
        show_paintings(subject.scene)
    sources.sidebar(subject)


def show_paintings(scene: Scene) -> None:
    st.markdown(f"## What would each pathway like to see as *{plain(scene.network.class_names[scene.target])}*?")
    choose_painting()
    show_pathways(scene)
    show_neurons(scene)


main()
