"""The choice of runs, sparsity and class, and the rows of each run for it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from core.attribution import BASELINES
from core.errors import PathwayError
from core.methods import METHODS
from explorer import ui
from explorer.plots import Theme, counted, plain
from explorer.state import MOST_RUNS, SPARSITIES, View
from explorer.views import lesson
from explorer.views.studies.runs import ORIGINAL, Census, Run, census, find_runs, read

__all__ = ["Studied", "at_sparsity", "choose", "coloured", "gathered", "nearest", "show_sidebar", "titles"]

ALL = "all classes"
OFTEN = 0.9  # the sparsity shown where the runs do not have the view's


@dataclass(frozen=True)
class Studied:
    """A run as the page shows it.

    Attributes:
        run: the run.
        census: which images it has.
        sparsity: of its pathways; None where it has none at the sparsity chosen.
        label: class whose images are shown, "" for all.
        place: among the runs shown.
    """

    run: Run
    census: Census
    sparsity: float | None
    label: str
    place: int

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Return a key of everything that its rows depend on."""
        return self.run.folder, self.run.stamp, self.sparsity, self.label, self.place

    def rows(self, *measures: str, overall: bool = True, every: bool = False) -> pd.DataFrame:
        """Return rows of the class and the sparsity chosen.

        Args:
            measures: of the rows.
            overall: about all sites together, or of each site.
            every: of all sparsities instead of the one chosen; rows without a sparsity are always there.

        Raises:
            PathwayError: a file is damaged.
        """
        found = read(self.run, measures, overall=overall)
        if self.label:
            found = found[found["label"] == self.label]
        if not every:
            found = found[(found["sparsity"] == self.sparsity) | found["sparsity"].isna()]
        return found

    def about(self, images: int | None = None, *, at: float | None = None) -> str:
        """Return network, data, images, class and sparsity in words; of all sparsities where none is given."""
        what = f"{self.run.network} on {self.run.dataset}"
        if images is not None:
            what += f", {counted(images, 'image')}"
        what += f" of class {self.label}" if self.label else ""
        return what + (f", sparsity {100 * at:.4g} %" if at is not None else "")


def choose(page: ui.PageContext) -> list[Studied]:
    """Draw the choice of runs, sparsity and class in the sidebar; return the runs chosen that can be read."""
    runs, problems = find_runs()
    for problem in problems:
        st.warning(plain(problem))
    if not runs:
        return []
    with st.sidebar:
        names = _choose_runs(page, list(runs))
        known = _counted({name: runs[name] for name in names})
        sparsity = _choose_sparsity(page, [runs[name] for name in known])
        label = _choose_label(page, known)
    return [
        Studied(
            runs[name],
            counts,
            sparsity if sparsity in runs[name].sparsities else None,
            label if label in counts.labels else "",
            place,
        )
        for place, (name, counts) in enumerate(known.items())
    ]


def show_sidebar() -> None:
    """Draw what every page's sidebar ends with."""
    with st.sidebar:
        lesson.end_sidebar()


def _choose_runs(page: ui.PageContext, names: list[str]) -> list[str]:
    asked = page.view.runs
    unknown = [name for name in asked if name not in names]
    if unknown:
        st.warning(plain(f"The link asks for runs that are not here: {', '.join(unknown)}."))
    chosen = tuple(name for name in asked if name in names) or (names[0],)
    st.multiselect(
        "Runs",
        names,
        default=list(ui.settle("studied_runs", list(chosen))),
        key="studied_runs",
        max_selections=MOST_RUNS,
        on_change=lambda: ui.session.change(lambda v: replace(v, runs=tuple(st.session_state["studied_runs"]))),
        help="Runs in assets/studies, and in the folders that the environment variable PATHWAY_STUDIES lists.",
    )
    return list(chosen)


