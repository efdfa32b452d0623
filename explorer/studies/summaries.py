"""Rows of many images as few numbers: means with bootstrap intervals, medians; knows no Streamlit.

The intervals are those of ``core.studies.interval``, to rounding: the images drawn depend on nothing but how many there
are, so all groups of equally many images share one matrix of how often each is drawn, and their means are one product.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.studies import interval

__all__ = ["intervals", "summarised"]

Floats = NDArray[np.float64]

RESAMPLES, ENDS = 1000, (0.025, 0.975)  # as core.studies.interval has them
MOST = 2000  # images whose draws are kept; more are resampled group by group


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


def intervals(groups: Sequence[Floats]) -> Floats:
    """Return the ends of the 95 % bootstrap interval of each group's mean, (groups, 2); NaN of fewer than two values.

    Args:
        groups: the values of each.
    """
    ends = np.full((len(groups), 2), np.nan)
    places: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        if len(group) < 2 or len(group) > MOST or not np.isfinite(group).all():
            with np.errstate(invalid="ignore"):  # of infinite values
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
