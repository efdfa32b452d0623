"""Recipes of the data sets of photographs and rendered pictures."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from torchvision.datasets import imagenet
from torchvision.models import SqueezeNet1_1_Weights

from core.data.torchvision_sets.recipe import (
    LABELS,
    SAMPLES,
    Recipe,
    Split,
    by_split,
    listed,
    split_of,
    train_test,
)

__all__ = ["PICTURES"]

STL10 = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
AIRCRAFT = {"": ("variant", "variants"), "family:": ("family", "families"), "manufacturer:": ("manufacturer",) * 2}
FACES = {"": ("funneled", "lfw_funneled"), "original:": ("original", "lfw")} | {
    "deepfunneled:": ("deepfunneled", "lfw-deepfunneled")
}
PLACES = {"": ("large", False), "small:": ("256", True)}
INATURALIST = {"2017": "train_val_images", "2018": "train_val2018", "2019": "train_val2019"} | {
    "2021_train": "train",
    "2021_train_mini": "train_mini",
    "2021_valid": "val",
}
RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")


def _cifar(folder: str, archive: str, batches: str) -> Recipe:
    return Recipe(train_test(" ".join(f"{folder}/{batch}" for batch in batches.split()), archive))


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(count))


def _counts(data: Any) -> list[str]:
    """Return the names of CLEVR's labels, which are numbers of objects."""
    most = max((label for label in data._labels if label is not None), default=-1)
    return [f"{count} object{'s' * (count != 1)}" for count in range(most + 1)]


def _dtd() -> dict[str, Split]:
    files = "dtd/dtd/images dtd/dtd/labels/{{split}}{number}.txt"
    splits: dict[str, Split] = {}
    for number in range(1, 11):
        before = "" if number == 1 else f"{number}:"
        wanted = files.format(number=number)
        splits |= by_split("train val test", wanted, "dtd-r1.0.1.tar.gz", before=before, partition=number)
    return splits


def _aircraft() -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for before, (level, names) in AIRCRAFT.items():
        files = " ".join(f"fgvc-aircraft-2013b/data/{file}" for file in ("images", f"{names}.txt", f"images_{level}_"))
        splits |= by_split(
            "train val trainval test",
            f"{files}{{split}}.txt",
            "fgvc-aircraft-2013b.tar.gz",
            before=before,
            annotation_level=level,
        )
    return splits


def _pets(before: str, target: str) -> dict[str, Split]:
    files = "oxford-iiit-pet/images oxford-iiit-pet/annotations/{split}.txt"
    return by_split("trainval test", files, "images.tar.gz annotations.tar.gz", before=before, target_types=target)


def _is_binary(data: Any) -> bool:
    return "binary-category" in data._target_types


def _faces() -> dict[str, Split]:
    people = {"train": "peopleDevTrain.txt", "test": "peopleDevTest.txt", "10fold": "people.txt"}
    splits = {}
    for before, (kind, folder) in FACES.items():
        packed = f"{folder.replace('_', '-')}.tgz"
        for name, file in people.items():
            texts = f"{file} lfw-names.txt"
            files = " ".join(f"lfw-py/{each}" for each in (packed, folder, *texts.split()))
            splits[before + name] = split_of(files, f"{packed} {texts}", split=name, image_set=kind)
    return splits


def _places() -> dict[str, Split]:
    splits = {}
    for before, (size, small) in PLACES.items():
        for name in ("train-standard", "train-challenge", "val", "test"):
            kind = "challenge" if name == "train-challenge" else "standard"
            train = name.startswith("train")
            folder = f"data_{size}_{kind}" if train else f"{name}_{size}"
            files = f"categories_places365.txt places365_{name.replace('-', '_')}.txt {folder}"
            packed = f"train_{size}_places365{kind}.tar" if train else f"{folder}.tar"
            archives = f"filelist_places365-{kind}.tar {packed}"
            splits[before + name] = split_of(files, archives, split=name, small=small)
    return splits


