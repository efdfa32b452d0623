"""ROAR, remove and retrain: does the accuracy fall when the pixels that an attribution calls relevant are removed?

The most relevant share of the pixels of every training and test image is replaced by the mean colour; a network is
trained from scratch on the other pixels, and its test accuracy is measured. A method that finds the evidence makes it
fall far; random pixels are the baseline to beat. Retraining excludes that a mere change of appearance made it fall.

    plan = Roar(methods=("NeuronMCT", "Gradient", RANDOM), fractions=(0.1, 0.5, 0.9), seeds=2)
    remove_and_retrain(plan, "runs/roar", lambda load: DaskEngine(load, workers=2))

Two lists of tasks run on the engine: maps, a few hundred images at a time, then trainings. Each result is a file; a run
started again does only the missing tasks. Attributions explain the class predicted by the network that was trained on
unchanged images, so that the removed pixels do not reveal the label.

References:
    [Hooker19] Hooker, Erhan, Kindermans, Kim, A Benchmark for Interpretability Methods in Deep Neural Networks, NeurIPS
        2019.
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.data.datasets import Pictures
from core.progress import Progress, silent
from core.studies.engine import Engine
from core.studies.roar.maps import make_maps
from core.studies.roar.material import Load, pictures_of, trained_base
from core.studies.roar.plan import RANDOM, Roar
from core.studies.roar.retraining import retrain
from core.studies.store import Store

__all__ = ["RANDOM", "Roar", "remove_and_retrain"]


def remove_and_retrain(
    plan: Roar,
    folder: str | Path,
    engine: Callable[[Load], Engine],
    *,
    command: str = "",
    mapped: Progress = silent,
    trained: Progress = silent,
) -> int:
    """Do the missing tasks; return how many trainings failed.

    Args:
        plan: what is removed, and how many trainings there are.
        folder: for results, which may already be there: rows of the measure "roar_accuracy".
        engine: makes an engine from the function that loads the workers' material.
        command: that started the run, for the manifest.
        mapped: called with the number of images, over all methods, whose pixels are ordered, and their total.
        trained: called with the number of trainings done, and their total.

    Raises:
        PathwayError: the data set cannot be opened or trained on, the folder is in use, has other results or is full,
            or maps could not be made.
    """
    store, pictures = Store(folder), pictures_of(plan)
    with store.opened(_manifest(plan, pictures, command)):
        workers = engine(Load(pictures, trained_base(plan, pictures, store.folder)))
        make_maps(plan, sum(len(each.labels) for each in pictures), store, workers, mapped)
        return retrain(plan, store, workers, trained)


def _manifest(plan: Roar, pictures: tuple[Pictures, Pictures], command: str) -> dict[str, Any]:
    train_set, test_set = pictures
    facts = json.dumps([asdict(plan), [hashlib.sha256(each.pixels.numpy().tobytes()).hexdigest() for each in pictures]])
    return {
        "kind": "roar",
        "roar": asdict(plan),
        "fingerprint": hashlib.sha256(facts.encode()).hexdigest()[:16],
        "command": command,
        "dataset": {
            "name": plan.dataset,
            "train": len(train_set.labels),
            "test": len(test_set.labels),
            "classes": list(train_set.class_names),
        },
        "network": {"name": "small VGG, retrained", "weights_hash": "", "sites": {}},
    }
