"""Whether a checkpoint's network re-scales its input: as torchvision's constructors, as published, or as asked."""

from __future__ import annotations

import hashlib
from functools import cache

import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save

from core.errors import PathwayError
from core.models.architectures import build, fill
from core.models.weights import PublishedWeights
from core.models.zoo import asks_for_input_transform, compare_input_transforms, load_checkpoint, top_classes
from tests.networks import seeded

NAMES = ("tench", "goldfish", "shark")


@cache
def googlenet() -> tuple[torch.nn.Module, bytes]:
    """Return torchvision's own model with its defaults, and its weights as a file; both are only read."""
    model = seeded(torchvision.models.googlenet(num_classes=3, aux_logits=False, init_weights=False))
    return model, save(model.state_dict())


@pytest.fixture
def picture():
    return Image.effect_noise((260, 240), 90).convert("RGB")


def logits_by_hand(transform: bool, image: torch.Tensor) -> torch.Tensor:
    model = googlenet()[0]
    if transform:  # as the paper of Inception has its input, from ImageNet's mean and deviation
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        image = ((image * std.view(3, 1, 1) + mean.view(3, 1, 1)) - 0.5) / 0.5
    with torch.no_grad():
        return model(image)


@pytest.mark.parametrize(("asked", "transform"), [(None, False), (False, False), (True, True)])
def test_a_checkpoint_is_not_re_scaled_unless_asked(asked, transform, picture):
    network = load_checkpoint(googlenet()[1], "googlenet", transform_input=asked)
    image = network.preprocess(picture)
    torch.testing.assert_close(network.run(image).logits, logits_by_hand(transform, image), rtol=1e-3, atol=1e-3)


def test_the_published_file_is_re_scaled(picture, monkeypatch):
    data = googlenet()[1]
    published = PublishedWeights("", "", 0.0, hashlib.sha256(data).hexdigest()[:8])
    monkeypatch.setattr("core.models.weights.published_weights", lambda name: published)
    network = load_checkpoint(data, "googlenet")
    image = network.preprocess(picture)
    torch.testing.assert_close(network.run(image).logits, logits_by_hand(True, image), rtol=1e-3, atol=1e-3)
    assert network.weights_hash == hashlib.sha256(data).hexdigest()[:16]


def test_two_choices_are_two_networks():
    data = googlenet()[1]
    hashes = {load_checkpoint(data, "googlenet", transform_input=choice).weights_hash for choice in (False, True)}
    assert len(hashes) == 2


def test_both_answers_are_shown_the_usual_one_first(picture):
    found = compare_input_transforms(googlenet()[1], "googlenet", picture, count=2, class_names=NAMES)
    assert list(found) == [False, True]
    for transform, answers in found.items():
        network = load_checkpoint(googlenet()[1], "googlenet")
        probabilities = logits_by_hand(transform, network.preprocess(picture)).double().softmax(1)[0]
        order = probabilities.argsort(descending=True)[:2].tolist()
        assert [answer.name for answer in answers] == [NAMES[index] for index in order]
        wanted = [float(probabilities[index]) for index in order]
        assert [answer.probability for answer in answers] == pytest.approx(wanted, rel=1e-2)
        assert top_classes(network, picture, 9) == top_classes(network, picture, 3)


def test_only_two_architectures_are_asked_about(picture):
    assert [name for name in ("googlenet", "inception_v3", "resnet18") if asks_for_input_transform(name)] == [
        "googlenet",
        "inception_v3",
    ]
    data = save(fill_random("squeezenet1_1"))
    with pytest.raises(PathwayError, match="squeezenet1_1, which takes its input as it is; wanted it for googlenet or"):
        load_checkpoint(data, "squeezenet1_1", transform_input=True)
    with pytest.raises(PathwayError, match="squeezenet1_1, which takes its input as it is, wanted one of googlenet"):
        compare_input_transforms(data, "squeezenet1_1", picture)


def fill_random(name: str) -> dict[str, torch.Tensor]:
    model = build(name, 3)
    return fill(name, model, seeded(build(name, 3).to_empty(device="cpu")).state_dict()).state_dict()


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
@pytest.mark.parametrize("transform", [False, True])
def test_a_model_is_built_as_asked(name, transform):
    assert build(name, 3, transform_input=transform).transform_input is transform
    assert build(name, 3).transform_input is True
