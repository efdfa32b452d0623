"""Maps of classes: ReLU calls after which classes no longer mix; they are not sites.

Where every logit depends on only one channel of a value, and each on a different one, the gradient of a logit to all
other channels is exactly 0. A contribution pathway through such a value deletes every competitor of its target, so that
any target becomes the prediction. SqueezeNet's last ReLU is one.

They are found by the structure of the graph, in which every call from there to the logits treats channels separately,
and confirmed by the gradients of all logits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.fx import Node

from core.errors import PathwayError
from core.network.ops import ADAPTIVE_MAX_POOLS, MAX_POOLS, MOVES, POINTWISE, kind_of, spellings
from core.network.program import Program

if TYPE_CHECKING:
    from core.network.network import Network
    from core.network.sites import Cache, Site

__all__ = ["class_maps", "kept_apart"]

ROWS = 32  # logits whose gradients are taken in one pass
_APART = POINTWISE | MAX_POOLS | ADAPTIVE_MAX_POOLS | MOVES | spellings("amax", "cat", "concat", "concatenate")


def class_maps(network: Network) -> list[Site]:
    """Return the sites that are maps of classes, in order; costs a pass from each candidate on per 32 logits."""
    apart = kept_apart(network.program)
    suspects = [site for site in network.sites if site.node in apart]
    if not suspects:
        return []
    noise = torch.randn(1, *network.input_shape, generator=torch.Generator().manual_seed(0))
    try:
        cache = network.cache(noise.to(network.device, network.dtype))
        return [site for site in suspects if _one_channel_a_logit(network, cache, site)]
    except PathwayError:  # noise is no image that this network has numbers for
        return []


def kept_apart(program: Program) -> set[Node]:
    """Return the calls that only calls which treat channels separately lead from to the logits."""
    apart = {program.output}
    for node in reversed(program.nodes[:-1]):
        users = [user for user in node.users if user in program.facts and program.facts[user].sees_image]
        if all(user in apart and (user is program.output or _treats_channels_apart(program, user)) for user in users):
            apart.add(node)
    return apart


def _treats_channels_apart(program: Program, node: Node) -> bool:
    module = program.module(node)
    if isinstance(module, nn.Conv2d):
        return module.groups == module.in_channels
    return kind_of(program, node) in _APART


def _one_channel_a_logit(network: Network, cache: Cache, site: Site) -> bool:
    """Return whether, at random activations, each logit has a gradient to at most one channel, and no two share one."""
    generator = torch.Generator().manual_seed(0)
    owners: list[Tensor] = []
    for logits in torch.split(torch.arange(network.classes, device=network.device), ROWS):
        activation = torch.rand(len(logits), *site.shape, generator=generator).to(network.device, network.dtype)
        with torch.enable_grad():
            found = network.resume(cache, site, activation.requires_grad_()).logits
            (gradient,) = torch.autograd.grad(found.gather(1, logits[:, None]).sum(), activation)
        owners.append((gradient.view(len(logits), site.shape[0], -1) != 0).any(2))  # (logits, channels)
    owned = torch.cat(owners)
    return bool(owned.any() and owned.sum(0).max() == 1 and owned.sum(1).max() == 1)
