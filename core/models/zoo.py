"""Networks by name, ready to use; nothing is downloaded unless asked for.

    network = load_network("squeezenet1_1")       # "efficientnet_lite0", "fashion_vgg": they come with the package
    network = load_network("resnet50")            # once its published weights are on this machine
    network = load_checkpoint(data, "resnet18")   # a user's own weights

Each has its preprocessing and class names, and may be shared between threads.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

import torch
import torchvision

from core.errors import PathwayError
from core.models.architectures import (
    EMBEDDED,
    architectures,
    build,
    check_name,
    class_names_of,
    fill,
    preprocessing_of,
)
from core.models.checkpoint import Checkpoint, checkpoint_candidates, load_checkpoint, read_checkpoint
from core.models.input_transform import asks_for_input_transform, compare_input_transforms, top_classes
from core.models.weights import (
    MODELS,
    PublishedWeights,
    download_weights,
    embedded_state,
    find_weights,
    published_state,
    published_weights,
    weights_folder,
)
from core.network import Network, trace

__all__ = [
    "Architecture",
    "Checkpoint",
    "PublishedWeights",
    "asks_for_input_transform",
    "available_networks",
    "checkpoint_candidates",
    "compare_input_transforms",
    "download_weights",
    "load_checkpoint",
    "load_network",
    "pick_device",
    "published_weights",
    "read_checkpoint",
    "top_classes",
    "weights_folder",
]

_WITHOUT_RELU = ("convnext_", "efficientnet_b", "efficientnet_v2_", "maxvit_", "swin_", "vit_")


@dataclass(frozen=True)
class Architecture:
    """A network that can be named.

    Attributes:
        name: for ``load_network`` and ``load_checkpoint``.
        embedded: its weights come with the package.
        megabytes: of its weights' file.
        top1: ImageNet accuracy in per cent as torchvision publishes it; None for embedded weights.
        has_weights: its weights are on this machine.
        supported: its family has ReLUs; only ``trace`` decides for certain.
    """

    name: str
    embedded: bool
    megabytes: float
    top1: float | None
    has_weights: bool
    supported: bool


def available_networks() -> list[Architecture]:
    """Return every network that can be named, those that come with the package first."""
    return [_entry(name) for name in architectures()]


def _entry(name: str) -> Architecture:
    if name in EMBEDDED:
        path = MODELS / f"{name}.safetensors"
        megabytes = round(path.stat().st_size / 2**20, 1) if path.is_file() else 0.0
        return Architecture(name, True, megabytes, None, path.is_file(), True)
    megabytes, top1 = _published_facts(name)
    supported = not name.startswith(_WITHOUT_RELU)
    return Architecture(name, False, megabytes, top1, find_weights(name) is not None, supported)


@cache
def _published_facts(name: str) -> tuple[float, float | None]:
    meta = torchvision.models.get_model_weights(name).DEFAULT.meta
    return published_weights(name).megabytes, meta.get("_metrics", {}).get("ImageNet-1K", {}).get("acc@1")


def load_network(name: str, *, device: torch.device | str | None = None) -> Network:
    """Return a network with its published weights, for ImageNet except fashion_vgg; nothing is downloaded.

    Args:
        name: "squeezenet1_1", "efficientnet_lite0", "fashion_vgg", or a torchvision classifier whose weights are on
            this machine.
        device: of the network; default as ``pick_device`` picks.

    Raises:
        WeightsMissing: its weights are not on this machine; ``download_weights`` fetches them.
        PathwayError: there is no such network or device, its weights are damaged, or it has no ReLUs.
    """
    where = pick_device(device)
    state, digest = embedded_state(name) if check_name(name) in EMBEDDED else published_state(name)
    preprocessing = preprocessing_of(name)
    return trace(
        fill(name, build(name), state),
        (3, preprocessing.size, preprocessing.size),
        name=name,
        preprocessing=preprocessing,
        class_names=class_names_of(name),
        weights_hash=digest,
        device=where,
    )


def pick_device(override: torch.device | str | None = None) -> torch.device:
    """Return the override, else ``PATHWAY_DEVICE``, else the first available of cuda, mps and cpu.

    Raises:
        PathwayError: the device asked for is unknown or not on this machine.
    """
    asked = override if override is not None else os.environ.get("PATHWAY_DEVICE") or None
    have = _devices()
    if asked is None:
        return torch.device(have[0])
    try:
        device = torch.device(asked)
    except (RuntimeError, TypeError) as error:
        raise PathwayError(f"Got device {asked!r}, wanted one of {', '.join(have)}.") from error
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if device.type not in have or (device.index or 0) >= count:
        raise PathwayError(f"Device {str(asked)!r} is not on this machine, wanted one of {', '.join(have)}.")
    return device


def _devices() -> list[str]:
    there = (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available()), ("cpu", True))
    return [kind for kind, available in there if available]
