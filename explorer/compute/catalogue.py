"""The networks and photos there are, what they are called, and where published weights are fetched."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from core.data.datasets import FASHION_MNIST, registered_image
from core.data.images import open_image
from core.data.samples import SampleImage, sample_images
from core.models.weights import download_weights, find_weights
from core.models.zoo import available_networks, load_network
from core.network import Network
from core.progress import Progress
from explorer.compute import cache
from explorer.compute.cache import Results
from explorer.compute.tasks import Lane

__all__ = ["Download", "network", "network_labels", "sample", "sample_facts"]


@functools.cache
def network_labels() -> dict[str, str]:
    """Return the zoo's networks with ReLUs, and how each is labelled."""
    entries = [entry for entry in available_networks() if entry.supported]
    return {e.name: f"{e.name} · {'embedded' if e.embedded else f'{e.megabytes:.0f} MB'}" for e in entries}


def network(name: str) -> Network:
    """Return a network of the zoo; see ``core.models.zoo.load_network`` for its errors."""
    return cache.RESULTS.get(("network", name), lambda: load_network(name))


@lru_cache(maxsize=64)
def sample(name: str) -> Image.Image:
    """Return an embedded photo, or an image of a registered data set. All share it: draw on a copy.

    Raises:
        ImageError: its file is missing or damaged.
        KeyError: there is no such photo.
    """
    numbered = registered_image(name)
    return sample_images()[name].open() if numbered is None else open_image(numbered[0].read(numbered[1]))


def sample_facts(name: str) -> SampleImage | None:
    """Return title, author and licence of an embedded photo or a registered image, None for any other picture."""
    numbered = registered_image(name)
    if numbered is None:
        return sample_images().get(name)
    data, index = numbered
    label = data.labels[index]
    title = f"{data.name} {index}" + (f", {data.class_names[label]}" if label is not None else "")
    author, licence = ("Zalando Research", "MIT") if data.name == FASHION_MNIST else ("its data set's authors", "")
    return SampleImage(name, title, author, licence, data.name, f"Image {title}.", data.names[index])


@dataclass(frozen=True)
class Download:
    """The download of a network's published weights, as work for the queue; only submitted where a person asked.

    Attributes:
        name: of the network.
    """

    name: str
    lane: Lane = "long"

    @property
    def key(self) -> tuple[str, str]:
        """Return its name among all work."""
        return ("download", self.name)

    def find(self, _: Results) -> Path | None:
        """Return the file, None where there is none."""
        return find_weights(self.name)

    def is_complete(self, found: Path | None) -> bool:
        """Return whether the file is there."""
        return found is not None

    def make(self, _: Results, progress: Progress) -> None:
        """Download the file."""
        download_weights(self.name, progress=progress)
