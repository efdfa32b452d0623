"""The values that a method gives for one image, and the two readings of them that evaluations use.

A *gradient* (the plain one, a pathway's, a guided one) says how the response changes with an input value; a
*contribution* (gradient times input, a Shapley value, the loss under occlusion) says how much the value adds to the
response. A gradient times (input minus baseline) is a contribution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from core.methods import METHODS
from core.network import Network
from core.pathways.ranking import Off, rank
from core.pathways.restriction import pathway_gradient, saliency_map
from core.progress import silent

__all__ = ["Attribute", "Attribution", "pathway_attribute"]


@dataclass(frozen=True)
class Attribution:
    """One method's values for one image and target.

    Attributes:
        values: (C, H, W), or (1, H, W) where the method gives one value per pixel; signed.
        is_gradient: whether they are a gradient, not contributions.
        delta: sum of the contributions minus F(image) - F(baseline), for methods that promise 0; None for others.
    """

    values: Tensor
    is_gradient: bool
    delta: float | None = None

    @property
    def saliency(self) -> Tensor:
        """Return the saliency map: per pixel the channel's value of largest magnitude, signed, (H, W)."""
        return saliency_map(self.values)

    @property
    def relevance(self) -> Tensor:
        """Return the saliency map's magnitude, (H, W): the order in which pixels are removed."""
        return self.saliency.abs()

    def contributions(self, image: Tensor) -> Tensor:
        """Return the contribution of each pixel, summed over channels, (H, W); the baseline is 0.

        Args:
            image: (1, C, H, W), as the network took it.
        """
        values = self.values * image[0] if self.is_gradient else self.values
        return values.sum(0)


Attribute = Callable[[Network, Tensor, int], Attribution]
"""A function from network, image (1, C, H, W) and target to an attribution."""


def pathway_attribute(method: str, sparsity: float, off: Off = "zero", **options: int) -> Attribute:
    """Return the pathway gradient as a function of any network, image and target.

    Args:
        method: name in ``METHODS`` of the method that ranks the neurons.
        sparsity: of the pathway, in [0, 1).
        off: how neurons off the pathway are held.
        options: of the method.
    """

    def attribute(network: Network, image: Tensor, target: int) -> Attribution:
        pathway = rank(METHODS[method](network, image, target, progress=silent, **options)).pathway(sparsity)
        return Attribution(pathway_gradient(network, image, target, pathway, off=off), True)

    return attribute
