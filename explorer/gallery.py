"""The attributions that are evaluated: their choice, and their maps side by side on one scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from core.baselines import BASELINES
from core.methods import METHODS
from explorer import attributions, export, figures, markup, panels, session, widgets
from explorer.answers import Scene
from explorer.attributions import Attributed, Made
from explorer.view import ATTRIBUTIONS, MOST_ATTRIBUTIONS
from explorer.waiting import wait
from explorer.words import duration, number

__all__ = ["choose_attributions", "show_gallery"]

IN_A_ROW = 4
MORE = tuple(name for name, baseline in BASELINES.items() if baseline.more)
MAIN = tuple(name for name in ATTRIBUTIONS if name not in MORE)


def choose_attributions() -> None:
    """Draw the choice of attributions; one at least stays."""
    chosen = session.view().attributions
    keys = {"attributions_main": MAIN, "attributions_more": MORE}
    for key, names in keys.items():
        widgets.settle(key, [name for name in names if name in chosen])

    def changed() -> None:
        picked = {name for key in keys for name in st.session_state[key]}
        names = tuple(name for name in ATTRIBUTIONS if name in picked)
        if len(names) > MOST_ATTRIBUTIONS:
            session.tell(f"At most {MOST_ATTRIBUTIONS} attributions fit beside each other; take one away first.")
        elif names:
            session.change(lambda v: replace(v, attributions=names))

    _pills("Attributions", "attributions_main", changed)
    more = len(set(MORE) & set(chosen))
    with st.popover(f"More attributions, {more} chosen" if more else "More attributions", type="tertiary"):
        _pills("More attributions", "attributions_more", changed)
        for name in MORE:
            st.caption(f"**{name}**: {BASELINES[name].summary}")


def _pills(label: str, key: str, changed: object) -> None:
    names = MAIN if key == "attributions_main" else MORE
    shown = [name for name in names if name in session.view().attributions]
    st.pills(
        label,
        names,
        selection_mode="multi",
        default=shown,
        key=key,
        on_change=changed,
        help=_help(names),
    )  # type: ignore[call-overload]


def _help(names: tuple[str, ...]) -> str:
    if names == MORE:
        return "They take longer, or suit fewer networks."
    said = [f"{name}: {(METHODS[name] if name in METHODS else BASELINES[name]).summary}" for name in names]
    return "Selection methods stand for the pathway gradient at the sparsity below.\n\n" + "\n\n".join(said)


def show_gallery(scene: Scene, attributed: list[Attributed]) -> None:
    """Show the maps, four in a row, each with what it was made from, or its place in line."""
    shares = {each.place: _shares(found) for each, found in attributions.made(attributed)}
    shared = session.view().scale == "shared"
    end = figures.limit(*shares.values()) if shares else 1.0
    with st.container(key="panels"):
        for start in range(0, len(attributed), IN_A_ROW):
            for panel, each in zip(st.columns(IN_A_ROW), attributed[start : start + IN_A_ROW], strict=False):
                with panel:
                    if each.made is None:
                        _show_waiting(each)
                        continue
                    values = shares[each.place]
                    own = end if shared else figures.limit(values)
                    _show_map(
                        scene, each, each.made, values, own, f"‰ of the map · {'shared' if shared else 'own'} scale"
                    )
    st.caption(
        "Each map is the attribution of largest magnitude over colour channels, divided by the map's whole, so that "
        "maps in different units stand on one scale: a pixel at 0.1 ‰ holds a ten-thousandth of all there is."
    )


def _show_map(scene: Scene, each: Attributed, found: Made, values: figures.Floats, end: float, scale: str) -> None:
    panels.show_map(scene, each.title, each.detail, values, end, scale, each.colour)
    parts: dict[str, object] = {"made in": duration(found.seconds)}
    if each.name in METHODS:
        parts = {"off": session.view().off} | parts
    if found.attribution.delta is not None:
        parts["convergence delta"] = number(found.attribution.delta)
    st.html(markup.made_from(parts))
    if not np.any(values):
        st.caption("This map is zero everywhere.")
    made_from = export.provenance(scene, session.view()) | attributions.made_from([each])[0]
    raw = attributions.saliency(found)
    panels.offer_map(scene, each.name, raw, figures.limit(raw), made_from, f"attribution_{each.place}")


def _show_waiting(each: Attributed) -> None:
    st.html(markup.panel_title(each.title, "", each.colour))
    st.skeleton(height=210)
    wait(each.key, each.ask, name=f"attribution_{each.place}")


def _shares(found: Made) -> figures.Floats:
    """A saliency map in thousandths of the sum of its magnitudes; all zeros stay so."""
    values = attributions.saliency(found)
    return values * (1000 / (float(np.abs(values).sum()) or 1.0))
