"""The time a user waits after moving the slider: ``python -m tests.latency``.

It starts the app, opens the default view in headless Chromium, waits until both methods are ready, and moves the slider
with the keyboard. A move ends when the browser has decoded the new picture of the second pathway gradient. Each stop is
visited once, so every move restricts the network anew; no score is computed.
"""

from __future__ import annotations

from statistics import median

from playwright.sync_api import sync_playwright

from tests.browser import CHROMIUM, FLAGS, idle, panel, start
from tests.serving import serving

MOVES = 15  # to 97.5 %; above, GreedyPruning may keep only dead neurons, and its picture does not change
WAIT = """async ([name, old]) => {
    const begun = performance.now();
    const find = () => [...document.querySelectorAll(".st-key-panels img")].find((i) => i.alt.startsWith(name + ","));
    for (;;) {
        const image = find();
        if (image && image.getAttribute("src") !== old && image.complete) return performance.now() - begun;
        await new Promise(requestAnimationFrame);
    }
}"""


def main() -> None:
    """Print the waits in milliseconds."""
    with serving() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        start(page, address)
        panel(page, "GreedyPruning")
        idle(page)
        slider = page.get_by_role("slider", name="Sparsity: share of neurons off the pathway")
        slider.focus()
        waits = []
        for _ in range(MOVES):
            old = panel(page, "GreedyPruning")
            page.keyboard.press("ArrowRight", delay=0)
            waits.append(page.evaluate(WAIT, ["GreedyPruning", old]))
            idle(page)
        p90 = sorted(waits)[int(0.9 * MOVES)]
        print(f"{MOVES} moves: median {median(waits):.0f} ms, p90 {p90:.0f} ms, most {max(waits):.0f} ms")


if __name__ == "__main__":
    main()
