"""``python -m explorer``: start the app; ``python -m explorer study``: run a study."""

from __future__ import annotations

import argparse
import gc
import os
import runpy
import sys
from pathlib import Path

from explorer import malloc

__all__ = ["main", "prepare", "serve"]

HERE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> None:
    """Read the options, make the default view ready, and serve the app until interrupted; or run a study."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["study"]:
        from explorer import study

        raise SystemExit(study.main(arguments[1:]))
    parser = argparse.ArgumentParser(
        prog="python -m explorer",
        description="Explore critical pathways in a browser. "
        "`python -m explorer study --help`: experiments over many images, into tables.",
    )
    parser.add_argument("--host", default="localhost", help="address to listen on; 0.0.0.0 for other machines too")
    parser.add_argument("--port", type=int, default=8501, help="port to listen on (default %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument("--device", help="cuda, mps or cpu; default the fastest there is")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="threads of one computation (default %(default)s: many people share the cores, and rounding, on which "
        "GreedyPruning can depend, does not change with them)",
    )
    parser.add_argument(
        "--studies",
        action="append",
        default=[],
        metavar="FOLDER",
        help="a study's folder, or one of several, for the Studies page; repeat",
    )
    parser.add_argument(
        "--dataset",
        action="append",
        default=[],
        metavar="NAME=WHERE",
        help="a data set whose images are shown by number: a folder, or torchvision:NAME; repeat",
    )
    chosen = parser.parse_args(arguments)
    if chosen.device:
        os.environ["PATHWAY_DEVICE"] = chosen.device
    if "PATHWAY_WEIGHTS" in os.environ:
        os.environ["PATHWAY_WEIGHTS"] = str(Path(os.environ["PATHWAY_WEIGHTS"]).resolve())  # serving changes folders
    folders = [*os.environ.get("PATHWAY_STUDIES", "").split(os.pathsep), *chosen.studies]
    os.environ["PATHWAY_STUDIES"] = os.pathsep.join(str(Path(folder).resolve()) for folder in folders if folder)
    malloc.share()
    problem = _register(chosen.dataset) or prepare(max(1, chosen.threads))
    if problem:
        parser.error(problem)
    serve(chosen.host, chosen.port, open_browser=not chosen.no_browser)


def _register(entries: list[str]) -> str:
    """Make data sets known to the app, each as NAME=WHERE; return what is wrong, if anything."""
    if not entries:
        return ""
    from core.data.datasets import registered_datasets
    from core.errors import PathwayError

    lines = []
    for name, _, source in (entry.partition("=") for entry in entries):
        lines.append(f"{name}={Path(source).resolve() if Path(source).is_dir() else source}")
    os.environ["PATHWAY_DATASETS"] = "\n".join(lines)
    try:
        found = registered_datasets()
    except PathwayError as problem:
        return str(problem)
    for name, data in found.items():
        for note in data.notes:
            print(f"{name}: {note}")
    return ""


def prepare(threads: int) -> str:
    """Load torch and make the default view ready before the first visitor comes; return what is wrong, if anything."""
    import torch

    from core.errors import PathwayError
    from explorer.compute import restriction

    torch.set_num_threads(threads)
    print("Making the first view ready ...", flush=True)
    try:
        restriction.warm()
    except PathwayError as problem:
        return str(problem)
    _settle()
    return ""


def _settle() -> None:
    """Exclude what is loaded now, which stays as long as the process, from garbage collection.

    Going through the 440,000 objects of torch, plotly and a traced network takes 0.2 s, in which no thread computes.
    """
    import pandas  # noqa: F401
    import plotly.graph_objects  # noqa: F401

    from explorer.ui.streamlit_compat import load_server

    load_server()
    gc.collect()
    gc.freeze()


def serve(host: str, port: int, *, open_browser: bool) -> None:
    """Serve the app in this process."""
    from explorer.ui.streamlit_compat import look_up_no_address

    look_up_no_address()
    os.chdir(HERE)  # where .streamlit/config.toml lies
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": str(not open_browser).lower(),
    }
    sys.argv = ["streamlit", "run", str(HERE / "app.py"), *(f"--{name}={value}" for name, value in options.items())]
    runpy.run_module("streamlit", run_name="__main__")


if __name__ == "__main__":
    main()
