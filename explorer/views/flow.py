"""The Flow page: the graph of a pathway, the channel selected in it, and its links as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from explorer import ui
from explorer.compute import IMAGE, LOGIT, Edge, Flow, Place, Scene
from explorer.compute import flow as flows
from explorer.plots import Kind, Link, Node, duration, figures, flow_graph, number, palette, percent
from explorer.plots.flow_graph import Group
from explorer.views.columns import Column, made_from_all, selections, show_waiting, submit_columns

__all__ = ["picked", "show_flow"]

ENDS = {IMAGE: "the image", LOGIT: "the logit"}


def show_flow(page: ui.SceneContext) -> None:
    """Show the first method's pathway as a graph, once its ranking and the flow through it are there."""
    st.markdown(f"## How does *{page.target}* come together?")
    with st.container(key="methods"):
        ui.strategy_controls.methods()
    ui.controls.sparsity()
    ui.controls.restriction()
    scene, view = page.scene, page.view
    first, second = submit_columns(page, [view.strategy(method) for method in (view.first, view.second)])
    if first.scored is None:
        st.info(f"The graph is drawn within {first.strategy.title}'s pathway, whose ranking is still in line.")
        show_waiting(scene, first)
        return
    ticket = ui.submit_at("flow", flows.flow_task(scene, first.scored, view.sparsity, view.off))
    ui.show_progress_at("flow", ticket)
    if ticket.result is not None:
        _show_graph(page, ticket.result, [first, second])
    if second.selection is None:
        st.caption(f"Which of these neurons {second.strategy.title} keeps too is not known yet.")
        show_waiting(scene, second)


def _show_graph(page: ui.SceneContext, flow: Flow, columns: list[Column]) -> None:
    """Show the graph, the selected channel, what the flows sum to, and every link drawn as a table."""
    neuron = page.view.neuron
    selected = flow.place(neuron) if neuron else None
    edges = flow.strongest(selected)
    groups, kinds = _nodes(page, flow, columns)
    links = [Link(e.start, e.end, e.flow, _edge_words(page.scene, flow, e)) for e in edges]
    photo = figures.data_url(figures.jpeg(page.scene.picture.resize((96, 96)), 90))
    figure = flow_graph.flow_graph(groups, links, kinds, selected=selected, photo=photo, theme=page.theme)
    st.caption(_reading(page, columns, flow, edges))
    there = {node.kind for group in groups for node in group.nodes}
    st.html(flow_graph.legend([each for index, each in enumerate(kinds) if index in there], page.theme))
    width = flow_graph.least_width(groups)
    st.html(f"<style>.st-key-flow_graph > * {{ min-width: {width}px; }}</style>")

    def clicked() -> None:
        _select(flow, picked(st.session_state["flow"].selection.points))

    with st.container(key="flow_graph"):
        alt = _said(page.scene, flow, edges)
        st.plotly_chart(figure, key="flow", on_select=clicked, selection_mode="points", config=ui.CALM, alt=alt)
    with st.container(key="charts_flow"):
        left, right = st.columns([1.1, 1])
        with left:
            _show_selected(page, flow, columns, selected)
        with right:
            _show_sums(page.scene, flow)
    _show_table(page, flow, columns, edges)


def picked(points: Sequence[Any]) -> Place | None:
    """Return the node that was clicked, None where it was none."""
    places = [point["customdata"] for point in points if point.get("customdata")]
    return (int(places[0][0]), int(places[0][1])) if places else None


def _select(flow: Flow, place: Place | None) -> None:
    """Select the channel of a node everywhere, from a callback; other nodes are none."""
    neuron = flow.neuron(place) if place else None
    if neuron:
        ui.session.select(neuron, whole=True)


