"""The app's first start on a machine without Streamlit's settings."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.serving import serving_process


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="other systems open a browser in other ways")
def test_it_asks_nothing_and_opens_a_browser(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    opener = tmp_path / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$1" > "{opened}"\n')
    opener.chmod(0o755)
    env = os.environ | {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with serving_process(browser=True, env=env) as served:
        end = time.monotonic() + 20
        while not opened.exists() and time.monotonic() < end:
            time.sleep(0.1)
        assert opened.read_text().strip() == served.address
        assert "mail" not in served.said()
