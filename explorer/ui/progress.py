"""Long work on a page: it is submitted, its place in line and its progress are shown, and it can be cancelled.

What a person cancelled is remembered in their session, by the work's key or by the place on a page that wants it, and
is not submitted again until they start it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TypeVar

import streamlit as st

from explorer.compute import Ticket, Work, task_queue
from explorer.plots import duration, plain
from explorer.ui import session

__all__ = ["confirm", "offer_start", "show_progress", "show_progress_at", "start_again", "submit", "submit_at"]

R = TypeVar("R")


def submit(work: Work[R]) -> Ticket[R]:
    """Return where work stands for this person, submitted in their name unless they cancelled it."""
    return _submit(work, work.key)


def submit_at(place: str, work: Work[R]) -> Ticket[R]:
    """Return where the work that a place on the page wants stands; see ``submit``.

    What the place wanted before, with other columns or options, is left; a cancelled place stays so.
    """
    places: dict[str, Hashable] = st.session_state.setdefault("places", {})
    before = places.get(place)
    if before is not None and before != work.key:
        task_queue.QUEUE.leave(before, session.waiter())
    places[place] = work.key
    return _submit(work, _at(place))


def show_progress(ticket: Ticket[R], name: str, show: Callable[[], None] = lambda: None) -> None:
    """Draw how far unfinished work is with a way to cancel it, to start it again or to try again.

    The page runs again once it is done.

    Args:
        ticket: what ``submit`` returned.
        name: of this place on the page, for the widgets' keys.
        show: draws what there is so far.
    """
    _show(ticket, name, ticket.work.key, show)


def show_progress_at(place: str, ticket: Ticket[R]) -> None:
    """Draw how far the work is that a place wants, unless it is done; see ``show_progress``."""
    if ticket.state != "ready":
        _show(ticket, place, _at(place), lambda: None)


def offer_start(key: Hashable, name: str) -> None:
    """Draw the button that starts cancelled work again."""
    st.button("Start it", key=f"start_{name}", on_click=lambda: start_again(key))


def start_again(key: Hashable) -> None:
    """Let work that this person cancelled be submitted again, from a callback."""
    _cancelled().discard(key)


def confirm(name: str, label: str, note: str = "") -> bool:
    """Draw the button that asks for what takes long, until this person has pressed it; return whether they have."""
    asked: set[str] = st.session_state.setdefault("confirmed", set())
    if name not in asked:
        st.button(label, key=f"begin_{name}", help=note or None, on_click=lambda: asked.add(name))
    return name in asked


def _at(place: str) -> Hashable:
    return ("place", place)


def _cancelled() -> set[Hashable]:
    keys: set[Hashable] = st.session_state.setdefault("cancelled", set())
    return keys


def _submit(work: Work[R], mark: Hashable) -> Ticket[R]:
    """Return the ticket as this person sees it: the queue's, or a cancelled one where they cancelled ``mark``."""
    if mark not in _cancelled():
        return task_queue.QUEUE.submit(work, session.waiter())
    ticket = task_queue.QUEUE.peek(work)
    return ticket if ticket.state == "ready" else replace(ticket, state="cancelled")


def _show(ticket: Ticket[R], name: str, mark: Hashable, show: Callable[[], None]) -> None:
    key = ticket.work.key
    if ticket.state == "cancelled":
        show()
        st.info("Cancelled.")
        offer_start(mark, name)
    elif ticket.state == "failed":
        st.error(plain(f"That did not work: {ticket.error}"))
        st.button("Try again", key=f"{name}_retry", on_click=lambda: task_queue.QUEUE.retry(key))
    else:
        _poll(ticket.work, name, mark, show)


def _poll(work: Work[R], name: str, mark: Hashable, show: Callable[[], None]) -> None:
    """Draw the progress of work until it is done, has failed or was cancelled; then run the page again."""
    key = work.key  # the session keeps what a button calls, and the work holds a scene

    def cancel() -> None:
        _cancelled().add(mark)
        task_queue.QUEUE.leave(key, session.waiter())

    @st.fragment(run_every=0.5)
    def poll() -> None:
        ticket = _submit(work, mark)
        if ticket.state not in ("queued", "running"):
            st.rerun()
        show()
        _draw(ticket)
        st.button("Cancel", key=f"{name}_cancel", on_click=cancel)

    poll()


def _draw(ticket: Ticket[R]) -> None:
    """Draw a place in line, or how far work is."""
    if ticket.state == "queued":
        ahead = "one job" if ticket.position == 1 else f"{ticket.position} jobs"
        st.progress(0.0, f"In line: {ahead} before this one" if ticket.position else "Next in line")
        return
    rest = "" if ticket.seconds_left is None else f", about {duration(ticket.seconds_left)} left"
    st.progress(
        ticket.fraction, f"{ticket.done} of {ticket.total} {ticket.note}{rest}" if ticket.total else "Starting ..."
    )
