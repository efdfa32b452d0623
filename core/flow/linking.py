"""How the links of a restricted network are found: one run in which every activation is detached from its inputs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.fx import Node

from core.flow.links import IMAGE, LOGIT, Links
from core.methods.base import target_gradients
from core.network import Edit, Network, Run, Site
from core.network.attention import PlainAttention
from core.pathways.ranking import Off, Pathway
from core.pathways.restriction import restricting

__all__ = ["link"]


def link(
    network: Network,
    image: Tensor,
    target: int,
    pathway: Pathway | None = None,
    *,
    off: Off = "zero",
    reference: Tensor | None = None,
) -> Links:
    """Return one image's restricted run with the edges between its neurons; two forward passes and one backward pass.

    Args:
        image: (1, *network.input_shape).
        target: class index.
        pathway: None for the original network.
        off: how neurons off the pathway are held; "frozen" costs a third forward pass.
        reference: the image whose activations are held under "frozen", (1, ...); default ``image`` itself.

    Raises:
        PathwayError: an image, the target or ``off`` does not fit.
    """
    network.check_image(image, one=True)
    network.check_target(target)
    edit = restricting(network, image, pathway, off, reference)
    to_activation = _to_activation(network, image, target, edit)
    with torch.enable_grad(), PlainAttention():  # ``outgoing`` differentiates twice
        start = image.detach().requires_grad_()
        run = network.run(start, _cutting(edit), record=True)
        ends = {**dict(enumerate(run.pre_activations)), LOGIT: run.logits[:, target]}
    return Links(
        network=network,
        target=target,
        response=float(run.logits.detach()[0, target]),
        activations=tuple(a.detach()[0] for a in run.activations),
        pre_activations=tuple(z.detach()[0] for z in run.pre_activations),
        to_activation=to_activation,
        to_pre_activation=_to_pre_activation(network, run, to_activation, pathway),
        _before=_before(network),
        _starts={IMAGE: start, **dict(enumerate(run.activations))},
        _ends=ends,
    )


def _cutting(edit: Edit | None, always: bool = True) -> Edit:
    """Return the edit followed by a new leaf for gradients; if not ``always``, only where no gradient comes through."""

    def cut(site: Site, activation: Tensor) -> Tensor:
        activation = edit(site, activation) if edit else activation
        return activation.detach().requires_grad_() if always or not activation.requires_grad else activation

    return cut


def _to_activation(network: Network, image: Tensor, target: int, edit: Edit | None) -> tuple[Tensor, ...]:
    chosen = torch.tensor([target], device=image.device)
    with torch.enable_grad():
        run = network.run(image.detach(), _cutting(edit, always=False), record=True)
        return tuple(gradient[0] for gradient in target_gradients(run.logits, chosen, run.activations))


def _to_pre_activation(
    network: Network, run: Run, to_activation: tuple[Tensor, ...], pathway: Pathway | None
) -> tuple[Tensor, ...]:
    """Return dF/da where ReLU and pathway pass a change on; calls that read z beside the ReLU do not count."""
    found = []
    for site, z, slope in zip(network.sites, run.pre_activations, to_activation, strict=True):
        passes = (z.detach()[0] > 0) & (z.detach()[0] < site.ceiling)
        passes = passes if pathway is None else passes & pathway.masks[site.index]
        found.append(torch.where(passes, slope, 0.0))
    return tuple(found)


def _before(network: Network) -> dict[int, tuple[int, ...]]:
    """Return, for every site and LOGIT, the sites and IMAGE joined to it by a path without another site, in order."""
    facts = network.program.facts
    nodes = {network.program.input: IMAGE, **{site.node: site.index for site in network.sites}}
    reached: dict[Node, set[int]] = {}
    for node in network.program.nodes:
        sources = [source for source in node.all_input_nodes if facts[source].sees_image]
        reached[node] = set().union(*({nodes[s]} if s in nodes else reached[s] for s in sources))
    ends = {**{site.index: site.node for site in network.sites}, LOGIT: network.program.output}
    return {index: tuple(sorted(reached[node])) for index, node in ends.items()}
