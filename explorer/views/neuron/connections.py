"""The strongest edges into one neuron or channel, and out of it, within a pathway; each leads to its other end."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.flow import BIAS, IMAGE, LOGIT
from explorer import ui
from explorer.compute import Connection, Scene, Scored, connections_task
from explorer.plots import number, percent
from explorer.state import Neuron
from explorer.views.columns import submit_scores

__all__ = ["show_connections"]

NAMES = {IMAGE: "the image", LOGIT: "the logit", BIAS: "biases"}


def show_connections(page: ui.SceneContext, neuron: Neuron) -> None:
    """Show both sides within the first method's pathway; a selected row leads to that neuron."""
    view = page.view
    strategy = view.strategy(view.first)
    st.markdown("## What feeds it, and what it feeds")
    scored = submit_scores(page.scene, strategy).result
    if scored is None:
        st.info(f"Edges run within {strategy.title}'s pathway, whose ranking is still in line.")
        return
    ticket = ui.submit(connections_task(page.scene, scored, view.sparsity, view.off, neuron, view.whole))
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
