"""Tiny copies of torchvision's data sets, each laid out on disk as its publisher does."""

from __future__ import annotations

import bz2
import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import scipy.io
import torch
from PIL import Image

NOISE = np.random.default_rng(0)


def noise(*shape: int) -> np.ndarray:
    return NOISE.integers(0, 256, shape, np.uint8)


def picture(path: Path, mode: str = "RGB", **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(6, 8, 3)).convert(mode).save(path, **options)


def pictures(folder: Path, *files: str) -> None:
    for file in files:
        picture(folder / file)


def text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def idx(path: Path, values: np.ndarray, kind: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes((0, 0, kind, values.ndim)) + np.array(values.shape, ">u4").tobytes() + values.tobytes())


def mnist(name: str):
    def write(root: Path) -> None:
        for part, labels in {"train": [1, 2, 3], "t10k": [7, 0]}.items():
            idx(root / name / "raw" / f"{part}-images-idx3-ubyte", noise(len(labels), 28, 28))
            idx(root / name / "raw" / f"{part}-labels-idx1-ubyte", np.array(labels, np.uint8))

    return write


def emnist(root: Path) -> None:
    for part, labels in {"letters-train": [26], "letters-test": [1, 2], "balanced-test": [10, 46]}.items():
        idx(root / "EMNIST/raw" / f"emnist-{part}-images-idx3-ubyte", noise(len(labels), 28, 28))
        idx(root / "EMNIST/raw" / f"emnist-{part}-labels-idx1-ubyte", np.array(labels, np.uint8))


def qmnist(root: Path) -> None:
    for part, labels in {"qmnist-train": [4], "qmnist-test": [7, 2], "xnist": [9, 8, 0]}.items():
        rows = np.array([[label, 1, 9, 8, 7, 6, 5, 4] for label in labels], ">i4")
        idx(root / "QMNIST/raw" / f"{part}-images-idx3-ubyte", noise(len(labels), 28, 28))
        idx(root / "QMNIST/raw" / f"{part}-labels-idx2-int", rows, 12)


def omniglot(root: Path) -> None:
    text(root / "omniglot-py/images_background.zip")
    for character in ("Korean/character02", "Korean/character01", "Greek/character01"):
        pictures(root / "omniglot-py/images_background" / character, "0002_01.png", "0001_01.png")


def semeion(root: Path) -> None:
    rows = np.zeros((3, 266))
    rows[:, :256] = noise(3, 256) > 99
    rows[[0, 1, 2], [256 + 3, 256 + 0, 256 + 9]] = 1
    np.savetxt(root / "semeion.data", rows)


def svhn(root: Path) -> None:
    for split, labels in {"train": [1, 2], "test": [10, 9, 1], "extra": [5, 10]}.items():
        pixels = noise(32, 32, 3, len(labels))
        scipy.io.savemat(root / f"{split}_32x32.mat", {"X": pixels, "y": np.array(labels, np.uint8)[:, None]})


def usps(root: Path) -> None:
    for file, labels in {"usps.bz2": [3], "usps.t.bz2": [10, 1]}.items():
        rows = [
            " ".join([str(label), *(f"{i + 1}:{noise(1)[0] / 128 - 1:.3f}" for i in range(256))]) for label in labels
        ]
        (root / file).write_bytes(bz2.compress("\n".join(rows).encode()))


def pickled(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))


def cifar10(root: Path) -> None:
    labels = {f"data_batch_{i}": [i] for i in range(1, 6)} | {"test_batch": [3, 9]}
    for file, those in labels.items():
        pickled(root / "cifar-10-batches-py" / file, {"data": noise(len(those), 3072), "labels": those})
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    pickled(root / "cifar-10-batches-py/batches.meta", {"label_names": names})


def cifar100(root: Path) -> None:
    for file, fine in {"train": [1, 2, 0], "test": [2, 1]}.items():
        content = {"data": noise(len(fine), 3072), "fine_labels": fine, "coarse_labels": [0] * len(fine)}
        pickled(root / "cifar-100-python" / file, content)
    meta = {"fine_label_names": ["apple", "baby", "bear"], "coarse_label_names": ["things"]}
    pickled(root / "cifar-100-python/meta", meta)


def clevr(root: Path) -> None:
    home = root / "clevr/CLEVR_v1.0"
    for split in ("train", "val", "test"):
        pictures(home / "images" / split, f"{split}_1.png", f"{split}_0.png")
    for split, counts in {"train": [3, 4], "val": [5, 1]}.items():
        scenes = [{"image_filename": f"{split}_{i}.png", "objects": [{}] * count} for i, count in enumerate(counts)]
        text(home / f"scenes/CLEVR_{split}_scenes.json", json.dumps({"scenes": scenes}))


