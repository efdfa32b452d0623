"""One image of a study: its values, and the way to it in Explore.

An image is called by its data set and its number there, never by a path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import pandas as pd
import streamlit as st

from core.data.datasets import PHOTOS, registered_image
from core.errors import PathwayError
from core.methods import METHODS
from core.pathways.ranking import Off
from core.strategy import Strategy, written
from explorer import ui
from explorer.compute import catalogue
from explorer.plots import figures, plain
from explorer.state import View, nearest_sparsity
from explorer.views.studies.choice import Studied
from explorer.views.studies.runs import Run

__all__ = ["explored", "offer_image", "picked", "picture_name", "show_image", "why_not"]


def picked(event: Any, rows: pd.DataFrame) -> tuple[str, int] | None:
    """Return the method and the number of the image that was clicked, None where none was or it is not in the rows."""
    points = event.get("selection", {}).get("points", []) if isinstance(event, Mapping) else []
    data = points[0].get("customdata") if points else None
    if not isinstance(data, list | tuple) or len(data) != 2:
        return None
    who, index = str(data[0]), int(data[1])
    return (who, index) if ((rows["who"] == who) & (rows["index"] == index)).any() else None


def picture_name(run: Run, index: int, image: str) -> str | None:
    """Return the app's name of a run's image; None where its data set is not registered here.

    Args:
        run: whose data set.
        index: its number there.
        image: its name there; another image of that number is another data set.
    """
    if run.dataset == PHOTOS:
        return image if catalogue.sample_facts(image) else None
    name = f"{run.dataset}:{index}"
    try:
        found = registered_image(name)
    except PathwayError:
        return None
    return name if found is not None and str(found[0].names[index]) == image else None


def _network_name(run: Run) -> str | None:
    """Return this session's name of a run's network; None where it is a checkpoint that is not here."""
    own = f"{ui.session.CHECKPOINT}{run.manifest['network']['weights_hash']}"
    name = own if run.plan.get("checkpoint") else run.network
    return name if name in ui.session.networks() else None


def explored(
    view: View, method: str, options: str, sparsity: float | None, target: int | None, off: Off = "zero"
) -> View:
    """Return the view of Explore that shows a row of a study, as far as Explore has it.

    Args:
        view: the one before, which has the image and the network already.
        method: of the row; a baseline leaves the methods as they are.
        options: of the method, as ``core.studies`` writes them.
        sparsity: of the pathway.
        target: class explained, None for the predicted one.
        off: how neurons off the pathway are held.
    """
    view = replace(view, target=target, off=off)
    if sparsity is not None and sparsity == sparsity:
        view = replace(view, sparsity=nearest_sparsity(sparsity))
    if method not in METHODS:
        return view
    view = view.with_first(method) if METHODS[method].family != "baseline" else replace(view, second=method)
    chosen = dict(Strategy.parse(written(method, options)).options)
    for option in METHODS[method].options:
        view = view.with_option(method, option.name, chosen.get(option.name, option.default))
    return view


def offer_image(each: Studied, row: pd.Series, label: str, key: str) -> None:
    """Draw a row's image, small, with a button that opens it in Explore; words alone where that cannot be done."""
    name, network = picture_name(each.run, int(row["index"]), str(row["image"])), _network_name(each.run)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"row_{key}_{each.place}"):
        _show_small(name, 36)
        if name is not None and network is not None:
            _open_button(each, row, name, network, f"**{plain(name)}** {plain(label)}", key, "tertiary")
        else:
            st.markdown(f"**{plain(f'{each.run.dataset}, {row.image}')}** {plain(label)}")


def _show_small(name: str | None, side: int) -> None:
    """Draw an image, nothing where it is not known or damaged."""
    if name is not None:
        with suppress(PathwayError):
            st.image(figures.png(figures.thumbnail(catalogue.sample(name), side)), width=side, alt=f"Image {name}.")


def _open_button(
    each: Studied, row: pd.Series, name: str, network: str, label: str, key: str, kind: Literal["tertiary", "primary"]
) -> None:
    target = int(row["target"]) if each.run.plan["target"] == "label" else None
    make = partial(
        explored,
        method=str(row["method"]),
        options=str(row["options"]),
        sparsity=each.sparsity,
        target=target,
        off=each.run.plan["off"],
    )
    st.button(
        label,
        key=f"open_{key}_{each.place}",
        type=kind,
        icon=":material/open_in_new:",
        help="Open in Explore" if kind == "tertiary" else None,
        on_click=lambda: ui.open_picture(name, network, make),
    )


def show_image(
    each: Studied, rows: pd.DataFrame, chosen: tuple[str, int], title: str, say: Callable[[float], str]
) -> None:
    """Show one image: itself, its class, its value under every method, and the way to it in Explore."""
    who, index = chosen
    own = rows[rows["index"] == index]
    row = own[own["who"] == who].iloc[0]
    name, network = picture_name(each.run, index, str(row["image"])), _network_name(each.run)
    with st.container(border=True, horizontal=True, gap="medium", key=f"image_{each.place}"):
        _show_small(name, 140)
        with st.container(gap="small"):
            of = f", class {row['label']}" if row["label"] else ""
            st.markdown(
                f"**{plain(name or f'{each.run.dataset}, {row.image}')}**{plain(of)}, predicted {plain(row.prediction)}"
            )
            st.markdown(plain(f"{title}: " + "; ".join(f"{r.who} {say(r.value)}" for r in own.itertuples())))
            if name is not None and network is not None:
                _open_button(each, row, name, network, "Open in Explore", "picked", "primary")
            else:
                st.caption(why_not(each, row))


def why_not(each: Studied, row: pd.Series) -> str:
    """Return why a row's image cannot be opened in Explore and what to do about it, "" where it can."""
    run = each.run
    if picture_name(run, int(row["index"]), str(row["image"])) is None:
        return (
            f"The images of {plain(run.dataset)} are not registered with this app. Start it as "
            f"`python -m explorer --dataset {run.dataset}=FOLDER` to open them."
        )
    if _network_name(run) is None:
        return "The run's weights were a checkpoint: upload it in Explore to open images with it."
    return ""
