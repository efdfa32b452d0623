"""Random: a seeded permutation of all neurons, the baseline that every selection has to beat.

It is a permutation because uniform floats can be equal, or 0. The paper draws per layer; here, as for all methods, the
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
    """Return a permutation of 1..N over all N neurons, exact; it depends only on the seed.

    Args:
        images: (B, *network.input_shape); only B matters.
        targets: not used.
        seed: of the permutation.
        progress: called once.
    """
    order = torch.randperm(network.neurons, generator=torch.Generator().manual_seed(seed)) + 1
    progress(1, 1, "permutation")
    return [*split(network, order.to(images.device, whole(len(order))).expand(len(images), -1))]
