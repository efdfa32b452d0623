"""Two strategies set against each other: which neurons only one of them keeps, and which both."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

from core.pathways.overlap import Membership
from explorer import ui
from explorer.compute import Scene, comparison, neurons
from explorer.plots import figures, membership_bars, number, percent
from explorer.views.columns import Column, again, lacking, made_from_all, offer_rows, selections, there

__all__ = ["show_pair"]


def show_pair(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show which neurons the first keeps alone, both keep, and the second keeps alone, in numbers and as maps."""
    st.markdown("## Two of them, neuron by neuron")
    with st.container(key="methods"):
        left, middle, right = st.columns(3)
        with left:
            ui.strategy_controls.pair_side(0)
        with middle:
            ui.strategy_controls.pair_side(1)
        with right:
            ui.controls.site(page.network)
    chosen = [column for place in page.view.pair for column in columns if column.place == place]
    if len(there(chosen)) < 2:
        st.info(f"The two are compared once both are there. {lacking(chosen)}")
        return
    table = comparison.members(page.scene, selections(chosen), page.view.sparsity)
    split = table.split(0, 1)  # (3, 2, sites)
    colours = (chosen[0].colour, page.theme.ink, chosen[1].colour)
    names = (f"{chosen[0].title} only", "both", f"{chosen[1].title} only")
    _show_parts(page, names, colours, split.sum(2))
    _show_split_over_depth(page, chosen, names, colours, table)
    _show_split_at_site(page, chosen, names)


def _show_parts(page: ui.PageContext, names: tuple[str, ...], colours: tuple[str, ...], totals: np.ndarray) -> None:
    legend: dict[str, str] = {}
    for name, colour, (active, dead) in zip(names, colours, totals.tolist(), strict=True):
        legend[f"{name}: {number(active)}"] = colour
        if dead:
            legend[f"{name} but dead: {number(dead)}"] = page.theme.pale(colour)
    st.html(ui.legend(legend))


def _show_split_over_depth(
    page: ui.SceneContext, chosen: list[Column], names: tuple[str, ...], colours: tuple[str, ...], table: Membership
) -> None:
    sites = [site.name for site in page.network.sites]
    split = table.split(0, 1)
    shares = split / table.neurons  # (3, 2, sites)
    parts, shades = {}, []
    for name, colour, (active, dead) in zip(names, colours, shares, strict=True):
        parts[name] = active.tolist()
        shades.append(colour)
        if dead.any():
            parts[f"{name} but dead"] = dead.tolist()
            shades.append(page.theme.pale(colour))
    figure = membership_bars(parts, shades, sites, page.view.site_in(page.network))
    most = [
        f"{name} most at {sites[int(values.argmax())]}, {percent(float(values.max()))}"
        for name, values in zip(names, shares.sum(1), strict=True)
    ]
    alt = f"Share of each site's neurons on one pathway or both: {'; '.join(most)}."
    ui.show_site_chart(figure, "members", alt)
    rows = [
        {
            "site": site,
            "part": part,
            "active": int(split[p, 0, s]),
            "dead": int(split[p, 1, s]),
            "neurons": int(table.neurons[s]),
        }
        for s, site in enumerate(sites)
        for p, part in enumerate(names)
    ]
    offer_rows(page, chosen, rows, "membership")


def _show_split_at_site(page: ui.SceneContext, chosen: list[Column], names: tuple[str, ...]) -> None:
    view, theme = page.view, page.theme
    site = page.network.sites[view.site_in(page.network)]
    first, second = (neurons.site_planes(page.scene, s, view.sparsity, site.index) for s in selections(chosen))
    colours = (chosen[0].colour, chosen[1].colour)
    parts = (first.mask & ~second.mask, first.mask & second.mask, second.mask & ~first.mask)
    said = ", ".join(f"{name} {number(int(part.sum()))}" for name, part in zip(names, parts, strict=True))
    dead = number(int(((first.mask | second.mask) & first.dead).sum()))
    legend: dict[str, str] = {}
    for name, colour, part in zip(names, (colours[0], theme.ink, colours[1]), parts, strict=True):
        legend[name] = colour
        if (part & first.dead).any():
            legend[f"{name} but dead"] = theme.pale(colour)
    legend |= {"neither, active": theme.quiet, "neither, dead": theme.background}
    st.html(ui.panel_title(f"{site.name}, every neuron", f"{said}; {dead} of these dead") + ui.legend(legend))
    whole = figures.membership_mosaic(first.mask, second.mask, first.dead, colours, theme)
    with st.container(key="mosaic"):
        left, right = st.columns([1, 2])
        if first.mask[0].size > 1:
            with left:
                positions = figures.membership_positions(first.mask, second.mask, colours, theme)
                st.image(figures.png(positions), width="stretch", alt=f"By position at {site.name}: {said}.")
                st.caption("By position, all channels together: the colours mix as the channels do.")
        with right if first.mask[0].size > 1 else left:
            ui.show_mosaic(
                figures.png(whole), site, f"All channels of {site.name}: {said}; {dead} dead.", "mosaic_pair"
            )
            st.caption(f"All {len(first.mask)} channels, by number; a click opens the neuron.")
    _offer_masks(page, chosen, whole)


def _offer_masks(page: ui.SceneContext, chosen: list[Column], whole: Image.Image) -> None:
    view, made_from, find = page.view, made_from_all(page, chosen), again(page.scene, chosen)
    site = page.network.sites[view.site_in(page.network)].name
    ui.offer_picture(
        lambda: whole,
        lambda: _all_masks(*find(), view.sparsity),
        made_from.about(*(column.title for column in chosen)),
        "membership",
        drawn={"site": site},
        labels=("PNG of this site", "NPZ of all sites"),
    )


def _all_masks(scene: Scene, chosen: list[Column], sparsity: float) -> dict[str, np.ndarray]:
    arrays = {
        f"dead: {site.name}": dead.cpu().numpy() for site, dead in zip(scene.network.sites, scene.dead, strict=True)
    }
    for column, selection in zip(chosen, selections(chosen), strict=True):
        masks = neurons.all_masks(scene, selection, sparsity)
        arrays |= {f"{column.title}: {site}": mask for site, mask in masks.items()}
    return arrays
