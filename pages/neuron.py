"""Neuron: one neuron of the network, what it sees, what feeds it, and what it feeds."""

import streamlit as st

from explorer.compute.scene import Scene
from explorer.plots.words import plain
from explorer.ui import controls
from explorer.views import sidebar
from explorer.views.knockout import offer_silencing
from explorer.views.neuron.connections import show_connections
from explorer.views.neuron.neuron import chosen_neuron, show_excitement, show_pictures, show_places


def main() -> None:
    subject = sidebar.find_subject()
    if subject.scene:
        show_neuron(subject.scene)
    sidebar.show_sidebar(subject)


def show_neuron(scene: Scene) -> None:
    neuron = chosen_neuron(scene)
    target = plain(scene.network.class_names[scene.target])
    st.markdown(f"## What does this neuron do for *{target}*?")
    with st.container(key="which"):
        controls.neuron(scene.network, neuron)
    show_pictures(scene, neuron)
    offer_silencing(scene, neuron)
    show_connections(scene, neuron)
    show_places(scene, neuron)
    show_excitement(scene, neuron)


main()
