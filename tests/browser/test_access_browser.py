"""Every page for everybody: axe-core, names, contrast, keyboard, small windows and less motion, in a real browser.

axe-core comes from npm into a folder of the machine's temporary ones, and stays there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest

from explorer.plots.palette import GRAPHIC, TEXT, Theme, contrast
from tests.browser import CUT, IN_BROWSER, at_rest, still

with suppress(ImportError):  # then all of this is skipped
    from playwright.sync_api import BrowserContext, Page, expect

pytestmark = IN_BROWSER

AXE = "axe-core@4.14.1"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
THEIRS: dict[tuple[str, str], str] = {
    # (rule, what the element's HTML contains): why it is Streamlit's and cannot be mended here. Nothing, so far.
}
VIEWS: dict[str, tuple[str, tuple[str, ...]]] = {  # a page's name: its link, and what is pressed to fill it
    "explore": ("/?second=Random&site=15&neuron=9-3000", ()),
    "scrub": ("/?second=Random&scrub=True", ()),
    "compare": ("/compare?columns=ActiveSubnet~NeuronMCT~Random&pair=1-2&site=15", ()),
    "evaluate": ("/evaluate?attributions=NeuronMCT~Gradient~Grad-CAM&box=12-18-92-95", ()),
    "neuron": ("/neuron?neuron=9-4400", ()),
    "flow": ("/flow?second=Random", ()),
    "knockout": ("/knockout?site=7&parts=1c9~7c0~9n2916", ()),
    "linearity": (
        "/linearity?network=fashion_vgg&image=fashion-mnist:7013&columns=NeuronMCT~Random&pair=0-1",
        ("Measure the radii", "Follow the line"),
    ),
    "decode": ("/decode?painted=NeuronMCT&paint_steps=1", ("Paint 1 image", "Paint 1 channel")),
    "studies": ("/studies", ()),
    "lessons": ("/lessons", ()),
    "lesson": ("/?second=Random&lesson=pathway&step=2", ()),
    "presented": ("/?second=Random&lesson=pathway&step=2&present=True", ()),
}
DEEP = """
    const below = (e) => (e.shadowRoot ? [e, ...deep(e.shadowRoot)] : [e]);
    const deep = (root) => [...root.querySelectorAll("*")].flatMap(below);
    const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getBoundingClientRect().width > 0;
"""


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's source; without npm or network the test is skipped, in CI it fails."""
    folder = Path(tempfile.gettempdir()) / AXE
    source = folder / "node_modules" / "axe-core" / "axe.min.js"
    npm = shutil.which("npm")
    problem = "there is no npm on this machine"
    if npm and not source.exists():
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), AXE]
        problem = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120).stderr
    if not source.exists():
        why = f"axe-core cannot be had: {problem}"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return source.read_text("utf-8")


@contextmanager
def settled(
    context: BrowserContext, address: str, name: str, reduced_motion: Literal["reduce", "no-preference"] | None = None
) -> Iterator[Page]:
    """A page with all it can show, once nothing moves any more."""
    page = context.new_page()
    page.emulate_media(reduced_motion=reduced_motion)
    link, pressed = VIEWS[name]
    page.goto(address + link)
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    at_rest(page)
    for label in pressed:
        page.get_by_role("button", name=label).click()
        at_rest(page)
    if name == "scrub":
        expect(page.locator(".scrub[data-ready=true]")).to_be_visible()
    for _ in range(5):  # what is below is drawn when it comes into sight, and may then be taller
        tall, seen = page.locator("[data-testid=stMain]").evaluate("(e) => [e.scrollHeight, e.clientHeight]")
        if tall <= seen:
            break
        page.set_viewport_size({"width": 1440, "height": tall + 40})
        still(page)
    expect(page.locator(".mask[hidden], .area[hidden]")).to_have_count(0)
    still(page)
    yield page
    assert page.get_by_test_id("stException").count() == 0
    page.close()


@pytest.fixture(scope="module", params=VIEWS)
def whole(request: pytest.FixtureRequest, context: BrowserContext, server: str) -> Iterator[Page]:
    """Every page, whole; the tests that only look at it share it."""
    with settled(context, server, request.param) as page:
        yield page


@pytest.fixture(scope="module", params=["light", "dark"])
def coloured(request: pytest.FixtureRequest, whole: Page) -> Page:
    """Every page, whole, light and dark."""
    whole.emulate_media(color_scheme=request.param)
    if "/flow" in whole.url:  # the server draws the graph's labels, in the colours in which the page was loaded
        whole.reload()
        expect(whole.get_by_role("heading", level=2).first).to_be_visible()
    still(whole)
    return whole


