"""Do images of one class share pathways? Overlaps of every image's pathway with those of all other images.

For each image: the mean overlap with the pathways of the other images of its class, and with those of images of other
classes; for each pair of classes the mean over their pairs of images. All at one strategy and sparsity.

Pathways lie here as bits, eight neurons a byte: what two have in common is one ``&`` and a count. Methods that rank
without looking at the image (Random) are left out: all images share their pathway.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.methods import METHODS
from core.network import Network
from core.studies.plan import Study
from core.studies.rows import Rows
from core.studies.store import Store

__all__ = ["agreement", "overlaps_of_all"]


def agreement(study: Study, store: Store, network: Network, dataset: str) -> pa.Table:
    """Return the rows of class agreement, from the masks that all parts left.

    Args:
        study: whose masks.
        store: where they lie.
        network: theirs.
        dataset: name of the data set, for the rows.
    """
    rows = Rows.of(study, network, -1, dataset)
    for strategy in study.strategies:
        if METHODS[strategy.method].family == "baseline":
            continue
        for sparsity in study.sparsities:
            found = store.masks(
                ("index", "label", "bits"),
                method=[strategy.method],
                options=[strategy.chosen],
                sparsity=[sparsity],
            ).sort_by("index")
            if found.num_rows:
                names = {"method": strategy.method, "options": strategy.chosen, "sparsity": sparsity}
                _agree(rows, names, found, network)
    return rows.table()


def _agree(rows: Rows, names: dict[str, Any], found: pa.Table, network: Network) -> None:
    """Add the rows of one strategy at one sparsity."""
    indices, labels = found["index"].to_pylist(), np.array(found["label"].to_pylist())
    masks = np.stack([np.frombuffer(bits, np.uint8) for bits in found["bits"].to_pylist()])  # (images, neurons / 8)
    overlaps = overlaps_of_all(masks)
    achieved = 1 - np.bitwise_count(masks).sum(1, dtype=np.int64) / network.neurons
    np.fill_diagonal(overlaps, np.nan)  # an image agrees with itself
    same = labels[:, None] == labels
    for row, (index, label) in enumerate(zip(indices, labels, strict=True)):
        about = {"index": index, "label": str(label), "achieved": achieved[row], **names}
        rows.add("same_class_overlap", _mean(overlaps[row, same[row]]), **about)
        rows.add("other_class_overlap", _mean(overlaps[row, ~same[row]]), **about)
    classes = sorted(set(labels.tolist()))
    for place, one in enumerate(classes):
        for other in classes[place:]:
            pairs = overlaps[np.ix_(labels == one, labels == other)]
            rows.add("class_overlap", _mean(pairs), label=one, other=other, **names)


def overlaps_of_all(masks: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the intersection over union of every two pathways, NaN where both are empty, (images, images).

    Args:
        masks: (images, bytes), packed bits.
    """
    sizes = np.bitwise_count(masks).sum(1, dtype=np.int64)
    overlaps = np.empty((len(masks), len(masks)))
    for row, mask in enumerate(masks):
        common = np.array([np.bitwise_count(mask & other).sum(dtype=np.int64) for other in masks[: row + 1]])
        union = sizes[row] + sizes[: row + 1] - common
        shares = np.divide(common, union, out=np.full(len(common), np.nan), where=union > 0)
        overlaps[row, : row + 1] = overlaps[: row + 1, row] = shares
    return overlaps


def _mean(values: NDArray[np.float64]) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")
