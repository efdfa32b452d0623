"""NeuronIntGrad: integrated gradients of the response, taken at one site at a time from zero.

    score_i = | a_i · ∫₀¹ df_s(α a_s)/da_i dα |        f_s the network from site s on

The whole site is scaled together; what does not pass the site keeps its value. The integrand of a ReLU network is
piecewise constant, so the midpoint rule α_k = (k + ½)/n serves better than points at both ends. Completeness: a site's
signed contributions sum to f_s(a_s) - f_s(0) as n grows.

As released, the paper's code adds up its steps: it takes the 11 points α = 0, 0.1, 0.3, 0.6, ... 5.5, six of them
beyond the activation itself. ``as_released`` does the same.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
    [Sundararajan17] Sundararajan, Taly, Yan, Axiomatic Attribution for Deep Networks, ICML 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.methods.base import Scores, target_gradients
from core.network import Cache, Network, Site
from core.progress import Progress, silent

__all__ = ["midpoints", "neuron_intgrad", "signed_contributions"]

RELEASED = (torch.arange(11, dtype=torch.float64) / 10).cumsum(0)
MEMORY = 512 * 2**20  # bytes of values, roughly, that one batch of steps may compute


def neuron_intgrad(
    network: Network,
    image: Tensor,
    target: int,
    *,
    n_steps: int = 11,
    as_released: int = 0,
    progress: Progress = silent,
) -> Scores:
    """Return |integrated gradient| of every neuron. [Khakzar21]

    Args:
        image: (1, *network.input_shape).
        target: class index.
        n_steps: midpoints of the integral; each costs one forward and backward pass from each site on.
        as_released: 1 for the released code's 11 points, whatever ``n_steps``.
        progress: told after each site.
    """
    cache = network.cache(image)
    alphas = RELEASED if as_released else midpoints(n_steps)
    scores = []
    for site in network.sites:
        scores.append(signed_contributions(network, cache, site, target, alphas).abs_())
        progress(site.index + 1, len(network.sites), f"sites, {len(alphas)} steps each")
    return Scores(scores)


def midpoints(n_steps: int) -> Tensor:
    """Return (k + ½)/n for k = 0 .. n-1."""
    return (torch.arange(n_steps, dtype=torch.float64) + 0.5) / n_steps


def signed_contributions(
    network: Network, cache: Cache, site: Site, target: int, alphas: Tensor, memory: int = MEMORY
) -> Tensor:
    """Return a · mean_k df_s(α_k a)/da at one site, shaped like it. [Sundararajan17]

    Args:
        cache: of the image.
        alphas: (K,) points of the integral, run in batches.
        memory: bytes that the values of one batch may take, at least one step a batch.
    """
    activation = cache.activations[site.index]  # (1, *site.shape)
    total = torch.zeros_like(activation[0])
    for chunk in torch.split(alphas.to(activation), max(1, memory // network.tail_bytes(site))):
        with torch.enable_grad():
            scaled = (chunk.view(-1, *[1] * len(site.shape)) * activation).requires_grad_()  # (B, *site.shape)
            logits = network.resume(cache, site, scaled).logits
            (gradient,) = target_gradients(logits, target, (scaled,))
        total += gradient.sum(0)
    return total.mul_(activation[0]).div_(len(alphas))
