"""Explore: one photo, one network, one pathway beside another."""

import streamlit as st

from explorer.compute.scene import Scene
from explorer.plots.words import plain
from explorer.report.report import offer_report
from explorer.ui import captions, controls, fields, markup, session, strategy_controls
from explorer.ui.render_slots import TURNS
from explorer.views import sidebar
from explorer.views.columns import Column, submit_columns
from explorer.views.explore.layers import show_layers
from explorer.views.explore.neurons import show_neurons
from explorer.views.explore.scrub import show_scrub
from explorer.views.panels import show_panels


def main() -> None:
    # What the slider changes is drawn first, for everybody who waits; the sidebar, which it does not change, after it.
    subject = sidebar.find_subject()
    columns = show_pathways(subject.scene) if subject.scene else []
    TURNS.let_others()
    sidebar.show_sidebar(subject, show_options)
    if subject.scene:
        ready = [column for column in columns if column.selection]
        show_layers(subject.scene, ready)
        show_neurons(subject.scene, ready)


def show_pathways(scene: Scene) -> list[Column]:
    st.markdown(f"## Which neurons carry *{plain(scene.network.class_names[scene.target])}*?")
    with st.container(key="methods"):
        strategy_controls.methods()
    view = session.view()
    columns = submit_columns(scene, [view.strategy(method) for method in (view.first, view.second)])
    with st.container(key="sparsity", horizontal=True):
        with st.container():
            show_sparsity(columns)
        st.toggle("Live scrub", help="Redraws the maps while you drag.", **fields.field("scrub"))
    if view.scrub:
        show_scrub(scene, columns)
    controls.how_shown()
    show_panels(scene, columns)
    offer_report(scene, columns)
    return columns


def show_options() -> None:
    with st.expander("Options of the methods"):
        strategy_controls.option_controls()


def show_sparsity(columns: list[Column]) -> None:
    controls.sparsity()
    for column in columns:
        if column.scored and column.scored.ranking.runs_out > 0.005:
            st.html(markup.runs_out(*captions.runs_out(column.title, column.scored.ranking), column.colour))


main()
