"""Edges and flow: what each neuron gives to the neurons straight after it, and how much of that the target gets.

Neuron j is straight after neuron i if a path joins them that passes no other site. All other sites' outputs held,

    edge(i, j) = a_i · ∂z_j/∂a_i                      flow(i, j) = edge(i, j) · dF/dz_j

with a the activation, z the pre-activation and F the target's logit, all in the restricted network. The image and the
logit are nodes too, and so is what biases bring, so that nothing is left over:

    Σ_i edge(i, j) = z_j                              Σ_j flow(i, j) = a_i · dF/da_i

    links = link(network, image, target, pathway)
    links.incoming(5, position)                       # one Edges for each node straight before site 5
    channel_flow(links, channels)                     # what chosen channels of all sites give one another

One run cuts every site's activation from what made it, so that a gradient of z ends at the sites straight before it.
What one neuron gives to all neurons after it, a column of the Jacobian J, is the derivative of Jᵀv with respect to v
[Townsend17]; torch's forward mode has one level for the whole process and fails in concurrent threads. A max pool's
winners stay those of this run. Where calls between sites are not affine (a sigmoid gate), edges are linear parts, and
the rest counts as biases. Flow is the edge attribution of [Syed23] against a baseline of zero.

References:
    [Syed23] Syed, Rager, Conmy, Attribution Patching Outperforms Automated Circuit Discovery, arXiv 2310.10348.
    [Townsend17] A new trick for calculating Jacobian vector products, j-towns.github.io, 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Literal

import torch
from torch import Tensor
from torch.fx import Node

from core.errors import PathwayError
from core.methods.base import target_gradients
from core.network import Edit, Network, Run, Site
from core.network.attention import PlainAttention
from core.pathways.ranking import Off, Pathway
from core.pathways.restriction import restricting

__all__ = ["BIAS", "IMAGE", "LOGIT", "ChannelFlow", "Edges", "Links", "channel_flow", "link"]

IMAGE, LOGIT, BIAS = -1, -2, -3
"""Nodes that are no site: the image, the target's logit, and what biases bring. A site's node is its index."""


@dataclass(frozen=True)
class Edges:
    """What runs between a neuron, or a channel, and the neurons of one node straight before or after it.

    Attributes:
        node: index of that site, or IMAGE, LOGIT or BIAS.
        values: edges, shaped like the site's activation without the batch axis; () for the others.
        flow: the same, each edge times dF/dz at its later end.
    """

    node: int
    values: Tensor
    flow: Tensor


@dataclass(frozen=True, eq=False)
class Links:
    """One image's restricted run, and the edges between its neurons. Made by ``link``; threads may share it.

    A neuron is named by its site's index and its flat position there; the one neuron of IMAGE or LOGIT is at 0.

    Attributes:
        network, target: of the run.
        response: F, the target's restricted logit.
        activations: one a site, as the restricted network goes on with them, without the batch axis.
        pre_activations: likewise.
        to_activation: dF/da, likewise.
        to_pre_activation: dF/dz through the neuron itself, 0 where it is off or held.
    """

    network: Network
    target: int
    response: float
    activations: tuple[Tensor, ...]
    pre_activations: tuple[Tensor, ...]
    to_activation: tuple[Tensor, ...]
    to_pre_activation: tuple[Tensor, ...]
    _before: Mapping[int, tuple[int, ...]] = field(repr=False)
    _starts: Mapping[int, Tensor] = field(repr=False)  # activations that gradients end at, and the image: (1, ...)
    _ends: Mapping[int, Tensor] = field(repr=False)  # pre-activations with their graphs, and the logit: (1, ...)

    @property
    def nbytes(self) -> int:
        """Return about how many bytes it holds, the values that its graphs keep among them."""
        program, dtype = self.network.program, self.network.dtype
        return sum(program.nbytes(node, dtype) for node in program.nodes) + 3 * self.network.neurons * dtype.itemsize

    def before(self, node: int) -> tuple[int, ...]:
        """Return the sites straight before a site or LOGIT in the graph, and IMAGE, in order.

        Raises:
            PathwayError: nothing is before this node.
        """
        return self._before[_checked(node, self._ends, "before")]

    def after(self, node: int) -> tuple[int, ...]:
        """Return the sites straight after a site or IMAGE in the graph, and LOGIT, in order.

        Raises:
            PathwayError: nothing is after this node.
        """
        _checked(node, self._starts, "after")
        return tuple(later for later, earlier in self._before.items() if node in earlier)

    def incoming(self, node: int, position: int) -> list[Edges]:
        """Return what a neuron gets from everything straight before it; values sum to z, flow to z · dF/dz.

        Costs two backward passes through what lies between the sites.

        Args:
            node: a site's index, or LOGIT.
            position: flat, of the neuron at the site.

        Returns:
            One ``Edges`` a node in ``before(node)``, and one of BIAS.

        Raises:
            PathwayError: there is no such neuron, or nothing is before it.
        """
        self.before(node)
        return self._incoming(node, self._one(node, "position", position))

    def incoming_channel(self, node: int, channel: int) -> list[Edges]:
        """Return what ``incoming`` does, summed over the neurons of a channel."""
        self.before(node)
        return self._incoming(node, self._one(node, "channel", channel))

    def outgoing(self, node: int, position: int) -> list[Edges]:
        """Return what a neuron gives to everything straight after it; flow sums to a · dF/da.

        Costs two backward passes through what lies between the sites.

        Args:
            node: a site's index, or IMAGE for what all pixels together give.
            position: flat, of the neuron at the site.

        Returns:
            One ``Edges`` a node in ``after(node)``.

        Raises:
            PathwayError: there is no such neuron, nothing is after it, or a call there cannot be differentiated twice.
        """
        self.after(node)
        return self._outgoing(node, self._one(node, "position", position))

    def outgoing_channel(self, node: int, channel: int) -> list[Edges]:
        """Return what ``outgoing`` does, summed over the neurons of a channel."""
        self.after(node)
        return self._outgoing(node, self._one(node, "channel", channel))

    def _incoming(self, node: int, chosen: Tensor) -> list[Edges]:
        values, flow = self._into(node, chosen), self._into(node, chosen * self._slope(node))
        return [Edges(source, values[source], flow[source]) for source in values]

    def _into(self, node: int, weights: Tensor) -> dict[int, Tensor]:
        """Σ_j w_j edge(i, j) for every neuron i straight before a node, the image's and what biases bring."""
        end, sources = self._ends[node], self._before[node]
        starts = [self._starts[source] for source in sources]
        gradients = _gradients([end], starts, [weights])
        parts = {s: (a.detach() * g)[0] for s, a, g in zip(sources, starts, gradients, strict=True)}
        if IMAGE in parts:
            parts[IMAGE] = parts[IMAGE].sum()
        whole = (weights * end.detach()).sum()
        return parts | {BIAS: whole - sum(part.sum() for part in parts.values())}

    def _outgoing(self, node: int, chosen: Tensor) -> list[Edges]:
        sinks, start = self.after(node), self._starts[node]
        ends = [self._ends[sink] for sink in sinks]
        probes = [torch.zeros_like(end, requires_grad=True) for end in ends]
        pulled = _gradients(ends, [start], probes, create_graph=True)  # Jᵀ probe
        pushed = _gradients(pulled, probes, [start.detach() * chosen])  # J (a chosen)
        edges = zip(sinks, pushed, strict=True)
        return [Edges(sink, values[0], (values * self._slope(sink))[0]) for sink, values in edges]

    def _slope(self, node: int) -> Tensor:
        """Return dF/dz of a node's neurons, (1, ...)."""
        return torch.ones_like(self._ends[LOGIT]) if node == LOGIT else self.to_pre_activation[node][None]

    def _one(self, node: int, kind: Literal["position", "channel"], place: int) -> Tensor:
        """Return 1 for one neuron, or those of one channel, else 0: (1, *site.shape), (1,) for IMAGE and LOGIT."""
        shape = () if node < 0 else self.network.sites[node].shape
        parts = prod(shape if kind == "position" else shape[:1])
        marks = self._ends[LOGIT].new_zeros(parts, prod(shape) // parts)
        marks[_index(place, parts, kind)] = 1
        return marks.view(1, *shape)


@dataclass(frozen=True)
class ChannelFlow:
    """What chosen channels of every site give to those of the sites straight after, summed over positions.

    Attributes:
        channels: those chosen at each site.
        flows: by (earlier node, later node), (K + 1, L + 1) float64 on the CPU: rows are the earlier node's K chosen
            channels and all its others together, columns those of the later node. IMAGE, BIAS and LOGIT have one.
    """

    channels: tuple[tuple[int, ...], ...]
    flows: Mapping[tuple[int, int], Tensor]


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


def channel_flow(links: Links, channels: Sequence[Sequence[int]]) -> ChannelFlow:
    """Return the flow between chosen channels of all sites, each site's others together as one.

    Costs a backward pass through what is straight before each chosen channel, and one more a site.

    Args:
        links: of one image.
        channels: one sequence a site, of different channels of it; may be empty.

    Raises:
        PathwayError: a site's channels are missing, repeated or not its own.
    """
    chosen = _checked_channels(links.network, channels)
    nodes = dict(enumerate(chosen)) | dict.fromkeys((IMAGE, LOGIT, BIAS), ())
    flows: dict[tuple[int, int], Tensor] = {}
    for sink in (*range(len(chosen)), LOGIT):
        slope = links._slope(sink)
        weights = [*(slope * links._one(sink, "channel", channel) for channel in nodes[sink]), slope]
        columns = [links._into(sink, weight) for weight in weights]
        for source in columns[0]:
            flows[source, sink] = _matrix([column[source] for column in columns], nodes[source])
    return ChannelFlow(chosen, flows)


def _cutting(edit: Edit | None, always: bool = True) -> Edit:
    """The edit, then a new start for gradients; or only where no gradient comes through."""

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
    """Return dF/da where ReLU and pathway let a change through; what reads z beside the ReLU has no part in it."""
    found = []
    for site, z, slope in zip(network.sites, run.pre_activations, to_activation, strict=True):
        passes = (z.detach()[0] > 0) & (z.detach()[0] < site.ceiling)
        passes = passes if pathway is None else passes & pathway.masks[site.index]
        found.append(torch.where(passes, slope, 0.0))
    return tuple(found)


def _before(network: Network) -> dict[int, tuple[int, ...]]:
    """Return, for every site in order and LOGIT, the sites and IMAGE that a path without another site joins to it."""
    facts = network.program.facts
    nodes = {network.program.input: IMAGE, **{site.node: site.index for site in network.sites}}
    reached: dict[Node, set[int]] = {}
    for node in network.program.nodes:
        sources = [source for source in node.all_input_nodes if facts[source].sees_image]
        reached[node] = set().union(*({nodes[s]} if s in nodes else reached[s] for s in sources))
    ends = {**{site.index: site.node for site in network.sites}, LOGIT: network.program.output}
    return {index: tuple(sorted(reached[node])) for index, node in ends.items()}


def _gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], weights: Sequence[Tensor], *, create_graph: bool = False
) -> tuple[Tensor, ...]:
    """Return the gradients of Σ weights · outputs to the inputs, 0 where nothing leads there; graphs stay."""
    live = [pair for pair in zip(outputs, weights, strict=True) if pair[0].requires_grad]
    if not live:
        return tuple(map(torch.zeros_like, inputs))
    sources, cotangents = zip(*live, strict=True)
    options = {"create_graph": create_graph, "allow_unused": True, "materialize_grads": True}
    try:
        return torch.autograd.grad(sources, tuple(inputs), cotangents, retain_graph=True, **options)
    except RuntimeError as error:
        if "not implemented" not in str(error):
            raise
        raise PathwayError(
            f"Got a call between sites that torch differentiates once only ({error}), wanted calls whose gradients "
            "have gradients: outgoing edges need them. Write it from other calls, or read incoming edges instead."
        ) from error


