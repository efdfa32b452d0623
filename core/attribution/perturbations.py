"""Attributions that need only the response to pictures with parts removed; removed pixels are 0, the mean.

    Occlusion     F(x) - F(x without a window), for windows that slide by half their side; a pixel's value is the mean
                  over the windows that contain it
    KernelSHAP    Shapley values of superpixels: weighted least squares over samples of the Shapley kernel
    LIME          weights of superpixels in a ridge regression on random subsets, those near the image counting more

All three are Captum's, with the network's run as their forward function, so that no module is called. Captum would draw
masks from the generator that all threads share, and its linear models need scikit-learn: here masks come from a
generator of their own, and the least squares are solved in double precision.

References:
    [Zeiler14] Zeiler, Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014.
    [Lundberg17] Lundberg, Lee, A Unified Approach to Interpreting Model Predictions, NeurIPS 2017.
    [Covert21] Covert, Lee, Improving KernelSHAP, AISTATS 2021: each mask comes with its complement.
    [Ribeiro16] Ribeiro, Singh, Guestrin, "Why Should I Trust You?", KDD 2016; kernel and ridge as its package has them.
    [Achanta12] Achanta et al., SLIC Superpixels, PAMI 2012.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.attribution.attribution import Attribution
from core.attribution.base import Response, batch_size, completeness
from core.network import Network
from core.progress import Progress, silent

__all__ = ["MASKS", "kernel_shap", "lime", "occlusion", "positions", "superpixels", "window"]

MASKS = 500  # even: masks come in pairs
N_SUPERPIXELS = 50
SMALLEST = 16  # pixels per superpixel on average: small images have fewer superpixels
ENDS = 1e6  # weight of the whole image and of the empty one, where the Shapley kernel is infinite
KERNEL_WIDTH, RIDGE = 0.25, 1.0


def occlusion(network: Network, image: Tensor, target: int, *, progress: Progress = silent) -> Attribution:
    """Return the loss of the response when a window slides over the image, (1, H, W), in logits. [Zeiler14]

    The window covers all channels and about a ninth of each side (24 of 224 pixels); the cost is about 325 forward
    passes at 224 x 224. A pixel's value is the mean over the windows that contain it.
    """
    from captum.attr import Occlusion

    channels, *sides = network.input_shape
    sizes, strides = zip(*map(window, sides), strict=True)
    response = Response(network, target, progress, 1 + positions(network), f"windows of {sizes[0]} x {sizes[1]}")
    with torch.no_grad():
        values = Occlusion(response).attribute(
            image,
            sliding_window_shapes=(channels, *sizes),
            strides=(channels, *strides),
            baselines=0,
            perturbations_per_eval=batch_size(network),
        )
    return Attribution(values[0, :1].to(image.dtype), is_gradient=False)


def window(side: int) -> tuple[int, int]:
    """Return the window's size on an image of that side, and its stride, half of it; in pixels."""
    stride = max(1, round(side * 12 / 224))
    return min(side, 2 * stride), stride


def positions(network: Network) -> int:
    """Return how many windows cover an image."""
    total = 1
    for side in network.input_shape[1:]:
        size, stride = window(side)
        total *= ceil((side - size) / stride) + 1
    return total


def kernel_shap(
    network: Network, image: Tensor, target: int, *, seed: int = 0, progress: Progress = silent
) -> Attribution:
    """Return each superpixel's Shapley value spread evenly over its pixels, (1, H, W), in logits. [Lundberg17]

    The values are estimated from 500 seeded masks. The pixels of a superpixel sum to its value, and all pixels to
    F(x) - F(0), up to ``delta``.
    """
    segments = superpixels(network, image)
    count = int(segments.max()) + 1
    masks = _shapley_masks(count, torch.Generator().manual_seed(seed))
    full = (masks.sum(1) == 0) | (masks.sum(1) == count)
    weights = torch.where(full, ENDS, 1.0)
    values = _regression(network, image, target, segments, masks, weights, 0.0, progress)
    return Attribution(values, is_gradient=False, delta=completeness(network, image, target, values)[0])


