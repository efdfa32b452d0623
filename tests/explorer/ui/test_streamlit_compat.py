"""The installed Streamlit has the private parts that the app uses, and the app goes on where they are missing."""

from __future__ import annotations

import inspect
import sys
from dataclasses import fields

import pytest
from streamlit import net_util, runtime
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.testing.v1 import AppTest
from streamlit.web import bootstrap

from explorer.ui import streamlit_compat


def shown() -> None:
    import streamlit as st

    from explorer.ui import streamlit_compat

    st.text(streamlit_compat.session_id())
    st.text(streamlit_compat.is_fragment_rerun())


def test_a_session_has_a_name_and_its_first_run_is_no_fragments() -> None:
    at = AppTest.from_function(shown).run()
    name, again = (text.value for text in at.text)
    assert name
    assert again == "False"


def test_a_run_tells_which_fragments_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"session_id", "fragment_ids_this_run"} <= {field.name for field in fields(ScriptRunContext)}
    assert not streamlit_compat.is_fragment_rerun()
    context = type("Context", (), {"fragment_ids_this_run": ["one"], "session_id": "s"})()
    monkeypatch.setattr("streamlit.runtime.scriptrunner.get_script_run_ctx", lambda suppress_warning: context)
    assert streamlit_compat.is_fragment_rerun()
    assert streamlit_compat.session_id() == "s"


def test_the_server_tells_which_sessions_have_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(inspect.signature(runtime.Runtime.is_active_session).parameters) == ["self", "session_id"]
    assert streamlit_compat.has_browser("any")  # there is no server
    server = type("Server", (), {"is_active_session": lambda self, session_id: session_id == "here"})()
    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", lambda: server)
    assert streamlit_compat.has_browser("here")
    assert not streamlit_compat.has_browser("gone")


def test_the_server_looks_its_address_up_where_the_app_keeps_it_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "net_util.get_external_ip()" in inspect.getsource(bootstrap)
    monkeypatch.setattr(net_util, "get_external_ip", net_util.get_external_ip)  # put back at the end
    streamlit_compat.look_up_no_address()
    assert net_util.get_external_ip() is None


@pytest.mark.parametrize("gone", ["streamlit.runtime.scriptrunner", "streamlit.runtime", "streamlit.web.cli"])
def test_the_app_goes_on_without_them(gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net_util, "get_external_ip", net_util.get_external_ip)  # put back at the end
    monkeypatch.setitem(sys.modules, gone, None)
    if gone == "streamlit.runtime":
        monkeypatch.delattr("streamlit.runtime")
    assert streamlit_compat.session_id() == ""
    assert not streamlit_compat.is_fragment_rerun()
    assert streamlit_compat.has_browser("any")
    streamlit_compat.load_server()
    streamlit_compat.look_up_no_address()