def is_dark(page: Page) -> bool:
    return bool(page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"))


def findings(found: dict[str, Any], theirs: dict[tuple[str, str], str]) -> list[str]:
    """What is serious in axe's results, without what is Streamlit's, a line each."""
    return [
        f"{rule['id']}: {node['target']} {node['html'][:200]} "
        f"{json.dumps(node['any'] or node['all'] or node['none'])[:400]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if not any(rule["id"] == known and part in node["html"] for known, part in theirs)
    ]


@pytest.mark.thorough
def test_axe_finds_nothing_serious(coloured: Page, axe: str) -> None:
    coloured.evaluate(axe)
    found = coloured.evaluate("(tags) => axe.run(document, { runOnly: { type: 'tag', values: tags } })", TAGS)
    assert len(found["passes"]) > 10
    assert findings(found, THEIRS) == []


def test_what_is_serious_is_told_and_only_what_is_listed_is_left_out() -> None:
    nodes = [{"target": ["a"], "html": f"<a class='{mark}'>", "any": [], "all": [], "none": []} for mark in "xy"]
    rules = [{"id": "link-name", "impact": impact, "nodes": nodes} for impact in ("serious", "minor")]
    assert len(findings({"violations": rules}, {})) == 2
    assert [line[:12] for line in findings({"violations": rules}, {("link-name", "'x'"): ""})] == ["link-name: ["]
    assert len(findings({"violations": rules}, {("image-alt", "'x'"): ""})) == 2


# -------------------------------------------------------------------------------------------------------------- names


@pytest.mark.thorough
def test_every_picture_and_chart_has_its_numbers_in_words(whole: Page) -> None:
    found = whole.evaluate(
        f"""() => {{ {DEEP}
            const name = (e) => (e.getAttribute("alt") ?? e.getAttribute("aria-label") ?? "").trim();
            const all = deep(document).filter(seen);
            const inside = (e, selector) => e.closest(selector) !== null;
            return {{
                bare: all.filter((e) => e.matches("img:not([alt])")).map((e) => e.outerHTML.slice(0, 200)),
                empty: all.filter((e) => e.matches("img[alt='']") && !inside(e, ".brand, .legend")).length,
                pictures: all.filter((e) => e.matches("[data-testid=stMain] img, .mask img, .area img"))
                    .filter((e) => !inside(e, ".brand, .legend")).map(name),
                charts: all.filter((e) => e.matches("[data-testid=stPlotlyChart]"))
                    .map((e) => e.getAttribute("role") + " " + name(e)),
                canvases: all.filter((e) => e.matches("canvas, svg"))
                    .filter((e) => !inside(e, "[aria-hidden=true], .js-plotly-plot, #js-plotly-tester"))
                    .filter((e) => !inside(e, "button, a, [data-testid=stDataFrame]"))
                    .map((e) => [e.getAttribute("role"), name(e), e.outerHTML.slice(0, 200)]),
            }}; }}"""
    )
    assert found["bare"] == []
    assert found["empty"] == 0
    assert [alt for alt in found["pictures"] if not re.search(r"\d|no neuron is selected", alt)] == []
    assert [said for said in found["charts"] if not re.match(r"(figure|img) .*\d", said)] == []
    assert [c for c in found["canvases"] if c[0] != "img" or not re.search(r"\d", c[1])] == []


@pytest.mark.thorough
def test_text_in_charts_can_be_read(coloured: Page) -> None:
    """Black and white are what is written into cells and nodes, by ``palette.legible``, which has a test of its own."""
    fills = coloured.evaluate(
        """() => [...document.querySelectorAll(".js-plotly-plot text")]
            .filter((text) => text.textContent.trim() && text.getBoundingClientRect().width)
            .map((text) => [getComputedStyle(text).fill, text.textContent.slice(0, 40)])"""
    )
    page = Theme(is_dark(coloured)).page
    charts = coloured.locator(".js-plotly-plot").count()
    assert len(fills) >= charts
    known = ("rgb(0, 0, 0)", "rgb(255, 255, 255)")
    assert [(fill, text) for fill, text in fills if fill not in known and contrast(fill, page) < TEXT] == []


# ----------------------------------------------------------------------------------------------------------- keyboard


STOP = f"""() => {{ {DEEP}
    let e = document.activeElement;
    while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
    if (!e || e === document.body) return null;
    window.stops.add(e);
    const rings = [];
    for (let at = e, i = 0; at && i < 4; at = at.parentElement, i++) {{
        const style = getComputedStyle(at), box = at.getBoundingClientRect();
        const drawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
        if (drawn && Math.min(box.width, box.height) >= 8) rings.push(style.outlineColor);
    }}
    return [e.outerHTML.slice(0, 160), rings[0] ?? ""];
}}"""
UNREACHED = f"""() => {{ {DEEP}
    const way = "button, input, select, textarea, summary, a[href], [tabindex='0']";
    const roving = "[role=radio], [role=toolbar] *, [data-testid=stDataFrame] *, [type=file]"; // arrow keys move within
    return deep(document).filter((e) => e.matches(way) && seen(e) && e.tabIndex >= 0 && !e.disabled)
        .filter((e) => !e.matches(roving) && !window.stops.has(e)).map((e) => e.outerHTML.slice(0, 200));
}}"""


TOP = """() => {
    const first = document.createElement("span");
    first.tabIndex = -1;
    document.body.prepend(first);
    first.focus();
    first.remove();
    window.stops = new Set();
}"""  # the next Tab goes to the first control, whatever was pressed last


def round_by_tab(page: Page) -> list[tuple[str, str]]:
    """Press Tab until it leads out of the page: what had the keyboard, and the colour of the ring around it."""
    page.evaluate(TOP)
    stops: list[tuple[str, str]] = []
    for _ in range(300):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None:
            return stops
        stops.append(stop)
    raise AssertionError(f"The keyboard does not come out again: {stops[-5:]}")


@pytest.mark.thorough
def test_the_tab_key_goes_through_all_controls_and_is_seen_everywhere(coloured: Page) -> None:
    stops = round_by_tab(coloured)
    assert len(stops) > 2
    assert coloured.evaluate(UNREACHED) == []
    grounds = ("#11151B", "#161B22") if is_dark(coloured) else ("#FFFFFF", "#F4F6F8")  # of the page, of the sidebar
    for html, ring in stops:
        if html.startswith(("<canvas", '<td role="gridcell"')):
            continue  # a table frames the cell itself
        assert ring, html
        assert min(contrast(ring, ground) for ground in grounds) >= GRAPHIC, html


def active(page: Page) -> str:
    """What has the keyboard, by its name."""
    return str(
        page.evaluate(
            """() => {
                let e = document.activeElement;
                while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
                return e?.getAttribute("aria-label") ?? e?.title ?? "";
            }"""
        )
    )


def test_the_gallery_keeps_the_keyboard_while_photos_are_picked(context: BrowserContext, server: str) -> None:
    with settled(context, server, "knockout") as page:
        page.get_by_role("radio", name="Chelsea the cat").press("ArrowRight")
        expect(page.get_by_role("heading", level=2).first).to_contain_text("espresso")
        at_rest(page)
        assert active(page) == "Coffee cup"
        page.keyboard.press("ArrowLeft")
        expect(page.get_by_role("heading", level=2).first).to_contain_text("tiger cat")
        at_rest(page)
        assert active(page) == "Chelsea the cat"
        page.keyboard.press("Tab")
        assert active(page) != "Chelsea the cat"


def test_masks_and_boxes_say_where_the_arrow_keys_have_moved(context: BrowserContext, server: str) -> None:
    with settled(context, server, "explore") as page:
        mask = page.locator(".mask").first
        said = page.get_by_role("status").filter(has_text="across")
        mask.press("ArrowRight")
        first = re.fullmatch(r"(\d+) of (\d+) across, (\d+) of (\d+) down", said.inner_text())
        assert first
        mask.press("Shift+ArrowLeft")
        expect(said).to_have_text(f"{int(first[1]) - 10} of {first[2]} across, {first[3]} of {first[4]} down")
    with settled(context, server, "evaluate") as page:
        page.locator(".area").press("ArrowRight")
        expect(page.get_by_role("status").filter(has_text="across")).to_have_text("14 to 94 % across, 18 to 95 % down")


def test_a_link_is_copied_and_a_part_taken_out_by_keyboard_and_both_are_named(
    context: BrowserContext, server: str
) -> None:
    with settled(context, server, "knockout") as page:
        page.get_by_role("button", name="Copy link").press("Enter")
        expect(page.get_by_role("button", name=re.compile("Link copied|Copy it from"))).to_be_visible()
        crosses = page.get_by_role("button", name=re.compile("^Take out features"))
        expect(crosses).to_have_count(3)
        page.get_by_role("button", name="Take out features.3.squeeze_activation, channel 9").press("Enter")
        expect(crosses).to_have_count(2)
        assert "1c9" not in page.url


def test_a_channel_of_the_flow_is_selected_by_keyboard(context: BrowserContext, server: str) -> None:
    with settled(context, server, "flow") as page:
        choice = page.get_by_role("combobox", name="Selected channel")
        choice.focus()
        choice.fill("features.3.squeeze_activation channel 9")
        choice.press("Enter")
        expect(page).to_have_url(re.compile(r"neuron=1-\d+.*whole=True"))


def test_an_image_of_a_study_is_opened_by_keyboard(context: BrowserContext, server: str) -> None:
    with settled(context, server, "studies") as page:
        number = page.get_by_role("spinbutton", name="Image by its number").first
        number.fill("7013")
        number.press("Enter")
        card = page.locator("[class*=st-key-image_0]")
        expect(card).to_contain_text("fashion-mnist:7013")
        card.get_by_role("button", name="Open in Explore").press("Enter")
        expect(page.get_by_role("heading", name="Which neurons carry")).to_be_visible()
        assert "7013" in page.url


# ------------------------------------------------------------------------------------------- small windows, less motion


COVERED = f"""() => {{ {DEEP}
    const way = "button, input, summary, a[href], [role=slider], [role=application]";
    const main = document.querySelector("[data-testid=stMain]");
    const hover = "[data-testid=stHeaderActionElements] *, [data-testid=stElementToolbar] *"; // seen on hover
    const part = (hit) => hit?.closest("button, a, label, summary, [role=group], [role=radiogroup], .area, .bar");
    return deep(main).filter((e) => e.matches(way) && !e.matches(hover) && seen(e) && e.offsetWidth > 8).map((e) => {{
        e.scrollIntoView({{ block: "center", inline: "center" }});
        const box = e.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
        const hit = e.getRootNode().elementFromPoint(x, y);
        const own = hit && (e.contains(hit) || part(hit)?.contains(e));
        const inside = box.left >= -1 && box.right <= innerWidth + 1;
        return own && inside ? "" : `${{e.outerHTML.slice(0, 160)}} under ${{hit?.outerHTML.slice(0, 160)}}`;
    }}).filter(Boolean);
}}"""


@pytest.mark.thorough
@pytest.mark.parametrize(("width", "height"), [(720, 450), (800, 900)], ids=["twice as large", "800 wide"])
def test_it_fits_a_small_window(whole: Page, width: int, height: int) -> None:
    """720 x 450 is 1440 x 900 at 200 %."""
    wide, tall = "[document.documentElement, document.querySelector('[data-testid=stMain]')]", whole.viewport_size
    whole.set_viewport_size({"width": width, "height": height})
    still(whole)
    assert whole.evaluate(f"{wide}.map((e) => e.scrollWidth - e.clientWidth)") == [0, 0]
    assert whole.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert whole.evaluate(CUT) == []
    assert whole.evaluate(COVERED) == []
    assert tall is not None
    whole.set_viewport_size(tall)
    still(whole)


@pytest.mark.thorough
def test_in_a_small_window_the_sidebar_is_unfolded_by_keyboard(context: BrowserContext, server: str) -> None:
    with settled(context, server, "knockout") as page:
        page.set_viewport_size({"width": 720, "height": 450})
        expect(page.get_by_role("combobox", name="Network")).not_to_be_in_viewport()
        page.get_by_test_id("stExpandSidebarButton").press("Enter")
        page.get_by_role("button", name="Reset").scroll_into_view_if_needed()
        expect(page.get_by_role("button", name="Reset")).to_be_in_viewport()
        sidebar = page.get_by_test_id("stSidebarContent")
        assert sidebar.evaluate("e => e.scrollWidth <= e.clientWidth")
        expect(page.get_by_role("link", name="Lessons")).to_be_visible()


MOVING = f"""() => {{ {DEEP}
    const second = (text) => parseFloat(text) / (text.includes("ms") ? 1000 : 1);
    const seconds = (text) => Math.max(...text.split(",").map(second));
    const long = (style) => Math.max(seconds(style.transitionDuration), seconds(style.animationDuration)) > 0.01;
    const styles = (e) => [getComputedStyle(e), getComputedStyle(e, "::before"), getComputedStyle(e, "::after")];
    const moving = document.getAnimations().filter((a) => a.effect.getComputedTiming().duration > 10);
    return [moving.length, deep(document).filter((e) => styles(e).some(long)).map((e) => e.outerHTML.slice(0, 120))];
}}"""


@pytest.mark.thorough
def test_nothing_moves_for_who_wants_less_motion(whole: Page) -> None:
    assert whole.evaluate(MOVING)[1]  # Streamlit's own fades, so that this test can fail
    whole.emulate_media(reduced_motion="reduce")
    assert whole.evaluate(MOVING) == [0, []]
    whole.emulate_media(reduced_motion="no-preference")


@pytest.mark.thorough
def test_plots_and_the_bar_jump_where_less_motion_is_wanted(context: BrowserContext, server: str) -> None:
    with settled(context, server, "scrub", reduced_motion="reduce") as page:
        durations = page.evaluate(
            "() => [...document.querySelectorAll('.js-plotly-plot')].map((p) => p.layout.transition?.duration ?? 0)"
        )
        assert durations
        assert not any(durations)
        bar = page.get_by_role("slider", name="Live sparsity")
        before = page.locator(".scrub .knob").bounding_box()
        bar.press("Home")
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        after = page.locator(".scrub .knob").bounding_box()
        page.wait_for_timeout(200)
        assert before != after == page.locator(".scrub .knob").bounding_box()
