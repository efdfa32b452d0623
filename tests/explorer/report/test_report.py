"""The report: all that is shown is in it, it asks nobody for anything, and its snippet makes its numbers again."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
from base64 import b64decode
from functools import partial
from html import unescape
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pytest
from PIL import Image

from core.data.images import downscale
from core.data.preprocessing import Preprocessing
from core.data.samples import sample_images
from core.models.zoo import load_checkpoint
from core.network import trace
from core.strategy import Strategy
from explorer.compute import catalogue, neurons, rankings, restriction
from explorer.compute.rankings import Scored
from explorer.compute.scene import Scene, make_scene
from explorer.plots.figures import jpeg
from explorer.plots.palette import LIGHT
from explorer.plots.words import percent, ratio
from explorer.report import report
from explorer.state.view import View
from explorer.views.columns import Column
from tests.browser import WHY
from tests.networks import SHAPE, TOYS, seeded
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[3]
VIEW = View(
    options=(("Random.seed", 7),),
    second="Random",
    x=0.25,
    y=0.75,
    zoom=2.0,
    target=285,
    off="frozen",
    sparsity=0.85,
    site=15,
    neuron=(9, 3000),
)
OPTIONS = View(
    first="NeuronIntGrad", options=(("GreedyPruning.steps", 10), ("NeuronIntGrad.n_steps", 1)), image="coffee"
)
HOSTILE = '</pre><script>alert("a")</script><img src=x onerror=alert(1)> {{ panels }} {% raw %} \'"""\n`${{&amp;'
VOID = {"meta", "img", "source", "br", "hr", "link"}


def scored(scene: Scene, strategy: Strategy) -> Scored | None:
    return rankings.scores_now(scene, strategy)


def columns_of(scene: Scene, view: View) -> list[Column]:
    """What a page makes of its view, waited for."""
    strategies = [view.strategy(view.first), view.strategy(view.second)]
    colours = LIGHT.shades([strategy.family for strategy in strategies])
    columns = []
    for place, (strategy, colour) in enumerate(zip(strategies, colours, strict=True)):
        selection = until(partial(scored, scene, strategy))
        answer = restriction.answer(scene, selection, view.sparsity, view.off)
        columns.append(Column(place, strategy, strategy.title, colour, selection, answer))
    return columns


def made(view: View) -> tuple[Scene, list[Column], str]:
    scene = make_scene(catalogue.network(view.network), catalogue.sample(view.image), view.crop, view.target)
    columns = columns_of(scene, view)
    return scene, columns, report.make(scene, view, columns).decode("utf-8")


@pytest.fixture(scope="module")
def default() -> tuple[Scene, list[Column], str]:
    return made(View(second="Random"))


@pytest.fixture(scope="module")
def chosen() -> tuple[Scene, list[Column], str]:
    return made(VIEW)


class Page(HTMLParser):
    """A page read strictly: every element closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names)
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def pre(text: str, name: str) -> str:
    found = re.search(rf'<pre id="{name}">(.*?)</pre>', text, re.DOTALL)
    assert found
    return unescape(found[1])


# ----------------------------------------------------------------------------------------------------- what is in it


def test_it_holds_the_numbers_that_the_page_shows(chosen):
    scene, columns, text = chosen
    words = Page(text).text
    for column in columns:
        answer = column.answer
        assert column.title in words
        for shown in (percent(answer.sparsity, 2), ratio(answer.p_ratio), percent(answer.dead_share)):
            assert shown in words
        probability = float(answer.restricted.logits.softmax(1).max())
        assert percent(probability) in words
        (rank,) = neurons.neuron_row(scene, column.selection, (), VIEW.neuron).ranks
        assert rank is None or f"{rank + 1:,} of 2,420,352" in words
        for size, site in zip(answer.sizes, scene.network.sites, strict=True):
            assert percent(size / site.neurons, 2) in words
            assert site.name in words
    assert scene.network.weights_hash in words
    assert str(scene.key[3]) in words
    for name in ("Python", "torch", "torchvision", "numpy", "streamlit", "Device", "Threads"):
        assert name in words


def test_its_link_brings_the_view_back(chosen):
    link = re.search(r"<dt>Link</dt><dd>\?(.*?)</dd>", chosen[2])
    assert link
    assert View.from_params(dict(parse_qsl(unescape(link[1])))) == (VIEW, [])


def test_its_photo_is_the_square_that_the_network_sees(chosen):
    scene, _, text = chosen
    pictures = [attrs["src"] for tag, attrs in Page(text).elements if tag == "img"]
    photo = next(source for source in pictures if source.startswith("data:image/png"))
    read = Image.open(io.BytesIO(b64decode(photo.partition(",")[2])))
    assert np.array_equal(np.asarray(read), np.asarray(scene.picture))


@pytest.mark.parametrize("which", ["default", "chosen"])
def test_it_is_well_formed_and_asks_nobody_for_anything(which, request):
    text = request.getfixturevalue(which)[2]
    page = Page(text)
    tags = [tag for tag, _ in page.elements]
    assert not {"script", "iframe", "object", "embed", "link", "base", "form"} & set(tags)
    assert tags.count("h1") == 1
    for tag, attrs in page.elements:
        assert not [name for name in attrs if name.startswith("on")]
        for name in {"src", "srcset", "href", "xlink:href", "action", "background", "poster"} & set(attrs):
            assert attrs[name].startswith("data:")
        assert "url(" not in attrs.get("style", "")
        assert "fill" not in attrs or "://" not in attrs["fill"]
        if tag == "img":
            assert attrs["alt"] or attrs["src"].startswith("data:image/svg")  # the logo stands beside its name
        if tag == "svg":
            assert attrs["aria-label"]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style
    policies = [attrs for tag, attrs in page.elements if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert [p["content"] for p in policies] == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_what_is_still_in_line_is_named():
    view = View()
    scene = make_scene(catalogue.network(view.network), catalogue.sample(view.image), view.crop, view.target)
    strategies = [view.strategy(view.first), view.strategy(view.second)]
    waiting = [Column(i, s, s.title, "#123456", state="queued") for i, s in enumerate(strategies)]
    page = Page(report.make(scene, view, waiting).decode())
    for strategy in strategies:
        assert f"{strategy.title} is still in line" in page.text
    assert sum(tag == "figure" for tag, _ in page.elements) == 2


# ------------------------------------------------------------------------------------------------------ hostile words


@pytest.fixture(scope="module")
def hostile() -> tuple[View, str]:
    network = trace(
        seeded(TOYS["Residual"]()),
        SHAPE,
        name=HOSTILE,
        preprocessing=Preprocessing(size=8, resize=8),
        class_names=[f"{i} {HOSTILE}" for i in range(3)] + ["\ud800 half"],
    )
    view = View(network="checkpoint-x", image="upload-x", second="Random", sparsity=0.5, target=1)
    photo = Image.effect_noise((10, 8), 80).convert("RGB")
    scene = make_scene(network, photo, view.crop, view.target)
    return view, report.make(scene, view, columns_of(scene, view)).decode("utf-8")


def test_hostile_names_are_only_text(hostile):
    page = Page(hostile[1])
    assert "script" not in [tag for tag, _ in page.elements]
    assert not [attrs for _, attrs in page.elements if "onerror" in attrs]
    assert " ".join(HOSTILE.split()) in " ".join(page.text.split())
    assert page.text.count("{{ panels }} {% raw %}") >= 3
    assert len([tag for tag, _ in page.elements if tag == "h1"]) == 1


def test_hostile_names_are_only_literals_in_the_snippet(hostile):
    code = pre(hostile[1], "snippet")
    tree = ast.parse(code)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "alert" not in called
    assert [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and "CHECKPOINT_PATH" in [getattr(target, "id", "") for target in node.targets]
    ] == [f"{HOSTILE}.safetensors"]


# -------------------------------------------------------------------------------------------------------- the snippet


def run(folder: Path, code: str) -> str:
    """Run it as the report says to: as snippet.py beside core and assets."""
    for name in ("core", "assets"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "snippet.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-W", "error", "snippet.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def assert_same(printed: str, said: str) -> None:
    """The same words, and numbers as near as six figures and rounding let them be."""
    number = r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])"
    assert re.sub(number, "#", printed.strip()) == re.sub(number, "#", said.strip())
    read = [[float(value) for value in re.findall(number, text)] for text in (printed, said)]
    assert len(read[0]) >= 9
    assert read[0] == pytest.approx(read[1], rel=1e-4, abs=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "view",
    [
        pytest.param(VIEW, id="another crop and target, frozen"),
        pytest.param(OPTIONS, id="options of both"),
    ],
)
def test_the_snippet_runs_as_it_is_and_prints_the_reports_numbers(view, tmp_path):
    _, columns, text = made(view)
    printed = run(tmp_path, pre(text, "snippet"))
    assert_same(printed, pre(text, "prints"))
    for column in columns:
        answer = column.answer
        line = next(line for line in printed.splitlines() if line.startswith(f"{column.strategy.name}:"))
        p_ratio, dead = (float(re.search(rf"{what} (\S+?)(,|$)", line)[1]) for what in ("p ratio", "dead share"))
        assert p_ratio == pytest.approx(answer.p_ratio, rel=1e-4)
        assert dead == pytest.approx(answer.dead_share, rel=1e-4)
        again = np.load(tmp_path / f"{column.strategy.name}.npy")
        shown = neurons.saliency(answer.restricted)
        np.testing.assert_allclose(again, shown, rtol=1e-3, atol=1e-4 * float(abs(shown).max()))


@pytest.mark.thorough
def test_the_snippet_of_uploads_says_which_file_to_put_where(tmp_path):
    weights = (ROOT / "assets" / "models" / "squeezenet1_1.safetensors").read_bytes()
    picture = sample_images()["coffee"].open().resize((1500, 1100))
    picture.save(tmp_path / "cup.png")
    kept = Image.open(io.BytesIO(jpeg(downscale(picture, 1024), quality=95)))  # as the session does
    network = load_checkpoint(weights, "squeezenet1_1", filename="mine.safetensors")
    view = View(network=f"checkpoint-{network.weights_hash}", image="upload-ab12", second="Random")
    scene = make_scene(network, kept, view.crop, None)
    text = report.make(scene, view, columns_of(scene, view)).decode()
    assert "which file to put where" in text
    code = pre(text, "snippet")
    assert code.count('"photo.jpg"') == code.count("'mine.safetensors'") == code.count('ARCHITECTURE = ""') == 1
    (tmp_path / "mine.safetensors").write_bytes(weights)
    code = code.replace('"photo.jpg"', '"cup.png"').replace('ARCHITECTURE = ""', 'ARCHITECTURE = "squeezenet1_1"')
    assert_same(run(tmp_path, code), pre(text, "prints"))


@pytest.mark.thorough
def test_the_snippet_says_when_it_is_given_another_picture(default, tmp_path):
    code = pre(default[2], "snippet").replace("'chelsea'", "'coffee'")
    assert run(tmp_path, code).startswith("These are other weights or another picture than the report's")


def test_the_snippet_is_also_there_to_save(default):
    (link,) = [attrs for tag, attrs in Page(default[2]).elements if tag == "a"]
    assert link["download"] == "snippet.py"
    assert b64decode(link["href"].partition(",")[2]).decode() == pre(default[2], "snippet")


# -------------------------------------------------------------------------------------------------------- in a browser


@pytest.mark.skipif(WHY is not None, reason=str(WHY))
@pytest.mark.thorough
def test_from_the_disk_and_without_a_network_every_picture_is_seen(browser, chosen, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(chosen[2], encoding="utf-8")
    context = browser.new_context()
    context.route(re.compile("^(https?|wss?):"), lambda route: route.abort())
    context.set_offline(True)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("requestfailed", lambda request: said.append(request.url[:80]))
    page.on("request", lambda request: asked.append(request.url[:5]))
    page.goto(path.as_uri())
    for width, (scheme, ground) in product((420, 1240), {"light": "255, 255, 255", "dark": "17, 21, 27"}.items()):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth)")
        widths = page.evaluate("[...document.images].map(i => i.clientWidth)")
        assert len(widths) == 1 + 4 + 4 + 1  # logo, panels, masks by position and channel, neuron
        assert min(widths[1:]) >= 90
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == f"rgb({ground})"
    context.close()
    assert said == []
    assert set(asked) <= {"file:", "data:"}
    assert asked.count("file:") == 1
