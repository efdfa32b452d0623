"""ROAR's second list of tasks: networks trained on the remaining pixels, and their test accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from core.data.datasets import Pictures
from core.models.small_vgg import SmallVGG
from core.models.training import Recipe, accuracy, train
from core.progress import Progress
from core.strategy import Strategy
from core.studies.engine import Engine, Failed
from core.studies.roar.maps import read_places
from core.studies.roar.material import Material
from core.studies.roar.plan import Roar
from core.studies.rows import Rows
from core.studies.store import Store

__all__ = ["retrain"]


@dataclass(frozen=True)
class _Training:
    """A training; ``removed`` has the removed pixels of training, then test images, as packed bits, or is b""."""

    number: int
    seed: int
    removed: bytes
    epochs: int


def retrain(plan: Roar, store: Store, engine: Engine, progress: Progress) -> int:
    """Do the missing trainings, write one row for each, and return how many failed.

    Args:
        plan: has the trainings.
        store: has the orders of pixels, and gets the rows.
        engine: does the tasks.
        progress: called with the number of trainings done, and their total.
    """
    done = store.done()
    left = [number for number in range(len(plan.trainings)) if number not in done]
    failed, ready = 0, len(plan.trainings) - len(left)
    progress(ready, len(plan.trainings), "trainings")
    for result in engine.run(_tasks(plan, store, left), _trained):
        if isinstance(result, Failed):
            store.write(result.task.number, _row(plan, result.task.number, result.error), None)
            failed += 1
        else:
            store.write(result[0], _row(plan, *result), None)
        ready += 1
        progress(ready, len(plan.trainings), "trainings")
    return failed


def _tasks(plan: Roar, store: Store, numbers: Sequence[int]) -> Iterator[_Training]:
    """Yield trainings with their removed pixels, read when needed."""
    for number in numbers:
        method, place, seed = plan.trainings[number]
        removed = np.packbits(read_places(plan, store, method) <= place).tobytes() if method else b""
        yield _Training(number, seed, removed, plan.epochs)


def _trained(material: Material, task: _Training) -> tuple[int, float]:
    """Return the test accuracy of a network trained on the remaining pixels."""
    train_set, test_set = _changed(material, task.removed)
    side, classes = train_set.pixels.shape[-1], len(train_set.class_names)
    device = material.network.device
    build: Callable[[], nn.Module] = partial(SmallVGG, classes, side)
    model = train(build, train_set, material.preprocessing, Recipe(task.epochs), seed=task.seed, device=device)
    return task.number, accuracy(model, test_set, material.preprocessing, device=device)


def _changed(material: Material, removed: bytes) -> list[Pictures]:
    """Return the training and the test images, with removed pixels at the mean colour of the training images."""
    if not removed:
        return list(material.pictures)
    counts = [len(each.labels) for each in material.pictures]
    height, width = material.pictures[0].pixels.shape[2:]
    bits = np.unpackbits(np.frombuffer(removed, np.uint8), count=sum(counts) * height * width)
    gone = torch.from_numpy(bits).bool().view(-1, 1, height, width)
    return [
        Pictures(torch.where(mask, material.mean, each.pixels), each.labels, each.class_names)
        for mask, each in zip(torch.split(gone, counts), material.pictures, strict=True)
    ]


def _row(plan: Roar, number: int, found: float | Exception) -> pa.Table:
    """Return the row of a training, given its accuracy or why it failed."""
    method, place, seed = plan.trainings[number]
    known = Strategy.parse(method) if method in plan.strategies else None
    rows = Rows.begun(part=number, dataset=plan.dataset, network="small VGG, retrained", weights_hash="", off="zero")
    columns = {
        "method": known.name if known else method,
        "options": known.written if known else "",
        "sparsity": plan.sparsity if known else float("nan"),
        "other": f"seed {seed}",
        "x": plan.fractions[place] if method else 0.0,
    }
    if isinstance(found, Exception):
        rows.fail("roar_accuracy", found, **columns)
    else:
        rows.add("roar_accuracy", found, **columns)
    return rows.table()
