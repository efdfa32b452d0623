"""Lessons: Markdown files in ``assets/lessons/``, each with a few steps. This module does not use Streamlit.

A file begins with TOML between two lines of ``+++``: ``title``, ``about`` and one ``[[step]]`` per step, with the
``page`` it opens and the ``view`` it sets, as in an address. Then come the steps in order, each under a heading ``##``:
its text, and the paragraphs that begin with **Look at**, **Question** and **Answer**. A new lesson is a new file; files
are shown in the order of their names, and a lesson's name is the file's name without the number.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from explorer.state.view import View

__all__ = ["Lesson", "Step", "lessons", "read_lesson"]

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "lessons"
_PARTS = ("Look at", "Question", "Answer")


@dataclass(frozen=True)
class Step:
    """One step of a lesson.

    Attributes:
        title: its heading.
        text: in Markdown.
        look: what to look at.
        question, answer: the answer is collapsed at first.
        page: that it opens.
        params: the view it sets, as in an address.
    """

    title: str
    text: str
    look: str
    question: str
    answer: str
    page: str
    params: Mapping[str, str]

    def view(self, lesson: str, place: int, *, present: bool) -> View:
        """Return the view it sets, with the current place in the lesson.

        Raises:
            ValueError: the view has a value that no view can have.
        """
        view, notes = View.from_params(self.params)
        if notes:
            raise ValueError(f"Step {place} of {lesson}, {self.title}, has a view that cannot be: {', '.join(notes)}.")
        return replace(view, lesson=lesson, step=place, present=present)


@dataclass(frozen=True)
class Lesson:
    """A lesson: its name in links, its title, its subject, and its steps."""

    name: str
    title: str
    about: str
    steps: tuple[Step, ...]


@cache
def lessons() -> dict[str, Lesson]:
    """Return all lessons by name, in order."""
    files = sorted(FOLDER.glob("*.md"))
    return {lesson.name: lesson for lesson in (read_lesson(file.stem, file.read_text("utf-8")) for file in files)}


def read_lesson(stem: str, text: str) -> Lesson:
    """Return the lesson in a file.

    Args:
        stem: the file's name without its suffix.
        text: of the file.

    Raises:
        ValueError: something is missing; the message says what.
    """
    _, matter, body = (*text.split("+++\n", 2), "", "")[:3]
    facts = tomllib.loads(matter)
    bodies = re.split(r"^## ", body, flags=re.MULTILINE)[1:]
    states = facts.get("step", [])
    if not states or len(states) != len(bodies) or not {"title", "about"} <= set(facts):
        raise ValueError(
            f"{stem} has {len(states)} [[step]]s and {len(bodies)} headings; wanted title, about and as many of the "
            "one as of the other."
        )
    steps = tuple(_read_step(stem, words, state) for words, state in zip(bodies, states, strict=True))
    return Lesson(re.sub(r"^\d+-", "", stem), str(facts["title"]), str(facts["about"]), steps)


def _read_step(stem: str, words: str, state: Mapping[str, Any]) -> Step:
    title, _, rest = words.partition("\n")
    paragraphs = [part.strip() for part in rest.split("\n\n") if part.strip()]
    named = {name: _after(paragraphs, f"**{name}**") for name in _PARTS}
    text = "\n\n".join(part for part in paragraphs if not part.startswith(tuple(f"**{name}**" for name in _PARTS)))
    if not text or not all(named.values()) or "page" not in state:
        raise ValueError(f"{stem}, {title}: wanted text, page, and paragraphs that begin with {', '.join(_PARTS)}.")
    params = dict(parse_qsl(str(state.get("view", "")), keep_blank_values=True, strict_parsing=bool(state.get("view"))))
    look, question, answer = (named[name] for name in _PARTS)
    return Step(title.strip(), text, look, question, answer, str(state["page"]), params)


def _after(paragraphs: list[str], label: str) -> str:
    return " ".join(part.removeprefix(label).strip() for part in paragraphs if part.startswith(label))
