"""Does the relevance lie on the object? Energy inside a mask, and the pointing game.

    energy = relevance inside the mask / relevance everywhere
    a hit  = the most relevant pixel lies in the mask or closer to it than the tolerance

The energy of relevance that ignores the object is the mask's share of the pixels, and its hit rate is that of a random
pixel: ``chance_level`` returns both.

References:
    [Zhang18] Zhang et al., Top-down Neural Attention by Excitation Backprop, IJCV 2018: the pointing game, with 15
        pixels for every image size; here the tolerance grows with the image.
    [Fong19] Fong et al., Understanding Deep Networks via Extremal Perturbations, ICCV 2019, and its code, TorchRay.
    [Wang20] Wang et al., Score-CAM, CVPR Workshops 2020: the energy.
"""

from __future__ import annotations

from math import nan

import torch
from torch import Tensor

from core.errors import PathwayError
from core.evaluation.maps import check_map

__all__ = ["TOLERANCE", "box_mask", "chance_level", "energy_inside", "pointing_game"]

TOLERANCE = 15 / 224
"""Share of the shorter side of the network's input: the usual 15 of 224 pixels. On 28 pixels, 15 would cover all."""


def energy_inside(relevance: Tensor, mask: Tensor) -> float:
    """Return the share of the relevance inside a mask, in [0, 1]; NaN for a map of zeros. [Wang20]

    Args:
        relevance: (H, W), finite, >= 0, as ``Attribution.relevance``.
        mask: (H, W), bool, True on the object.

    Raises:
        PathwayError: they do not fit each other, the relevance has negative values, or the mask is empty or full.
    """
    relevance, mask = _checked(relevance, mask)
    relevance = relevance / (relevance.max() or 1)  # keeps sums of tiny or huge values in range
    total = float(relevance.sum())
    return float(relevance[mask].sum()) / total if total else nan


def pointing_game(relevance: Tensor, mask: Tensor, tolerance: float = TOLERANCE, *, seed: int = 0) -> bool | None:
    """Return whether the most relevant pixel hits the object; None for a flat map, which has none. [Zhang18]

    Args:
        relevance: (H, W), finite, >= 0, as ``Attribution.relevance``.
        mask: (H, W), bool, True on the object.
        tolerance: share of the shorter side; a pixel closer to the mask than this is a hit too.
        seed: of the choice among equally relevant pixels.

    Raises:
        PathwayError: as ``energy_inside``.
    """
    relevance, mask = _checked(relevance, mask)
    if bool(relevance.min() == relevance.max()):
        return None
    most = torch.nonzero(relevance.flatten() == relevance.max())[:, 0]
    chosen = most[int(torch.randint(len(most), (1,), generator=torch.Generator().manual_seed(seed)))]
    return bool(_near(mask, tolerance).flatten()[chosen])


def chance_level(mask: Tensor, tolerance: float = 0) -> float:
    """Return the expected score of relevance that ignores the object.

    Args:
        mask: (H, W), bool.
        tolerance: 0 for the energy: the mask's share of the pixels. For the pointing game, its tolerance: the share of
            pixels that hit.

    Raises:
        PathwayError: the mask is not a bool tensor (H, W), or it is empty or full.
    """
    return float(_near(_checked_mask(mask), tolerance).double().mean())


def box_mask(height: int, width: int, box: tuple[int, int, int, int]) -> Tensor:
    """Return a drawn box as a mask, (H, W), bool.

    Args:
        height: of the network's input, pixels.
        width: of the network's input, pixels.
        box: left, top, right, bottom in pixels; right and bottom are excluded.

    Raises:
        PathwayError: the box is empty or exceeds the image.
    """
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise PathwayError(
            f"Got box {box}, wanted left < right and top < bottom within the image's {width} x {height} pixels."
        )
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def _checked(relevance: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the map in float64 and the mask, on the CPU."""
    mask = _checked_mask(mask)
    relevance = check_map(relevance, mask.shape, "the relevance map").cpu().double()
    if bool((relevance < 0).any()):
        raise PathwayError("Got a relevance map with negative values, wanted values >= 0: take Attribution.relevance.")
    return relevance, mask


def _checked_mask(mask: Tensor) -> Tensor:
    if not isinstance(mask, Tensor) or mask.ndim != 2 or mask.dtype != torch.bool:
        got = f"{mask.dtype} of shape {tuple(mask.shape)}" if isinstance(mask, Tensor) else type(mask).__name__
        raise PathwayError(f"Got a mask of {got}, wanted a bool tensor of shape (H, W), True on the object.")
    if bool(mask.all()) or not bool(mask.any()):
        what = "covers every pixel" if bool(mask.any()) else "is empty"
        raise PathwayError(
            f"The mask {what}, so it separates nothing; it needs pixels on the object and pixels off it. "
            "Draw a box around the object, or move the crop until the object and some of its surroundings are in it."
        )
    return mask.cpu()


def _near(mask: Tensor, tolerance: float) -> Tensor:
    """Return the pixels in the mask or closer to it than the tolerance, a share of the shorter side."""
    from scipy.ndimage import distance_transform_edt  # slow to import

    distance = torch.from_numpy(distance_transform_edt(~mask.numpy()))
    return mask | (distance < round(tolerance * min(mask.shape), 9))  # 15 / 224 of 224 pixels is exactly 15
