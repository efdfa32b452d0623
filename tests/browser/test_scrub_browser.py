"""Live scrub under a real hand: redrawn every frame without a word to the server, which hears where one let go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.browser import IN_BROWSER, idle, overhang, start, still

with suppress(ImportError):  # then all of this is skipped
    from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = IN_BROWSER

SCRUB = "?scrub=True&second=Random"
SLIDER = "Sparsity: share of neurons off the pathway"
PICTURES = b"data:image/jpeg;base64"


def scrubbing(page: Page, address: str, methods: int = 2) -> Locator:
    """Open Explore with the scrub on, all its pictures there; the bar."""
    start(page, address)
    expect(page.locator(".scrub .method")).to_have_count(methods, timeout=120_000)
    expect(page.locator(".scrub[data-ready=true]")).to_be_visible()
    idle(page)
    return page.get_by_role("slider", name="Live sparsity")


def redraws(page: Page) -> int:
    return int(page.locator(".scrub").get_attribute("data-redraws") or 0)


def drawn(page: Page) -> list[str]:
    """What the map and the layers of each method show."""
    canvases = page.locator(".scrub .method canvas")
    return [canvas.evaluate("canvas => canvas.toDataURL()") for canvas in canvases.all()]


def said(bar: Locator) -> str:
    return bar.get_attribute("aria-valuetext") or ""


def at(bar: Locator, share: float) -> tuple[float, float]:
    """A point on the bar."""
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    assert box is not None
    return box["x"] + 15 + share * (box["width"] - 30), box["y"] + 60


@contextmanager
def held(page: Page, bar: Locator, share: float) -> Iterator[None]:
    page.mouse.move(*at(bar, share))
    page.mouse.down()
    yield
    page.mouse.up()


def heard(page: Page) -> list[tuple[str, Any]]:
    """Every message between browser and server from now on, if called before the page is opened."""
    messages: list[tuple[str, Any]] = []

    def listen(socket: Any) -> None:
        socket.on("framesent", lambda text: messages.append(("sent", text)))
        socket.on("framereceived", lambda text: messages.append(("received", text)))

    page.on("websocket", listen)
    return messages


def test_a_drag_redraws_both_methods_without_the_server_and_letting_go_tells_it(page: Page, server: str) -> None:
    messages = heard(page)
    bar = scrubbing(page, f"{server}/{SCRUB}")
    page.wait_for_timeout(1000)
    messages.clear()
    seen, before = [drawn(page)], redraws(page)
    with held(page, bar, 0.65):
        for share in (0.55, 0.51, 0.47, 0.43, 0.4):
            page.mouse.move(*at(bar, share), steps=8)
            page.wait_for_timeout(50)
            seen.append(drawn(page))
        assert messages == []
        assert [len({drawing[canvas] for drawing in seen}) for canvas in range(4)] == [len(seen)] * 4
        assert redraws(page) - before >= 5
        assert "sparsity=" not in page.url
    expect(page).to_have_url(re.compile(r"sparsity=0\.8(&|$)"))
    idle(page)
    assert page.get_by_role("slider", name=SLIDER).get_attribute("aria-valuetext") == "80.0 %"
    assert said(bar).startswith("80 %: NeuronMCT p ratio ")
    assert any(kind == "sent" for kind, _ in messages)
    assert not [text for _, text in messages if isinstance(text, bytes) and text.count(PICTURES) > 20]  # not again


def test_it_redraws_at_every_frame_of_a_drag(page: Page, server: str, record_property: Any) -> None:
    """One drawing a frame, none left out: as often as this machine's browser draws anything at all."""
    bar = scrubbing(page, f"{server}/{SCRUB}")
    with held(page, bar, 0.4):
        seconds, frames, drawings = bar.evaluate(
            """async (bar) => {
                const root = bar.parentElement, box = bar.getBoundingClientRect();
                const count = () => Number(root.dataset.redraws);
                const move = (share) => bar.dispatchEvent(new PointerEvent("pointermove", {
                    clientX: box.left + 15 + share * (box.width - 30), clientY: box.top + 60, isPrimary: true,
                }));
                const before = count(), start = performance.now();
                let frames = 0;
                await new Promise((done) => {
                    const tick = () => {
                        for (let twice = 0; twice < 2; twice++) move(Math.abs(((2 * frames + twice) * 0.003 % 2) - 1));
                        if (++frames === 100) requestAnimationFrame(() => setTimeout(done)); // when that one is drawn
                        else requestAnimationFrame(tick);
                    };
                    requestAnimationFrame(tick);
                });
                return [(performance.now() - start) / 1000, frames, count() - before];
            }"""
        )
    record_property("redraws_a_second", round(drawings / seconds, 1))
    print(f"{drawings / seconds:.1f} redraws/s")
    assert abs(drawings - frames) <= 1  # a frame asked for before the drag may still be drawn in it


