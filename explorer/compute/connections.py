"""The strongest edges into one neuron or channel, and out of it, within a pathway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.flow import Edges, link
from core.pathways.ranking import Off
from core.progress import Progress
from explorer.compute.rankings import Scored
from explorer.compute.scene import Scene
from explorer.compute.tasks import Task
from explorer.state import Neuron

__all__ = ["Connection", "Connections", "connections_task"]

STRONGEST = 12


@dataclass(frozen=True)
class Connection:
    """One edge of a neuron, or of a channel together.

    Attributes:
        node: the other end's site, or IMAGE, LOGIT or BIAS.
        position: flat, at its site; 0 elsewhere.
        edge, flow: see ``core.flow``.
    """

    node: int
    position: int
    edge: float
    flow: float


@dataclass(frozen=True)
class Connections:
    """The strongest edges on both sides, largest flow first, then those that end at no site.

    Attributes:
        incoming, outgoing: from the sites directly before, and to those directly after.
        given, passed: sums over all edges of each side: of what comes in, and of the flow that goes out.
    """

    incoming: tuple[Connection, ...]
    outgoing: tuple[Connection, ...]
    given: float
    passed: float


def connections_task(
    scene: Scene, scored: Scored, sparsity: float, off: Off, neuron: Neuron, whole: bool
) -> Task[Connections]:
    """Return the task that finds a neuron's strongest edges, or its channel's; it takes some five passes."""
    key = ("connections", scene.target, scored.key, scored.size(sparsity), off, neuron, whole)

    def work(progress: Progress) -> Connections:
        links = link(scene.network, scene.image, scene.target, scored.pathway(sparsity), off=off)
        progress(1, 2, "the pathway's own run")
        site = neuron[0]
        if whole:
            channel = scene.network.sites[site].place(neuron[1])[0]
            incoming, outgoing = links.incoming_channel(site, channel), links.outgoing_channel(site, channel)
        else:
            incoming, outgoing = links.incoming(*neuron), links.outgoing(*neuron)
        given = sum(float(edges.values.sum()) for edges in incoming)
        passed = sum(float(edges.flow.sum()) for edges in outgoing)
        return Connections(_strongest(incoming), _strongest(outgoing), given, passed)

    return Task(key, "edges of a neuron", work)


def _strongest(sides: Sequence[Edges]) -> tuple[Connection, ...]:
    found: list[Connection] = []
    others: list[Connection] = []
    for edges in sides:
        values, flow = edges.values.flatten(), edges.flow.flatten()
        if edges.node < 0:
            others.append(Connection(edges.node, 0, float(values), float(flow)))
            continue
        by = flow if flow.any() else values
        best = by.abs().topk(min(STRONGEST, len(by))).indices.tolist()
        found += [Connection(edges.node, i, float(values[i]), float(flow[i])) for i in best if values[i]]
    found.sort(key=lambda c: (-abs(c.flow), -abs(c.edge)))
    return (*found[:STRONGEST], *others)
