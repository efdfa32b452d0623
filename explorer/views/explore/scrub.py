"""Live scrub: a bar for the sparsity that redraws the maps in the browser, from one sweep of each method.

A sweep goes to the browser once: at each stop a small picture of the pathway gradient, and the numbers around it. The
component has them all, so dragging needs no request to the server; releasing the bar sets the page's sparsity. The
sparsity is passed beside the data, in an attribute, so that a step of the slider does not send the pictures again.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from core.pathways.fidelity import Fate, chance_line, standing
from explorer import ui
from explorer.compute import SWEEP, Scene, Scored, Swept, cache, comparison, task_queue
from explorer.plots import FATES, figures, number, palette, percent, ratio
from explorer.state import SPARSITIES, Style, View, nearest_sparsity
from explorer.views.columns import Column

__all__ = ["method_payload", "payload", "show_scrub"]

Counts = NDArray[np.int64]

TOP = 5
MOST_CHARACTERS = 220_000  # of a method's pictures, so that two and their numbers stay below 600 kB
_SMALLER = ((1, 95), (1, 85), (1, 75), (1, 65), (1, 55), (1, 40), (2, 75), (2, 50), (4, 60), (4, 20))
"""Divisors of a picture's sides, each with JPEG's quality; WebP would lose the colours that tell signs apart."""


def show_scrub(page: ui.SceneContext, columns: Sequence[Column]) -> None:
    """Show the bar that redraws every method while it is dragged, once their sweeps are there.

    Args:
        page: what the page shows.
        columns: the methods, one or two; those in line are left out.
    """
    ranked = [(column, column.scored) for column in columns if column.scored]
    if not ranked:
        st.caption("Live scrub begins once a method's scores are there.")
        return
    groups = [comparison.sweep_tasks(page.scene, [scored], page.view.off) for _, scored in ranked]
    swept = [task_queue.QUEUE.peek(group).result[0] for group in groups]
    there = [(*pair, found) for pair, found in zip(ranked, swept, strict=True) if found]
    with st.container(key="scrub"):  # before the progress: what moves on the page is made anew, under the hand
        if there:
            _draw(page, there)
    missing = [group for group, found in zip(groups, swept, strict=True) if not found]
    ticket = ui.submit_at("scrub", missing[0] if missing else groups[-1])  # one after the other
    if missing and ticket.state == "ready":  # done since it was looked for
        st.rerun()
    ui.show_progress_at("scrub", ticket)


def _draw(page: ui.SceneContext, there: Sequence[tuple[Column, Scored, Swept]]) -> None:
    view = page.view
    methods = [
        {"title": column.strategy.title, "colour": column.colour} | _packed(page.scene, scored, part, view)
        for column, scored, part in there
    ]
    ui.components.scrub(payload(page.scene, methods, view.style), on_sparsity=_settle)
    st.html(_note(view))


def _packed(scene: Scene, scored: Scored, swept: Swept, view: View) -> dict[str, Any]:
    """Return one method's part of the component's data; all sessions share it."""
    key = ("scrub", scene.target, view.off, view.style, scored.key, scene.network.class_names)
    return cache.RESULTS.get(key, lambda: method_payload(scene, swept, view.style))


def _settle(sparsity: float) -> None:
    ui.session.change(lambda v: replace(v, sparsity=nearest_sparsity(sparsity)))


def _note(view: View) -> str:
    """Return the explanation of the drawing, from which the component reads the page's sparsity."""
    return (
        f'<p class="made-from" data-sparsity="{view.sparsity}">Curves: the target\'s probability over sparsity, the '
        "original network's dotted, and twice what chance gives a class dashed. The lanes below are full where the "
        "prediction is kept, half as high where it is first but near chance, and hatched where it is lost; a triangle "
        f"marks where that changes. Maps: {view.style} of the pathway gradient, each on its own colour scale, "
        "whose end is printed. Layers: share of each site's neurons kept, on a square-root scale; hatched pink: the "
        "dead share of those.</p>"
    )


