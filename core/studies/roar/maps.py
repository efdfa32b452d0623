"""ROAR's first list of tasks: the order in which a method would remove the pixels of every image."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.attribution import BASELINES
from core.errors import PathwayError
from core.evaluation.degradation import pixel_ranks
from core.methods import METHODS
from core.models.training import normalised
from core.network import Network
from core.pathways.ranking import rank
from core.pathways.restriction import restrict_each, saliency_map
from core.progress import Progress, silent
from core.strategy import Strategy
from core.studies.engine import Engine, Failed
from core.studies.roar.material import Material
from core.studies.roar.plan import RANDOM, Roar
from core.studies.store import Store, write_atomically

__all__ = ["make_maps", "read_places"]

CHUNK = 500  # images per task
BATCH = 32  # images scored together


@dataclass(frozen=True)
class _Chunk:
    """Images start to stop, of the training and then the test images, whose pixels are to be ordered."""

    number: int
    method: str
    start: int
    stop: int
    plan: Roar


def make_maps(plan: Roar, count: int, store: Store, engine: Engine, progress: Progress) -> None:
    """Write the missing orders of pixels.

    Args:
        plan: has the methods.
        count: of training and test images together.
        store: for the results.
        engine: does the tasks.
        progress: called with the number of images done, over all methods, and their total.

    Raises:
        PathwayError: a map could not be made.
    """
    spans = [(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    tasks = [
        _Chunk(number, method, start, stop, plan)
        for number, (method, (start, stop)) in enumerate((m, span) for m in plan.methods for span in spans)
    ]
    left = [task for task in tasks if not _map_file(store, task.number).exists()]
    done = sum(task.stop - task.start for task in tasks) - sum(task.stop - task.start for task in left)
    progress(done, count * len(plan.methods), "images")
    (store.folder / "maps").mkdir(exist_ok=True)
    for result in engine.run(left, _places):
        if isinstance(result, Failed):
            raise PathwayError(f"The maps of {result.task.method} could not be made: {result.error}")
        number, places = result
        buffer = io.BytesIO()
        np.save(buffer, places)
        write_atomically(_map_file(store, number), buffer.getvalue())
        done += len(places)
        progress(done, count * len(plan.methods), "images")


def read_places(plan: Roar, store: Store, method: str) -> NDArray[np.uint8]:
    """Return at which of the fractions each pixel goes first, (images, H, W); their number where it never does."""
    files = sorted((store.folder / "maps").glob("part-*.npy"))
    chunks = len(files) // len(plan.methods)
    first = plan.methods.index(method) * chunks
    return np.concatenate([np.load(file, allow_pickle=False) for file in files[first : first + chunks]])


def _map_file(store: Store, number: int) -> Path:
    return store.folder / "maps" / f"part-{number:05d}.npy"


def _places(material: Material, task: _Chunk) -> tuple[int, NDArray[np.uint8]]:
    """Return at which of the fractions each pixel goes first, (images, H, W); their number where it never does."""
    pixels = torch.cat([each.pixels for each in material.pictures])[task.start : task.stop]
    relevance = _relevance(material, task, pixels)
    limits = torch.tensor([round(fraction * relevance[0].numel()) for fraction in task.plan.fractions])
    ranks = torch.stack([pixel_ranks(each, "morf", task.plan.seed) for each in relevance]).cpu()
    places: NDArray[np.uint8] = torch.bucketize(ranks, limits, right=True).to(torch.uint8).numpy()
    return task.number, places


def _relevance(material: Material, task: _Chunk, pixels: Tensor) -> Tensor:
    """Return the relevance, (images, H, W), >= 0."""
    if task.method == RANDOM:
        generator = torch.Generator().manual_seed(task.plan.seed + task.start)
        return torch.rand(len(pixels), *pixels.shape[2:], generator=generator)
    network = material.network
    found: list[Tensor] = []
    for chunk in torch.split(pixels, BATCH):
        images = normalised(chunk, material.preprocessing, network.device)
        with torch.no_grad():
            targets = network.run(images).logits.argmax(1).tolist()
        found += _gradients(network, images, targets, task.method, task.plan.sparsity)
    return torch.stack([saliency_map(gradient).abs() for gradient in found])


def _gradients(
    network: Network, images: Tensor, targets: Sequence[int], method: str, sparsity: float
) -> Iterator[Tensor]:
    """Yield each image's attribution, (C, H, W)."""
    if method == "Gradient":
        return iter(restrict_each(network, images, targets).gradient)
    if method in BASELINES:
        cases = zip(torch.split(images, 1), targets, strict=True)
        return (BASELINES[method](network, image, target).values for image, target in cases)
    strategy = Strategy.parse(method)
    scored = METHODS[strategy.name].batch(network, images, targets, progress=silent, **dict(strategy.options))
    for scores in scored:
        if isinstance(scores, PathwayError):
            raise scores
    pathways = [rank(scores).pathway(sparsity) for scores in scored if not isinstance(scores, PathwayError)]
    return iter(restrict_each(network, images, targets, pathways).gradient)