def test_keys_step_from_stop_to_stop_and_the_server_hears_when_they_are_let_go(page: Page, server: str) -> None:
    messages = heard(page)
    bar = scrubbing(page, f"{server}/{SCRUB}")
    page.wait_for_timeout(1000)
    bar.focus()
    messages.clear()
    for _ in range(3):
        page.keyboard.down("ArrowRight")
        page.wait_for_timeout(30)
    expect(bar).to_have_attribute("aria-valuenow", "93")
    assert messages == []
    page.keyboard.up("ArrowRight")
    expect(page).to_have_url(re.compile(r"sparsity=0\.93(&|$)"))
    for key, sparsity, now in [
        ("End", r"0\.99", "99"),
        ("ArrowDown", r"0\.986", "98.6"),
        ("PageDown", r"0\.965", "96.5"),
        ("PageUp", r"0\.986", "98.6"),
        ("ArrowLeft", r"0\.983", "98.3"),
        ("ArrowUp", r"0\.986", "98.6"),
        ("Home", r"0\.0", "0"),
    ]:
        bar.press(key)
        expect(page).to_have_url(re.compile(rf"sparsity={sparsity}(&|$)"))
        expect(bar).to_have_attribute("aria-valuenow", now)
    idle(page)
    expect(bar).to_be_focused()
    assert page.get_by_role("slider", name=SLIDER).get_attribute("aria-valuetext") == "0.0 %"


def test_it_says_in_words_what_it_shows(page: Page, server: str) -> None:
    bar = scrubbing(page, f"{server}/{SCRUB}")
    assert [bar.get_attribute(f"aria-value{name}") for name in ("min", "max", "now")] == ["0", "99", "90"]
    value = r"p ratio [\d.e-]+, prediction (not )?kept"
    assert re.fullmatch(rf"90 %: NeuronMCT {value}; Random {value}", said(bar))
    pictures = page.locator(".scrub").get_by_role("img")
    assert pictures.count() == 4
    for title in ("NeuronMCT", "Random"):
        expect(pictures.filter(has=page.locator("xpath=self::canvas"))).to_have_count(4)
        assert page.get_by_role("img", name=f"{title} at 90 %: pathway gradient, strongest at row ").count() == 1
        assert page.get_by_role("img", name=f"{title} at 90 %: neurons kept at each site, most at ").count() == 1
    bar.press("ArrowRight")
    expect(page.get_by_role("img", name="NeuronMCT at 91 %: pathway gradient")).to_be_visible()


def test_it_shows_what_the_panel_below_shows(page: Page, server: str) -> None:
    bar = scrubbing(page, f"{server}/{SCRUB}")
    bar.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"sparsity=0\.91(&|$)"))
    idle(page)
    readings = page.locator(".scrub .readings").first.locator("dd").all_inner_texts()
    facts = page.locator(".st-key-panels dl.facts").nth(1).locator("dd").all_inner_texts()
    assert len(readings) == 5  # p ratio, prediction, two logits and the dead share
    assert ["91.00 %", *readings] == facts
    best = page.locator(".scrub .answers").first.locator("li").first.inner_text().split()
    assert best == page.locator(".st-key-panels ol.answers").nth(1).locator("li").first.inner_text().split()


