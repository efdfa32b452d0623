"""Images per second of a study: in the serial loop, with one worker and with two; and whether its memory stays flat.

    python -m tests.throughput                # photos in squeezenet1_1, and 1,000 images of Fashion-MNIST for memory

Each uses one torch thread. The time to start workers is not counted: it does not depend on the number of images.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import torch

from core.strategy import Strategy
from core.studies import DaskEngine, Engine, Loader, Serial, Study, run

PHOTOS = Study(
    "photos",
    "squeezenet1_1",
    strategies=(Strategy("NeuronMCT"), Strategy("NeuronIntGrad"), Strategy.parse("GreedyPruning:steps=50")),
    sparsities=(0.9,),
    measures=("fidelity", "overlap", "lerf"),
)
MANY = Study("fashion-mnist", "fashion_vgg", strategies=(Strategy("NeuronMCT"),), sparsities=(0.9,), count=1000)


def timed(study: Study, engine: Engine, load: Loader) -> float:
    """Return images per second, from the first finished image on; until then, workers start."""
    stamps: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        run(
            study,
            Path(folder) / "run",
            engine,
            load(),
            progress=lambda done, *_: stamps.append((time.perf_counter(), done)),
        )
    (start, first), (end, last) = stamps[1], stamps[-1]
    return (last - first) / (end - start)


def peak() -> float:
    """Return the peak memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    load = Loader.of(MANY)
    with tempfile.TemporaryDirectory() as folder:
        held: list[tuple[int, float]] = []
        run(
            MANY,
            Path(folder) / "run",
            Serial(load, threads=1),
            load(),
            progress=lambda done, *_: held.append((done, peak())),
        )
    for done, megabytes in held[:: len(held) // 5]:
        print(f"{done:5} images: at most {megabytes:.0f} MB")
    load = Loader.of(PHOTOS)
    serial = timed(PHOTOS, Serial(load, threads=1), load)
    print(f"serial loop  {serial:.3f} images per second")
    for workers in (1, 2):
        pace = timed(PHOTOS, DaskEngine(load, workers=workers, threads=1), load)
        print(f"{workers} worker(s)  {pace:.3f} images per second, {pace / serial:.2f} of the loop")


if __name__ == "__main__":
    main()
