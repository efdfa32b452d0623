"""Intervals against SciPy, statsmodels and simulations of their coverage; paired tests; overlaps of pairs of images."""

from __future__ import annotations

from itertools import combinations
from math import exp, inf, isnan, log, nan

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.studies import comparable, compared, holm, interval, why_no_interval
from core.studies.agreement import pair_means
from core.studies.intervals import centre, intervals, kind_of, student
from core.studies.summary import summarised

TIMES = 1200  # samples of a simulation: three standard errors of a coverage of 0.95 are 0.019


def coverage(draw, size: int, wanted: float, kind: str = "mean") -> float:
    random = np.random.default_rng(size)
    ends = intervals([draw(random, size) for _ in range(TIMES)], kind)
    return float(np.mean((ends[:, 0] <= wanted) & (wanted <= ends[:, 1])))


# ----------------------------------------------------------------------------------------------------------- intervals


@pytest.mark.parametrize("size", [5, 11, 30, 150])
def test_means_of_normal_values_are_covered(size):
    assert 0.93 < coverage(lambda random, n: random.normal(3, 1, n), size, 3.0) < 0.985


@pytest.mark.parametrize("size", [5, 11, 30])
def test_means_of_skewed_shares_are_covered(size):  # by percentiles 0.76, 0.87 and 0.91
    assert 0.91 < coverage(lambda random, n: random.beta(0.5, 5, n), size, 0.5 / 5.5) < 0.98


@pytest.mark.parametrize("size", [5, 11, 30])
def test_means_of_log_normal_values_are_covered_better_than_by_percentiles(size):  # which cover 0.72, 0.81 and 0.88
    assert 0.88 < coverage(lambda random, n: random.lognormal(0, 1, n), size, exp(0.5)) < 0.97


@pytest.mark.parametrize("size", [5, 11, 30])
def test_geometric_means_of_log_normal_values_are_covered(size):
    assert 0.93 < coverage(lambda random, n: random.lognormal(-9, 2, n), size, exp(-9), "geometric") < 0.985


@pytest.mark.parametrize(("share", "size"), [(0.9, 11), (0.9, 30), (0.5, 5), (0.5, 11)])
def test_shares_are_covered(share, size):
    draw = lambda random, n: (random.random(n) < share).astype(float)  # noqa: E731
    hits = np.arange(size + 1)
    ends = intervals([np.repeat([1.0, 0.0], [k, size - k]) for k in hits], "share")
    exact = stats.binom.pmf(hits, size, share)[(ends[:, 0] <= share) & (share <= ends[:, 1])].sum()
    assert 0.9 < exact < 0.99
    assert coverage(draw, size, share, "share") == pytest.approx(exact, abs=0.03)


@pytest.mark.parametrize(("hits", "size"), [(11, 11), (0, 11), (9, 11), (3, 5), (170, 200)])
def test_shares_have_wilsons_interval(hits, size):
    proportion_confint = pytest.importorskip("statsmodels.stats.proportion").proportion_confint
    values = np.repeat([1.0, 0.0], [hits, size - hits])
    assert interval(values, "share") == pytest.approx(proportion_confint(hits, size, method="wilson"), abs=1e-12)
    assert kind_of("prediction_kept") == kind_of("pointing_game") == kind_of("near_chance") == "share"


def test_all_of_eleven_is_not_certain():
    low, high = interval(np.ones(11), "share")
    assert (low, high) == pytest.approx((11 / (11 + 1.959964**2), 1.0), abs=1e-6)  # by hand: n / (n + z^2)


@pytest.mark.parametrize("size", [5, 11, 60])
def test_bootstrap_t_is_what_it_is_written_out(size):
    values = np.random.default_rng(size).gamma(2, 1, size)
    error = stats.sem(values)
    drawn = []
    for places in np.random.default_rng(0).integers(size, size=(1000, size)):
        sample = [float(values[place]) for place in places]
        spread = float(stats.sem(sample))
        gap = sum(sample) / size - values.mean()
        drawn.append(gap / spread if len(set(sample)) > 1 else float(np.copysign(inf, gap)))
    upper, lower = np.quantile(drawn, [0.025, 0.975])
    assert interval(values) == pytest.approx((values.mean() - lower * error, values.mean() - upper * error), rel=1e-6)


