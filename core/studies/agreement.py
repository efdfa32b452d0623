"""Do images of one class share pathways? Overlaps of every image's pathway with those of all other images.

For each image: the mean overlap with the pathways of the other images of its class, and with those of images of other
classes. For each pair of classes: the mean over their pairs of images. For all pairs of images of one class, and of
two: the mean and its 95 % interval, over all classes and for each class. All are for one strategy and sparsity.

Pairs share their images and are not independent: resampling them as if they were gives intervals half as wide as they
should be. The interval is a bootstrap over images: an image that is drawn k times has weight k, a pair of images
weight k_i k_j, and the means are computed again. [Snijders99]

Pathways are stored as bits, eight neurons per byte, so the intersection of two is one ``&`` and a count. Methods that
rank independently of the image (Random) are left out: all images share their pathway.

References:
    [Snijders99] Snijders and Borgatti, Non-Parametric Standard Errors and Tests for Network Statistics, Connections
        22(2), 1999: the bootstrap of vertices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.methods import METHODS
from core.network import Network
from core.pathways.overlap import jaccard
from core.studies.intervals import ENDS, FEWEST, Floats, draws
from core.studies.plan import Study
from core.studies.rows import Rows
from core.studies.store import Store

__all__ = ["agreement", "overlaps_of_all", "pair_means"]

TOGETHER = 50  # resamples per batch


def agreement(study: Study, store: Store, network: Network, dataset: str) -> pa.Table:
    """Return the rows of class agreement, from the masks of all parts.

    Args:
        study: the plan.
        store: contains the masks.
        network: the study's.
        dataset: name of the data set, for the rows.
    """
    rows = Rows.of(study, network, -1, dataset)
    for strategy in study.strategies:
        if METHODS[strategy.name].family == "baseline":
            continue
        for sparsity in study.sparsities:
            found = store.masks(
                ("index", "label", "bits"),
                method=[strategy.name],
                options=[strategy.written],
                sparsity=[sparsity],
            ).sort_by("index")
            if found.num_rows:
                names = {"method": strategy.name, "options": strategy.written, "sparsity": sparsity}
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
    for label, measures in pair_means(overlaps, labels).items():
        for measure, ends in measures.items():
            for part, value in zip(("mean", "low", "high"), ends, strict=True):
                rows.add(f"{measure}_{part}", value, label=label, **names)


def pair_means(overlaps: Floats, labels: NDArray[np.str_]) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Return mean and 95 % interval of the overlaps of pairs of one class and of two; a bootstrap over images.

    Args:
        overlaps: (images, images), symmetric; NaN, as on the diagonal, is no pair.
        labels: (images,), each image's class.

    Returns:
        Per class, and under "" for all classes, "same_class_overlap" and "other_class_overlap": mean, low, high; NaN
        without pairs, and no interval below five images (for a class: five of its own).
    """
    classes, places = np.unique(labels, return_inverse=True)
    members = (places[None] == np.arange(len(classes))[:, None]).astype(float)  # (classes, images)
    there = ~np.isnan(overlaps)
    tables = np.nan_to_num(overlaps), there.astype(float)
    counts = np.concatenate([np.ones((1, len(labels))), draws(len(labels))])  # the images themselves come first
    chunks = [counts[start : start + TOGETHER] for start in range(0, len(counts), TOGETHER)]
    sums, pairs = (np.concatenate([_between_classes(chunk, members, table) for chunk in chunks]) for table in tables)
    own = np.eye(len(classes), dtype=bool)
    found = {}
    own_sizes = [(label, [at], int(size)) for at, (label, size) in enumerate(zip(classes, members.sum(1), strict=True))]
    for label, of, size in [("", list(range(len(classes))), len(labels)), *own_sizes]:
        found[str(label)] = {
            measure: _with_ends(
                (sums * chosen)[:, of].sum((1, 2)), (pairs * chosen)[:, of].sum((1, 2)), bool(size >= FEWEST)
            )
            for measure, chosen in (("same_class_overlap", own), ("other_class_overlap", ~own))
        }
    return found


def _between_classes(counts: Floats, members: Floats, table: Floats) -> Floats:
    """Return sums over pairs of images of two classes, weighted by how often both are drawn, (n, classes, classes)."""
    weights = counts[:, None] * members  # (n, classes, images)
    return (weights.reshape(-1, len(table)) @ table).reshape(weights.shape) @ weights.transpose(0, 2, 1)


def _with_ends(sums: Floats, pairs: Floats, enough: bool) -> tuple[float, float, float]:
    """Return the first mean, and the quantiles of the others if there are enough images."""
    means = np.divide(sums, pairs, out=np.full(len(sums), np.nan), where=pairs > 0)
    low, high = np.nanquantile(means[1:], ENDS) if enough and pairs[0] else (np.nan, np.nan)
    return float(means[0]), float(low), float(high)


def overlaps_of_all(masks: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the intersection over union of every two pathways, NaN where both are empty, (images, images).

    Args:
        masks: (images, bytes), packed bits.
    """
    sizes = np.bitwise_count(masks).sum(1, dtype=np.int64)
    overlaps = np.empty((len(masks), len(masks)))
    for row, mask in enumerate(masks):
        common = np.array([np.bitwise_count(mask & other).sum(dtype=np.int64) for other in masks[: row + 1]])
        overlaps[row, : row + 1] = overlaps[: row + 1, row] = jaccard(common, sizes[row], sizes[: row + 1])
    return overlaps


def _mean(values: NDArray[np.float64]) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")
