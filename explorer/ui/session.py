"""One person's session: the view, its way to and from the address bar, uploads, and messages.

The view is the only state of the page. Widgets are set from it before they are drawn, and their callbacks replace it;
a callback runs before the page does, so while a page runs the view stands still. The address bar is read when a
session starts and when it changed without a widget having acted (an edited address, a link, the back button), and
written at the start of every run.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast
from uuid import uuid4

import streamlit as st
from PIL import Image

from core.data.datasets import registered_image
from core.data.samples import sample_images
from core.errors import PathwayError
from core.network import Network
from explorer.compute import catalogue
from explorer.plots import Theme, plain
from explorer.state import Neuron, View
from explorer.ui import streamlit_compat

__all__ = [
    "CHECKPOINT",
    "UPLOAD",
    "change",
    "fit",
    "is_connected",
    "look_anew",
    "look_at",
    "look_through",
    "looks",
    "mask",
    "network",
    "networks",
    "own_masks",
    "own_pictures",
    "pick",
    "pictures",
    "select",
    "start",
    "tell",
    "theme",
    "turned",
    "view",
    "waiter",
]

KEPT_MESSAGES = 3
LATE = 1.5  # seconds in which a browser may still send the address before the last
LATE_ON_TURNING = 15.0  # the same after a change of page: then the address before was empty, as few others are
UPLOAD, CHECKPOINT = "upload-", "checkpoint-"


def view() -> View:
    """Return the view that the person chose."""
    return cast(View, st.session_state["view"])


def change(make: Callable[[View], View]) -> None:
    """Replace the view, from a widget's callback, and drop the messages shown before.

    A fragment that polls sends the widgets' values as they were when the poll started, which may differ from what the
    page has set since. No person changes the view by a poll, so such changes are dropped.
    """
    if streamlit_compat.is_fragment_rerun():
        return
    st.session_state["messages"] = []
    st.session_state["view"] = make(view())
    st.session_state["acted"] = True


def waiter() -> str:
    """Return this session's name for the job queue: Streamlit's own, and one that no other session ever had."""
    return f"{streamlit_compat.session_id()} {st.session_state.setdefault('waiter', uuid4().hex)}"


def is_connected(waiter: str) -> bool:
    """Return whether a session still has its browser, given its ``waiter()``."""
    return streamlit_compat.has_browser(waiter.partition(" ")[0])


def fit(network: Network) -> None:
    """Reset the fields of the view that this network does not have, say which, and rerun the page."""
    v, sites = view(), network.sites
    fitted = replace(
        v,
        target=v.target if v.target is None or v.target < network.classes else None,
        site=None if v.site is None else min(v.site, len(sites) - 1),
        cam_site=v.cam_site if v.cam_site in {site.index for site in sites if len(site.shape) == 3} else None,
        neuron=v.neuron if v.neuron and _has(network, v.neuron) else None,
        parts=tuple(part for part in v.parts if part.fits(network)),
    )
    if fitted != v:
        lost = [f"{name}={value}" for name, value in v.params().items() if fitted.params().get(name) != value]
        tell(f"{network.name} does not have what the link asks for: {', '.join(lost)}.")
        st.session_state["view"] = fitted
        st.rerun()


def _has(network: Network, neuron: Neuron) -> bool:
    return neuron[0] < len(network.sites) and neuron[1] < network.sites[neuron[0]].neurons


def theme() -> Theme:
    """Return the colours of the page."""
    return Theme(dark=st.context.theme.type == "dark")


def turned() -> bool:
    """Return whether this run is the first on another page, where Streamlit knows no widget yet."""
    return bool(st.session_state.get("turned"))


def tell(message: str) -> None:
    """Show a message on top of the page until the person's next step."""
    told = st.session_state.setdefault("messages", [])
    if message not in told:
        told[:] = [*told, message][-KEPT_MESSAGES:]


def start(page: str) -> None:
    """Settle the view for this run: follow the address bar if it changed by itself, then write it; show messages.

    Args:
        page: where the person is. All pages share the view; a click in the navigation empties the address.
    """
    params = st.query_params.to_dict()
    acted = st.session_state.pop("acted", False)
    st.session_state["turned"] = st.session_state.get("page", page) != page
    st.session_state["page"] = page
    kept = turned() and not params
    if "view" not in st.session_state or (not acted and not kept and _moved(params)):
        st.session_state["view"] = _from_link(params)
    written = view().params()
    if params != written:
        st.query_params.from_dict(written)
        st.session_state["overwritten"] = (params, time.monotonic() + (LATE_ON_TURNING if turned() else LATE))
    st.session_state["written"] = written
    for message in st.session_state.get("messages", []):
        st.warning(plain(message))


