"""Torchvision's data sets that are not opened: why, and what is missing."""

from __future__ import annotations

import sys

import pytest

from core.data.datasets import open_dataset
from core.data.torchvision_sets.opening import RECIPES
from core.errors import PathwayError
from tests.core.data import copies


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "MNIST:val",
            "MNIST:val, which names no split of MNIST; wanted torchvision:MNIST:SPLIT with one of train, test.",
        ),
        ("MNIST:Test", "Got torchvision:MNIST:Test, which names no split of MNIST"),
        ("SVHN:validation", "wanted torchvision:SVHN:SPLIT with one of train, test, extra."),
        ("ImageNet", "Got torchvision:ImageNet, which names no split of ImageNet; wanted .* one of train, val."),
        ("ImageNet:test", "Got torchvision:ImageNet:test, which names no split"),
        ("EMNIST", "one of byclass:train, byclass:test, bymerge:train, .* mnist:train, mnist:test."),
        ("EMNIST:test", "Got torchvision:EMNIST:test, which names no split of EMNIST"),
        ("LFWPeople:TEST", "Got torchvision:LFWPeople:TEST, which names no split"),
        ("STL10:unlabelled", "one of train, test, unlabeled, train\\+unlabeled."),
        ("Caltech101:train", "but Caltech101 is not divided into splits; wanted torchvision:Caltech101."),
        ("ImageFolder:train", "but ImageFolder is not divided into splits"),
        ("cifar10", "torchvision has no data set 'cifar10' that can be opened here; wanted one of CIFAR10, CIFAR100,"),
        ("", "torchvision has no data set ''"),
        ("Kitti", "torchvision's Kitti cannot be opened: it is for detection: .* Wanted a data set with one class per"),
        ("VOCSegmentation:val", "torchvision's VOCSegmentation cannot be opened: it is for segmentation"),
        ("CelebA", "an image has 40 attributes, not one class"),
        ("Kinetics", "it consists of videos"),
        ("LFWPairs", "it consists of pairs"),
        ("Flickr8k", "it is for captions"),
        ("Sintel", "it is for optical flow"),
        ("SintelStereo", "it is for stereo matching"),
        ("LSUN", "confuses with that of another folder; export the images"),
        ("VisionDataset", "it is what torchvision's data sets are built of, and has no images"),
    ],
)
def test_what_cannot_be_opened_is_refused_with_its_reason(source, message, tmp_path):
    with pytest.raises(PathwayError, match=message):
        open_dataset(f"torchvision:{source}", root=tmp_path)


@pytest.mark.parametrize("name", sorted(RECIPES.keys() - {"FakeData", "ImageFolder"}))
def test_of_missing_files_those_of_the_split_are_named_and_no_others(name, tmp_path):
    for split, part in RECIPES[name].splits.items():
        with pytest.raises(PathwayError) as caught:
            open_dataset(f"torchvision:{name}:{split}".removesuffix(":"), root=tmp_path)
        message = str(caught.value)
        title = f"{name}:{split}".removesuffix(":")
        assert message.startswith(f"torchvision's {title} cannot be opened in {tmp_path}: it has no ")
        assert "Nothing is downloaded here." in message
        assert all(archive in message for archive in part.archives)
        assert "use download=True" not in message
        assert not {"ILSVRC2012_img_train.tar", "usps.bz2", "extra_32x32.mat"} & set(message.split()) - set(
            part.archives
        )
    assert not list(tmp_path.rglob("*.*"))


def test_the_command_in_the_message_is_the_one_torchvision_documents(tmp_path):
    with pytest.raises(PathwayError) as caught:
        open_dataset("torchvision:EMNIST:letters:train", root=tmp_path)
    assert str(caught.value).endswith(
        'published as gzip.zip; torchvision fetches and unpacks that: python -c "from torchvision.datasets import '
        f"EMNIST; EMNIST('{tmp_path}', split='letters', train=True, download=True)\""
    )


