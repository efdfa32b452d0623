"""A study's results on disk: one Parquet file per part, written atomically, and a manifest.

    folder/manifest.json            the plan, the versions and settings of the run, and its fingerprint
    folder/rows/part-00000.parquet  a part's rows; the file exists as soon as the part is done
    folder/masks/part-00000.parquet its pathways' masks, if a measure over all images needs them
    folder/agreement.parquet        the measures over all images together, once all parts are done

A file is written under another name, flushed to the disk, and then renamed. So, whatever stops a run, every file under
its own name is complete, and a run started again does the missing parts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import torch
from filelock import FileLock, Timeout

from core.errors import PathwayError
from core.studies.rows import MASKS, SCHEMA, versions

__all__ = ["Store", "write_atomically"]


class Store:
    """The folder of one run.

    Args:
        folder: of the results; need not exist yet.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"

    @property
    def manifest(self) -> dict[str, Any]:
        """Return the manifest.

        Raises:
            PathwayError: there is none, or it is damaged.
        """
        try:
            found: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
            return found
        except (OSError, ValueError) as error:
            raise PathwayError(f"{self.folder} holds no study that can be read ({error}).") from error

    @contextmanager
    def opened(self, manifest: dict[str, Any]) -> Iterator[None]:
        """Lock the folder for this process; begin the run that a manifest describes, or continue it.

        The time of the start, the number of threads and the versions are added to the manifest.

        Raises:
            PathwayError: another process writes there, the folder has another study, or it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock", timeout=0):
                self._begin(manifest)
                yield
        except Timeout as error:
            raise PathwayError(f"Another process writes to {self.folder}; wait for it, or choose another.") from error
        except OSError as error:
            raise PathwayError(
                f"{self.folder} cannot be written ({error}). The files in it are intact: free space or choose "
                "another folder, and run the same command again; it continues where it stopped."
            ) from error

    def _begin(self, manifest: dict[str, Any]) -> None:
        run = {
            "threads": torch.get_num_threads(),
            "versions": versions(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if (self.folder / "manifest.json").exists():
            there = self.manifest
            if there.get("fingerprint") != manifest["fingerprint"]:
                raise PathwayError(
                    f"{self.folder} holds another study ({there.get('command', 'unknown')}); choose another folder."
                )
            run = {**run, "started": there.get("started", run["started"])}
        for left in (*self.folder.glob("*.writing"), *self.folder.glob("*/*.writing")):
            left.unlink()
        write_atomically(self.folder / "manifest.json", json.dumps(manifest | run, indent=2).encode() + b"\n")

    def done(self) -> set[int]:
        """Return the numbers of the parts that are done."""
        return {int(path.stem.removeprefix("part-")) for path in (self.folder / "rows").glob("part-*.parquet")}

    def write(self, number: int, rows: pa.Table, masks: pa.Table | None) -> None:
        """Write a part: its masks, then its rows, which mark it as done."""
        for name, table in (("masks", masks), ("rows", rows)):
            if table is not None:
                self._write(self.folder / name / f"part-{number:05d}.parquet", table)

    def write_agreement(self, rows: pa.Table) -> None:
        """Write the measures over all images together."""
        self._write(self.folder / "agreement.parquet", rows)

    def _write(self, path: Path, table: pa.Table) -> None:
        path.parent.mkdir(exist_ok=True)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        write_atomically(path, sink.getvalue())

    def rows(self, **wanted: Sequence[Any]) -> pa.Table:
        """Return the rows, of all parts and of the agreement, whose columns have one of the values wanted.

        Raises:
            PathwayError: a file is damaged; the message names it.
        """
        files = sorted((self.folder / "rows").glob("part-*.parquet"))
        files += [path for path in [self.folder / "agreement.parquet"] if path.exists()]
        return self._read(files, SCHEMA, wanted)

    def errors(self) -> int:
        """Return how many rows are failures; reads one part at a time."""
        paths = sorted((self.folder / "rows").glob("part-*.parquet"))
        return sum(self._table(path, SCHEMA, ds.field("error") != "", ["error"]).num_rows for path in paths)

    def masks(self, columns: Sequence[str] | None = None, **wanted: Sequence[Any]) -> pa.Table:
        """Return the masks whose columns have one of the values wanted; errors as for ``rows``."""
        return self._read(sorted((self.folder / "masks").glob("part-*.parquet")), MASKS, wanted, columns)

    def _read(
        self,
        files: list[Path],
        schema: pa.Schema,
        wanted: dict[str, Sequence[Any]],
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        condition = None
        if not all(len(values) for values in wanted.values()):
            return schema.empty_table()
        for name, values in wanted.items():
            one_of = ds.field(name).isin(list(values))
            condition = one_of if condition is None else condition & one_of
        tables = [self._table(path, schema, condition, columns) for path in files]
        return pa.concat_tables(tables).unify_dictionaries() if tables else schema.empty_table()

    def _table(self, path: Path, schema: pa.Schema, condition: Any, columns: Sequence[str] | None) -> pa.Table:
        try:
            data = ds.dataset(path, schema=schema, format="parquet")
            return data.to_table(list(columns) if columns else None, filter=condition)
        except (pa.ArrowException, OSError) as error:
            raise PathwayError(
                f"{path} is damaged ({str(error)[:200]}). Delete it and run the study's command again: only that part "
                "is computed again."
            ) from error


def write_atomically(path: Path, data: Any) -> None:
    """Write a file atomically: under another name, flushed to the disk, then renamed."""
    partial = path.with_name(f"{path.name}.{uuid4().hex[:8]}.writing")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
