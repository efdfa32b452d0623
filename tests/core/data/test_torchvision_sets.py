"""Torchvision's data sets, each opened from a tiny copy on disk."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torchvision import datasets as tv

from core.data.datasets import open_dataset
from core.data.images import open_image
from core.data.torchvision_sets.opening import RECIPES
from core.data.torchvision_sets.refused import REFUSED
from tests.core.data import copies

pytestmark = pytest.mark.usefixtures("any_sum")

CASES = [  # source, its copy, arguments of torchvision's class, labels, names of the labels
    ("MNIST", copies.mnist("MNIST"), {"train": False}, [7, 0], ["7 - seven", "0 - zero"]),
    ("MNIST:train", copies.mnist("MNIST"), {}, [1, 2, 3], ["1 - one", "2 - two", "3 - three"]),
    ("FashionMNIST", copies.mnist("FashionMNIST"), {"train": False}, [7, 0], ["Sneaker", "T-shirt/top"]),
    ("KMNIST:test", copies.mnist("KMNIST"), {"train": False}, [7, 0], ["ya", "o"]),
    ("EMNIST:letters", copies.emnist, {"split": "letters", "train": False}, [1, 2], ["a", "b"]),
    ("EMNIST:letters:train", copies.emnist, {"split": "letters", "train": True}, [26], ["z"]),
    ("EMNIST:balanced:test", copies.emnist, {"split": "balanced", "train": False}, [10, 46], ["A", "t"]),
    ("QMNIST", copies.qmnist, {"what": "test"}, [7, 2], ["7 - seven", "2 - two"]),
    ("QMNIST:nist", copies.qmnist, {"what": "nist"}, [9, 8, 0], ["9 - nine", "8 - eight", "0 - zero"]),
    ("SEMEION", copies.semeion, {"download": False}, [3, 0, 9], ["3", "0", "9"]),
    ("SVHN", copies.svhn, {"split": "test"}, [0, 9, 1], ["0", "9", "1"]),
    ("SVHN:extra", copies.svhn, {"split": "extra"}, [5, 0], ["5", "0"]),
    ("USPS", copies.usps, {"train": False}, [9, 0], ["9", "0"]),
    ("USPS:train", copies.usps, {"train": True}, [2], ["2"]),
    ("CIFAR10", copies.cifar10, {"train": False}, [3, 9], ["cat", "truck"]),
    ("CIFAR10:train", copies.cifar10, {}, [1, 2, 3, 4, 5], ["automobile", "bird", "cat", "deer", "dog"]),
    ("CIFAR100", copies.cifar100, {"train": False}, [2, 1], ["bear", "baby"]),
    ("CLEVRClassification:val", copies.clevr, {"split": "val"}, [5, 1], ["5 objects", "1 object"]),
    ("CLEVRClassification", copies.clevr, {"split": "test"}, [None, None], [None, None]),
    ("Caltech101", copies.caltech101, {}, [0, 0, 1, 1], ["ant", "ant", "brain", "brain"]),
    ("Caltech256", copies.caltech256, {}, [0, 1], ["001.ak47", "002.flag"]),
    ("Country211:valid", copies.country211, {"split": "valid"}, [0, 1, 1], ["AD", "ZW", "ZW"]),
    ("DTD", copies.dtd, {"split": "test"}, [1, 0], ["woven", "banded"]),
    ("DTD:2:val", copies.dtd, {"split": "val", "partition": 2}, [0, 1], ["banded", "woven"]),
    ("EuroSAT", copies.eurosat, {}, [0, 1], ["Forest", "River"]),
    ("FER2013", copies.fer2013, {"split": "test"}, [0, 6], ["angry", "neutral"]),
    ("FER2013:train", copies.fer2013, {"split": "train"}, [3], ["happy"]),
    ("FER2013:test", copies.fer2013_without_labels, {"split": "test"}, [None] * 2, [None] * 2),
    ("FGVCAircraft", copies.aircraft, {"split": "test"}, [1, 0], ["A340-300", "707-320"]),
    ("FGVCAircraft:family:val", copies.aircraft, {"split": "val", "annotation_level": "family"}, [1], ["Boeing 707"]),
    (
        "FGVCAircraft:manufacturer:trainval",
        copies.aircraft,
        {"split": "trainval", "annotation_level": "manufacturer"},
        [1, 0],
        ["Boeing", "Airbus"],
    ),
    ("Flowers102:val", copies.flowers, {"split": "val"}, [101, 1], ["blackberry lily", "hard-leaved pocket orchid"]),
    ("Food101", copies.food, {"split": "test"}, [1, 0], ["waffles", "apple_pie"]),
    ("GTSRB", copies.gtsrb, {"split": "test"}, [16, 42], ["class 16", "class 42"]),
    ("GTSRB:train", copies.gtsrb, {"split": "train"}, [0, 1, 1], ["class 0", "class 1", "class 1"]),
    ("ImageFolder", copies.folders, {}, [0, 1, 1], ["cat", "dog", "dog"]),
    ("Imagenette:val", copies.imagenette, {"split": "val"}, [0, 1], ["tench, Tinca tinca", "parachute, chute"]),
    ("Imagenette:160px:train", copies.imagenette, {"split": "train", "size": "160px"}, [0], ["parachute, chute"]),
    ("LFWPeople", copies.lfw, {"split": "test"}, [1, 0, 0], ["Bob_B", "Ann_A", "Ann_A"]),
    (
        "LFWPeople:original:10fold",
        copies.lfw,
        {"split": "10fold", "image_set": "original"},
        [0, 0, 1],
        ["Ann_A", "Ann_A", "Bob_B"],
    ),
    ("OxfordIIITPet", copies.pets, {"split": "test"}, [1, 0, 2], ["Beagle", "Abyssinian", "Great Pyrenees"]),
    (
        "OxfordIIITPet:binary-category:test",
        copies.pets,
        {"split": "test", "target_types": "binary-category"},
        [1, 0, 1],
        ["Dog", "Cat", "Dog"],
    ),
    ("PCAM:val", copies.pcam, {"split": "val"}, [1, 0], ["metastatic tissue", "no metastatic tissue"]),
    ("Places365:val", copies.places, {"split": "val"}, [1, 0], ["/b/bar", "/a/airfield"]),
    ("Places365:small:test", copies.places, {"split": "test", "small": True}, [None], [None]),
    ("Places365:train-standard", copies.places, {}, [1], ["/b/bar"]),
    ("RenderedSST2:val", copies.rendered, {"split": "val"}, [0, 1], ["negative", "positive"]),
    ("STL10", copies.stl10, {"split": "test"}, [1, 2], ["bird", "car"]),
    (
        "STL10:train+unlabeled",
        copies.stl10,
        {"split": "train+unlabeled"},
        [0, 9, None, None],
        ["airplane", "truck", None, None],
    ),
    ("StanfordCars", copies.cars, {"split": "test"}, [2, 0], ["Audi TT", "AM General"]),
    ("StanfordCars:train", copies.cars, {"split": "train"}, [2, 0], ["Audi TT", "AM General"]),
]
ORDERED = [  # torchvision's order, and the labels of Omniglot, are those of the file system
    (
        "Omniglot:background",
        copies.omniglot,
        {},
        [0, 0, 1, 1, 2, 2],
        ["Greek/character01"] * 2 + ["Korean/character01"] * 2 + ["Korean/character02"] * 2,
    ),
    ("SUN397", copies.sun, {}, [0, 0, 1], ["abbey", "abbey", "bar/indoor"]),
    (
        "INaturalist:genus:2021_valid",
        copies.inaturalist,
        {"version": "2021_valid", "target_type": "genus"},
        [0, 0, 1, 1, 2, 2, 2],
        ["Canis", "Canis", "Felis", "Felis", "Rosa", "Rosa", "Rosa"],
    ),
    (
        "INaturalist:kingdom:2021_valid",
        copies.inaturalist,
        {"version": "2021_valid", "target_type": "kingdom"},
        [0, 0, 0, 0, 1, 1, 1],
        ["Animalia"] * 4 + ["Plantae"] * 3,
    ),
    ("INaturalist:2018", copies.inaturalist, {"version": "2018"}, [0, 1], ["Plants/0", "Birds/1"]),
    (
        "INaturalist:super:2018",
        copies.inaturalist,
        {"version": "2018", "target_type": "super"},
        [1, 0],
        ["Plants", "Birds"],
    ),
]
NAMED = [case[0] for case in CASES + ORDERED]


def pixels(image) -> bytes:
    return np.asarray(image.convert("RGB")).tobytes()


def torchvisions(source: str, root: Path, options: dict) -> list[tuple[bytes, int | None]]:
    """Return the images and labels of torchvision's own object."""
    data = getattr(tv, source.partition(":")[0])(str(root), **options)
    found = [data[number] for number in range(len(data))]
    return [(pixels(image), None if label in (None, -1) else label) for image, label in found]


