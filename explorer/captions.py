"""What is said under a picture, the same on the page and in the report: of a scene, a map, an answer."""

from __future__ import annotations

from collections.abc import Sequence

from core.pathway import Off
from explorer import figures, markup
from explorer.answers import Answer, Scene, Scored, Selection
from explorer.view import View
from explorer.words import duration, number, percent, ratio

__all__ = ["answer_facts", "held", "likeliest", "making", "scale", "scene_facts"]


def scene_facts(scene: Scene) -> dict[str, str]:
    """Return what is looked at, and through what."""
    return {
        "Network": scene.network.name,
        "Sites": number(len(scene.network.sites)),
        "Neurons": number(scene.network.neurons),
        "Dead for this photo": percent(scene.dead_share),
    }


def answer_facts(answer: Answer) -> dict[str, str]:
    """Return what restriction to a pathway does to the answer."""
    return {
        "Sparsity achieved": percent(answer.sparsity, 2),
        "p ratio": ratio(answer.p_ratio),
        "Prediction": "kept" if answer.prediction_kept else "not kept",
        "Dead share": percent(answer.dead_share),
    }


def making(selection: Selection, answer: Answer, off: Off) -> dict[str, object]:
    """Return how the others are held, how many were taken of those that score alike at the cut, and what it took."""
    parts: dict[str, object] = {"off the pathway": held(off)}
    if isinstance(selection, Scored):
        if answer.ties:
            parts["of equal scores at the cut, kept"] = f"{number(answer.ties_kept)} of {number(answer.ties)}"
        parts["scores in"] = duration(selection.seconds)
    return parts | {"gradient in": duration(answer.seconds)}


def held(off: Off) -> str:
    """Return how neurons off the pathway are held."""
    return "held at zero" if off == "zero" else "frozen"


def likeliest(scene: Scene, probabilities: Sequence[float], top: int) -> tuple[list[tuple[str, float, bool]], str]:
    """Return the likeliest classes as (name, probability, is the target), and in words how many are left out alike.

    Those as likely as the first that is not shown are in no order, and only counted.
    """
    names, order = scene.network.class_names, sorted(range(len(probabilities)), key=lambda i: -probabilities[i])
    shown, rest = order[:top], ""
    if len(order) > top:
        cut = probabilities[order[top]]
        shown = [i for i in shown if probabilities[i] != cut]
        alike = f"{number(list(probabilities).count(cut))} classes alike, {percent(cut)} each"
        rest = alike if len(shown) < top else ""
    return [(names[i], probabilities[i], i == scene.target) for i in shown], rest


def scale(view: View, end: float, words: str) -> str:
    """Return the colour scale of a map as HTML; ``words`` say whose it is."""
    low = "0" if view.style == "magnitude" else number(-end)
    return markup.colour_bar(low, f"{number(end)} · {words}", figures.colours(view.style))
