"""One HTML file that holds what Explore shows, what it was made from, and the Python that makes it again.

Everything is in the file: pictures as data URLs, styles inline, no script; it asks no host for anything, and a content
security policy says so. It follows the reader's light or dark theme, and prints. ``templates`` lay it out, and escape
all text but the app's own style sheet.
"""

from __future__ import annotations

import platform
import tomllib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlencode

from markupsafe import Markup

from core.pathways.restriction import Restricted
from explorer import ui
from explorer.compute import Scene, Scored, Selection, catalogue, comparison, export, neurons
from explorer.plots import (
    DARK,
    LIGHT,
    ColourScale,
    Theme,
    colour_scales,
    duration,
    figures,
    number,
    palette,
    percent,
    position_name,
)
from explorer.report.report_sites import layers
from explorer.report.snippet import prints, snippet, uploaded
from explorer.state import Neuron, View
from explorer.views.columns import Column, Shown, again, lacking, ready

__all__ = ["make", "offer_report"]

HERE = Path(__file__).resolve().parent
EXPLORER = HERE.parent
PACKAGES = ("torch", "torchvision", "numpy", "streamlit")
TOP = 5


def offer_report(page: ui.SceneContext, columns: Sequence[Column]) -> None:
    """Offer the report on what the page shows now; it is made when it is downloaded."""
    view = page.view
    find = again(page.scene, columns)

    def made() -> bytes:
        scene, columns = find()
        return make(scene, view, columns)

    ui.offer("Report (HTML)", "html", page.made_from().about("report"), made, "report")


def make(scene: Scene, view: View, columns: Sequence[Column]) -> bytes:
    """Return the report as an HTML file; columns still in line are named as such."""
    shown = ready(columns)
    code = snippet(scene, view, columns)
    made = export.provenance(scene, view).facts
    parts = {
        "version": _app_version(),
        "title": f"{scene.network.class_names[scene.target]} · {scene.network.name} · Pathway Explorer",
        "style": (EXPLORER / "style.css").read_text("utf-8"),
        "light": _ground(LIGHT),
        "dark": _ground(DARK),
        "mark": palette.MARK,
        "brand": ui.brand((EXPLORER / "logo.svg").read_text("utf-8")),
        "made": _when(made),
        "target": scene.network.class_names[scene.target],
        "subject": _subject(scene, view),
        "panels": _panels(scene, view, shown),
        "said": _said(scene, view, columns),
        "layers": layers(scene, view, shown),
        "neuron": _neuron(scene, shown, view.neuron) if view.neuron else None,
        "facts": _made_from(made, view),
        "how": _how(scene, view, shown),
        "file": f"data:text/x-python;base64,{b64encode(_encoded(code)).decode()}",
        "snippet": code,
        "prints": prints(scene, view, columns),
    }
    return _encoded(ui.templates(HERE / "templates").get_template("report.html").render(parts))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # a class name may hold half a character


def _ground(theme: Theme) -> str:
    return f"--background: {theme.background}; --quiet: {theme.quiet};"


