"""Random: the baseline every selection has to beat, a seeded permutation of all neurons.

A permutation, not uniform floats: those collide, and can be 0. The paper draws per layer; here, as everywhere, the
selection is over all sites together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.methods.base import Scores
from core.network import Network
from core.progress import Progress, silent

__all__ = ["random_scores"]


def random_scores(
    network: Network, image: Tensor, target: int, *, seed: int = 0, progress: Progress = silent
) -> Scores:
    """Return a permutation of 1..N over all neurons, in float64, the same for every image and target of a seed."""
    order = torch.randperm(network.neurons, generator=torch.Generator().manual_seed(seed)) + 1
    progress(1, 1, "permutation")
    return Scores(network.by_site(order.double().to(image.device)))
