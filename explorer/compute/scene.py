"""One image in one network with one target: what all pages look at, made once and shared."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from PIL import Image
from torch import Tensor

from core.data.images import image_hash
from core.data.preprocessing import Crop
from core.network import Network, Run
from core.pathways.overlap import dead_among
from core.pathways.restriction import Restricted, restrict
from explorer.compute import cache

__all__ = ["Scene", "make_scene", "scene_again"]


@dataclass(frozen=True)
class Scene:
    """One image in one network with one target: everything that no selection changes.

    Attributes:
        key: what it was made from, by content.
        picture: the square of the photo that the network sees.
        image: (1, 3, H, W), as the network takes it.
        original: logits and gradient of the original network.
        activations: one a site, (1, *site.shape).
        seconds: what making it took.
        network_bytes: of a network that is not the zoo's: a scene may outlive the session it came from.
    """

    key: tuple[Hashable, ...]
    network: Network
    picture: Image.Image
    image: Tensor
    target: int
    original: Restricted
    activations: tuple[Tensor, ...]
    seconds: float
    network_bytes: int = 0

    @property
    def nbytes(self) -> int:
        """Return the bytes it holds: a byte a neuron for ``dead``, and the network where no other entry holds it."""
        held = sum(a.nbytes for a in self.activations) + self.image.nbytes + self.original.gradient.nbytes
        return held + self.network.neurons + self.network_bytes

    @property
    def prediction(self) -> int:
        """Return the class the original network predicts."""
        return int(self.original.logits.argmax())

    @cached_property
    def dead(self) -> tuple[Tensor, ...]:
        """Return which neurons are dead for this image, one mask a site."""
        return dead_among(self.activations)

    @cached_property
    def dead_share(self) -> float:
        """Return the network's own dead share for this image."""
        return sum(int(mask.count_nonzero()) for mask in self.dead) / self.network.neurons


def make_scene(network: Network, photo: Image.Image, crop: Crop, target: int | None) -> Scene:
    """Return a photo in a network; ``target=None`` is the predicted class.

    Raises:
        PathwayError: the network has no such class.
    """
    if target is not None:
        network.check_target(target)
    key = ("scene", network.name, network.weights_hash, image_hash(photo), crop, target)
    return cache.RESULTS.get(_named(key, network), lambda: _scene(key, network, photo, crop, target))


def _named(key: tuple[Hashable, ...], network: Network) -> tuple[Hashable, ...]:
    """A scene's key among results: the same weights may come with other names in another session."""
    return (*key, network.class_names)


def _scene(key: tuple[Hashable, ...], network: Network, photo: Image.Image, crop: Crop, target: int | None) -> Scene:
    start = time.perf_counter()
    image = network.preprocess(photo, crop)
    run = _recorded(network, image)
    target = int(run.logits.argmax()) if target is None else target
    original = restrict(network, image, target)
    preprocessing = network.preprocessing
    own = 0 if cache.RESULTS.peek(("network", network.name)) is network else network.nbytes
    picture = preprocessing.crop(photo, crop) if preprocessing else photo
    return Scene(key, network, picture, image, target, original, run.activations, time.perf_counter() - start, own)


def _recorded(network: Network, image: Tensor) -> Run:
    """Run the original network; its activations lie in one piece, which leaves no gaps in memory when it goes."""
    with torch.no_grad():
        run = network.run(image, record=True)
    whole = torch.empty(sum(a.numel() for a in run.activations), dtype=image.dtype, device=image.device)
    parts, start = [], 0
    for activation in run.activations:
        strides = torch.empty_like(activation, device="meta").stride()  # dense, in the order the network works in
        parts.append(whole.as_strided(activation.shape, strides, start).copy_(activation))
        start += activation.numel()
    return replace(run, activations=tuple(parts))


def scene_again(scene: Scene) -> Callable[[], Scene]:
    """Return a function that finds or remakes a scene; meanwhile it keeps no activations from being dropped.

    Buttons of every open page hold such functions, so these must not hold the activations themselves.
    """
    rest = replace(scene, activations=())

    def make() -> Scene:
        return replace(rest, activations=_recorded(rest.network, rest.image).activations)

    return lambda: cache.RESULTS.get(_named(rest.key, rest.network), make)
