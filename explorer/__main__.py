"""``python -m explorer``: start the app."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> None:
    """Read the options, make the default view ready, and serve the app until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m explorer", description="Explore critical pathways in a browser.")
    parser.add_argument("--host", default="localhost", help="address to listen on; 0.0.0.0 for other machines too")
    parser.add_argument("--port", type=int, default=8501, help="port to listen on (default %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument("--device", help="cuda, mps or cpu; default the fastest there is")
    chosen = parser.parse_args(arguments)
    if chosen.device:
        os.environ["PATHWAY_DEVICE"] = chosen.device
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    serve(chosen.host, chosen.port, open_browser=not chosen.no_browser)


def serve(host: str, port: int, *, open_browser: bool) -> None:
    """Serve the app in this process, which has torch and the default view ready before the first visitor comes."""
    from streamlit.web import cli

    from explorer import compute

    print("Making the first view ready ...", flush=True)
    compute.warm()
    os.chdir(HERE)  # where .streamlit/config.toml lies
    sys.argv = ["streamlit", "run"]
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": str(not open_browser).lower(),
    }
    cli.main(["run", str(HERE / "app.py"), *(f"--{name}={value}" for name, value in options.items())])


if __name__ == "__main__":
    main()
