"""The sidebar, which chooses network, checkpoint, photo, crop and target; and how a page about them is rendered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import TypeVar

import streamlit as st
from PIL import Image

from core.data.images import FORMATS
from core.data.levels import Levels
from core.data.samples import sample_images
from core.errors import ImageError, PathwayError, WeightsMissing
from core.network import Network
from explorer import ui
from explorer.compute import catalogue
from explorer.plots import figures, number, percent, plain
from explorer.state import View
from explorer.views import lesson

__all__ = ["render_page"]

T = TypeVar("T")

PREDICTED = -1  # the target that follows the prediction


def render_page(
    lead: Callable[[ui.SceneContext], T],
    *parts: Callable[[ui.SceneContext, T], None],
    options: Callable[[], None] | None = None,
) -> None:
    """Render a page about one photo in one network; where the network cannot be loaded, say why and what to do.

    What the page's controls change is drawn first; the sidebar, which they do not change, after it.

    Args:
        lead: draws the page's head, and returns what all its parts are about.
        parts: draw the rest, in order.
        options: draws what only this page's sidebar has.
    """
    page = ui.find_page()
    network = _load_network(page.view.network)
    if network is None:
        _show_sidebar(page, options)
        return
    ui.session.fit(network)
    subject = ui.find_scene(network)
    about = lead(subject)
    ui.TURNS.let_others()
    _show_sidebar(subject, options)
    for show in parts:
        show(subject, about)


def _show_sidebar(page: ui.PageContext, options: Callable[[], None] | None) -> None:
    """Draw every control of the sidebar; without a network, only those that lead to another."""
    with st.sidebar:
        _network(page.view)
        _photo(page.view)
        if isinstance(page, ui.SceneContext):
            _crop(page)
            _target(page)
            if options:
                options()
        lesson.end_sidebar()


def _network(view: View) -> None:
    """Draw the choice of network, and the way to bring one's own weights."""
    labels = ui.session.networks()
    st.selectbox(
        "Network",
        list(labels),
        index=list(labels).index(ui.settle("network", view.network)),
        format_func=labels.__getitem__,
        key="network",
        on_change=lambda: ui.session.look_through(st.session_state["network"]),
        help="Two networks are embedded. The others are torchvision's; their weights are fetched only if you say so.",
    )
    left_out = ui.uploads.left_out(view.network)
    if left_out:
        more = f" and {number(len(left_out) - 3)} more" if len(left_out) > 3 else ""
        st.caption(f"In the file but no part of the network: {plain(', '.join(left_out[:3]))}{more}.")
    with st.expander("Your own checkpoint", expanded=ui.uploads.question() is not None):
        _checkpoint_form()
        _answer_question()


def _checkpoint_form() -> None:
    limit = ui.uploads.MAX_CHECKPOINT // 2**20
    loads = st.session_state.setdefault("loads", 0)
    architecture = st.selectbox("Architecture", list(catalogue.network_labels()), key="checkpoint_architecture")
    file = st.file_uploader(
        "Weights",
        max_upload_size=limit,
        key=f"checkpoint_{loads}",
        help=f"A safetensors file or one of torch.save, under any name, at most {limit} MB. It stays in this session; "
        "nothing in it is run.",
    )
    names = st.text_area("Class names, one per line (optional)", key="checkpoint_names", height=80)

    def load() -> None:
        if file is not None:
            lines = tuple(line.strip() for line in names.splitlines() if line.strip())
            upload = ui.uploads.CheckpointUpload(file.getvalue(), architecture, file.name, lines or None)
            _add(upload)
            st.session_state["loads"] += 1  # a new uploader, so that the file itself is not kept

    st.button("Load checkpoint", disabled=file is None, on_click=load)


def _answer_question() -> None:
    """Draw the question that the last upload leaves open, if there is one, and the choice of an answer."""
    question = ui.uploads.question()
    if question is None:
        return
    chosen = st.radio(
        question.text,
        list(question.answers),
        format_func=lambda answer: plain(question.answers[answer]),
        key=f"checkpoint_{question.field}",
    )
    st.button("Load with this answer", on_click=lambda: _add(question.answered(chosen)))


def _add(upload: ui.uploads.CheckpointUpload) -> None:
    ui.uploads.add_checkpoint(upload, ui.session.pictures()[ui.find_page().view.image]())


def _load_network(name: str) -> Network | None:
    """Load a network; where that fails, show why and what to do, and return None."""
    try:
        with st.spinner(f"Loading {name} ..."):
            return ui.session.network(name)
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
        ui.start_again(download.key)

    ticket = ui.submit(download) if missing.name in wanted else None
    if ticket and ticket.state != "cancelled":
        ui.show_progress(ticket, "download")
        return
    st.button(f"Download {missing.name} ({missing.megabytes:.0f} MB)", type="primary", on_click=want)
    _back_to_default()


