"""NeuronIntGrad: integrated gradients of the response, taken at one site at a time from zero.

    score_i = | a_i · ∫₀¹ df_s(α a_s)/da_i dα |        f_s the network from site s on

The whole site is scaled together; what does not pass the site keeps its value. The integrand of a ReLU network is
piecewise constant, so the midpoint rule α_k = (k + ½)/n serves better than points at both ends (the paper's released
code means k/10 for k = 0..10, and runs beyond 1 by a bug). Completeness: a site's signed contributions sum to
f_s(a_s) - f_s(0) as n grows.

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

__all__ = ["neuron_intgrad", "signed_contributions"]

MEMORY = 512 * 2**20  # bytes of values, roughly, that one batch of steps may compute


def neuron_intgrad(
    network: Network, image: Tensor, target: int, *, n_steps: int = 11, progress: Progress = silent
) -> Scores:
    """Return |integrated gradient| of every neuron. [Khakzar21]

    Args:
        image: (1, *network.input_shape).
        target: class index.
        n_steps: midpoints of the integral; each costs one forward and backward pass from each site on.
        progress: told after each site.
    """
    cache = network.cache(image)
    scores = []
    for site in network.sites:
        scores.append(signed_contributions(network, cache, site, target, n_steps).abs_())
        progress(site.index + 1, len(network.sites), f"sites, {n_steps} steps each")
    return Scores(scores)


def signed_contributions(
    network: Network, cache: Cache, site: Site, target: int, n_steps: int, memory: int = MEMORY
) -> Tensor:
    """Return a · mean_k df_s(α_k a)/da at one site, shaped like it. [Sundararajan17]

    Args:
        cache: of the image.
        n_steps: midpoints, in batches.
        memory: bytes that the values of one batch may take, at least one step a batch.
    """
    activation = cache.activations[site.index]  # (1, *site.shape)
    midpoints = (torch.arange(n_steps, device=activation.device, dtype=activation.dtype) + 0.5) / n_steps
    total = torch.zeros_like(activation[0])
    for alphas in torch.split(midpoints, max(1, memory // network.tail_bytes(site))):
        with torch.enable_grad():
            scaled = (alphas.view(-1, *[1] * len(site.shape)) * activation).requires_grad_()  # (B, *site.shape)
            logits = network.resume(cache, site, scaled).logits
            (gradient,) = target_gradients(logits, target, (scaled,))
        total += gradient.sum(0)
    return total.mul_(activation[0]).div_(n_steps)
