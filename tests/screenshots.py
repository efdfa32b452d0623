"""Pictures of every page, light and dark, at 1440 and 800 pixels: ``python -m tests.screenshots FOLDER``.

Without a folder it makes the README's pictures in ``assets/screenshots/``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser import CHROMIUM, FLAGS, at_rest
from tests.serving import ROOT, serving

PAGES = {
    "explore": "/?site=15&neuron=9-3000",
    "scrub": "/?scrub=True",
    "compare": "/compare?site=15",
    "evaluate": "/evaluate?attributions=NeuronMCT~Gradient~InputMCT~Grad-CAM~DeepLIFT&box=12-18-92-95",
    "neuron": "/neuron",
    "flow": "/flow",
    "knockout": "/knockout?site=7&parts=1c9~7c0~9n2916",
    "linearity": "/linearity?columns=Original~NeuronMCT&pair=0-1",
    "decode": "/decode",
    "studies": "/studies",
    "lessons": "/lessons",
    "lesson": "/?second=Random&lesson=pathway&step=2",
    "presented": "/?second=Random&lesson=pathway&step=2&present=True",
}
README = ("explore", "compare", "studies")


def main() -> None:
    """Start the app, take a screenshot of every page, and print where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    folder: Path | None = parser.parse_args().folder
    with serving() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        if folder is None:
            for page in README:
                path = ROOT / "assets" / "screenshots" / f"{page}.png"
                photograph(browser, address + PAGES[page], path, "light", 1440, whole=False)
            return
        for page, link in PAGES.items():
            for scheme in ("light", "dark"):
                for width in (1440, 800):
                    path = folder / f"{page}-{scheme}-{width}.png"
                    photograph(browser, address + link, path, scheme, width, whole=True)


def photograph(browser: Browser, address: str, path: Path, scheme: str, width: int, *, whole: bool) -> None:
    """Write one screenshot, of the whole page or of its first screen, once the queue is empty."""
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    at_rest(page)
    if whole:
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": width, "height": int(height) + 40})
    page.wait_for_timeout(2500)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
    print(path)
    context.close()


if __name__ == "__main__":
    main()