def test_many_images_and_samples_that_are_mostly_of_one_value_have_students_interval():
    random = np.random.default_rng(0)
    for values in (random.lognormal(size=400), np.array([0.0] * 10 + [0.1])):
        expected = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        assert interval(values) == pytest.approx(expected, rel=1e-9)
    columns = random.normal(size=(7, 3))
    low, high = stats.t.interval(0.95, 6, columns.mean(0), stats.sem(columns))
    np.testing.assert_allclose(student(columns), np.stack([low, high], 1), rtol=1e-9)


def test_groups_of_all_sizes_have_their_own_intervals():
    random = np.random.default_rng(1)
    groups = [random.normal(size=n) for n in (5, 1, 200, 5, 4)] + [np.array([1.0] * 4 + [inf]), np.zeros(9)]
    np.testing.assert_array_equal(intervals(groups), [interval(group) for group in groups])
    assert np.isnan(intervals(groups))[:, 0].tolist() == [False, True, False, False, True, True, True]


@pytest.mark.parametrize("kind", ["mean", "share", "geometric"])
def test_there_is_no_interval_below_five_values(kind):
    for count in range(5):
        assert all(map(isnan, interval(np.array([1.0, 0.0, 1.0, 1.0])[:count], kind)))
    assert why_no_interval(3, "dead_share") == "n = 3: too few for an interval"
    assert why_no_interval(11, "linear_radius", left_out=8) == "n = 3: too few for an interval"
    assert why_no_interval(11, "dead_share") == "n = 11: all values are equal, hence no interval"


def test_geometric_means_leave_out_zeros_and_infinities_and_count_them():
    values = np.array([0.0, 1.0, 10.0, 100.0, 1000.0, 10000.0, inf, 0.0])
    assert centre(values, "geometric") == pytest.approx(100)
    low, high = interval(values, "geometric")
    assert (low, high) == pytest.approx(tuple(np.exp(interval(np.log(values[1:6])))))
    assert isnan(centre(np.zeros(3), "geometric"))
    rows = pd.DataFrame({"who": "a", "measure": "linear_radius", "value": values, "achieved": 0.9})
    row = summarised(rows, ["who"]).iloc[0]
    assert row[["images", "zeros", "infinite"]].tolist() == [8, 2, 1]
    assert (row["mean"], row["low"]) == (pytest.approx(100), low)
    assert row["median"] == pytest.approx(55)


# ------------------------------------------------------------------------------------------------------ class agreement


def literal(overlaps, labels, of):
    """Means of same and other pairs of images drawn, pair by pair."""
    found = ([], [])
    for places in np.random.default_rng(0).integers(len(labels), size=(1000, len(labels))):
        pairs = [(i, j) for i in places for j in places if i != j and not isnan(overlaps[i, j])]
        pairs = [(i, j) for i, j in pairs if of in ("", labels[i])]
        for kept, same in zip(found, (True, False), strict=True):
            shares = [overlaps[i, j] for i, j in pairs if (labels[i] == labels[j]) is same]
            kept.append(np.mean(shares) if shares else nan)
    return [tuple(np.nanquantile(kept, [0.025, 0.975])) for kept in found]


def images(size: int, classes: int, random: np.random.Generator):
    """Overlaps 0.4 within and 0.3 between classes, with an effect of each image, 0.03, on all its pairs."""
    labels, effects = random.integers(classes, size=size).astype(str), random.normal(0, 0.03, size)
    noise = np.triu(random.normal(0, 0.01, (size, size)))
    overlaps = 0.3 + 0.1 * (labels[:, None] == labels) + effects[:, None] + effects + noise + noise.T
    np.fill_diagonal(overlaps, nan)
    return overlaps, labels


def test_pairs_weigh_as_often_as_both_images_are_drawn():
    overlaps, labels = images(9, 2, np.random.default_rng(3))
    labels[:5], labels[5:] = "a", "b"
    overlaps[2, 7] = overlaps[7, 2] = nan  # both empty: no pair
    found = pair_means(overlaps, labels)
    assert set(found) == {"", "a", "b"}
    for of in ("", "a"):
        same, other = found[of]["same_class_overlap"], found[of]["other_class_overlap"]
        expected = literal(overlaps, labels, of)
        assert (same[1:], other[1:]) == (pytest.approx(expected[0]), pytest.approx(expected[1]))
    within = [overlaps[i, j] for i, j in combinations(range(9), 2) if labels[i] == labels[j]]
    assert found[""]["same_class_overlap"][0] == pytest.approx(np.mean(within))
    assert isnan(found["b"]["same_class_overlap"][1])  # of four images
    assert not isnan(found["b"]["same_class_overlap"][0])


