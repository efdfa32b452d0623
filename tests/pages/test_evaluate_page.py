"""The Evaluate page as Streamlit runs it: its choice of attributions, its measures, its words where one fails."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.attribution import BASELINES
from core.data.samples import sample_images
from core.errors import PathwayError
from core.evaluation import box_mask, degradation, energy_inside, insertion, pointing_game, removals
from core.methods import METHODS
from core.models.zoo import load_network
from core.pathways.ranking import rank
from core.pathways.restriction import pathway_gradient, saliency_map
from explorer.compute import attributions, evaluation
from explorer.plots.words import number, percent
from explorer.state.choices import ATTRIBUTIONS
from explorer.state.view import View
from explorer.views.evaluate import sanity
from explorer.views.paper import tables
from tests.app import alts, button, captions, html, link, opened, pills, ran, sections, until_done, view, warnings

pytestmark = pytest.mark.usefixtures("own_queue")

QUICK = {"attributions": "NeuronMCT~Gradient~Grad-CAM"}
SECTIONS = [
    "What if the pixels that matter, or do not, are replaced?",
    "Does it point at the object?",
    "Do attributions add up to what the response loses?",
    "Does it depend on what the network learned?",
    "Beside the paper's own figures",
]


def evaluated(params: dict[str, str] | None = None) -> AppTest:
    return until_done(opened(params, "evaluate"))


class Known:
    """The default photo in the default network, from core alone."""

    def __init__(self) -> None:
        self.network = load_network("squeezenet1_1")
        self.image = self.network.preprocess(sample_images()["chelsea"].open())
        self.target = int(self.network.run(self.image).logits.argmax())
        self.case = (self.network, self.image, self.target)
        pathway = rank(METHODS["NeuronMCT"](*self.case)).pathway(0.9)
        self.relevance = {
            "NeuronMCT 90.0 %": saliency_map(pathway_gradient(*self.case, pathway)).abs(),
            "Gradient": saliency_map(pathway_gradient(*self.case)).abs(),
            "Grad-CAM": BASELINES["Grad-CAM"](*self.case).relevance,
        }


@pytest.fixture(scope="module")
def known() -> Known:
    return Known()


# -------------------------------------------------------------------------------------------------------------- parts


def test_the_page_shows_every_part(nothing_made):
    at = evaluated()
    assert sections(at)[1:] == SECTIONS
    assert warnings(at) == ""
    assert len(at.get("plotly_chart")) == 1  # the others are asked for
    titles = re.findall(r'<div class="panel-title"[^>]*>(?:<span[^>]*></span>)?(.*?)<small>', html(at))
    assert titles == ["NeuronMCT 90.0 %", "Gradient", "InputMCT", "Grad-CAM"]
    assert all(element.proto.imgs[0].alt for element in at.image)
    assert "better" in captions(at)


@pytest.mark.thorough
@pytest.mark.parametrize(("order", "end"), [("lerf", 0.1), ("morf", 1.0), ("insertion", 1.0), ("deletion", 0.1)])
def test_the_areas_on_the_page_are_cores(order, end, known):
    at = evaluated(QUICK | {"order": order, "near": str(end == 0.1)})
    words = []
    for title, relevance in known.relevance.items():
        if order == "insertion":
            area = insertion(*known.case, relevance, replacement="mean").area(end)
        else:
            curve = degradation(*known.case, relevance, order="lerf" if order == "lerf" else "morf")
            area = curve.area(end) if order == "deletion" else curve.change_area(end)
        words.append(f"{title} {number(area)}")
    assert "; ".join(words) in alts(at)
    assert f"up to {percent(end, 0)} of the pixels: {'; '.join(words)}." in captions(at)


def test_a_box_measures_what_lies_in_it(known):
    at = evaluated(QUICK | {"box": "20-20-80-90"})
    mask = box_mask(224, 224, (45, 45, 179, 202))
    words, hits = [], []
    for title, relevance in known.relevance.items():
        words.append(f"{title} {percent(energy_inside(relevance, mask))}")
        hits.append(f"{title} {'hits' if pointing_game(relevance, mask) else 'misses'}")
    chance = percent(float(mask.double().mean()))
    assert f"Energy inside the object: {'; '.join(words)}; by chance {chance}." in alts(at)
    assert "; ".join(hits) in captions(at)
    button(at, "Remove the box").click()
    assert "box" not in link(ran(at))


def test_a_full_box_is_refused_in_words():
    at = evaluated(QUICK | {"box": "0-0-100-100"})
    assert "covers every pixel" in warnings(at)


@pytest.mark.thorough
def test_the_papers_figures_stand_beside_ours(known):
    at = evaluated(QUICK | {"order": "insertion"})  # the table is LeRF whatever is drawn
    lerf, checks = (t.value.to_dict("records") for t in at.table)
    printed = tables()["lerf_imagenet"]["rows"]
    for row, name in zip(lerf, ("NeuronMCT", "Gradients", "GradCAM"), strict=True):
        area = degradation(*known.case, known.relevance[row["attribution"]], order="lerf").change_area(0.1)
        assert row["here"] == f"{area:.4f}"
        assert row["ImageNet, ResNet50"] == f"{printed[name][-1]:.4f}"
    assert checks[1]["SSIM"] == "0.293 / –"
    at = evaluated({"attributions": "Random"})
    assert any("The paper evaluates" in i.value for i in at.info)


# ------------------------------------------------------------------------------------------------------------- choice


def test_attributions_are_chosen_and_in_the_link():
    at = evaluated(QUICK)
    assert set(pills(at, "Attributions").value) == {"NeuronMCT", "Gradient", "Grad-CAM"}
    pills(at, "Attributions").set_value(["Gradient", "DeepLIFT"])
    at = until_done(ran(at))
    assert view(at).attributions == ("Gradient", "DeepLIFT")
    assert link(at) == {"attributions": "Gradient~DeepLIFT"}
    assert "convergence delta" in html(at)
    assert not at.select_slider  # no pathway, no sparsity
    pills(at, "More attributions").set_value(["LRP"])
    at = until_done(ran(at))
    assert view(at).attributions == ("Gradient", "DeepLIFT", "LRP")
    pills(at, "Attributions").set_value([])
    at = until_done(ran(at))
    assert view(at).attributions == ("LRP",)
    pills(at, "More attributions").set_value([])
    at = until_done(ran(at))
    assert view(at).attributions == ("LRP",)  # one stays
    assert pills(at, "More attributions").value == ["LRP"]


def test_more_than_fit_are_refused_in_words():
    many = ("NeuronMCT", "Random", "Gradient", "InputMCT", "Guided Backpropagation", "Grad-CAM", "DeepLIFT", "LRP")
    at = evaluated({"attributions": "~".join(many)})
    pills(at, "Attributions").set_value([*many[:-1], "SmoothGrad"])
    at = until_done(ran(at))
    assert "At most 8" in warnings(at)
    assert view(at).attributions == many


def test_every_attribution_can_be_named_and_says_what_it_is():
    assert set(ATTRIBUTIONS) == {*METHODS, *BASELINES}
    at = evaluated(QUICK)
    (help_text,) = (g.help for g in at.button_group if g.label == "Attributions")
    for name in ATTRIBUTIONS:
        more = name in BASELINES and BASELINES[name].more
        assert (name in captions(at)) if more else (f"{name}: " in help_text)


def test_a_method_that_fails_says_why_and_the_others_stay(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PathwayError("Not in this network.")

    able = BASELINES["InputMCT"]
    monkeypatch.setitem(BASELINES, "InputMCT", replace(able, function=refuse))
    at = evaluated({"attributions": "Gradient~InputMCT", "image": "coffee"})
    assert [e.value.replace("\\", "") for e in at.error] == ["That did not work: Not in this network."]
    assert "Gradient" in alts(at)
    assert "InputMCT" not in alts(at)
    monkeypatch.setitem(BASELINES, "InputMCT", able)
    button(at, "Try again").click()
    at = until_done(ran(at))
    assert not at.error
    assert "InputMCT" in alts(at)


# --------------------------------------------------------------------------------------------------- what takes longer


@pytest.mark.thorough
def test_sensitivity_is_measured_when_asked_for(nothing_made, monkeypatch):
    monkeypatch.setattr(evaluation, "passes", lambda _: 7)
    monkeypatch.setattr(evaluation, "removals", partial(removals, sizes=(1, 5000)))
    at = evaluated({"attributions": "Gradient~InputMCT"})
    assert "Correlation over the number" not in alts(at)
    button(at, "Measure sensitivity-n (7 forward passes)").click()
    at = until_done(ran(at))
    found = re.search(r"mean over n: Gradient (\S+); InputMCT (\S+)\.\n", alts(at) + "\n")
    assert found
    assert found[1] == found[2]  # the gradient times the image is InputMCT


@pytest.mark.thorough
def test_sanity_checks_are_run_when_asked_for(nothing_made, monkeypatch):
    monkeypatch.setattr(evaluation, "MOST_STAGES", 2)
    monkeypatch.setattr(sanity, "SLOW", 1)
    at = evaluated({"attributions": "Gradient~Guided Backpropagation~InputIntGrad"})
    assert not [c for c in at.get("plotly_chart") if "SSIM" in c.proto.alt]
    button(at, "Randomise 2 layers").click()
    at = until_done(ran(at))
    shown = [c.proto.alt for c in at.get("plotly_chart") if "with the original map" in c.proto.alt]
    assert [alt.split(" with")[0] for alt in shown] == [
        "Spearman, magnitudes",
        "Spearman, signed",
        "SSIM",
        "HOG, Pearson",
    ]
    assert "Too slow to run at every stage: InputIntGrad" in captions(at)
    table = {row["attribution"]: row for row in at.table[1].value.to_dict("records")}
    assert re.fullmatch(r"0\.293 / 0\.\d{3}", table["Gradient"]["SSIM"])
    assert table["InputIntGrad"]["SSIM"].endswith("/ –")
    ssim = {name: float(table[name]["SSIM"].split("/ ")[1]) for name in ("Gradient", "Guided Backpropagation")}
    assert ssim["Guided Backpropagation"] > ssim["Gradient"]  # it hardly depends on what the network learned


# -------------------------------------------------------------------------------------------------------------- masks


def png(size: tuple[int, int], box: tuple[int, int, int, int] | None) -> bytes:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)).convert(
        "RGBA"
    )
    alpha = Image.new("L", size, 255 if box is None else 0)
    if box:
        alpha.paste(255, box)
    picture.putalpha(alpha)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def given(at: AppTest, data: bytes) -> AppTest:
    (uploader,) = (f for f in at.file_uploader if "transparent around" in f.label)
    uploader.set_value(("mask.png", data, "image/png"))
    return until_done(ran(at))


def test_a_mask_of_the_photo_is_taken_and_cropped_with_it(known):
    photo = sample_images()["chelsea"].open()
    box = (photo.width // 4, photo.height // 4, photo.width // 2, photo.height // 2)
    at = given(evaluated(QUICK), png(photo.size, box))
    white = Image.new("RGB", photo.size)
    white.paste((255, 255, 255), box)
    seen = known.network.preprocessing.crop(white)
    mask = torch.from_numpy(np.asarray(seen)[..., 0] >= 128)
    shown = float(re.search(r"Energy inside the object: NeuronMCT 90.0 % ([\d.]+) %", alts(at))[1])
    assert shown == pytest.approx(100 * energy_inside(known.relevance["NeuronMCT 90.0 %"], mask), abs=0.6)
    assert warnings(at) == ""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (png((451, 300), None), "opaque all over"),
        (png((100, 300), (0, 0, 9, 9)), "another shape"),
        (b"no picture", "The mask is unchanged."),
    ],
)
def test_what_is_no_mask_is_refused_in_words(data, words):
    at = given(evaluated(QUICK), data)
    assert words in warnings(at)
    assert "Energy inside" not in alts(at)


def test_an_uploaded_picture_brings_its_own_mask():
    at = evaluated(QUICK)
    (uploader,) = (f for f in at.file_uploader if f.label.startswith("Drop"))
    uploader.set_value(("own.png", png((300, 300), (100, 100, 200, 200)), "image/png"))
    at = until_done(ran(at))
    assert view(at).image.startswith("upload-")
    assert "Energy inside the object" in alts(at)
    chance = re.search(r"by chance ([\d.]+) %", alts(at))
    assert float(chance[1]) == pytest.approx(100 * (100 * 256 / 300 / 224) ** 2, abs=0.3)


def test_the_default_view_stays_clean():
    assert View().attributions == ("NeuronMCT", "Gradient", "InputMCT", "Grad-CAM")
    assert link(evaluated()) == {}


def test_the_map_that_grad_cam_weights_is_chosen_said_and_in_the_link(known):
    at = opened(QUICK, "evaluate")
    assert "of features.12.cat, 512 × 13 × 13" in html(at)
    box = at.selectbox(key="cam_site_squeezenet1_1")
    assert box.options[0] == "the last feature map · features.12.cat, 512 × 13 × 13"
    at = ran(box.select_index(13))
    assert link(at) == QUICK | {"cam_site": "12"}
    assert "of features.7.expand3x3_activation, 128 × 27 × 27" in html(at)
    found = attributions.attribute("Grad-CAM", view(at))(*known.case).values
    assert torch.equal(found, BASELINES["Grad-CAM"](*known.case, site=12).values)
    assert not torch.equal(found, BASELINES["Grad-CAM"](*known.case).values)
    wrong = {"cam_site": "12", "network": "fashion_vgg", "image": "fashion-mnist:0"}
    other = opened(QUICK | wrong, "evaluate", followed=False)
    assert "cam_site=12" in warnings(other)


def test_without_grad_cam_no_map_is_chosen():
    at = opened({"attributions": "Gradient"}, "evaluate")
    assert not [box for box in at.selectbox if box.label == "Grad-CAM weights"]
