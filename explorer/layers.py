"""Where a pathway runs: the strip of all sites, and the masks at one."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from PIL import Image

from explorer import charts, compute, export, figures, markup, palette, readings, session, widgets
from explorer.answers import Scene, Selection
from explorer.columns import Column
from explorer.downloads import offer_picture
from explorer.mosaics import show_mosaic
from explorer.plots import show_site_chart
from explorer.results import Drawn
from explorer.words import number, percent

__all__ = ["show_layers"]


def show_layers(scene: Scene, columns: list[Column]) -> None:
    """Show the share kept at every site, and for the chosen site each method's mask, by position and by channel."""
    st.markdown("## Where the pathway runs")
    if not columns:
        return
    sites = scene.network.sites
    at = session.view().site
    shares = {
        c.strategy.name: [size / site.neurons for size, site in zip(c.answer.sizes, sites, strict=True)]
        for c in columns
        if c.answer
    }
    strip = charts.layer_strip(shares, [c.colour for c in columns], [site.name for site in sites], at)

    most = {method: max(range(len(values)), key=values.__getitem__) for method, values in shares.items()}
    alt = "Share of neurons kept at each site. " + " ".join(
        f"{method} keeps most at {sites[i].name}, {percent(shares[method][i])}." for method, i in most.items()
    )
    show_site_chart(strip, "strip", alt)
    widgets.site(scene.network)
    with st.container(key="pair"):
        for place, column in zip(st.columns(2), columns, strict=False):
            with place:
                _show_mask(scene, column, at)


def _show_mask(scene: Scene, column: Column, at: int) -> None:
    if column.selection is None:
        return
    site = scene.network.sites[at]
    planes = readings.site_planes(scene, column.selection, session.view().sparsity, at)
    kept, dead = int(planes.mask.sum()), int((planes.mask & planes.dead).sum())
    channels, height, width = site.planes
    share = percent(kept / site.neurons)
    busiest = planes.mask.sum((1, 2)).argsort()[::-1][:3]
    st.html(
        markup.panel_title(
            column.title,
            f"{number(kept)} of {number(site.neurons)} kept ({share}), {number(dead)} of them dead",
            column.colour,
        )
    )
    st.html(
        markup.legend(
            {
                "on the pathway": column.colour,
                "on it but dead": palette.DEAD,
                "active, not on it": palette.quiet(session.dark()),
                "dead, not on it": palette.background(session.dark()),
            }
        )
    )
    words = f"{number(kept)} of {number(site.neurons)} neurons of {site.name} are kept, {number(dead)} of them dead."
    if height * width > 1:
        left, right = st.columns([1, 2])
        counts = planes.mask.sum(0)
        with left:
            picture = figures.position_map(planes.mask, planes.dead, column.colour, session.dark())
            row, col = divmod(int(counts.argmax()), width)
            alt = f"Kept channels per position; most, {counts.max()} of {channels}, at row {row}, column {col}."
            st.image(figures.png(picture), width="stretch", alt=alt)
            st.caption(
                f"Kept channels per position: full colour where {counts.max()} of {channels}, "
                "pink where all that are kept are dead."
            )
        place = right
    else:
        place = st.container()
    dark = session.dark()

    def draw() -> Image.Image:
        return figures.mosaic(planes.mask, planes.dead, column.colour, dark)

    key = ("mosaic", column.selection.key, column.selection.size(session.view().sparsity), at, column.colour, dark)
    with place:
        drawn = compute.RESULTS.get(key, lambda: Drawn(figures.png(draw())))
        show_mosaic(drawn.data, site, words, f"mosaic_{column.place}")
        names = ", ".join(str(c) for c in busiest if planes.mask[c].any())
        kept_most = f"Most neurons kept in: {names or 'none'}."
        st.caption(f"All {channels} channels, by number; a click opens the neuron. {kept_most}")
    _offer_masks(scene, column, column.selection, draw, site.name)


def _offer_masks(
    scene: Scene, column: Column, selection: Selection, draw: Callable[[], Image.Image], site: str
) -> None:
    view = session.view()
    made_from = export.provenance(scene, view, selection, column.answer)
    name = column.title
    stem = export.file_name(view.image, scene.network.name, name, "masks")
    offer_picture(
        stem,
        lambda: figures.png(draw(), made_from | {"site": site}),
        lambda: export.npz_file(readings.all_masks(scene, selection, view.sparsity), made_from),
        f"mask_{name}",
        ("PNG of this site", "NPZ of all sites"),
    )
