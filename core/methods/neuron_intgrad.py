"""NeuronIntGrad: integrated gradients of the response at one site at a time, from zero.

    score_i = | a_i · ∫₀¹ df_s(α a_s)/da_i dα |        f_s the network from site s on

The whole site is scaled together; values that do not depend on the site stay. The integrand of a ReLU network is
piecewise constant, so the midpoint rule α_k = (k + ½)/n is better than points at both ends. Completeness: a site's
signed contributions sum to f_s(a_s) - f_s(0) as n grows; ``Scores.sums`` has both. Before a normalisation (group,
layer) the scale of a site does not matter until it is nearly 0: nearly all change happens there, between two points,
and the sum misses it.

The paper's released code adds its steps up: it takes the 11 points α = 0, 0.1, 0.3, 0.6, ... 5.5, six of them beyond
the activation itself, and keeps no neuron that scores 0. ``as_released`` does the same.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
    [Sundararajan17] Sundararajan, Taly, Yan, Axiomatic Attribution for Deep Networks, ICML 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.methods.base import Scored, each_image, target_gradients
from core.network import Cache, Network, Site
from core.pathways.scores import Sum
from core.progress import Progress, silent

__all__ = ["midpoints", "neuron_intgrad", "signed_contributions"]

RELEASED = (torch.arange(11, dtype=torch.float64) / 10).cumsum(0)
MEMORY = 192 * 2**20  # bytes of values, about, that one batch of steps may compute


def neuron_intgrad(
    network: Network,
    images: Tensor,
    targets: Tensor,
    *,
    n_steps: int = 11,
    as_released: int = 0,
    progress: Progress = silent,
) -> Scored:
    """Return |integrated gradient| of every neuron for each image. [Khakzar21]

    Args:
        images: (N, *network.input_shape).
        targets: (N,), class indices.
        n_steps: midpoints of the integral; each costs one forward and backward pass from each site on.
        as_released: 1 for the released code's 11 points; ``n_steps`` is then ignored.
        progress: called after each site.
    """
    cache = network.cache(images)
    alphas = RELEASED if as_released else midpoints(n_steps)
    scores, sums = [], []
    for site in network.sites:
        signed = signed_contributions(network, cache, site, targets, alphas)
        sums.append(_sums(network, cache, site, targets, signed))
        scores.append(signed.abs_())
        progress(site.index + 1, len(network.sites), f"sites, {len(alphas)} steps each")
    by_image = [] if as_released else [*zip(*sums, strict=True)]  # with the released points it is no integral
    return each_image(scores, cache.activations, by_image, keeps_zeros=not as_released)


def _sums(network: Network, cache: Cache, site: Site, targets: Tensor, signed: Tensor) -> list[Sum]:
    """Return, for each image, the sum of a site's signed contributions, and the value it should have."""
    with torch.no_grad():
        without = network.resume(cache, site, torch.zeros_like(signed)).logits
    due = (cache.logits - without).gather(1, targets[:, None])[:, 0]
    return [Sum(*pair) for pair in zip(signed.flatten(1).sum(1).tolist(), due.tolist(), strict=True)]


def midpoints(n_steps: int) -> Tensor:
    """Return (k + ½)/n for k = 0 .. n-1, (n,), float64."""
    return (torch.arange(n_steps, dtype=torch.float64) + 0.5) / n_steps


def signed_contributions(
    network: Network, cache: Cache, site: Site, targets: Tensor, alphas: Tensor, memory: int = MEMORY
) -> Tensor:
    """Return a · mean_k df_s(α_k a)/da at one site, shaped like its activation, (N, *site.shape). [Sundararajan17]

    Args:
        cache: of N images.
        targets: (N,), class indices.
        alphas: (K,) points of the integral, run in batches.
        memory: bytes that the values of one batch may take, at least one step per batch.
    """
    activation = cache.activations[site.index]  # (N, *site.shape)
    total = torch.zeros_like(activation)
    steps = max(1, memory // (network.tail_bytes(site) * len(activation)))
    for chunk in torch.split(alphas.to(activation), steps):
        with torch.enable_grad():
            scaled = chunk.view(-1, *[1] * activation.ndim) * activation  # (steps, N, *site.shape)
            scaled = scaled.flatten(0, 1).requires_grad_()
            logits = network.resume(cache, site, scaled).logits
            (gradient,) = target_gradients(logits, targets.repeat(len(chunk)), (scaled,))
        total += gradient.view(len(chunk), *activation.shape).sum(0)
    return total.mul_(activation).div_(len(alphas))
