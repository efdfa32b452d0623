"""Explore: one photo, one network, one pathway beside another."""

import streamlit as st
from PIL import Image

from core.network import Network
from explorer import compute, markup, session, sources, widgets
from explorer.columns import Column, find_column
from explorer.compute import Scene
from explorer.layers import show_layers
from explorer.neurons import show_neurons
from explorer.panels import show_panels
from explorer.view import SPARSITIES
from explorer.words import percent, plain


def main() -> None:
    # What the slider changes is drawn first; the sidebar, which it does not change, after it.
    network = sources.find_network()
    photo = session.pictures()[session.view().image]()
    if network:
        session.fit(network)
    view = session.view()
    scene = compute.scene(network, photo, view.crop, view.target) if network else None
    columns = show_pathways(scene) if scene else []
    with st.sidebar:
        show_sources(network, photo, scene)
    if scene:
        ready = [column for column in columns if column.scored]
        show_layers(scene, ready)
        show_neurons(scene, ready)


def show_pathways(scene: Scene) -> list[Column]:
    st.markdown(f"## Which neurons carry *{plain(scene.network.class_names[scene.target])}*?")
    with st.container(key="methods"):
        widgets.methods()
    view = session.view()
    columns = [find_column(scene, method) for method in (view.first, view.second)]
    show_sparsity(columns)
    opacity = "" if view.opacity == 100 else f" · {view.opacity} % over the photo"
    shown = f"off the pathway: {view.off} · {view.style} · {view.scale} scale{opacity}"
    with st.expander(f"How it is shown – {shown}", key="shown"):
        left, right = st.columns([1, 2.6])
        with left:
            widgets.restriction()
        with right:
            widgets.maps()
    show_panels(scene, columns)
    return columns


def show_sources(network: Network | None, photo: Image.Image, scene: Scene | None) -> None:
    sources.network()
    sources.photo()
    if network:
        sources.crop(network, photo)
    if scene:
        sources.target(scene)
        with st.expander("Options of the methods"):
            widgets.option_controls()
    left, right = st.columns(2)
    with left:
        widgets.reset()
    with right:
        widgets.copy_link()


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