def _back_to_default() -> None:
    default = View().network
    st.button(f"Back to {default}", on_click=lambda: ui.session.look_through(default))


def _title(name: str) -> str:
    facts = catalogue.sample_facts(name)
    return facts.title if facts else "Your picture"


@cache
def _sample_thumbnail(name: str) -> str:
    return _data_url(sample_images()[name].open())


def _data_url(picture: Image.Image) -> str:
    return figures.data_url(figures.jpeg(figures.thumbnail(picture)))


def _photo(view: View) -> None:
    """Draw the gallery, and the ways to bring one's own picture: choose, drop or paste."""
    samples, pictures = sample_images(), []
    for name, open_picture in ui.session.pictures().items():
        with suppress(ImageError):  # a damaged one is left out here, and named where it is asked for
            source = _sample_thumbnail(name) if name in samples else _data_url(open_picture())
            pictures.append({"name": name, "title": _title(name), "source": source})
    st.html('<p class="label">Photo</p>')

    ui.components.picture_picker(
        pictures, view.image, ui.uploads.LONGEST, on_picked=ui.session.pick, on_pasted=ui.uploads.add_pasted
    )
    loads = st.session_state.setdefault("uploads", 0)

    def uploaded() -> None:
        file = st.session_state.get(f"upload_{loads}")
        if file is not None:
            ui.uploads.add_picture(file.getvalue())
            st.session_state["uploads"] += 1  # a new uploader, so that the file itself is not kept

    st.file_uploader(
        "Drop, choose or paste (Ctrl+V) a picture",
        key=f"upload_{loads}",
        on_change=uploaded,
        max_upload_size=ui.uploads.MAX_PICTURE >> 20,
        help=f"{', '.join(FORMATS)}. It is scaled down, stays in this session and is not in the link.",
    )
    _levels(view.image)


def _levels(name: str) -> None:
    """Say what was assumed of an upload; where it holds more than 8 bits, draw the choice of level and window."""
    opened = ui.uploads.opened(name)
    if opened is None:
        return
    said = [f"{opened.levels}." if opened.levels else "", *opened.notes]
    if any(said):
        st.caption(plain(" ".join(filter(None, said))))
    if opened.levels is None or not opened.data:
        return
    with st.expander("Level and window"):
        level = st.number_input("Level, the value in the middle", value=opened.levels.level, key=f"level_{name}")
        window = st.number_input("Window, from black to white", value=opened.levels.width, key=f"window_{name}")
        with st.container(horizontal=True):
            st.button("Show", on_click=lambda: _show_window(name, level, window))
            st.button("As the file suggests", on_click=lambda: ui.uploads.show_levels(name, None))


def _show_window(name: str, level: float, window: float) -> None:
    try:
        ui.uploads.show_levels(name, Levels.window(level, window))
    except PathwayError as problem:
        ui.session.tell(str(problem))


def _crop(page: ui.SceneContext) -> None:
    """Draw the square that the network sees, and the sliders that move it."""
    if page.network.preprocessing is None:
        return
    with st.expander("Crop"):
        box = page.network.preprocessing.box(page.photo.size, page.view.crop)
        st.image(
            figures.jpeg(figures.crop_preview(page.photo, box)),
            width="stretch",
            alt="The photo; the network sees "
            f"pixels {box[0]:.0f} to {box[2]:.0f} across and {box[1]:.0f} to {box[3]:.0f} down.",
        )
        st.slider("Left to right", step=0.05, **ui.field("x"))
        st.slider("Top to bottom", step=0.05, **ui.field("y"))
        st.slider("Zoom", step=0.25, **ui.field("zoom"))


def _target(page: ui.SceneContext) -> None:
    """Draw the choice of target: the predicted class, the next best, or any by search."""
    names = page.network.class_names
    probabilities = page.scene.original.logits.softmax(1)[0].tolist()
    best = sorted(range(len(names)), key=lambda i: -probabilities[i])[:5]
    rest = sorted(set(range(len(names))) - set(best), key=lambda i: names[i])

    def label(index: int) -> str:
        if index == PREDICTED:
            return f"Predicted: {names[best[0]]} ({percent(probabilities[best[0]])})"
        return f"{names[index]} ({percent(probabilities[index])}, class {index})"

    key = f"target_{hash((page.scene.key[:-1], names))}"  # Streamlit tells options apart by their labels
    options = [PREDICTED, *best, *rest]
    wanted = page.view.target

    def changed() -> None:
        chosen = st.session_state[key]
        if chosen is not None:
            ui.session.change(lambda v: replace(v, target=None if chosen == PREDICTED else chosen, neuron=None))

    st.selectbox(
        "Target class",
        options,
        index=options.index(ui.settle(key, PREDICTED if wanted is None else wanted)),
        format_func=label,
        key=key,
        on_change=changed,
        help="Whose logit is explained. Type to search.",
    )
