"""The app as Streamlit runs it, without a browser: every control, every link, every file a person may bring."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save as save_safetensors
from streamlit.testing.v1 import AppTest, local_script_runner

from core.data import datasets
from core.data.datasets import open_dataset
from core.data.samples import sample_images
from core.methods import METHODS
from core.models import weights
from core.models.architectures import build
from core.models.weights import PublishedWeights
from explorer.compute import cache, task_queue
from explorer.state.choices import SPARSITIES
from explorer.state.view import View
from tests.app import button, html, link, opened, ran, until_done, until_shown, view, warnings
from tests.networks import seeded
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("own_queue")
QUICK = {"second": "Random"}  # both methods answer at once
SMALL = {**QUICK, "network": "fashion_vgg"}  # sooner still
SLOW = {"GreedyPruning.steps": "10", "network": "fashion_vgg"}  # in line, but not for long


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weights folder and an empty torch.hub cache."""
    monkeypatch.setenv("PATHWAY_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "weights"


def heading(at: AppTest) -> str:
    return next(element.value for element in at.markdown if "Which neurons carry" in element.value)


def shows_the_page(at: AppTest) -> None:
    """All three parts are there, with pictures."""
    assert [h.value.removeprefix("## ") for h in at.markdown if h.value.startswith("## ")][1:] == [
        "Where the pathway runs",
        "Which neurons rank first",
    ]
    assert len(at.image) >= 6


# --------------------------------------------------------------------------------------------------- the default view


def test_the_default_view_shows_everything_at_once_but_the_slow_method(nothing_made, go_on):
    at = opened()
    shows_the_page(at)
    assert heading(at) == "## Which neurons carry *tiger cat*?"
    assert link(at) == {}
    assert warnings(at) == ""
    assert [title in html(at) for title in ("Plain gradient", "NeuronMCT", "GreedyPruning")] == [True] * 3
    assert len(at.progress) == 1
    (table,) = at.dataframe
    assert len(table.value) == 200
    (rank,) = (name for name in table.value if "rank" in name)
    assert list(table.value[rank][:3]) == [1, 2, 3]
    assert "tiger cat ◂" in html(at)


def test_every_picture_says_in_words_what_it_shows():
    words = [element.proto.imgs[0].alt for element in opened(QUICK).image]
    assert len(words) >= 6
    assert all(len(text) > 20 for text in words)


# ------------------------------------------------------------------------------------------------- controls and links


def control(at, kind, key):
    """A widget by its key, or by the part of it that does not name the scene or the network its labels come from."""
    return next(widget for widget in getattr(at, kind) if widget.key == key or str(widget.key).startswith(f"{key}_"))


CONTROLS = [
    ("segmented_control", "family", "pruning", {}, {"first": "GreedyPruning", "second": "NeuronMCT"}),
    ("selectbox", "first", "NeuronIntGrad", {}, {"first": "NeuronIntGrad"}),
    ("selectbox", "second", "Random", {}, {"second": "Random"}),
    ("select_slider", "view_sparsity", 0.95, QUICK, {"sparsity": 0.95}),
    ("select_slider", "view_sparsity", 0.0, SMALL, {"sparsity": 0.0}),
    ("select_slider", "view_sparsity", 0.99, SMALL, {"sparsity": 0.99}),
    ("segmented_control", "view_off", "frozen", SMALL, {"off": "frozen"}),
    ("segmented_control", "view_scale", "panel", SMALL, {"scale": "panel"}),
    ("segmented_control", "view_style", "signed", SMALL, {"style": "signed"}),
    ("slider", "view_opacity", 40, SMALL, {"opacity": 40}),
    ("slider", "view_x", 0.25, SMALL, {"x": 0.25}),
    ("slider", "view_y", 0.75, SMALL, {"y": 0.75}),
    ("slider", "view_zoom", 2.0, SMALL, {"zoom": 2.0}),
    ("selectbox", "target", 285, QUICK, {"target": 285}),
    ("selectbox", "site", 20, QUICK, {"site": 20}),
    ("segmented_control", "view_only_site", True, SMALL, {"only_site": True}),
    ("selectbox", "network", "efficientnet_lite0", QUICK, {"network": "efficientnet_lite0"}),
    ("number_input", "option_Random_seed", 7, SMALL, {"options": (("Random.seed", 7),)}),
    ("number_input", "option_GreedyPruning_steps", 20, {}, {"options": (("GreedyPruning.steps", 20),)}),
]


@pytest.mark.parametrize(
    ("kind", "key", "value", "params", "change"), CONTROLS, ids=[f"{key}={value}" for _, key, value, *_ in CONTROLS]
)
def test_a_control_changes_the_view_and_the_address_and_its_link_brings_both_back(kind, key, value, params, change):
    params = params or SLOW
    at = opened(params)
    before = view(at)
    at = ran(control(at, kind, key).set_value(value))
    assert view(at) == replace(before, **change)
    assert link(at) == view(at).params()
    assert control(at, kind, key).value == value
    assert warnings(at) == ""
    if key != "first":  # there both methods are in line
        shows_the_page(at)

    other = opened(link(at))
    assert view(other) == view(at)
    assert link(other) == link(at)
    assert control(other, kind, key).value == value
    assert warnings(other) == ""


def test_reset_brings_the_first_view_back():
    at = opened({"sparsity": "0.5", "site": "3", "image": "coffee", "style": "signed", "Random.seed": "3", **QUICK})
    at = ran(button(at, "Reset").click())
    assert view(at) == View()
    assert link(at) == {}
    assert at.select_slider(key="view_sparsity").value == 0.9


def test_following_the_prediction_again_takes_the_target_out_of_the_link():
    at = opened({"target": "285", **QUICK})
    assert heading(at) == "## Which neurons carry *Egyptian cat*?"
    at = ran(control(at, "selectbox", "target").set_value(-1))
    assert view(at).target is None
    assert heading(at) == "## Which neurons carry *tiger cat*?"


def test_controls_show_what_a_link_says():
    at = opened(
        {
            "sparsity": "0.95",
            "off": "frozen",
            "style": "signed",
            "scale": "panel",
            "opacity": "35",
            "site": "4",
            "x": "0.2",
            "y": "0.3",
            "zoom": "3.0",
            "only_site": "True",
            "Random.seed": "12",
            **QUICK,
        }
    )
    values = {
        "view_sparsity": at.select_slider,
        "view_off": at.segmented_control,
        "view_style": at.segmented_control,
        "view_scale": at.segmented_control,
        "view_opacity": at.slider,
        "view_x": at.slider,
        "view_y": at.slider,
        "view_zoom": at.slider,
        "view_only_site": at.segmented_control,
        "option_Random_seed": at.number_input,
        "second": at.selectbox,
    }
    shown = {key: widgets(key=key).value for key, widgets in values.items()}
    assert control(at, "selectbox", "site").value == 4
    assert list(shown.values()) == [0.95, "frozen", "signed", "panel", 35, 0.2, 0.3, 3.0, True, 12, "Random"]
    assert set(at.dataframe[0].value["site"]) == {"features.4.squeeze_activation"}


def test_several_moves_in_one_session_all_stay():
    at = opened(QUICK)
    at = ran(at.select_slider(key="view_sparsity").set_value(0.8))
    at = ran(at.segmented_control(key="view_style").set_value("signed"))
    at = ran(control(at, "selectbox", "site").set_value(5))
    assert link(at) == {"second": "Random", "sparsity": "0.8", "style": "signed", "site": "5"}


@pytest.mark.parametrize(
    ("link_holds", "named"),
    [
        ({"sparsity": "ninety"}, "sparsity=ninety"),
        ({"first": "Random"}, "first=Random"),
        ({"network": "<script>"}, "network=<script>"),
        ({"network": "resnet19"}, "resnet19"),
        ({"network": "vit_b_16"}, "vit_b_16"),
        ({"image": "lena"}, "an unknown photo"),
        ({"image": "upload-0123456789abcdef"}, "an uploaded picture"),
        ({"network": "checkpoint-0123456789abcdef"}, "an uploaded checkpoint"),
        ({"zoom": "1000"}, "zoom=1000"),
        ({"target": "-1"}, "target=-1"),
        ({"neuron": "1"}, "neuron=1"),
        ({"GreedyPruning.steps": "100000"}, "GreedyPruning.steps=100000"),
        ({"NeuronMCT.self": "1"}, "NeuronMCT.self=1"),
        ({"nonsense": "1"}, "nonsense=1"),
    ],
)
def test_a_broken_link_opens_the_default_and_names_what_it_could_not_follow(link_holds, named):
    at = opened({**link_holds, **QUICK}, followed=False)
    assert view(at) == View(second="Random")
    assert named in warnings(at)
    assert link(at) == QUICK
    shows_the_page(at)
    assert named in warnings(ran(at))  # a job that ends runs the page again: still to be read
    assert warnings(ran(at.segmented_control(key="view_style").set_value("signed"))) == ""  # the person has gone on


def test_what_a_link_says_is_shown_as_text():
    at = opened({"![a](http://nowhere.invalid/a.png)": "[x](http://nowhere.invalid)", **QUICK}, followed=False)
    assert at.warning[0].value.endswith(" `![a](http://nowhere.invalid/a.png)=[x](http://nowhere.invalid).`")
    at = opened({"![a](b)": "<b>:red[x]</b>", **QUICK}, followed=False)
    assert at.warning[0].value.endswith(" \\!\\[a\\]\\(b\\)\\=\\<b\\>\\:red\\[x\\]\\<\\/b\\>\\.")


@pytest.mark.parametrize(
    ("params", "left"),
    [
        ({"site": "999"}, {"site": "24"}),
        ({"neuron": "999-0"}, {}),
        ({"neuron": "0-999999999"}, {}),
        ({"target": "1000"}, {}),
    ],
)
def test_a_link_made_for_a_larger_network_opens_without_what_this_one_lacks_and_says_so(params, left):
    at = opened({**params, **QUICK}, followed=False)
    shows_the_page(at)
    assert link(at) == {**left, **QUICK}
    ((name, value),) = params.items()
    assert f"squeezenet1_1 does not have what the link asks for: {name}={value}" in warnings(at)


def test_a_selected_neuron_is_described():
    at = opened({"neuron": "0-12345", **QUICK})
    channel, rest = divmod(12345, 111 * 111)
    assert f"features.1, channel {channel}, row {rest // 111}, column {rest % 111}" in html(at)


def test_an_edited_address_is_followed_by_a_running_session():
    at = opened(QUICK)
    at.query_params["sparsity"] = "0.5"
    at = ran(at)
    assert view(at).sparsity == 0.5
    assert at.select_slider(key="view_sparsity").value == 0.5


# --------------------------------------------------------------------------------------------------------- warm moves


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of methods, one each time one computes scores."""
    called: list[str] = []

    def counting(name: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        called.append(name)
        return function(*args, **options)

    for name, method in list(METHODS.items()):
        monkeypatch.setitem(METHODS, name, replace(method, function=partial(counting, name, method.function)))
    return called


def test_moving_the_slider_computes_no_scores(runs):
    at = opened({"image": "rocket", "Random.seed": "4711", **QUICK})
    assert sorted(runs) == ["NeuronMCT", "Random"]
    for sparsity in (0.8, 0.95, SPARSITIES[0]):
        at = ran(at.select_slider(key="view_sparsity").set_value(sparsity))
    at = ran(at.segmented_control(key="view_off").set_value("frozen"))
    at = ran(at.slider(key="view_opacity").set_value(50))
    assert sorted(runs) == ["NeuronMCT", "Random"]
    assert view(at).off == "frozen"


def test_a_second_person_waits_for_nothing_that_the_first_one_made(runs):
    params = {"image": "nagasaki-boats", "Random.seed": "4712", **QUICK}
    opened(params)
    held, runs[:] = cache.RESULTS.nbytes, []
    opened(params)
    assert runs == []
    assert cache.RESULTS.nbytes == held


# ------------------------------------------------------------------------------------------------------- slow methods


def in_fragment(at: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next run be of the page's fragment alone, as in a browser for a widget inside one."""
    (fragment,) = at._fragment_storage._fragments
    whole = local_script_runner.RerunData
    monkeypatch.setattr(local_script_runner, "RerunData", lambda **data: whole(**data, fragment_id_queue=[fragment]))


def test_a_slow_method_fills_in_when_it_is_done(nothing_made, go_on):
    at = opened(SLOW)
    assert len(at.progress) == 1
    at = ran(at)
    assert at.progress[0].text == "0 of 10 steps"
    assert "The two pathways overlap" not in str([m.value for m in at.markdown])
    go_on.set()
    at = until_done(at)
    assert html(at).count("p ratio") == 2
    assert any("The two pathways overlap" in m.value for m in at.markdown)
    assert task_queue.QUEUE.pending("long") == 0


@pytest.mark.parametrize("alone", [True, False], ids=["in the fragment", "in the whole page"])
def test_cancelling_stops_the_work_and_offers_to_start_it(monkeypatch, nothing_made, go_on, alone):
    at = opened({"network": "fashion_vgg"})
    assert task_queue.QUEUE.pending("long") == 1
    cancel = button(at, "Cancel").click()
    with monkeypatch.context() as patch:
        if alone:
            in_fragment(at, patch)
        at = ran(cancel)
    at = ran(at)
    assert [m.value for m in at.info] == ["Cancelled."]
    assert not at.progress
    until(lambda: task_queue.QUEUE.pending("long") == 0)  # not merely hidden
    at = ran(button(at, "Start it").click())
    assert len(at.progress) == 1
    assert task_queue.QUEUE.pending("long") == 1


def test_a_failed_method_says_why_and_can_be_tried_again(monkeypatch, nothing_made):
    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no luck with 9 gates")

    with monkeypatch.context() as patch:
        patch.setitem(METHODS, "GreedyPruning", replace(METHODS["GreedyPruning"], function=fails))
        at = until_shown(opened(SLOW), lambda at: at.error)
        assert "no luck with 9 gates" in at.error[0].value
    at = until_done(ran(button(at, "Try again").click()))
    assert not at.error
    assert html(at).count("p ratio") == 2


# ------------------------------------------------------------------------------------------------------------ uploads


def encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def upload(at: AppTest, data: bytes, name: str = "picture.png") -> AppTest:
    uploader = next(u for u in at.file_uploader if (u.key or "").startswith("upload_"))
    return ran(uploader.upload(name, data))


def uploaded(at: AppTest) -> Image.Image:
    """What the session now looks at."""
    return Image.open(io.BytesIO(at.session_state["pictures"][view(at).image])).convert("RGB")


HALVES = Image.new("RGB", (64, 32), (220, 20, 20))
HALVES.paste((20, 20, 220), (32, 0, 64, 32))
BOMB = encoded(Image.new("1", (20_000, 20_000)), "PNG")


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to stand upright
    return encoded(HALVES, "JPEG", exif=exif, quality=95)


def transparent_palette() -> bytes:
    picture = Image.new("P", (40, 40), 0)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.paste(1, (20, 0, 40, 40))
    return encoded(picture, "PNG", transparency=0)


def animated() -> bytes:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("#DC1414", "#14DC14", "#1414DC")]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def deep_grey() -> bytes:
    return encoded(Image.new("I;16", (40, 40), 257 * 77), "PNG")