def test_a_step_of_the_pages_own_slider_moves_the_bar(page: Page, server: str) -> None:
    messages = heard(page)
    bar = scrubbing(page, f"{server}/{SCRUB}")
    knob = page.locator(".scrub .knob")
    before = knob.bounding_box()
    messages.clear()
    slider = page.get_by_role("slider", name=SLIDER)
    slider.focus()
    slider.press("ArrowRight")
    expect(bar).to_have_attribute("aria-valuetext", re.compile("^90.5 %, drawn at 9[01] %: NeuronMCT"))
    slider.press("ArrowRight")
    expect(bar).to_have_attribute("aria-valuetext", re.compile("^91 %: NeuronMCT"))
    page.wait_for_timeout(300)
    after = knob.bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] > before["x"] + 10
    assert not [text for _, text in messages if isinstance(text, bytes) and text.count(PICTURES) > 20]
    page.wait_for_timeout(2000)
    page.go_back()
    expect(bar).to_have_attribute("aria-valuetext", re.compile("^90(.5)? %"))


def test_the_second_method_joins_the_first_when_it_is_there(page: Page, server: str) -> None:
    scrubbing(page, f"{server}/?scrub=True&GreedyPruning.steps=10")
    titles = page.locator(".scrub .title").all_inner_texts()
    assert [title.split("\n")[0] for title in titles] == ["NeuronMCT", "GreedyPruning (steps=10)"]
    assert "GreedyPruning (steps=10) p ratio " in said(page.get_by_role("slider", name="Live sparsity"))


def test_the_switch_brings_it_and_takes_it_away(page: Page, server: str) -> None:
    start(page, f"{server}/?second=Random")
    page.get_by_text("Live scrub", exact=True).click()
    expect(page.locator(".scrub[data-ready=true]")).to_be_visible(timeout=120_000)
    expect(page).to_have_url(re.compile("scrub=True"))
    page.get_by_text("Live scrub", exact=True).click()
    expect(page.locator(".scrub")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("scrub="))


@pytest.mark.parametrize(("motion", "different"), [("no-preference", 3), ("reduce", 1)])
def test_between_two_stops_it_fades_unless_less_motion_is_wanted(
    page: Page, server: str, motion: Any, different: int
) -> None:
    page.emulate_media(reduced_motion=motion)
    bar = scrubbing(page, f"{server}/{SCRUB}")
    seen = []
    with held(page, bar, 34 / 60):  # 90 %; the next stop, 91 %, is at 36 / 60
        for share in (34, 34.6, 34.9):
            page.mouse.move(*at(bar, share / 60))
            page.wait_for_timeout(150)
            seen.append(tuple(drawn(page)))
    assert len(set(seen)) == different


def test_a_finger_drags_it(browser: Browser, server: str) -> None:
    context = browser.new_context(viewport={"width": 800, "height": 1000}, has_touch=True)
    page = context.new_page()
    bar = scrubbing(page, f"{server}/{SCRUB}")
    before = drawn(page)
    finger = context.new_cdp_session(page)

    def touch(kind: str, *shares: float) -> None:
        points = [dict(zip("xy", at(bar, share), strict=True)) for share in shares]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.wait_for_timeout(100)

    touch("touchStart", 0.3)
    for share in (0.35, 0.42, 0.5, 0.55):
        touch("touchMove", share)
    assert drawn(page)[0] != before[0]
    touch("touchEnd")
    expect(page).to_have_url(re.compile(r"sparsity=0\.89(&|$)"))
    context.close()


def test_nothing_is_cut_off(page: Page, server: str) -> None:
    scrubbing(page, f"{server}/{SCRUB}")
    for width in (1440, 800, 400):
        page.set_viewport_size({"width": width, "height": 900})
        still(page)
        assert page.locator(".scrub").evaluate("scrub => scrub.scrollWidth - scrub.clientWidth") <= 0
        assert overhang(page) <= 0
        for canvas in page.locator(".scrub .map").all():
            box = canvas.bounding_box()
            assert box is not None
            assert 150 <= box["width"] == pytest.approx(box["height"], abs=1)
