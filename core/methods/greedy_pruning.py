"""GreedyPruning: pathological pruning that keeps the response by removing what contributes least, never what is dead.

In each of 100 steps the N/100 smallest positive |a · dF/da| are removed, rescored in the network pruned so far.
Neurons that score zero are never removed, so dead ones stay: the pathway satisfies the pruning objective with neurons
that do not matter. It ends at the last step that kept the prediction. The score is ordinal: the step of removal, and
above all of those the neurons never removed, in the order of |a · dF/da| at that last step.

As released, the paper's code is another algorithm: in step i of 99 it turns everything on and removes the i % smallest
positive scores, measured in the network of the step before; what was removed scores 0 there and so comes back. It
undoes itself, and its pathway has a sparsity of its own. ``as_released`` does the same.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.methods.base import Scores, Step, contributions
from core.metrics import dead_neurons, probability_ratio, share_within
from core.network import Network
from core.pathway import Pathway, lowest, restriction
from core.progress import Progress, silent

__all__ = ["greedy_pruning"]

RELEASED_STEPS = 99


def greedy_pruning(
    network: Network,
    image: Tensor,
    target: int,
    *,
    steps: int = 100,
    as_released: int = 0,
    progress: Progress = silent,
) -> Scores:
    """Return the ordinal scores of every neuron, in float64, and the trajectory of all steps. [Khakzar21]

    Args:
        image: (1, *network.input_shape).
        target: class index whose gradient scores neurons; the prediction that must stay is the original one.
        steps: removals; each takes round(N / steps) neurons and costs one forward and backward pass.
        as_released: 1 for what the released code does, whatever ``steps``; its pathway's neurons score 1.
        progress: told after each step.
    """
    pruning = _Pruning(network, image, target)
    return _as_released(pruning, progress) if as_released else _as_described(pruning, steps, progress)


def _as_described(pruning: _Pruning, steps: int, progress: Progress) -> Scores:
    network = pruning.network
    removed_at = torch.zeros(network.neurons, dtype=torch.int32, device=network.device)  # 0 = not removed
    last, last_scored = 0, torch.empty(0)
    for step in range(steps + 1):
        state, scored = pruning.look(removed_at == 0)
        if state.prediction_kept:
            last, last_scored = step, scored
        weakest = lowest(scored, round(network.neurons / steps))
        done = step if len(weakest) else steps  # it ends early when nothing contributes any more
        progress(done, steps, f"steps, {state.sparsity:.0%} removed, p ratio {state.p_ratio:.2g}")
        if step == steps or not len(weakest):
            break
        removed_at[weakest] = step + 1
    scores = _ordinal(removed_at, last, last_scored)
    return Scores(network.by_site(scores), tuple(pruning.trajectory))


def _as_released(pruning: _Pruning, progress: Progress) -> Scores:
    neurons = pruning.network.neurons
    on = torch.ones(neurons, dtype=torch.bool, device=pruning.network.device)
    for step in range(RELEASED_STEPS):
        state, scored = pruning.look(on)
        on = torch.ones_like(on)
        on[lowest(scored, round(neurons * step / 100))] = False
        progress(step + 1, RELEASED_STEPS, f"steps as released, p ratio {state.p_ratio:.2g}")
    pruning.look(on)
    return Scores(pruning.network.by_site(on.float()), tuple(pruning.trajectory))


class _Pruning:
    """One image's network while it is pruned: looks at what is left, and remembers what it saw."""

    def __init__(self, network: Network, image: Tensor, target: int) -> None:
        self.network, self.trajectory = network, list[Step]()
        self._image, self._target = image, target
        self._dead = dead_neurons(network, image)
        with torch.no_grad():
            self._original = network.run(image).logits

    def look(self, on: Tensor) -> tuple[Step, Tensor]:
        """Return the state of the network with only these neurons, (N,) bool, and their |a · dF/da|, (N,)."""
        pathway = Pathway(self.network.by_site(on))
        logits, by_site = contributions(self.network, self._image, self._target, restriction(pathway))
        kept = bool(logits.argmax() == self._original.argmax())
        ratio = probability_ratio(logits, self._original, self._target)
        step = Step(len(self.trajectory), pathway.sparsity, ratio, share_within(pathway, self._dead), kept)
        self.trajectory.append(step)
        return step, torch.cat([scored.flatten() for scored in by_site])


def _ordinal(removed_at: Tensor, last: int, scored: Tensor) -> Tensor:
    """Steps of removal up to the last, then the rest by contribution; places among distinct values lose nothing."""
    removed = (removed_at > 0) & (removed_at <= last)
    _, place = torch.unique(scored, return_inverse=True)
    return torch.where(removed, removed_at.double(), last + 1.0 + place)
