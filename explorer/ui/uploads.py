"""Uploads: pictures, object masks and checkpoints, kept in their session alone.

Pictures are kept as JPEG bytes, at most ``KEPT_PICTURES``, and one checkpoint. A file that cannot be used changes
nothing, and the person is told why.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Literal, TypeVar

import streamlit as st
from PIL import Image

from core.data.images import downscale, image_hash, open_mask, open_picture
from core.data.levels import Levels
from core.errors import ImageError, PathwayError, SeveralWeights
from core.models.zoo import asks_for_input_transform, compare_input_transforms, read_checkpoint
from explorer.plots import jpeg, percent
from explorer.ui.session import CHECKPOINT, UPLOAD, change, look_at, look_through, own_masks, own_pictures, tell, view

__all__ = [
    "LONGEST",
    "MAX_CHECKPOINT",
    "MAX_PICTURE",
    "CheckpointUpload",
    "Opened",
    "Question",
    "add_checkpoint",
    "add_mask",
    "add_pasted",
    "add_picture",
    "left_out",
    "opened",
    "question",
    "show_levels",
]

T = TypeVar("T")

LONGEST = 1024  # pixels an uploaded picture keeps on its longer side
KEPT_PICTURES = 4
KEPT_MASKS = 8
MAX_CHECKPOINT = 300 * 2**20
MAX_PICTURE = 20 * 2**20
_DECODING = Lock()  # one picture or checkpoint at a time: opening a large one takes many times its size in memory


@dataclass(frozen=True)
class Opened:
    """What was assumed when an upload was opened.

    Attributes:
        levels: the values shown as black and white; None where the file holds 8 bits per channel or fewer.
        notes: sentences on what was left out or assumed.
        data: the file, to open it at other levels; b"" where it has none, or where a newer file has been uploaded.
    """

    levels: Levels | None
    notes: tuple[str, ...]
    data: bytes


def opened(name: str) -> Opened | None:
    """Return what was assumed of a picture; None if this session has not uploaded it."""
    return _opened().get(name)


def _opened() -> dict[str, Opened]:
    found: dict[str, Opened] = st.session_state.setdefault("opened_pictures", {})
    return found


def add_picture(data: bytes) -> None:
    """Add an uploaded picture to the session and look at it; a picture that cannot be used changes nothing."""
    name = _add_picture(data, None)
    if name:
        look_at(name)


def show_levels(name: str, levels: Levels | None) -> None:
    """Open the picture looked at again, at other levels; None for those that its file suggests."""
    assumed = opened(name)
    again = _add_picture(assumed.data, levels) if assumed and assumed.data else None
    if again and again != name:
        own_pictures().pop(name, None)
        _opened().pop(name, None)
        change(lambda v: replace(v, image=again))


def _add_picture(data: bytes, levels: Levels | None) -> str | None:
    """Add a picture to the session; return its name, or tell the person why it cannot be used and return None."""
    try:
        _check_size(data)
        with _DECODING:
            picture, own_mask = open_picture(data, levels), open_mask(data)
    except ImageError as problem:
        tell(f"{problem} What you looked at is unchanged.")
        return None
    image = downscale(picture.image, LONGEST)
    name = UPLOAD + image_hash(image)
    if own_mask:
        _keep_mask(name, own_mask)
    _keep(own_pictures(), name, jpeg(image, quality=95), KEPT_PICTURES)
    older = {each: replace(assumed, data=b"") for each, assumed in _opened().items()}
    st.session_state["opened_pictures"] = older  # one file is kept, that of the newest
    _keep(older, name, Opened(picture.levels, picture.notes, data if picture.levels else b""), KEPT_PICTURES)
    return name


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


def _keep(own: dict[str, T], name: str, data: T, most: int) -> None:
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
        filename: the file's name.
        class_names: None for those in the file.
        weights: the name of one set of weights in the file; None for the only one.
        transform_input: whether the network re-scales its input; None until the question is answered.
    """

    data: bytes
    architecture: str
    filename: str
    class_names: tuple[str, ...] | None
    weights: str | None = None
    transform_input: bool | None = None


@dataclass(frozen=True)
class Question:
    """A question that a checkpoint's file leaves open.

    Attributes:
        upload: the file.
        field: of the upload, which the answer fills.
        text: the question.
        answers: what may be chosen, each in words, the usual answer first.
    """

    upload: CheckpointUpload
    field: Literal["weights", "transform_input"]
    text: str
    answers: Mapping[Any, str]

    def answered(self, answer: Any) -> CheckpointUpload:
        """Return the upload with an answer."""
        return replace(self.upload, **{self.field: answer})


def question() -> Question | None:
    """Return the question about the last checkpoint that has no answer yet, if there is one."""
    found: Question | None = st.session_state.get("checkpoint_question")
    return found


def add_checkpoint(upload: CheckpointUpload, photo: Image.Image) -> None:
    """Load a checkpoint for this session alone and look through it; one that does not fit changes nothing.

    Where the file leaves a question open, it is kept until the person answers.

    Args:
        upload: the file, and what is known of it.
        photo: the answers to a question show what the network says of it.
    """
    st.session_state["checkpoint_question"] = None
    try:
        with _DECODING:
            st.session_state["checkpoint_question"] = _ask(upload, photo)
            if question() is None:
                _load(upload)
    except SeveralWeights as several:
        text = "This file holds several sets of weights. Which?"
        answers = {name: f"{name or 'the outermost'}: {words}" for name, words in several.candidates.items()}
        st.session_state["checkpoint_question"] = Question(upload, "weights", text, answers)
    except PathwayError as problem:
        tell(f"{problem} What you looked at is unchanged.")


def _ask(upload: CheckpointUpload, photo: Image.Image) -> Question | None:
    """Return what has to be asked about the input of the network, None where the file or the person has said it."""
    if upload.transform_input is not None or not asks_for_input_transform(upload.architecture):
        return None
    found = compare_input_transforms(upload.data, upload.architecture, photo.convert("RGB"), **_options(upload))
    said = {
        flag: ("re-scaled: " if flag else "as it is: ") + ", ".join(f"{a.name} {percent(a.probability)}" for a in top)
        for flag, top in found.items()
    }
    text = "The file does not say whether the network re-scales its input (transform_input). What it says of the photo:"
    return Question(upload, "transform_input", text, said)


def _load(upload: CheckpointUpload) -> None:
    loaded = read_checkpoint(
        upload.data, upload.architecture, transform_input=upload.transform_input, **_options(upload)
    )
    name = CHECKPOINT + loaded.network.weights_hash
    st.session_state["checkpoints"] = {name: loaded.network}
    st.session_state["left_out"] = {name: loaded.left_out}
    look_through(name)


def _options(upload: CheckpointUpload) -> dict[str, Any]:
    return {
        "weights": upload.weights,
        "filename": upload.filename,
        "class_names": upload.class_names,
        "max_bytes": MAX_CHECKPOINT,
    }


def left_out(network: str) -> tuple[str, ...]:
    """Return the tensors of this session's checkpoint that are no part of the network."""
    found: tuple[str, ...] = st.session_state.get("left_out", {}).get(network, ())
    return found