def caltech101(root: Path) -> None:
    home = root / "caltech101/101_ObjectCategories"
    pictures(home, "BACKGROUND_Google/image_0001.jpg", "ant/image_0001.jpg", "ant/image_0002.jpg")
    picture(home / "brain/image_0001.jpg", "L")
    turned = Image.Exif()
    turned[274] = 6  # orientation: torchvision takes no notice of it
    picture(home / "brain/image_0002.jpg", exif=turned.tobytes())


def caltech256(root: Path) -> None:
    pictures(root / "caltech256/256_ObjectCategories", "001.ak47/001_0001.jpg", "002.flag/002_0001.jpg")
    text(root / "caltech256/256_ObjectCategories/002.flag/RENAME2")


def country211(root: Path) -> None:
    for split in ("train", "valid", "test"):
        pictures(root / "country211" / split, "AD/1.jpg", "ZW/2.jpg", "ZW/1.jpg")


def dtd(root: Path) -> None:
    pictures(root / "dtd/dtd/images", "banded/b1.jpg", "banded/b2.jpg", "woven/w1.jpg")
    text(root / "dtd/dtd/labels/test1.txt", "woven/w1.jpg", "banded/b1.jpg")
    text(root / "dtd/dtd/labels/val2.txt", "banded/b2.jpg", "woven/w1.jpg")


def eurosat(root: Path) -> None:
    pictures(root / "eurosat/2750", "Forest/Forest_1.jpg", "River/River_1.jpg")


def fer2013(root: Path) -> None:
    rows = [f"{label},{' '.join(map(str, noise(2304)))},{usage}" for label, usage in _FER]
    text(root / "fer2013/fer2013.csv", "emotion,pixels,Usage", *rows)


_FER = [(3, "Training"), (0, "PublicTest"), (6, "PrivateTest")]


def fer2013_without_labels(root: Path) -> None:
    text(root / "fer2013/test.csv", "pixels", *(" ".join(map(str, noise(2304))) for _ in range(2)))


def aircraft(root: Path) -> None:
    home = root / "fgvc-aircraft-2013b/data"
    pictures(home / "images", "0001.jpg", "0002.jpg")
    names = {"variants.txt": ["707-320", "A340-300"], "families.txt": ["A340", "Boeing 707"]}
    for file, known in (names | {"manufacturers.txt": ["Airbus", "Boeing"]}).items():
        text(home / file, *known)
    text(home / "images_variant_test.txt", "0002 A340-300", "0001 707-320")
    text(home / "images_family_val.txt", "0001 Boeing 707")
    text(home / "images_manufacturer_trainval.txt", "0001 Boeing", "0002 Airbus")


def flowers(root: Path) -> None:
    pictures(root / "flowers-102/jpg", *(f"image_{number:05d}.jpg" for number in range(1, 7)))
    scipy.io.savemat(root / "flowers-102/imagelabels.mat", {"labels": [77, 1, 102, 2, 3, 4]})
    scipy.io.savemat(root / "flowers-102/setid.mat", {"trnid": [1, 2], "valid": [3, 4], "tstid": [6, 5]})


def food(root: Path) -> None:
    pictures(root / "food-101/images", "waffles/1.jpg", "apple_pie/2.jpg", "apple_pie/3.jpg")
    text(root / "food-101/meta/test.json", json.dumps({"waffles": ["waffles/1"], "apple_pie": ["apple_pie/2"]}))
    text(root / "food-101/meta/train.json", json.dumps({"apple_pie": ["apple_pie/3"]}))


def gtsrb(root: Path) -> None:
    pictures(root / "gtsrb/GTSRB/Training", "00000/0.ppm", "00001/0.ppm", "00001/1.ppm")
    pictures(root / "gtsrb/GTSRB/Final_Test/Images", "0.ppm", "1.ppm")
    text(root / "gtsrb/GT-final_test.csv", "Filename;Width;ClassId", "0.ppm;8;16", "1.ppm;8;42")


def inaturalist(root: Path) -> None:
    for number, species in enumerate(
        ("Animalia_A_B_C_D_Canis_lupus", "Animalia_A_B_C_D_Felis_catus", "Plantae_E_F_G_H_Rosa_canina")
    ):
        pictures(root / "2021_valid" / f"{number:05d}_{species}", "b.jpg", "a.jpg")
    picture(root / "2021_valid/00002_Plantae_E_F_G_H_Rosa_canina/c.jpg", "CMYK")
    pictures(root / "2018", "Birds/1/x.jpg", "Plants/0/y.jpg")


