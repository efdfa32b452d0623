"""The material of every ROAR task: pictures in memory, and the network whose attributions are evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from core.data.datasets import FASHION_MNIST, Pictures, load_pictures, open_dataset
from core.data.preprocessing import Preprocessing
from core.errors import PathwayError
from core.models.architectures import EMBEDDED, class_names_of, preprocessing_of
from core.models.small_vgg import SmallVGG
from core.models.training import Recipe, train
from core.models.zoo import load_network, pick_device
from core.network import Network, trace
from core.studies.roar.plan import Roar
from core.studies.store import write_atomically

__all__ = ["Load", "Material", "pictures_of", "trained_base"]


@dataclass(frozen=True)
class Material:
    """The material of every task.

    Attributes:
        pictures: to train on, and to test on.
        preprocessing: its mean and std normalise the pictures.
        network: trained on unchanged images; its attributions are evaluated.
    """

    pictures: tuple[Pictures, Pictures]
    preprocessing: Preprocessing
    network: Network

    @property
    def mean(self) -> Tensor:
        """Return the mean colour of the training images, (3, 1, 1), uint8."""
        return self.pictures[0].pixels.double().mean((0, 2, 3)).round().to(torch.uint8)[:, None, None]


@dataclass(frozen=True)
class Load:
    """Loads the material on a worker, which need not have the data set."""

    pictures: tuple[Pictures, Pictures]
    base: str | dict[str, Tensor]  # name of an embedded network, or weights of a SmallVGG

    def __call__(self) -> Material:
        """Return the material, with its network on the fastest device of this machine."""
        if isinstance(self.base, str):
            network = load_network(self.base)
            return Material(self.pictures, preprocessing_of(self.base), network)
        side, classes = self.pictures[0].pixels.shape[-1], self.pictures[0].class_names
        preprocessing = _preprocessing(self.pictures[0])
        model = SmallVGG(len(classes), side).eval()
        model.load_state_dict(self.base)
        network = trace(
            model,
            (3, side, side),
            name="small VGG",
            preprocessing=preprocessing,
            class_names=classes,
            device=pick_device(),
        )
        return Material(self.pictures, preprocessing, network)


def pictures_of(plan: Roar) -> tuple[Pictures, Pictures]:
    """Return the images to train on and those to test on.

    Raises:
        PathwayError: they cannot be opened, are not squares of one size, or differ in their classes.
    """
    kind = plan.dataset.partition(":")[0]
    if plan.dataset == FASHION_MNIST:
        sources = f"{FASHION_MNIST}:train", FASHION_MNIST
    elif kind == "torchvision":
        sources = f"{plan.dataset}:train", f"{plan.dataset}:test"
    else:
        sources = str(Path(plan.dataset) / "train"), str(Path(plan.dataset) / "test")
    counts = (plan.train, plan.test)
    train, test = (
        load_pictures(open_dataset(source, root=plan.root or None), count, seed=plan.seed)
        for source, count in zip(sources, counts, strict=True)
    )
    shape = tuple(train.pixels.shape[1:])
    if (
        shape != tuple(test.pixels.shape[1:])
        or shape[1] != shape[2]
        or shape[1] < 8
        or train.class_names != test.class_names
    ):
        raise PathwayError(
            f"Got training images of {shape} and test images of {tuple(test.pixels.shape[1:])}, wanted squares of one "
            "size, at least 8 pixels, and the same classes in both."
        )
    return train, test


def _preprocessing(pictures: Pictures) -> Preprocessing:
    pixels = pictures.pixels.double() / 255
    mean, std = pixels.mean((0, 2, 3)).tolist(), pixels.std((0, 2, 3)).tolist()
    side = pictures.pixels.shape[-1]
    return Preprocessing(side, side, mean=tuple(mean), std=tuple(max(each, 1e-3) for each in std))


def trained_base(plan: Roar, pictures: tuple[Pictures, Pictures], folder: Path) -> str | dict[str, Tensor]:
    """Return the network whose attributions are evaluated: an embedded one for these classes, or one trained here."""
    from safetensors.torch import load, save

    side = pictures[0].pixels.shape[-1]
    fitting = [n for n in EMBEDDED if class_names_of(n) == pictures[0].class_names and preprocessing_of(n).size == side]
    if fitting:
        return fitting[0]
    path = folder / "base.safetensors"
    if not path.exists():
        build = partial(SmallVGG, len(pictures[0].class_names), side)
        model = train(build, pictures[0], _preprocessing(pictures[0]), Recipe(plan.epochs), device=pick_device())
        write_atomically(path, save(dict(model.state_dict())))
    return load(path.read_bytes())
