"""What the tests in a real browser share: the browser, the real server, waiting for pages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.serving import serving

CHROMIUM = next(
    (p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome") if Path(p).exists()), None
)
WHY = None
try:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

    expect.set_options(timeout=60_000)  # machines are shared, here and for all that is waited for below
except ImportError:
    WHY = "playwright is not installed (pip install -r requirements-dev.txt)"
if CHROMIUM is None:
    WHY = "no Chromium on this machine (apt-get install chromium)"
if WHY and os.environ.get("CI"):
    raise RuntimeError(f"In CI the browser tests have to run: {WHY}")
IN_BROWSER = [pytest.mark.thorough, pytest.mark.skipif(WHY is not None, reason=str(WHY))]

IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CUT = """() => [...document.querySelectorAll("[data-testid=stMain] *")]
    .filter((e) => ["hidden", "clip"].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1)
    .filter((e) => e.clientWidth > 2 && e.innerText?.trim())
    .map((e) => e.innerText)"""  # the words that end in an ellipsis, or in nothing

STILL = f"""() => new Promise((done) => {{
    const moving = () => document.querySelector("[data-stale=true]") || !document.querySelector("{IDLE}")
        || document.getAnimations().some((a) => a.playState === "running");
    let left = 10;
    const look = () => moving() ? done(false) : --left ? setTimeout(look, 50) : done(true);
    look();
}})"""  # Streamlit fades what the next run may change, and lights it again within a second


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One cache for all pages: fetching and compiling the scripts takes several times as long as everything else."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 1000}, permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(120_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, server: str) -> Iterator[Page]:
    """Open a page and watch that it asks no other host for anything and shows no exception."""
    page = context.new_page()
    elsewhere: list[str] = []
    page.on(
        "request", lambda r: None if r.url.startswith((server, "data:", "blob:", "ws:")) else elsewhere.append(r.url)
    )
    yield page
    assert elsewhere == []
    assert page.get_by_test_id("stException").count() == 0
    page.close()


def idle(page: Page) -> None:
    page.wait_for_timeout(150)
    page.wait_for_selector(IDLE, timeout=120_000)


def opened(page: Page, address: str) -> None:
    """Follow a link, until the page and the gallery are drawn."""
    page.goto(address)
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    expect(page.get_by_role("radio", checked=True).first).to_be_visible()  # the gallery
    idle(page)


def start(page: Page, address: str) -> None:
    """Follow a link to Explore."""
    opened(page, address)
    expect(page.get_by_role("heading", name="Plain gradient")).to_be_visible()


def at_rest(page: Page, seconds: int = 240) -> None:
    """Wait until nothing is in line or running."""
    for _ in range(seconds):
        idle(page)
        if page.get_by_test_id("stProgress").count() == 0:
            return idle(page)
        with suppress(AssertionError):
            expect(page.get_by_test_id("stProgress")).to_have_count(0, timeout=1000)
    raise TimeoutError(f"Something is still in line after {seconds} s.")


def still(page: Page) -> None:
    """Wait until the page is at rest and, for half a second, nothing in it is faded or on its way to be."""
    at_rest(page)
    page.wait_for_function(STILL, timeout=120_000)


def overhang(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.locator("[data-testid=stMain]").evaluate("(main) => main.scrollWidth - main.clientWidth"))


def widths(pictures: Locator) -> list[float]:
    """The widths at which pictures are shown; of one that is not, 0."""
    return [box["width"] if (box := picture.bounding_box()) else 0.0 for picture in pictures.all()]


def panel(page: Page, title: str) -> str:
    """The address of the picture under a panel's title, which changes with the picture."""
    image = page.locator(".st-key-panels").get_by_role("img", name=re.compile("^" + re.escape(title) + ","))
    return str(image.get_attribute("src"))
