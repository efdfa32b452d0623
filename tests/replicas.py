"""Slow and obvious versions of core's fast methods: the tests' oracles. They use networks' edits and plain Python."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from core.network import Network


def flattened(tensors: Sequence[Tensor]) -> list[float]:
    return [value for tensor in tensors for value in tensor.flatten().tolist()]


def shaped(network: Network, flat: Sequence[float]) -> list[Tensor]:
    parts = torch.tensor(flat, dtype=torch.float64).split([site.neurons for site in network.sites])
    return [part.view(site.shape) for part, site in zip(parts, network.sites, strict=True)]


def contributions(network: Network, image: Tensor, target: int, masks: Sequence[Tensor]) -> tuple[Tensor, list[float]]:
    """Return the masked network's logits, and |a dF/da| of every neuron, from added perturbations instead of leaves."""
    perturbations = [torch.zeros(1, *site.shape, dtype=network.dtype, requires_grad=True) for site in network.sites]
    values = []

    def edit(site, activation):
        values.append(activation * masks[site.index] + perturbations[site.index])
        return values[-1]

    logits = network.run(image, edit).logits
    logits[0, target].backward()
    scores = [(a.detach() * p.grad).abs() for a, p in zip(values, perturbations, strict=True)]
    return logits.detach(), flattened(scores)


def integrated(network: Network, image: Tensor, target: int, site, n_steps: int) -> Tensor:
    """Return signed integrated gradients of one site, with a whole run per midpoint."""
    activation = network.run(image, record=True).activations[site.index].detach()
    total = torch.zeros_like(activation)
    for k in range(n_steps):
        scaled = ((k + 0.5) / n_steps * activation).requires_grad_()
        logits = network.run(image, lambda where, a, here=scaled: here if where == site else a).logits
        total += torch.autograd.grad(logits[0, target], scaled)[0]
    return (activation * total / n_steps)[0]


def greedy(network: Network, image: Tensor, target: int, steps: int, each: int) -> tuple[list[float], list[tuple]]:
    """Return scores and (sparsity, p ratio, dead share, kept) of GreedyPruning, removing ``each`` neurons per step.

    Neurons at the cut of a step must not have equal scores.
    """
    neurons, removed_at = network.neurons, {}
    original = network.run(image, record=True)
    dead = [value == 0 for value in flattened(original.activations)]
    p = original.logits.softmax(1)[0, target]
    trajectory, history = [], []
    for step in range(steps + 1):
        masks = shaped(network, [float(i not in removed_at) for i in range(neurons)])
        logits, scores = contributions(network, image, target, [m.to(network.dtype) for m in masks])
        left = [i for i in range(neurons) if i not in removed_at]
        kept = int(logits.argmax()) == int(original.logits.argmax())
        ratio = float(logits.softmax(1)[0, target] / p)
        trajectory.append((len(removed_at) / neurons, ratio, sum(dead[i] for i in left) / len(left), kept))
        history.append((kept, scores))
        rising = sorted((score, i) for i, score in enumerate(scores) if score > 0)
        weakest = [i for _, i in rising[:each]]
        assert len(rising) <= each or rising[each - 1][0] < rising[each][0]
        if step == steps or not weakest:
            break
        removed_at |= dict.fromkeys(weakest, step + 1)
    last = max(step for step, (kept, _) in enumerate(history) if kept)
    final = history[last][1]
    places = {score: place for place, score in enumerate(sorted(set(final)))}
    gone = {i: at for i, at in removed_at.items() if at <= last}
    return [float(gone.get(i, last + 1 + places[final[i]])) for i in range(neurons)], trajectory
