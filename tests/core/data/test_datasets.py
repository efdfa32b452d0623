"""Data sets by number: folders with and without classes, Fashion-MNIST, torchvision's, and what cannot be opened."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
import torch
from PIL import Image

from core.data import datasets
from core.data.datasets import (
    FASHION_CLASSES,
    Dataset,
    load_pictures,
    open_dataset,
    registered_datasets,
    registered_image,
)
from core.data.images import open_image
from core.data.samples import sample_images
from core.errors import PathwayError
from explorer import __main__ as start


def png(colour: int, side: int = 12) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (colour, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Two classes of two images each, and files that are no images."""
    for name, colours in {"cats": (10, 20), "dogs": (30, 40)}.items():
        (tmp_path / name).mkdir()
        for colour in colours:
            (tmp_path / name / f"{colour}.png").write_bytes(png(colour))
    (tmp_path / "cats" / "notes.txt").write_text("no image")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_sub_folders_are_classes(folder):
    data = open_dataset(str(folder))
    assert data.name == folder.name
    assert data.names == ["cats/10.png", "cats/20.png", "dogs/30.png", "dogs/40.png"]
    assert [data.class_names[label] for label in data.labels] == ["cats", "cats", "dogs", "dogs"]
    assert open_image(data.read(2)).getpixel((0, 0)) == (30, 0, 0)


def test_a_folder_without_sub_folders_has_no_classes(folder):
    data = open_dataset(str(folder / "cats"))
    assert (data.names, data.labels, data.class_names) == (["10.png", "20.png"], [None, None], ())


def test_the_photos_are_a_data_set():
    data = open_dataset("photos")
    assert list(data.names) == list(sample_images())
    for index, photo in enumerate(sample_images().values()):
        assert open_image(data.read(index)).tobytes() == photo.open().tobytes()


def test_fashion_mnist_is_embedded():
    data = open_dataset("fashion-mnist")
    assert (len(data), data.class_names) == (10_000, FASHION_CLASSES)
    assert [data.labels[i] for i in range(8)] == [9, 2, 1, 1, 6, 1, 4, 6]  # as published
    assert open_image(data.read(0)).size == (28, 28)
    assert np.asarray(open_image(data.read(0))).max() == 255


def write_idx(path, values: np.ndarray) -> None:
    header = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + values.astype(np.uint8).tobytes()))


def test_fashion_mnist_training_images_come_from_the_root(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "_EMBEDDED", tmp_path / "nothing")
    pixels = np.arange(3 * 4 * 5).reshape(3, 4, 5)
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", pixels)
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.array([7, 0, 9]))
    data = open_dataset("fashion-mnist:train", root=tmp_path)
    assert list(data.labels) == [7, 0, 9]
    assert np.array_equal(np.asarray(open_image(data.read(1)))[:, :, 0], pixels[1])
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"not gzip")
    with pytest.raises(PathwayError, match=r"train-images-idx3-ubyte.gz is damaged"):
        open_dataset("fashion-mnist:train", root=tmp_path)


def test_torchvision_reads_what_lies_on_disk(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels, labels = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 256, np.array([4, 1])
    for stem, values in (("t10k-images-idx3-ubyte", pixels), ("t10k-labels-idx1-ubyte", labels)):
        write_idx(raw / f"{stem}.gz", values)
        (raw / stem).write_bytes(gzip.decompress((raw / f"{stem}.gz").read_bytes()))
    for stem in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):  # it insists on both parts
        (raw / stem).write_bytes((raw / stem.replace("train", "t10k")).read_bytes())
    data = open_dataset("torchvision:MNIST", root=tmp_path)
    assert (data.name, list(data.labels), data.class_names[4]) == ("MNIST", [4, 1], "4 - four")
    assert np.array_equal(np.asarray(open_image(data.read(0)))[:, :, 0], pixels[0])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "There is no folder 'nowhere' and no data set of that name"),
        ("torchvision:Nonsense", "torchvision has no data set 'Nonsense'"),
        ("torchvision:CIFAR10", "torchvision's CIFAR10:test cannot be opened in"),
    ],
)
def test_what_is_not_there_is_named(source, message, tmp_path):
    with pytest.raises(PathwayError, match=message):
        open_dataset(source, root=tmp_path)


def test_an_empty_folder_is_named(folder):
    with pytest.raises(PathwayError, match=r"empty holds no images; wanted files ending in .jpg"):
        open_dataset(str(folder / "empty"))


