"""The pathway as a graph over sites: each site's strongest channels, what flows between them, whose neurons they keep.

A site's channels are ranked by Σ |a · ∂F/∂a| over positions in the restricted network; those below the first dozen,
fewer where sites share a depth, are one node together. Nodes are meant by (site, place among the site's nodes).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from core.flow import BIAS, IMAGE, LOGIT, Links, channel_flow, link
from core.pathways.ranking import Off
from core.progress import Progress
from explorer.compute import cache
from explorer.compute.rankings import Scored, Selection
from explorer.compute.scene import Scene
from explorer.compute.tasks import Task
from explorer.state import Neuron

__all__ = ["BIAS", "IMAGE", "LOGIT", "Edge", "Flow", "Place", "flow_task", "kept"]

DOZEN = 12
A_DEPTH = 24  # channels of all sites at one depth, unless that leaves too few to a site
FEWEST = 4
MOST_EDGES = 300
EDGE = 240  # bytes of an ``Edge``, measured

Place = tuple[int, int]
Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Edge:
    """What flows from one node to another, and which share of all absolute flow between their two sites it is."""

    start: Place
    end: Place
    flow: float
    share: float


@dataclass(frozen=True, eq=False)
class Flow:
    """What flows through a pathway.

    Attributes:
        planes: (channels, height, width) of each site.
        depths: sites on the longest way from the image to each site, itself among them.
        channels: those that are nodes, one sequence a site.
        peaks: of each, the flat position of largest |a · ∂F/∂a|.
        matrices: see ``core.flow.ChannelFlow.flows``.
        response: of the restricted network.
        seconds: what it took.
    """

    planes: tuple[tuple[int, int, int], ...]
    depths: tuple[int, ...]
    channels: tuple[tuple[int, ...], ...]
    peaks: tuple[tuple[int, ...], ...]
    matrices: Mapping[tuple[int, int], Floats]
    response: float
    seconds: float

    @property
    def nbytes(self) -> int:
        """Return about how many bytes it holds, with the edges that are made when they are asked for."""
        return sum(matrix.nbytes + EDGE * int(np.count_nonzero(matrix)) for matrix in self.matrices.values())

    def others(self, site: int) -> int:
        """Return how many channels of a site are one node together."""
        return self.planes[site][0] - len(self.channels[site])

    def nodes(self, site: int) -> int:
        """Return how many nodes a site has; IMAGE and LOGIT have one."""
        return 1 if site < 0 else len(self.channels[site]) + bool(self.others(site))

    def neuron(self, place: Place) -> Neuron | None:
        """Return the neuron that stands for a node's channel, None for a node that is no channel."""
        site, n = place
        return (site, self.peaks[site][n]) if site >= 0 and n < len(self.channels[site]) else None

    def place(self, neuron: Neuron) -> Place:
        """Return the node that a neuron belongs to."""
        site, position = neuron
        _, height, width = self.planes[site]
        channel, own = position // (height * width), self.channels[site]
        return site, own.index(channel) if channel in own else len(own)

    def passed(self, place: Place) -> float:
        """Return the flow that leaves a node, Σ a · ∂F/∂a."""
        site, n = place
        return sum(float(m[n].sum()) for (start, _), m in self.matrices.items() if start == site)

    def given(self, place: Place) -> float:
        """Return the flow that comes into a node, without what biases bring."""
        site, n = place
        found = ((start, m) for (start, end), m in self.matrices.items() if end == site and start != BIAS)
        return sum(float(m[:, n].sum()) for _, m in found)

    @property
    def from_biases(self) -> float:
        """Return the contribution of biases straight to the logit."""
        return float(self.matrices[BIAS, LOGIT].sum())

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Return everything that flows between nodes, strongest first; what biases bring is no edge."""
        found: list[Edge] = []
        for (start, end), matrix in self.matrices.items():
            whole = float(np.abs(matrix).sum())
            rows, columns = np.nonzero(matrix if start != BIAS else matrix[:0])
            for i, j, flow in zip(rows.tolist(), columns.tolist(), matrix[rows, columns].tolist(), strict=True):
                found.append(Edge((start, i), (end, j), flow, abs(flow) / whole))
        return tuple(sorted(found, key=lambda edge: -abs(edge.flow)))

    def strongest(self, selected: Place | None = None, most: int = MOST_EDGES) -> list[Edge]:
        """Return the edges worth drawing: of any two sites equally many, the strongest, and all of a selected node."""
        pairs = sum(start != BIAS for start, _ in self.matrices)
        room, seen = max(1, most // pairs), Counter[tuple[int, int]]()
        drawn: list[Edge] = []
        for edge in self.edges:
            pair = edge.start[0], edge.end[0]
            seen[pair] += 1
            if seen[pair] <= room and len(drawn) < most:
                drawn.append(edge)
        own = [edge for edge in self.edges if selected in (edge.start, edge.end) and edge not in drawn]
        return sorted([*drawn, *own], key=lambda edge: -abs(edge.flow))


def flow_task(scene: Scene, scored: Scored, sparsity: float, off: Off) -> Task[Flow]:
    """Return what makes the ``Flow`` through a ranking's pathway; some dozen backward passes from site to site."""
    key: tuple[Hashable, ...] = ("flow", scene.target, scored.key, scored.size(sparsity), off)

    def work(progress: Progress) -> Flow:
        start = time.perf_counter()
        progress(0, 2, "the pathway's own run")
        links = link(scene.network, scene.image, scene.target, scored.pathway(sparsity), off=off)
        progress(1, 2, "flow between channels")
        return _flow(links, start)

    return Task(key, scored.strategy.title, work)


