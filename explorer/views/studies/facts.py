"""Facts about each run: network, data, methods, time, command, and failures."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from explorer import ui
from explorer.plots import counted, number, percent, plain
from explorer.views.studies.choice import Studied

__all__ = ["show_empty", "show_facts"]

COMMAND = """\
# what can be studied, and what it costs
python -m explorer study --help

# a first run, about a minute
python -m explorer study --images fashion-mnist --network fashion_vgg --count 20 --out runs/first
PATHWAY_STUDIES="$PWD/runs" python -m explorer"""


def show_empty() -> None:
    """Say how to make a run."""
    st.info("There is no run to show yet. A study is made on the command line; this page then draws it.")
    st.code(COMMAND, language="bash")
    st.caption(
        "Runs are looked for in assets/studies, and in the folders that the environment variable PATHWAY_STUDIES "
        "lists: each a run, or a folder of runs."
    )


def show_facts(studied: Sequence[Studied]) -> None:
    """Show the facts about each run."""
    with st.container(key="panels"):
        for place, each in ui.in_rows(studied, min(3, len(studied) or 1)):
            with place, st.container(border=True):
                _show_run(each)


def _show_run(each: Studied) -> None:
    run = each.run
    st.html(ui.panel_title(run.name, _what(each)))
    with st.container(key=f"facts_{each.place}"):
        halves = list(_facts(each).items())
        for place, half in zip(st.columns(2), (halves[:4], halves[4:]), strict=True):
            with place:
                st.html(ui.facts(dict(half)))
    st.caption(f"Methods: {plain(', '.join(run.methods))}")
    if each.census.images < run.planned:
        st.info(
            f"Unfinished: {number(each.census.images)} of {number(run.planned)} "
            f"{'trainings' if run.is_roar else 'images'} are there. The command below goes on with the others."
        )
    if run.sparsities and each.sparsity is None:
        st.warning("This run has no pathways at the sparsity chosen, so that parts of this page leave it out.")
    for name, reason in run.manifest["network"].get("left_out", {}).items():
        st.caption(f"No site: {plain(name)}, {plain(reason)}.")
    others = run.manifest["network"].get("other_activations", {})
    if others:
        st.caption(
            f"Not covered by sites: {', '.join(f'{number(n)} values of {plain(kind)}' for kind, n in others.items())}."
        )
    with st.expander("Command"):
        st.code(run.manifest.get("command") or "not recorded", language="bash", wrap_lines=True)
        st.caption(plain(run.manifest.get("versions", "")))
    _show_failures(each)


def _what(each: Studied) -> str:
    run = each.run
    return f"remove and retrain on {run.dataset}" if run.is_roar else f"{run.network} on {run.dataset}"


def _facts(each: Studied) -> dict[str, str]:
    run, data = each.run, each.run.manifest["dataset"]
    started = str(run.manifest.get("started", ""))[:16].replace("T", " ")
    if run.is_roar:
        own = {
            "Trainings": number(each.census.images),
            "Images": f"{number(data['train'])} to train, {number(data['test'])} to test",
            "Networks": f"{run.network}, {run.plan['epochs']} epochs",
        }
    else:
        own = {
            "Images": f"{number(each.census.images)} of {number(data['images'])}",
            "Classes": number(len(run.classes)) if run.classes else "none",
            "Neurons": number(sum(run.manifest["network"]["sites"].values())),
            "Off the pathway": ui.held(run.plan["off"]),
            "Explained": "the predicted class" if run.plan["target"] == "predicted" else "the image's label",
        }
    return own | {
        "Sparsities": ", ".join(percent(s, 0 if round(100 * s) == 100 * s else 1) for s in run.sparsities) or "none",
        "Started": f"{started} UTC" if started else "not recorded",
    }


def _show_failures(each: Studied) -> None:
    failures = each.census.failures
    if not failures:
        return
    total = sum(count for _, _, count in failures)
    with st.expander(f":material/error: {counted(total, 'failure')}"):
        st.caption("Failures have no number and are left out of every mean on this page.")
        st.table([{"measure": measure, "times": count, "error": plain(error)} for measure, error, count in failures])
