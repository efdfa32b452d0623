"""All use of Streamlit's private API, in one place.

Each function has a fallback for a version that no longer has what it uses; its test checks that the installed one has
it. ``Page`` and ``Place`` are types only: import them under ``TYPE_CHECKING``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator as Place  # what st.container() returns
    from streamlit.navigation.page import StreamlitPage as Page  # what st.Page() returns

__all__ = ["Page", "Place", "has_browser", "is_fragment_rerun", "load_server", "look_up_no_address", "session_id"]


def session_id() -> str:
    """Return Streamlit's name of this session; "" where there is none."""
    return getattr(_context(), "session_id", "")


def is_fragment_rerun() -> bool:
    """Return whether this run is of a fragment alone, without the rest of its page; False where that is unknown."""
    return bool(getattr(_context(), "fragment_ids_this_run", None))


def _context() -> Any:
    """Return Streamlit's record of the run in this thread; None outside a session."""
    try:
        from streamlit.runtime.scriptrunner import get_script_run_ctx
    except ImportError:
        return None
    return get_script_run_ctx(suppress_warning=True)


def has_browser(session: str) -> bool:
    """Return whether a session still has its browser; True where that is unknown, as without a server.

    Args:
        session: its ``session_id``.
    """
    with suppress(ImportError, AttributeError):
        from streamlit import runtime

        if runtime.exists():
            return runtime.get_instance().is_active_session(session)
    return True


def load_server() -> None:
    """Import what Streamlit imports when it starts its server."""
    with suppress(ImportError):
        import streamlit.web.cli  # noqa: F401


def look_up_no_address() -> None:
    """Keep a server for other machines from asking a host on the internet for its outside address."""
    with suppress(ImportError):
        from streamlit import net_util

        net_util.get_external_ip = lambda: None
