"""Long work on a page: its place in line, its progress, and a way to cancel it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from explorer.compute import jobs
from explorer.compute.errands import Errand
from explorer.compute.jobs import Status
from explorer.plots.words import duration, plain
from explorer.ui import session

__all__ = ["cancelled", "gathered", "offer_start", "started", "wait", "waiting"]


def wait(key: Hashable, ask: Callable[[], Status], name: str, show: Callable[[], None] = lambda: None) -> None:
    """Draw a job's progress and a way to cancel it; or, once this person cancelled it, a way to start it again.

    Args and what follows are those of ``waiting``.
    """
    _wait(key, ask, name, key, show)


def _wait(
    key: Hashable, ask: Callable[[], Status], name: str, mark: Hashable, show: Callable[[], None] = lambda: None
) -> None:
    """Wait for a job; ``mark`` is what is remembered when the person cancels."""
    if mark in cancelled():
        show()
        st.info("Cancelled.")
        offer_start(mark, name)
    else:
        waiting(key, ask, name=name, on_cancel=lambda: cancelled().add(mark), show=show)


def gathered(errand: Errand, name: str) -> tuple[Any, ...]:
    """Return the parts of an errand that are there, and draw its progress while others are missing.

    What was waited for at this place before, with other columns or options, is left; a cancelled place stays so.
    """
    asked: dict[str, Hashable] = st.session_state.setdefault("errands", {})
    before = asked.get(name)
    if before is not None and before != errand.key:
        jobs.leave(before, session.waiter())
    asked[name] = errand.key
    if not errand.complete:
        _wait(errand.key, errand.ask, name, ("place", name))
    return errand.parts


def cancelled() -> set[Hashable]:
    """Return the keys of the work that this person cancelled."""
    keys: set[Hashable] = st.session_state.setdefault("cancelled", set())
    return keys


def offer_start(key: Hashable, name: str) -> None:
    """Draw the button that starts cancelled work again."""
    st.button("Start it", key=f"start_{name}", on_click=lambda: cancelled().discard(key))


def started(name: str, label: str, note: str = "") -> bool:
    """Return whether this person has asked for what takes long; until then, draw the button that does."""
    asked: set[str] = st.session_state.setdefault("started", set())
    if name not in asked:
        st.button(label, key=f"begin_{name}", help=note or None, on_click=lambda: asked.add(name))
    return name in asked


def waiting(
    key: Hashable,
    ask: Callable[[], Status],
    *,
    name: str,
    on_cancel: Callable[[], None],
    show: Callable[[], None] = lambda: None,
) -> None:
    """Draw the progress of a job and a way to cancel it, until it is done; then run the page again.

    Args:
        key: the job's, for leaving the queue.
        ask: asks where it stands; each call says that this session still waits.
        name: of this place on the page, for the widgets' keys.
        on_cancel: called beside leaving the queue.
        show: draws what there is so far.
    """
    left = False

    def cancel() -> None:
        nonlocal left
        left = True
        jobs.leave(key, session.waiter())
        on_cancel()

    @st.fragment(run_every=0.5)
    def poll() -> None:
        if left:  # asking once more would start it again
            st.rerun()
        status = ask()
        if status.state in ("done", "failed"):
            st.rerun()
        show()
        _show_progress(status)
        st.button("Cancel", key=f"{name}_cancel", on_click=cancel)

    status = ask()
    if status.state == "failed":
        st.error(plain(f"That did not work: {status.error}"))
        st.button("Try again", key=f"{name}_retry", on_click=lambda: jobs.forget_error(key))
    else:
        poll()


def _show_progress(status: Status) -> None:
    """Show a job's place in line, or how far it is."""
    if status.state == "waiting":
        ahead = "one job" if status.position == 1 else f"{status.position} jobs"
        st.progress(0.0, f"In line: {ahead} before this one" if status.position else "Next in line")
        return
    rest = "" if status.seconds_left is None else f", about {duration(status.seconds_left)} left"
    st.progress(
        status.fraction, f"{status.done} of {status.total} {status.note}{rest}" if status.total else "Starting ..."
    )
