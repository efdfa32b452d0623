"""The command and its engines as real processes: a scheduler and workers joined by address, killed, started again."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from core.errors import PathwayError
from core.studies import DaskEngine, Store
from core.studies.engine import Failed
from explorer import study as command
from tests.waiting import until

pytestmark = pytest.mark.thorough
ROOT = Path(__file__).resolve().parents[3]
QUICK = [
    *("--images", "fashion-mnist", "--network", "fashion_vgg", "--batch", "4"),
    *("--strategy", "NeuronMCT", "--strategy", "GreedyPruning:steps=10", "--strategy", "Random", "--sparsity", "0.9"),
    *("--measure", "fidelity", "--measure", "overlap", "--measure", "class-agreement"),
]


def start(*words: str, **options) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, text=True, **options)


def words(folder: Path, *more: str) -> list[str]:
    return [*QUICK, "--count", "24", "--out", str(folder), *more]


def driver(folder: Path, *more: str) -> subprocess.Popen:
    """The command as a process that can be killed."""
    return start("-m", "explorer", "study", *words(folder, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def rows(folder: Path) -> pd.DataFrame:
    return Store(folder).rows().to_pandas().drop(columns="seconds")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A scheduler and two workers, processes of their own, joined by address."""
    folder = tmp_path_factory.mktemp("cluster")
    log = (folder / "scheduler.log").open("w")
    quiet = {"stdout": log, "stderr": log}
    options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    scheduler = start(
        "-m", "distributed.cli.dask_scheduler", *options, "--scheduler-file", str(folder / "address.json"), **quiet
    )
    until((folder / "address.json").exists)
    until(lambda: "tcp://" in (folder / "address.json").read_text())
    address = re.search(r"tcp://[\d.:]+", (folder / "address.json").read_text())[0]
    worker = ("-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny")
    workers = [start(*worker, "--local-directory", str(folder), **quiet) for _ in range(2)]
    yield address, workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()
    log.close()


@pytest.fixture(scope="module")
def serial(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("serial")
    with redirect_stdout(io.StringIO()) as said:
        assert command.main(words(folder)) == 0
    output = said.getvalue()
    assert re.search(r"^dead_share +GreedyPruning:steps=10 +0\.9 .* \(n = 24\)$", output, re.M)
    assert re.search(r"^dead_share, sparsity 0\.9$", output, re.M)
    assert "adjusted by Holm's method within its table" in output
    assert "24 images in" in output
    return folder


def test_two_workers_joined_by_address_give_the_very_same_rows(cluster, serial, tmp_path):
    assert command.main(words(tmp_path, "--engine", "dask", "--address", cluster[0])) == 0
    pd.testing.assert_frame_equal(rows(tmp_path), rows(serial))


def test_local_workers_give_the_very_same_rows(serial, tmp_path):
    assert command.main(words(tmp_path, "--workers", "2")) == 0
    pd.testing.assert_frame_equal(rows(tmp_path), rows(serial))


def test_a_killed_driver_goes_on_and_writes_nothing_twice(serial, tmp_path):
    first = driver(tmp_path)
    until(lambda: len(Store(tmp_path).done()) >= 2)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / "rows").glob("part-*.parquet")}
    assert 2 <= len(there) < 6
    assert command.main(words(tmp_path)) == 0
    assert all(path.stat().st_mtime_ns == written for path, written in there.items())
    pd.testing.assert_frame_equal(rows(tmp_path), rows(serial))


def test_a_killed_worker_takes_nothing_along(cluster, serial, tmp_path):
    address, workers = cluster
    with ThreadPoolExecutor(1) as elsewhere:
        running = elsewhere.submit(command.main, words(tmp_path, "--address", address))
        until(lambda: len(Store(tmp_path).done()) >= 1)
        workers[0].kill()
        assert running.result() == 0
    pd.testing.assert_frame_equal(rows(tmp_path), rows(serial))


