"""The app's entry: page configuration, navigation, and what every page shares. Started by ``python -m explorer``."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # Streamlit puts this file's folder on the path, not the project's
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

from explorer.compute import task_queue  # noqa: E402
from explorer.ui import errors, markup, navigation, session  # noqa: E402
from explorer.ui.render_slots import TURNS  # noqa: E402
from explorer.views import lesson  # noqa: E402

STYLE, LOGO = (Path(__file__).with_name(name) for name in ("style.css", "logo.svg"))


def main() -> None:
    """Draw the page that the address names, with the parts that all pages share."""
    st.set_page_config(page_title="Pathway Explorer", page_icon=str(LOGO), layout="wide", initial_sidebar_state="auto")
    page = st.navigation(navigation.pages(), position="top")
    navigation.follow()
    st.html(STYLE)
    with st.sidebar:
        st.html(markup.brand(LOGO.read_text("utf-8")))
    session.start(page.url_path)
    lesson.show_presenting(session.view())
    lesson.show_lesson(session.view())
    try:
        page.run()
    except Exception as problem:  # stopping and rerunning a page raise no Exception in Streamlit
        errors.show_failure(problem)


task_queue.start(session.is_connected)
with TURNS:
    main()
