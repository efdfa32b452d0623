"""Numbers read off a scene and its selections, for pictures and tables; and which photos excite a channel most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.preprocessing import Crop
from core.data.samples import sample_images
from core.network import Network
from core.network.receptive_field import receptive_field
from core.pathways.ranking import Ranking
from core.pathways.restriction import Restricted, saliency_map
from core.progress import Progress
from explorer.compute import catalogue
from explorer.compute.rankings import Scored, Selection
from explorer.compute.scene import Scene
from explorer.compute.tasks import Task

__all__ = [
    "Excitement",
    "NeuronRow",
    "SitePlanes",
    "all_masks",
    "channel_activation",
    "channel_scores",
    "excitement_task",
    "neuron_row",
    "on_pathway",
    "saliency",
    "sees",
    "site_planes",
    "strongest_channels",
    "top_neurons",
]


@dataclass(frozen=True)
class SitePlanes:
    """One site of a pathway, (C, H, W) each; a vector's channels are planes of one pixel."""

    mask: NDArray[np.bool_]
    dead: NDArray[np.bool_]


@dataclass(frozen=True)
class NeuronRow:
    """One neuron: where it is, what it does here, and its place under each method, None where its score is 0."""

    site: int
    position: int
    activation: float
    score: float
    ranks: tuple[int | None, ...]


def saliency(restricted: Restricted) -> NDArray[np.float32]:
    """Return the signed saliency map of a gradient, (H, W)."""
    return saliency_map(restricted.gradient).float().cpu().numpy()


def site_planes(scene: Scene, selection: Selection, sparsity: float, site: int) -> SitePlanes:
    """Return the mask and the dead neurons at one site."""
    planes = scene.network.sites[site].planes
    mask = selection.site_mask(sparsity, site).view(planes)
    return SitePlanes(mask.cpu().numpy(), scene.dead[site].view(planes).cpu().numpy())


def all_masks(scene: Scene, selection: Selection, sparsity: float) -> dict[str, NDArray[np.bool_]]:
    """Return a pathway's masks by the names of their sites, each shaped like the site's activation."""
    masks = selection.pathway(sparsity).masks
    return {site.name: mask.cpu().numpy() for site, mask in zip(scene.network.sites, masks, strict=True)}


def channel_activation(scene: Scene, neuron: tuple[int, int]) -> NDArray[np.float32]:
    """Return the activation of a neuron's channel over positions, (H, W)."""
    site = scene.network.sites[neuron[0]]
    activation = scene.activations[site.index][0].view(site.planes)
    return activation[site.place(neuron[1])[0]].float().cpu().numpy()


def channel_scores(scene: Scene, scored: Scored, neuron: tuple[int, int]) -> NDArray[np.float32]:
    """Return a method's scores of a neuron's channel over positions, (H, W)."""
    site, scores = scene.network.sites[neuron[0]], scored.ranking.scores
    ranks = scored.ranking.ranks[site.index].view(site.planes)[site.place(neuron[1])[0]].long()
    found = scores[ranks.clamp(max=len(scores) - 1)] if len(scores) else torch.zeros(ranks.shape)
    return torch.where(ranks < len(scores), found, 0.0).float().cpu().numpy()


def strongest_channels(scored: Scored, scene: Scene, site: int, count: int) -> list[int]:
    """Return the channels of a site whose scores sum to most, those of score 0 left out."""
    planes, scores = scene.network.sites[site].planes, scored.ranking.scores
    ranks = scored.ranking.ranks[site].view(planes[0], -1).long()
    padded = torch.cat([scores.double(), scores.new_zeros(1, dtype=torch.float64)])
    sums = padded[ranks.clamp(max=len(scores))].sum(1)
    best = torch.argsort(sums, descending=True, stable=True)[:count].tolist()
    return [channel for channel in best if sums[channel] > 0]


def on_pathway(selection: Selection, sparsity: float, neuron: tuple[int, int]) -> bool:
    """Return whether a neuron stays at a sparsity."""
    return bool(selection.site_mask(sparsity, neuron[0]).flatten()[neuron[1]])


def sees(scene: Scene, neuron: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the box of pixels that a neuron can see: left, top, right, bottom."""
    return receptive_field(scene.network, scene.network.sites[neuron[0]], neuron[1])


def top_neurons(scene: Scene, by: Scored, others: Sequence[Scored], site: int | None, count: int) -> list[NeuronRow]:
    """Return the neurons that a method keeps longest, over all sites or at one.

    Args:
        scene: whose neurons.
        by: the method whose order it is.
        others: further methods whose ranks are wanted.
        site: index of the only site wanted.
        count: how many at most.
    """
    return _rows(scene, by, others, by.ranking.top(count, site))


def neuron_row(scene: Scene, by: Scored, others: Sequence[Scored], neuron: tuple[int, int]) -> NeuronRow:
    """Return one neuron's row; see ``top_neurons``."""
    return _rows(scene, by, others, [neuron])[0]


def _rows(scene: Scene, by: Scored, others: Sequence[Scored], neurons: Sequence[tuple[int, int]]) -> list[NeuronRow]:
    """Rows of neurons, read a site at a time: a tensor's single numbers take long."""
    rows: dict[tuple[int, int], NeuronRow] = {}
    for site in {site for site, _ in neurons}:
        positions = [position for at, position in neurons if at == site]
        activations = scene.activations[site].flatten()[positions].tolist()
        places = [_places(scored.ranking, site, positions) for scored in (by, *others)]
        scores = iter(by.ranking.scores[[place for place in places[0] if place is not None]].tolist())
        for position, activation, *ranks in zip(positions, activations, *places, strict=True):
            score = 0.0 if ranks[0] is None else next(scores)
            rows[site, position] = NeuronRow(site, position, activation, score, tuple(ranks))
    return [rows[neuron] for neuron in neurons]


def _places(ranking: Ranking, site: int, positions: list[int]) -> list[int | None]:
    places = ranking.ranks[site].flatten()[positions].tolist()
    return [place if place < len(ranking.scores) else None for place in places]


@dataclass(frozen=True)
class Excitement:
    """The largest activation of every channel on every embedded photo.

    Attributes:
        photos: their names.
        peaks: one a site, (photos, channels).
    """

    photos: tuple[str, ...]
    peaks: tuple[NDArray[np.float32], ...]

    def strongest(self, site: int, channel: int) -> list[tuple[str, float]]:
        """Return the photos with the channel's peak on each, strongest first."""
        peaks = self.peaks[site][:, channel].tolist()
        return sorted(zip(self.photos, peaks, strict=True), key=lambda pair: -pair[1])


def excitement_task(network: Network) -> Task[Excitement]:
    """Return what finds a network's excitement; one forward pass a photo."""
    key = ("excitement", network.name, network.weights_hash)
    return Task(key, "photos that excite most", lambda progress: _excitement(network, progress))


def _excitement(network: Network, progress: Progress) -> Excitement:
    names, rows = tuple(sample_images()), []
    for done, name in enumerate(names, 1):
        with torch.no_grad():
            activations = network.run(network.preprocess(catalogue.sample(name), Crop()), record=True).activations
        rows.append([a[0].flatten(1).amax(1) if a.ndim == 4 else a[0] for a in activations])
        progress(done, len(names), "photos")
    peaks = [torch.stack(site).float().cpu().numpy() for site in zip(*rows, strict=True)]
    return Excitement(names, tuple(peaks))
