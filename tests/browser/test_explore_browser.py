"""The app as a person meets it: the real server, a real browser."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from tests.browser import IN_BROWSER, at_rest, idle, opened, overhang, panel, start, still, widths
from tests.serving import ROOT

with suppress(ImportError):  # then all of this is skipped
    from playwright.sync_api import BrowserContext, Page, expect

pytestmark = IN_BROWSER


def other_than(page: Page, title: str, old: str) -> None:
    image = page.locator(".st-key-panels").get_by_role("img", name=re.compile("^" + re.escape(title) + ","))
    expect(image).not_to_have_attribute("src", old)


def pick(page: Page, title: str) -> None:
    page.get_by_role("radio", name=title).click()


def test_the_default_view_shows_photo_gradient_and_first_pathway_then_the_second(page: Page, server: str) -> None:
    start(page, server)
    expect(page.get_by_role("heading", level=2).first).to_have_text("Which neurons carry tiger cat?")
    assert panel(page, "NeuronMCT")
    assert panel(page, "GreedyPruning")  # fills in from the queue
    expect(page.get_by_text("The two pathways overlap by")).to_be_visible()


def test_the_slider_changes_the_pictures_and_the_address(page: Page, server: str) -> None:
    start(page, server)
    before, plain = panel(page, "NeuronMCT"), panel(page, "Plain gradient")
    slider = page.get_by_role("slider", name="Sparsity: share of neurons off the pathway")
    slider.focus()
    slider.press("ArrowRight")
    other_than(page, "NeuronMCT", before)
    expect(page).to_have_url(re.compile("sparsity=0.905"))
    assert panel(page, "Plain gradient") == plain


def test_the_toggle_swaps_the_families(page: Page, server: str) -> None:
    start(page, server)
    page.get_by_test_id("stButtonGroup").get_by_text("pruning", exact=True).click()
    expect(page).to_have_url(re.compile("first=GreedyPruning&second=NeuronMCT"))
    idle(page)
    titles = page.locator(".st-key-panels .panel-title").all_inner_texts()
    assert [title.split("\n")[0] for title in titles] == ["Photo", "Plain gradient", "GreedyPruning", "NeuronMCT"]


def test_another_photo_by_click_and_by_keyboard(page: Page, server: str) -> None:
    start(page, server)
    pick(page, "Coffee cup")
    expect(page.get_by_role("heading", level=2).first).to_have_text("Which neurons carry espresso?")
    chosen = page.get_by_role("radio", name="Coffee cup")
    expect(chosen).to_have_attribute("aria-checked", "true")
    chosen.press("ArrowLeft")
    expect(page.get_by_role("heading", level=2).first).to_have_text("Which neurons carry tiger cat?")


def test_an_uploaded_photo_is_explored_and_said_not_to_be_in_the_link(page: Page, server: str) -> None:
    start(page, server)
    picture = Image.open(ROOT / "assets" / "images" / "coffee.png").convert("RGB").resize((300, 300))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    upload = page.locator("[data-testid=stFileUploader] input").last
    upload.set_input_files({"name": "cup.png", "mimeType": "image/png", "buffer": buffer.getvalue()})
    expect(page.get_by_role("radio", name="Your picture")).to_have_attribute("aria-checked", "true")
    expect(page.get_by_role("heading", level=2).first).to_have_text("Which neurons carry espresso?")
    expect(page.get_by_text("What you uploaded is not in the link.")).to_be_visible()


def test_a_file_that_is_no_picture_is_refused_in_words_and_changes_nothing(page: Page, server: str) -> None:
    start(page, server)
    upload = page.locator("[data-testid=stFileUploader] input").last
    upload.set_input_files({"name": "cat.png", "mimeType": "image/png", "buffer": b"not a picture at all"})
    expect(page.get_by_text("What you looked at is unchanged.")).to_be_visible()
    expect(page.get_by_role("heading", level=2).first).to_have_text("Which neurons carry tiger cat?")


def test_a_pasted_photo_is_explored(page: Page, server: str) -> None:
    start(page, server)
    assert panel(page, "GreedyPruning")
    idle(page)
    page.evaluate(
        """async () => {
            const canvas = new OffscreenCanvas(260, 260);
            const brush = canvas.getContext("2d");
            brush.fillStyle = "#c33"; brush.fillRect(0, 0, 260, 260);
            brush.fillStyle = "#fff"; brush.beginPath(); brush.arc(130, 130, 70, 0, 7); brush.fill();
            const blob = await canvas.convertToBlob({ type: "image/png" });
            const data = new DataTransfer();
            data.items.add(new File([blob], "red.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }"""
    )
    expect(page.get_by_role("radio", name="Your picture")).to_have_attribute("aria-checked", "true")


def test_a_copied_link_brings_the_same_view_back(page: Page, server: str, context: BrowserContext) -> None:
    start(page, server)
    pick(page, "Coffee cup")
    expect(page.get_by_role("heading", level=2).first).to_have_text("Which neurons carry espresso?")
    slider = page.get_by_role("slider", name="Sparsity: share of neurons off the pathway")
    slider.focus()
    slider.press("ArrowRight")
    expect(page).to_have_url(re.compile("sparsity=0.905"))
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url

    other = context.new_page()
    start(other, link)
    expect(other.get_by_role("heading", level=2).first).to_have_text("Which neurons carry espresso?")
    assert (
        other.get_by_role("slider", name="Sparsity: share of neurons off the pathway").get_attribute("aria-valuetext")
        == "90.5 %"
    )
    assert panel(other, "NeuronMCT").rsplit("/")[-1] == panel(page, "NeuronMCT").rsplit("/")[-1]  # named by content
    other.close()


def test_copying_works_without_the_modern_clipboard(page: Page, server: str) -> None:
    """Over plain http on another host there is no navigator.clipboard."""
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true });")
    start(page, server)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()


