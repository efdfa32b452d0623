"""Engines that do the work: this process, or Dask workers, local or of a cluster. Tasks and results are the same.

    for part in Serial(load).run(tasks, work): ...
    for part in DaskEngine(load, workers=2).run(tasks, work): ...
    for part in DaskEngine(load, address="tcp://10.0.0.7:8786").run(tasks, work): ...

Each worker loads its material once, by calling ``load``; so do workers that join or restart later. Tasks are read and
sent as workers become free, a few ahead, so that memory does not grow with the study. If a worker dies, Dask gives its
task to another one. A cluster at an address (Kubernetes, SSH, a batch queue) must have this package installed on its
workers, in the same version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar
from uuid import uuid4

import torch

from core.errors import PathwayError

__all__ = ["DaskEngine", "Engine", "Failed", "Load", "Serial"]

T = TypeVar("T")
R = TypeVar("R")
Load = Callable[[], Any]
Work = Callable[[Any, T], R]

RETRIES = 2
AHEAD = 2  # tasks in flight for each thread of a worker
ANSWER = 10.0  # seconds within which a scheduler must answer
JOIN = 120.0  # seconds within which its first worker must join
SPAWN = {  # for workers of this machine: without these torch gives memory back to the system after every pass
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
}


class Failed(Generic[T]):
    """A task that no worker could do.

    Attributes:
        task: as given.
        error: why it failed.
    """

    def __init__(self, task: T, error: Exception) -> None:
        self.task, self.error = task, error


class Engine(Protocol):
    """Does tasks, in any order."""

    def run(self, tasks: Iterable[T], work: Work[T, R]) -> Iterator[R | Failed[T]]:
        """Yield the result of ``work(loaded, task)`` for each task as it arrives, or a ``Failed``."""
        ...


class Serial:
    """One task after the other in this process.

    Args:
        load: makes the material that all tasks need.
        threads: of one computation; None leaves the setting unchanged.
    """

    def __init__(self, load: Load, *, threads: int | None = None) -> None:
        self._load, self._threads = load, threads

    def run(self, tasks: Iterable[T], work: Work[T, R]) -> Iterator[R | Failed[T]]:
        """Yield the tasks' results in their order; a task's error is not caught."""
        if self._threads:
            torch.set_num_threads(self._threads)
        loaded = self._load()
        for task in tasks:
            yield work(loaded, task)


class DaskEngine:
    """Dask workers.

    Args:
        load: makes the material that all tasks of a worker need; sent to the workers.
        workers: how many to start on this machine, each with one task at a time.
        address: of a running scheduler, to use instead.
        threads: of one computation.
    """

    def __init__(self, load: Load, *, workers: int = 1, address: str = "", threads: int = 1) -> None:
        self._load, self._workers, self._address, self._threads = load, workers, address, threads

    def run(self, tasks: Iterable[T], work: Work[T, R]) -> Iterator[R | Failed[T]]:
        """Yield the tasks' results as they arrive."""
        from distributed import as_completed

        with self._client() as client:
            name = f"pathway-{uuid4().hex}"  # several drivers may share a cluster
            client.register_plugin(_plugin(name, self._load, self._threads))
            slots, resources = _capacity(client)
            waiting = iter(tasks)

            def submit(task: T) -> Any:
                future = client.submit(_do, name, work, task, pure=False, retries=RETRIES, resources=resources)
                sent[future.key] = task
                return future

            sent: dict[Any, T] = {}
            flying = as_completed([submit(task) for task in islice(waiting, AHEAD * slots)])
            for future in flying:
                task = sent.pop(future.key)
                try:
                    result: R | Failed[T] = future.result()
                except Exception as error:  # its own after the retries, or KilledWorker
                    result = Failed(task, error)
                future.release()
                for following in islice(waiting, 1):
                    flying.add(submit(following))
                yield result
            client.unregister_worker_plugin(name)

    @contextmanager
    def _client(self) -> Iterator[Any]:
        """Connect to the scheduler at the address, or start workers here."""
        import dask
        from distributed import Client, LocalCluster

        if self._address:
            try:
                client = Client(self._address, timeout=ANSWER)
            except (OSError, ValueError) as error:
                raise PathwayError(f"No Dask scheduler answers at {self._address} ({error}).") from error
            with client:
                yield client
            return
        threads = {f"{name}_NUM_THREADS": str(self._threads) for name in ("OMP", "MKL", "OPENBLAS")}
        with (
            dask.config.set({"distributed.nanny.pre-spawn-environ": SPAWN | threads}),
            LocalCluster(
                n_workers=self._workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",
                memory_limit=0,
                resources={"GPU": 1} if torch.cuda.is_available() else None,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client


def _capacity(client: Any) -> tuple[int, dict[str, int] | None]:
    """Return how many tasks may run at once, and the resources of a task: a GPU if the workers have any."""
    client.wait_for_workers(1, timeout=JOIN)
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    gpus = sum(int(worker["resources"].get("GPU", 0)) for worker in workers)
    return (gpus, {"GPU": 1}) if gpus else (sum(worker["nthreads"] for worker in workers), None)


def _plugin(name: str, load: Load, threads: int) -> Any:
    from distributed import WorkerPlugin

    class Loaded(WorkerPlugin):
        """The material of a worker's tasks, made when the worker starts or the run begins."""

        def setup(self, worker: Any) -> None:
            torch.set_num_threads(threads)
            setattr(worker, name, load())

        def teardown(self, worker: Any) -> None:
            delattr(worker, name)

    plugin: Any = Loaded()
    plugin.name = name
    return plugin


def _do(name: str, work: Work[T, R], task: T) -> R:
    from distributed import get_worker

    return work(getattr(get_worker(), name), task)
