"""Links, uploads and names that mean harm, on the real pages: no error that shows, and theirs is text."""

from __future__ import annotations

import base64
import json
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import fields

import pytest
import torch
from PIL import Image
from safetensors.torch import save as save_safetensors
from streamlit import net_util
from streamlit.testing.v1 import AppTest

from core.models.architectures import build
from explorer.__main__ import serve
from explorer.state.view import View
from explorer.ui import uploads
from tests.app import PAGES as FOLDER
from tests.app import button, opened, ran, until_done, view, warnings
from tests.hostile import BROKEN, EVIL, ROOT, watched
from tests.networks import seeded
from tests.pages.test_app import control, encoded, pasted, upload

pytestmark = [pytest.mark.usefixtures("own_queue"), pytest.mark.filterwarnings("ignore")]
PAGES = ("explore", "compare", "evaluate", "neuron", "flow", "knockout", "linearity", "decode", "studies", "lessons")
SMALL = {"network": "fashion_vgg", "second": "Random", "columns": "NeuronMCT~Random", "image": "fashion-mnist:3"}
SOME = ("explore", "lessons")
MOST = [page if page in SOME else pytest.param(page, marks=pytest.mark.thorough) for page in PAGES]
WORDS = f"<b>PWN</b><img src=x onerror=alert(1)> [x](http://{EVIL}) www.{EVIL} $x$ :red[y]"
FIELDS = [field.name for field in fields(View) if field.name != "options"]
STRANGE = {  # what a link may hold, and no network, photo, run or lesson has
    "target": "999999999",
    "site": "999999999",
    "neuron": "999999999-999999999",
    "step": "999999999",
    "network": "resnet18x",
    "image": "upload-0",
    "ray": "no_such",
    "ray_of": "5",
    "spread": "no_such",
    "compared": "no_such",
    "closer": WORDS[:80],
    "label": f"www.{EVIL}",
    "runs": f"../../etc~<script>~http://{EVIL}",
    "studied_at": "0.123456",
    "lesson": "no-such",
    "parts": "~".join(f"{n}c999999999" for n in range(50)),
    "box": "0-0-1-1",
    "columns": "~".join(["Random"] * 6),
    "pair": "5-4",
    "zoom": "8",
    "x": "1e-320",
    "y": "1",
    "opacity": "0.5",
    "attributions": "Random",
    "painted": "Original",
    "regularisers": "",
    "paint_steps": "1",
    "whole": "True",
    "only": "True",
    "present": "True",
    "scrub": "True",
    "Random.seed": "9999",
    "GreedyPruning.steps": "1",
}


def texts(at: AppTest) -> list[str]:
    """Every text that the page hands to Markdown."""
    kinds = ("markdown", "caption", "warning", "info", "error", "success", "title", "header", "subheader")
    found = [str(element.value) for kind in kinds for element in getattr(at, kind)]
    widgets = [*at.button, *at.selectbox, *at.multiselect, *at.slider, *at.expander, *at.tabs]
    return found + [widget.label for widget in widgets] + [str(getattr(widget, "help", "") or "") for widget in widgets]


def harmless(at: AppTest) -> None:
    """Nothing on the page is an error's, or what a stranger's words would make."""
    shown = texts(at)
    assert not [text for text in shown if "Traceback" in text or "Error:" in text]
    for text in shown:
        plain = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", re.sub(r"\\[^\w\s]", "", text))
        assert EVIL not in plain, text
        assert "PWN" not in plain or "<b>" not in plain, text
    for element in at.html:
        assert "<b>PWN" not in element.value
        assert "onerror=alert" not in element.value.replace("onerror=alert(1)&gt;", "")
    for chart in at.get("plotly_chart"):
        assert "<b>PWN" not in json.dumps(json.loads(chart.proto.spec), ensure_ascii=False)


def link(values: Mapping[str, str]) -> dict[str, str]:
    return {name: text.replace("\ud800", "") for name, text in values.items()}


@pytest.mark.parametrize("page", MOST)
def test_a_link_in_which_everything_is_strange_opens(page: str) -> None:
    with watched():
        harmless(opened({**SMALL, **STRANGE}, page, followed=False))


@pytest.mark.parametrize("page", MOST)
def test_a_link_in_which_everything_is_broken_opens(page: str) -> None:
    values = [text for text in BROKEN if text]
    turn = PAGES.index(page) * 7
    with watched():
        wrong = {name: values[(place + turn) % len(values)] for place, name in enumerate(FIELDS)}
        at = opened(wrong, page, followed=False)
    harmless(at)
    assert "cannot be followed here" in warnings(at)


@pytest.mark.thorough
@pytest.mark.parametrize("page", PAGES)
def test_every_parameter_alone_may_be_strange_or_broken(page: str) -> None:
    turn = PAGES.index(page)
    for place, name in enumerate(FIELDS):
        texts = (STRANGE.get(name, "x"), BROKEN[(place * 5 + turn) % len(BROKEN)], f"www.{EVIL}<b>PWN")
        harmless(opened({**SMALL, name: texts[(place + turn) % 3]}, page, followed=False))


def checkpoint(names: list[str] | None = None, factor: float = 1.0) -> bytes:
    state = seeded(build("fashion_vgg", 3).to_empty(device="cpu")).state_dict()
    state = {key: value * factor if value.is_floating_point() else value for key, value in state.items()}
    return save_safetensors(state, {"class_names": json.dumps(names)} if names else None)


