"""Do strategies choose the same neurons, and where do dead ones enter? Matrix and lines over depth."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.pathways.overlap import Membership
from explorer import ui
from explorer.compute import comparison
from explorer.plots import Line, overlap_matrix, percent, site_lines
from explorer.views.columns import Column, lacking, offer_rows, selections, there

__all__ = ["show_dead", "show_overlaps"]


def show_overlaps(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show the overlap of every two columns, and over depth that of each with the first of the pair."""
    st.markdown("## Do they choose the same neurons?")
    missing, columns = lacking(columns), there(columns)
    if len(columns) < 2:
        st.info(f"An overlap needs two strategies. {missing}")
        return
    table = comparison.members(page.scene, selections(columns), page.view.sparsity)
    titles = [column.title for column in columns]
    with st.container(key="charts_overlap"):
        left, right = st.columns([1, 1.25])
    with left:
        overlaps, chances = table.overlaps(), table.chances()
        pairs = [(i, j) for i in range(len(columns)) for j in range(i)]
        said = [
            f"{titles[j]} and {titles[i]} {percent(overlaps[i, j])}, by chance {percent(chances[i, j])}"
            for i, j in pairs
        ]
        alt = f"Overlap of every two pathways: {'; '.join(said)}."
        ui.show_chart(overlap_matrix(titles, overlaps, chances, page.theme), "matrix", alt)
        st.caption(
            "Intersection over union of the neurons kept. Small: what two independent choices of the same sizes would "
            "share, k₁k₂ / (k₁ + k₂ − k₁k₂) of the shares k₁ and k₂ that they keep."
        )
        rows = [
            {"first": titles[j], "second": titles[i], "overlap": overlaps[i, j], "chance": chances[i, j]}
            for i, j in pairs
        ]
        offer_rows(page, columns, rows, "overlap")
    with right:
        _show_overlaps_over_depth(page, columns, table)


def _show_overlaps_over_depth(page: ui.SceneContext, columns: list[Column], table: Membership) -> None:
    first = _pair(page, columns)[0]
    others = [i for i in range(len(columns)) if i != first]
    sites = [site.name for site in page.network.sites]
    lines, rows, said = [], [], []
    for i in others:
        title, colour = columns[i].title, columns[i].colour
        overlaps, chances = table.site_overlaps(first, i), table.site_chances(first, i)
        lines.append(Line(title, colour, overlaps.tolist(), turn=i))
        lines.append(Line(f"{title}, by chance", colour, chances.tolist(), quiet=True, in_legend=False))
        rows += [
            {"site": site, "first": columns[first].title, "second": title, "overlap": overlap, "chance": chance}
            for site, overlap, chance in zip(sites, overlaps.tolist(), chances.tolist(), strict=True)
        ]
        if not np.isnan(overlaps).all():
            said.append(f"{title} from {percent(float(np.nanmin(overlaps)))} to {percent(float(np.nanmax(overlaps)))}")
    name, chosen = columns[first].title, columns[first].place == page.view.pair[0]
    figure = site_lines(lines, sites, page.view.site_in(page.network), f"overlap with {name}")
    alt = f"Overlap with {name} at each of {len(sites)} sites: {'; '.join(said)}."
    ui.show_chart(figure, "overlap_lines", alt)
    whose = "the first of the pair chosen below" if chosen else "while the first of the pair is not there"
    st.caption(f"Over depth: overlap with {name}, {whose}. Dotted: what chance would give.")
    offer_rows(page, columns, rows, "overlap by site")


def show_dead(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show each column's dead share at every site, with the network's own."""
    st.markdown("## Where dead neurons enter")
    missing, columns = lacking(columns), there(columns)
    if not columns:
        st.info(missing)
        return
    table = comparison.members(page.scene, selections(columns), page.view.sparsity)
    sites = [site.name for site in page.network.sites]
    own = (table.dead / table.neurons).tolist()
    shares, overall = table.site_dead_shares(), table.dead_shares()
    lines = [Line(c.title, c.colour, shares[i].tolist()) for i, c in enumerate(columns)]
    lines.append(Line("the network's own", page.theme.ink, own, quiet=True))
    said = "; ".join(f"{c.title} {percent(float(overall[i]))}" for i, c in enumerate(columns))
    figure = site_lines(lines, sites, page.view.site_in(page.network), "dead share of the pathway")
    alt = f"Dead share at each site. Overall: {said}; the network's own {percent(page.scene.dead_share)}."
    ui.show_chart(figure, "dead_lines", alt)
    st.caption(
        f"Over all sites: {said}; the network's own {percent(page.scene.dead_share)} (dotted). A line has a gap where "
        "the pathway keeps no neuron of a site."
    )
    rows = [
        {"site": site, "the network's own": own[s]} | {c.title: shares[i][s] for i, c in enumerate(columns)}
        for s, site in enumerate(sites)
    ]
    offer_rows(page, columns, rows, "dead share")


def _pair(page: ui.PageContext, columns: list[Column]) -> tuple[int, int]:
    """Return the places of the pair among these columns; the first two columns if it is not among them."""
    places = [column.place for column in columns]
    found = [places.index(place) for place in page.view.pair if place in places]
    found += [i for i in range(len(places)) if i not in found]
    return found[0], found[1]
