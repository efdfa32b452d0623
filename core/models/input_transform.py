"""Whether a network re-scales its input: what GoogLeNet's and Inception's files do not say.

    x ← x · std / 0.5 + (mean - 0.5) / 0.5        from ImageNet's mean and deviation to those of Inception, 0.5

torchvision's published weights of both were trained behind this step (``transform_input=True``); its constructors leave
it out unless they are asked, and so do most who train their own. The tensors of a checkpoint are the same either way,
and the wrong choice changes every answer a little, so that nothing shows it but the answers themselves:

    compare_input_transforms(data, "googlenet", picture)      # {False: [Answer("cat", 0.71), ...], True: [...]}
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from PIL import Image

from core.errors import PathwayError
from core.models.architectures import TRANSFORMING, check_name
from core.models.checkpoint import load_checkpoint
from core.models.weights import usual_input_transform
from core.network import Network

__all__ = ["Answer", "asks_for_input_transform", "compare_input_transforms", "top_classes", "usual_input_transform"]


@dataclass(frozen=True)
class Answer:
    """A class that a network names, with its softmax probability."""

    name: str
    probability: float


def asks_for_input_transform(architecture: str) -> bool:
    """Return whether an architecture may re-scale its input, which a checkpoint does not say.

    Raises:
        PathwayError: there is no such architecture.
    """
    return check_name(architecture) in TRANSFORMING


def top_classes(network: Network, picture: Image.Image, count: int = 5) -> list[Answer]:
    """Return the classes that a network finds most probable in a photo, most probable first; one forward pass.

    Args:
        network: with preprocessing.
        picture: RGB.
        count: how many; no more than it has classes.

    Raises:
        PathwayError: the network has no preprocessing, or no finite answer.
    """
    logits = network.run(network.preprocess(picture)).logits[0].detach()
    values, classes = logits.double().softmax(0).topk(min(count, network.classes))
    pairs = zip(values.tolist(), classes.tolist(), strict=True)
    return [Answer(network.class_names[index], probability) for probability, index in pairs]


def compare_input_transforms(
    data: bytes, architecture: str, picture: Image.Image, *, count: int = 5, **options: Any
) -> dict[bool, list[Answer]]:
    """Return the most probable classes in a photo with the input re-scaled and without; loads the checkpoint twice.

    Args:
        data, options: as ``load_checkpoint`` takes them.
        architecture: "googlenet" or "inception_v3".
        picture: RGB.
        count: how many classes.

    Returns:
        By ``transform_input``, the usual choice for this file first.

    Raises:
        PathwayError: the architecture never re-scales its input, or as for ``load_checkpoint``.
    """
    if not asks_for_input_transform(architecture):
        raise PathwayError(
            f"Got {architecture}, which takes its input as it is, wanted one of {', '.join(TRANSFORMING)}; for it "
            "there is nothing to choose."
        )
    usual = usual_input_transform(architecture, hashlib.sha256(data).hexdigest())
    return {
        transform: top_classes(
            load_checkpoint(data, architecture, transform_input=transform, **options), picture, count
        )
        for transform in (usual, not usual)
    }