def test_intervals_over_pairs_cover_what_those_over_images_means_do_not():
    random, hits, naive = np.random.default_rng(5), [], []
    for _ in range(150):
        overlaps, labels = images(20, 3, random)
        _, low, high = pair_means(overlaps, labels)[""]["other_class_overlap"]
        hits.append(low <= 0.3 <= high)
        own = [np.nanmean(np.where(labels != labels[row], overlaps[row], nan)) for row in range(20)]
        low, high = interval(np.array(own))
        naive.append(low <= 0.3 <= high)
    assert 0.85 < np.mean(hits) < 0.99
    assert np.mean(naive) < 0.8


def test_summaries_take_means_and_intervals_of_pairs_from_their_own_rows():
    rows = pd.DataFrame(
        [("a", "same_class_overlap", v) for v in (0.1, 0.2, 0.6, 0.2, 0.3)]
        + [("b", "same_class_overlap", v) for v in (0.1, 0.2, 0.6, 0.2, 0.3)]
        + [("a", "same_class_overlap_mean", 0.25), ("a", "same_class_overlap_low", 0.1)]
        + [("a", "same_class_overlap_high", 0.5)],
        columns=["who", "measure", "value"],
    ).assign(achieved=0.9)
    found = summarised(rows, ["who", "measure"])
    assert found[["mean", "low", "high"]].iloc[0].tolist() == [0.25, 0.1, 0.5]
    assert found["mean"][1] == pytest.approx(0.28)  # a file of before
    assert isnan(found["low"][1])
    assert found["images"].tolist() == [5, 5]
    assert why_no_interval(5, "same_class_overlap") == "n = 5: no interval in this run's files"


# ---------------------------------------------------------------------------------------------------------- comparison


def of(measure: str, **methods) -> pd.DataFrame:
    rows = [(who, i, v) for who, values in methods.items() for i, v in enumerate(values) if not isnan(v)]
    return pd.DataFrame(rows, columns=["who", "index", "value"]).assign(measure=measure)


def test_p_values_are_adjusted_as_holm_does():
    assert holm(np.array([0.01, 0.04, nan, 0.03])) == pytest.approx([0.03, 0.06, nan, 0.06], nan_ok=True)  # by hand
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    for seed in range(5):
        values = np.random.default_rng(seed).random(12) ** 3
        np.testing.assert_allclose(holm(values), multipletests(values, method="holm")[1])


def test_differences_are_paired_on_the_images_that_both_have():
    random = np.random.default_rng(2)
    base = random.normal(0, 5, 12)
    one, other = base + random.normal(0, 0.1, 12), base + 0.3 + random.normal(0, 0.1, 12)
    one[3] = other[5] = nan
    found = compared(of("dead_share", a=one, b=other, c=base), "who", ["a", "b", "c", "not there"])
    assert list(zip(found["first"], found["second"], strict=True)) == [("b", "a"), ("c", "a"), ("c", "b")]
    both = ~np.isnan(one) & ~np.isnan(other)
    expected = stats.ttest_rel(other[both], one[both])
    row = found.iloc[0]
    assert row["images"] == 10
    assert row["difference"] == pytest.approx(np.mean(other[both] - one[both]))
    assert row["p"] == pytest.approx(expected.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected.confidence_interval()))
    assert found["adjusted"].tolist() == holm(found["p"].to_numpy()).tolist()
    unpaired = stats.ttest_ind(other[both], one[both]).pvalue
    assert row["p"] < 1e-4 < 0.5 < unpaired  # what pairing is for


