"""The strongest edges into one neuron or channel, and out of it, within a pathway; each leads to its other end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.flow import BIAS, IMAGE, LOGIT, Edges, link
from core.pathways.ranking import Off
from core.progress import Progress
from explorer import ui
from explorer.compute import Scene, Scored, Task
from explorer.plots import number, percent
from explorer.state import Neuron
from explorer.views.columns import submit_scores

__all__ = ["Connection", "Connections", "show_connections"]

STRONGEST = 12
NAMES = {IMAGE: "the image", LOGIT: "the logit", BIAS: "biases"}


@dataclass(frozen=True)
class Connection:
    """One edge of a neuron, or of a channel together.

    Attributes:
        node: the other end's site, or IMAGE, LOGIT or BIAS.
        position: flat, at its site; 0 elsewhere.
        edge, flow: see ``core.flow``.
    """

    node: int
    position: int
    edge: float
    flow: float


@dataclass(frozen=True)
class Connections:
    """Return the strongest edges on both sides, largest flow first, then those that end at no site.

    Attributes:
        incoming, outgoing: from the sites straight before, and to those straight after.
        given, passed: sums over all edges of each side: of what comes in, and of the flow that goes out.
    """

    incoming: tuple[Connection, ...]
    outgoing: tuple[Connection, ...]
    given: float
    passed: float


def _connections_task(
    scene: Scene, scored: Scored, sparsity: float, off: Off, neuron: Neuron, whole: bool
) -> Task[Connections]:
    """Return what finds them; some five passes."""
    key = ("connections", scene.target, scored.key, scored.size(sparsity), off, neuron, whole)

    def work(progress: Progress) -> Connections:
        links = link(scene.network, scene.image, scene.target, scored.pathway(sparsity), off=off)
        progress(1, 2, "the pathway's own run")
        site = neuron[0]
        if whole:
            channel = scene.network.sites[site].place(neuron[1])[0]
            incoming, outgoing = links.incoming_channel(site, channel), links.outgoing_channel(site, channel)
        else:
            incoming, outgoing = links.incoming(*neuron), links.outgoing(*neuron)
        given = sum(float(edges.values.sum()) for edges in incoming)
        passed = sum(float(edges.flow.sum()) for edges in outgoing)
        return Connections(_strongest(incoming), _strongest(outgoing), given, passed)

    return Task(key, "edges of a neuron", work)


def _strongest(sides: Sequence[Edges]) -> tuple[Connection, ...]:
    found: list[Connection] = []
    others: list[Connection] = []
    for edges in sides:
        values, flow = edges.values.flatten(), edges.flow.flatten()
        if edges.node < 0:
            others.append(Connection(edges.node, 0, float(values), float(flow)))
            continue
        by = flow if flow.any() else values
        best = by.abs().topk(min(STRONGEST, len(by))).indices.tolist()
        found += [Connection(edges.node, i, float(values[i]), float(flow[i])) for i in best if values[i]]
    found.sort(key=lambda c: (-abs(c.flow), -abs(c.edge)))
    return (*found[:STRONGEST], *others)


def show_connections(page: ui.SceneContext, neuron: Neuron) -> None:
    """Show both sides within the first method's pathway; a selected row leads to that neuron."""
    view = page.view
    strategy = view.strategy(view.first)
    st.markdown("## What feeds it, and what it feeds")
    scored = submit_scores(page.scene, strategy).result
    if scored is None:
        st.info(f"Edges run within {strategy.title}'s pathway, whose ranking is still in line.")
        return
    ticket = ui.submit(_connections_task(page.scene, scored, view.sparsity, view.off, neuron, view.whole))
    if ticket.result is None:
        ui.show_progress(ticket, "connections")
        return
    found = ticket.result
    st.caption(
        f"Within {strategy.title}'s pathway at {percent(view.sparsity)}, off the pathway {ui.held(view.off)}. An "
        "edge is what one neuron gives to the other's pre-activation, a · ∂z/∂a; its flow is that times ∂F/∂z, what of "
        "it reaches the target's logit."
    )
    with st.container(key="charts_connections"):
        left, right = st.columns(2)
        with left:
            _show_side(page, scored, "Feeds it", found.incoming, f"In all {number(found.given)} to the pre-activation")
        with right:
            _show_side(page, scored, "It feeds", found.outgoing, f"In all {number(found.passed)} of flow to the logit")


def _show_side(page: ui.SceneContext, scored: Scored, title: str, side: Sequence[Connection], total: str) -> None:
    st.html(ui.panel_title(title, total))
    sites = [connection for connection in side if connection.node >= 0]
    others = {NAMES[c.node]: f"{number(c.edge)}, flow {number(c.flow)}" for c in side if c.node < 0}
    if not sites:
        st.info("No neuron at a site: it is off the pathway, dead, or at the network's edge.")
    rows = [_row(page.scene, connection) for connection in sites]
    key = f"connections_{title}_{hash((tuple(side), ui.session.looks()))}"

    def selected() -> None:
        picked = st.session_state[key].selection.rows
        if picked:
            there = sites[picked[0]]
            ui.session.select((there.node, there.position), whole=False)

    if rows:
        shown = {name: st.column_config.NumberColumn(format="%.3g") for name in ("edge", "flow")}
        st.dataframe(
            pd.DataFrame(rows),
            key=key,
            on_select=selected,
            selection_mode="single-row",
            hide_index=True,
            column_config=shown,
            alt=f"{title}: strongest {rows[0]['site']}, channel {rows[0]['channel']}.",
        )
    if others:
        st.html(ui.facts(others))
    made_from = page.made_from(scored) | {"neuron": list(page.view.neuron or ())}
    rest = [{"site": NAMES[c.node], "edge": c.edge, "flow": c.flow} for c in side if c.node < 0]
    full = [dict.fromkeys(("site", "channel", "row", "column", "edge", "flow")) | row for row in (*rows, *rest)]
    ui.offer_csv(lambda: full, made_from.about(title), f"connections_{title}")


def _row(scene: Scene, connection: Connection) -> dict[str, object]:
    site = scene.network.sites[connection.node]
    channel, row, column = site.place(connection.position)
    return {
        "site": site.name,
        "channel": channel,
        "row": row,
        "column": column,
        "edge": connection.edge,
        "flow": connection.flow,
    }