USABLE = {
    "png": (encoded(HALVES, "PNG"), (64, 32), {(5, 16): (220, 20, 20), (60, 16): (20, 20, 220)}),
    "cmyk": (encoded(HALVES.convert("CMYK"), "TIFF"), (64, 32), {(5, 16): (220, 20, 20), (60, 16): (20, 20, 220)}),
    "deep grey": (deep_grey(), (40, 40), {(20, 20): (77, 77, 77)}),
    "palette": (transparent_palette(), (40, 40), {(5, 20): (255, 255, 255), (35, 20): (0, 255, 0)}),
    "rotated": (rotated(), (32, 64), {(16, 5): (220, 20, 20), (16, 60): (20, 20, 220)}),
    "one pixel": (encoded(Image.new("RGB", (1, 1), (10, 200, 30)), "PNG"), (1, 1), {(0, 0): (10, 200, 30)}),
    "thin": (encoded(Image.new("RGB", (4000, 2), (10, 200, 30)), "PNG"), (1024, 1), {(9, 0): (10, 200, 30)}),
    "animated": (animated(), (40, 40), {(20, 20): (220, 20, 20)}),
    "large": (encoded(HALVES.resize((3000, 1500)), "JPEG"), (1024, 512), {(50, 250): (220, 20, 20)}),
}