def load(at: AppTest, data: bytes, filename: str, names: str = "") -> AppTest:
    at = ran(control(at, "selectbox", "checkpoint_architecture").set_value("fashion_vgg"))
    control(at, "file_uploader", "checkpoint").upload(filename, data)
    at = ran(at.text_area(key="checkpoint_names").set_value(names))
    return ran(button(at, "Load checkpoint").click())


def on_every_page(at: AppTest) -> None:
    for page in PAGES:
        at = ran(at.switch_page(str(FOLDER / f"{page}.py")))
        harmless(until_done(at) if page == "evaluate" else at)  # its axes bear the class's name


def test_names_in_a_checkpoint_are_text_on_every_page() -> None:
    names = [f"{WORDS} {n}\n# \ud800\u202e" for n in range(3)]
    with watched():
        at = load(opened({**SMALL, "order": "deletion"}), checkpoint(names), f"{WORDS.replace('/', '')}.safetensors")
    assert warnings(at) == ""
    assert view(at).network.startswith("checkpoint-")
    on_every_page(at)


@pytest.mark.thorough
@pytest.mark.parametrize("factor", [0.0, 1e30, -1e30, 1e-38])
def test_weights_that_overflow_or_vanish_are_refused_or_shown(factor: float) -> None:
    at = load(opened(SMALL), checkpoint(factor=factor), "x.safetensors")
    if view(at).network.startswith("checkpoint-"):
        on_every_page(at)
    else:
        assert "unchanged" in warnings(at)


JUNK: dict[str, bytes] = {
    "page": f"<html><script>alert('PWN')</script>http://{EVIL}</html>".encode(),
    "pickle": b"\x80\x04cos\nsystem\n(X\x04\x00\x00\x00truetR.",
    "zip": b"PK\x03\x04" + bytes(100),
    "zeros": bytes(1000),
    "header": (2**62).to_bytes(8, "little") + b"{}",
    "weight": save_safetensors({WORDS: torch.zeros(2), f"{WORDS}\n# x": torch.zeros(1)}),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(WORDS, id="words"),
        pytest.param("../../etc/passwd", id="path", marks=pytest.mark.thorough),
        pytest.param("x" * 5000, id="long", marks=pytest.mark.thorough),
    ],
)
def test_files_that_are_none_are_refused_in_words_that_are_text(name: str) -> None:
    at = opened(SMALL)
    with watched():
        for data in JUNK.values():
            at = load(at, data, f"{name}.pth")
            harmless(at)
            assert "unchanged" in warnings(at)
        for data in JUNK.values():
            at = upload(at, data, f"{name}.png")
            harmless(at)
            assert "not a picture" in warnings(at)
    assert view(at).network == "fashion_vgg"


def test_a_file_larger_than_its_uploader_says_is_refused_where_it_arrives() -> None:
    large = encoded(Image.new("RGB", (9, 9)), "PNG") + bytes(uploads.MAX_PICTURE)
    at = upload(opened(SMALL), large)
    assert "The picture's file is larger than 20 MB; scale it down first" in warnings(at)
    assert "pictures" not in at.session_state or not at.session_state["pictures"]
    long = pasted("data:image/png;base64," + base64.b64encode(large + bytes(2**20)).decode())
    assert long.session_state["messages"] == ["What was pasted is larger than 20 MB. What you looked at is unchanged."]


@pytest.mark.parametrize(
    "url",
    ["data:image/png;base64," + text for text in ("A", "====", "\x00", "PHN2Zz4=", "é", "A" * 1_000_000)]
    + list(BROKEN[50:56]),
)
def test_what_is_pasted_and_broken_changes_nothing(url: str) -> None:
    at = pasted(url)
    assert view(at) == View()
    assert "unchanged" in at.session_state["messages"][0]


def test_a_gallery_is_followed_only_to_what_it_shows() -> None:
    def picked() -> None:
        import streamlit as st

        from explorer.ui import session

        session.start("")
        session.pick(st.session_state["name"])

    for name in ("../../etc/passwd", "upload-0", "photos:0"):
        at = AppTest.from_function(picked, default_timeout=60)
        at.session_state["name"] = name
        assert view(ran(at)).image == View().image


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0"])
def test_the_server_asks_no_other_host_where_it_is(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(net_util, "_make_blocking_http_get", lambda url, timeout: asked.append(url))
    monkeypatch.setattr(net_util, "get_external_ip", net_util.get_external_ip)  # put back at the end
    monkeypatch.setattr("runpy.run_module", lambda name, run_name: net_util.get_external_ip())
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.chdir(ROOT)
    net_util.get_external_ip()
    assert asked  # it would
    asked.clear()
    serve(host, 8501, open_browser=False)
    assert asked == []


def test_the_uploaders_and_the_server_keep_to_the_same_limits() -> None:
    at = opened({**SMALL, "parts": "0c1"}, "knockout")
    limits = {uploader.label.split(" ")[0]: uploader.proto.max_upload_size_mb for uploader in at.file_uploader}
    assert limits == {"Weights": 300, "Drop,": 20, "A": 1}
    assert (uploads.MAX_CHECKPOINT, uploads.MAX_PICTURE) == (300 << 20, 20 << 20)
    config = tomllib.loads((ROOT / "explorer" / ".streamlit" / "config.toml").read_text("utf-8"))
    assert config["server"]["maxUploadSize"] == 300
    assert not {"enableCORS", "enableXsrfProtection"} & set(config["server"])  # on, as Streamlit has them
