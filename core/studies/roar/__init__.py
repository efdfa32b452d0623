"""ROAR, remove and retrain: does the accuracy fall where an attribution says that the evidence was?

The most relevant share of the pixels of every training and test image is replaced by the mean colour; a network is
trained from scratch on what is left, and its test accuracy measured. A method that finds the evidence makes it fall
far; random pixels are the baseline to beat. Retraining rules out that a mere change of the data's looks made it fall.

    plan = Roar(methods=("NeuronMCT", "Gradient", RANDOM), fractions=(0.1, 0.5, 0.9), seeds=2)
    remove_and_retrain(plan, "runs/roar", lambda load: DaskEngine(load, workers=2))

Two lists of work run on the engine: maps, a few hundred images at a time, then trainings. Each result is a file; a run
started again does what is not there. Attributions explain the class that the network trained on unchanged images
predicts, so that removing pixels does not give the label away.

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
    """Do what is not there yet; return how many trainings failed.

    Args:
        plan: what is removed and how often is trained.
        folder: where results go, and may already lie: rows of the measure "roar_accuracy".
        engine: makes an engine of what makes the workers' material.
        command: for the manifest, how this was asked for.
        mapped: told images whose pixels are in order, of all methods, and how many there are.
        trained: told trainings done, and how many there are.

    Raises:
        PathwayError: the data set cannot be had or trained on, the folder is in use, holds something else or is full,
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
