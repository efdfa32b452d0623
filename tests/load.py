"""A class of thirty on one server: ``python -m tests.load`` (about forty minutes; ``--views 0`` without the hour).

It starts the app as the README does, with an empty cache, and opens thirty sessions over WebSockets: all open the
default view at once, all move the slider ten times, all switch photo and method, ten upload their own picture, and half
leave while something is computed for them. An hour of use by sessions that come and go follows. Then a second server
answers one session alone, and every picture that any session saw must equal the one it gets, byte for byte.

It prints the measurements beside the promised values, and fails if a promise is not kept.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import random
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import numpy as np
from PIL import Image

from core.data.samples import sample_images
from explorer.state.choices import SPARSITIES
from explorer.state.view import View
from tests.serving import serving, serving_process
from tests.visitor import Failure, Visitor

THINK = (1.0, 3.0)  # seconds that a user looks at a picture before the next move
GB = 1e9
PROMISED = {"opening": 6.0, "move": 3.0, "memory": 2.5 * GB, "growth": 0.15}
FORGOTTEN = 130  # seconds; Streamlit keeps a session that lost its browser for 120
POLLING = 2  # threads that Streamlit may still start to watch for changed settings: it keeps two to four, by chance
BESIDE = ("Random", "NeuronIntGrad", "GreedyPruning")


@dataclass
class Seen:
    """The pictures and waiting times of all sessions.

    Attributes:
        pictures: for each link and uploaded file, the hashes of the pictures shown; more than one set is a fault.
        waits: seconds, per event that was waited for.
        problems: descriptions of errors.
    """

    pictures: dict[tuple[str, int | None], set[tuple[tuple[str, str], ...]]] = field(default_factory=dict)
    waits: dict[str, list[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def waited(self, what: str, seconds: float) -> None:
        with self.lock:
            self.waits.setdefault(what, []).append(seconds)

    def settled(self, visitor: Visitor, own: int | None) -> None:
        """Record what a session shows when it waits for nothing."""
        shown = tuple(sorted(visitor.digests().items()))
        with self.lock:
            self.pictures.setdefault((visitor.query, own), set()).add(shown)


def main() -> None:
    """Run the class, the hour and the check; print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--moves", type=int, default=10, help="of the slider, each")
    parser.add_argument("--views", type=int, default=300, help="of the hour, all visitors together")
    chosen = parser.parse_args()
    seen = Seen()
    with serving_process() as served:
        server = Server(served.process.pid)
        hold_class(served.address, chosen.visitors, chosen.moves, seen)
        tell_waits(seen)
        print(f"after the class: {server}", flush=True)
        if chosen.views:
            memory_over_an_hour(served.address, server, chosen.views, seen)
        if "Traceback" in served.said():
            seen.problems.append(f"The server printed an error: {served.said()[-3000:]}")
    with serving() as address:
        check_alone(address, seen)
    report(seen)
    raise SystemExit(1 if seen.problems else 0)


# ------------------------------------------------------------------------------------------------------------ a class


