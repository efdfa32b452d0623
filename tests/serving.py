"""The app as the README starts it, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["ROOT", "Served", "serving", "serving_process"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Served:
    """A running server."""

    address: str
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def said(self) -> str:
        """Return the server's output so far."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def end(self) -> None:
        """Stop it, as Ctrl+C does."""
        self.process.terminate()
        self.process.wait(30)


@contextmanager
def serving() -> Iterator[str]:
    """Start the app; yield its address."""
    with serving_process() as served:
        yield served.address


@contextmanager
def serving_process(port: int = 0, *, browser: bool = False, env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Start the app on a free port if none is named.

    It has no standard input, so it cannot ask questions. Its output goes to a file: a pipe that is not read would fill
    up and block it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = port or free.getsockname()[1]
    command = [sys.executable, "-m", "explorer", "--host", "127.0.0.1", "--port", str(port)]
    command += [] if browser else ["--no-browser"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        served = Served(f"http://127.0.0.1:{port}", process, log)
        try:
            _wait_for(served)
            yield served
        finally:
            served.end()


def _wait_for(served: Served) -> None:
    for _ in range(600):
        if served.process.poll() is not None:
            raise RuntimeError(f"The app ended: {served.said()}")
        try:
            urllib.request.urlopen(f"{served.address}/_stcore/health", timeout=1).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError(f"The app did not start in five minutes: {served.said()}")