def payload(scene: Scene, methods: Sequence[Mapping[str, Any]], style: Style) -> dict[str, Any]:
    """Return the component's data, as plain values that JSON can hold.

    Args:
        scene: what is looked at.
        methods: each with title, colour, and what ``method_payload`` returns.
        style: of the maps.
    """
    names, sites = scene.network.class_names, scene.network.sites
    return {
        "stops": [{"at": stop, "place": _place(stop), "label": _label(stop)} for stop in SWEEP],
        "sites": [site.name for site in sites],
        "neurons": [site.neurons for site in sites],
        "target": names[scene.target],
        "chance": chance_line(scene.network.classes),
        "original": float(scene.original.logits.softmax(1)[0, scene.target]),
        "dead": palette.DEAD,
        "scale": figures.colours(style),
        "methods": list(methods),
    }


def method_payload(scene: Scene, swept: Swept, style: Style) -> dict[str, Any]:
    """Return one method's pictures and numbers at every stop."""
    ends = [figures.limit(values) for values in swept.maps]
    maps = [figures.map_picture(values, end, style) for values, end in zip(swept.maps, ends, strict=True)]
    stops = [
        _stop(scene, swept, i, end, style) | {"map": url}
        for i, (end, url) in enumerate(zip(ends, _urls(maps), strict=True))
    ]
    return {"flips": _flips(swept.fates), "stops": stops}


def _stop(scene: Scene, swept: Swept, i: int, end: float, style: Style) -> dict[str, Any]:
    p_ratio, fate = ratio(swept.p_ratios[i]), FATES[swept.fates[i]]
    likeliest, rest = ui.likeliest(scene, swept.probabilities[i].tolist(), TOP)
    size = int(swept.sizes[i].sum())
    return {
        "p": float(swept.probabilities[i][scene.target]),
        "kept": swept.fates[i] == "kept",
        "near": swept.fates[i] == "near chance",
        "fate": fate,
        "sizes": swept.sizes[i].tolist(),
        "dead": swept.dead[i].tolist(),
        "low": "0" if style == "magnitude" else number(-end),
        "high": number(end),
        "p_ratio": p_ratio,
        "logits": list(ui.logits(scene, standing(scene.original.logits, scene.target), swept.standings[i]).items()),
        "dead_share": percent(int(swept.dead[i].sum()) / size if size else float("nan")),
        "top": [(name, share, percent(share), target) for name, share, target in likeliest],
        "rest": rest,
        "said": f"p ratio {p_ratio}, prediction {fate}",
        "map_said": _map_said(swept.maps[i], end),
        "layers_said": _layers_said(scene, swept.sizes[i], swept.dead[i]),
    }


def _map_said(values: figures.Floats, end: float) -> str:
    row, column = divmod(int(np.abs(values).argmax()), values.shape[1])
    return f"strongest at row {row}, column {column} of {values.shape[0]}; scale ends at {number(end)}"


def _layers_said(scene: Scene, sizes: Counts, dead: Counts) -> str:
    sites = scene.network.sites
    shares = [int(size) / site.neurons for size, site in zip(sizes, sites, strict=True)]
    most = max(range(len(sites)), key=shares.__getitem__)
    kept, lost = int(sizes.sum()), int(dead.sum())
    return f"most at {sites[most].name}, {percent(shares[most])}; {number(lost)} of {number(kept)} dead"


def _flips(fates: Sequence[Fate]) -> str:
    """Return in words between which stops the prediction is lost, near chance, or kept again."""
    flips = [i for i in range(1, len(fates)) if fates[i] != fates[i - 1]]
    if not flips:
        return f"prediction {FATES[fates[0]]} at every stop"
    if len(flips) > 3:
        return f"prediction {FATES[fates[0]]} at first, changes {len(flips)} times"
    steps = [f"{FATES[fates[i]]} from {_label(SWEEP[i])}" for i in flips]
    return f"prediction {FATES[fates[0]]}, {', '.join(steps)}"


def _place(sparsity: float) -> float:
    """Return the place of a stop along the slider, in [0, 1]."""
    return round(SPARSITIES.index(sparsity) / (len(SPARSITIES) - 1), 5)


def _label(sparsity: float) -> str:
    return f"{round(100 * sparsity, 1):g} %"


def _urls(pictures: Sequence[Image.Image]) -> list[str]:
    """Return pictures as data URLs, at the best quality that fits into ``MOST_CHARACTERS``."""
    urls: list[str] = []
    for divisor, quality in _SMALLER:
        urls = [_url(figures.jpeg(picture.reduce(divisor), quality)) for picture in pictures]
        if sum(map(len, urls)) <= MOST_CHARACTERS:
            break
    return urls


def _url(data: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(data).decode()}"
