"""ROAR: the accuracy of networks trained anew on images without the pixels that a method calls relevant."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from core.studies import wilson
from explorer import ui
from explorer.plots import Axis, Line, banded, counted, curves, number, percent, plain, whiskered
from explorer.views.studies import paper
from explorer.views.studies.choice import Studied, coloured, gathered
from explorer.views.studies.showing import (
    Drawn,
    heading,
    offer_files,
    show,
)

__all__ = ["show_roar"]

PRINTED = {"roar_cifar_10": "CIFAR-10, ResNet8", "roar_birdsnap": "Birdsnap"}


def show_roar(page: ui.PageContext, studied: Sequence[Studied]) -> None:
    """Show accuracy over the fraction of pixels removed, beside the paper's."""
    found = gathered(studied, "roar_accuracy", every=True)
    if not found:
        return
    st.markdown("## Does accuracy fall where the evidence was removed?")
    for each, rows in found:
        heading(each, studied)
        with st.container(key=f"charts_roar_{each.place}"):
            left, right = st.columns(2)
        with left:
            colours = coloured(studied, page.theme)
            draw = partial(_draw_ours, each, rows, colours)
            show("remove and retrain", [each], tuple(colours.items()), draw, at=False)
        with right:
            _show_papers(each)


def _draw_ours(each: Studied, rows: pd.DataFrame, colours: dict[str, str]) -> Drawn:
    untouched = rows.loc[rows["x"] == 0, "value"]
    groups = rows[rows["x"] > 0].groupby(["who", "x"], observed=True)["value"]
    means = groups.agg(["mean", "min", "max", "std", "count"]).reset_index()
    tested = int(each.run.manifest["dataset"]["test"])
    lines, between, errors, said = [], [], [], []
    for who in [name for name in colours if name in set(means["who"])]:
        own = means[means["who"] == who].sort_values("x")
        start = [float(untouched.mean())] if len(untouched) else []
        lines.append(Line(who, colours[who], (*start, *own["mean"]), (*([0.0] * len(start)), *own["x"])))
        ends = [([float(untouched.min())], [float(untouched.max())])] if len(untouched) else [([], [])]
        between.append((ends[0][0] + own["min"].tolist(), ends[0][1] + own["max"].tolist()))
        errors.append(_errors(lines[-1].y, tested))
        said += [f"{who} at {percent(r.x, 0)} removed {percent(r.mean)}" for r in own.itertuples()]
    figure = curves(lines, Axis("pixels removed", percent=True), Axis("test accuracy", percent=True), height=360)
    banded(figure, between, percent=True)
    whiskered(figure.data[-len(lines) :] if lines else (), errors, percent=True)
    whole = (
        f"unchanged images {percent(float(untouched.mean()))}" if len(untouched) else "unchanged images not there yet"
    )
    trainings = int(rows["other"].nunique())
    seeds = counted(trainings, "training")
    spread = "shaded: from the lowest to the highest training" if trainings > 1 else "one training alone has no spread"
    if trainings == 1:
        said.append("one training of each kind, so no spread")
    return Drawn(
        figure,
        f"Test accuracy after removing the most relevant pixels and training anew, {each.about()}: {whole}; "
        f"{'; '.join(said)}.",
        f"Ours: {plain(each.about())}, {seeds} of each kind; {plain(whole)}. Lines: mean; {spread}; "
        f"whiskers: Wilson's 95 % interval of an accuracy measured on {number(tested)} test images, the test set's own "
        "error. Lower is better: what a good map points at is missed.",
        _records(each, untouched, means, tested),
    )


def _records(each: Studied, untouched: pd.Series, means: pd.DataFrame, tested: int) -> list[dict[str, object]]:
    """Return the accuracies as rows of a table, that on unchanged images first if it is there."""
    methods: list[dict[str, object]] = [
        {
            "run": each.run.name,
            "method": r.who,
            "removed": r.x,
            "accuracy": r.mean,
            "lowest": r.min,
            "highest": r.max,
            "standard deviation": r.std,
            "trainings": r.count,
            **_test_error(r.mean, tested),
        }
        for r in means.itertuples(name="Accuracy")
    ]
    if not len(untouched):
        return methods
    return [{"run": each.run.name, "method": "", "removed": 0.0, **_unchanged(untouched, tested)}, *methods]


def _errors(accuracies: Sequence[float], tested: int) -> tuple[list[float], list[float]]:
    """Return where the intervals of accuracies measured on a number of images begin and end."""
    ends = [wilson(accuracy * tested, tested) for accuracy in accuracies]
    return [low for low, _ in ends], [high for _, high in ends]


def _test_error(accuracy: float, tested: int) -> dict[str, object]:
    low, high = wilson(accuracy * tested, tested)
    return {"test low": low, "test high": high, "test images": tested}


def _unchanged(values: pd.Series, tested: int) -> dict[str, object]:
    return {
        "accuracy": float(values.mean()),
        "lowest": float(values.min()),
        "highest": float(values.max()),
        "standard deviation": float(values.std()),
        "trainings": len(values),
        **_test_error(float(values.mean()), tested),
    }


def _show_papers(each: Studied) -> None:
    rows: list[dict[str, object]] = []
    for table, title in PRINTED.items():
        fractions, accuracies, unmodified = paper.roar(table)
        rows += [
            {"data": title, "method": name, "0 %": unmodified}
            | {percent(f, 0): value for f, value in zip(fractions, values, strict=True)}
            for name, values in accuracies.items()
        ]
    st.markdown("**The paper's own accuracies**, by pixels removed")
    st.dataframe(
        [{k: v if isinstance(v, str) else f"{100 * float(str(v)):.2f}" for k, v in row.items()} for row in rows],
        hide_index=True,
        height=360,
    )
    st.caption(
        "Paper: test accuracy in %, shipped with its code; one training a point, other networks and data than ours, so "
        "compare the order of methods, not the heights. NeuronIntGrad\\* is defined nowhere in it. The pathways' "
        "sparsity is not printed."
    )
    offer_files(rows, "remove and retrain in the paper", [each], at=False)
