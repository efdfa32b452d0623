"""Controls for what one looks at and through: network, checkpoint, photo, crop, target."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache

import streamlit as st
from PIL import Image

from core.data.samples import sample_images
from core.errors import ImageError, PathwayError, WeightsMissing
from core.network import Network
from explorer.compute import catalogue
from explorer.compute.scene import Scene, make_scene
from explorer.plots import figures
from explorer.plots.words import percent, plain
from explorer.state.view import View
from explorer.ui import components, session, uploads
from explorer.ui.fields import field, settle
from explorer.ui.progress import show_progress, start, submit
from explorer.ui.session import view
from explorer.views import lesson

__all__ = ["Subject", "find_subject", "show_sidebar"]

PREDICTED = -1  # the target that follows the prediction


@dataclass(frozen=True)
class Subject:
    """What a page looks at: a photo in a network; no network and no scene while its weights are not at hand."""

    photo: Image.Image
    network: Network | None = None
    scene: Scene | None = None


def find_subject() -> Subject:
    """Return the subject of the view; where there is no network, say why and what to do."""
    chosen = _find_network()
    photo = session.pictures()[view().image]()
    if chosen is None:
        return Subject(photo)
    session.fit(chosen)
    return Subject(photo, chosen, make_scene(chosen, photo, view().crop, view().target))


def show_sidebar(subject: Subject, extras: Callable[[], None] = lambda: None) -> None:
    """Draw every control of what one looks at; ``extras`` draws what only one page has."""
    with st.sidebar:
        _network()
        _photo()
        if subject.network:
            _crop(subject.network, subject.photo)
        if subject.scene:
            _target(subject.scene)
            extras()
        lesson.end_sidebar()


def _network() -> None:
    """Draw the choice of network, and the way to bring one's own weights."""
    labels = session.networks()
    st.selectbox(
        "Network",
        list(labels),
        index=list(labels).index(settle("network", view().network)),
        format_func=labels.__getitem__,
        key="network",
        on_change=lambda: session.look_through(st.session_state["network"]),
        help="Two networks are embedded. The others are torchvision's; their weights are fetched only if you say so.",
    )
    with st.expander("Your own checkpoint"):
        _checkpoint_form()


def _checkpoint_form() -> None:
    limit = uploads.MAX_CHECKPOINT // 2**20
    loads = st.session_state.setdefault("loads", 0)
    architecture = st.selectbox("Architecture", list(catalogue.network_labels()), key="checkpoint_architecture")
    file = st.file_uploader(
        "Weights",
        ["safetensors", "pth", "pt"],
        max_upload_size=limit,
        key=f"checkpoint_{loads}",
        help=f"A safetensors file or a state dict, at most {limit} MB. It stays in this session; nothing in it is run.",
    )
    names = st.text_area("Class names, one a line (optional)", key="checkpoint_names", height=80)

    def load() -> None:
        if file is not None:
            lines = [line.strip() for line in names.splitlines() if line.strip()]
            uploads.add_checkpoint(file.getvalue(), architecture, file.name, lines or None)
            st.session_state["loads"] += 1  # a new uploader, so that the file itself is not kept

    st.button("Load checkpoint", disabled=file is None, on_click=load)


def _find_network() -> Network | None:
    """Return the chosen network; where it cannot be had, say why and what to do, and return None."""
    name = view().network
    try:
        with st.spinner(f"Loading {name} ..."):
            return session.network(name)
    except WeightsMissing as missing:
        _offer_download(missing)
    except PathwayError as problem:
        st.error(plain(str(problem)))
        _back_to_default()
    return None


def _offer_download(missing: WeightsMissing) -> None:
    st.info(plain(str(missing)))
    wanted: set[str] = st.session_state.setdefault("downloads", set())
    download = catalogue.Download(missing.name)

    def want() -> None:
        wanted.add(missing.name)
        start(download.key)

    ticket = submit(download) if missing.name in wanted else None
    if ticket and ticket.state != "cancelled":
        show_progress(ticket, "download")
        return
    st.button(f"Download {missing.name} ({missing.megabytes:.0f} MB)", type="primary", on_click=want)
    _back_to_default()


