"""The app's own pieces of JavaScript: what has to happen in the browser. Their sources lie in ``components/``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["copy_link", "picture_picker"]

_SOURCES = Path(__file__).with_name("components")


@cache
def _component(name: str, html: str) -> Callable[..., Any]:
    css, js = ((_SOURCES / f"{name}.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return st.components.v2.component(name, html=html, css=css, js=js)


def copy_link() -> None:
    """Draw a button that copies the page's address."""
    _component("copy_link", '<button type="button">Copy link</button><span role="status"></span>')(key="copy_link")


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
