"""The measures of a study, each a function that yields numbers with their places.

Measures of a pathway take a ``Cut``: one image's pathway at one sparsity, with its restricted run. Measures of a map
take a case, an attribution and the function that made it; baselines have them, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from math import nan
from typing import Any, NamedTuple

from torch import Tensor

from core.attribution.attribution import Attribute, Attribution
from core.evaluation import (
    TOLERANCE,
    Curve,
    chance_level,
    degradation,
    deletion,
    energy_inside,
    insertion,
    pointing_game,
    sanity_check,
)
from core.evaluation.sensitivity import Removals, removals, sensitivity_n
from core.linearity import linear_radius
from core.network import Network
from core.pathways.fidelity import fate, probability_ratio
from core.pathways.overlap import chance_overlap, overlap, share_within, site_overlaps
from core.pathways.ranking import Pathway
from core.strategy import Strategy
from core.studies.plan import Study

__all__ = ["OF_CUTS", "OF_MAPS", "Case", "Cut", "Found", "between", "radius"]


class Found(NamedTuple):
    """A number and its place; see ``core.studies.rows``."""

    measure: str
    value: float
    other: str = ""
    site: str = ""
    x: float = nan


@dataclass(frozen=True)
class Case:
    """One image in the original network.

    Attributes:
        network: the study's.
        study: the plan.
        columns: of all rows about the image.
        image: (1, 3, H, W).
        target: class explained.
        logits: (1, classes).
        dead: one mask per site.
        mask: (H, W), bool, True on the object; None if the image has none.
    """

    network: Network
    study: Study
    columns: dict[str, Any]
    image: Tensor
    target: int
    logits: Tensor
    dead: tuple[Tensor, ...]
    mask: Tensor | None

    @cached_property
    def removals(self) -> Removals:
        """Return the responses that sensitivity-n needs; all maps share them."""
        return removals(self.network, self.image, self.target)


@dataclass(frozen=True)
class Cut:
    """One image's pathway at one sparsity.

    Attributes:
        case: the image.
        strategy: that ranked the neurons.
        sparsity: as asked for.
        pathway: at that sparsity.
        logits: (1, classes), restricted.
        gradient: (3, H, W), the pathway gradient.
        seconds: of scoring, ranking and restricting this image.
    """

    case: Case
    strategy: Strategy
    sparsity: float
    pathway: Pathway
    logits: Tensor
    gradient: Tensor
    seconds: float

    @property
    def names(self) -> dict[str, Any]:
        """Return the columns that say which pathway a row is about."""
        return {
            "method": self.strategy.name,
            "options": self.strategy.written,
            "sparsity": self.sparsity,
            "achieved": self.pathway.sparsity,
        }


def _fidelity(cut: Cut) -> Iterator[Found]:
    case, pathway = cut.case, cut.pathway
    yield Found("p_ratio", probability_ratio(cut.logits, case.logits, case.target))
    became = fate(cut.logits, case.logits)
    yield Found("prediction_kept", float(became != "lost"))
    yield Found("near_chance", float(became == "near chance"))
    yield Found("dead_share", share_within(pathway, case.dead))
    for site, kept, mask, dead in zip(case.network.sites, pathway.kept_shares, pathway.masks, case.dead, strict=True):
        yield Found("kept_share", kept, site=site.name)
        yield Found("dead_share", share_within(Pathway((mask,)), (dead,)), site=site.name)


def between(one: Cut, other: Cut) -> Iterator[Found]:
    """Yield the overlap of two pathways of one image: overall, with its chance level, and at every site."""
    title = str(other.strategy)
    yield Found("overlap", overlap(one.pathway, other.pathway), title)
    yield Found("chance_overlap", chance_overlap(1 - one.pathway.sparsity, 1 - other.pathway.sparsity), title)
    shares = site_overlaps(one.pathway, other.pathway)
    for site, share in zip(one.case.network.sites, shares, strict=True):
        yield Found("overlap", share, title, site.name)


def radius(case: Case, pathway: Pathway | None) -> Iterator[Found]:
    """Yield the linear radius of the network restricted to a pathway; None for the original network."""
    found = linear_radius(case.network, case.image, case.target, pathway, off=case.study.off)
    yield Found("linear_radius", found.radius, found.limit.name if found.limit else "")


def _curve(
    name: str, make: Callable[..., Curve], case: Case, attribution: Attribution, _: Attribute
) -> Iterator[Found]:
    """Yield a curve's points and areas: of the change for LeRF and MoRF, of the probability for the others."""
    curve = make(case.network, case.image, case.target, attribution.relevance)
    changes = name in ("lerf", "morf")
    for share, value in zip(curve.shares, curve.changes if changes else curve.probabilities, strict=True):
        yield Found(name, value, x=share)
    yield Found(f"{name}_area", curve.change_area() if changes else curve.area())
    if changes:
        yield Found(f"{name}_area_10", curve.change_area(0.1))  # the paper's "AUC 0-10 %"


def _sensitivity(case: Case, attribution: Attribution, _: Attribute) -> Iterator[Found]:
    curve = sensitivity_n(case.removals, attribution.contributions(case.image))
    for size, correlation in zip(curve.sizes, curve.correlations, strict=True):
        yield Found("sensitivity_n", correlation, x=size)


def _sanity(case: Case, _: Attribution, attribute: Attribute) -> Iterator[Found]:
    for place, stage in enumerate(sanity_check(case.network, case.image, case.target, attribute)):
        for name in ("ssim", "spearman", "spearman_abs", "hog"):
            yield Found(f"sanity_{name}", getattr(stage.similarity, name), stage.name, x=place)


def _localisation(case: Case, attribution: Attribution, _: Attribute) -> Iterator[Found]:
    if case.mask is None:
        return
    yield Found("energy_inside", energy_inside(attribution.relevance, case.mask))
    hit = pointing_game(attribution.relevance, case.mask)
    yield Found("pointing_game", nan if hit is None else float(hit))
    yield Found("pointing_chance", chance_level(case.mask, TOLERANCE))
    yield Found("mask_share", float(case.mask.double().mean()))


def _linear_radius(cut: Cut) -> Iterator[Found]:
    return radius(cut.case, cut.pathway)


OF_CUTS: dict[str, Callable[[Cut], Iterator[Found]]] = {
    "fidelity": _fidelity,
    "linear-radius": _linear_radius,
}

OF_MAPS: dict[str, Callable[[Case, Attribution, Attribute], Iterator[Found]]] = {
    "lerf": partial(_curve, "lerf", partial(degradation, order="lerf")),
    "morf": partial(_curve, "morf", partial(degradation, order="morf")),
    "insertion": partial(_curve, "insertion", insertion),
    "deletion": partial(_curve, "deletion", deletion),
    "sensitivity-n": _sensitivity,
    "sanity": _sanity,
    "localisation": _localisation,
}
