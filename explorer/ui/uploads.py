"""Uploads: pictures, object masks and checkpoints, kept in their session alone.

Pictures are kept as JPEG bytes, at most ``KEPT_PICTURES``, and one checkpoint. A file that cannot be used changes
nothing, and the person is told why.
"""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass, replace
from threading import Lock

import streamlit as st
from PIL import Image

from core.data.images import downscale, image_hash, open_image, open_mask
from core.errors import ImageError, PathwayError, SeveralWeights
from core.models.zoo import read_checkpoint
from explorer.plots import jpeg
from explorer.ui.session import CHECKPOINT, UPLOAD, change, look_at, look_through, own_masks, own_pictures, tell, view

__all__ = [
    "LONGEST",
    "MAX_CHECKPOINT",
    "MAX_PICTURE",
    "CheckpointUpload",
    "add_checkpoint",
    "add_mask",
    "add_pasted",
    "add_picture",
    "left_out",
    "several_weights",
]

LONGEST = 1024  # pixels an uploaded picture keeps on its longer side
KEPT_PICTURES = 4
KEPT_MASKS = 8
MAX_CHECKPOINT = 300 * 2**20
MAX_PICTURE = 20 * 2**20
_DECODING = Lock()  # one picture or checkpoint at a time: opening a large one takes many times its size in memory


def add_picture(data: bytes) -> None:
    """Add an uploaded picture to the session and look at it; a picture that cannot be used changes nothing."""
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
    _keep(own_pictures(), name, jpeg(picture, quality=95), KEPT_PICTURES)
    look_at(name)


def _check_size(data: bytes) -> None:
    """Refuse a file above the limit, which the uploader itself would not send."""
    if len(data) > MAX_PICTURE:
        raise ImageError(f"The picture's file is larger than {MAX_PICTURE >> 20} MB; scale it down first.")


def add_mask(data: bytes, photo: Image.Image) -> None:
    """Use a picture's transparency as the object mask of the photo; a picture without one changes nothing."""
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


def _keep_mask(name: str, found: Image.Image) -> None:
    buffer = io.BytesIO()
    downscale(found, LONGEST).save(buffer, "PNG")
    _keep(own_masks(), name, buffer.getvalue(), KEPT_MASKS)


def _keep(own: dict[str, bytes], name: str, data: bytes, most: int) -> None:
    """Add an item as the newest, and drop the oldest ones."""
    own.pop(name, None)
    own[name] = data
    while len(own) > most:
        own.pop(next(iter(own)))


def add_pasted(url: str) -> None:
    """Add a pasted picture, which the browser sends as a data URL."""
    if len(url) > 1.4 * MAX_PICTURE:  # base64 takes four letters for three bytes
        tell(f"What was pasted is larger than {MAX_PICTURE >> 20} MB. What you looked at is unchanged.")
        return
    _, _, text = url.partition(";base64,")
    try:
        add_picture(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        tell("What was pasted is not a picture that the browser could read. What you looked at is unchanged.")


@dataclass(frozen=True)
class CheckpointUpload:
    """A checkpoint as it was uploaded.

    Attributes:
        data: the file's bytes, unchecked.
        architecture: as ``available_networks`` lists it.
        filename: what it is called.
        class_names: None for those in the file.
    """

    data: bytes
    architecture: str
    filename: str
    class_names: tuple[str, ...] | None


def add_checkpoint(upload: CheckpointUpload, weights: str | None = None) -> None:
    """Load a checkpoint for this session alone and look through it; one that does not fit changes nothing.

    Where several sets of weights in the file fit, the upload is kept until one of them is chosen.

    Args:
        upload: the file, and what was said of it.
        weights: the name of the set of weights.
    """
    st.session_state.pop("several_weights", None)
    try:
        with _DECODING:
            loaded = read_checkpoint(
                upload.data,
                upload.architecture,
                weights=weights,
                filename=upload.filename,
                class_names=upload.class_names,
                max_bytes=MAX_CHECKPOINT,
            )
    except SeveralWeights as several:
        st.session_state["several_weights"] = upload, several.candidates
        return
    except PathwayError as problem:
        tell(f"{problem} What you looked at is unchanged.")
        return
    name = CHECKPOINT + loaded.network.weights_hash
    st.session_state["checkpoints"] = {name: loaded.network}
    st.session_state["left_out"] = {name: loaded.left_out}
    look_through(name)


def several_weights() -> tuple[CheckpointUpload, dict[str, str]] | None:
    """Return the upload of which one set of weights has to be chosen, with words on each set by its name."""
    found: tuple[CheckpointUpload, dict[str, str]] | None = st.session_state.get("several_weights")
    return found


def left_out(network: str) -> tuple[str, ...]:
    """Return the tensors of this session's checkpoint that are no part of the network."""
    found: tuple[str, ...] = st.session_state.get("left_out", {}).get(network, ())
    return found