def _flow(links: Links, start: float) -> Flow:
    depths = _depths(links)
    strengths = [(a * slope).abs() for a, slope in zip(links.activations, links.to_activation, strict=True)]
    sites = links.network.sites
    shared = Counter(depths)
    channels, peaks = [], []
    for site, depth, strength in zip(sites, depths, strengths, strict=True):
        planes = strength.reshape(site.planes[0], -1)
        best = _top(planes.sum(1), min(DOZEN, max(FEWEST, A_DEPTH // shared[depth])))
        channels.append(best)
        peaks.append(tuple(channel * planes.shape[1] + int(planes[channel].argmax()) for channel in best))
    found = channel_flow(links, channels)
    matrices = {pair: matrix.numpy() for pair, matrix in found.flows.items()}
    seconds = time.perf_counter() - start
    return Flow(
        tuple(site.planes for site in sites), depths, found.channels, tuple(peaks), matrices, links.response, seconds
    )


def _top(sums: torch.Tensor, count: int) -> tuple[int, ...]:
    best: list[int] = torch.argsort(sums, descending=True, stable=True)[:count].tolist()
    return tuple(channel for channel in best if sums[channel] > 0)


def _depths(links: Links) -> tuple[int, ...]:
    depths = {IMAGE: 0}
    for site in range(len(links.network.sites)):
        depths[site] = 1 + max(depths[before] for before in links.before(site))
    return tuple(depths[site] for site in range(len(links.network.sites)))


def kept(flow: Flow, selections: Sequence[Selection], sparsity: float) -> list[Counts]:
    """Return how many neurons each node's channels keep, one (nodes, 3) a site: first only, both, second only.

    Args:
        flow: whose nodes.
        selections: one, which leaves the other columns 0, or two.
        sparsity: of both.
    """
    key = ("flow kept", flow.channels, *(s.key for s in selections), *(s.size(sparsity) for s in selections))
    return cache.RESULTS.get(key, lambda: _kept(flow, selections, sparsity))


def _kept(flow: Flow, selections: Sequence[Selection], sparsity: float) -> list[Counts]:
    counts = []
    for site, own in enumerate(flow.channels):
        masks = [chosen.site_mask(sparsity, site).reshape(flow.planes[site][0], -1) for chosen in selections]
        first, second = masks[0], masks[-1] if len(masks) > 1 else torch.zeros_like(masks[0])
        parts = (first & ~second, first & second, second & ~first)
        table = torch.stack([part.sum(1) for part in parts], dim=1).cpu().numpy()
        picked = table[list(own)]
        rest = [(table.sum(0) - picked.sum(0))[None]] if flow.others(site) else []
        counts.append(np.concatenate([picked, *rest]))
    return counts
