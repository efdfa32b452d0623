"""The Studies page in a real browser: a point is clicked, its image opens in Explore, a chart is saved as a PNG."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from core.strategy import Strategy
from core.studies import Loader, Serial, Study, run
from tests.browser import CUT, IN_BROWSER, idle, overhang, still
from tests.serving import serving

with suppress(ImportError):  # then all of this is skipped
    from playwright.sync_api import Page, expect

pytestmark = IN_BROWSER


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("studies")
    strategies = (Strategy("NeuronMCT"), Strategy("Random"))
    study = Study(
        "fashion-mnist", "fashion_vgg", strategies=strategies, sparsities=(0.8,), measures=("fidelity",), count=4
    )
    run(study, folder / "few", Serial(Loader.of(study)), Loader.of(study)())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATHWAY_STUDIES", str(folder))
        with serving() as address:
            yield address


def opened(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", name="How far do single images lie apart?")).to_be_visible()
    idle(page)


def test_a_point_that_is_clicked_shows_its_image_and_opens_it_in_explore(page: Page, server: str):
    opened(page, f"{server}/studies?runs=few&sparsity=0.8&spread=dead_share")
    plot = page.locator("[class*=st-key-study_images_dead_share] .js-plotly-plot").first
    plot.scroll_into_view_if_needed()
    point = plot.locator(".scatterlayer .trace").nth(1).locator("path.point").first  # of Random
    expect(point).to_be_visible()
    page.wait_for_timeout(500)
    box = point.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    card = page.locator("[class*=st-key-image_0]")
    expect(card).to_contain_text("dead share: NeuronMCT 0.0 %; Random")
    expect(card.locator("img")).to_be_visible()
    name = card.locator("strong").first.inner_text()
    card.get_by_role("button", name="Open in Explore").click()
    expect(page.get_by_role("heading", name="Which neurons carry")).to_be_visible()
    idle(page)
    address = page.url.replace("%3A", ":")
    assert all(part in address for part in ("network=fashion_vgg", f"image={name}", "second=Random", "sparsity=0.8"))


def test_a_chart_is_saved_as_a_png_from_the_keyboard(page: Page, server: str, tmp_path: Path):
    opened(page, f"{server}/studies?runs=few&sparsity=0.8")
    button = page.get_by_role("button", name="PNG of Dead share", exact=True)
    expect(button).to_be_visible()
    expect(page.locator(".st-key-study_dead_share_0 .js-plotly-plot svg.main-svg").first).to_be_visible()
    button.focus()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "study-few-dead_share.png"
    download.value.save_as(tmp_path / "chart.png")
    picture = Image.open(io.BytesIO((tmp_path / "chart.png").read_bytes())).convert("RGB")
    shown = page.locator(".st-key-study_dead_share_0 .js-plotly-plot").bounding_box()
    assert shown is not None
    assert picture.width == pytest.approx(2 * (shown["width"] + 40), abs=2)
    colours = picture.getcolors(2**24) or []
    assert len(colours) > 20  # bars, text, ground
    assert max(colours)[1] == (255, 255, 255)


def test_nothing_is_cut_off(page: Page, server: str) -> None:
    opened(page, f"{server}/studies?runs=few&sparsity=0.8")
    for width in (1440, 800):
        page.set_viewport_size({"width": width, "height": 900})
        still(page)
        assert overhang(page) <= 0
        assert page.evaluate(CUT) == []
    assert all(image.get_attribute("alt") for image in page.locator("[data-testid=stMain] img").all())
