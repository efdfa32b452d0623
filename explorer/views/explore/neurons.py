"""The ranking of neurons, and the photo with the receptive field of the selected one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from explorer import ui
from explorer.compute import NeuronRow, Scene, Scored, cache, neurons
from explorer.plots import figures, number, position_name
from explorer.views.columns import Column

__all__ = ["show_neurons"]

TOP_NEURONS = 200


def show_neurons(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show the first method's ranking beside the photo with what the selected neuron sees."""
    st.markdown("## Which neurons rank first")
    scored = [column.scored for column in columns if column.scored]
    if not scored:
        return
    view = page.view
    ui.controls.ranking_scope()
    site = view.site_in(page.network) if view.only_site else None
    rows = cache.RESULTS.get(  # no sparsity changes them
        ("top neurons", page.scene.key, tuple(each.key for each in scored), site),
        lambda: neurons.top_neurons(page.scene, scored[0], scored[1:], site, TOP_NEURONS),
    )
    with st.container(key="neurons"):
        table, picture = st.columns([2.4, 1])
        with table:
            _show_table(page, scored, rows)
        with picture:
            _show_neuron(page, scored)


def _show_table(page: ui.SceneContext, scored: list[Scored], rows: list[NeuronRow]) -> None:
    if not rows:
        st.info(f"{scored[0].name} gives no neuron here a score above 0.")
        return
    records = [_record(page.scene, scored, row) for row in rows]
    view = page.view
    chosen = [i for i, row in enumerate(rows) if (row.site, row.position) == view.neuron]

    key = f"neuron_table_{hash((scored[0].key, view.only_site and view.site, ui.session.looks()))}"  # its rows

    def selected() -> None:
        picked = st.session_state[key].selection.rows
        neuron = (rows[picked[0]].site, rows[picked[0]].position) if picked else None
        ui.session.change(lambda v: replace(v, neuron=neuron))

    st.dataframe(
        pd.DataFrame(records),
        key=key,
        on_select=selected,
        selection_mode="single-row",
        hide_index=True,
        height=430,
        selection_default={"selection": {"rows": chosen, "columns": []}} if chosen else None,
        column_config=_column_widths(page, list(records[0])),
        alt=f"The {len(rows)} neurons {scored[0].name} keeps longest; the first is at {records[0]['site']}, channel "
        f"{records[0]['channel']}, row {records[0]['row']}, column {records[0]['column']}.",
    )
    ui.offer_csv(lambda: records, page.made_from(scored[0]).about(scored[0].name, "neurons"), "neurons")


def _column_widths(page: ui.PageContext, names: list[str]) -> dict[str, Any]:
    larger = 1.25 if page.view.present else 1.0  # as the type is

    def column(width: int, written: str | None = None) -> Any:
        return st.column_config.NumberColumn(width=round(width * larger), format=written)

    narrow = {name: column(58) for name in ("channel", "row", "column")}
    ranks = {name: column(112, "localized") for name in names if "rank" in name}
    values = {name: column(84, "%.3g") for name in names if name.endswith("score")}
    return {**narrow, **ranks, **values, "activation": column(76, "%.3g")}


def _record(scene: Scene, scored: list[Scored], row: NeuronRow) -> dict[str, object]:
    site = scene.network.sites[row.site]
    channel, line, column = site.place(row.position)
    places = {
        f"{s.name} rank": None if place is None else place + 1 for s, place in zip(scored, row.ranks, strict=True)
    }
    score = {} if scored[0].ordinal else {f"{scored[0].name} score": row.score}
    return {
        **places,
        "site": site.name,
        "channel": channel,
        "row": line,
        "column": column,
        **score,
        "activation": row.activation,
    }


def _show_neuron(page: ui.SceneContext, scored: list[Scored]) -> None:
    neuron = page.view.neuron
    sites = page.network.sites
    if neuron is None:
        st.image(figures.jpeg(page.scene.picture), width="stretch", alt="The photo; no neuron is selected.")
        st.caption("Select a row to see on the photo what that neuron can see, and where its channel is active.")
        return
    site = sites[neuron[0]]
    box = neurons.sees(page.scene, neuron)
    row = neurons.neuron_row(page.scene, scored[0], scored[1:], neuron)
    where = f"{site.name}, {position_name(site, neuron[1])}"
    picture = figures.outlined(page.scene.picture, box, neurons.channel_activation(page.scene, neuron))
    alt = (
        f"{where} sees pixels {box[0]} to {box[2]} across and {box[1]} to {box[3]} down; "
        "its channel is active where the photo is light."
    )
    st.image(figures.jpeg(picture, 92), width="stretch", alt=alt)
    places = {
        f"Rank, {s.name}": "score 0" if place is None else f"{place + 1:,}"
        for s, place in zip(scored, row.ranks, strict=True)
    }
    st.html(
        ui.panel_title(where)
        + ui.facts(
            {
                "Activation": number(row.activation) if row.activation else "0, dead",
                "Sees": f"{box[2] - box[0]} × {box[3] - box[1]} pixels",
                **places,
            }
        )
    )
    ui.link("neuron", "Open this neuron")
