"""``python -m explorer study``: the paper's experiments over many images, into a folder of tables.

The options are written out, not generated from the plans' fields, because they differ: an option that may be repeated
has a singular name and replaces the default instead of adding to it, and help texts do not belong into core's plans.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

    from core.network import Network
    from core.progress import Progress
    from core.studies import Engine, Outcome, Study
    from core.studies.engine import Load

__all__ = ["main"]

EXAMPLES = """\
examples:
  # what would it cost here?
  python -m explorer study --images photos --sparsity 0.9 --out runs/photos --dry-run

  # all strategies on 200 test images of Fashion-MNIST, two workers of one thread each; stopped, it goes on
  python -m explorer study --images fashion-mnist --network fashion_vgg --count 200 --workers 2 \\
      --strategy NeuronMCT --strategy NeuronIntGrad:n_steps=11 --strategy Random \\
      --measure fidelity --measure overlap --measure class-agreement --out runs/fashion

  # the same work on a cluster whose Dask scheduler listens at this address
  python -m explorer study ... --engine dask --address tcp://10.0.0.7:8786

  # remove and retrain: see python -m explorer study roar --help
  python -m explorer study roar --workers 2 --out runs/roar

A worker is a process with one network and, as a rule, one thread: more threads a worker gain less than more workers.
Two workers on two cores did 1.95 times the images of the serial loop (`python -m tests.throughput` measures it; photos
in squeezenet1_1). Results are the same whichever engine ran, at equal thread counts.
"""


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments ask for; return the exit code: 0, 1 where anything failed, 2 where nothing could begin."""
    roar = arguments[:1] == ["roar"]
    parser, work = (_roar_parser(), _roar) if roar else (_parser(), _study)
    chosen = parser.parse_args(arguments[1:] if roar else arguments)
    import torch

    from core.errors import PathwayError

    torch.set_num_threads(chosen.threads)
    try:
        return work(chosen, shlex.join(["python", "-m", "explorer", "study", *arguments]))
    except PathwayError as problem:
        print(f"{parser.prog}: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. What is done is kept: the same command goes on from here.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    from core.studies.plan import MEASURES, Study

    listed = "\n".join(f"  {name:16} {what}" for name, what in MEASURES.items())
    parser = argparse.ArgumentParser(
        prog="python -m explorer study",
        description="Run selection methods, sparsities and measures over many images; leave tables that the app shows.",
        epilog=f"measures:\n{listed}\n\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what is studied")
    what.add_argument(
        "--images",
        required=True,
        metavar="WHERE",
        help="photos (embedded), fashion-mnist (embedded test set), fashion-mnist:train, "
        "torchvision:NAME[:VERSION][:SPLIT], or "
        "a folder, with a sub-folder a class or none",
    )
    what.add_argument("--root", default="", help="folder of torchvision's data sets, or of Fashion-MNIST's train files")
    what.add_argument("--count", type=int, help="how many images, a seeded choice; default all")
    what.add_argument("--seed", type=int, default=0, help="of that choice (default %(default)s)")
    what.add_argument("--network", default="squeezenet1_1", help="by name (default %(default)s)")
    what.add_argument("--checkpoint", default="", help="own weights for that architecture: .safetensors or .pth")
    what.add_argument("--target", choices=["predicted", "label"], default="predicted", help="class that is explained")
    how = parser.add_argument_group("what is measured")
    how.add_argument(
        "--strategy",
        action="append",
        metavar="METHOD[:option=n,...]",
        help="NeuronMCT, NeuronIntGrad, GreedyPruning, DGR(init=1), DGR(init=r), Random; repeat for several "
        "(default NeuronMCT, NeuronIntGrad and Random)",
    )
    how.add_argument("--baseline", action="append", default=[], metavar="NAME", help="another attribution; repeat")
    how.add_argument("--sparsity", action="append", type=float, metavar="S", help="repeat (default 0.8, 0.9, 0.98)")
    how.add_argument("--measure", action="append", choices=list(MEASURES), metavar="NAME", help="see below; repeat")
    how.add_argument("--off", choices=["zero", "frozen"], default="zero", help="neurons off the pathway (%(default)s)")
    where = _running(parser)
    where.add_argument("--batch", type=int, default=Study.batch, help="images a part; default by the network's size")
    where.add_argument("--dry-run", action="store_true", help="say what it would cost here, and do nothing")
    return parser


def _running(parser: argparse.ArgumentParser) -> Any:
    """Add the options of all studies that say how they run."""
    where = parser.add_argument_group("how it runs")
    where.add_argument("--out", required=True, metavar="FOLDER", help="results; the same command goes on where it was")
    where.add_argument("--engine", choices=["serial", "dask"], help="default serial, dask with --workers or --address")
    where.add_argument("--workers", type=int, default=0, help="Dask workers to start on this machine")
    where.add_argument("--address", default="", help="scheduler of a running Dask cluster, tcp://host:port")
    where.add_argument("--threads", type=int, default=1, help="of one computation (default %(default)s)")
    return where


def _roar_parser() -> argparse.ArgumentParser:
    from core.studies.roar import RANDOM, Roar

    parser = argparse.ArgumentParser(
        prog="python -m explorer study roar",
        description="Remove and retrain (Hooker et al., NeurIPS 2019): replace the most relevant pixels of all "
        "training and test images by the mean colour, train a small network from scratch on what is left, and measure "
        "its accuracy.",
        epilog="Stopped at any point, the same command goes on. The app's Studies page shows the results: start it "
        "with --studies FOLDER.",
    )
    what = parser.add_argument_group("what is removed")
    what.add_argument(
        "--images", default=Roar.dataset, help="fashion-mnist, torchvision:NAME, or a folder that holds train and test"
    )
    what.add_argument("--root", default="", help="folder of torchvision's data sets, or of Fashion-MNIST's train files")
    what.add_argument(
        "--method",
        action="append",
        metavar="METHOD",
        help=f"a strategy such as NeuronMCT, another attribution such as Gradient, or {RANDOM!r}; repeat "
        f"(default {', '.join(Roar.methods)})",
    )
    what.add_argument("--sparsity", type=float, default=Roar.sparsity, help="of strategies (default %(default)s)")
    what.add_argument("--fraction", action="append", type=float, help="of pixels; repeat (default 0.1, 0.3, ... 0.9)")
    how = parser.add_argument_group("how it is trained")
    how.add_argument("--seeds", type=int, default=Roar.seeds, help="trainings of each kind (default %(default)s)")
    how.add_argument("--epochs", type=int, default=Roar.epochs, help="default %(default)s")
    how.add_argument("--train", type=int, default=Roar.train, help="training images (default %(default)s)")
    how.add_argument("--test", type=int, default=Roar.test, help="test images (default %(default)s)")
    _running(parser)
    return parser


def _roar(chosen: argparse.Namespace, command: str) -> int:
    from tqdm import tqdm

    from core.studies import Store
    from core.studies.roar import Roar, remove_and_retrain
    from explorer.study_summary import roar_lines

    plan = Roar(
        dataset=chosen.images,
        methods=tuple(dict.fromkeys(chosen.method)) if chosen.method else Roar.methods,
        sparsity=chosen.sparsity,
        fractions=tuple(chosen.fraction) if chosen.fraction else Roar.fractions,
        seeds=chosen.seeds,
        epochs=chosen.epochs,
        train=chosen.train,
        test=chosen.test,
        root=chosen.root,
    )
    with (
        tqdm(desc="maps", unit="image", dynamic_ncols=True) as maps,
        tqdm(desc="trainings", unit="training", dynamic_ncols=True) as trainings,
    ):
        failed = remove_and_retrain(
            plan, chosen.out, partial(_engine, chosen), command=command, mapped=_told(maps), trained=_told(trainings)
        )
    tested = Store(chosen.out).manifest["dataset"]["test"]
    print("\n".join(roar_lines(chosen.out, tested)))
    return 1 if failed else 0


def _study(chosen: argparse.Namespace, command: str) -> int:
    from core.strategy import Strategy
    from core.studies import Loader, Study, estimate

    study = Study(
        dataset=chosen.images,
        network=chosen.network,
        checkpoint=chosen.checkpoint,
        strategies=tuple(map(Strategy.parse, chosen.strategy)) if chosen.strategy else Study.strategies,
        baselines=tuple(chosen.baseline),
        sparsities=tuple(chosen.sparsity) if chosen.sparsity else Study.sparsities,
        measures=tuple(dict.fromkeys(chosen.measure)) if chosen.measure else Study.measures,
        off=chosen.off,
        target=chosen.target,
        count=chosen.count,
        seed=chosen.seed,
        batch=chosen.batch,
        root=chosen.root,
    )
    load = Loader.of(study)
    if chosen.dry_run:
        expected = estimate(study, chosen.out, load())
        print(
            *expected.notes,
            f"{expected.images:,} images left, about {expected.passes:,.0f} forward-and-backward passes each, "
            f"{expected.seconds_a_pass * 1e3:.1f} ms a pass here: {_duration(expected.seconds)} for one worker"
            + (f"; masks of up to {expected.mask_bytes / 2**20:,.0f} MB" if expected.mask_bytes else "")
            + ". Nothing was computed or written.",
            sep="\n",
        )
        return 0
    network = load()
    outcome = _run(study, network, _engine(chosen, load, lambda: network), chosen.out, command)
    _show(chosen.out, outcome)
    return 1 if outcome.errors else 0


def _engine(chosen: argparse.Namespace, load: Load, here: Load | None = None) -> Engine:
    """Return the engine: its workers use what ``load`` makes, this process what ``here`` gives, if it is there."""
    from core.errors import PathwayError
    from core.studies import DaskEngine, Serial

    if chosen.engine == "serial" and (chosen.workers or chosen.address):
        raise PathwayError("The serial engine has no workers and no address; leave out --engine serial.")
    if chosen.engine == "serial" or not (chosen.engine or chosen.workers or chosen.address):
        return Serial(here or load, threads=chosen.threads)
    return DaskEngine(load, workers=max(1, chosen.workers), address=chosen.address, threads=chosen.threads)


def _run(study: Study, network: Network, engine: Engine, folder: str, command: str) -> Outcome:
    from tqdm import tqdm

    from core.studies import run

    with tqdm(unit="image", dynamic_ncols=True) as bar:
        return run(study, folder, engine, network, command=command, progress=_told(bar), told=bar.write)


def _told(bar: tqdm[Any]) -> Progress:
    """Return a function that moves a progress bar."""

    def progress(done: int, total: int, _: str) -> None:
        if not bar.n:  # finished parts say nothing about the pace
            bar.total = total
            bar.initial = bar.n = done
        bar.update(done - bar.n)
        if done == total:
            bar.close()  # so that its time stops here

    return progress


def _show(folder: str, outcome: Outcome) -> None:
    """Print the means of a finished study, how its methods differ, and what it took."""
    from explorer.study_summary import study_lines

    print("\n".join(study_lines(folder)))
    pace = f", {outcome.computed / outcome.seconds:.3g} images a second" if outcome.computed else ""
    print(f"\n{outcome.images:,} images in {folder}, {outcome.computed:,} of them now{pace}.")
    if outcome.errors:
        print(f"{outcome.errors:,} rows are failures: the column error says why.", file=sys.stderr)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
