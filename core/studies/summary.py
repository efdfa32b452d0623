"""A study in few numbers: means over its images, with bootstrap confidence intervals.

The images are the sample: each is drawn with replacement, as often as there are, a thousand times; the interval holds
the middle 95 % of the means so found. [Efron79]

References:
    [Efron79] Efron, Bootstrap Methods: Another Look at the Jackknife, Annals of Statistics 7(1), 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["PLACES", "SCALARS", "interval", "summarise"]

PLACES = ["method", "options", "sparsity", "measure", "other", "site", "x"]
"""The columns that rows of one number have in common; over the images of each group the mean is taken."""

SCALARS = (
    *("p_ratio", "prediction_kept", "dead_share", "overlap", "chance_overlap", "linear_radius"),
    *(f"{name}_area" for name in ("lerf", "morf", "insertion", "deletion")),
    *("lerf_area_10", "morf_area_10", "energy_inside", "pointing_game", "same_class_overlap", "other_class_overlap"),
)
"""The measures that are one number an image, a pathway or a pair, in the order in which people read them."""

RESAMPLES = 1000
SHARE = 0.95


def summarise(rows: pa.Table, by: Sequence[str] = PLACES) -> pd.DataFrame:
    """Return mean, interval, median and number of images of every group of rows; failures and NaN are left out.

    Args:
        rows: of a study, those that are to be read.
        by: columns that make a group.

    Returns:
        The columns ``by``, and mean, low, high, median, achieved (mean achieved sparsity) and images.
    """
    wanted = list(dict.fromkeys([*by, "measure", "value", "achieved"]))
    table = rows.select(wanted).to_pandas(types_mapper=None)
    table = table[table["value"].notna()]
    for column in table.select_dtypes("category"):
        table[column] = table[column].astype(str)
    if "other" in by:  # a radius's is the site that limits it, another one for each image
        table["other"] = table["other"].mask(table["measure"] == "linear_radius", "")
    found: list[dict[str, Any]] = []
    for place, group in table.groupby(list(by), dropna=False, sort=False):
        values = group["value"].to_numpy()
        low, high = interval(values)
        found.append(
            dict(zip(by, place, strict=True))
            | {"mean": float(values.mean()), "low": low, "high": high, "median": float(np.median(values))}
            | {"achieved": float(group["achieved"].mean()), "images": len(values)}
        )
    return pd.DataFrame(found, columns=[*by, "mean", "low", "high", "median", "achieved", "images"])


def interval(values: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """Return the bootstrap confidence interval of a mean, 95 %; NaN of fewer than two values. [Efron79]

    Args:
        values: (images,), finite.
        seed: of the draws.
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    draws = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    with np.errstate(invalid="ignore"):  # infinite values: a radius that nothing bounds
        means = values[draws].mean(1)
        low, high = np.quantile(means, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return float(low), float(high)
