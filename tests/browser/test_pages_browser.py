"""Neuron and Knock-out as a person meets them: in a real browser, by mouse and by keyboard."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.samples import sample_images
from core.methods import METHODS
from core.models.zoo import load_network
from core.network import Site
from core.pathways.ranking import Pathway, rank
from explorer.plots import figures
from explorer.plots.palette import FAMILIES, LIGHT, rgb
from explorer.plots.words import percent
from tests.browser import CUT, IN_BROWSER, at_rest, idle, opened, overhang, still, widths

with suppress(ImportError):  # then all of this is skipped
    from playwright.sync_api import Locator, Page, expect

pytestmark = IN_BROWSER

SITE = 7  # features.6.squeeze_activation, 32 channels of 27 x 27
EXPLORE = f"/?second=Random&site={SITE}"  # both methods are there at once
SLIDER = "Sparsity: share of neurons off the pathway"


@cache
def pathway() -> tuple[Site, Pathway]:
    """The site looked into, and what NeuronMCT keeps of the default photo at 90 %, from core alone."""
    network = load_network("squeezenet1_1")
    image = network.preprocess(sample_images()["chelsea"].open())
    target = int(network.run(image).logits.argmax())
    return network.sites[SITE], rank(METHODS["NeuronMCT"](network, image, target)).pathway(0.9)


def cell_of(site: Site, position: int) -> tuple[int, int]:
    """Across and down of the cell that a mosaic draws in colour when this neuron alone is on the pathway."""
    mask = np.zeros(site.planes, bool)
    mask.flat[position] = True
    picture = figures.mosaic(mask, np.zeros(site.planes, bool), FAMILIES["contribution"], LIGHT).convert("RGB")
    side = picture.width // figures.mosaic_cells(site.planes)[0]
    rows, columns = np.nonzero((np.asarray(picture) == rgb(FAMILIES["contribution"])).all(-1))
    return int(columns.min()) // side, int(rows.min()) // side


def mosaic(page: Page, place: int = 0) -> Locator:
    """The mosaic of the first method, or of the second, with its picture there."""
    button = page.locator(".mask").nth(place)
    expect(button.locator("img")).to_have_attribute("src", re.compile("^data:image/png"))
    button.scroll_into_view_if_needed()
    return button


def shown(button: Locator) -> Image.Image:
    source = str(button.locator("img").get_attribute("src"))
    return Image.open(io.BytesIO(b64decode(source.partition(",")[2]))).convert("RGB")


def click_cell(page: Page, button: Locator, cell: tuple[int, int], cells: tuple[int, int]) -> None:
    box = button.locator("img").bounding_box()
    assert box is not None
    x, y = ((at + 0.5) / count for at, count in zip(cell, cells, strict=True))
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def top_five(panel: Locator) -> list[tuple[str, str]]:
    items = panel.locator("ol.answers li:not(.rest)")
    return [(str(li.locator("span").get_attribute("title")), li.locator("b").inner_text()) for li in items.all()]


# ---------------------------------------------------------------------------------------------- from a mask to a neuron


@pytest.mark.parametrize("which", [0, 500, -1], ids=["first kept", "one amid", "last kept"])
def test_a_click_in_the_mosaic_opens_the_neuron_drawn_there(page: Page, server: str, which: int) -> None:
    site, chosen = pathway()
    kept = chosen.masks[SITE].flatten().nonzero().flatten().tolist()
    position = kept[which]
    channel, row, column = site.place(position)
    opened(page, server + EXPLORE)
    at_rest(page)
    button = mosaic(page)
    cell, cells = cell_of(site, position), figures.mosaic_cells(site.planes)
    picture = shown(button)
    side = picture.width // cells[0]
    at = (cell[0] * side + side // 2, cell[1] * side + side // 2)
    assert picture.getpixel(at) == rgb(FAMILIES["contribution"])  # the picture that is shown has it on the pathway
    click_cell(page, button, cell, cells)
    expect(page).to_have_url(re.compile(rf"/neuron\?.*neuron={SITE}-{position}(&|$)"))
    expect(page.get_by_role("heading", level=2).first).to_have_text("What does this neuron do for tiger cat?")
    expect(page.get_by_text(f"channel {channel}, row {row}, column {column}")).to_be_visible()
    at_rest(page)
    table = page.get_by_test_id("stTable")
    expect(table.locator("tr", has_text="NeuronMCT")).to_contain_text("yes")


def test_a_click_on_a_line_between_channels_opens_nothing(page: Page, server: str) -> None:
    site, _ = pathway()
    opened(page, server + EXPLORE)
    at_rest(page)
    click_cell(page, mosaic(page), (site.planes[2], 3), figures.mosaic_cells(site.planes))
    page.wait_for_timeout(1000)
    idle(page)
    assert page.url == server + EXPLORE
    expect(page.get_by_role("heading", name="Where the pathway runs")).to_be_visible()


def test_a_neuron_is_opened_by_keyboard(page: Page, server: str) -> None:
    site, _ = pathway()
    width, height = figures.mosaic_cells(site.planes)
    across, down = width // 2 + 10 - 2, height // 2 - 3  # from the middle, where the mark is at first
    (wanted,) = (p for p in range(site.neurons) if counted_cell(site, p) == (across, down))
    opened(page, server + EXPLORE)
    at_rest(page)
    button = mosaic(page, 1)  # the second method's is as good
    button.focus()
    expect(button.locator("i")).to_be_visible()
    for key in ("Shift+ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowUp"):
        button.press(key)
    button.press("Enter")
    expect(page).to_have_url(re.compile(rf"/neuron\?.*neuron={SITE}-{wanted}(&|$)"))


def counted_cell(site: Site, position: int) -> tuple[int, int]:
    """The cell of a neuron, counted out: channels side by side and down, a line after each."""
    channel, row, column = site.place(position)
    columns = figures.mosaic_cells(site.planes)[0] // (site.planes[2] + 1)
    return channel % columns * (site.planes[2] + 1) + column, channel // columns * (site.planes[1] + 1) + row


def test_the_mark_stands_on_the_cell_that_enter_opens(page: Page, server: str) -> None:
    cells = figures.mosaic_cells(pathway()[0].planes)
    opened(page, server + EXPLORE)
    at_rest(page)
    button = mosaic(page)
    button.focus()
    button.press("Shift+ArrowRight")
    frame, mark = button.locator("img").bounding_box(), button.locator("i").bounding_box()
    assert frame is not None
    assert mark is not None
    middle = mark["x"] + mark["width"] / 2 - frame["x"], mark["y"] + mark["height"] / 2 - frame["y"]
    expected = cells[0] // 2 + 10.5, cells[1] // 2 + 0.5
    size = frame["width"], frame["height"]
    for at, cell, count, pixels in zip(middle, expected, cells, size, strict=True):
        assert at == pytest.approx(cell / count * pixels, abs=1)


def test_the_mark_stays_on_the_picture(page: Page, server: str) -> None:
    opened(page, server + EXPLORE)
    at_rest(page)
    button = mosaic(page)
    button.focus()
    for _ in range(30):
        button.press("Shift+ArrowLeft")
    for _ in range(30):
        button.press("Shift+ArrowUp")
    button.press("Enter")
    expect(page).to_have_url(re.compile(rf"/neuron\?.*neuron={SITE}-0(&|$)"))


# ------------------------------------------------------------------------------------------- from a ranking to a neuron


def test_a_row_of_the_ranking_leads_to_its_neuron_and_the_navigation_back(page: Page, server: str) -> None:
    opened(page, f"{server}/?second=Random&sparsity=0.95")
    at_rest(page)
    table = page.locator(".st-key-neurons").get_by_test_id("stDataFrame")
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box is not None
    assert page.get_by_role("link", name="Open this neuron").count() == 0
    page.mouse.click(box["x"] + 16, box["y"] + 35 + 17)  # the first row's box
    way = page.get_by_role("link", name="Open this neuron")
    expect(way).to_be_visible()
    idle(page)
    address = page.url
    assert re.search(r"\?second=Random&sparsity=0.95&neuron=1-28340$", address)  # channel 9, row 20, column 15
    way.click()
    expect(page).to_have_url(re.compile(r"/neuron\?second=Random&sparsity=0.95&neuron=1-28340$"))
    expect(page.get_by_text("channel 9, row 20, column 15")).to_be_visible()
    slider = page.get_by_role("slider", name=SLIDER)
    assert slider.get_attribute("aria-valuetext") == "95.0 %"
    idle(page)
    page.get_by_role("link", name="Explore").click()
    expect(page.get_by_role("heading", name="Plain gradient")).to_be_visible()
    expect(page).to_have_url(address)
    idle(page)
    assert page.get_by_role("slider", name=SLIDER).get_attribute("aria-valuetext") == "95.0 %"
    expect(page.get_by_text("channel 9, row 20, column 15")).to_be_visible()


# -------------------------------------------------------------------------------------------------------- the knock-out


def expected_answers(parts: Sequence[tuple[int, int]]) -> list[tuple[str, str]]:
    """The five most probable classes with these channels multiplied by 0."""
    network = load_network("squeezenet1_1")
    image = network.preprocess(sample_images()["chelsea"].open())
    factors = {site: torch.ones(network.sites[site].shape) for site, _ in parts}
    for site, channel in parts:
        factors[site][channel] = 0
    with torch.no_grad():
        run = network.run(image, lambda site, a: a * factors.get(site.index, torch.ones(())))
    best = run.logits.softmax(1)[0].topk(5)
    return [
        (network.class_names[i], percent(p)) for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]


def test_a_channel_put_into_the_knock_out_changes_the_answer_there(page: Page, server: str) -> None:
    opened(page, f"{server}/neuron?neuron=1-28340")
    at_rest(page)
    page.get_by_role("button", name="Put its channel into the knock-out").click()
    expect(page.get_by_role("button", name="Take its channel out of the knock-out")).to_be_visible()
    expect(page).to_have_url(f"{server}/neuron?neuron=1-28340&parts=1c9")
    idle(page)
    page.get_by_role("link", name="Knock-out (1)").click()
    expect(page.get_by_role("heading", level=2).first).to_have_text(
        "What does the network say of tiger cat without them?"
    )
    expect(page).to_have_url(f"{server}/knockout?neuron=1-28340&parts=1c9")
    at_rest(page)
    before, after = (page.locator(".st-key-panels").get_by_test_id("stColumn").nth(i) for i in (0, 1))
    assert top_five(before) == expected_answers([])
    assert top_five(after) == expected_answers([(1, 9)])
    assert top_five(after) != top_five(before)
    page.locator(".st-key-drop_1c9 button").first.click()
    expect(page.get_by_text("Nothing is silenced yet.")).to_be_visible()
    idle(page)
    assert top_five(after) == top_five(before)
    page.get_by_role("button", name="Undo").click()
    expect(page).to_have_url(re.compile("parts=1c9"))
    at_rest(page)
    assert top_five(after) == expected_answers([(1, 9)])
    page.get_by_role("button", name="features.3.squeeze_activation, channel 9", exact=True).click()
    expect(page).to_have_url(re.compile(r"/neuron\?neuron=1-27225&whole=True&parts=1c9$"))


def test_a_slow_browser_shows_the_view_and_leaves_it_alone(page: Page, server: str) -> None:
    """The page runs again, since its jobs are done, before such a browser has drawn the first run's widgets."""
    slow = page.context.new_cdp_session(page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 12})
    address = f"{server}/neuron?network=efficientnet_lite0&image=rocket&sparsity=0.95&neuron=5-1000"
    page.goto(address)
    expect(page.get_by_role("heading", level=2).first).to_be_visible(timeout=120_000)
    at_rest(page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    page.wait_for_timeout(1000)
    expect(page.get_by_role("slider", name=SLIDER)).to_have_attribute("aria-valuetext", "95.0 %")
    shown = [page.get_by_role("spinbutton", name=name).input_value() for name in ("Channel", "Row", "Column")]
    assert shown == ["0", "17", "48"]
    page.get_by_role("button", name="Put its channel into the knock-out").click()
    expect(page.get_by_role("button", name="Take its channel out of the knock-out")).to_be_visible()
    expect(page).to_have_url(f"{address}&parts=5c0")


def test_a_number_typed_before_the_click_is_the_number_of_channels_added(page: Page, server: str) -> None:
    opened(page, f"{server}/knockout?site={SITE}")
    at_rest(page)
    page.get_by_role("spinbutton", name="Strongest channels of the site").fill("2")
    page.get_by_role("button", name="Add NeuronMCT's strongest channels").click()
    expect(page).to_have_url(re.compile("parts="))
    at_rest(page)
    assert len(re.findall(rf"{SITE}c\d+", page.url)) == 2


def test_a_click_on_a_node_of_the_flow_selects_its_channel_everywhere(page: Page, server: str) -> None:
    opened(page, f"{server}/flow?second=Random")
    at_rest(page)
    graph = page.locator(".st-key-flow_graph .js-plotly-plot")
    expect(graph).to_be_visible()
    x, y, site, place = graph.evaluate(
        """plot => {
            const traces = plot.data.filter((t) => t.customdata);
            for (const trace of traces) {
                const at = [...trace.customdata].findIndex((c) => c && c[0] === 4 && c[1] === 2);
                if (at < 0) continue;
                const box = plot.getBoundingClientRect(), {xaxis, yaxis} = plot._fullLayout;
                return [box.x + xaxis._offset + xaxis.d2p(trace.x[at]), box.y + yaxis._offset + yaxis.d2p(trace.y[at]),
                    ...trace.customdata[at]];
            }
        }"""
    )
    page.mouse.click(x, y)
    expect(page).to_have_url(re.compile(r"neuron=4-\d+.*whole=True"))
    at_rest(page)
    chosen = page.get_by_role("combobox", name=re.compile("Selected channel")).input_value()
    found = re.fullmatch(r"4 · (.*) channel (\d+)", chosen)
    assert found, (site, place, chosen)
    page.get_by_role("navigation").get_by_role("link", name="Neuron").click()
    at_rest(page)
    expect(page.get_by_role("heading", name=f"Which photos excite channel {found[2]} of {found[1]}")).to_be_visible()


def test_a_site_is_chosen_on_the_neuron_page(page: Page, server: str) -> None:
    opened(page, f"{server}/neuron?neuron=1-28340")
    at_rest(page)
    choice = page.get_by_role("combobox", name=re.compile("Site"))
    choice.click()
    choice.fill("features.9.squeeze")
    choice.press("Enter")
    expect(page).to_have_url(re.compile(r"neuron=13-0(&|$)"))


# ---------------------------------------------------------------------------------------------------------------- looks


@pytest.mark.parametrize(
    ("link", "least"),
    [
        ("/neuron?neuron=9-4400", 3),
        ("/knockout?parts=9c4~9n2916~25n168999", 2),
        ("/flow?second=Random", 0),
        ("/evaluate?box=20-20-80-90", 4),
        ("/linearity?columns=NeuronMCT~Random&pair=0-1", 0),
        ("/decode", 0),
    ],
)
def test_nothing_is_cut_off(page: Page, server: str, link: str, least: int) -> None:
    opened(page, server + link)
    for width in (1440, 800):
        page.set_viewport_size({"width": width, "height": 900})
        still(page)
        assert overhang(page) <= 0
        shown = widths(page.locator(".st-key-panels img"))
        assert len(shown) >= least
        assert min(shown, default=150) >= 150
        assert page.evaluate(CUT) == []
    for image in page.locator("[data-testid=stMain] img").all():
        assert image.get_attribute("alt") or image.get_attribute("class") == "mark"  # beside its words


@pytest.mark.parametrize("link", ["/lessons", "/?second=Random&lesson=pathway&step=2&present=True"])
def test_lessons_and_presenter_mode_fit(page: Page, server: str, link: str) -> None:
    page.goto(server + link)
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    for width in (1440, 800):
        page.set_viewport_size({"width": width, "height": 900})
        still(page)
        assert overhang(page) <= 0
        assert page.evaluate(CUT) == []
    if "present" in link:
        expect(page.get_by_test_id("stSidebar")).to_be_hidden()
        expect(page.get_by_role("slider")).to_have_count(1)
        expect(page.get_by_role("slider", name="Sparsity")).to_be_visible()
        expect(page.get_by_role("combobox")).to_have_count(0)
        page.get_by_role("button", name="Next").click()
        expect(page).to_have_url(re.compile(r"lesson=pathway&step=3&present=True$"))
        page.get_by_role("button", name="Leave presenter mode").click()
        expect(page.get_by_test_id("stSidebar")).to_be_visible()


# ------------------------------------------------------------------------------------------------------------ evaluate


def area(page: Page) -> Locator:
    found = page.locator(".area")
    expect(found.locator("img")).to_have_attribute("src", re.compile("^data:image/jpeg"))
    found.scroll_into_view_if_needed()
    return found


def test_a_box_is_dragged_around_the_object(page: Page, server: str) -> None:
    opened(page, f"{server}/evaluate?attributions=Gradient")
    at_rest(page)
    box = area(page).locator("img").bounding_box()
    assert box is not None
    x, y, width, height = box["x"], box["y"], box["width"], box["height"]
    page.mouse.move(x + 0.2 * width, y + 0.3 * height)
    page.mouse.down()
    page.mouse.move(x + 0.5 * width, y + 0.9 * height, steps=5)
    page.mouse.move(x + 0.8 * width, y + 0.7 * height, steps=5)
    page.mouse.up()
    expect(page).to_have_url(f"{server}/evaluate?attributions=Gradient&box=20-30-80-70")
    at_rest(page)
    alt = page.locator(".st-key-localisation").get_attribute("aria-label") or page.content()
    assert "Energy inside the object: Gradient" in alt


def test_a_box_is_set_by_keyboard(page: Page, server: str) -> None:
    opened(page, f"{server}/evaluate?attributions=Gradient&box=20-30-80-70")
    at_rest(page)
    area(page).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(page).to_have_url(f"{server}/evaluate?attributions=Gradient&box=24-32-82-72")


def test_a_click_draws_no_box(page: Page, server: str) -> None:
    opened(page, f"{server}/evaluate?attributions=Gradient")
    at_rest(page)
    area(page).click()
    page.wait_for_timeout(1500)
    expect(page).to_have_url(f"{server}/evaluate?attributions=Gradient")