@pytest.mark.parametrize("kind", USABLE)
def test_an_uploaded_picture_is_looked_at(kind):
    data, size, colours = USABLE[kind]
    at = upload(opened({"target": "3", "zoom": "2.0", "neuron": "1-2", **SMALL}), data)
    assert warnings(at) == ""
    assert view(at) == View(
        network="fashion_vgg", image=view(at).image, second="Random"
    )  # uncropped, at its own prediction
    assert view(at).image.startswith("upload-")
    picture = uploaded(at)
    assert picture.size == size
    for place, colour in colours.items():
        assert picture.getpixel(place) == pytest.approx(colour, abs=6)
    shows_the_page(at)
    assert any("not in the link" in caption.value for caption in at.caption)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"not a picture at all", "not a picture"),
        (b"", "empty"),
        (encoded(HALVES, "PNG")[:-40], "damaged"),
        (BOMB, "megapixels"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "not a picture"),
    ],
    ids=["text", "empty", "truncated", "bomb", "svg"],
)
def test_a_file_that_is_no_usable_picture_is_refused_and_changes_nothing(data, words):
    at = opened({"image": "coffee", "zoom": "2.0", **SMALL})
    before = view(at)
    at = upload(at, data)
    assert words in warnings(at)
    assert "unchanged" in warnings(at)
    assert view(at) == before
    shows_the_page(at)


