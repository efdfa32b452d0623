"""Random: the baseline every selection has to beat, a seeded permutation of all neurons.

A permutation, not uniform floats: those collide, and can be 0. The paper draws per layer; here, as everywhere, the
selection is over all sites together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.methods.base import Scored, split, whole
from core.network import Network
from core.progress import Progress, silent

__all__ = ["random_scores"]


def random_scores(
    network: Network, images: Tensor, targets: Tensor, *, seed: int = 0, progress: Progress = silent
) -> Scored:
    """Return a permutation of 1..N over all N neurons, exact, the same for every image and target of a seed.

    Args:
        images: (B, *network.input_shape); only how many counts.
        targets: not used.
        seed: another number, another permutation.
        progress: told once.
    """
    order = torch.randperm(network.neurons, generator=torch.Generator().manual_seed(seed)) + 1
    progress(1, 1, "permutation")
    return [*split(network, order.to(images.device, whole(len(order))).expand(len(images), -1))]
