"""The app's own JavaScript components; their sources lie beside this file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["box_picker", "chart_png", "copy_link", "mask_picker", "picture_picker", "scrub"]

_SOURCES = Path(__file__).parent


@cache
def _component(name: str, html: str) -> Callable[..., Any]:
    """Return a component. Elements that get their accessible name from JavaScript are ``hidden`` until it has run."""
    css = (_SOURCES / f"{name}.css").read_text("utf-8")
    return st.components.v2.component(name, html=html, css=css, js=_javascript(name))


def _javascript(name: str) -> str:
    """Return a component's JavaScript as one module: ``name.js``, and before it what it imports, ``name_*.js``."""
    files = [*sorted(_SOURCES.glob(f"{name}_*.js")), _SOURCES / f"{name}.js"]
    joined = "".join(file.read_text("utf-8") for file in files)
    return re.sub(r'^(import \{[^}]*\} from "\./\w+\.js";\n|export (?!default))', "", joined, flags=re.MULTILINE)


def copy_link() -> None:
    """Draw a button that copies the page's address."""
    _component("copy_link", '<button type="button">Copy link</button><span role="status"></span>')(key="copy_link")


def chart_png(chart: str, title: str, notes: Sequence[str], name: str) -> None:
    """Draw a button that saves a chart of this page as a PNG, as it looks.

    Plotly's own image button would save the chart alone, without the title and what the chart was made from, and is
    named alike for every chart of a page.

    Args:
        chart: its key.
        title: written above it.
        notes: written under it: what it was made from.
        name: of the file.
    """
    icon = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 3v12m-5-5 5 5 5-5M4 20h16"/></svg>'
    _component("chart_png", f'<button type="button">{icon}PNG</button>')(
        key=f"png_{chart}",
        data={"chart": chart, "what": title, "title": title, "notes": list(notes), "name": name},
        width="content",
        height="content",
    )


def picture_picker(
    pictures: Sequence[dict[str, str]],
    chosen: str,
    longest: int,
    *,
    on_picked: Callable[[str], None],
    on_pasted: Callable[[str], None],
) -> None:
    """Draw a gallery that is one radio group, and listen for pasted pictures.

    Args:
        pictures: each with name, title and source, a data URL.
        chosen: name of the one that is chosen.
        longest: pixels that a pasted picture keeps on its longer side.
        on_picked: given the name of the picture a person picked.
        on_pasted: given a data URL, "" where the browser could not read what was pasted.
    """
    _component("picture_picker", '<div class="gallery" role="radiogroup" aria-label="Photo"></div>')(
        key="picker",
        data={"pictures": list(pictures), "chosen": chosen, "longest": longest},
        on_picked_change=lambda: on_picked(str(st.session_state["picker"].picked)),
        on_pasted_change=lambda: on_pasted(str((st.session_state["picker"].pasted or {}).get("url", ""))),
    )


def mask_picker(
    source: str,
    alt: str,
    cells: tuple[int, int],
    lines: tuple[int, int],
    key: str,
    *,
    on_picked: Callable[[int, int], None],
) -> None:
    """Draw a picture of a mask in which a click, or Enter, picks a cell.

    Args:
        source: the picture, a data URL.
        alt: what it shows, in words.
        cells: how many it has across and down.
        lines: how many channels stand side by side, and one below the other, parted by a grid.
        key: the component's.
        on_picked: given the cell's column and row.
    """
    picture = '<button type="button" class="mask" hidden><img><span></span><i></i></button><span role="status"></span>'

    def picked() -> None:
        cell = st.session_state[key].picked or {}
        on_picked(int(cell.get("x", 0)), int(cell.get("y", 0)))

    _component("mask_picker", picture)(
        key=key,
        data={
            "source": source,
            "alt": alt,
            "width": cells[0],
            "height": cells[1],
            "columns": lines[0],
            "rows": lines[1],
        },
        on_picked_change=picked,
    )


def box_picker(
    source: str, alt: str, box: tuple[int, int, int, int] | None, *, on_drawn: Callable[[tuple[int, ...]], None]
) -> None:
    """Draw a picture on which a box can be drawn, by pointer or by keys.

    Args:
        source: the picture, a data URL.
        alt: what it shows, in words.
        box: left, top, right and bottom in percent of the picture, if there is one.
        on_drawn: given the new box.
    """

    def drawn() -> None:
        found = st.session_state["box_picker"].drawn or {}
        on_drawn(tuple(map(int, found.get("box", ()))))

    area = '<div class="area" role="application" tabindex="0" hidden><img draggable="false"><i></i></div>'
    _component("box_picker", f'{area}<span role="status"></span>')(
        key="box_picker", data={"source": source, "alt": alt, "box": box}, on_drawn_change=drawn
    )


def scrub(data: Mapping[str, Any], *, on_sparsity: Callable[[float], None]) -> None:
    """Draw a bar that redraws each method as it is dragged.

    Args:
        data: see ``explorer.views.explore.scrub.payload``. The browser keeps it until it changes, so the page's
            sparsity is not in it, but in the ``data-sparsity`` of an element beside this one.
        on_sparsity: given the sparsity at which the bar was released.
    """
    bar = '<div class="bar" role="slider" tabindex="0" aria-label="Live sparsity"></div>'
    _component("scrub", f'<div class="scrub">{bar}<div class="methods"></div></div>')(
        key="live_scrub",
        data=dict(data),
        on_sparsity_change=lambda: on_sparsity(float(st.session_state["live_scrub"].sparsity)),
    )