def _nodes(page: ui.SceneContext, flow: Flow, columns: list[Column]) -> tuple[list[Group], list[Kind]]:
    """Return the graph's nodes by site, and what kinds of them there are."""
    theme = page.theme
    first, second = (column.strategy.title for column in columns)
    grey, compared = theme.quiet, columns[1].selection is not None
    kinds = [
        Kind(f"kept mostly by {first} alone" if compared else f"kept by {first}", columns[0].colour, "circle"),
        Kind("kept mostly by both", theme.ink, "diamond"),
        Kind(f"kept mostly by {second} alone", columns[1].colour, "square"),
        Kind("no neuron kept", palette.FAINT, "circle-open"),
        Kind("all other channels of the site", grey, "hexagon2"),
        Kind("image and logit", theme.ink, "star"),
    ]
    counts = flows.kept(flow, selections(columns), page.view.sparsity)
    groups = [Group(IMAGE, "image", 0, [Node("", f"the image gives {number(flow.passed((IMAGE, 0)))}", 5)])]
    for site, own in zip(page.network.sites, flow.channels, strict=True):
        there = [
            Node(
                _node_text(flow, (site.index, n)),
                _node_words(page, flow, columns, (site.index, n)),
                _kind(c, n, len(own)),
            )
            for n, c in enumerate(counts[site.index])
        ]
        groups.append(Group(site.index, site.name, flow.depths[site.index], there))
    name = page.network.class_names[page.scene.target]
    last = Node("", f"logit of {escape(name)}: {number(flow.response)}", 5)
    return [*groups, Group(LOGIT, f"{name}\n{number(flow.response)}", 1 + max(flow.depths), [last])], kinds


def _kind(counts: np.ndarray, n: int, channels: int) -> int:
    """Return which kind a node is, from how many neurons it keeps by the first only, by both, by the second only."""
    if n == channels:
        return 4
    return int(counts.argmax()) if counts.any() else 3


def _node_text(flow: Flow, place: Place) -> str:
    site, n = place
    return str(flow.channels[site][n]) if n < len(flow.channels[site]) else f"+{flow.others(site)}"


def _node_name(scene: Scene, flow: Flow, place: Place) -> str:
    site, n = place
    if site < 0:
        return ENDS[site]
    own = flow.channels[site]
    return f"{scene.network.sites[site].name} {f'channel {own[n]}' if n < len(own) else 'others'}"


def _kept_words(page: ui.PageContext, flow: Flow, columns: list[Column], place: Place) -> str:
    """Return how many of a node's neurons are on which pathway."""
    only, both, other = flows.kept(flow, selections(columns), page.view.sparsity)[place[0]][place[1]].tolist()
    first, second = (column.strategy.title for column in columns)
    if columns[1].selection is None:
        return f"{number(only)} kept by {first}"
    return f"{number(only)} kept only by {first}, {number(both)} by both, {number(other)} only by {second}"


def _node_words(page: ui.SceneContext, flow: Flow, columns: list[Column], place: Place) -> str:
    site, n = place
    _, height, width = flow.planes[site]
    name = escape(_node_name(page.scene, flow, place))
    of = height * width * (1 if n < len(flow.channels[site]) else flow.others(site))
    what = f" ({flow.others(site)} channels)" if n == len(flow.channels[site]) else ""
    return (
        f"<b>{name}</b>{what}<br>gets {number(flow.given(place))}, gives {number(flow.passed(place))}<br>"
        f"of {number(of)} neurons {escape(_kept_words(page, flow, columns, place))}"
    )


def _edge_words(scene: Scene, flow: Flow, edge: Edge) -> str:
    start, end = (escape(_node_name(scene, flow, place)) for place in (edge.start, edge.end))
    return f"{start} →<br>{end}<br>flow {number(edge.flow)}, {percent(edge.share)} of all between the two sites"


def _reading(page: ui.PageContext, columns: list[Column], flow: Flow, edges: list[Edge]) -> str:
    """Return how to read the graph, and what it leaves out."""
    view, left = page.view, len(flow.edges) - len(edges)
    lost = 1 - sum(abs(e.flow) for e in edges) / (sum(abs(e.flow) for e in flow.edges) or 1.0)
    chosen = ", and all of the selected node" if view.neuron else ""
    text = (
        f"{columns[0].strategy.title}'s pathway at {percent(view.sparsity)}, off the pathway {ui.held(view.off)}."
        " Each column of nodes is a site, with its strongest channels from the top down, by Σ |a · ∂F/∂a| over "
        "positions in the restricted network; the hexagon is all its others together. A link is as wide as what flows, "
        f"a · ∂z/∂a · ∂F/∂z summed over positions. {len(edges)} links are drawn: of any two sites equally many, the "
        f"strongest{chosen}; {number(left)} weaker ones, with {percent(lost)} of all absolute flow, are not. Click a "
        "node to select it."
    )
    return text + (" Frozen neurons give what they hold, and get nothing." if view.off == "frozen" else "")


def _said(scene: Scene, flow: Flow, edges: list[Edge]) -> str:
    """Return the graph in words."""
    strongest = "; ".join(
        f"{_node_name(scene, flow, e.start)} to {_node_name(scene, flow, e.end)} {number(e.flow)}" for e in edges[:3]
    )
    negative = sum(e.flow < 0 for e in edges)
    return (
        f"Graph of flow over {len(flow.channels)} sites from the image to the logit, {len(edges)} links of which "
        f"{negative} lower the logit. Strongest: {strongest}. Flow into the logit {number(flow.given((LOGIT, 0)))}."
    )


