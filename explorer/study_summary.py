"""The summary that ``python -m explorer study`` prints: means, and paired differences between methods."""

from __future__ import annotations

from math import isfinite, isnan, nan
from pathlib import Path
from typing import Any

import pandas as pd

from core.strategy import written
from core.studies import (
    AGREED,
    LEVEL,
    SCALARS,
    Store,
    comparable,
    compared,
    kind_of,
    summarise,
    why_no_interval,
    wilson,
)

__all__ = ["roar_lines", "study_lines"]


def study_lines(folder: str | Path) -> list[str]:
    """Return the means of a study's measures with their intervals, then the differences of every two methods."""
    rows = Store(folder).rows(measure=[*SCALARS, *AGREED], site=[""])
    table = summarise(rows)
    lines = [f"\n{'measure':22} {'method':28} {'sparsity':>8} {'with':22} {'mean':>9}  95 % interval"]
    for measure in SCALARS:
        for row in table[table["measure"] == measure].itertuples():
            other = row.other if measure.endswith("overlap") else ""
            title = written(row.method, row.options)
            lines.append(
                f"{measure:22} {title:28} {_share(row.sparsity):>8} {other:22} {row.mean:9.4g}  {_interval(row)}"
            )
    lines.append("Means of p_ratio and linear_radius are geometric, of their positive and finite values.")
    return [*lines, *_differences(rows.to_pandas())]


def _interval(row: Any) -> str:
    lost = [(row.zeros if kind_of(row.measure) == "geometric" else 0, "zero"), (row.infinite, "infinite")]
    if isnan(row.low):
        said = why_no_interval(row.images, row.measure, left_out=sum(count for count, _ in lost))
    else:
        said = f"{row.low:.4g} to {row.high:.4g} (n = {row.images})"
    left = [f"{count} {what}" for count, what in lost if count]
    return said + (f", {' and '.join(left)} left out" if left else "")


def _share(sparsity: float) -> str:
    return "" if isnan(sparsity) else f"{sparsity:g}"


def _differences(rows: pd.DataFrame) -> list[str]:
    """Return a matrix for each measure and sparsity: rows minus, or over, columns."""
    rows = rows[rows["value"].notna() & rows["measure"].astype(str).map(comparable).astype(bool)]
    pairs = zip(rows["method"], rows["options"], strict=True)
    rows = rows.assign(who=[written(str(method), str(options)) for method, options in pairs])
    lines = []
    for measure in SCALARS:
        own = rows[rows["measure"] == measure]
        for sparsity in sorted(own["sparsity"].dropna().unique()) or [nan]:
            here = own[(own["sparsity"] == sparsity) | own["sparsity"].isna()]
            methods = list(dict.fromkeys(here["who"]))
            if len(methods) > 1:
                lines += _matrix(compared(here, "who", methods), methods, measure, sparsity)
    if not lines:
        return []
    return [
        "\nPaired differences on the images that both have: row - column, of p_ratio and linear_radius row / column; "
        f"(n);\n* where the p value, adjusted by Holm's method within its table, is below {LEVEL:g}; ? where n is too "
        "small for a test.",
        *lines,
    ]


def _matrix(found: pd.DataFrame, methods: list[str], measure: str, sparsity: float) -> list[str]:
    cells = {(row["first"], row["second"]): _cell(row) for row in found.to_dict("records")}
    at = "" if isnan(sparsity) else f", sparsity {sparsity:g}"
    width = max(len(name) for name in [*methods, *cells.values()]) + 1
    lines = [f"\n{measure}{at}", " " * width + "".join(f"{name:>{width}}" for name in methods[:-1])]
    for first in methods[1:]:
        own = "".join(f"{cells.get((first, second), ''):>{width}}" for second in methods[:-1])
        lines.append(f"{first:{width}}{own}".rstrip())
    return lines


def _cell(row: dict[str, Any]) -> str:
    if not isfinite(row["difference"]):
        return f"- ({row['images'] - row['left_out']})"
    mark = "?" if isnan(row["p"]) else "*" if row["adjusted"] < LEVEL else " "
    return f"{row['difference']:.3g}{mark}({row['images'] - row['left_out']})"


def roar_lines(folder: str | Path, tested: int) -> list[str]:
    """Return mean accuracies with their spread over seeds, and the test set's own error.

    Args:
        folder: of the results.
        tested: images that accuracies are measured on.
    """
    rows = Store(folder).rows(measure=["roar_accuracy"]).to_pandas()
    rows = rows[rows["value"].notna()]
    groups = rows.groupby(["x", "method", "options"], observed=True)["value"].agg(
        ["mean", "min", "max", "std", "count"]
    )
    lines = []
    for (x, method, options), row in groups.iterrows():
        title = written(method, options) or "unchanged"
        count = int(row["count"])
        spread = (
            f"{count} seeds from {row['min']:.4f} to {row['max']:.4f}, standard deviation {row['std']:.4f}"
            if count > 1
            else "1 seed: no spread"
        )
        low, high = wilson(row["mean"] * tested, tested)
        lines.append(
            f"{title:28} {x:5.0%} removed: accuracy {row['mean']:.4f} ({spread}; {tested:,} test images alone: "
            f"{low:.4f} to {high:.4f})"
        )
    return lines
