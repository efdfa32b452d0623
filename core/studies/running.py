"""Carry out a study: the missing parts, on an engine, into its folder.

    run(study, "runs/first", DaskEngine(Loader.of(study), workers=2))

Started again with the same plan and folder, it continues with the missing parts, whatever stopped it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from core.attribution import BASELINES
from core.data.datasets import Dataset, open_dataset
from core.errors import PathwayError
from core.evaluation import SHARES, layers, subset_sizes
from core.evaluation.sensitivity import SUBSETS
from core.methods import METHODS
from core.models.zoo import load_checkpoint, load_network
from core.network import Network
from core.network.bends import other_bends
from core.pathways.restriction import restrict_each
from core.progress import Progress, silent
from core.studies.agreement import agreement
from core.studies.engine import Engine, Failed
from core.studies.measuring import Part, measure
from core.studies.plan import Study, Task
from core.studies.rows import Rows, about
from core.studies.store import Store

__all__ = ["Estimate", "Loader", "Outcome", "estimate", "run"]

FORWARD = 1 / 3  # of a forward and backward pass
RADIUS = 100  # passes that a linear radius costs, about: probes and exact norms in float64


@dataclass(frozen=True)
class Loader:
    """Loads a study's network, on any worker.

    Attributes:
        network: a name that ``load_network`` knows, or the architecture of the checkpoint.
        checkpoint: a user's own weights; b"" for the network's published ones.
        filename: of the checkpoint.
    """

    network: str
    checkpoint: bytes = b""
    filename: str = ""

    @classmethod
    def of(cls, study: Study) -> Loader:
        """Return a function that loads a study's network.

        Raises:
            PathwayError: the checkpoint cannot be read.
        """
        if not study.checkpoint:
            return cls(study.network)
        path = Path(study.checkpoint)
        try:
            return cls(study.network, path.read_bytes(), path.name)
        except OSError as error:
            raise PathwayError(f"The checkpoint {path} cannot be read ({error}).") from error

    def __call__(self) -> Network:
        """Return the network; errors as for ``load_network`` and ``load_checkpoint``."""
        if self.checkpoint:
            return load_checkpoint(self.checkpoint, self.network, filename=self.filename)
        return load_network(self.network)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run.

    Attributes:
        images: in the study.
        computed: how many of them in this run; the others were there before.
        errors: failure rows, of all parts.
        seconds: that this run took.
    """

    images: int
    computed: int
    errors: int
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """The cost of a study on this machine.

    Attributes:
        images: left to do.
        passes: forward and backward passes for one image, about.
        seconds_a_pass: measured.
        mask_bytes: of masks on disk, before compression.
        notes: what was chosen and left out when the data set was opened.
    """

    images: int
    passes: float
    seconds_a_pass: float
    mask_bytes: int
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Return about how long one worker takes."""
        return self.images * self.passes * self.seconds_a_pass


def run(
    study: Study,
    folder: str | Path,
    engine: Engine,
    network: Network,
    *,
    command: str = "",
    progress: Progress = silent,
    told: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Do the missing parts of a study.

    Args:
        study: the plan.
        folder: for the results, which may already be there.
        engine: does the parts.
        network: the study's, for measures over all images together.
        command: that started the run, for the manifest.
        progress: called with images done, images in total and the last part's number.
        told: called with messages for the user during the run.

    Raises:
        PathwayError: the data set or network cannot be opened, or the folder is in use, has another study or is full.
    """
    start, data, store = time.perf_counter(), open_dataset(study.dataset, root=study.root or None), Store(folder)
    parts = study.parts(network, data)
    images = sum(map(len, parts))
    for note in data.notes:
        told(note)
    with store.opened(_manifest(study, network, data, command)):
        done = store.done() & set(range(len(parts)))
        ready = sum(len(parts[number]) for number in done)
        before = ready
        progress(ready, images, "images")
        for result in engine.run(study.tasks(data, parts, done), partial(measure, dataset=data.name)):
            part = _lost(result, network, data.name) if isinstance(result, Failed) else result
            store.write(part.number, part.rows, part.masks)
            ready += len(parts[part.number])
            if part.errors:
                told(f"Part {part.number}: {part.errors} failures; see the column error.")
            progress(ready, images, "images")
        if "class-agreement" in study.measures:
            told("Comparing the pathways of all images ...")
            store.write_agreement(agreement(study, store, network, data.name))
    return Outcome(images, images - before, store.errors(), time.perf_counter() - start)


def estimate(study: Study, folder: str | Path, network: Network) -> Estimate:
    """Return the images left of a study and their estimated cost here, from a pass timed now; nothing is written.

    Raises:
        PathwayError: the data set cannot be opened.
    """
    data = open_dataset(study.dataset, root=study.root or None)
    parts = study.parts(network, data)
    done = Store(folder).done()
    left = [part for number, part in enumerate(parts) if number not in done]
    images = sum(map(len, left))
    kept = len(study.strategies) * len(study.sparsities) * network.neurons // 8
    masks = kept * images if "class-agreement" in study.measures else 0
    size = len(parts[0])
    noise = torch.randn(size, *network.input_shape, generator=torch.Generator().manual_seed(0)).to(network.device)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        restrict_each(network, noise, [0] * size)
        times.append((time.perf_counter() - start) / size)
    return Estimate(images, _passes(study, network), float(np.median(times[1:])), masks, data.notes)


def _passes(study: Study, network: Network) -> float:
    """Return about how many passes one image costs."""
    options = {each: METHODS[each.name].checked(**dict(each.options)) for each in study.strategies}
    scoring = {each: METHODS[each.name].passes(network, **chosen) for each, chosen in options.items()}
    cuts = len(study.strategies) * len(study.sparsities)
    passes = 1 + sum(scoring.values()) + cuts
    if "linear-radius" in study.measures:
        passes += RADIUS * (1 + cuts)
    if not study.needs_maps:
        return passes
    baselines = [BASELINES[name].passes(network) for name in study.baselines]
    curves = len({"lerf", "morf", "insertion", "deletion"} & set(study.measures))
    passes += sum(baselines) + curves * (cuts + len(baselines)) * (len(SHARES) + 1) * FORWARD
    if "sensitivity-n" in study.measures:
        pixels = int(np.prod(network.input_shape[1:]))
        passes += len(subset_sizes(pixels)) * SUBSETS * FORWARD
    if "sanity" in study.measures:
        maps = sum(baselines) + sum((1 + cost) * len(study.sparsities) for cost in scoring.values())
        passes += (1 + len(layers(network))) * maps
    return passes


def _lost(failed: Failed[Task], network: Network, dataset: str) -> Part:
    """Return the part that no worker could do, with a failure for each of its images."""
    rows = Rows.of(failed.task.study, network, failed.task.number, dataset)
    for item in failed.task.items:
        rows.fail("image", failed.error, **about(item, failed.task.class_names))
    return Part(failed.task.number, rows.table(), None, rows.errors)


def _manifest(study: Study, network: Network, data: Dataset, command: str) -> dict[str, object]:
    return {
        "study": study.plan,
        "fingerprint": study.fingerprint(network, data),
        "command": command,
        "dataset": {
            "name": data.name,
            "images": len(data),
            "classes": list(data.class_names),
            "notes": list(data.notes),
        },
        "network": {
            "name": network.name,
            "weights_hash": network.weights_hash,
            "sites": {site.name: site.neurons for site in network.sites},
            "left_out": {each.name: each.reason for each in network.left_out},
            "other_activations": other_bends(network),
        },
    }
