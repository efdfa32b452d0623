"""The course of a pathway: the share kept at each site, and the masks at one of them."""

from __future__ import annotations

import streamlit as st
from PIL import Image

from explorer import ui
from explorer.compute import Scene, Selection, SitePlanes, cache, neurons
from explorer.plots import Theme, figures, layer_strip, number, palette, percent
from explorer.views.columns import Column, again, selections, there

__all__ = ["show_layers"]


def show_layers(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show the share kept at every site, and for the chosen site each method's mask, by position and by channel."""
    st.markdown("## Where the pathway runs")
    columns = there(columns)
    if not columns:
        return
    sites = page.network.sites
    at = page.view.site_in(page.network)
    shares = {
        c.strategy.name: [size / site.neurons for size, site in zip(c.answer.sizes, sites, strict=True)]
        for c in columns
        if c.answer
    }
    strip = layer_strip(shares, [c.colour for c in columns], [site.name for site in sites], at)

    most = {method: max(range(len(values)), key=values.__getitem__) for method, values in shares.items()}
    alt = "Share of neurons kept at each site. " + " ".join(
        f"{method} keeps most at {sites[i].name}, {percent(shares[method][i])}." for method, i in most.items()
    )
    ui.show_site_chart(strip, "strip", alt)
    ui.controls.site(page.network)
    for column in columns:
        _show_mask(page, column, at)


def _show_mask(page: ui.SceneContext, column: Column, at: int) -> None:
    if column.selection is None:
        return
    site, theme = page.network.sites[at], page.theme
    planes = neurons.site_planes(page.scene, column.selection, page.view.sparsity, at)
    kept, dead = int(planes.mask.sum()), int((planes.mask & planes.dead).sum())
    share = percent(kept / site.neurons)
    st.html(
        ui.panel_title(
            column.title,
            f"{number(kept)} of {number(site.neurons)} kept ({share}), {number(dead)} of them dead",
            column.colour,
        )
    )
    st.html(
        ui.legend(
            {
                "on the pathway": column.colour,
                "on it but dead": palette.DEAD,
                "active, not on it": theme.quiet,
                "dead, not on it": theme.background,
            }
        )
    )
    if planes.mask[0].size > 1:
        left, place = st.columns([1, 2])
        with left:
            _show_positions(page, planes, column.colour)
    else:
        place = st.container()
    key = ("mosaic", column.selection.key, column.selection.size(page.view.sparsity), at, column.colour, theme)
    words = f"{number(kept)} of {number(site.neurons)} neurons of {site.name} are kept, {number(dead)} of them dead."
    with place:
        drawn = cache.RESULTS.get(key, lambda: figures.png(_mosaic(planes, column.colour, theme)))
        ui.show_mosaic(drawn, site, words, f"mosaic_{column.place}")
        busiest = planes.mask.sum((1, 2)).argsort()[::-1][:3]
        names = ", ".join(str(c) for c in busiest if planes.mask[c].any())
        kept_most = f"Most neurons kept in: {names or 'none'}."
        st.caption(f"All {len(planes.mask)} channels, by number; a click opens the neuron. {kept_most}")
    _offer_masks(page, column, at)


def _show_positions(page: ui.PageContext, planes: SitePlanes, colour: str) -> None:
    """Show how many channels keep each position."""
    counts = planes.mask.sum(0)
    most, (row, col) = counts.max(), divmod(int(counts.argmax()), counts.shape[1])
    picture = figures.position_map(planes.mask, planes.dead, colour, page.theme)
    alt = f"Kept channels per position; most, {most} of {len(planes.mask)}, at row {row}, column {col}."
    st.image(figures.png(picture), width="stretch", alt=alt)
    st.caption(
        f"Kept channels per position: full colour where {most} of {len(planes.mask)}, "
        "pink where all that are kept are dead."
    )


def _mosaic(planes: SitePlanes, colour: str, theme: Theme) -> Image.Image:
    return figures.mosaic(planes.mask, planes.dead, colour, theme)


def _offer_masks(page: ui.SceneContext, column: Column, at: int) -> None:
    view, theme, name, colour = page.view, page.theme, column.title, column.colour
    find = again(page.scene, [column])

    def found() -> tuple[Scene, Selection]:
        scene, columns = find()
        return scene, selections(columns)[0]

    def picture() -> Image.Image:
        return _mosaic(neurons.site_planes(*found(), view.sparsity, at), colour, theme)

    ui.offer_picture(
        picture,
        lambda: neurons.all_masks(*found(), view.sparsity),
        page.made_from(column.selection, column.answer).about(name, "masks"),
        f"mask_{name}",
        drawn={"site": page.network.sites[at].name},
        labels=("PNG of this site", "NPZ of all sites"),
    )
