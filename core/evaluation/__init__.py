"""Numbers that say how good an attribution is: degradation, sensitivity-n, sanity checks, localisation.

    relevance = attribution.relevance                                              # (H, W), >= 0
    degradation(network, image, target, relevance, order="lerf").change_area(0.1)
    sensitivity_n(removals(network, image, target), attribution.contributions(image)).correlations
    sanity_check(network, image, target, attribute)
    energy_inside(relevance, mask), pointing_game(relevance, mask)

All are pure functions of a network, an image, a target and a map; none depends on the method that made the map.
"""

from __future__ import annotations

from core.evaluation.degradation import SHARES, Curve, Order, Replacement, degradation, deletion, insertion
from core.evaluation.localisation import TOLERANCE, box_mask, chance_level, energy_inside, pointing_game
from core.evaluation.sanity import Similarity, Stage, compare, layers, randomised, sanity_check
from core.evaluation.sensitivity import Removals, SensitivityCurve, removals, sensitivity_n, subset_sizes

__all__ = [
    "SHARES",
    "TOLERANCE",
    "Curve",
    "Order",
    "Removals",
    "Replacement",
    "SensitivityCurve",
    "Similarity",
    "Stage",
    "box_mask",
    "chance_level",
    "compare",
    "degradation",
    "deletion",
    "energy_inside",
    "insertion",
    "layers",
    "pointing_game",
    "randomised",
    "removals",
    "sanity_check",
    "sensitivity_n",
    "subset_sizes",
]