def test_failures_make_the_exit_code(tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "broken.png").write_bytes(b"nothing")
    out = str(tmp_path / "out")
    assert command.main(["--images", str(pictures), "--network", "fashion_vgg", "--out", out]) == 1
    assert "1 rows are failures: the column error says why." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--images", "nowhere"], "There is no folder 'nowhere'"),
        (["--images", "photos", "--strategy", "Best"], "There is no strategy 'Best'"),
        (["--images", "photos", "--sparsity", "2"], "Got sparsity 2.0"),
        (["--images", "photos", "--network", "resnet18"], "The weights of resnet18 are not on this machine"),
        (["--images", "photos", "--engine", "serial", "--workers", "2"], "The serial engine has no workers"),
        (["roar", "--fraction", "2"], "Got fractions (2.0,)"),
    ],
)
def test_what_cannot_begin_is_said_with_the_way_out(wrong, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATHWAY_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    assert command.main([*wrong, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_a_dry_run_says_what_it_would_cost(tmp_path, capsys):
    assert command.main([*QUICK, "--count", "8", "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert re.search(
        r"^8 images left, about 15 forward-and-backward passes each, [\d.]+ ms a pass here: about \d+ s", said
    )
    assert not (tmp_path / "out").exists()


def test_what_a_folder_leaves_out_is_said_before_anything_is_computed(tmp_path, capsys):
    shoes = tmp_path / "shoes"
    shoes.mkdir()
    Image.new("L", (28, 28), 90).save(shoes / "1.png")
    (shoes / "notes.txt").touch()
    words = ["--images", str(shoes), "--network", "fashion_vgg", "--out", str(tmp_path / "out")]
    left_out = "Left out: 1 entry not named as an image, such as 'notes.txt'."
    assert command.main([*words, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith(f"{left_out}\n1 images left")
    assert command.main([*words, "--strategy", "Random", "--measure", "fidelity"]) == 0
    assert left_out in "".join(capsys.readouterr())
    assert Store(tmp_path / "out").manifest["dataset"]["notes"] == [left_out]


def test_help_lists_every_measure_and_examples(capsys):
    with pytest.raises(SystemExit):
        command.main(["--help"])
    said = capsys.readouterr().out
    assert "class-agreement" in said
    assert "--address tcp://" in said


def test_no_scheduler_is_said():
    engine = DaskEngine(dict, address="tcp://127.0.0.1:9")
    with pytest.raises(PathwayError, match=r"No Dask scheduler answers at tcp://127.0.0.1:9"):
        list(engine.run([1], _double))


def _double(loaded: dict, task: int) -> int:
    if task == 3:
        raise ValueError("three")
    return 2 * task


def test_tasks_that_raise_come_back_as_failed_and_the_others_go_on(cluster):
    found = list(DaskEngine(dict, address=cluster[0]).run(iter(range(20)), _double))
    failed = [each for each in found if isinstance(each, Failed)]
    assert [(each.task, str(each.error)) for each in failed] == [(3, "three")]
    assert sorted(each for each in found if not isinstance(each, Failed)) == [2 * n for n in range(20) if n != 3]


def test_no_more_tasks_are_read_than_workers_can_soon_do(cluster):
    read = []

    def tasks():
        for number in range(100, 140):
            read.append(number)
            yield number

    running = DaskEngine(dict, address=cluster[0]).run(tasks(), _double)
    next(running)
    assert len(read) <= 6
    assert len(list(running)) == 39


def _loaded(loaded: dict, task: int) -> str:
    return loaded["name"]


def test_two_runs_share_a_cluster_and_not_what_they_loaded(cluster):
    one, other = (
        DaskEngine(partial(dict, name=name), address=cluster[0]).run(range(4), _loaded) for name in ("one", "other")
    )
    first, second = next(one), next(other)
    assert {first, *one} == {"one"}
    assert {second, *other} == {"other"}
