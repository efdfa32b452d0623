"""The one way pages show long work: its place in line, its progress, and a way to cancel it."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import streamlit as st

from explorer import compute, session
from explorer.jobs import Status
from explorer.words import duration, plain

__all__ = ["waiting"]


def waiting(key: Hashable, ask: Callable[[], Status], *, on_cancel: Callable[[], None]) -> None:
    """Draw the progress of a job and a way to cancel it, until it is done; then run the page again.

    Args:
        key: the job's, for the widgets' keys and for leaving the queue.
        ask: asks where it stands; each call says that this session still waits.
        on_cancel: called beside leaving the queue.
    """
    name = f"job_{hash(key)}"
    cancelled = False

    def cancel() -> None:
        nonlocal cancelled
        cancelled = True
        compute.JOBS.leave(key, session.waiter())
        on_cancel()

    @st.fragment(run_every=0.5)
    def poll() -> None:
        if cancelled:  # asking once more would start it again
            st.rerun()
        status = ask()
        if status.state == "done":
            st.rerun()
        if status.state == "failed":
            st.error(plain(f"That did not work: {status.error}"))
            st.button("Try again", key=f"{name}_retry", on_click=lambda: compute.JOBS.forget_error(key))
            return
        if status.state == "waiting":
            ahead = "one job" if status.position == 1 else f"{status.position} jobs"
            st.progress(0.0, f"In line: {ahead} before this one" if status.position else "Next in line")
        else:
            left = "" if status.seconds_left is None else f", about {duration(status.seconds_left)} left"
            st.progress(
                status.fraction,
                f"{status.done} of {status.total} {status.note}{left}" if status.total else "Starting ...",
            )

        st.button("Cancel", key=f"{name}_cancel", on_click=cancel)

    poll()
