"""GreedyPruning: pathological pruning that keeps the response by removing the least contributors, but no dead neurons.

Each of 100 steps removes the N/100 neurons with the smallest positive |a · dF/da|, scored in the network pruned so far.
Neurons that score zero are never removed, so dead ones stay: the pathway satisfies the pruning objective with neurons
that do not matter. It ends at the last step that kept the prediction. The score is ordinal: the step of removal, and
above these steps the neurons never removed, in the order of |a · dF/da| at that last step.

The paper's released code is another algorithm: step i = 0 .. 98 turns all neurons on and removes the smallest positive
scores, computed in the network of the step before, as many as lie at or below the i-th percentile of N scores,
floor((N - 1) i / 100) + 1. Neurons removed before score 0 there, and so come back. The steps undo each other, and the
pathway has a sparsity of its own. ``as_released`` does the same.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
"""

from __future__ import annotations

from math import nan

import torch
from torch import Tensor

from core.methods.base import Scored, Scores, Step, contributions, whole
from core.network import Network
from core.pathways.fidelity import probability_ratio
from core.pathways.ranking import hold, lowest
from core.progress import Progress, silent

__all__ = ["greedy_pruning"]

RELEASED_STEPS = 99


def greedy_pruning(
    network: Network,
    images: Tensor,
    targets: Tensor,
    *,
    steps: int = 100,
    as_released: int = 0,
    progress: Progress = silent,
) -> Scored:
    """Return for each image the ordinal scores of every neuron, with the trajectory. [Khakzar21]

    Args:
        images: (N, *network.input_shape).
        targets: (N,), class indices whose gradient scores neurons; the prediction that must stay is the original one.
        steps: removals, each of round(neurons / steps) neurons, at least one, and one forward and backward pass.
        as_released: 1 for the released code's algorithm, which ignores ``steps``; its pathway's neurons score 1.
        progress: called after each step.
    """
    pruning = _Pruning(network, images, targets)
    return _as_released(pruning, progress) if as_released else _as_described(pruning, steps, progress)


def _as_described(pruning: _Pruning, steps: int, progress: Progress) -> Scored:
    network = pruning.network
    removals = [_Removals(network) for _ in pruning.trajectories]
    for step in range(steps + 1):
        on = torch.stack([removed.at == 0 for removed in removals])  # (N, neurons)
        for removed, state, scored in zip(removals, *pruning.look(on, step), strict=True):
            removed.go_on(state, scored, max(1, round(network.neurons / steps)), last=step == steps)
        state = pruning.trajectories[0][-1]
        left = not all(removed.ended for removed in removals)
        progress(step if left else steps, steps, f"steps, {state.sparsity:.0%} removed, p ratio {state.p_ratio:.2g}")
        if not left:
            break
    trajectories = [states[: removed.steps] for states, removed in zip(pruning.trajectories, removals, strict=True)]
    scores = [_ordinal(removed) for removed in removals]
    return [
        Scores(network.by_site(flat), trajectory=tuple(each)) for flat, each in zip(scores, trajectories, strict=True)
    ]


def _as_released(pruning: _Pruning, progress: Progress) -> Scored:
    network = pruning.network
    on = torch.ones(len(pruning.trajectories), network.neurons, dtype=torch.bool, device=network.device)
    for step in range(RELEASED_STEPS):
        states, scored = pruning.look(on, step)
        on = torch.ones_like(on)
        for row, each in zip(on, scored, strict=True):
            row[lowest(each, (network.neurons - 1) * step // 100 + 1)] = False  # up to the percentile
        progress(step + 1, RELEASED_STEPS, f"steps as released, p ratio {states[0].p_ratio:.2g}")
    pruning.look(on, RELEASED_STEPS)
    rows = zip(on.float(), pruning.trajectories, strict=True)
    return [Scores(network.by_site(row), trajectory=tuple(states), keeps_zeros=False) for row, states in rows]


class _Removals:
    """The neurons removed from one image's network, each with its step."""

    def __init__(self, network: Network) -> None:
        self.at = torch.zeros(network.neurons, dtype=torch.int32, device=network.device)  # step; 0 = not removed
        self.steps, self.ended = 0, False
        self.last, self.scored = 0, torch.empty(0)  # of the last step that kept the prediction

    def go_on(self, state: Step, scored: Tensor, count: int, *, last: bool) -> None:
        """Record a step and its scores, (neurons,), and remove the weakest neurons unless it is the last step."""
        if self.ended:
            return
        self.steps += 1
        if state.prediction_kept:
            self.last, self.scored = state.step, scored
        weakest = lowest(scored, count)
        self.ended = last or not len(weakest)  # it ends early when nothing contributes any more
        if not self.ended:
            self.at[weakest] = state.step + 1


class _Pruning:
    """Several images' networks while they are pruned, and their states so far."""

    def __init__(self, network: Network, images: Tensor, targets: Tensor) -> None:
        self.network, self.trajectories = network, [list[Step]() for _ in images]
        self._images, self._targets = images, targets
        with torch.no_grad():
            run = network.run(images, record=True)
        self._original = run.logits
        self._dead = torch.cat([activation.flatten(1) == 0 for activation in run.activations], 1)  # (N, neurons)

    def look(self, on: Tensor, step: int) -> tuple[list[Step], Tensor]:
        """Return each image's state with only these neurons, (N, neurons) bool, and their |a · dF/da| there."""
        masks = torch.split(on, [site.neurons for site in self.network.sites], 1)
        run, by_site = contributions(
            self.network,
            self._images,
            self._targets,
            lambda site, a: hold(site, a, masks[site.index].view(-1, *site.shape), None),
        )
        states = [self._state(row, on[row], run.logits[row : row + 1], step) for row in range(len(on))]
        for states_so_far, state in zip(self.trajectories, states, strict=True):
            states_so_far.append(state)
        return states, torch.cat([scored.flatten(1) for scored in by_site], 1)

    def _state(self, row: int, on: Tensor, logits: Tensor, step: int) -> Step:
        original, size = self._original[row : row + 1], int(on.count_nonzero())
        ratio = probability_ratio(logits, original, int(self._targets[row]))
        dead = int((on & self._dead[row]).count_nonzero()) / size if size else nan
        return Step(step, 1 - size / len(on), ratio, dead, bool(logits.argmax() == original.argmax()))


def _ordinal(removed: _Removals) -> Tensor:
    """Return steps of removal up to the last, then the other neurons' ranks among their distinct contributions."""
    rest = (removed.at == 0) | (removed.at > removed.last)
    scores = removed.at.to(whole(2 * len(removed.at)))
    _, place = torch.unique(removed.scored[rest], return_inverse=True)
    scores[rest] = place.to(scores).add_(removed.last + 1)
    return scores