def _moved(params: dict[str, str]) -> bool:
    """Return whether the address bar changed by itself: it holds neither what was written nor what that just replaced.

    A run that the browser asked for before it received the last address still sends the one before.
    """
    before, until = st.session_state.get("overwritten", (None, 0.0))
    late = params == before and time.monotonic() < until
    return params != st.session_state["written"] and not late


def _from_link(params: dict[str, str]) -> View:
    found, notes = View.from_params(params)
    if notes:
        tell(f"The link holds what cannot be followed here, left at its default: {', '.join(notes)}.")
    default = View()
    if found.image not in (*own_pictures(), *sample_images()) and not _is_numbered(found.image):
        what = "an uploaded picture, which is not in the link" if found.image.startswith(UPLOAD) else "an unknown photo"
        tell(f"The link asks for {what}; this is {default.image} instead. Upload the picture to see it here.")
        found = replace(found, image=default.image)
    if found.network not in networks():
        what = (
            "an uploaded checkpoint, which is not in the link"
            if found.network.startswith(CHECKPOINT)
            else (f"{found.network}, which is not a network with ReLUs known here")
        )
        tell(f"The link asks for {what}; this is {default.network} instead.")
        found = replace(found, network=default.network)
    return found


def pictures() -> dict[str, Callable[[], Image.Image]]:
    """Return every picture this session may choose: its own first, then the embedded photos.

    An image of a registered data set, DATASET:NUMBER, is among them while it is looked at.
    """
    own = {name: lambda data=data: Image.open(io.BytesIO(data)) for name, data in own_pictures().items()}
    names = [*sample_images(), *([view().image] if _is_numbered(view().image) else [])]
    return own | {name: partial(catalogue.sample, name) for name in names}


def _is_numbered(name: str) -> bool:
    """Return whether a name is that of an image of a registered data set; tell of a data set that cannot be opened."""
    try:
        return registered_image(name) is not None
    except PathwayError as problem:
        tell(str(problem))
        return False


def networks() -> dict[str, str]:
    """Return every network this session may choose, and how it is labelled: its own first, then the zoo's."""
    own = {name: f"{loaded.name} · your checkpoint" for name, loaded in st.session_state.get("checkpoints", {}).items()}
    return own | catalogue.network_labels()


def network(name: str) -> Network:
    """Return a network of the zoo, or this session's own.

    Raises:
        PathwayError: see ``core.models.zoo.load_network``.
    """
    own = st.session_state.get("checkpoints", {})
    return own[name] if name in own else catalogue.network(name)


def mask() -> Image.Image | None:
    """Return the object mask of the picture looked at, in mode "L", if it came with one or was given one."""
    data = own_masks().get(view().image)
    return Image.open(io.BytesIO(data)) if data else None


def own_masks() -> dict[str, bytes]:
    """Return the object masks of pictures that have one, by the picture's name, the newest last."""
    masks: dict[str, bytes] = st.session_state.setdefault("masks", {})
    return masks


def looks() -> int:
    """Return how often the person started over: with another picture, another network, or Reset."""
    return int(st.session_state.get("looks", 0))


def select(neuron: Neuron, *, whole: bool) -> None:
    """Select one neuron, or its whole channel, from a callback."""
    change(lambda v: replace(v, neuron=neuron, whole=whole))


def look_anew(make: Callable[[View], View]) -> None:
    """Replace the view, from a callback, and forget what was selected in tables."""
    change(make)
    st.session_state["looks"] = looks() + 1


def look_at(name: str) -> None:
    """Look at another picture, from a callback: uncropped, at its own prediction, no neuron and no box selected."""
    look_anew(lambda v: replace(v, image=name, x=0.5, y=0.5, zoom=1.0, target=None, neuron=None, box=None))


def pick(name: str) -> None:
    """Look at a picture that the browser names, if it is one that this session may choose."""
    if name in pictures():
        look_at(name)


def look_through(name: str) -> None:
    """Look through another network, from a callback: at its own prediction, from its own site."""
    look_anew(lambda v: replace(v, network=name, target=None, neuron=None, site=None, cam_site=None, parts=()))
    for history in ("past", "future"):  # of the knock-out: its parts are the other network's
        st.session_state.pop(history, None)


def own_pictures() -> dict[str, bytes]:
    """Return the pictures this person brought, by name, the newest last."""
    own: dict[str, bytes] = st.session_state.setdefault("pictures", {})
    return own