def _matrix(columns: Sequence[Tensor], chosen: Sequence[int]) -> Tensor:
    """Return rows of the chosen channels and the rest, from columns of which the last one is that of all."""
    sums = [column.reshape(len(column) if column.ndim else 1, -1).sum(1) for column in columns]
    matrix = torch.stack(sums, dim=1).cpu().double()  # (channels, columns)
    matrix[:, -1] -= matrix[:, :-1].sum(1)
    picked = matrix[list(chosen)]
    return torch.cat([picked, (matrix.sum(0) - picked.sum(0))[None]])


def _checked(node: int, nodes: Mapping[int, Tensor], side: str) -> int:
    if isinstance(node, bool) or node not in nodes:
        end = "IMAGE" if side == "after" else "LOGIT"
        raise PathwayError(
            f"Got node {node!r}, wanted one with nodes {side} it: a site's index from 0 to {len(nodes) - 2}, or {end}."
        )
    return node


def _index(value: int, count: int, name: str, where: str = "") -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        raise PathwayError(f"Got {name} {value!r}{where}, wanted an integer from 0 to {count - 1}.")
    return value


def _checked_channels(network: Network, channels: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    if len(channels) != len(network.sites):
        raise PathwayError(f"Got channels of {len(channels)} sites, wanted those of all {len(network.sites)}.")
    for site, chosen in zip(network.sites, channels, strict=True):
        for channel in chosen:
            _index(channel, site.planes[0], "channel", f" of site {site.name}")
        if len(set(chosen)) < len(chosen):
            raise PathwayError(f"Got channels {list(chosen)} of site {site.name}, wanted each one once.")
    return tuple(map(tuple, channels))
