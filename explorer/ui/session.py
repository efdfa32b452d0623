"""One person's session: the view and its way to and from the address bar, what they uploaded, what to tell them.

The view is the one truth. Widgets are set from it before they are drawn, and their callbacks replace it; a callback
runs before the page does, so while a page runs the view stands still. The address bar is read when a session starts
and when it changed without a widget having acted (an edited address, a link, the back button), and written at the
start of every run.

Uploads stay in the session: pictures as JPEG bytes, at most ``KEPT_PICTURES``; one checkpoint.
"""

from __future__ import annotations

import base64
import binascii
import io
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import cast
from uuid import uuid4

import streamlit as st
from PIL import Image

from core.data.datasets import registered_image
from core.data.images import downscale, image_hash, open_image, open_mask, sample_images
from core.errors import ImageError, PathwayError
from core.models.zoo import load_checkpoint
from core.network import Network
from explorer.compute import compute
from explorer.plots.figures import jpeg
from explorer.plots.words import plain
from explorer.state.choices import Neuron
from explorer.state.view import View
from explorer.ui import streamlit_compat

__all__ = [
    "CHECKPOINT",
    "LONGEST",
    "MAX_CHECKPOINT",
    "MAX_PICTURE",
    "UPLOAD",
    "add_checkpoint",
    "add_mask",
    "add_pasted",
    "add_picture",
    "change",
    "dark",
    "fit",
    "is_connected",
    "look_anew",
    "look_at",
    "look_through",
    "looks",
    "mask",
    "network",
    "networks",
    "pick",
    "pictures",
    "select",
    "start",
    "tell",
    "turned",
    "view",
    "waiter",
]

LONGEST = 1024  # pixels an uploaded picture keeps on its longer side
KEPT_PICTURES = 4
KEPT_MASKS = 8
KEPT_MESSAGES = 3
LATE = 1.5  # seconds for which a browser may not have heard of the address written last
LATE_ON_TURNING = 15.0  # the same after a page was turned: its address was empty, as hardly any other is soon after
MAX_CHECKPOINT = 300 * 2**20
MAX_PICTURE = 20 * 2**20
UPLOAD, CHECKPOINT = "upload-", "checkpoint-"
_DECODING = Lock()  # one picture or checkpoint after the other: opening a large one takes many times its memory


def view() -> View:
    """Return what the person chose."""
    return cast(View, st.session_state["view"])


def change(make: Callable[[View], View]) -> None:
    """Replace the view, from a widget's callback; what was told before it has been read.

    A poll brings the values that the browser's widgets had when it left, and so may seem to move those that the page
    has set meanwhile. Nothing a person does to the view comes with a poll: such changes are dropped.
    """
    if streamlit_compat.is_fragment_rerun():
        return
    st.session_state["messages"] = []
    st.session_state["view"] = make(view())
    st.session_state["acted"] = True


def waiter() -> str:
    """Return who asks, for the job queue: Streamlit's name of the session, and one that no other session ever had."""
    return f"{streamlit_compat.session_id()} {st.session_state.setdefault('waiter', uuid4().hex)}"


def is_connected(waiter: str) -> bool:
    """Return whether a session still has its browser, given its ``waiter()``."""
    return streamlit_compat.has_browser(waiter.partition(" ")[0])


def fit(network: Network) -> None:
    """Take out of the view what a link asks for and this network does not have, and say so."""
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


def dark() -> bool:
    """Return whether the page is dark."""
    return st.context.theme.type == "dark"


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
    """Whether the address bar changed by itself: it does not hold what was written, nor what that just replaced.

    A run that the browser asked for before it heard of the last address still brings the one before.
    """
    before, until = st.session_state.get("overwritten", (None, 0.0))
    late = params == before and time.monotonic() < until
    return params != st.session_state["written"] and not late


def _from_link(params: dict[str, str]) -> View:
    found, notes = View.from_params(params)
    if notes:
        tell(f"The link holds what cannot be followed here, left at its default: {', '.join(notes)}.")
    default = View()
    if found.image not in (*_own_pictures(), *sample_images()) and not _is_numbered(found.image):
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
    own = {name: lambda data=data: Image.open(io.BytesIO(data)) for name, data in _own_pictures().items()}
    names = [*sample_images(), *([view().image] if _is_numbered(view().image) else [])]
    return own | {name: partial(compute.sample, name) for name in names}


def _is_numbered(name: str) -> bool:
    """Whether a name is that of an image of a registered data set; say so where these cannot be opened."""
    try:
        return registered_image(name) is not None
    except PathwayError as problem:
        tell(str(problem))
        return False