def _back_to_default() -> None:
    default = View().network
    st.button(f"Back to {default}", on_click=lambda: session.look_through(default))


def _title(name: str) -> str:
    facts = catalogue.sample_facts(name)
    return facts.title if facts else "Your picture"


@cache
def _sample_thumbnail(name: str) -> str:
    return _data_url(sample_images()[name].open())


def _data_url(picture: Image.Image) -> str:
    return figures.data_url(figures.jpeg(figures.thumbnail(picture)))


def _photo() -> None:
    """Draw the gallery, and the ways to bring one's own picture: choose, drop or paste."""
    samples, pictures = sample_images(), []
    for name, open_picture in session.pictures().items():
        with suppress(ImageError):  # a damaged one is left out here, and named where it is asked for
            source = _sample_thumbnail(name) if name in samples else _data_url(open_picture())
            pictures.append({"name": name, "title": _title(name), "source": source})
    st.html('<p class="label">Photo</p>')

    components.picture_picker(
        pictures, view().image, uploads.LONGEST, on_picked=session.pick, on_pasted=uploads.add_pasted
    )
    loads = st.session_state.setdefault("uploads", 0)

    def uploaded() -> None:
        file = st.session_state.get(f"upload_{loads}")
        if file is not None:
            uploads.add_picture(file.getvalue())
            st.session_state["uploads"] += 1  # a new uploader, so that the file itself is not kept

    st.file_uploader(
        "Drop, choose or paste (Ctrl+V) a picture",
        key=f"upload_{loads}",
        on_change=uploaded,
        max_upload_size=uploads.MAX_PICTURE >> 20,
        help="JPEG, PNG, WebP, GIF, BMP or TIFF. It is scaled down, stays in this session and is not in the link.",
    )


def _crop(chosen: Network, picture: Image.Image) -> None:
    """Draw the square that the network sees, and the sliders that move it."""
    if chosen.preprocessing is None:
        return
    with st.expander("Crop"):
        box = chosen.preprocessing.box(picture.size, view().crop)
        st.image(
            figures.jpeg(figures.crop_preview(picture, box)),
            width="stretch",
            alt="The photo; the network sees "
            f"pixels {box[0]:.0f} to {box[2]:.0f} across and {box[1]:.0f} to {box[3]:.0f} down.",
        )
        st.slider("Left to right", 0.0, 1.0, step=0.05, **field("x"))
        st.slider("Top to bottom", 0.0, 1.0, step=0.05, **field("y"))
        st.slider("Zoom", 1.0, 8.0, step=0.25, **field("zoom"))


def _target(scene: Scene) -> None:
    """Draw the choice of target: the predicted class, the next best, or any by search."""
    names = scene.network.class_names
    probabilities = scene.original.logits.softmax(1)[0].tolist()
    best = sorted(range(len(names)), key=lambda i: -probabilities[i])[:5]
    rest = sorted(set(range(len(names))) - set(best), key=lambda i: names[i])

    def label(index: int) -> str:
        if index == PREDICTED:
            return f"Predicted: {names[best[0]]} ({percent(probabilities[best[0]])})"
        return f"{names[index]} ({percent(probabilities[index])}, class {index})"

    key = f"target_{hash((scene.key[:-1], names))}"  # Streamlit tells options apart by their labels
    options = [PREDICTED, *best, *rest]
    wanted = view().target

    def changed() -> None:
        chosen = st.session_state[key]
        if chosen is not None:
            session.change(lambda v: replace(v, target=None if chosen == PREDICTED else chosen, neuron=None))

    st.selectbox(
        "Target class",
        options,
        index=options.index(settle(key, PREDICTED if wanted is None else wanted)),
        format_func=label,
        key=key,
        on_change=changed,
        help="Whose logit is explained. Type to search.",
    )
