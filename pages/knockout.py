"""Knock-out: silence neurons and channels, or keep only them, and see what the network then says."""

import streamlit as st

from explorer.compute.scene import Scene
from explorer.plots.words import plain
from explorer.ui import controls
from explorer.views import sidebar
from explorer.views.knockout import show_before_and_after, show_tools


def main() -> None:
    subject = sidebar.find_subject()
    if subject.scene:
        show_knockout(subject.scene)
    sidebar.show_sidebar(subject)


def show_knockout(scene: Scene) -> None:
    target = plain(scene.network.class_names[scene.target])
    st.markdown(f"## What does the network say of *{target}* without them?")
    controls.site(scene.network)
    show_tools(scene)
    show_before_and_after(scene)


main()
