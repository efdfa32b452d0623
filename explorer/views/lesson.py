"""Lessons: the current step, shown above the view that it sets; and presenter mode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import streamlit as st

from explorer import ui
from explorer.plots import plain
from explorer.state import Lesson, Step, View
from explorer.state.lessons import lessons

__all__ = ["end_sidebar", "show_lesson", "show_lessons", "show_presenting"]

PRESENT = Path(__file__).with_name("present.css")


def _open_step(lesson: Lesson, place: int) -> None:
    """Open a step, counted from 1, from a callback: its page, with the view it sets."""
    step = lesson.steps[place - 1]
    ui.session.look_anew(lambda v: step.view(lesson.name, place, present=v.present))
    st.session_state["go_to"] = step.page


def show_lesson(view: View) -> None:
    """Show the step of a lesson that the view names, if it names one."""
    if not view.lesson:
        return
    lesson = lessons().get(view.lesson)
    if lesson is None or not 1 <= view.step <= len(lesson.steps):
        st.warning(plain(f"There is no step {view.step} of a lesson {view.lesson}; the page Lessons lists them all."))
        return
    step = lesson.steps[view.step - 1]
    with st.container(border=True, key="lesson"):
        _show_way(lesson, view, step)
        st.markdown(f"### {step.title}")
        st.markdown(step.text)
        st.markdown(f":material/visibility: **Look at** {step.look}")
        with st.expander(f"**Question** {step.question}", key=f"answer_{lesson.name}_{view.step}"):
            st.markdown(step.answer)


def _show_way(lesson: Lesson, view: View, step: Step) -> None:
    """Show the place in the lesson, and the buttons that lead on."""
    place, last = view.step, len(lesson.steps)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lesson_way"):
        st.markdown(f"**{lesson.title}** · step {place} of {last}", width="stretch")
        st.button(
            "Back", icon=":material/arrow_back:", disabled=place == 1, on_click=lambda: _open_step(lesson, place - 1)
        )
        if place < last:
            st.button(
                "Next", icon=":material/arrow_forward:", type="primary", on_click=lambda: _open_step(lesson, place + 1)
            )
        if step.view(lesson.name, place, present=view.present) != view:
            st.button(
                "As the step has it",
                icon=":material/replay:",
                help="You have moved on from the view of this step.",
                on_click=lambda: _open_step(lesson, place),
            )
        if not view.present:
            _present_button("lesson_present")
        st.button("Close", icon=":material/close:", help="Close the lesson; the view stays.", on_click=_close)


def _close() -> None:
    ui.session.change(lambda v: replace(v, lesson="", step=1))


def show_lessons() -> None:
    """Show every lesson with its steps; a click opens one."""
    names = list(lessons().values())
    with st.container(key="panels"):
        for place, lesson in ui.in_rows(names, 2):
            with place, st.container(border=True, height="stretch"):
                _show_card(lesson)


def _show_card(lesson: Lesson) -> None:
    st.markdown(f"### {lesson.title}\n\n{lesson.about}")
    st.button("Begin", key=f"begin_{lesson.name}", type="primary", on_click=lambda: _open_step(lesson, 1))
    with st.container(gap=None):
        for place, step in enumerate(lesson.steps, 1):
            st.button(
                f"{place} · {step.title}",
                key=f"open_{lesson.name}_{place}",
                type="tertiary",
                on_click=lambda place=place: _open_step(lesson, place),
            )


def end_sidebar() -> None:
    """Draw what every sidebar ends with: back to the first view, copy the link, presenter mode."""
    left, right = st.columns(2)
    with left:
        ui.controls.reset()
    with right:
        ui.controls.copy_link()
    _present_button("present", width="stretch")


def _present_button(key: str, width: Literal["content", "stretch"] = "content") -> None:
    st.button(
        "Present",
        key=key,
        icon=":material/slideshow:",
        width=width,
        help="Hides the controls, enlarges type and pictures.",
        on_click=lambda: ui.session.change(lambda v: replace(v, present=True)),
    )


def show_presenting(view: View) -> None:
    """In presenter mode, hide the controls but the sparsity and enlarge the rest; draw the way out."""
    if not view.present:
        return
    st.html(PRESENT)
    with st.container(key="leave_presenting"):
        st.button(
            "Leave presenter mode",
            icon=":material/close_fullscreen:",
            on_click=lambda: ui.session.change(lambda v: replace(v, present=False)),
        )