def paste() -> None:
    import streamlit as st

    from explorer.ui import session, uploads

    session.start("")
    uploads.add_pasted(st.session_state["pasted"])


def pasted(url: str) -> AppTest:
    at = AppTest.from_function(paste, default_timeout=60)
    at.session_state["pasted"] = url
    return ran(at)


def test_a_pasted_picture_is_looked_at():
    at = pasted("data:image/png;base64," + base64.b64encode(encoded(HALVES, "PNG")).decode())
    assert uploaded(at).getpixel((60, 16)) == pytest.approx((20, 20, 220), abs=6)
    assert at.session_state["messages"] == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "data:image/png;base64,",
        "data:image/png;base64,é?",
        "https://example.org/cat.png",
        "data:text/html;base64,PHNjcmlwdD4=",
    ],
)
def test_what_is_pasted_and_no_picture_changes_nothing(url):
    at = pasted(url)
    assert view(at) == View()
    (message,) = at.session_state["messages"]
    assert "unchanged" in message


def test_uploads_are_kept_up_to_four_and_stay_in_their_session():
    at = opened(SMALL)
    pictures = [encoded(Image.new("RGB", (20, 20), (40 * i, 0, 90)), "PNG") for i in range(5)]
    names = []
    for data in pictures:
        at = upload(at, data)
        names.append(view(at).image)
    assert len(set(names)) == 5
    assert list(at.session_state["pictures"]) == names[1:]
    at = upload(at, pictures[1])
    assert view(at).image == names[1]
    assert list(at.session_state["pictures"]) == [*names[2:], names[1]]
    other = opened(link(at), followed=False)
    assert "an uploaded picture" in warnings(other)
    assert view(other) == View(network="fashion_vgg", second="Random")


