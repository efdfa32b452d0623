"""GreedyPruning: pathological pruning that keeps the response by removing what contributes least, never what is dead.

In each of 100 steps the N/100 smallest positive |a · dF/da| are removed, rescored in the network pruned so far.
Neurons that score zero are never removed, so dead ones stay: the pathway satisfies the pruning objective with neurons
that do not matter. It ends at the last step that kept the prediction. The score is ordinal: the step of removal, and
above all of those the neurons never removed, in the order of |a · dF/da| at that last step.

The paper's released code revives what it removed and flips with period 2; this is the algorithm as described.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.methods.base import Scores, Step, leaves, target_gradients
from core.metrics import dead_neurons, probability_ratio, share_within
from core.network import Network
from core.pathway import Pathway, lowest, restriction
from core.progress import Progress, silent

__all__ = ["greedy_pruning"]


def greedy_pruning(
    network: Network, image: Tensor, target: int, *, steps: int = 100, progress: Progress = silent
) -> Scores:
    """Return the ordinal scores of every neuron, in float64, and the trajectory of all steps. [Khakzar21]

    Args:
        image: (1, *network.input_shape).
        target: class index whose gradient scores neurons; the prediction that must stay is the original one.
        steps: removals; each takes round(N / steps) neurons and costs one forward and backward pass.
        progress: told after each step.
    """
    dead = dead_neurons(network, image)
    with torch.no_grad():
        original = network.run(image).logits
    removed_at = torch.zeros(network.neurons, dtype=torch.int32, device=image.device)  # 0 = not removed
    last, last_contributions, trajectory = 0, torch.empty(0), []
    for step in range(steps + 1):
        pathway = Pathway(network.by_site(removed_at == 0))
        logits, contributions = _contributions(network, image, target, pathway)
        kept = bool(logits.argmax() == original.argmax())
        ratio = probability_ratio(logits, original, target)
        trajectory.append(Step(step, pathway.sparsity, ratio, share_within(pathway, dead), kept))
        if kept:
            last, last_contributions = step, contributions
        weakest = lowest(contributions, round(network.neurons / steps))
        done = step if len(weakest) else steps  # it ends early when nothing contributes any more
        progress(done, steps, f"steps, {pathway.sparsity:.0%} removed, p ratio {ratio:.2g}")
        if step == steps or not len(weakest):
            break
        removed_at[weakest] = step + 1
    scores = _ordinal(removed_at, last, last_contributions)
    return Scores(network.by_site(scores), tuple(trajectory))


def _contributions(network: Network, image: Tensor, target: int, pathway: Pathway) -> tuple[Tensor, Tensor]:
    """The logits of the network pruned so far, and |a · dF/da| of all its neurons, (N,)."""
    with torch.enable_grad():
        run = network.run(image, leaves(restriction(pathway)), record=True)
        gradients = target_gradients(run.logits, target, run.activations)
    scores = [(a.detach() * g).abs_().flatten() for a, g in zip(run.activations, gradients, strict=True)]
    return run.logits.detach(), torch.cat(scores)


def _ordinal(removed_at: Tensor, last: int, contributions: Tensor) -> Tensor:
    """Steps of removal up to the last, then the rest by contribution; places among distinct values lose nothing."""
    removed = (removed_at > 0) & (removed_at <= last)
    _, place = torch.unique(contributions, return_inverse=True)
    return torch.where(removed, removed_at.double(), last + 1.0 + place)
