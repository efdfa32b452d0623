"""The restricted response, its gradient to the image (the pathway gradient), and sweeps of both over sparsities.

    logits = response(network, image, pathway)                          # (1, classes), restricted
    gradient = pathway_gradient(network, image, target, pathway)        # (3, H, W)
    relevance = saliency_map(gradient).abs()                            # (H, W)

A restricted run holds every neuron off the pathway, at zero (``off="zero"``, as the paper's released code does) or at
the value it has for a reference image (``off="frozen"``: the response stays, only the gradient is restricted).
``pathway=None`` is the original network, and its pathway gradient is the plain gradient.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import PathwayError
from core.network import Edit, Network, Site
from core.pathways.ranking import Off, Pathway, Ranking, check_off, check_pathway, hold, restriction
from core.progress import Progress, silent

__all__ = [
    "Restricted",
    "Sweep",
    "pathway_gradient",
    "response",
    "restrict",
    "restrict_each",
    "restricting",
    "saliency_map",
    "sweep",
]


@dataclass(frozen=True)
class Restricted:
    """One image's restricted logits, (1, classes), and the gradient of its target's logit, shaped like the image.

    For N images: (N, classes) and (N, ...).
    """

    logits: Tensor
    gradient: Tensor


@dataclass(frozen=True)
class Sweep:
    """A ranking's pathways at S sparsities.

    Attributes:
        sparsities: of the pathways.
        logits: (S, classes), restricted.
        gradients: (S, C, H, W), pathway gradients.
    """

    sparsities: tuple[float, ...]
    logits: Tensor
    gradients: Tensor


def response(
    network: Network,
    image: Tensor,
    pathway: Pathway | None = None,
    *,
    off: Off = "zero",
    reference: Tensor | None = None,
) -> Tensor:
    """Return the restricted logits of a batch of images, (N, classes).

    Args:
        image: (N, *network.input_shape).
        pathway: None for the original network.
        off: how neurons off the pathway are held.
        reference: the image whose activations are held under "frozen", (1, ...); default ``image`` itself.

    Raises:
        PathwayError: an image, the pathway or ``off`` does not fit.
    """
    with torch.no_grad():
        return network.run(image, restricting(network, image, pathway, off, reference)).logits


def restrict(
    network: Network,
    image: Tensor,
    target: int,
    pathway: Pathway | None = None,
    *,
    off: Off = "zero",
    reference: Tensor | None = None,
) -> Restricted:
    """Return restricted logits and pathway gradient from one forward and one backward pass.

    Args:
        image: (1, *network.input_shape).
        target: class index.
        pathway, off, reference: as for ``response``.

    Raises:
        PathwayError: the image, the target, the pathway or ``off`` does not fit.
    """
    network.check_image(image, one=True)
    network.check_target(target)
    found = _restricted(network, image, [target], restricting(network, image, pathway, off, reference))
    return Restricted(found.logits, found.gradient[0])


def restrict_each(
    network: Network,
    images: Tensor,
    targets: Sequence[int],
    pathways: Sequence[Pathway] | None = None,
    *,
    off: Off = "zero",
) -> Restricted:
    """Return each image's restricted logits and pathway gradient, all from one forward and one backward pass.

    Args:
        images: (N, *network.input_shape).
        targets: N class indices.
        pathways: one per image; None for the original network.
        off: as for ``response``; under "frozen" each image holds its own activations.

    Raises:
        PathwayError: the images, a target, a pathway or ``off`` does not fit, or there is not one target and one
            pathway per image.
    """
    network.check_image(images)
    if not len(images) == len(targets) == len(targets if pathways is None else pathways):
        raise PathwayError(f"Got {len(images)} images and {len(targets)} targets, wanted a target and pathway each.")
    check_off(off)
    for target in targets:
        network.check_target(target)
    for pathway in pathways or ():
        check_pathway(network, pathway)
    held = None if pathways is None else _held(network, images, off, None)
    masks = None if pathways is None else [torch.stack(each) for each in zip(*(p.masks for p in pathways), strict=True)]
    edit = None if masks is None else lambda site, a: hold(site, a, masks[site.index], held)
    return _restricted(network, images, targets, edit)


def pathway_gradient(
    network: Network,
    image: Tensor,
    target: int,
    pathway: Pathway | None = None,
    *,
    off: Off = "zero",
    reference: Tensor | None = None,
) -> Tensor:
    """Return the gradient of the restricted response to the image, (1, *input_shape) -> (*input_shape). [Khakzar21]

    Args and errors are those of ``restrict``.
    """
    return restrict(network, image, target, pathway, off=off, reference=reference).gradient


def saliency_map(gradient: Tensor) -> Tensor:
    """Return, per pixel, the channel's value of largest magnitude, signed: (C, H, W) -> (H, W)."""
    least, most = gradient.amin(dim=0), gradient.amax(dim=0)
    return torch.where(-least > most, least, most)


