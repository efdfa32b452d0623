"""The checks that all evaluations make of a map, and the correlation that two of them share."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
import numpy.typing as npt
from torch import Tensor

from core.errors import PathwayError
from core.network import Network

__all__ = ["Doubles", "check_case", "check_map", "pearson"]

Doubles = npt.NDArray[np.float64]


def check_case(network: Network, image: Tensor, target: int) -> Tensor:
    """Return the image without its gradient, or raise PathwayError when it or the target cannot be evaluated.

    Args:
        image: (1, C, H, W), finite.
        target: class index.
    """
    network.check_target(target)
    image = network.check_image(image, one=True).detach()
    if image.ndim != 4:
        raise PathwayError(
            f"{network.name} takes inputs of shape {network.input_shape}, wanted images of shape (C, H, W): "
            "only these have pixels to replace. Choose a network that takes images."
        )
    return image


def check_map(values: Tensor, shape: Sequence[int], name: str = "the map") -> Tensor:
    """Return a map without its gradient, or raise PathwayError unless it has one finite value per pixel.

    Args:
        values: (H, W).
        shape: (H, W) of the image.
        name: of the map, for the message.
    """
    if not isinstance(values, Tensor) or tuple(values.shape) != tuple(shape):
        got = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else f"type {type(values).__name__}"
        raise PathwayError(
            f"Got {name} of {got}, wanted one value per pixel of the image, a tensor of shape {tuple(shape)}; "
            "Attribution.relevance and Attribution.contributions(image) are such maps."
        )
    broken = int((~values.isfinite()).count_nonzero())
    if broken:
        raise PathwayError(
            f"{broken:,} of {values.numel():,} values of {name} are NaN or infinite, so its pixels have no order "
            "and no sum. The method that made it failed on this image: choose another method or image, or use float64."
        )
    return values.detach()


def pearson(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Return the Pearson correlation of two arrays in float64, NaN where one of them is constant or has NaN.

    Not ``scipy.stats.pearsonr``: equal arrays are only nearly 1 there, constant ones warn, and the p value, which
    nobody reads here, makes it ten times as slow for the hundred sums of one point of sensitivity-n.

    Args:
        a, b: with the same number of values, in any shape: (N,), (H, W), ...
    """
    x, y = _centred(a), _centred(b)
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip(x @ y / scale, -1, 1)) if scale > 0 else nan


def _centred(values: npt.ArrayLike) -> Doubles:
    """Return values minus their mean, scaled so that no square underflows; exactly 0 if they are constant."""
    flat: Doubles = np.asarray(values, dtype=np.float64).ravel()
    low, high = flat.min(), flat.max()
    if low == high:
        return np.zeros_like(flat)
    scaled = flat / max(-low, high)
    centred: Doubles = scaled - scaled.mean()
    return centred
