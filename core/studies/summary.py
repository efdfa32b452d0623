"""A summary of a study: means over its images, with confidence intervals.

The images are the sample; ``core.studies.intervals`` has the interval that suits each measure. Overlaps between images
share their images, so their intervals come from ``core.studies.agreement``, which sees every pair.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from core.studies.intervals import FEWEST, centre, intervals, kind_of

__all__ = ["AGREED", "OF_PAIRS", "PLACES", "SCALARS", "summarise", "summarised", "why_no_interval"]

PLACES = ["method", "options", "sparsity", "measure", "other", "site", "x"]
"""The columns that identify a group of rows; the mean is taken over the images of each group."""

SCALARS = (
    *("p_ratio", "prediction_kept", "near_chance", "dead_share", "overlap", "chance_overlap", "linear_radius"),
    *(f"{name}_area" for name in ("lerf", "morf", "insertion", "deletion")),
    *("lerf_area_10", "morf_area_10", "energy_inside", "mask_share", "pointing_game"),
    *("pointing_chance", "same_class_overlap", "other_class_overlap"),
)
"""The measures with one number per image, pathway or pair, in the order in which they are shown."""

OF_PAIRS = ("same_class_overlap", "other_class_overlap")
"""The measures of pairs of images, whose mean and interval are rows of their own: ``_mean``, ``_low``, ``_high``."""

AGREED = {f"{measure}_{part}": (measure, part) for measure in OF_PAIRS for part in ("mean", "low", "high")}
"""Those rows' measures, each with what it is of."""


def summarise(rows: pa.Table, by: Sequence[str] = PLACES) -> pd.DataFrame:
    """Return mean, interval, median and number of images of every group of rows; failures and NaN are left out.

    Args:
        rows: of a study, those that are to be read.
        by: columns that make a group.

    Returns:
        The columns ``by``, and those of ``summarised``.
    """
    wanted = list(dict.fromkeys([*by, "label", "measure", "value", "achieved"]))
    table = rows.select(wanted).to_pandas(types_mapper=None)
    table = table[table["value"].notna()]
    for column in table.select_dtypes("category"):
        table[column] = table[column].astype(str)
    if "label" not in by:  # of all classes together
        table = table[~table["measure"].isin(AGREED) | (table["label"] == "")]
    if "other" in by:  # for a radius it is the limiting site, which differs between images
        table["other"] = table["other"].mask(table["measure"] == "linear_radius", "")
    return summarised(table, by)


def summarised(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return mean, its 95 % interval, median and number of images of every group, in the order in which they come.

    Args:
        rows: with the columns ``by``, and measure, value and achieved; of the rows of ``OF_PAIRS``'s means and
            intervals, one for each group.
        by: columns that make a group, of one measure each.

    Returns:
        The columns ``by``; mean, low, high and median; achieved (mean achieved sparsity); images; and how many of
        their values are not in the mean: infinite, and zeros of a geometric mean. That of p ratios and radii is one.
    """
    columns = [*by, "mean", "low", "high", "median", "achieved", "images", "zeros", "infinite"]
    of_all = rows["measure"].isin(AGREED)
    given, rows = rows[of_all], rows[~of_all]
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
    measures = rows["measure"].iloc[order[firsts]].astype(str).tolist()
    kinds = [kind_of(measure) for measure in measures]
    ends = np.full((len(values), 2), np.nan)
    for kind in set(kinds):
        at = [place for place, own in enumerate(kinds) if own == kind and measures[place] not in OF_PAIRS]
        if at:
            ends[at] = intervals([values[place] for place in at], kind)
    found = found.assign(
        mean=[centre(each, kind) for each, kind in zip(values, kinds, strict=True)],
        low=ends[:, 0],
        high=ends[:, 1],
        median=[float(np.median(each)) for each in values],
        achieved=[float(each.mean()) for each in achieved],
        images=[len(each) for each in values],
        zeros=[int((each == 0).sum()) if kind == "geometric" else 0 for each, kind in zip(values, kinds, strict=True)],
        infinite=[int(np.isinf(each).sum()) for each in values],
    )[columns]
    return found if given.empty else _with_given(found, measures, given, by)


def _with_given(found: pd.DataFrame, measures: Sequence[str], given: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return summaries whose means and intervals are those that rows give, where they do."""
    keys = [column for column in by if column != "measure"]
    known = {
        (*AGREED[str(row["measure"])], *_places(row, keys)): float(row["value"]) for row in given.to_dict("records")
    }
    rows = list(zip(measures, found.to_dict("records"), strict=True))
    parts = {
        part: [known.get((measure, part, *_places(row, keys)), row[part]) for measure, row in rows]
        for part in ("mean", "low", "high")
    }
    return found.assign(**parts)


def _places(row: dict[str, object], keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(row[key]) for key in keys)  # NaN, too, is itself then


def why_no_interval(images: int, measure: str, *, left_out: int = 0) -> str:
    """Return in words why a mean has no interval.

    Args:
        images: number of images.
        measure: that is averaged.
        left_out: how many of the images have no place in a geometric mean: zeros and infinite values.
    """
    count = images - left_out
    if count < FEWEST:
        return f"n = {count}: too few for an interval"
    if measure in OF_PAIRS:
        return f"n = {count}: no interval in this run's files"
    return f"n = {count}: all values are equal, hence no interval"