def _inaturalist() -> dict[str, Split]:
    splits = {}
    for version, packed in INATURALIST.items():
        for kind in ("full", *(RANKS if version.startswith("2021") else ("super",))):
            name = version if kind == "full" else f"{kind}:{version}"
            splits[name] = split_of(version, f"{packed}.tar.gz", version=version, target_type=kind)
    return splits


def _living(data: Any) -> list[int]:
    """Return the labels of iNaturalist: species, or the groups asked for."""
    (kind,) = data.target_type
    return [species if kind == "full" else data.categories_map[species][kind] for species, _ in data.index]


def _taxa(data: Any) -> list[str]:
    (kind,) = data.target_type
    return list(data.all_categories if kind == "full" else data.categories_index[kind])


def _synsets(data: Any) -> list[int]:
    """Return ImageNet's labels among all classes, also if some have no folder; torchvision counts folders."""
    places = {wnid: place for place, wnid in enumerate(sorted(imagenet.load_meta_file(data.root)[0]))}
    return [places[data.wnids[label]] for label in data.targets]


def _synonyms(data: Any) -> list[str]:
    """Return the names of ImageNet's classes, where complete those that torchvision's networks have for them."""
    synonyms = imagenet.load_meta_file(data.root)[0]
    names: list[str] = SqueezeNet1_1_Weights.DEFAULT.meta["categories"]  # "crane" and "crane bird" are two
    return names if len(synonyms) == len(names) else [", ".join(synonyms[wnid]) for wnid in sorted(synonyms)]


def _patches(data: Any) -> list[int]:
    """Return PCAM's labels, read at once from their own file."""
    with data.h5py.File(data._base_folder / data._FILES[data._split]["targets"][0]) as file:
        return [int(label) for label in file["y"][:, 0, 0, 0]]


def _pcam(name: str) -> Split:
    stem = f"camelyonpatch_level_2_split_{'valid' if name == 'val' else name}"
    files = f"{stem}_x.h5", f"{stem}_y.h5"
    return split_of(" ".join(f"pcam/{file}" for file in files), " ".join(f"{file}.gz" for file in files), split=name)


