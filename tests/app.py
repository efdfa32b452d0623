"""The app as Streamlit runs it, without a browser: functions that open it and read what it shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from explorer.state.view import View
from explorer.ui.errors import UNFORESEEN
from tests.waiting import until

APP = Path(__file__).resolve().parent.parent / "explorer" / "app.py"
PAGES = APP.parent.parent / "pages"


def opened(params: dict[str, str] | None = None, page: str = "explore", *, followed: bool = True) -> AppTest:
    """Return a new session that has followed a link: all of it, unless a test says that it cannot be followed."""
    at = AppTest.from_file(str(APP), default_timeout=60)
    at.query_params.update(params or {})
    if page != "explore":
        at.switch_page(str(PAGES / f"{page}.py"))
    at = ran(at)
    if followed:
        lost = [warning.value for warning in at.warning if re.search("[Tt]he link (holds|asks for)", warning.value)]
        assert not lost, lost
    return at


def ran(at: Any) -> AppTest:
    at = at.run()
    assert [problem.value for problem in at.exception] == []
    assert [error.value for error in at.error if UNFORESEEN in error.value] == []
    return at


def view(at: AppTest) -> View:
    return at.session_state["view"]


def link(at: AppTest) -> dict[str, str]:
    """Return the address bar's parameters; AppTest has lists where a browser has text."""
    return {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}


def html(at: AppTest) -> str:
    return "\n".join(element.value for element in at.html)


def warnings(at: AppTest) -> str:
    """Return the text of the warnings, without Markdown's escapes."""
    return re.sub(r"\\(.)", r"\1", "\n".join(element.value for element in at.warning))


def sections(at: AppTest) -> list[str]:
    """The page's headings, the first of which is its question."""
    return [element.value.removeprefix("## ") for element in at.markdown if element.value.startswith("## ")]


def titles(at: AppTest) -> dict[str, str]:
    """What stands over each panel, and the small words under that."""
    return dict(re.findall(r'<div class="panel-title"[^>]*>(.*?)<small>(.*?)</small>', html(at)))


def facts(at: AppTest) -> list[dict[str, str]]:
    """The numbers under each picture."""
    lists = re.findall(r'<dl class="facts">(.*?)</dl>', html(at))
    return [dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", pairs)) for pairs in lists]


def captions(at: AppTest) -> str:
    return re.sub(r"\\(.)", r"\1", "\n".join(element.value for element in at.caption))


def alts(at: AppTest) -> str:
    """What the charts say in words."""
    return "\n".join(chart.proto.alt for chart in at.get("plotly_chart"))


def pills(at: AppTest, label: str) -> Any:
    (found,) = (group for group in at.button_group if group.label == label)
    return found


def button(at: AppTest, label: str) -> Any:
    found = [element for element in at.button if element.label.startswith(label)]
    assert len(found) == 1, [element.label for element in at.button]
    return found[0]


def until_shown(at: AppTest, there: Callable[[AppTest], Any]) -> AppTest:
    """Run again, as the page itself does every half second, until a condition holds."""
    if not there(at):
        until(lambda: there(ran(at)), every=0.1)
    return at


def until_done(at: AppTest) -> AppTest:
    """Run again until the queue is empty."""
    return until_shown(at, lambda at: not at.progress)
