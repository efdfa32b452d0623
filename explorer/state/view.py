"""What a person chose: one frozen dataclass, to and from the address bar; see ``sections``, ``choices`` and ``url``.

Only values that differ from the default are written, so the default view has a short address. Reading is tolerant: a
value in a link that does not fit stays at its default and is named in a note; it is never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from core.errors import PathwayError
from core.methods import METHODS
from explorer.state import sections
from explorer.state.choices import LINKED_PARTS
from explorer.state.url import readers, write

__all__ = ["View"]

MOST_NOTES = 10


@dataclass(frozen=True)
class View(
    sections.Guide,
    sections.Studies,
    sections.Decoding,
    sections.Linearity,
    sections.KnockedOut,
    sections.Evaluation,
    sections.Place,
    sections.Display,
    sections.Comparison,
    sections.Methods,
    sections.Source,
):
    """Everything a page shows follows from this; the fields of the last section come first in a link."""

    def params(self) -> dict[str, str]:
        """Return the address bar's parameters: the values that differ from the default."""
        default = View()
        chosen = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "options"}
        if len(self.parts) > LINKED_PARTS:
            del chosen["parts"]
        shown = {name: write(value) for name, value in chosen.items() if value != getattr(default, name)}
        return shown | {name: str(value) for name, value in self.options}

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> tuple[View, list[str]]:
        """Return the view in a link, and notes on values that could not be read, the first few of them."""
        view, notes = cls(), []
        for name, text in params.items():
            try:
                view = view._with_param(name, text)
            except (ValueError, KeyError, PathwayError):
                notes.append(f"{name[:80]}={text[:80]}"[:80])
        if len(notes) > MOST_NOTES:
            notes[MOST_NOTES:] = [f"and {len(notes) - MOST_NOTES} more"]
        if METHODS[view.first].family == METHODS[view.second].family:
            view = view.with_first(view.first)
        if max(view.pair) >= len(view.columns):
            notes += [f"pair={params['pair']}"] if "pair" in params else []
            view = replace(view, pair=(0, 1))
        return view, notes

    def _with_param(self, name: str, text: str) -> View:
        method, _, option = name.partition(".")
        if option:
            return self.with_option(method, option, int(text))
        return replace(self, **{name: readers(View)[name](text)})
