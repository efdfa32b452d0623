"""A study in few numbers: means over its images, with bootstrap confidence intervals.

The images are the sample: each is drawn with replacement, as often as there are, a thousand times; the interval holds
the middle 95 % of the means so found. [Efron79]

The images drawn depend on nothing but how many there are, so all groups of equally many images share one matrix of how
often each is drawn, and their means are one product; ``interval`` is the same for one group, written out.

References:
    [Efron79] Efron, Bootstrap Methods: Another Look at the Jackknife, Annals of Statistics 7(1), 1979.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["PLACES", "SCALARS", "interval", "intervals", "summarise", "summarised"]

Floats = NDArray[np.float64]

PLACES = ["method", "options", "sparsity", "measure", "other", "site", "x"]
"""The columns that rows of one number have in common; over the images of each group the mean is taken."""

SCALARS = (
    *("p_ratio", "prediction_kept", "near_chance", "dead_share", "overlap", "chance_overlap", "linear_radius"),
    *(f"{name}_area" for name in ("lerf", "morf", "insertion", "deletion")),
    *("lerf_area_10", "morf_area_10", "energy_inside", "pointing_game", "same_class_overlap", "other_class_overlap"),
)
"""The measures that are one number an image, a pathway or a pair, in the order in which people read them."""

RESAMPLES, ENDS = 1000, (0.025, 0.975)
MOST = 2000  # images whose draws are kept; more are resampled group by group


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
    return summarised(table, by)


def summarised(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return mean, its 95 % interval, median and number of images of every group, in the order in which they come.

    Args:
        rows: with the columns ``by``, and value and achieved.
        by: columns that make a group.
    """
    columns = [*by, "mean", "low", "high", "median", "achieved", "images"]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    codes = rows.groupby(list(by), observed=True, sort=False, dropna=False).ngroup().to_numpy()
    order = np.argsort(codes, kind="stable")
    firsts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    values = np.split(rows["value"].to_numpy(float)[order], firsts[1:])
    achieved = np.split(rows["achieved"].to_numpy(float)[order], firsts[1:])
    found = rows[list(by)].iloc[order[firsts]].reset_index(drop=True)
    for column in found.select_dtypes("category"):
        found[column] = found[column].astype(str)
    ends = intervals(values)
    return found.assign(
        mean=[float(each.mean()) for each in values],
        low=ends[:, 0],
        high=ends[:, 1],
        median=[float(np.median(each)) for each in values],
        achieved=[float(each.mean()) for each in achieved],
        images=[len(each) for each in values],
    )[columns]


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the bootstrap confidence interval of a mean, 95 %; NaN of fewer than two values. [Efron79]

    Args:
        values: (images,), finite.
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    draws = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    with np.errstate(invalid="ignore"):  # infinite values: a radius that nothing bounds
        means = values[draws].mean(1)
        low, high = np.quantile(means, ENDS)
    return float(low), float(high)


def intervals(groups: Sequence[Floats]) -> Floats:
    """Return the ends of the 95 % bootstrap interval of each group's mean, (groups, 2); NaN of fewer than two values.

    Args:
        groups: the values of each.
    """
    ends = np.full((len(groups), 2), np.nan)
    places: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        if len(group) < 2 or len(group) > MOST or not np.isfinite(group).all():
            ends[place] = interval(group)
        else:
            places[len(group)].append(place)
    for size, at in places.items():
        means = _draws(size) @ np.stack([groups[place] for place in at], 1) / size  # (resamples, groups)
        ends[at] = np.quantile(means, ENDS, axis=0).T
    return ends


@lru_cache(maxsize=4)
def _draws(size: int) -> Floats:
    """Return how often each image is drawn, (resamples, images)."""
    drawn = np.random.default_rng(0).integers(size, size=(RESAMPLES, size))
    places = drawn + size * np.arange(RESAMPLES)[:, None]
    counts = np.bincount(places.ravel(), minlength=RESAMPLES * size).reshape(RESAMPLES, size)
    return counts.astype(float)