def test_radii_are_compared_by_their_ratio_and_zeros_are_left_out():
    one = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 1.0])
    other = np.array([2.1, 3.9, 6.2, 8.1, 9.8, 12.2, 1.0, inf])
    row = compared(of("linear_radius", a=one, b=other), "who", ["a", "b"]).iloc[0]
    logs = np.log(other[:6] / one[:6])
    assert (row["images"], row["left_out"]) == (8, 2)
    assert row["difference"] == pytest.approx(exp(logs.mean()))
    assert row["p"] == pytest.approx(stats.ttest_1samp(logs, 0).pvalue)
    ends = stats.t.interval(0.95, 5, logs.mean(), stats.sem(logs))
    assert (log(row["low"]), log(row["high"])) == pytest.approx(ends)


def test_predictions_kept_are_compared_as_mcnemar_does():
    mcnemar = pytest.importorskip("statsmodels.stats.contingency_tables").mcnemar
    one, other = np.repeat([1.0, 1, 0, 0], [4, 1, 9, 2]), np.repeat([1.0, 0, 1, 0], [4, 1, 9, 2])
    row = compared(of("prediction_kept", a=one, b=other), "who", ["a", "b"]).iloc[0]
    assert row["p"] == pytest.approx(mcnemar([[4, 1], [9, 2]], exact=True).pvalue)
    assert row["difference"] == 0.5
    half, n = (10 - 2) / 2, 16 + 2  # Agresti and Min by hand: 4.5, 1.5, 9.5 and 2.5 of 18
    assert half / 8 == row["difference"]
    reach = 1.959964 * (11 - 8**2 / n) ** 0.5 / n
    assert (row["low"], row["high"]) == pytest.approx((8 / n - reach, 8 / n + reach), abs=1e-6)


def test_few_images_equal_values_and_nobody_in_common():
    few = compared(of("dead_share", a=[1.0, 2, 3, 4], b=[2.0, 3, 4, 6], c=[nan] * 4 + [1.0]), "who", ["a", "b", "c"])
    assert few["images"].tolist() == [4, 0, 0]
    assert few["difference"].tolist() == pytest.approx([1.25, nan, nan], nan_ok=True)
    assert few[["low", "p", "adjusted"]].isna().all().all()
    same = compared(of("dead_share", a=[0.0] * 6, b=[0.0] * 6, c=[0.5] * 6), "who", ["a", "b", "c"])
    assert same["p"].tolist() == [1.0, 0.0, 0.0]
    assert same["adjusted"].tolist() == [1.0, 0.0, 0.0]
    assert compared(same[:0], "who", ["a"]).empty
    assert not comparable("same_class_overlap")
    assert comparable("dead_share")


@pytest.mark.thorough
@pytest.mark.parametrize("measure", ["dead_share", "p_ratio", "prediction_kept"])
def test_a_false_difference_is_seldom_found_among_many(measure):
    random, found = np.random.default_rng(4), 0
    for _ in range(120):
        values = random.lognormal(size=(5, 11))
        drawn = (
            (values > 1).astype(float)
            if measure == "prediction_kept"
            else values
            if measure == "p_ratio"
            else np.log(values)
        )
        table = compared(
            of(measure, **{f"m{i}": row for i, row in enumerate(drawn)}), "who", [f"m{i}" for i in range(5)]
        )
        found += bool((table["adjusted"] < 0.05).any())
    assert found / 120 < 0.1  # without Holm: about 0.3


@pytest.mark.parametrize("measure", ["overlap", "lerf_area"])
def test_infinite_values_are_in_no_mean_and_are_counted(measure):
    values = [1.0, 2.0, 3.0, 4.0, 5.0, inf]
    row = summarised(pd.DataFrame({"measure": measure, "value": values, "achieved": 0.9}), ["measure"]).iloc[0]
    assert row["mean"] == 3
    assert (row["low"], row["high"]) == interval(np.array(values[:5]))
    assert row[["images", "zeros", "infinite"]].tolist() == [6, 0, 1]
    assert isnan(centre(np.array([inf, inf]), "mean"))


def test_a_mean_p_ratio_of_the_largest_and_smallest_floats_is_finite():
    """e^700 and e^-700 five times each: their product overflows, and the mean of their logarithms is 0."""
    values = np.array([exp(700), exp(-700)] * 5)
    assert centre(values, "geometric") == pytest.approx(1)
    low, high = interval(values, "geometric")
    assert 0 < low < 1 < high
    assert low == pytest.approx(1 / high)
