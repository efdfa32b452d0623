"""The attributions that are evaluated: their choice, and their maps side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from core.attribution import BASELINES
from core.methods import METHODS
from explorer import ui
from explorer.compute import CAM, Made, weighted
from explorer.compute.attributions import saliency
from explorer.plots import ColourScale, colour_scales, duration, figures, number
from explorer.state import ATTRIBUTIONS, MOST_ATTRIBUTIONS
from explorer.views import panels
from explorer.views.evaluate import attributions
from explorer.views.evaluate.attributions import Attributed

__all__ = ["show_attributions"]

LAST = -1  # stands for the last feature map; None would be no choice at all
MORE = tuple(name for name, baseline in BASELINES.items() if baseline.more)
MAIN = tuple(name for name in ATTRIBUTIONS if name not in MORE)


def show_attributions(page: ui.SceneContext) -> list[Attributed]:
    """Show the attributions chosen side by side; return them."""
    st.markdown(f"## Which attribution of *{page.target}* holds up?")
    _choose_attributions(page)
    _choose_map(page)
    attributed = attributions.submit_attributions(page)
    if any(each.detail.startswith("pathway") for each in attributed):
        ui.controls.sparsity()
    ui.controls.how_shown()
    _show_gallery(page, attributed)
    return attributed


def _choose_attributions(page: ui.PageContext) -> None:
    """Draw the choice of attributions; at least one stays chosen."""
    chosen = page.view.attributions
    keys = ("attributions_main", "attributions_more")

    def changed() -> None:
        picked = {name for key in keys for name in st.session_state[key]}
        names = tuple(name for name in ATTRIBUTIONS if name in picked)
        if len(names) > MOST_ATTRIBUTIONS:
            ui.session.tell(f"At most {MOST_ATTRIBUTIONS} attributions fit beside each other; take one away first.")
        elif names:
            ui.session.change(lambda v: replace(v, attributions=names))

    ui.several("Attributions", keys[0], MAIN, chosen, changed, help=_help())
    more = len(set(MORE) & set(chosen))
    with st.popover(f"More attributions, {more} chosen" if more else "More attributions", type="tertiary"):
        ui.several(
            "More attributions", keys[1], MORE, chosen, changed, help="They take longer, or suit fewer networks."
        )
        for name in MORE:
            st.caption(f"**{name}**: {BASELINES[name].summary}")


def _choose_map(page: ui.SceneContext) -> None:
    """Draw the choice of the map that Grad-CAM weights, where it is among the attributions."""
    view, network = page.view, page.network
    if CAM not in view.attributions:
        return
    last = weighted(network, replace(view, cam_site=None))
    sites = [LAST, *(site.index for site in network.sites if len(site.shape) == 3)]
    key = f"cam_site_{network.name}"  # its labels are this network's; Streamlit tells options apart by label

    def changed() -> None:
        chosen = st.session_state[key]
        ui.session.change(lambda v: replace(v, cam_site=None if chosen == LAST else chosen))

    st.selectbox(
        "Grad-CAM weights",
        sites,
        index=sites.index(ui.settle(key, LAST if view.cam_site is None else view.cam_site)),
        format_func=lambda i: f"the last feature map · {last}" if i == LAST else ui.controls.site_label(network, i),
        key=key,
        on_change=changed,
        help="The map whose channels are weighted and summed: coarse near the logits, fine and poor in meaning before.",
    )


def _help() -> str:
    said = [f"{name}: {(METHODS[name] if name in METHODS else BASELINES[name]).summary}" for name in MAIN]
    return "Selection methods stand for the pathway gradient at the sparsity below.\n\n" + "\n\n".join(said)


def _show_gallery(page: ui.SceneContext, attributed: list[Attributed]) -> None:
    """Show the maps, four in a row, each with what it was made from, or its place in line."""
    made = [(each, _shares(found)) for each, found in attributions.made(attributed)]
    titles, maps, shared = (
        [each.title for each, _ in made],
        [values for _, values in made],
        page.view.scale == "shared",
    )
    scales = colour_scales(titles, maps, shared=shared, weaker="more spread out", stronger="more peaked")
    shown = {each.place: (values, scale) for (each, values), scale in zip(made, scales, strict=True)}
    with st.container(key="panels"):
        for panel, each in ui.in_rows(attributed):
            with panel:
                if each.made is None:
                    _show_waiting(each)
                    continue
                values, scale = shown[each.place]
                _show_map(page, each, each.made, values, replace(scale, words=f"‰, {scale.words}"))
    st.caption(
        "Each map is the attribution of largest magnitude over colour channels, divided by the map's whole, so that "
        "maps in different units stand on one scale: a pixel at 0.1 ‰ holds a ten-thousandth of all there is."
    )


def _show_map(page: ui.SceneContext, each: Attributed, found: Made, values: figures.Floats, scale: ColourScale) -> None:
    panels.show_map(page, each.title, each.detail, values, scale, each.colour)
    parts: dict[str, object] = {"made in": duration(found.seconds)}
    if each.name in METHODS:
        parts = {"off the pathway": ui.held(page.view.off)} | parts
    if found.attribution.delta is not None:
        parts["convergence delta"] = number(found.attribution.delta)
    st.html(ui.made_from(parts))
    if not np.any(values):
        st.caption("This map is zero everywhere.")
    made_from = page.made_from() | attributions.made_from(page, each)
    raw = saliency(found)
    panels.offer_map(page, each.name, raw, figures.limit(raw), made_from, f"attribution_{each.place}")


def _show_waiting(each: Attributed) -> None:
    st.html(ui.panel_title(each.title, "", each.colour))
    st.skeleton(height=210)
    ui.show_progress(each.ticket, f"attribution_{each.place}")


def _shares(found: Made) -> figures.Floats:
    """Return a saliency map in thousandths of the sum of its magnitudes; a map of zeros stays one."""
    values = saliency(found)
    return values * (1000 / (float(np.abs(values).sum()) or 1.0))