def test_the_levels_of_a_deep_picture_are_said_and_can_be_changed():
    values = np.tile(np.linspace(0, 4095, 64, dtype=np.uint16), (64, 1))  # 12 bits in 16
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    at = opened(QUICK)
    control(at, "file_uploader", "upload").upload("scan.png", file.getvalue())
    at = ran(at)
    first = view(at).image
    assert any("12 of 16 bits" in caption.value for caption in at.sidebar.caption)
    at.number_input(key=f"level_{first}").set_value(1024.0)
    at = ran(at.number_input(key=f"window_{first}").set_value(2048.0))
    at = ran(button(at, "Show").click())
    assert view(at).image not in (first, View().image)
    shown = np.asarray(Image.open(io.BytesIO(at.session_state["pictures"][view(at).image])).convert("L")).astype(int)
    assert shown[32, 16] == pytest.approx(255 * float(values[32, 16]) / 2048, abs=4)
    assert shown[32, 40] == pytest.approx(255, abs=4)  # beyond the window
    assert first not in at.session_state["pictures"]
    at = ran(button(at, "As the file suggests").click())
    assert view(at).image == first


# -------------------------------------------------------------------------------------------------------- checkpoints


CLASSES = ["apple", "banana", "<b>cherry</b>", "date", "elderberry"]


def checkpoint() -> bytes:
    return save_safetensors(seeded(build("squeezenet1_1", 5).to_empty(device="cpu")).state_dict())


def load(at: AppTest, data: bytes, names: str = "", filename: str = "fruit.safetensors") -> AppTest:
    control(at, "file_uploader", "checkpoint").upload(filename, data)
    at = ran(at.text_area(key="checkpoint_names").set_value(names))
    return ran(button(at, "Load checkpoint").click())