def _counted(runs: Mapping[str, Run]) -> dict[str, Census]:
    """Return which images each run has; name those that cannot be read."""
    found = {}
    for name, run in runs.items():
        try:
            found[name] = census(run)
        except PathwayError as problem:
            st.warning(plain(f"The run {name} cannot be shown: {problem}"))
    return found


def _choose_sparsity(page: ui.PageContext, runs: Sequence[Run]) -> float | None:
    known = sorted({sparsity for run in runs for sparsity in run.sparsities})
    if not known:
        return None
    chosen = nearest(page.view, known)

    def changed() -> None:
        value = st.session_state["studied_at"]
        if value is not None:
            ui.session.change(lambda v: at_sparsity(v, value))

    st.segmented_control(
        "Sparsity",
        known,
        required=True,
        default=ui.settle("studied_at", chosen),
        key="studied_at",
        format_func=lambda s: f"{100 * s:.4g} %",
        on_change=changed,
        help="Share of neurons off the pathways.",
    )
    return chosen


def nearest(view: View, known: Sequence[float]) -> float:
    """Return the sparsity shown, of those that the runs have: the view's, else 90 %, else the first."""
    wanted = [sparsity for sparsity in (view.studied_at, view.sparsity, OFTEN) if sparsity is not None]
    return next((sparsity for sparsity in wanted if sparsity in known), known[0])


def at_sparsity(view: View, sparsity: float) -> View:
    """Return the view at a run's sparsity, which the slider of other pages may not have."""
    if sparsity in SPARSITIES:
        return replace(view, sparsity=sparsity, studied_at=None)
    return replace(view, studied_at=sparsity)


def _choose_label(page: ui.PageContext, known: Mapping[str, Census]) -> str:
    labels = list(dict.fromkeys(label for counts in known.values() for label in counts.labels))
    if not labels:
        return ""
    asked = page.view.label
    if asked and asked not in labels:
        st.warning(plain(f"No image here is of class {asked}; all are shown."))
    chosen = asked if asked in labels else ""
    options = ["", *labels]
    st.selectbox(
        "Class",
        options,
        index=options.index(ui.settle("studied_label", chosen)),
        key="studied_label",
        format_func=lambda label: label or ALL,
        on_change=lambda: ui.session.change(lambda v: replace(v, label=st.session_state["studied_label"])),
        help="The class an image belongs to, whatever the network predicts.",
    )
    return chosen


def gathered(studied: Sequence[Studied], *measures: str, **how: bool) -> list[tuple[Studied, pd.DataFrame]]:
    """Return each run's rows of some measures, without the runs that have none; see ``Studied.rows``."""
    found = []
    for each in studied:
        try:
            rows = each.rows(*measures, **how)
        except PathwayError as problem:
            st.warning(plain(f"{each.run.name}: {problem}"))
            continue
        if not rows.empty:
            found.append((each, rows))
    return found


def titles(studied: Sequence[Studied]) -> list[str]:
    """Return the titles of all methods in the runs, in the order in which methods are shown."""
    methods = _methods(studied)
    order = {name: place for place, name in enumerate((ORIGINAL, *METHODS, *BASELINES))}
    return sorted(methods, key=lambda title: order.get(methods[title], len(order)))  # as they come, within a method


def coloured(studied: Sequence[Studied], theme: Theme) -> dict[str, str]:
    """Return the colour of every method in the runs by its title, in the order in which methods are shown."""
    families = {ORIGINAL: "reference"} | {name: method.family for name, method in METHODS.items()}
    families |= {title: _family(name) for title, name in _methods(studied).items() if title not in families}
    shades = dict(zip(families, theme.shades(list(families.values())), strict=True))
    return {title: shades[title] for title in titles(studied)}


def _methods(studied: Sequence[Studied]) -> dict[str, str]:
    """Return the method of every title in the runs; the original network counts as one."""
    return {ORIGINAL: ORIGINAL} | {title: method for each in studied for title, method in each.run.methods.items()}


def _family(method: str) -> str:
    return METHODS[method].family if method in METHODS else "attribution" if method in BASELINES else "baseline"