PICTURES: Mapping[str, Recipe] = {
    "CIFAR10": _cifar(
        "cifar-10-batches-py",
        "cifar-10-python.tar.gz",
        "data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch batches.meta",
    ),
    "CIFAR100": _cifar("cifar-100-python", "cifar-100-python.tar.gz", "train test meta"),
    "CLEVRClassification": Recipe(
        by_split(
            "train val",
            "clevr/CLEVR_v1.0/images/{split} clevr/CLEVR_v1.0/scenes/CLEVR_{split}_scenes.json",
            "CLEVR_v1.0.zip",
        )
        | by_split("test", "clevr/CLEVR_v1.0/images/test", "CLEVR_v1.0.zip"),
        LABELS,
        _counts,
    ),
    "Caltech101": Recipe(
        {"": split_of("caltech101/101_ObjectCategories", "caltech-101.zip")},
        attrgetter("y"),
        attrgetter("categories"),
        package="scipy",
    ),
    "Caltech256": Recipe(
        {"": split_of("caltech256/256_ObjectCategories", "256_ObjectCategories.tar")},
        attrgetter("y"),
        attrgetter("categories"),
    ),
    "Country211": Recipe(by_split("train valid test", "country211/{split}", "country211.tgz")),
    "DTD": Recipe(_dtd(), LABELS),
    "EuroSAT": Recipe({"": split_of("eurosat/2750", "EuroSAT.zip")}),
    "FER2013": Recipe(
        by_split("train test", "fer2013/fer2013.csv|fer2013/icml_face_data.csv|fer2013/{split}.csv", "fer2013.tar.gz"),
        SAMPLES,
        listed("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),  # as published
        source="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    ),
    "FGVCAircraft": Recipe(_aircraft(), LABELS),
    "FakeData": Recipe(
        {"": split_of("", "")},
        lambda data: [data[number][1] for number in range(len(data))],  # drawn after the pixels
        listed(*_numbered(10)),
        drawn=True,
    ),
    "Flowers102": Recipe(
        by_split(
            "train val test",
            "flowers-102/jpg flowers-102/imagelabels.mat flowers-102/setid.mat",
            "102flowers.tgz imagelabels.mat setid.mat",
        ),
        LABELS,
        package="scipy",
    ),
    "Food101": Recipe(
        by_split("train test", "food-101/images food-101/meta/{split}.json", "food-101.tar.gz"),
        LABELS,
    ),
    "GTSRB": Recipe(
        by_split("train", "gtsrb/GTSRB/Training", "GTSRB-Training_fixed.zip")
        | by_split(
            "test",
            "gtsrb/GTSRB/Final_Test/Images gtsrb/GT-final_test.csv",
            "GTSRB_Final_Test_Images.zip GTSRB_Final_Test_GT.zip",
        ),
        SAMPLES,
        listed(*_numbered(43)),
    ),
    "INaturalist": Recipe(_inaturalist(), _living, _taxa, order=attrgetter("index")),
    "ImageFolder": Recipe({"": split_of("", "")}),
    "ImageNet": Recipe(
        by_split(
            "train val",
            "meta.bin|ILSVRC2012_devkit_t12.tar.gz {split}|ILSVRC2012_img_{split}.tar",
            "ILSVRC2012_devkit_t12.tar.gz ILSVRC2012_img_{split}.tar",
        ),
        _synsets,
        _synonyms,
        source="https://image-net.org/challenges/LSVRC/2012/2012-downloads.php, which asks for an account",
    ),
    "Imagenette": Recipe(
        by_split("train val", "imagenette2/{split}", "imagenette2.tgz", size="full")
        | by_split("train val", "imagenette2-320/{split}", "imagenette2-320.tgz", before="320px:", size="320px")
        | by_split("train val", "imagenette2-160/{split}", "imagenette2-160.tgz", before="160px:", size="160px"),
        SAMPLES,
        lambda data: [", ".join(synonyms) for synonyms in data.classes],
    ),
    "LFWPeople": Recipe(
        _faces(),
        classes=attrgetter("class_to_idx"),
        source="a copy; torchvision's documentation of LFWPeople names one, since the publisher's server is gone",
    ),
    "OxfordIIITPet": Recipe(
        _pets("", "category") | _pets("binary-category:", "binary-category"),
        lambda data: data._bin_labels if _is_binary(data) else data._labels,
        lambda data: data.bin_classes if _is_binary(data) else data.classes,
    ),
    "PCAM": Recipe(
        {name: _pcam(name) for name in ("train", "val", "test")},
        _patches,
        listed("no metastatic tissue", "metastatic tissue"),
        package="h5py",
        downloader="gdown",
    ),
    "Places365": Recipe(_places()),
    "RenderedSST2": Recipe(
        by_split("train test", "rendered-sst2/{split}", "rendered-sst2.tgz")
        | by_split("val", "rendered-sst2/valid", "rendered-sst2.tgz"),
        SAMPLES,
    ),
    "STL10": Recipe(
        by_split(
            "train test unlabeled train+unlabeled",
            " ".join(f"stl10_binary/{stem}.bin" for stem in ("train_X", "train_y", "unlabeled_X", "test_X", "test_y")),
            "stl10_binary.tar.gz",
        ),
        lambda data: [None if label < 0 else label for label in data.labels.tolist()],
        lambda data: getattr(data, "classes", STL10),  # without class_names.txt it has none
    ),
    "SUN397": Recipe(
        {"": split_of("SUN397/ClassName.txt", "SUN397.tar.gz")},
        LABELS,
        order=lambda data: [path.as_posix() for path in data._image_files],
    ),
    "StanfordCars": Recipe(
        by_split(
            "train",
            "stanford_cars/devkit/cars_meta.mat stanford_cars/devkit/cars_train_annos.mat stanford_cars/cars_train",
            "car_devkit.tgz cars_train.tgz",
        )
        | by_split(
            "test",
            "stanford_cars/devkit/cars_meta.mat stanford_cars/cars_test_annos_withlabels.mat stanford_cars/cars_test",
            "car_devkit.tgz cars_test_annos_withlabels.mat cars_test.tgz",
        ),
        SAMPLES,
        package="scipy",
        source="a copy, since its authors' page is gone",
    ),
}
