"""A server that is started again under an open browser."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import urlsplit

from tests.browser import IN_BROWSER, idle, opened
from tests.serving import serving_process

with suppress(ImportError):  # then all of this is skipped
    from playwright.sync_api import Browser, expect

pytestmark = IN_BROWSER


def test_the_view_returns_when_the_server_does(browser: Browser) -> None:
    with serving_process() as served:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        opened(page, f"{served.address}/?second=Random")
        slider = page.get_by_role("slider", name="Sparsity: share of neurons off the pathway")
        slider.focus()
        page.keyboard.press("ArrowRight")
        expect(page).to_have_url(re.compile("sparsity=0.905"))
        idle(page)
        before, seen = page.url, slider.get_attribute("aria-valuetext") or slider.get_attribute("aria-valuenow")
        served.process.kill()
        served.process.wait(20)
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-connection-state", "PINGING_SERVER")
        with serving_process(urlsplit(served.address).port or 0):
            expect(page.get_by_test_id("stApp")).to_have_attribute(
                "data-test-connection-state",
                "CONNECTED",
            )
            idle(page)
            picture = page.locator(".st-key-panels img[alt^='NeuronMCT']")
            expect(picture).to_be_visible()
            assert page.url == before
            assert (slider.get_attribute("aria-valuetext") or slider.get_attribute("aria-valuenow")) == seen
            for _ in range(10):  # a move that comes before the new server has drawn the slider is lost with that run
                slider.focus()
                page.keyboard.press("ArrowRight")
                with suppress(AssertionError):
                    expect(page).to_have_url(re.compile("sparsity=0.9[1-9]"), timeout=5_000)
                    break
            expect(page).to_have_url(re.compile("sparsity=0.9[1-9]"))
            assert page.get_by_test_id("stException").count() == 0
        page.close()