def networks() -> dict[str, str]:
    """Return every network this session may choose, and how it is labelled: its own first, then the zoo's."""
    own = {name: f"{loaded.name} · your checkpoint" for name, loaded in st.session_state.get("checkpoints", {}).items()}
    return own | compute.network_labels()


def network(name: str) -> Network:
    """Return a network of the zoo, or this session's own.

    Raises:
        PathwayError: see ``core.models.zoo.load_network``.
    """
    own = st.session_state.get("checkpoints", {})
    return own[name] if name in own else compute.network(name)


def add_picture(data: bytes) -> None:
    """Take an uploaded picture into the session and look at it; keep what was there if it cannot be used."""
    try:
        _check_size(data)
        with _DECODING:
            picture, own_mask = downscale(open_image(data), LONGEST), open_mask(data)
    except ImageError as problem:
        tell(f"{problem} What you looked at is unchanged.")
        return
    name = UPLOAD + image_hash(picture)
    if own_mask:
        _keep_mask(name, own_mask)
    _keep(_own_pictures(), name, jpeg(picture, quality=95), KEPT_PICTURES)
    look_at(name)


def _check_size(data: bytes) -> None:
    """Refuse what the uploader of a browser that keeps to the rules does not send."""
    if len(data) > MAX_PICTURE:
        raise ImageError(f"The picture's file is larger than {MAX_PICTURE >> 20} MB; scale it down first.")


def add_mask(data: bytes, photo: Image.Image) -> None:
    """Take a picture's transparency as the object mask of the photo looked at; keep what was there if it has none."""
    try:
        _check_size(data)
        with _DECODING:
            found = open_mask(data)
    except ImageError as problem:
        tell(f"{problem} The mask is unchanged.")
        return
    if found is None:
        tell("This picture is opaque all over, so it marks no object. Wanted a PNG, transparent around the object.")
    elif abs(found.width * photo.height - found.height * photo.width) > 0.02 * found.width * photo.height:
        tell(
            f"The mask has {found.width} × {found.height} pixels, and the photo another shape, {photo.width} × "
            f"{photo.height}. Wanted a mask of the whole photo."
        )
    else:
        _keep_mask(view().image, found)
        change(lambda v: replace(v, box=None))


def mask() -> Image.Image | None:
    """Return the object mask of the picture looked at, in mode "L", if it came with one or was given one."""
    data = _own_masks().get(view().image)
    return Image.open(io.BytesIO(data)) if data else None


def _keep_mask(name: str, found: Image.Image) -> None:
    buffer = io.BytesIO()
    downscale(found, LONGEST).save(buffer, "PNG")
    _keep(_own_masks(), name, buffer.getvalue(), KEPT_MASKS)


def _keep(own: dict[str, bytes], name: str, data: bytes, most: int) -> None:
    """Put what is newest last, and let what is oldest go."""
    own.pop(name, None)
    own[name] = data
    while len(own) > most:
        own.pop(next(iter(own)))


def _own_masks() -> dict[str, bytes]:
    masks: dict[str, bytes] = st.session_state.setdefault("masks", {})
    return masks


def looks() -> int:
    """Return how often the person began anew: another picture, another network, or Reset."""
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
    """Look at a picture that the browser names, if it is one of those it was shown."""
    if name in pictures():
        look_at(name)


def look_through(name: str) -> None:
    """Look through another network, from a callback: at its own prediction, from its own site."""
    look_anew(lambda v: replace(v, network=name, target=None, neuron=None, site=None, cam_site=None, parts=()))
    for history in ("past", "future"):  # of the knock-out: its parts are the other network's
        st.session_state.pop(history, None)


def add_pasted(url: str) -> None:
    """Take a picture that the browser sends as a data URL."""
    if len(url) > 1.4 * MAX_PICTURE:  # base64 takes four letters for three bytes
        tell(f"What was pasted is larger than {MAX_PICTURE >> 20} MB. What you looked at is unchanged.")
        return
    _, _, text = url.partition(";base64,")
    try:
        add_picture(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        tell("What was pasted is not a picture that the browser could read. What you looked at is unchanged.")


def add_checkpoint(data: bytes, architecture: str, filename: str, class_names: list[str] | None) -> None:
    """Load own weights for this session alone and look through them; keep what was there if they do not fit."""
    try:
        with _DECODING:
            loaded = load_checkpoint(
                data, architecture, filename=filename, class_names=class_names, max_bytes=MAX_CHECKPOINT
            )
    except PathwayError as problem:
        tell(f"{problem} What you looked at is unchanged.")
        return
    name = CHECKPOINT + loaded.weights_hash
    st.session_state["checkpoints"] = {name: loaded}
    look_through(name)


def _own_pictures() -> dict[str, bytes]:
    own: dict[str, bytes] = st.session_state.setdefault("pictures", {})
    return own