def hold_class(address: str, visitors: int, moves: int, seen: Seen, opening: str = "") -> None:
    """Run all sessions, each in a thread, in step through the parts of the lesson."""
    together = Meeting(visitors)

    def person(number: int) -> None:
        try:
            attend(address, number, moves, together, seen, opening)
        except threading.BrokenBarrierError:
            pass
        except Exception as problem:  # any error is an error of the app for the class
            with seen.lock:
                seen.problems.append(f"person {number}: {type(problem).__name__}: {problem}")
            together.broken = True

    threads = [threading.Thread(target=person, args=(number,)) for number in range(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@dataclass
class Meeting:
    """A barrier at which all sessions wait for each other, with their pages open.

    Attributes:
        people: number of sessions.
        broken: whether a session has failed and will not arrive.
    """

    people: int
    broken: bool = False
    _arrived: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, visitor: Visitor | None = None) -> None:
        with self._lock:
            everybody = (self._arrived // self.people + 1) * self.people
            self._arrived += 1
        while self._arrived < everybody:
            if self.broken:
                raise threading.BrokenBarrierError
            if visitor:
                visitor.rest(0.1)
            else:
                time.sleep(0.01)


def attend(address: str, number: int, moves: int, together: Meeting, seen: Seen, opening: str) -> None:
    """Act as one user of the class."""
    chance = random.Random(number)
    together.wait()
    start = time.monotonic()
    with Visitor(address, opening) as visitor:
        visitor.until(lambda: "NeuronMCT" in visitor.images(), "the first pathway gradient")
        visitor.fetch(visitor.images()["NeuronMCT"])
        seen.waited("opening: first pathway gradient", time.monotonic() - start)
        visitor.until(lambda: not visitor.running, "the page")
        seen.waited("opening: the whole page", time.monotonic() - start)
        visitor.settle()
        seen.waited("opening: the slow method too", time.monotonic() - start)
        seen.settled(visitor, None)
        together.wait(visitor)
        for _ in range(moves):
            move(visitor, chance, seen)
        together.wait(visitor)
        photo = [name for name in sample_images() if name != View().image][number % (len(sample_images()) - 1)]
        visitor.trigger("picker", "picked", photo)
        visitor.until(lambda: f"image={photo}" in visitor.query and not visitor.running, "the other photo", 600)
        if number % 2:
            visitor.choose("family", ["pruning"])
        else:
            visitor.choose("first", "NeuronIntGrad")
        visitor.settle(600)
        seen.settled(visitor, None)
        together.wait(visitor)
        own = number if number % 3 == 0 else None
        if own is not None:
            visitor.upload("upload_0", f"own{number}.png", own_picture(number))
            visitor.until(lambda: "upload-" in visitor.query, "the uploaded picture")
            visitor.settle(600)
            seen.settled(visitor, own)
        together.wait(visitor)
        if number % 2:
            visitor.choose("first", "DGR(init=1)")
            visitor.until(lambda: bool(visitor.all("progress")), "a place in line")
        else:
            move(visitor, chance, seen, "a move while others leave", own)


def move(visitor: Visitor, chance: random.Random, seen: Seen, what: str = "move", own: int | None = None) -> None:
    """Move the slider, wait for the pathway gradient, and look at it for a while."""
    first = list(visitor.images())[2]
    old = visitor.images()[first]
    now = SPARSITIES.index(float(dict(parse_qsl(visitor.query)).get("sparsity", View().sparsity)))
    stop = chance.choice([i for i in range(20, 56) if i != now])
    start = time.monotonic()
    visitor.choose("view_sparsity", stop)
    visitor.until(lambda: visitor.images().get(first, old) != old, "the moved picture")
    visitor.fetch(visitor.images()[first])
    seen.waited(what, time.monotonic() - start)
    visitor.settle()
    seen.waited(f"{what}: the whole page", time.monotonic() - start)
    seen.settled(visitor, own)
    visitor.rest(chance.uniform(*THINK))


def own_picture(number: int) -> bytes:
    """Return a picture that no other session has."""
    noise = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------------------------ an hour


def memory_over_an_hour(address: str, server: Server, views: int, seen: Seen) -> None:
    """Fill the caches, then let sessions come and go; memory, threads and handles must return to their old values."""
    use(address, server, views // 3, seen)
    server.rest(address)
    full = server.memory
    print(f"caches full, all have left: {server}", flush=True)
    before = (server.threads, server.handles)
    use(address, server, views, seen)
    server.rest(address)
    print(f"an hour later, all have left: {server}", flush=True)
    if server.peak > PROMISED["memory"]:
        seen.problems.append(f"At most 2.5 GB were promised; {server.peak / GB:.2f} GB were resident.")
    if abs(server.memory / full - 1) > PROMISED["growth"]:
        seen.problems.append(f"Memory went from {full / GB:.2f} GB to {server.memory / GB:.2f} GB.")
    if server.threads > before[0] + POLLING or server.handles > before[1]:
        after = (server.threads, server.handles)
        seen.problems.append(f"Threads and open files were {before}, and {after} after everybody left.")


def use(address: str, server: Server, views: int, seen: Seen, at_once: int = 3, each: int = 10) -> None:
    """Look at a number of views, in sessions of ten views each, several at once."""
    numbers = itertools.count()

    def come_and_go() -> None:
        while (number := next(numbers)) * each < views:
            if number * each % 100 == 0:
                print(f"  {number * each} views: {server}", flush=True)
            chance = random.Random(1000 + number)
            try:
                with Visitor(address, link(chance)) as visitor:
                    for _ in range(each):
                        visitor.settle(600)
                        visitor.digests()
                        visitor.follow(link(chance))
                    if number % 3 == 0:
                        visitor.settle(600)
                        visitor.upload("upload_0", f"own{number}.png", own_picture(number))
                        visitor.settle(600)
            except (Failure, OSError) as problem:
                with seen.lock:
                    seen.problems.append(f"visitor {number} of the hour: {type(problem).__name__}: {problem}")

    threads = [threading.Thread(target=come_and_go) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def link(chance: random.Random) -> str:
    """Return a view's link."""
    return urlencode(
        {
            "network": chance.choice(["squeezenet1_1", "squeezenet1_1", "efficientnet_lite0", "fashion_vgg"]),
            "image": chance.choice(list(sample_images())),
            "first": "NeuronMCT",
            "second": chance.choice(BESIDE),
            "sparsity": f"{chance.choice(SPARSITIES[20:56]):g}",
        }
    )


@dataclass
class Server:
    """The server's process as the operating system sees it."""

    pid: int

    @property
    def memory(self) -> int:
        """Return resident bytes."""
        return self._status("VmRSS") * 1024

    @property
    def peak(self) -> int:
        """Return the peak of resident bytes."""
        return self._status("VmHWM") * 1024

    @property
    def threads(self) -> int:
        return self._status("Threads")

    @property
    def handles(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rest(self, address: str) -> None:
        """Wait until the server has discarded the sessions that left, as it does when the next one comes and goes."""
        time.sleep(FORGOTTEN)
        with Visitor(address) as visitor:
            visitor.settle()
        time.sleep(5)

    def _status(self, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        assert found
        return int(found[1])

    def __str__(self) -> str:
        return (
            f"{self.memory / GB:.2f} GB resident (most {self.peak / GB:.2f}), {self.threads} threads, "
            f"{self.handles} open files"
        )


# ---------------------------------------------------------------------------------------------------------- the check


def check_alone(address: str, seen: Seen, opening: str = "") -> None:
    """Let one session look at everything that the others saw; each picture must be the same."""
    for (query, own), sets in sorted(seen.pictures.items(), key=str):
        with Visitor(address, opening) as visitor:
            visitor.settle()
            if own is not None:
                visitor.upload("upload_0", f"own{own}.png", own_picture(own))
                visitor.until(lambda v=visitor: "upload-" in v.query, "the uploaded picture")
            visitor.follow(query)
            visitor.settle(600)
            alone = visitor.digests()
        if visitor.query != query:
            seen.problems.append(f"{query} became {visitor.query}.")
        for shown in map(dict, sets):
            names = sorted(name for name in {*shown, *alone} if shown.get(name) != alone.get(name))
            if names:
                seen.problems.append(f"{query}: {', '.join(names)} not as one session alone sees it.")


def tell_waits(seen: Seen) -> None:
    """Print the waiting times, and record those longer than promised."""
    for what, seconds in seen.waits.items():
        spread = [np.quantile(seconds, q) for q in (0.5, 0.95, 1)]
        print(f"{what}: {len(seconds)} times, median {spread[0]:.2f} s, p95 {spread[1]:.2f} s, most {spread[2]:.2f} s")
    for what, limit in (("opening: first pathway gradient", PROMISED["opening"]), ("move", PROMISED["move"])):
        p95 = float(np.quantile(seen.waits.get(what, [np.inf]), 0.95))
        if p95 > limit:
            seen.problems.append(f"{what}: p95 {p95:.2f} s, promised {limit:.0f} s.")


def report(seen: Seen) -> None:
    """Print how many views were compared, and all problems."""
    print(f"{len(seen.pictures)} views were compared with what one session alone gets.")
    print("\n".join(seen.problems) or "Every promise was kept.")


if __name__ == "__main__":
    main()
