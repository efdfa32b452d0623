"""Flow: the first method's pathway as a graph, from the image over the strongest channels to the logit."""

import streamlit as st

from explorer.compute import flow as flows
from explorer.compute.scene import Scene
from explorer.plots.words import plain
from explorer.ui import controls, session, strategy_controls
from explorer.ui.progress import show_progress_at, submit_at
from explorer.views import sidebar
from explorer.views.columns import show_waiting, submit_columns
from explorer.views.flow import show_graph


def main() -> None:
    subject = sidebar.find_subject()
    if subject.scene:
        show_flow(subject.scene)
    sidebar.show_sidebar(subject, show_options)


def show_options() -> None:
    with st.expander("Options of the methods"):
        strategy_controls.option_controls()


def show_flow(scene: Scene) -> None:
    st.markdown(f"## How does *{plain(scene.network.class_names[scene.target])}* come together?")
    with st.container(key="methods"):
        strategy_controls.methods()
    controls.sparsity()
    controls.restriction()
    view = session.view()
    first, second = submit_columns(scene, [view.strategy(method) for method in (view.first, view.second)])
    if first.scored is None:
        st.info(f"The graph is drawn within {first.strategy.title}'s pathway, whose ranking is still in line.")
        show_waiting(scene, first)
        return
    ticket = submit_at("flow", flows.flow_task(scene, first.scored, view.sparsity, view.off))
    show_progress_at("flow", ticket)
    if ticket.result is not None:
        show_graph(scene, ticket.result, [first, second])
    if second.selection is None:
        st.caption(f"Which of these neurons {second.strategy.title} keeps too is not known yet.")
        show_waiting(scene, second)


main()
