"""What every baseline shares: a name, a cost, a response that counts its images, and the check of completeness.

The baseline image, which stands for no evidence, is 0: the mean of the data after normalisation. F is the target's
logit. Nothing here draws from the random generators that all threads share: each seed makes a generator of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.attribution.attribution import Attribution
from core.errors import PathwayError
from core.network import Network
from core.progress import Progress, silent

__all__ = ["Baseline", "Response", "batch_size", "completeness", "gradients"]

MEMORY = 256 * 2**20  # bytes of values, roughly, that one batch of images may compute
LARGEST_BATCH = 16  # so that progress is reported, and cancelling noticed, often enough


@dataclass(frozen=True)
class Baseline:
    """One way of attributing a response to input values; call it as ``baseline(network, image, target)``.

    Attributes:
        name: as used in the literature.
        summary: one sentence, shown to people.
        function: computes the attribution.
        passes: about how many forward-and-backward passes of one image it costs, given the network.
        more: whether it is listed under "more".
        seeded: whether it draws samples, so that another seed gives other values.
        needs_pixels: whether it works on images (C, H, W) only; the others take vectors too.
        options: names of the options besides the seed, each a whole number.
    """

    name: str
    summary: str
    function: Callable[..., Attribution]
    passes: Callable[[Network], float]
    more: bool = False
    seeded: bool = False
    needs_pixels: bool = False
    options: tuple[str, ...] = ()

    def __call__(
        self,
        network: Network,
        image: Tensor,
        target: int,
        *,
        seed: int = 0,
        progress: Progress = silent,
        **options: int,
    ) -> Attribution:
        """Return the attribution of one image's response.

        Args:
            network: traced; it is not changed.
            image: (1, *network.input_shape).
            target: class index.
            seed: of the samples; ignored where ``self.seeded`` is false.
            progress: called between batches; raise ``Cancelled`` in it to stop there.
            options: see ``self.options``.

        Raises:
            PathwayError: the image, the target or an option does not fit, or the method does not suit the network.
        """
        network.check_image(image, one=True)
        network.check_target(target)
        if self.needs_pixels and len(network.input_shape) != 3:
            raise PathwayError(
                f"Got {network.name}, which takes inputs of shape {network.input_shape}; {self.name} wants a network "
                "of (C, H, W) images. Choose a method that takes vectors too, such as InputIntGrad."
            )
        for option in options:
            if option not in self.options:
                known = ", ".join(self.options) or "none"
                raise PathwayError(f"{self.name} has no option {option!r}; it has {known}.")
        chosen = {"seed": seed, **options} if self.seeded else options
        return self.function(network, image.detach(), target, progress=progress, **chosen)


class Response:
    """F as a function of a batch of images, (N, *input_shape) -> (N,), that reports how many it has seen."""

    def __init__(self, network: Network, target: int, progress: Progress, total: int, note: str) -> None:
        self._network, self._target = network, target
        self._progress, self._done, self._total, self._note = progress, 0, total, note

    def __call__(self, images: Tensor) -> Tensor:
        """Return the target's logits, (N, *input_shape) -> (N,); what ``progress`` raises is not caught."""
        logits = self._network.run(images).logits[:, self._target]
        self._done += len(images)
        self._progress(self._done, self._total, self._note)
        return logits


def gradients(response: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return dF/dx of every image of a batch, (N, *input_shape), shaped like it; one forward and one backward pass.

    Args:
        response: (N, *input_shape) -> (N,), each value a function of its own image alone.
        images: the batch.
    """
    with torch.enable_grad():
        moved = images.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(response(moved).sum(), moved, materialize_grads=True)
    return gradient


def batch_size(network: Network) -> int:
    """Return how many images one batch may hold."""
    program = network.program
    bytes_per_image = sum(program.nbytes(node, network.dtype) for node in program.nodes)
    return max(1, min(LARGEST_BATCH, MEMORY // max(1, bytes_per_image)))


def completeness(network: Network, image: Tensor, target: int, contributions: Tensor) -> tuple[float, float, float]:
    """Return the contributions' sum minus (F(image) - F(0)), that difference, and |F(image)| + |F(0)|.

    Costs one forward pass.

    Args:
        network: F is its logit.
        image: (1, *input_shape).
        target: class index.
        contributions: to the logit, of any shape; only their sum counts.
    """
    with torch.no_grad():
        response, absent = network.run(torch.cat([image, torch.zeros_like(image)])).logits[:, target].double().tolist()
    difference = response - absent
    return float(contributions.double().sum()) - difference, difference, abs(response) + abs(absent)
