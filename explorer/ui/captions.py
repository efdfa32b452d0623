"""Captions of scenes, maps and answers, the same on the page and in the report."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from core.network import Network
from core.network.bends import covered, other_bends
from core.pathways.fidelity import Standing
from core.pathways.ranking import Off, Ranking
from explorer.compute import Answer, Scene, Scored, Selection
from explorer.plots import FATES, ColourScale, duration, figures, number, percent, ratio
from explorer.state import SPARSITIES, View
from explorer.ui import markup

__all__ = ["answer_facts", "held", "likeliest", "logits", "making", "not_covered", "runs_out", "scale", "scene_facts"]


def scene_facts(scene: Scene) -> dict[str, str]:
    """Return facts about a scene, by name."""
    return {
        "Network": scene.network.name,
        "Sites": number(len(scene.network.sites)),
        "Neurons": number(scene.network.neurons),
        "Dead for this photo": percent(scene.dead_share),
    }


def not_covered(network: Network) -> dict[str, str]:
    """Return the parts of a network that no pathway covers, each with the reason."""
    others = other_bends(network)
    named = ", ".join(f"{number(count)} of {kind}" for kind, count in others.items())
    parts = {f"no site: {each.name}": each.reason for each in network.left_out}
    if others:
        parts["sites cover"] = f"{percent(covered(network))} of the values that bend; not {named}"
    return parts


def answer_facts(scene: Scene, answer: Answer) -> dict[str, str]:
    """Return facts on how restriction to a pathway changes the answer, by name."""
    return {
        "Sparsity": percent(answer.sparsity, 2),
        "p ratio": ratio(answer.p_ratio),
        "Prediction": FATES[answer.fate],
        **logits(scene, answer.before, answer.after),
        "Dead share": percent(answer.dead_share),
    }


def logits(scene: Scene, before: Standing, after: Standing) -> dict[str, str]:
    """Return the target's logit and its best competitor's, before restriction and after it."""
    rival, other = (scene.network.class_names[standing.rival] for standing in (before, after))
    return {
        "Target logit": f"{number(before.logit)} → {number(after.logit)}",
        "Best other logit": f"{number(before.rival_logit)} {rival} → {number(after.rival_logit)}"
        + (f" {other}" if other != rival else ""),
    }


def making(selection: Selection, answer: Answer, off: Off) -> dict[str, object]:
    """Return how an answer was made: how the other neurons are held, the ties at the cut, and the seconds taken."""
    parts: dict[str, object] = {"off the pathway": held(off)}
    if isinstance(selection, Scored):
        if answer.ties:
            parts["of equals at the cut, kept"] = f"{number(answer.ties_kept)} of {number(answer.ties)}"
        if selection.sums:
            worst = max(range(len(selection.sums)), key=lambda site: abs(selection.sums[site].delta))
            found = selection.sums[worst]
            parts["contributions sum to"] = (
                f"{number(found.found)} of {number(found.due)} due at site {worst}, where they are furthest off"
            )
        parts["scores in"] = duration(selection.seconds)
    return parts | {"gradient in": duration(answer.seconds)}


def runs_out(title: str, ranking: Ranking) -> tuple[float, str, str]:
    """Return where along the slider a method's scores run out: the place in [0, 1], a sentence, and its explanation."""
    at = percent(ranking.runs_out)
    place = sum(stop < ranking.runs_out for stop in SPARSITIES) / (len(SPARSITIES) - 1)
    kept = "a pathway never has more neurons than those"
    if ranking.most > len(ranking.scores):
        kept = "a pathway keeps these as well, first the active ones, the strongest before the others, then the dead"
    return (
        min(place, 1.0),
        f"{title}'s scores run out at {at}",
        f"{at} of the neurons score 0: they are dead for this photo, or nothing leads from them to the answer. At "
        f"lower sparsities {kept}.",
    )


def held(off: Off) -> str:
    """Return how neurons off the pathway are held."""
    return "held at zero" if off == "zero" else "frozen"


def likeliest(scene: Scene, probabilities: Sequence[float], top: int) -> tuple[list[tuple[str, float, bool]], str]:
    """Return the likeliest classes as (name, probability, is the target), and in words how many are left out alike.

    Classes as likely as the first one left out have no order among them; they are counted only.
    """
    names, order = scene.network.class_names, sorted(range(len(probabilities)), key=lambda i: -probabilities[i])
    shown, rest = order[:top], ""
    if len(order) > top:
        cut = probabilities[order[top]]
        shown = [i for i in shown if probabilities[i] != cut]
        alike = f"{number(list(probabilities).count(cut))} classes alike, {percent(cut)} each"
        rest = alike if len(shown) < top else ""
    return [(names[i], probabilities[i], i == scene.target) for i in shown], rest


def scale(view: View, shown: ColourScale) -> Markup:
    """Return the colour scale of a map as HTML."""
    low = "0" if view.style == "magnitude" else number(-shown.end)
    return markup.colour_bar(low, number(shown.end), shown.words, figures.colours(view.style), shown.note)
