"""Neuron: one neuron of the network, what it sees, what feeds it, and what it feeds."""

import streamlit as st

from explorer import sources, widgets
from explorer.answers import Scene
from explorer.connections import show_connections
from explorer.one_neuron import chosen_neuron, show_excitement, show_pictures, show_places
from explorer.silencing import offer_silencing
from explorer.words import plain


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
