"""One number per row: the table that every measure of a study fills, and how it is written.

    image, network, method, options, sparsity  ->  measure [other, site, x] = value

``other`` is what a measure also refers to: the other strategy of an overlap, the layer of a sanity check, the site that
limits a radius. ``site`` is "" for all sites together, ``x`` a position on a curve. A failure is a row, too, without
value; ``error`` says why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata
from math import nan
from typing import Any

import pyarrow as pa

from core.network import Network
from core.studies.plan import Item, Study

__all__ = ["MASKS", "SCHEMA", "Rows", "about", "versions"]

_WORD = pa.dictionary(pa.int32(), pa.string())

SCHEMA = pa.schema(
    [
        ("part", pa.int32()),
        ("dataset", _WORD),
        ("index", pa.int32()),  # of the image in its data set; -1 if a row is about several
        ("image", _WORD),  # its name in the data set
        ("image_hash", _WORD),
        ("label", _WORD),  # name of its class, "" if it has none
        ("network", _WORD),
        ("weights_hash", _WORD),
        ("target", pa.int32()),  # class explained, -1 if none was
        ("prediction", _WORD),  # name of the class predicted
        ("method", _WORD),
        ("options", _WORD),
        ("sparsity", pa.float64()),  # asked for; NaN if there is no pathway
        ("achieved", pa.float64()),
        ("off", _WORD),
        ("measure", _WORD),
        ("other", _WORD),
        ("site", _WORD),
        ("x", pa.float64()),
        ("value", pa.float64()),
        ("error", _WORD),
        ("versions", _WORD),
        ("seconds", pa.float64()),  # this image's share of the time that the value took
    ]
)

MASKS = pa.schema(
    [
        ("index", pa.int32()),
        ("label", pa.string()),
        ("method", pa.string()),
        ("options", pa.string()),
        ("sparsity", pa.float64()),
        ("bits", pa.binary()),  # of all neurons, site after site, eight per byte
    ]
)

_EMPTY = {
    "index": -1,
    "image": "",
    "image_hash": "",
    "label": "",
    "target": -1,
    "prediction": "",
    "method": "",
    "options": "",
    "sparsity": nan,
    "achieved": nan,
    "other": "",
    "site": "",
    "x": nan,
    "value": nan,
    "error": "",
    "seconds": nan,
}


def versions() -> str:
    """Return the versions of the libraries, on which numbers may depend besides the plan."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "torchvision", "numpy"))


@dataclass
class Rows:
    """Rows of one part, in the order in which they are added.

    Attributes:
        common: columns that all rows share.
        columns: one list per column of ``SCHEMA``.
    """

    common: dict[str, Any]
    columns: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in SCHEMA.names})

    @classmethod
    def of(cls, study: Study, network: Network, part: int, dataset: str) -> Rows:
        """Return an empty collection for the rows of one part."""
        return cls.begun(
            part=part, dataset=dataset, network=network.name, weights_hash=network.weights_hash, off=study.off
        )

    @classmethod
    def begun(cls, **common: Any) -> Rows:
        """Return an empty collection, given the columns that all rows will share."""
        return cls(_EMPTY | common | {"versions": versions()})

    def add(self, measure: str, value: float = nan, **columns: Any) -> None:
        """Add a row; columns that are not given are empty."""
        row = self.common | columns | {"measure": measure, "value": float(value)}
        for name, values in self.columns.items():
            values.append(row[name])

    def fail(self, measure: str, error: Exception, **columns: Any) -> None:
        """Add the row of a failure."""
        self.add(measure, error=str(error) or type(error).__name__, **columns)

    @property
    def errors(self) -> int:
        """Return how many rows are failures."""
        return sum(map(bool, self.columns["error"]))

    def table(self) -> pa.Table:
        """Return the rows with the columns of ``SCHEMA``."""
        arrays = []
        for kind, values in zip(SCHEMA, self.columns.values(), strict=True):
            plain = pa.array(values, kind.type.value_type if pa.types.is_dictionary(kind.type) else kind.type)
            arrays.append(plain.dictionary_encode() if pa.types.is_dictionary(kind.type) else plain)
        return pa.table(arrays, schema=SCHEMA)


def about(item: Item, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Return the columns that say which image a row is about."""
    label = class_names[item.label] if item.label is not None else ""
    return {"index": item.index, "image": item.name, "label": label}