def sweep(
    network: Network,
    image: Tensor,
    target: int,
    ranking: Ranking,
    sparsities: Sequence[float],
    *,
    off: Off = "zero",
    reference: Tensor | None = None,
    batch_size: int = 4,
    progress: Progress = silent,
) -> Sweep:
    """Return logits and pathway gradients at many sparsities, in batches.

    Args:
        image: (1, *network.input_shape).
        target: class index.
        ranking: of all neurons for this image.
        sparsities: each in [0, 1).
        off, reference: as for ``response``.
        batch_size: sparsities in one pass; memory grows with it.
        progress: called after each batch.

    Raises:
        PathwayError: the image, the target, the ranking, a sparsity or ``off`` does not fit.
    """
    network.check_image(image, one=True)
    network.check_target(target)
    check_off(off)
    check_pathway(network, ranking)
    sizes = torch.tensor([ranking.size(sparsity) for sparsity in sparsities], device=image.device)
    held = _held(network, image, off, reference)
    logits, gradients = [], []
    for chunk in torch.split(sizes, batch_size):
        images = image.repeat(len(chunk), *[1] * (image.ndim - 1))
        found = _restricted(network, images, [target] * len(chunk), _batch_edit(ranking, chunk, held))
        logits.append(found.logits)
        gradients.append(found.gradient)
        progress(sum(map(len, logits)), len(sizes), "sparsities")
    kept = tuple(1 - size / ranking.neurons for size in sizes.tolist())
    return Sweep(kept, torch.cat(logits), torch.cat(gradients))


def restricting(
    network: Network, image: Tensor, pathway: Pathway | None, off: Off, reference: Tensor | None
) -> Edit | None:
    """Return the edit that restricts a run to a pathway, None for the original network.

    Args and errors are those of ``response``: the image is (N, *network.input_shape), the reference one, (1, ...).
    """
    check_off(off)
    if pathway is None:
        return None
    check_pathway(network, pathway)
    return restriction(pathway, off, _held(network, image, off, reference))


def _restricted(network: Network, images: Tensor, targets: Sequence[int], edit: Edit | None) -> Restricted:
    """Return each image's logits under an edit, and the gradient of its target's logit; all of them checked."""
    classes = torch.tensor(targets, device=images.device)
    with torch.enable_grad():
        moved = images.detach().requires_grad_()
        logits = network.run(moved, edit).logits
        (gradient,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), moved)
    return Restricted(logits.detach(), gradient)


def _held(network: Network, image: Tensor, off: Off, reference: Tensor | None) -> tuple[Tensor, ...] | None:
    """Return the activations that "frozen" holds, None for "zero"."""
    if off == "zero":
        return None
    source = image if reference is None else network.check_image(reference, one=True)
    with torch.no_grad():
        return network.run(source, record=True).activations


def _batch_edit(ranking: Ranking, sizes: Tensor, held: tuple[Tensor, ...] | None) -> Edit:
    """Return an edit like ``restriction``'s, with one pathway per image of the batch."""

    def edit(site: Site, activation: Tensor) -> Tensor:
        ranks = ranking.ranks[site.index]
        masks = ranks < sizes.view(-1, *[1] * ranks.ndim)  # (B, *site.shape)
        return hold(site, activation, masks, held)

    return edit
