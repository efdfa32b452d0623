"""Train a classifier on pictures in memory, seeded: with one thread count, the same call gives the same weights.

    model = train(lambda: SmallVGG(10), pictures, preprocessing, Recipe(epochs=20), seed=0)
    accuracy(model, test, preprocessing)

It uses Adam with decoupled weight decay and one cycle of the learning rate [Smith18]; pictures are mirrored and moved
by up to two pixels, drawn anew each epoch. It calls modules, so it must run in a process of its own, never the app's.

References:
    [Smith18] Smith and Topin, Super-Convergence: Very Fast Training of Neural Networks, 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.data.datasets import Pictures
from core.data.preprocessing import Preprocessing
from core.progress import Progress, silent

__all__ = ["Recipe", "accuracy", "normalised", "train"]


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        epochs: passes over all pictures.
        batch_size: pictures per step.
        rate: the largest learning rate.
        decay: of the weights.
        shift: the most pixels by which a picture is moved.
        mirror: whether half of the pictures are mirrored.
    """

    epochs: int = 20
    batch_size: int = 128
    rate: float = 0.01
    decay: float = 0.05
    shift: int = 2
    mirror: bool = True


def train(
    build: Callable[[], nn.Module],
    pictures: Pictures,
    preprocessing: Preprocessing,
    recipe: Recipe = Recipe(),
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> nn.Module:
    """Return a model trained from scratch, in evaluation mode.

    Args:
        build: makes the model; its weights are drawn from the seed.
        pictures: (N, 3, H, W), uint8, of the size the model takes.
        preprocessing: its mean and std normalise the pictures.
        recipe: how to train.
        seed: of weights, order and shifts; the process's generators are not changed.
        device: to train on.
        progress: called after each epoch; raise ``Cancelled`` in it to stop there.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build().to(device).to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(seed)
    steps = ceil(len(pictures.labels) / recipe.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps * recipe.epochs)
    model.train()
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(pictures.labels), generator=generator)
        for chosen in torch.split(order, recipe.batch_size):
            images = normalised(_moved(pictures.pixels[chosen], recipe, generator), preprocessing, device)
            optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(model(images), pictures.labels[chosen].to(device)))
            optimizer.step()
            schedule.step()
        progress(epoch + 1, recipe.epochs, "epochs")
    model.eval().to("cpu").to(memory_format=torch.contiguous_format)
    return model


def accuracy(
    model: nn.Module, pictures: Pictures, preprocessing: Preprocessing, *, device: torch.device | str = "cpu"
) -> float:
    """Return the share of pictures whose label the model predicts."""
    model = model.to(device)
    right = 0
    with torch.no_grad():
        for pixels, labels in zip(torch.split(pictures.pixels, 500), torch.split(pictures.labels, 500), strict=True):
            right += int((model(normalised(pixels, preprocessing, device)).argmax(1).cpu() == labels).sum())
    return right / len(pictures.labels)


def normalised(pixels: Tensor, preprocessing: Preprocessing, device: torch.device | str) -> Tensor:
    """Return pictures, (N, 3, H, W) uint8, as the network's input; ``Preprocessing.tensor`` does it for one."""
    mean, std = (torch.tensor(each)[:, None, None] for each in (preprocessing.mean, preprocessing.std))
    images = (pixels.float() / 255 - mean) / std
    return images.to(device, memory_format=torch.channels_last)


def _moved(pixels: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Mirror half of the pictures, and move each by up to ``recipe.shift`` pixels, repeating its edge."""
    count, _, height, width = pixels.shape
    if recipe.mirror:
        mirrored = torch.rand(count, generator=generator) < 0.5
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
    if not recipe.shift:
        return pixels
    reach = 2 * recipe.shift + 1
    padded = F.pad(pixels.float(), (recipe.shift,) * 4, mode="replicate").to(torch.uint8)
    down, across = torch.randint(reach, (2, count), generator=generator)
    rows = (down[:, None] + torch.arange(height))[:, None, :, None]
    columns = (across[:, None] + torch.arange(width))[:, None, None, :]
    pictures, channels = torch.arange(count)[:, None, None, None], torch.arange(3)[None, :, None, None]
    return padded[pictures, channels, rows, columns]