def lime(network: Network, image: Tensor, target: int, *, seed: int = 0, progress: Progress = silent) -> Attribution:
    """Return each superpixel's weight in LIME's linear model spread evenly over its pixels, (1, H, W). [Ribeiro16]

    The values are in logits. Of 500 seeded masks the first is the whole image; the others keep each superpixel with
    probability 1/2. A mask's weight is exp(-d² / 2·0.25²), d its cosine distance from the whole image; ridge 1.
    """
    segments = superpixels(network, image)
    count = int(segments.max()) + 1
    masks = torch.randint(0, 2, (MASKS, count), generator=torch.Generator().manual_seed(seed))
    masks[0] = 1
    distance = 1 - (masks.sum(1) / count).sqrt()
    weights = (-(distance**2) / (2 * KERNEL_WIDTH**2)).exp()
    values = _regression(network, image, target, segments, masks, weights, RIDGE, progress)
    return Attribution(values, is_gradient=False)


def superpixels(network: Network, image: Tensor) -> Tensor:
    """Return SLIC superpixels of the picture behind an image, numbered from 0, (1, H, W); at most about 50. [Achanta12]

    Where the network has no preprocessing, the image's own range is taken as the range of colours.
    """
    from skimage.segmentation import slic

    if network.preprocessing is not None:
        colours = np.asarray(network.preprocessing.picture(image)) / 255
    else:
        low, high = image.amin(), image.amax()
        colours = ((image[0] - low) / (high - low).clamp(min=1e-12)).permute(1, 2, 0).double().cpu().numpy()
    wanted = max(1, min(N_SUPERPIXELS, colours[..., 0].size // SMALLEST))
    for compactness in (10, 100, 1000):  # in noise, a low compactness gives one superpixel for the whole image
        labels = slic(colours, n_segments=wanted, compactness=compactness, start_label=0, channel_axis=-1)
        if 2 * labels.max() >= wanted:
            break
    numbers = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    return torch.from_numpy(numbers).long()[None].to(image.device)


def _shapley_masks(count: int, generator: torch.Generator) -> Tensor:
    """Return masks: all, none, then pairs of a mask and its complement with sizes k drawn as 1 / (k (count - k))."""
    ends = torch.stack([torch.ones(count), torch.zeros(count)]).long()
    if count == 1:
        return ends
    sizes = torch.arange(1, count)
    drawn = torch.multinomial(1 / (sizes * (count - sizes)), MASKS // 2 - 1, True, generator=generator)
    places = torch.rand(len(drawn), count, generator=generator).argsort(1).argsort(1)  # each row a permutation
    masks = (places < sizes[drawn][:, None]).long()
    return torch.cat([ends, torch.stack([masks, 1 - masks], 1).flatten(0, 1)])


def _regression(
    network: Network,
    image: Tensor,
    target: int,
    segments: Tensor,
    masks: Tensor,
    weights: Tensor,
    ridge: float,
    progress: Progress,
) -> Tensor:
    """Fit the response to masks, (S, count) in {0, 1}, linearly; return coefficients spread over pixels, (1, H, W)."""
    from captum.attr import Lime

    rows, remaining = masks.to(image.device)[:, None], iter(weights.to(image.device)[:, None])

    def next_mask(_: Tensor, **__: Any) -> Iterator[Tensor]:
        yield from rows

    response = Response(network, target, progress, len(masks), f"samples of {masks.shape[1]} superpixels")
    with torch.no_grad():
        values: Tensor = Lime(
            response,
            interpretable_model=_LeastSquares(ridge),
            similarity_func=lambda *_, **__: next(remaining),
            perturb_func=next_mask,
        ).attribute(
            image,
            baselines=0,
            feature_mask=segments[None],
            n_samples=len(masks),
            perturbations_per_eval=batch_size(network),
        )
    return (values[0, :1] / torch.bincount(segments.flatten())[segments]).to(image.dtype)


class _LeastSquares:
    """A weighted linear fit with an intercept, in the form that Captum expects: fit, then representation."""

    def __init__(self, ridge: float) -> None:
        self._ridge, self._coefficients = ridge, torch.empty(0)

    def fit(self, data: Any) -> None:
        """Minimise Σ w (y - b - x·β)² + ridge · |β|², in double precision."""
        features, outputs, weights = (part.double().cpu() for part in data.dataset.tensors)
        columns = torch.cat([features, torch.ones(len(features), 1)], 1)
        scale = weights.sqrt()[:, None]
        penalty = self._ridge**0.5 * torch.eye(columns.shape[1], dtype=torch.float64)[:-1]
        left = torch.cat([scale * columns, penalty])
        right = torch.cat([scale * outputs[:, None], torch.zeros(len(penalty), 1)])
        solution = torch.linalg.lstsq(left, right, driver="gelsd").solution
        self._coefficients = solution[:-1].T

    def representation(self) -> Tensor:
        """Return β, (1, features)."""
        return self._coefficients