def read(data) -> list[bytes]:
    return [pixels(open_image(data.read(number))) for number in range(len(data))]


def named(data) -> list[str | None]:
    return [None if label is None else data.class_names[label] for label in data.labels]


@pytest.mark.parametrize(("source", "write", "options", "labels", "names"), CASES, ids=[case[0] for case in CASES])
def test_images_and_labels_are_torchvisions(source, write, options, labels, names, tmp_path):
    write(tmp_path)
    data = open_dataset(f"torchvision:{source}", root=tmp_path)
    theirs = torchvisions(source, tmp_path, options)
    assert (data.name, list(data.labels), named(data)) == (source, labels, names)
    assert data.names == [f"{number:05d}" for number in range(len(labels))]
    assert list(zip(read(data), data.labels, strict=True)) == theirs


@pytest.mark.parametrize(("source", "write", "options", "labels", "names"), ORDERED, ids=[case[0] for case in ORDERED])
def test_numbers_and_labels_do_not_hang_on_the_file_system(
    source, write, options, labels, names, tmp_path, monkeypatch
):
    write(tmp_path)
    theirs = torchvisions(source, tmp_path, options)
    listdir, rglob = os.listdir, Path.rglob
    found = []
    for backwards in (False, True):
        monkeypatch.setattr(os, "listdir", lambda path, b=backwards: sorted(listdir(path), reverse=b))
        monkeypatch.setattr(Path, "rglob", lambda self, what, b=backwards: sorted(rglob(self, what), reverse=b))
        data = open_dataset(f"torchvision:{source}", root=tmp_path)
        assert (list(data.labels), [str(name) for name in named(data)]) == (labels, names)
        found.append(read(data))
    assert found[0] == found[1]
    assert sorted(found[0]) == sorted(image for image, _ in theirs)


