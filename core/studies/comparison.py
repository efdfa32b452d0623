"""Do two methods differ? Their differences on the images that both have, and tests corrected for their number.

All methods see the same images, so differences between images cancel in the difference of two methods on each:

    mean measures       d_i = a_i - b_i: mean, Student's 95 % interval and paired t test
    p ratios and radii  the same of log a_i - log b_i: ratio of geometric means
    shares (0 and 1)    mean of d_i, interval of Agresti and Min, exact test of McNemar

The p values of one table, over every two methods, are adjusted together by Holm's method, which keeps the probability
of any false finding among them below the chosen level. Below five images there is neither interval nor test.

References:
    [Holm79] Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6(2),
        1979.
    [McNemar47] McNemar, Note on the Sampling Error of the Difference between Correlated Proportions, Psychometrika
        12(2), 1947.
    [Agresti05] Agresti and Min, Simple Improved Confidence Intervals for Comparing Matched Proportions, Statistics in
        Medicine 24(5), 2005: half an image is added to each of the four outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import nan, sqrt

import numpy as np
import pandas as pd

from core.studies.intervals import FEWEST, Floats, Kind, kind_of, student
from core.studies.summary import OF_PAIRS

__all__ = ["LEVEL", "comparable", "compared", "holm"]

LEVEL = 0.05
"""Two methods differ if the adjusted p value is below this level."""

COLUMNS = ["first", "second", "difference", "low", "high", "p", "adjusted", "images", "left_out"]


def comparable(measure: str) -> bool:
    """Return whether a measure is one number per method and image, independent of other images and methods."""
    return measure not in (*OF_PAIRS, "overlap", "chance_overlap", "mask_share", "pointing_chance")


def compared(rows: pd.DataFrame, by: str, methods: Sequence[str]) -> pd.DataFrame:
    """Return how every two methods differ on the images that both have.

    Args:
        rows: of one measure, each method and image once, with the columns ``by``, index, measure and value.
        by: column with the name of the method.
        methods: to compare, in order; the later of two is "first", the earlier one is subtracted from it.

    Returns:
        One row per pair of methods: first, second; difference first - second, or for p ratios and radii the ratio
        first / second; low and high of its 95 % interval; p and adjusted, by Holm's method over all rows; images, which
        both have; and left_out, how many of these have no ratio because one value is zero or infinite.
    """
    if rows.empty:
        return pd.DataFrame(columns=COLUMNS)
    kind = kind_of(str(rows["measure"].iloc[0]))
    table = rows.assign(**{by: rows[by].astype(str)}).pivot(index="index", columns=by, values="value")
    there = {method: table[method].to_numpy(float) for method in methods if method in table}
    found = [(first, second, *_paired(there[first], there[second], kind)) for second, first in combinations(there, 2)]
    made = pd.DataFrame(found, columns=[column for column in COLUMNS if column != "adjusted"])
    return made.assign(adjusted=holm(made["p"].to_numpy(float)))[COLUMNS]


def holm(values: Floats) -> Floats:
    """Return p values adjusted for their number; NaN (no test) stays NaN and is not counted. [Holm79]

    The k-th smallest of m becomes the largest of (m - j + 1) p_j over j <= k, at most 1.
    SciPy adjusts for false discoveries only; statsmodels, which has Holm's method, serves as the oracle of the tests.

    Args:
        values: (m,); the result is shaped like it.
    """
    adjusted = values.copy()
    tested = np.flatnonzero(~np.isnan(values))
    rising = tested[np.argsort(values[tested], kind="stable")]
    left = np.arange(len(rising), 0, -1)
    adjusted[rising] = np.minimum(1, np.maximum.accumulate(left * values[rising]))
    return adjusted


def _paired(one: Floats, other: Floats, kind: Kind) -> tuple[float, float, float, float, int, int]:
    """Return difference, low, high, p, images and left out."""
    both = ~np.isnan(one) & ~np.isnan(other)
    one, other = one[both], other[both]
    images = len(one)
    if kind == "share":
        return *_of_shares(one, other), images, 0
    fit = np.isfinite(one) & np.isfinite(other)
    if kind == "geometric":
        fit &= (one > 0) & (other > 0)
    one, other = one[fit], other[fit]
    if kind == "mean":
        return *_of_means(one - other), images, images - len(one)
    *logarithms, p = _of_means(np.log(one) - np.log(other))
    with np.errstate(over="ignore"):  # a ratio beyond float64 is infinite
        difference, low, high = np.exp(logarithms).tolist()
    return difference, low, high, p, images, images - len(one)


def _of_means(differences: Floats) -> tuple[float, float, float, float]:
    """Return the mean with its interval and p value."""
    if not len(differences):
        return nan, nan, nan, nan
    mean = float(differences.mean())
    if len(differences) < FEWEST:
        return mean, nan, nan, nan
    if np.ptp(differences) == 0:  # without spread: the same difference everywhere, or none
        return mean, nan, nan, float(mean == 0)
    from scipy.stats import ttest_1samp  # slow to import

    low, high = student(differences[:, None])[0]
    return mean, float(low), float(high), float(ttest_1samp(differences, 0).pvalue)


def _of_shares(one: Floats, other: Floats) -> tuple[float, float, float, float]:
    """Return the mean difference of values of 0 and 1, with its interval and p value. [McNemar47] [Agresti05]"""
    images, gained, lost = len(one), int((one > other).sum()), int((one < other).sum())
    if not images:
        return nan, nan, nan, nan
    mean = (gained - lost) / images
    if images < FEWEST:
        return mean, nan, nan, nan
    from scipy.special import ndtri
    from scipy.stats import binomtest

    middle, variance = (gained - lost) / (images + 2), gained + lost + 1 - (gained - lost) ** 2 / (images + 2)
    reach = float(ndtri(0.975)) * sqrt(variance) / (images + 2)
    p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return mean, max(-1.0, middle - reach), min(1.0, middle + reach), p
