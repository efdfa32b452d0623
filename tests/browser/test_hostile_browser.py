"""Words from links and files in a real browser, which reads Markdown and HTML by its own rules: they are text."""

from __future__ import annotations

import json
from contextlib import suppress
from urllib.parse import urlencode

import pytest
from safetensors.torch import save as save_safetensors

from core.models.architectures import build
from tests.browser import IN_BROWSER, idle, opened
from tests.hostile import BROKEN, EVIL
from tests.networks import seeded

with suppress(ImportError):  # then all of this is skipped
    from playwright.sync_api import Page, expect

pytestmark = IN_BROWSER

WORDS = f"<b>PWN</b><img src=x onerror=alert(1)> [x](http://{EVIL}) www.{EVIL} a@{EVIL} $x$ :red[y] :material/home:"


def harmless(page: Page) -> None:
    """Nothing leads to, or asks for, what the words name, and nothing of theirs is an element."""
    for made in (f"a[href*='{EVIL}']", "img[src='x']", "[onerror]", "b:has-text('PWN')", "script:has-text('alert')"):
        assert page.locator(made).count() == 0, made
    assert f"www.{EVIL}" in page.locator("body").inner_text()


@pytest.fixture(autouse=True)
def no_dialogs(page: Page) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"A dialog opened: {dialog.message}"))


@pytest.mark.parametrize("place", ["", "/studies", "/evaluate"])
def test_words_in_a_link_are_text(page: Page, server: str, place: str) -> None:
    wrong = {
        "runs": f"{WORDS[:40]}~www.{EVIL}~http://{EVIL}",
        "label": f"http://{EVIL}",
        "image": WORDS,
        "a": f"www.{EVIL}",
    }
    page.goto(f"{server}{place}/?{urlencode({'second': 'Random', **wrong})}")
    expect(page.get_by_text("The link holds what cannot be followed here")).to_be_visible()
    idle(page)
    harmless(page)


def test_broken_values_open_a_page(page: Page, server: str) -> None:
    names = ("site", "target", "neuron", "zoom", "columns", "parts", "options", "crop")
    for start in range(0, len(BROKEN), len(names)):
        texts = [text[:300] for text in BROKEN[start : start + len(names)]]
        opened(page, f"{server}/?{urlencode({'second': 'Random', **dict(zip(names, texts, strict=False))})}")
        assert page.locator(f"a[href*='{EVIL}']").count() == 0


def test_names_in_a_checkpoint_are_text(page: Page, server: str) -> None:
    state = seeded(build("squeezenet1_1", 3).to_empty(device="cpu")).state_dict()
    data = save_safetensors(state, {"class_names": json.dumps([f"{WORDS} {n}" for n in range(3)])})
    opened(page, f"{server}/?second=Random")
    page.get_by_text("Your own checkpoint").first.click()
    uploader = page.get_by_test_id("stFileUploader").filter(has_text="Weights").locator("input[type=file]")
    uploader.set_input_files(
        {"name": f"<b>PWN www.{EVIL}.safetensors", "mimeType": "application/octet-stream", "buffer": data}
    )
    load = page.get_by_role("button", name="Load checkpoint")
    expect(load).to_be_enabled()
    load.click()
    expect(page.get_by_role("heading", level=2).first).to_contain_text("Which neurons carry <b>PWN</b>")
    idle(page)
    harmless(page)
    for name in ("Evaluate", "Compare"):
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page.get_by_role("heading", level=2).first).to_contain_text("<b>PWN</b>")
        idle(page)
        harmless(page)
