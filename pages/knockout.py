"""Knock-out: silence neurons and channels, or keep only them, and see what the network then says."""

import streamlit as st

from explorer.compute.answers import Scene
from explorer.plots.words import plain
from explorer.ui import widgets
from explorer.views import sources
from explorer.views.silencing import show_before_and_after, show_tools


def main() -> None:
    subject = sources.find_subject()
    if subject.scene:
        show_knockout(subject.scene)
    sources.sidebar(subject)


def show_knockout(scene: Scene) -> None:
    target = plain(scene.network.class_names[scene.target])
    st.markdown(f"## What does the network say of *{target}* without them?")
    widgets.site(scene.network)
    show_tools(scene)
    show_before_and_after(scene)


main()
