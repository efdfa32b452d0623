"""How far around an image a network, or its pathway, is affine: exactly, and approximately.

linear_radius              the ball in which no kept neuron switches and no max pool changes its winner
effective_linear_radius    how far the response stays close to its linearisation
along                      the response, its linearisation and the switched neurons along a line
as_double                  the same network in float64, in which all of them compute
"""

from __future__ import annotations

from core.linearity.double import as_double
from core.linearity.effective import EffectiveRadius, effective_linear_radius
from core.linearity.line import Line, along
from core.linearity.radius import Candidate, LinearRadius, linear_radius

__all__ = [
    "Candidate",
    "EffectiveRadius",
    "Line",
    "LinearRadius",
    "along",
    "as_double",
    "effective_linear_radius",
    "linear_radius",
]
