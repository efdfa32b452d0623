"""The edges between a network's sites: into and out of one neuron or one channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Literal

import torch
from torch import Tensor

from core.errors import PathwayError
from core.network import Network

__all__ = ["BIAS", "IMAGE", "LOGIT", "Edges", "Links", "checked_index"]

IMAGE, LOGIT, BIAS = -1, -2, -3
"""Nodes that are not sites: the image, the target's logit, and the biases. A site's node is its index."""


@dataclass(frozen=True)
class Edges:
    """The edges between a neuron, or a channel, and the neurons of one node directly before or after it.

    Attributes:
        node: index of the site, or IMAGE, LOGIT or BIAS.
        values: edges, shaped like the site's activation without the batch axis; () for the others.
        flow: each edge times dF/dz at its later end, shaped like ``values``.
    """

    node: int
    values: Tensor
    flow: Tensor


@dataclass(frozen=True, eq=False)
class Links:
    """One image's restricted run, and the edges between its neurons. Made by ``link``; threads may share it.

    A neuron is given by its site's index and its flat position there; IMAGE and LOGIT have one neuron, at 0.

    Attributes:
        network, target: of the run.
        response: F, the target's restricted logit.
        activations: one per site, after the restriction, without the batch axis.
        pre_activations: shaped like the activations.
        to_activation: dF/da, shaped like the activations.
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
    _starts: Mapping[int, Tensor] = field(repr=False)  # activations at which gradients end, and the image: (1, ...)
    _ends: Mapping[int, Tensor] = field(repr=False)  # pre-activations with their graphs, and the logit: (1, ...)

    @property
    def nbytes(self) -> int:
        """Return about how many bytes it holds, including the values that its graphs keep."""
        program, dtype = self.network.program, self.network.dtype
        return sum(program.nbytes(node, dtype) for node in program.nodes) + 3 * self.network.neurons * dtype.itemsize

    def before(self, node: int) -> tuple[int, ...]:
        """Return the sites directly before a site or LOGIT in the graph, and IMAGE, in order.

        Raises:
            PathwayError: nothing is before this node.
        """
        return self._before[_checked(node, self._ends, "before")]

    def after(self, node: int) -> tuple[int, ...]:
        """Return the sites directly after a site or IMAGE in the graph, and LOGIT, in order.

        Raises:
            PathwayError: nothing is after this node.
        """
        _checked(node, self._starts, "after")
        return tuple(later for later, earlier in self._before.items() if node in earlier)

    def incoming(self, node: int, position: int) -> list[Edges]:
        """Return the edges into a neuron from everything directly before it; values sum to z, flow to z · dF/dz.

        It costs two backward passes through the calls between the sites.

        Args:
            node: a site's index, or LOGIT.
            position: flat, of the neuron at the site.

        Returns:
            One ``Edges`` per node in ``before(node)``, and one of BIAS.

        Raises:
            PathwayError: there is no such neuron, or nothing is before it.
        """
        self.before(node)
        return self._incoming(node, self.marks(node, "position", position))

    def incoming_channel(self, node: int, channel: int) -> list[Edges]:
        """Return the edges of ``incoming``, summed over the neurons of a channel."""
        self.before(node)
        return self._incoming(node, self.marks(node, "channel", channel))

    def outgoing(self, node: int, position: int) -> list[Edges]:
        """Return the edges from a neuron to everything directly after it; flow sums to a · dF/da.

        It costs two backward passes through the calls between the sites.

        Args:
            node: a site's index, or IMAGE for all pixels together.
            position: flat, of the neuron at the site.

        Returns:
            One ``Edges`` per node in ``after(node)``.

        Raises:
            PathwayError: there is no such neuron, nothing is after it, or a call there cannot be differentiated twice.
        """
        self.after(node)
        return self._outgoing(node, self.marks(node, "position", position))

    def outgoing_channel(self, node: int, channel: int) -> list[Edges]:
        """Return the edges of ``outgoing``, summed over the neurons of a channel."""
        self.after(node)
        return self._outgoing(node, self.marks(node, "channel", channel))

    def _incoming(self, node: int, chosen: Tensor) -> list[Edges]:
        values, flow = self._into(node, chosen), self._into(node, chosen * self._slope(node))
        return [Edges(source, values[source], flow[source]) for source in values]

    def _into(self, node: int, weights: Tensor) -> dict[int, Tensor]:
        """Return Σ_j w_j edge(i, j) for every neuron i directly before a node, and for IMAGE and BIAS."""
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

    def marks(self, node: int, kind: Literal["position", "channel"], place: int) -> Tensor:
        """Return 1 at one neuron, or at those of one channel, else 0: (1, *site.shape), (1,) for IMAGE and LOGIT."""
        shape = () if node < 0 else self.network.sites[node].shape
        parts = prod(shape if kind == "position" else shape[:1])
        marks = self._ends[LOGIT].new_zeros(parts, prod(shape) // parts)
        marks[checked_index(place, parts, kind)] = 1
        return marks.view(1, *shape)


def _gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], weights: Sequence[Tensor], *, create_graph: bool = False
) -> tuple[Tensor, ...]:
    """Return the gradients of Σ weights · outputs to the inputs, 0 where no path leads there; graphs are kept."""
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
            f"Got a call between sites that torch can differentiate only once ({error}), wanted calls that can be "
            "differentiated twice, as outgoing edges need. Write it from other calls, or read incoming edges instead."
        ) from error


def _checked(node: int, nodes: Mapping[int, Tensor], side: str) -> int:
    if isinstance(node, bool) or node not in nodes:
        end = "IMAGE" if side == "after" else "LOGIT"
        raise PathwayError(
            f"Got node {node!r}, wanted one with nodes {side} it: a site's index from 0 to {len(nodes) - 2}, or {end}."
        )
    return node


def checked_index(value: int, count: int, name: str, where: str = "") -> int:
    """Return an index if it is in range(count).

    Args:
        value: the index.
        count: of valid indices.
        name: of what is counted, for the error.
        where: the place, for the error.

    Raises:
        PathwayError: it is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        raise PathwayError(f"Got {name} {value!r}{where}, wanted an integer from 0 to {count - 1}.")
    return value
