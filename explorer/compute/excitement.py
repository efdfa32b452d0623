"""Which of the embedded photos excite a channel most: its largest activation on each, as the network sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.preprocessing import Crop
from core.data.samples import sample_images
from core.network import Network
from core.progress import Progress
from explorer.compute import compute
from explorer.compute.jobs import Status

__all__ = ["Excitement", "ask_excitement", "excitement_key"]


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


def excitement_key(network: Network) -> tuple[str, ...]:
    """Return under what a network's excitement is shared."""
    return ("excitement", network.name, network.weights_hash)


def ask_excitement(network: Network, waiter: str) -> Status:
    """Return where it stands; one forward pass a photo. See ``Jobs.ask``."""
    return compute.ERRANDS.ask(excitement_key(network), lambda progress: _excitement(network, progress), waiter)


def _excitement(network: Network, progress: Progress) -> Excitement:
    names, rows = tuple(sample_images()), []
    for done, name in enumerate(names, 1):
        with torch.no_grad():
            activations = network.run(network.preprocess(compute.sample(name), Crop()), record=True).activations
        rows.append([a[0].flatten(1).amax(1) if a.ndim == 4 else a[0] for a in activations])
        progress(done, len(names), "photos")
    peaks = [torch.stack(site).float().cpu().numpy() for site in zip(*rows, strict=True)]
    return Excitement(names, tuple(peaks))
