"""One control each: set from the view, replaces the view when a person uses it. See ``explorer.session``."""

from __future__ import annotations

import base64
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

from core.errors import PathwayError, WeightsMissing
from core.images import sample_images
from core.methods import METHODS
from core.network import Network
from core.zoo import Architecture, available_networks
from explorer import compute, figures, session
from explorer.compute import Scene
from explorer.session import view
from explorer.view import SPARSITIES, View, beside
from explorer.words import duration, percent

__all__ = [
    "copy_link",
    "crop",
    "find_network",
    "maps",
    "methods",
    "network",
    "option_controls",
    "photo",
    "ranking_scope",
    "reset",
    "restriction",
    "site",
    "sparsity",
    "target",
    "waiting",
]

PREDICTED = -1  # the target that follows the prediction
_COMPONENTS = Path(__file__).with_name("components")


@cache
def _component(name: str, html: str) -> Callable[..., Any]:
    css, js = ((_COMPONENTS / f"{name}.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return st.components.v2.component(name, html=html, css=css, js=js)


def _field(name: str) -> dict[str, Any]:
    """Return key and callback for a widget over one field of the view, and set the widget from it."""
    key = f"view_{name}"
    st.session_state[key] = getattr(view(), name)

    def changed() -> None:
        value = st.session_state[key]
        if value is not None:
            session.change(lambda v: replace(v, **{name: value}))

    return {"key": key, "on_change": changed}


# --- network ------------------------------------------------------------------------------------------------------------


@cache
def _architectures() -> dict[str, Architecture]:
    return {entry.name: entry for entry in available_networks() if entry.supported}


def _network_label(name: str) -> str:
    entry = _architectures().get(name)
    if entry is None:
        return f"{st.session_state['checkpoints'][name].name} (your checkpoint)"
    where = "embedded" if entry.embedded else f"{entry.megabytes:.0f} MB"
    return f"{name} · {where}"


def network() -> None:
    """Draw the choice of network, and the way to bring one's own weights."""
    own = list(st.session_state.get("checkpoints", {}))
    control = _field("network")

    def changed() -> None:
        name = st.session_state[control["key"]]
        session.change(lambda v: replace(v, network=name, target=None, neuron=None, site=0))

    st.selectbox(
        "Network", [*own, *_architectures()], format_func=_network_label, key=control["key"], on_change=changed,
        help="Two networks are embedded. The others are torchvision's; their weights are fetched only if you say so.",
    )  # fmt: skip
    with st.expander("Your own checkpoint"):
        _checkpoint_form()


def _checkpoint_form() -> None:
    limit = session.MAX_CHECKPOINT // 2**20
    architecture = st.selectbox("Architecture", list(_architectures()), key="checkpoint_architecture")
    file = st.file_uploader(
        "Weights", ["safetensors", "pth", "pt"], max_upload_size=limit, key="checkpoint_file",
        help=f"A safetensors file or a state dict, at most {limit} MB. It stays in this session and is never unpickled.",
    )  # fmt: skip
    names = st.text_area("Class names, one a line (optional)", key="checkpoint_names", height=80)

    def load() -> None:
        if file is not None:
            lines = [line.strip() for line in names.splitlines() if line.strip()]
            session.add_checkpoint(file.getvalue(), architecture, file.name, lines or None)

    st.button("Load checkpoint", disabled=file is None, on_click=load)


def find_network() -> Network | None:
    """Return the chosen network; where it cannot be had, say why and what to do, and return None."""
    name = view().network
    try:
        with st.spinner(f"Loading {name} ..."):
            return session.network(name)
    except WeightsMissing as missing:
        _offer_download(missing)
    except PathwayError as problem:
        st.error(str(problem))
        _back_to_default()
    return None


def _offer_download(missing: WeightsMissing) -> None:
    st.info(str(missing))
    wanted = st.session_state.setdefault("downloads", set())
    if missing.name not in wanted:
        st.button(
            f"Download {missing.name} ({missing.megabytes:.0f} MB)", type="primary",
            on_click=lambda: wanted.add(missing.name),
        )  # fmt: skip
        _back_to_default()
        return
    waiting(
        ("download", missing.name), lambda: compute.ask_download(missing.name, session.waiter()),
        on_cancel=lambda: wanted.discard(missing.name),
    )  # fmt: skip


def _back_to_default() -> None:
    default = View()
    st.button(
        f"Back to {default.network}",
        on_click=lambda: session.change(
            lambda v: replace(v, network=default.network, target=None, neuron=None, site=0)
        ),
    )


# --- photo --------------------------------------------------------------------------------------------------------------


@cache
def _sample_thumbnail(name: str) -> str:
    return _data_url(sample_images()[name].open())


def _data_url(picture: Image.Image) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(figures.jpeg(figures.thumbnail(picture))).decode()


def photo() -> None:
    """Draw the gallery, and the ways to bring one's own picture: choose, drop or paste."""
    samples = sample_images()
    pictures = [
        {
            "name": name,
            "title": samples[name].title if name in samples else "Your picture",
            "source": _sample_thumbnail(name) if name in samples else _data_url(open_picture()),
        }
        for name, open_picture in session.pictures().items()
    ]
    st.markdown("Photo")

    def picked() -> None:
        name = st.session_state["picker"].picked
        session.change(lambda v: replace(v, image=name, x=0.5, y=0.5, zoom=1.0, target=None, neuron=None))

    _component("picture_picker", '<div class="gallery" role="radiogroup" aria-label="Photo"></div>')(
        key="picker",
        data={"pictures": pictures, "chosen": view().image, "longest": session.LONGEST},
        on_picked_change=picked,
        on_pasted_change=lambda: session.add_pasted(str(st.session_state["picker"].pasted.get("url", ""))),
    )
    uploads = st.session_state.setdefault("uploads", 0)

    def uploaded() -> None:
        file = st.session_state.get(f"upload_{uploads}")
        if file is not None:
            session.add_picture(file.getvalue())
            st.session_state["uploads"] += 1  # a new uploader, so that the file itself is not kept

    st.file_uploader(
        "Drop, choose or paste (Ctrl+V) a picture", key=f"upload_{uploads}", on_change=uploaded, max_upload_size=20,
        help="JPEG, PNG, WebP, GIF, BMP or TIFF. It is scaled down, stays in this session, and is not part of the link.",
    )  # fmt: skip


def crop(chosen: Network, picture: Image.Image) -> None:
    """Draw the square that the network sees, and the sliders that move it."""
    if chosen.preprocessing is None:
        return
    with st.expander("Crop"):
        box = chosen.preprocessing.box(picture.size, view().crop)
        st.image(
            figures.jpeg(figures.crop_preview(picture, box)), width="stretch",
            alt=f"The photo; the network sees the square from {box[0]:.0f}, {box[1]:.0f} to {box[2]:.0f}, {box[3]:.0f}.",
        )  # fmt: skip
        st.slider("Left to right", 0.0, 1.0, step=0.05, **_field("x"))
        st.slider("Top to bottom", 0.0, 1.0, step=0.05, **_field("y"))
        st.slider("Zoom", 1.0, 8.0, step=0.25, **_field("zoom"))


# --- target -------------------------------------------------------------------------------------------------------------


def target(scene: Scene) -> None:
    """Draw the choice of target: the predicted class, the next best, or any by search."""
    probabilities = scene.original.logits.softmax(1)[0]
    best = probabilities.topk(min(5, scene.network.classes)).indices.tolist()
    rest = sorted(set(range(scene.network.classes)) - set(best), key=lambda i: scene.network.class_names[i])

    def label(index: int) -> str:
        if index == PREDICTED:
            return f"Predicted: {scene.network.class_names[best[0]]} ({percent(float(probabilities[best[0]]))})"
        return f"{scene.network.class_names[index]} ({percent(float(probabilities[index]))})"

    st.session_state["target"] = PREDICTED if view().target is None else view().target

    def changed() -> None:
        chosen = st.session_state["target"]
        if chosen is not None:
            session.change(lambda v: replace(v, target=None if chosen == PREDICTED else chosen, neuron=None))

    st.selectbox(
        "Target class", [PREDICTED, *best, *rest], format_func=label, key="target", on_change=changed,
        help="Whose logit is explained. Type to search.",
    )  # fmt: skip


# --- selection ----------------------------------------------------------------------------------------------------------


def methods() -> None:
    """Draw the toggle contribution | pruning, the method within it, and the one beside it."""
    columns = st.columns([1.2, 1, 1], vertical_alignment="bottom")
    with columns[0]:
        st.session_state["family"] = view().family

        def toggled() -> None:
            family = st.session_state["family"]
            if family:
                session.change(lambda v: v.with_family(family))

        st.segmented_control(
            "Selection by", ["contribution", "pruning"], key="family", on_change=toggled, required=True, width="stretch",
            help="Contribution keeps neurons that matter for the answer; pruning keeps any that leave the answer as it is.",
        )  # fmt: skip
    with columns[1]:
        control = _field("first")
        names = [name for name, method in METHODS.items() if method.family == view().family]
        st.selectbox(
            "Method", names, key=control["key"], help=METHODS[view().first].summary,
            on_change=lambda: session.change(lambda v: v.with_first(st.session_state[control["key"]])),
        )  # fmt: skip
    with columns[2]:
        st.selectbox("Beside it", beside(view().first), help=METHODS[view().second].summary, **_field("second"))


def option_controls() -> None:
    """Draw the options of the methods shown."""
    for method in (view().first, view().second):
        chosen = view().chosen_options(method)
        for option in METHODS[method].options:
            key = f"option_{method}_{option.name}"
            st.session_state[key] = chosen[option.name]

            def changed(method: str = method, name: str = option.name, key: str = key) -> None:
                session.change(lambda v: v.with_option(method, name, st.session_state[key]))

            st.number_input(
                f"{method}: {option.name}",
                option.low,
                option.high,
                step=1,
                key=key,
                on_change=changed,
                help=option.help,
            )


def sparsity() -> None:
    """Draw the sparsity slider."""
    st.select_slider(
        "Sparsity: share of neurons off the pathway", SPARSITIES, format_func=percent, **_field("sparsity")
    )


def restriction() -> None:
    """Draw how neurons off the pathway are held."""
    st.segmented_control(
        "Off the pathway", ["zero", "frozen"], required=True, format_func=lambda off: f"held at {off}" if off == "zero" else off,
        help="Zero: they are switched off, and the response changes. Frozen: they keep the value they have for this photo, "
        "so the response stays and only the gradient is restricted.", **_field("off"),
    )  # fmt: skip


def maps() -> None:
    """Draw how maps are shown: value, colour scale, over the photo or alone."""
    columns = st.columns([1, 1, 1.2])
    with columns[0]:
        st.segmented_control("Map shows", ["magnitude", "signed"], required=True, **_field("style"))
    with columns[1]:
        st.segmented_control(
            "Colour scale", ["shared", "panel"], required=True,
            format_func=lambda scale: "shared" if scale == "shared" else "per panel", **_field("scale"),
            help="Shared: one scale for all gradients shown. Per panel: each ends at its own 99.9th percentile.",
        )  # fmt: skip
    with columns[2]:
        st.slider(
            "Map over photo, %",
            0,
            100,
            step=5,
            help="100: the map alone. Less lets the photo through.",
            **_field("opacity"),
        )


def site(chosen: Network) -> None:
    """Draw the choice of site, for those who do not click the strip."""
    control = _field("site")
    st.session_state[control["key"]] = min(view().site, len(chosen.sites) - 1)
    st.selectbox(
        "Site", range(len(chosen.sites)), **control,
        format_func=lambda i: f"{i} · {chosen.sites[i].name} · {' × '.join(map(str, chosen.sites[i].shape))}",
        help="One ReLU call of the network. Click a bar above, or choose here.",
    )  # fmt: skip


def ranking_scope(site_name: str) -> None:
    """Draw whether the ranking lists all sites or the chosen one."""
    st.segmented_control(
        "Ranking over", [False, True], required=True, format_func=lambda only: f"only {site_name}" if only else "all sites",
        label_visibility="collapsed", **_field("only_site"),
    )  # fmt: skip


# --- session ------------------------------------------------------------------------------------------------------------


def copy_link() -> None:
    """Draw the button that copies the page's address."""
    _component("copy_link", '<button type="button">Copy link</button><span role="status"></span>')(key="copy_link")
    if view().image.startswith(session.UPLOAD) or view().network.startswith(session.CHECKPOINT):
        st.caption("What you uploaded is not in the link.")


def reset() -> None:
    """Draw the button that brings the first view back; uploads stay in the gallery."""
    st.button("Reset", on_click=lambda: session.change(lambda v: View()), width="stretch")


# --- long work ----------------------------------------------------------------------------------------------------------


def waiting(
    key: Hashable, ask: Callable[[], compute.Status], *, on_cancel: Callable[[], None], shown: Sequence[str] = ()
) -> None:
    """Draw the progress of a job and a way to cancel it, until it is done; then run the page again.

    Args:
        key: the job's, for the widgets' keys and for leaving the queue.
        ask: asks where it stands; each call says that this session still waits.
        on_cancel: called beside leaving the queue.
        shown: what is being waited for, in words.
    """
    name = f"job_{hash(key)}"

    @st.fragment(run_every=0.5)
    def poll() -> None:
        status = ask()
        if status.state == "done":
            st.rerun()
        if status.state == "failed":
            st.error(f"That did not work: {status.error}")
            st.button("Try again", key=f"{name}_retry", on_click=lambda: compute.JOBS.forget_error(key))
            return
        if status.state == "waiting":
            ahead = "one job" if status.position == 1 else f"{status.position} jobs"
            st.progress(0.0, f"In line: {ahead} before this one" if status.position else "Next in line")
        else:
            left = "" if status.seconds_left is None else f", about {duration(status.seconds_left)} left"
            st.progress(
                status.fraction,
                f"{status.done} of {status.total} {status.note}{left}" if status.total else "Starting ...",
            )

        def cancel() -> None:
            compute.JOBS.leave(key, session.waiter())
            on_cancel()

        if st.button("Cancel", key=f"{name}_cancel", on_click=cancel):
            st.rerun()

    for line in shown:
        st.caption(line)
    poll()
