"""Linearity: how far around the photo a pathway is affine, and what happens beyond."""

import streamlit as st

from explorer.compute.scene import Scene
from explorer.plots.words import plain
from explorer.ui import controls, session, strategy_controls
from explorer.views import sidebar
from explorer.views.columns import Column, submit_columns
from explorer.views.linearity import show_line, show_over_sparsity, show_radii


def main() -> None:
    subject = sidebar.find_subject()
    columns = show_strategies(subject.scene) if subject.scene else []
    sidebar.show_sidebar(subject)
    if subject.scene:
        show_radii(subject.scene, columns)
        show_line(subject.scene, columns)
        show_over_sparsity(subject.scene, columns)


def show_strategies(scene: Scene) -> list[Column]:
    target = plain(scene.network.class_names[scene.target])
    st.markdown(f"## How far around the photo is *{target}* a linear matter?")
    count = len(session.view().columns)
    with st.container(key="methods"):
        for place, panel in zip(range(count), st.columns(max(4, count)), strict=False):
            with panel:
                strategy_controls.column(place)
    columns = submit_columns(scene, session.view().columns)
    strategy_controls.more_columns()
    controls.sparsity()
    controls.restriction()
    return columns


main()
