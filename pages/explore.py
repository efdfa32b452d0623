"""Explore: one photo, one network, one pathway beside another."""

from dataclasses import replace

import streamlit as st
from PIL import Image

from core.errors import PathwayError
from explorer import compute, markup, session, sources, widgets
from explorer.columns import Column, find_column
from explorer.compute import Scene
from explorer.layers import show_layers
from explorer.neurons import show_neurons
from explorer.panels import show_panels
from explorer.view import SPARSITIES
from explorer.words import percent, plain


def main() -> None:
    with st.sidebar:
        sources.network()
    network = sources.find_network()
    if network is None:
        return
    photo = session.pictures()[session.view().image]()
    with st.sidebar:
        sources.photo()
        sources.crop(network, photo)
    scene = find_scene(photo)
    if scene is None:
        return
    with st.sidebar:
        sources.target(scene)
        with st.expander("Options of the methods"):
            widgets.option_controls()
        left, right = st.columns(2)
        with left:
            widgets.reset()
        with right:
            widgets.copy_link()
    st.markdown(f"## Which neurons carry *{plain(scene.network.class_names[scene.target])}*?")
    widgets.methods()
    controls = st.container()
    columns = [find_column(scene, method) for method in (session.view().first, session.view().second)]
    with controls:
        show_sparsity(columns)
    view = session.view()
    opacity = "" if view.opacity == 100 else f" · {view.opacity} % over the photo"
    shown = f"off the pathway: {view.off} · {view.style} · {view.scale} scale{opacity}"
    with st.expander(f"How it is shown – {shown}", key="shown"):
        left, right = st.columns([1, 2.6])
        with left:
            widgets.restriction()
        with right:
            widgets.maps()
    show_panels(scene, columns)
    ready = [column for column in columns if column.scored]
    show_layers(scene, ready)
    show_neurons(scene, ready)


def find_scene(photo: Image.Image) -> Scene | None:
    view = session.view()
    network = session.network(view.network)
    try:
        return compute.scene(network, photo, view.crop, view.target)
    except PathwayError:
        st.error(f"{network.name} has the classes 0 to {network.classes - 1}; the link asks for class {view.target}.")
        st.button("Explain the predicted class", on_click=lambda: session.change(lambda v: replace(v, target=None)))
        return None


def show_sparsity(columns: list[Column]) -> None:
    widgets.sparsity()
    first = columns[0].scored
    least = first.ranking.least_sparsity if first else 0.0
    if least > 0.005:
        stops = [stop for stop in SPARSITIES if stop < least]
        share = min(1.0, len(stops) / (len(SPARSITIES) - 1))
        text = f"{first.method} begins to act at {percent(least)}: so many of its neurons score 0" if first else ""
        st.html(markup.inert_zone(share, text))


main()
