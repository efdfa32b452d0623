"""Neuron: one neuron of the network, what it sees, what feeds it, and what it feeds."""

import streamlit as st

from explorer.compute.answers import Scene
from explorer.plots.words import plain
from explorer.ui import widgets
from explorer.views import sources
from explorer.views.neuron.connections import show_connections
from explorer.views.neuron.one_neuron import chosen_neuron, show_excitement, show_pictures, show_places
from explorer.views.silencing import offer_silencing


def main() -> None:
    subject = sources.find_subject()
    if subject.scene:
        show_neuron(subject.scene)
    sources.sidebar(subject)


def show_neuron(scene: Scene) -> None:
    neuron = chosen_neuron(scene)
    target = plain(scene.network.class_names[scene.target])
    st.markdown(f"## What does this neuron do for *{target}*?")
    with st.container(key="which"):
        widgets.neuron(scene.network, neuron)
    show_pictures(scene, neuron)
    offer_silencing(scene, neuron)
    show_connections(scene, neuron)
    show_places(scene, neuron)
    show_excitement(scene, neuron)


main()
