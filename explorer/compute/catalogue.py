"""The networks and photos there are, what they are called, and where published weights are fetched."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from core.data.datasets import FASHION_MNIST, registered_image
from core.data.images import open_image
from core.data.samples import SampleImage, sample_images
from core.models.weights import download_weights, find_weights
from core.models.zoo import available_networks, load_network
from core.network import Network
from explorer.compute import cache, jobs
from explorer.compute.jobs import Status

__all__ = ["ask_download", "network", "network_labels", "sample", "sample_facts"]


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
class _Downloaded:
    path: str


def ask_download(name: str, waiter: str) -> Status:
    """Return where the download of a network's published weights stands; only ever called because a person asked."""
    key = ("download", name)
    if find_weights(name) is not None:
        return Status("done")
    cache.RESULTS.drop(key)  # of a download whose file is gone since
    return jobs.JOBS.ask(key, lambda progress: _Downloaded(str(download_weights(name, progress=progress))), waiter)