def test_fake_data_are_opened_without_files_and_leave_the_random_numbers_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    data, theirs = open_dataset("torchvision:FakeData", root=tmp_path / "nowhere"), tv.FakeData()
    assert len(data) == 1000
    for number in (0, 7, 999):
        assert pixels(open_image(data.read(number))) == pixels(theirs[number][0])
        assert data.labels[number] == theirs[number][1]
    assert torch.equal(torch.rand(3), expected)
    numbers = [*range(8)] * 4
    with ThreadPoolExecutor(4) as threads:
        at_once = list(threads.map(data.read, numbers))
    assert at_once == [data.read(number) for number in numbers]


def test_a_part_of_imagenet_keeps_the_labels_of_the_whole(tmp_path):
    copies.imagenet(tmp_path)
    data, theirs = open_dataset("torchvision:ImageNet:val", root=tmp_path), tv.ImageNet(str(tmp_path), "val")
    assert data.class_names == ("tench, Tinca tinca", "crane", "cup")
    assert (data.labels, theirs.targets) == ([0, 2, 2], [0, 1, 1])
    assert read(data) == [pixels(theirs[number][0]) for number in range(3)]


def test_imagenets_classes_are_called_as_the_networks_call_them(tmp_path):
    torch.save(({f"n{number:03d}": (f"name {number}",) for number in range(1000)}, []), tmp_path / "meta.bin")
    copies.pictures(tmp_path / "val", "n000/1.JPEG", "n999/1.JPEG")
    data = open_dataset("torchvision:ImageNet:val", root=tmp_path)
    assert data.class_names == tuple(torchvision.models.VGG16_Weights.DEFAULT.meta["categories"])
    assert [data.class_names[label] for label in data.labels] == ["tench", "toilet tissue"]


def test_every_data_set_is_opened_or_refused():
    assert set(RECIPES) | set(REFUSED) == set(tv.__all__)
    assert not set(RECIPES) & set(REFUSED)
    tested = {source.partition(":")[0] for source in NAMED} | {"FakeData", "ImageNet"}
    assert tested == set(RECIPES)


@pytest.mark.parametrize("case", CASES + ORDERED, ids=NAMED)
def test_opening_decodes_one_image_at_most(case, tmp_path, monkeypatch):
    source, write, *_ = case
    write(tmp_path)
    kind, got = getattr(tv, source.partition(":")[0]), []
    original = kind.__getitem__
    monkeypatch.setattr(kind, "__getitem__", lambda self, number: got.append(number) or original(self, number))
    data = open_dataset(f"torchvision:{source}", root=tmp_path)
    assert len(got) <= 1
    data.read(len(data) - 1)
    assert len(got) >= 1


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    copies.gtsrb(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_dataset("torchvision:GTSRB", root="~").labels == [16, 42]


def test_old_transparency_does_not_change_the_image(tmp_path):
    """A grey PNG that calls one value transparent is opaque for torchvision; laid on white it would change."""
    (tmp_path / "grey").mkdir()
    Image.fromarray(np.full((4, 4), 7, np.uint8)).save(tmp_path / "grey/1.png", transparency=7)
    data = open_dataset("torchvision:ImageFolder", root=tmp_path)
    assert open_image(data.read(0)).getpixel((0, 0)) == (7, 7, 7)