@cache
def _app_version() -> str:
    project = tomllib.loads((EXPLORER.parent / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["version"])


def _when(made: Mapping[str, object]) -> str:
    return str(made["made"]).replace("T", " ").replace("+00:00", " UTC")


def _subject(scene: Scene, view: View) -> str:
    sample = catalogue.sample_facts(view.image)
    photo = sample.title if sample else "an uploaded picture"
    held = "at zero" if view.off == "zero" else "frozen at their own values"
    return f"{photo}, seen by {scene.network.name}; sparsity {percent(view.sparsity)}, neurons off the pathway {held}."


# ------------------------------------------------------------------------------------------------------------- panels


def _panels(scene: Scene, view: View, shown: Sequence[Shown]) -> list[Markup]:
    maps = [neurons.saliency(column.answer.restricted) for column in shown]
    scales = colour_scales([column.title for column in shown], maps, shared=view.scale == "shared")
    pathways = [_pathway(scene, view, *panel) for panel in zip(shown, maps, scales, strict=True)]
    return [_photo(scene, view), _plain(scene, view), *pathways]


def _photo(scene: Scene, view: View) -> Markup:
    sample = catalogue.sample_facts(view.image)
    credit = sample.credit if sample else "Uploaded."
    alt = f"The photo as {scene.network.name} sees it{f': {sample.alt}' if sample else '.'}"
    title = ui.panel_title("Photo", "the square the network sees")
    said = ui.made_from({"": credit}) + ui.facts(ui.scene_facts(scene))
    left_out = ui.not_covered(scene.network)
    said += ui.made_from(left_out) if left_out else ""
    return title + ui.image(figures.png(scene.picture), alt) + said


def _plain(scene: Scene, view: View) -> Markup:
    values = neurons.saliency(scene.original)
    title = ui.panel_title("Plain gradient", "the original network, all neurons")
    seconds = ui.made_from({"image, activations and gradient in": duration(scene.seconds)})
    pictured = _map(scene, view, "Plain gradient", values, ColourScale(figures.limit(values), "own scale"))
    return title + pictured + _answers(scene, scene.original) + seconds


def _pathway(scene: Scene, view: View, column: Shown, values: figures.Floats, scale: ColourScale) -> Markup:
    strategy, answer = column.strategy, column.answer
    facts = ui.answer_facts(scene, answer) | {"Neurons kept": number(sum(answer.sizes))}
    options = {name.replace("_", " "): value for name, value in strategy.chosen.items()}
    return (
        ui.panel_title(column.title, f"pathway gradient, {strategy.family}", column.colour)
        + _map(scene, view, column.title, values, scale)
        + _answers(scene, answer.restricted)
        + ui.facts(facts)
        + ui.made_from(options | ui.making(column.selection, answer, view.off))
    )


def _map(scene: Scene, view: View, title: str, values: figures.Floats, scale: ColourScale) -> Markup:
    picture = figures.over_photo(scene.picture, values, scale.end, view.style, view.opacity)
    row, column = divmod(int(abs(values).argmax()), values.shape[1])
    alt = f"{title}, {view.style}: strongest at row {row}, column {column}; scale ends at {number(scale.end)}."
    return ui.image(figures.png(picture), alt) + ui.scale(view, scale)


def _answers(scene: Scene, restricted: Restricted) -> Markup:
    shown, rest = ui.likeliest(scene, restricted.logits.softmax(1)[0].tolist(), TOP)
    return ui.answers(shown, TOP, rest)


def _said(scene: Scene, view: View, columns: Sequence[Column]) -> list[str]:
    """Return in words how much two pathways share, and which methods are still to come."""
    shown = ready(columns)
    said = [lacking(columns)]
    if len(shown) == 2:
        common, chance = comparison.overlap(scene, [column.selection for column in shown], view.sparsity)
        said.append(
            f"The two pathways overlap by {percent(common)} (intersection over union); two independent ones of their "
            f"sizes would by {percent(chance)}."
        )
    return [words for words in said if words]


# ------------------------------------------------------------------------------------------------------------- neuron


def _neuron(scene: Scene, shown: Sequence[Shown], neuron: Neuron) -> dict[str, Markup]:
    """Return the selected neuron: its receptive field, its activation, and its rank under each method."""
    site, box = scene.network.sites[neuron[0]], neurons.sees(scene, neuron)
    where = f"{site.name}, {position_name(site, neuron[1])}"
    activation = float(scene.activations[site.index].flatten()[neuron[1]])
    facts = {
        "Activation": number(activation) if activation else "0, dead",
        "Sees": f"{box[2] - box[0]} × {box[3] - box[1]} pixels",
        "From": f"column {box[0]}, row {box[1]}",
    } | {f"Rank, {c.title}": _place(scene, c.selection, neuron) for c in shown}
    picture = figures.outlined(scene.picture, box, neurons.channel_activation(scene, neuron))
    alt = (
        f"{where} sees pixels {box[0]} to {box[2]} across and {box[1]} to {box[3]} down; "
        "its channel is active where the photo is light."
    )
    said = ui.panel_title(where, "what it can see, and where its channel is active") + ui.facts(facts)
    return {"picture": ui.image(figures.png(picture), alt), "facts": said}


def _place(scene: Scene, selection: Selection, neuron: Neuron) -> str:
    if not isinstance(selection, Scored):
        return "–"
    (place,) = neurons.neuron_row(scene, selection, (), neuron).ranks
    return "score 0" if place is None else f"{place + 1:,} of {scene.network.neurons:,}"


# ---------------------------------------------------------------------------------------------------------- made from


def _made_from(made: Mapping[str, object], view: View) -> Markup:
    link = urlencode(view.params())
    crop = f"x {view.x:g}, y {view.y:g}, zoom {view.zoom:g}"
    what = {
        "Network": str(made["network"]),
        "Weights, hash": str(made["weights"] or "unnamed"),
        "Image": view.image,
        "Image, hash": str(made["image_hash"]),
        "Crop": crop,
        "Target": f"{made['target']}, {made['target_name']}",
        "Sparsity asked": percent(view.sparsity),
        "Off the pathway": view.off,
        "Link": f"?{link}" if link else "as the app starts, without parameters",
    }
    where = {
        "Pathway Explorer": _app_version(),
        "Python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "Device": str(made["device"]),
        "Threads": str(made["threads"]),
        "Made": _when(made),
    }
    return ui.facts(what) + ui.facts(where)


def _how(scene: Scene, view: View, shown: Sequence[Shown]) -> str:
    """Return how to run the snippet, and what it cannot know."""
    how = ["Save this as snippet.py in the repository's root and run it there: python snippet.py"]
    if uploaded(view):
        how.append("What was uploaded is not in this file: the first lines say which file to put where.")
    if not all(column.selection.complete for column in shown):
        how.append("A method that was cancelled runs to its end here, so its numbers will differ.")
    how.append(f"The report's numbers were made on {scene.network.device}; another device rounds otherwise.")
    return ". ".join(part.rstrip(".") for part in how) + "."