def _show_selected(page: ui.SceneContext, flow: Flow, columns: list[Column], selected: Place | None) -> None:
    """Show the choice of a channel, for people who do not click, and the numbers of the selected one."""
    places = [(site, n) for site, own in enumerate(flow.channels) for n in range(len(own))]
    labels = {place: f"{place[0]} · {_node_name(page.scene, flow, place)}" for place in places}
    key = f"flow_channel_{hash(flow.channels)}"  # its labels are this graph's
    shown = ui.settle(key, selected if selected in places else None)
    st.selectbox(
        "Selected channel",
        places,
        index=None if shown is None else places.index(shown),
        format_func=labels.__getitem__,
        key=key,
        placeholder="None yet: click a node, or choose here",
        on_change=lambda: _select(flow, st.session_state[key]),
    )
    if selected is None:
        return
    if selected not in places:
        st.info(f"The selected neuron's channel is one of the {_node_name(page.scene, flow, selected)}.")
    st.html(
        ui.facts(
            {
                "Gets from the sites before": number(flow.given(selected)),
                "Gives to the sites after": number(flow.passed(selected)),
                "Its neurons": _kept_words(page, flow, columns, selected),
            }
        )
    )
    ui.link("neuron", "Open it on the Neuron page")


def _show_sums(scene: Scene, flow: Flow) -> None:
    """Show that flow is conserved: the flow into the logit and from biases sums to the response."""
    st.html(
        ui.facts(
            {
                "Flow into the logit, all links": _exact(flow.given((LOGIT, 0))),
                "What biases bring to the logit": _exact(flow.from_biases),
                "Together: the pathway's response": _exact(flow.response),
                "Flow out of the image": _exact(flow.passed((IMAGE, 0))),
            }
        )
        + ui.made_from({"network": scene.network.name, "graph in": duration(flow.seconds)})
    )
    st.caption(
        "Nothing is lost: the flow into the logit is the response minus what biases bring there. On the way, what "
        "comes into a channel and what leaves it differ by what its biases bring, which is not drawn."
    )


def _exact(value: float) -> str:
    """Return a sum with as many digits as are accurate; a sum that rounds to zero has no sign."""
    return f"{round(value, 4) + 0.0:.4f}"


def _show_table(page: ui.SceneContext, flow: Flow, columns: list[Column], edges: list[Edge]) -> None:
    """List the links that are drawn; a selected row selects its channel."""
    rows = [_row(page.scene, flow, edge) for edge in edges]
    key = f"flow_edges_{hash((tuple(edges), ui.session.looks()))}"

    def chosen() -> None:
        at = st.session_state[key].selection.rows
        if at:
            edge = edges[at[0]]
            _select(flow, edge.start if flow.neuron(edge.start) else edge.end)

    st.markdown("### Every link drawn")
    st.caption(
        "A selected row selects the channel it comes from, or else the one it goes to; one between others selects none."
    )
    shown = {
        "flow": st.column_config.NumberColumn(format="%.4g"),
        "share": st.column_config.NumberColumn(format="percent", help="Of all absolute flow between the two sites."),
    }
    if rows:
        st.dataframe(
            pd.DataFrame(rows),
            key=key,
            on_select=chosen,
            selection_mode="single-row",
            hide_index=True,
            column_config=shown,
            height=320,
            alt=f"{len(rows)} links; {_said(page.scene, flow, edges)}",
        )
    made_from = made_from_all(page, columns) | {"response": flow.response, "from_biases": flow.from_biases}
    ui.offer_csv(lambda: rows, made_from.about("flow"), "flow")


def _row(scene: Scene, flow: Flow, edge: Edge) -> dict[str, object]:
    start, end = (_ends(scene, flow, place) for place in (edge.start, edge.end))
    return {
        "from site": start[0],
        "from channel": start[1],
        "to site": end[0],
        "to channel": end[1],
        "flow": edge.flow,
        "share": edge.share,
    }


def _ends(scene: Scene, flow: Flow, place: Place) -> tuple[str, str]:
    """Return the site and the channel of a node as a table has them."""
    site, n = place
    if site < 0:
        return ENDS[site].removeprefix("the "), ""
    own = flow.channels[site]
    return scene.network.sites[site].name, str(own[n]) if n < len(own) else f"{flow.others(site)} others"