def test_the_back_button_brings_the_last_view_back(page: Page, server: str) -> None:
    start(page, server)
    pick(page, "Coffee cup")
    expect(page.get_by_role("heading", level=2).first).to_have_text("Which neurons carry espresso?")
    idle(page)
    assert panel(page, "GreedyPruning")
    page.wait_for_timeout(2000)  # a person looks before going back
    page.go_back()
    expect(page.get_by_role("heading", level=2).first).to_have_text("Which neurons carry tiger cat?")


def test_quick_moves_of_the_slider_end_where_the_person_ended(page: Page, server: str) -> None:
    start(page, server)
    slider = page.get_by_role("slider", name="Sparsity: share of neurons off the pathway")
    slider.focus()
    for _ in range(8):
        slider.press("ArrowRight")
        page.wait_for_timeout(60)
    idle(page)
    expect(page).to_have_url(re.compile(r"sparsity=0.94(&|$)"))
    assert slider.get_attribute("aria-valuetext") == "94.0 %"


def test_a_click_on_a_bar_opens_that_site(page: Page, server: str) -> None:
    start(page, server)
    assert panel(page, "GreedyPruning")
    idle(page)
    bars = page.locator(".st-key-strip .bars .point")  # all bars of the first method, then all of the second
    sites = bars.count() // 2
    for site, bar in ((7, 7), (12, sites + 12)):
        bars.nth(bar).scroll_into_view_if_needed()
        box = bars.nth(bar).bounding_box()
        assert box is not None
        for step in (0, 1):  # Plotly takes a click where it last saw the mouse rest
            page.mouse.move(box["x"] + box["width"] / 2 + step, box["y"] + box["height"] - 2)
            page.wait_for_timeout(300)
        page.mouse.down()
        page.mouse.up()
        expect(page).to_have_url(re.compile(rf"site={site}(&|$)"))
        idle(page)
    expect(page.get_by_text("on the pathway").first).to_be_visible()


def test_a_selected_neuron_is_outlined_on_the_photo(page: Page, server: str) -> None:
    start(page, f"{server}/?neuron=1-0")
    expect(page.get_by_role("img", name=re.compile("sees pixels 0 to"))).to_be_visible()
    expect(page.get_by_text("channel 0, row 0, column 0")).to_be_visible()


COMPARE = "/compare?columns=ActiveSubnet~NeuronMCT~Random&pair=1-2"  # none of them waits in line


def strategies(page: Page) -> list[str]:
    titles = page.locator(".st-key-panels .panel-title").all_inner_texts()
    return [title.split("\n")[0] for title in titles]


