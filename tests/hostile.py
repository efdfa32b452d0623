"""Helpers for tests of hostile input: a watch on files and processes, and memory as the system measures it.

with watched():                     # fails if anything outside the code is opened, run, removed or called up
    load_checkpoint(data, "resnet18")

peaks("image_bombs")                # {name: (MB that the process grew by, seconds, what came out)}
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import PathwayError

ROOT = Path(__file__).resolve().parent.parent
OURS = tuple(
    str(Path(folder).resolve())
    for folder in (
        ROOT,
        sys.prefix,
        sys.base_prefix,
        sysconfig.get_paths()["stdlib"],
        "/proc/self",
        "/dev/null",
        "/usr/share/zoneinfo",
        "/etc/mime.types",
    )
)
DEEDS = (
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link"),
    *("os.symlink", "os.truncate", "os.putenv", "subprocess.Popen", "socket.connect", "socket.getaddrinfo"),
    *("urllib.Request", "pickle.find_class", "ctypes.dlopen", "shutil.rmtree", "webbrowser.open", "tempfile.mkstemp"),
)
EVIL = "evil.example"  # no page may link to it
BROKEN = [  # values that some parameter of a link, or all, cannot have
    *(
        "",
        " ",
        "nan",
        "inf",
        "-inf",
        "-1",
        "1e999",
        "-0.0",
        "1e-320",
        "0x10",
        "1_0",
        "1.5",
        "None",
        "True",
        "true",
        "{}",
        "[]",
    ),
    *(
        "9" * 5000,
        "999999999",
        "9999999999",
        "1-2",
        "0-0-1-1",
        "999999999-999999999",
        "1-2-3-4-5",
        "~",
        "a~b",
        "!",
        "a!b=1",
    ),
    *(
        "\u0663",
        "\u00b2",
        "\uff11",
        "\x00",
        "a\nb",
        "\n# head",
        "\r\nSet-Cookie: a=b",
        "\u202eabc",
        "\ufeff",
        "\U0001f98a" * 50,
    ),
    *(
        "<script>alert(1)</script>",
        f"<img src=x onerror=fetch('//{EVIL}')>",
        f"[x](http://{EVIL})",
        f"![x](http://{EVIL}/a.png)",
    ),
    *(
        f"http://{EVIL}",
        f"www.{EVIL}",
        f"a@{EVIL}",
        ":red[x]",
        ":material/home:",
        "$x^2$",
        "`x`",
        "\\",
        "'; DROP TABLE x; --",
        "$(id)",
    ),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "C:\\windows",
        "file:///etc/passwd",
        "fashion-mnist:../../x",
    ),
    *(
        "upload-../../x",
        "checkpoint-../x",
        "photos:0",
        "fashion-mnist:99999999",
        "a" * 100_000,
        "a" * 64,
        "-".join("1" * 999),
    ),
    *(
        "~".join(["NeuronMCT"] * 999),
        "~".join(["1c1"] * 999),
        "~".join(str(n) for n in range(999)),
        "%00",
        "{{7*7}}",
        "{0}",
    ),
]
_seen: list[str] | None = None


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _seen is None:
        return
    if event == "open" and isinstance(args[0], str | bytes | os.PathLike):
        path = os.path.realpath(os.fsdecode(args[0]))
        if not path.startswith(OURS):
            _seen.append(f"open {path}")
    elif event in DEEDS:
        _seen.append(f"{event} {args}"[:200])


sys.addaudithook(_hook)  # permanent: a hook cannot be removed, but this one is inactive outside watched()


@contextmanager
def watched() -> Iterator[None]:
    """Fail if, inside, a file other than the code's own is opened, or anything is run, removed or connected to."""
    global _seen
    _seen = []
    try:
        yield
        seen = _seen
    finally:
        _seen = None
    assert seen == [], seen


def outcome(work: Callable[[], object]) -> str:
    """Return the result of hostile input as a message that helps the user; fail on any other error."""
    try:
        work()
    except PathwayError as problem:
        said = str(problem)
        assert 10 < len(said) < 900, said[:2000]
        assert said.isprintable(), ascii(said)
        return said
    return ""


def peaks(bombs: str) -> dict[str, tuple[float, float, str]]:
    """Handle each of a module's bombs in one fresh process; return its growth at most in MB, seconds, and result."""
    command = [sys.executable, "-m", "tests.hostile", bombs]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return {name: tuple(found) for name, found in json.loads(ran.stdout.splitlines()[-1]).items()}


def _peak() -> float:
    """Return the peak memory of this process, MB, since the last reset."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def _measured(work: Callable[[], object]) -> tuple[float, float, str]:
    Path("/proc/self/clear_refs").write_text("5")
    before, start = _peak(), time.monotonic()
    said = outcome(work)
    return round(_peak() - before, 1), round(time.monotonic() - start, 2), said


if __name__ == "__main__":
    import importlib
    import warnings

    warnings.simplefilter("ignore")
    module, name = sys.argv[1].split(":")
    made: Mapping[str, Callable[[], Callable[[], object]]] = getattr(importlib.import_module(module), name)
    print(json.dumps({bomb: _measured(make()) for bomb, make in made.items()}))
