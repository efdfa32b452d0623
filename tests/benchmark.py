"""The cost of each operation, in units of one plain forward and backward pass to the image, and in memory.

    python -m tests.benchmark [networks...] [--quick]

Time: the median of several runs over the median of plain passes run between them, in one process, parameters frozen.
Memory: peak resident memory of one run above that before it (VmHWM, reset through /proc/self/clear_refs), in a process
of its own whose allocator returns freed memory at once.
Embedded networks have their own weights and a photo; the others are torchvision's, with random weights and noise.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from core.data.samples import sample_images
from core.evaluation import degradation
from core.methods import METHODS
from core.models.zoo import load_network
from core.network import Network, trace
from core.pathways.fidelity import fidelity_curve
from core.pathways.overlap import dead_neurons, membership
from core.pathways.ranking import rank
from core.pathways.restriction import pathway_gradient, sweep
from explorer.compute import task_queue

NETWORKS = ("squeezenet1_1", "efficientnet_lite0", "resnet50", "vgg16")
EMBEDDED = ("squeezenet1_1", "efficientnet_lite0")
TARGETS = {  # operation: by network, or for all; in plain passes
    "NeuronMCT": {"squeezenet1_1": 1.5, "vgg16": 1.5},
    "rank": {"squeezenet1_1": 4.0, "vgg16": 2.0},
    "pathway + gradient": dict.fromkeys(NETWORKS, 2.0),
    "DGR, an iteration": {"squeezenet1_1": 1.5},
}
REPEATS = {"DGR, an iteration": 20}  # operation: how many are timed together
INTGRAD_SHARE, INTGRAD_MEGABYTES = 0.4, 2000
CURVE_POINTS, CURVE_BATCH, CURVE_SHARE = 20, 10, 1.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--quick", action="store_true", help="one run each, no GreedyPruning")
    parser.add_argument("--busy", action="store_true", help="only: a pass beside a thread that never rests")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.memory:
        print(json.dumps(peaks(chosen.networks[0], chosen.quick)))
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    if chosen.busy:
        beside_a_busy_thread(chosen.networks[0])
        return
    for name in chosen.networks:
        benchmark(name, runs=1 if chosen.quick else 5, quick=chosen.quick)


def benchmark(name: str, runs: int, quick: bool) -> None:
    weights = "embedded weights, photo chelsea" if name in EMBEDDED else "random weights, noise"
    started = perf_counter()
    model, network, image = subject(name)
    loading = perf_counter() - started
    target = int(network.run(image).logits.argmax())
    plain = plain_pass(model, image, target)
    plain(), plain()
    unit = median(seconds(plain) for _ in range(2 * runs + 1))
    print(f"\n{network!r} ({weights})\nloading and tracing {loading:.2f} s, one plain pass {unit * 1000:.0f} ms\n")
    megabytes = measured_apart(name, quick)
    print(f"{'operation':34}{'passes':>8}{'target':>9}{'seconds':>10}{'MB':>7}")
    for operation, work in operations(network, image, target, quick).items():
        ratio, spent = (cost / REPEATS.get(operation, 1) for cost in compare(work, plain, runs))
        report(network, operation, ratio, spent, megabytes[operation])
    forward = compare(curve(network, image, target), forward_passes(network, image), runs)[0]
    print(f"{f'  LeRF, in {CURVE_POINTS} forward passes':34}{forward:8.2f}   <= {CURVE_SHARE:g}", flush=True)


def beside_a_busy_thread(name: str) -> None:
    """Time NeuronMCT while another thread runs Python, as pages do, at Python's and at the app's switch interval."""
    torch.set_num_threads(1)  # as in the app
    _, network, image = subject(name)
    target, stop = int(network.run(image).logits.argmax()), threading.Event()

    def spin() -> None:
        while not stop.is_set():
            pass

    def scored() -> float:
        return median(seconds(lambda: METHODS["NeuronMCT"](network, image, target)) for _ in range(7))

    alone = scored()
    threading.Thread(target=spin, daemon=True).start()
    for interval in (0.005, task_queue.SWITCH):
        sys.setswitchinterval(interval)
        print(f"NeuronMCT beside a busy thread, switch interval {interval * 1e3:g} ms: {scored() / alone:.1f} x alone")
    stop.set()


def subject(name: str) -> tuple[nn.Module, Network, Tensor]:
    """Return the model that the plain pass calls, its network, and an image."""
    if name in EMBEDDED:
        network = load_network(name)
        return network.program.model, network, network.preprocess(sample_images()["chelsea"].open())
    torch.manual_seed(0)
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    network = trace(models.get_model(name, weights=None, **options).eval(), (3, 224, 224), name=name)
    return network.program.model, network, torch.randn(1, 3, 224, 224)


def plain_pass(model: nn.Module, image: Tensor, target: int) -> Callable[[], Any]:
    def work() -> Tensor:
        moved = image.clone().requires_grad_()
        return torch.autograd.grad(model(moved)[0, target], moved)[0]

    return work


def curve(network: Network, image: Tensor, target: int) -> Callable[[], Any]:
    """Return a LeRF curve with blurring, since half black images run faster than photos."""
    relevance = pathway_gradient(network, image, target).abs().amax(0)
    return lambda: degradation(network, image, target, relevance, replacement="blur", batch_size=CURVE_BATCH)


def forward_passes(network: Network, image: Tensor) -> Callable[[], Any]:
    """Return forward passes of as many images as the curve has points, in equal batches."""
    images = image.repeat(CURVE_BATCH, 1, 1, 1)

    def work() -> None:
        with torch.no_grad():
            for _ in range(CURVE_POINTS // CURVE_BATCH):
                network.run(images)

    return work


def operations(network: Network, image: Tensor, target: int, quick: bool) -> dict[str, Callable[[], Any]]:
    scores = METHODS["NeuronMCT"](network, image, target)
    ranking, shuffled = rank(scores), METHODS["Random"](network, image, target)
    cache, site = network.cache(image), network.sites[len(network.sites) // 2]
    activation = cache.activations[site.index]
    sparsities, dead = [i / 25 for i in range(25)], dead_neurons(network, image)
    pathways = [ranking.pathway(sparsity) for sparsity in (0.8, 0.85, 0.9, 0.95, 0.98, 0.99)]
    few, iterations = [i / 15 for i in range(15)], REPEATS["DGR, an iteration"]
    work: dict[str, Callable[[], Any]] = {
        "NeuronMCT": lambda: METHODS["NeuronMCT"](network, image, target),
        "rank": lambda: rank(scores),
        "rank, Random (float64, no zeros)": lambda: rank(shuffled),
        "pathway + gradient": lambda: pathway_gradient(network, image, target, ranking.pathway(0.9)),
        "NeuronIntGrad, 11 steps": lambda: METHODS["NeuronIntGrad"](network, image, target, n_steps=11),
        "Random": lambda: METHODS["Random"](network, image, target),
        "sweep of 25 sparsities": lambda: sweep(network, image, target, ranking, sparsities),
        "fidelity at 15 sparsities": lambda: fidelity_curve(network, image, target, ranking, few),
        "membership of 6 pathways": lambda: membership(pathways, dead),
        "DGR, an iteration": lambda: METHODS["DGR(init=1)"](network, image, target, iterations=iterations),
        "LeRF of 20 points": curve(network, image, target),
        f"resume at {site.name}": lambda: network.resume(cache, site, activation),
    }
    return work if quick else work | {"GreedyPruning": lambda: METHODS["GreedyPruning"](network, image, target)}


def compare(work: Callable[[], Any], plain: Callable[[], Any], runs: int) -> tuple[float, float]:
    """Return the time in plain passes and in seconds; long operations run once."""
    first = seconds(work)
    pairs = [(seconds(plain), seconds(work)) for _ in range(runs if first < 3 else 0)]
    pairs = pairs or [(median(seconds(plain) for _ in range(3)), first)]
    spent = median(pair[1] for pair in pairs)
    return spent / median(pair[0] for pair in pairs), spent


def seconds(work: Callable[[], Any]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def measured_apart(name: str, quick: bool) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmark", name, "--memory", *(["--quick"] if quick else [])]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(answer.stdout))


def peaks(name: str, quick: bool) -> dict[str, float]:
    model, network, image = subject(name)
    target = int(network.run(image).logits.argmax())
    work = operations(network, image, target, quick)
    plain_pass(model, image, target)()  # lets the libraries allocate their own memory
    return {operation: peak_megabytes(work[operation]) for operation in work}


def peak_megabytes(work: Callable[[], Any]) -> float:
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    work()
    return (resident("VmHWM") - before) / 1024


def resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def report(network: Network, operation: str, ratio: float, spent: float, megabytes: float) -> None:
    wanted = TARGETS.get(operation, {}).get(network.name)
    target = f"<= {wanted:g}" if wanted else ""
    print(f"{operation:34}{ratio:8.2f}{target:>9}{spent:10.3f}{megabytes:7.0f}", flush=True)
    if operation.startswith("NeuronIntGrad"):
        share = ratio / (11 * len(network.sites))
        limit = f"<= {INTGRAD_SHARE:g}, {INTGRAD_MEGABYTES} MB"
        print(f"{'  share of 11 x sites passes':34}{share:8.2f}   {limit}")


if __name__ == "__main__":
    main()