def test_an_own_checkpoint_is_looked_through_in_this_session_alone():
    at = load(opened({"target": "285", **QUICK}), checkpoint(), "\n".join(CLASSES) + "\n\n")
    assert warnings(at) == ""
    assert view(at).network.startswith("checkpoint-")
    assert view(at).target is None
    shows_the_page(at)
    assert heading(at).split("*")[1] in CLASSES
    assert at.selectbox(key="network").options[0] == "fruit · your checkpoint"
    assert len(control(at, "selectbox", "target").options) == 6
    assert "&lt;b&gt;cherry&lt;/b&gt;" in html(at)
    assert "<b>cherry" not in html(at)
    other = opened(link(at), followed=False)
    assert "an uploaded checkpoint" in warnings(other)
    assert view(other) == View(second="Random")
    assert "fruit · your checkpoint" not in other.selectbox(key="network").options


def test_class_names_given_later_are_shown():
    data = checkpoint()
    at = load(opened(QUICK), data)
    assert "class " in heading(at)
    at = load(at, data, "\n".join(CLASSES))
    assert heading(at).split("*")[1] in CLASSES
    nameless = load(opened(QUICK), data)
    assert "class " in heading(nameless)


@pytest.mark.parametrize(
    ("data", "names", "words"),
    [
        (lambda: b"not a checkpoint", "", "fruit.safetensors"),
        (lambda: save_safetensors({"weight": torch.zeros(2)}), "", "no weight classifier.1.weight"),
        (checkpoint, "apple\nbanana", "2 class names"),
    ],
    ids=["junk", "another network", "too few names"],
)
def test_a_checkpoint_that_does_not_fit_is_refused_and_changes_nothing(data, names, words):
    at = opened(QUICK)
    before = view(at)
    at = load(at, data(), names)
    assert words in warnings(at)
    assert "unchanged" in warnings(at)
    assert view(at) == before


@pytest.mark.thorough
def test_whether_the_input_is_re_scaled_is_asked_with_what_either_says():
    model = seeded(build("googlenet", 3).to_empty(device="cpu"))
    at = load(
        ran(opened(QUICK).selectbox(key="checkpoint_architecture").set_value("googlenet")), saved(model.state_dict())
    )
    assert not view(at).network.startswith("checkpoint-")
    usual, other = at.radio(key="checkpoint_transform_input").options
    assert (usual.split("\\:")[0], other.split("\\:")[0]) == ("as it is", "re\\-scaled")
    assert "class 0" in usual + other
    at = ran(button(at, "Load with this answer").click())
    assert not at.session_state["checkpoints"][view(at).network].program.model.transform_input


def saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def test_a_file_with_several_sets_of_weights_asks_which():
    own = seeded(build("squeezenet1_1", 5).to_empty(device="cpu")).state_dict()
    mean = {name: value / 2 for name, value in own.items()}
    at = opened(QUICK)
    before = view(at)
    at = load(at, saved({"model": own, "model_ema": mean, "epoch": 3}), filename="best.pth.tar")
    assert (view(at), warnings(at)) == (before, "")
    choice = at.radio(key="checkpoint_weights")
    assert [option.split("\\:")[0] for option in choice.options] == ["model", "model\\_ema"]
    at = ran(button(ran(choice.set_value("model_ema")), "Load with this answer").click())
    network = at.session_state["checkpoints"][view(at).network]
    torch.testing.assert_close(
        dict(network.program.model.named_parameters())["features.0.weight"], mean["features.0.weight"]
    )
    assert not [radio for radio in at.radio if radio.key == "checkpoint_weights"]


def test_what_is_in_the_file_but_no_part_of_the_network_is_said():
    own = seeded(build("squeezenet1_1", 5).to_empty(device="cpu")).state_dict()
    weights = {f"net.{name}": value for name, value in own.items()}
    at = load(opened(QUICK), saved(weights | {"criterion.pos_weight": torch.ones(5)}), filename="last.ckpt")
    assert view(at).network.startswith("checkpoint-")
    said = [caption.value for caption in at.sidebar.caption if "no part of the network" in caption.value]
    assert said == ["In the file but no part of the network: criterion\\.pos\\_weight."]


# ---------------------------------------------------------------------------------------------------------- downloads