def test_pictures_are_the_first_of_a_seeded_order(folder):
    data = open_dataset(str(folder))
    everything = load_pictures(data)
    assert everything.pixels.shape == (4, 3, 12, 12)
    assert everything.pixels[:, 0, 0, 0].tolist() == [10, 20, 30, 40]
    assert everything.labels.tolist() == [0, 0, 1, 1]
    order = torch.randperm(4, generator=torch.Generator().manual_seed(5))[:2].sort().values
    assert load_pictures(data, 2, seed=5).pixels[:, 0, 0, 0].tolist() == [10 * (int(i) + 1) for i in order]


def test_pictures_of_several_sizes_or_without_classes_cannot_be_trained_on(folder):
    with pytest.raises(PathwayError, match="has images without a class"):
        load_pictures(open_dataset(str(folder / "cats")))
    (folder / "cats" / "large.png").write_bytes(png(1, 20))
    with pytest.raises(PathwayError, match="has images of 2 sizes"):
        load_pictures(open_dataset(str(folder)))


@pytest.mark.parametrize("label", ["cat", 2, -1, 0.5, True, (0, 1), torch.tensor(1)])
def test_labels_that_are_no_class_numbers_are_refused(label):
    with pytest.raises(PathwayError, match=r"Got label .* of image b in pets, wanted 0 to 1, an index into its class"):
        Dataset("pets", ("a", "b"), (0, label), ("cat", "dog"), lambda index: b"")
    with pytest.raises(PathwayError, match="of image a in pets, wanted None, having no classes"):
        Dataset("pets", ("a",), (label,), (), lambda index: b"")
    assert Dataset("pets", ("a", "b"), (1, None), ("cat", "dog"), lambda index: b"").labels == (1, None)


@pytest.fixture
def registered(folder, monkeypatch):
    monkeypatch.setenv("PATHWAY_DATASETS", f"pets={folder}")
    registered_datasets.cache_clear()
    yield
    registered_datasets.cache_clear()


def test_registered_images_are_named_by_data_set_and_number(registered):
    assert set(registered_datasets()) == {"fashion-mnist", "pets"}
    data, index = registered_image("pets:3")
    assert (data.name, index, data.names[index]) == ("pets", 3, "dogs/40.png")
    for name in ("pets:4", "pets:-1", "pets:", "pets", "other:1", "../pets:1", "pets:1x", "pets:" + "9" * 30):
        assert registered_image(name) is None


@pytest.mark.parametrize("entry", ["../pets=/tmp", "photos=/tmp", "fashion-mnist=/tmp", "pets="])
def test_a_name_that_would_be_a_path_or_hide_another_is_refused(entry, monkeypatch):
    monkeypatch.setenv("PATHWAY_DATASETS", entry)
    registered_datasets.cache_clear()
    with pytest.raises(PathwayError, match="wanted a new name of letters"):
        registered_datasets()
    registered_datasets.cache_clear()


def test_what_a_registered_folder_leaves_out_is_said_at_the_start(folder, monkeypatch, capsys):
    monkeypatch.setenv("PATHWAY_DATASETS", "")
    (folder / "cats" / "notes.txt").touch()
    registered_datasets.cache_clear()
    assert start._register([f"pets={folder}"]) == ""
    registered_datasets.cache_clear()
    assert "pets: Left out: 1 entry not named as an image, such as 'cats/notes.txt'." in capsys.readouterr().out


def test_a_file_that_is_too_large_is_not_read_and_says_how_large_it_is(folder):
    with (folder / "cats" / "10.png").open("r+b") as file:
        file.truncate(200 * 2**20 + 1)
    with pytest.raises(PathwayError, match=r"10.png has 209,715,201 bytes, wanted at most 209,715,200 .200 MB."):
        open_dataset(str(folder)).read(0)


def test_a_file_that_is_gone_is_said_to_be(folder):
    data = open_dataset(str(folder))
    (folder / "cats" / "10.png").unlink()
    with pytest.raises(PathwayError, match=r"10.png cannot be read .No such file or directory.. Wanted"):
        data.read(0)


def test_the_picture_that_cannot_be_trained_on_is_named(folder):
    (folder / "dogs" / "30.png").write_bytes(b"<html></html>")
    with pytest.raises(PathwayError, match=r"dogs/30.png in .*: These 13 bytes are an HTML page"):
        load_pictures(open_dataset(str(folder)))


def test_avif_pictures_of_a_folder_are_found(tmp_path):
    Image.new("RGB", (4, 4), (200, 0, 0)).save(tmp_path / "a.AVIF")
    assert open_image(open_dataset(str(tmp_path)).read(0)).size == (4, 4)
