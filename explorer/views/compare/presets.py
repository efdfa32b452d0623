"""Questions about strategies that one click asks, and the answer that the numbers on the page give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from core.pathways.overlap import Membership
from core.pathways.ranking import Off
from core.strategy import ACTIVE, ORIGINAL, Strategy
from explorer.compute import Answer, Scene
from explorer.plots import number, percent, ratio
from explorer.state import Scale, View

__all__ = ["PRESETS", "Findings", "Preset", "asked"]


@dataclass(frozen=True)
class Findings:
    """The numbers about the columns whose answers are there.

    Attributes:
        scene: what is looked at.
        table: which neurons each keeps, in the order of ``places``.
        places: of the strategies in the table, by name.
        answers: what each does to the scene, by name.
        off: how neurons off the pathways are held.
    """

    scene: Scene
    table: Membership
    places: Mapping[str, int]
    answers: Mapping[str, Answer]
    off: Off = "zero"

    def overlap(self, first: str, second: str) -> float:
        """Return the overlap of two strategies."""
        return float(self.table.overlaps()[self.places[first], self.places[second]])

    def chance(self, first: str, second: str) -> float:
        """Return the overlap of two strategies expected by chance."""
        return float(self.table.chances()[self.places[first], self.places[second]])


@dataclass(frozen=True)
class Preset:
    """A question, the view that answers it, and how to put the answer.

    Attributes:
        question: as people ask it.
        columns, pair, sparsity, scale: what the view then has.
        needs: names of the strategies the answer is about.
        answer: puts the answer in a sentence.
    """

    question: str
    columns: tuple[Strategy, ...]
    pair: tuple[int, int]
    sparsity: float
    needs: tuple[str, ...]
    answer: Callable[[Findings], str]
    scale: Scale = "panel"

    def ask(self, view: View) -> View:
        """Return the view that answers the question; network, photo and target stay."""
        return replace(view, columns=self.columns, pair=self.pair, sparsity=self.sparsity, scale=self.scale)

    def is_asked(self, view: View) -> bool:
        """Return whether a view answers it, however its maps are scaled."""
        return (view.columns, view.pair, view.sparsity) == (self.columns, self.pair, self.sparsity)


def asked(view: View) -> Preset | None:
    """Return the question that the view answers, if it is one of these."""
    return next((preset for preset in PRESETS if preset.is_asked(view)), None)


def _agreement(found: Findings) -> str:
    own = found.overlap("NeuronMCT", "NeuronIntGrad")
    other = found.overlap("NeuronMCT", "GreedyPruning")
    return (
        f"The two contribution methods overlap by {percent(own)}. NeuronMCT and GreedyPruning overlap by "
        f"{percent(other)}, where chance would give {percent(found.chance('NeuronMCT', 'GreedyPruning'))}."
    )


def _dead(found: Findings) -> str:
    shares = found.table.dead_shares()
    place = found.places["GreedyPruning"]
    per_site = found.table.dead_sizes()[place]
    most = int(per_site.argmax())
    site = found.scene.network.sites[most].name
    where = f"; no site has more of these than {site}, {number(int(per_site[most]))}" if per_site[most] else ""
    contribution = float(shares[found.places["NeuronMCT"]])
    return (
        f"{percent(found.scene.dead_share)} of the network's neurons are dead for this photo. Of NeuronMCT's pathway "
        f"{percent(contribution)} is, of GreedyPruning's {percent(float(shares[place]))}{where}."
    )


def _survival(found: Findings) -> str:
    def fate(name: str) -> str:
        answer = found.answers[name]
        if not sum(answer.sizes):
            return f"{name} leaves no neuron"
        p = f"p {percent(answer.after.probability)}, p ratio {ratio(answer.p_ratio)}"
        said = {"kept": "keeps", "near chance": "at a probability near chance has first", "lost": "loses"}
        return f"{name} {said[answer.fate]} the prediction ({p})"

    frozen = " Frozen, the others keep the response as it is by construction." if found.off == "frozen" else ""
    return (
        f"With one neuron in a hundred, {fate('NeuronMCT')}, {fate('NeuronIntGrad')} and {fate('GreedyPruning')}. The "
        f"maps show what of the photo these neurons still answer to.{frozen}"
    )


PRESETS = (
    Preset(
        "Do contribution and pruning agree?",
        tuple(map(Strategy, ("NeuronMCT", "NeuronIntGrad", "GreedyPruning", "DGR(init=1)", "Random"))),
        pair=(0, 2),
        sparsity=0.9,
        needs=("NeuronMCT", "NeuronIntGrad", "GreedyPruning"),
        answer=_agreement,
    ),
    Preset(
        "Where do dead neurons enter?",
        tuple(map(Strategy, (ACTIVE, "NeuronMCT", "GreedyPruning", "Random"))),
        pair=(1, 2),
        sparsity=0.9,
        needs=("NeuronMCT", "GreedyPruning"),
        answer=_dead,
    ),
    Preset(
        "What survives at 99 %?",
        tuple(map(Strategy, (ORIGINAL, "NeuronMCT", "NeuronIntGrad", "GreedyPruning"))),
        pair=(1, 3),
        sparsity=0.99,
        needs=("NeuronMCT", "NeuronIntGrad", "GreedyPruning"),
        answer=_survival,
    ),
)