def test_a_network_without_weights_says_where_they_belong_and_how_to_get_back(no_weights):
    at = opened({"network": "alexnet", **QUICK})
    said = re.sub(r"\\(.)", r"\1", at.info[0].value)
    assert "alexnet-owt-7be5be79.pth" in said
    assert str(no_weights) in said
    assert button(at, "Download alexnet (233 MB)")
    assert not at.progress
    assert task_queue.QUEUE.pending("long") == 0
    assert not no_weights.exists()
    at = ran(button(at, "Back to squeezenet1_1").click())
    assert view(at) == View(second="Random")
    shows_the_page(at)


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A publisher of squeezenet1_0 on this machine, who sends the rest when told to go on."""
    buffer = io.BytesIO()
    torch.save(seeded(build("squeezenet1_0").to_empty(device="cpu")).state_dict(), buffer)
    data, go_on = buffer.getvalue(), threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:1_500_000])
            go_on.wait(20)
            with suppress(OSError):  # the other end hung up
                self.wfile.write(data[1_500_000:])

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    digest = hashlib.sha256(data).hexdigest()[:8]
    source = PublishedWeights(f"http://127.0.0.1:{server.server_port}/", f"net-{digest}.pth", len(data) / 2**20, digest)
    monkeypatch.setattr(weights, "published_weights", lambda name: source)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield {"go_on": go_on, "file": source.filename}
    go_on.set()
    server.shutdown()
    server.server_close()


def downloading() -> AppTest:
    """Ask for the publisher's weights; return the page once some of them have come."""
    at = opened({"network": "squeezenet1_0", **QUICK})
    at = ran(button(at, "Download squeezenet1_0 (5 MB)").click())
    return until_shown(at, lambda at: at.progress and at.progress[0].value > 0)


def test_a_download_shows_its_progress_and_ends_in_the_network(nothing_made, no_weights, publisher):
    at = downloading()
    assert 10 <= at.progress[0].value <= 60
    assert publisher["file"] in at.progress[0].text
    publisher["go_on"].set()
    at = until_done(at)
    assert (no_weights / publisher["file"]).is_file()
    assert view(at).network == "squeezenet1_0"
    shows_the_page(at)


def test_a_cancelled_download_leaves_nothing_behind(nothing_made, no_weights, publisher):
    at = downloading()
    at = ran(button(at, "Cancel").click())
    assert button(at, "Download squeezenet1_0")
    publisher["go_on"].set()
    until(lambda: task_queue.QUEUE.pending("long") == 0)
    assert list(no_weights.iterdir()) == []
    shows_the_page(ran(button(at, "Back to squeezenet1_1").click()))


# ------------------------------------------------------------------------------------------------------------- photos


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.thorough] if name != "coffee" else []) for name in sample_images()],
)
def test_every_embedded_photo_can_be_looked_at_from_a_link(name):
    at = opened({"image": name, **QUICK})
    assert view(at).image == name
    assert warnings(at) == ""
    shows_the_page(at)
    assert sample_images()[name].title in html(at)


# ------------------------------------------------------------------------------------- images of registered data sets

NUMBERED = {"network": "fashion_vgg", "image": "fashion-mnist:123", **QUICK}


@pytest.mark.parametrize(
    "page", ["explore", "compare", "evaluate", "neuron", "flow", "knockout", "linearity", "decode"]
)
def test_every_page_shows_an_image_of_a_data_set_in_a_small_network(page):
    at = opened(NUMBERED, page)
    assert not at.warning
    assert view(at).image == "fashion-mnist:123"
    assert link(at)["image"] == "fashion-mnist:123"


def test_an_image_of_a_data_set_is_named_with_its_class():
    data = open_dataset("fashion-mnist")
    label = data.class_names[data.labels[123]]
    assert f"fashion-mnist 123, {label}, Zalando Research. MIT." in html(opened(NUMBERED))


def test_a_damaged_data_set_is_said_and_the_app_goes_on(monkeypatch, tmp_path):
    home = tmp_path / "fashion-mnist"
    home.mkdir()
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        (home / name).write_bytes(b"damaged")
    monkeypatch.setattr(datasets, "_EMBEDDED", tmp_path)
    datasets.registered_datasets.cache_clear()
    try:
        at = opened(NUMBERED, followed=False)
        assert "t10k-images-idx3-ubyte.gz is damaged" in warnings(at)
        assert view(at).image == View().image
        assert not opened().warning  # who does not ask for it does not hear of it
    finally:
        datasets.registered_datasets.cache_clear()


@pytest.mark.parametrize("image", ["fashion-mnist:10000", "fashion-mnist:-1", "other:3", "..%2F..:1", "/etc/passwd:1"])
def test_an_image_that_no_data_set_has_is_said(image):
    at = opened({**NUMBERED, "image": image}, followed=False)
    assert view(at).image == View().image
    assert "The link" in warnings(at)