def test_comparing_by_the_navigation_keeps_the_view_and_going_back_brings_it_back(page: Page, server: str) -> None:
    start(page, f"{server}/?sparsity=0.95&second=Random")
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", level=2).first).to_have_text("Do strategies agree on what carries tiger cat?")
    expect(page).to_have_url(re.compile(r"/compare\?second=Random&sparsity=0.95$"))
    slider = page.get_by_role("slider", name="Sparsity: share of neurons off the pathway")
    assert slider.get_attribute("aria-valuetext") == "95.0 %"
    idle(page)
    page.wait_for_timeout(2000)
    page.get_by_role("link", name="Explore").click()
    expect(page.get_by_role("heading", name="Plain gradient")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/\?second=Random&sparsity=0.95$"))


def test_columns_are_chosen_added_and_removed(page: Page, server: str, context: BrowserContext) -> None:
    opened(page, server + COMPARE)
    assert strategies(page)[:3] == ["Active subnet", "NeuronMCT", "Random"]
    page.get_by_role("button", name="Remove").first.click()
    expect(page).to_have_url(re.compile(r"columns=NeuronMCT(~|%7E)Random"))
    page.get_by_role("button", name="Add a column").click()
    expect(page.get_by_role("combobox", name=re.compile("Column 3"))).to_be_visible()
    at_rest(page)
    assert strategies(page)[:3] == ["NeuronMCT", "Random", "NeuronIntGrad"]
    other = context.new_page()
    opened(other, page.url)
    assert strategies(other)[:3] == ["NeuronMCT", "Random", "NeuronIntGrad"]
    other.close()


def test_the_sparsity_moves_every_column_and_every_chart(page: Page, server: str) -> None:
    opened(page, f"{server}{COMPARE}&scale=panel")
    at_rest(page)
    before = panel(page, "NeuronMCT"), panel(page, "Random")
    matrix = page.get_by_role("figure", name=re.compile("^Overlap of every two pathways"))
    said = matrix.get_attribute("aria-label")
    slider = page.get_by_role("slider", name="Sparsity: share of neurons off the pathway")
    slider.focus()
    slider.press("ArrowRight")
    for title, old in zip(("NeuronMCT", "Random"), before, strict=True):
        other_than(page, title, old)
    expect(matrix).not_to_have_attribute("aria-label", str(said))


def test_a_click_on_a_membership_bar_opens_that_site(page: Page, server: str) -> None:
    opened(page, server + COMPARE)
    at_rest(page)
    bar = page.locator(".st-key-members .bars .point").nth(9)
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    assert box is not None
    for step in (0, 1):
        page.mouse.move(box["x"] + box["width"] / 2 + step, box["y"] + box["height"] / 2)
        page.wait_for_timeout(300)
    page.mouse.down()
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"site=9(&|$)"))
    expect(page.get_by_role("heading", name=re.compile("every neuron"))).to_contain_text("features.6")


def test_a_question_is_one_click(page: Page, server: str) -> None:
    opened(page, server + COMPARE)
    page.get_by_role("button", name="Where do dead neurons enter?").click()
    expect(page.get_by_text("of the network's neurons are dead for this photo")).to_be_visible(timeout=120_000)
    expect(page).to_have_url(re.compile("pair=1-2"))


def test_what_changes_while_methods_are_in_line_stays_changed(page: Page, server: str) -> None:
    """Polls bring the values widgets had before the page set them; none of these may come back into the view."""
    columns = "GreedyPruning!steps=22~Random!seed=7~NeuronIntGrad!n_steps=7~Random!seed=9"
    opened(page, f"{server}/compare?image=astronaut&columns={columns}")
    page.get_by_role("button", name="Remove").nth(1).click()
    left = re.compile("columns=GreedyPruning[^~]*22~NeuronIntGrad[^~]*7~Random[^~]*9(&|$)")
    expect(page).to_have_url(left)
    page.wait_for_timeout(1500)  # some polls
    slider = page.get_by_role("slider", name="Sparsity: share of neurons off the pathway")
    slider.focus()
    slider.press("ArrowRight")
    expect(page).to_have_url(re.compile("sparsity=0.905"))
    idle(page)
    expect(page).to_have_url(left)


def test_every_file_of_the_page_is_made(page: Page, server: str) -> None:
    opened(page, server + COMPARE)
    at_rest(page)
    offers = page.locator("[class*=st-key-offer_] button")
    assert offers.count() >= 15
    for place in range(offers.count()):
        offers.nth(place).scroll_into_view_if_needed()
        page.wait_for_timeout(300)  # pictures come while one scrolls, and what is below them moves
        with page.expect_download(timeout=60_000) as download:
            offers.nth(place).click()
        assert Path(download.value.path()).stat().st_size > 100


def test_the_strip_is_taken_away_as_one_picture_that_says_what_made_it(page: Page, server: str) -> None:
    opened(page, server + COMPARE)
    at_rest(page)
    with page.expect_download() as download:
        page.locator(".st-key-offer_strip_png button").click()
    picture = Image.open(download.value.path())
    assert (picture.format, picture.width) == ("PNG", 1924)
    assert picture.text["network"] == "squeezenet1_1"  # type: ignore[attr-defined]
    assert "NeuronMCT" in picture.text["columns"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("link", ["/", COMPARE])
def test_nothing_is_cut_off(page: Page, server: str, link: str) -> None:
    opened(page, server + link)
    for width in (1440, 800):
        page.set_viewport_size({"width": width, "height": 900})
        still(page)
        assert overhang(page) <= 0
        assert min(widths(page.locator(".st-key-panels img"))) >= 150
    assert all(image.get_attribute("alt") for image in page.locator("[data-testid=stMain] img").all())