def folders(root: Path) -> None:
    pictures(root, "cat/1.png", "dog/deep/2.png", "dog/1.png")


def imagenet(root: Path) -> None:
    """Write two folders of three classes, as somebody has who took a part."""
    classes = {"n02": ("crane",), "n01": ("tench", "Tinca tinca"), "n03": ("cup",)}
    torch.save((classes, ["n01", "n03"]), root / "meta.bin")
    pictures(root / "val", "n01/1.JPEG", "n03/1.JPEG", "n03/2.JPEG")


def imagenette(root: Path) -> None:
    pictures(root, "imagenette2/val/n01440764/1.JPEG", "imagenette2-160/train/n03888257/2.JPEG")
    picture(root / "imagenette2/val/n03888257/1.JPEG", "L")


def lfw(root: Path) -> None:
    home = root / "lfw-py"
    for file in ("lfw-funneled.tgz", "lfw.tgz"):
        text(home / file)
    text(home / "lfw-names.txt", "Ann_A\t2", "Bob_B\t1")
    text(home / "peopleDevTest.txt", "2", "Bob_B\t1", "Ann_A\t2")
    text(home / "people.txt", "2", "1", "Ann_A\t2", "1", "Bob_B\t1")
    for folder in ("lfw_funneled", "lfw"):
        pictures(home / folder, "Ann_A/Ann_A_0001.jpg", "Ann_A/Ann_A_0002.jpg", "Bob_B/Bob_B_0001.jpg")


def pets(root: Path) -> None:
    home = root / "oxford-iiit-pet"
    pictures(home / "images", "Abyssinian_1.jpg", "beagle_1.jpg", "great_pyrenees_1.jpg")
    text(home / "annotations/test.txt", "beagle_1 2 2 1", "Abyssinian_1 1 1 1", "great_pyrenees_1 3 2 2")


def pcam(root: Path) -> None:
    for split, labels in {"valid": [1, 0], "test": [0, 1, 1]}.items():
        for kind, name, values in (
            ("x", "x", noise(len(labels), 96, 96, 3)),
            ("y", "y", np.reshape(labels, (-1, 1, 1, 1))),
        ):
            path = root / f"pcam/camelyonpatch_level_2_split_{split}_{kind}.h5"
            path.parent.mkdir(exist_ok=True)
            with h5py.File(path, "w") as file:
                file[name] = values


def places(root: Path) -> None:
    text(root / "categories_places365.txt", "/a/airfield 0", "/b/bar 1")
    text(root / "places365_val.txt", "v1.jpg 1", "v2.jpg 0")
    text(root / "places365_test.txt", "t1.jpg")
    text(root / "places365_train_standard.txt", "/b/bar/1.jpg 1")
    pictures(root, "val_large/v1.jpg", "val_large/v2.jpg", "test_256/t1.jpg", "data_large_standard/b/bar/1.jpg")


def rendered(root: Path) -> None:
    pictures(root / "rendered-sst2/valid", "negative/1.png", "positive/1.png")
    pictures(root / "rendered-sst2/test", "negative/7.png", "positive/9.png", "positive/8.png")


def stl10(root: Path) -> None:
    home = root / "stl10_binary"
    home.mkdir()
    for part, labels in {"train": [1, 10], "test": [2, 3], "unlabeled": []}.items():
        noise(len(labels) or 2, 3, 96, 96).tofile(home / f"{part}_X.bin")
        np.array(labels, np.uint8).tofile(home / f"{part}_y.bin")


def sun(root: Path) -> None:
    text(root / "SUN397/ClassName.txt", "/a/abbey", "/b/bar/indoor")
    pictures(root / "SUN397", "b/bar/indoor/sun_2.jpg", "a/abbey/sun_1.jpg", "a/abbey/sun_0.jpg")


def cars(root: Path) -> None:
    home = root / "stanford_cars"
    for split, file in (("train", "devkit/cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        kind = np.dtype([("fname", object), ("class", object)])
        annotations = np.array([(f"{split}1.jpg", np.uint8(3)), (f"{split}2.jpg", np.uint8(1))], kind)
        (home / "devkit").mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(home / file, {"annotations": annotations})
        pictures(home / f"cars_{split}", f"{split}1.jpg", f"{split}2.jpg")
    names = np.array(["AM General", "Acura", "Audi TT"], object)
    scipy.io.savemat(home / "devkit/cars_meta.mat", {"class_names": names})