@pytest.mark.parametrize(
    ("split", "archive", "other"),
    [("val", "ILSVRC2012_img_val.tar", "train"), ("train", "ILSVRC2012_img_train.tar", "val")],
)
def test_imagenet_asks_for_the_archive_of_the_split(split, archive, other, tmp_path):
    with pytest.raises(PathwayError) as caught:
        open_dataset(f"torchvision:ImageNet:{split}", root=tmp_path)
    message = str(caught.value)
    assert f"no meta.bin or ILSVRC2012_devkit_t12.tar.gz, no {split} or {archive} there" in message
    assert "from https://image-net.org/challenges/LSVRC/2012/2012-downloads.php" in message
    assert f"ILSVRC2012_img_{other}" not in message


def test_a_folder_that_is_not_there_is_named_and_not_made(tmp_path):
    with pytest.raises(PathwayError, match=r"Caltech101 cannot be opened: there is no folder .*nowhere. Nothing is"):
        open_dataset("torchvision:Caltech101", root=tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_lists_without_images_are_not_opened(tmp_path, any_sum):
    copies.places(tmp_path)
    with pytest.raises(PathwayError, match=r"Places365:small:val cannot be opened in .*: it has no val_256 there"):
        open_dataset("torchvision:Places365:small:val", root=tmp_path)


def test_an_altered_file_is_named_as_such(tmp_path):
    copies.svhn(tmp_path)
    with pytest.raises(PathwayError, match=r"SVHN:test cannot be .* is not as published; torchvision compares some"):
        open_dataset("torchvision:SVHN", root=tmp_path)


def test_a_damaged_file_is_reported(tmp_path):
    copies.food(tmp_path)
    (tmp_path / "food-101/meta/test.json").write_text("{")
    with pytest.raises(PathwayError, match=r"Food101:test cannot be opened in .*: JSONDecodeError: Expecting property"):
        open_dataset("torchvision:Food101", root=tmp_path)


def test_a_label_beyond_the_classes_is_reported(tmp_path):
    copies.gtsrb(tmp_path)
    copies.text(tmp_path / "gtsrb/GT-final_test.csv", "Filename;Width;ClassId", "0.ppm;8;43")
    with pytest.raises(PathwayError, match="it has the label 43 and 43 classes"):
        open_dataset("torchvision:GTSRB", root=tmp_path)


def test_a_data_set_without_images_is_reported(tmp_path):
    copies.clevr(tmp_path)
    for path in (tmp_path / "clevr/CLEVR_v1.0/images/test").iterdir():
        path.unlink()
    with pytest.raises(PathwayError, match=r"CLEVRClassification:test .*: ValueError: it holds no images"):
        open_dataset("torchvision:CLEVRClassification", root=tmp_path)


def test_folders_without_images_are_reported(tmp_path):
    with pytest.raises(PathwayError, match=r"Couldn't find any class folder in .*Wanted a folder with a sub-folder of"):
        open_dataset("torchvision:ImageFolder", root=tmp_path)


def test_one_damaged_image_is_an_error_of_this_image(tmp_path):
    copies.eurosat(tmp_path)
    (tmp_path / "eurosat/2750/Forest/Forest_1.jpg").write_bytes(b"no image")
    data = open_dataset("torchvision:EuroSAT", root=tmp_path)
    assert data.read(1)
    with pytest.raises(PathwayError, match="Image 0 of torchvision's EuroSAT cannot be read"):
        data.read(0)


@pytest.mark.parametrize(
    ("source", "package"), [("PCAM", "h5py"), ("SVHN", "scipy"), ("Caltech101", "scipy"), ("StanfordCars", "scipy")]
)
def test_a_missing_package_is_named(source, package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        PathwayError, match=rf"{source}.* needs the package {package}, .*: python -m pip install {package}$"
    ):
        open_dataset(f"torchvision:{source}", root=tmp_path)


def test_the_package_that_fetches_is_named(tmp_path):
    with pytest.raises(PathwayError, match="torchvision fetches and unpacks that with the package gdown: python -c"):
        open_dataset("torchvision:PCAM", root=tmp_path)
