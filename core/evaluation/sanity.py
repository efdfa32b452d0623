"""Sanity checks: does a map depend on the learned weights? Layers are randomised, and maps compared with the original.

*Cascading* randomisation goes from the last layer to the first and keeps earlier layers randomised; *independent*
randomisation takes one layer at a time. In a randomised layer every parameter (weights, biases, scales and shifts of
batch norms) is drawn anew from a normal distribution with standard deviation 0.1; running statistics stay. A map that
hardly changes says little about the network.

    for stage in sanity_check(network, image, target, attribute):
        stage.name, stage.saliency, stage.similarity.spearman

References:
    [Adebayo18] Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018.
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021; their
        released code draws from N(0, 0.1) and explains the class that the randomised network predicts.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import nan
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from core.attribution.attribution import Attribute
from core.errors import PathwayError
from core.evaluation.maps import Doubles, check_case, pearson
from core.network import Network
from core.progress import Progress, silent

__all__ = ["ORIGINAL", "Similarity", "Stage", "compare", "layers", "randomised", "sanity_check"]

ORIGINAL = "original"
SPREAD = 0.1  # standard deviation of the random parameters
WINDOW = 5  # of the SSIM, pixels
CELL = 16  # of the HOG, pixels
BLOCK = 3  # cells along a side of the blocks that the HOG normalises


@dataclass(frozen=True)
class Similarity:
    """How similar two maps are, 1 for equal ones; NaN where a map is constant, has NaN or is too small for the measure.

    Attributes:
        spearman: rank correlation of the signed maps.
        spearman_abs: rank correlation of their magnitudes.
        ssim: structural similarity of their magnitudes, each stretched to [0, 1].
        hog: Pearson correlation of the histograms of oriented gradients of the stretched magnitudes.
    """

    spearman: float
    spearman_abs: float
    ssim: float
    hog: float


@dataclass(frozen=True)
class Stage:
    """The map of one randomised network.

    Attributes:
        name: of the layer that was randomised, or down to which all layers were; "original" for none.
        target: class index explained.
        saliency: the map, signed, (H, W).
        similarity: to the original's map.
    """

    name: str
    target: int
    saliency: Tensor
    similarity: Similarity


def sanity_check(
    network: Network,
    image: Tensor,
    target: int,
    attribute: Attribute,
    *,
    cascading: bool = True,
    stages: Sequence[str] | None = None,
    seed: int = 0,
    own_target: bool = False,
    progress: Progress = silent,
) -> list[Stage]:
    """Return the original's map, then the map at every stage; costs one attribution per stage. [Adebayo18]

    Args:
        image: (1, C, H, W), as the network takes it.
        target: class index explained.
        attribute: the attribution method.
        cascading: a stage randomises its layer and all layers called after it; otherwise only its layer.
        stages: names of layers or of blocks of layers ("layer4", "layer4.2"), in the order wanted; default all layers
            from the last to the first.
        seed: of the random parameters; a layer gets the same ones at all stages.
        own_target: explain the class that each randomised network predicts, as [Khakzar21] do, and not the target.
        progress: called after each stage.

    Raises:
        PathwayError: the image, the target or a stage does not fit, or the method fails at a stage.
    """
    image, known = check_case(network, image, target), layers(network)
    names = known[::-1] if stages is None else tuple(stages)
    chosen = [_chosen(known, name, cascading) for name in names]
    saliency = attribute(network, image, target).saliency.detach()
    found = [Stage(ORIGINAL, target, saliency, compare(saliency, saliency))]
    progress(1, len(names) + 1, ORIGINAL)
    for name, layer_names in zip(names, chosen, strict=True):
        other = randomised(network, layer_names, seed)
        explained = _predicted(other, image) if own_target else target
        values = attribute(other, image, explained).saliency.detach()
        found.append(Stage(name, explained, values, compare(saliency, values)))
        progress(len(found), len(names) + 1, name)
    return found


def layers(network: Network) -> tuple[str, ...]:
    """Return the names of the modules that have parameters, in the order of their first calls, each once.

    A parameter that the network reads outside a module's call is listed under its own name.
    """
    named = network.program.model.named_parameters(remove_duplicate=False)
    owners = {owner for path, _ in named for owner in _prefixes(path)}
    called = dict.fromkeys(str(n.target) for n in network.program.nodes if n.op in ("call_module", "get_attr"))
    return tuple(name for name in called if name in owners)


def randomised(network: Network, names: Collection[str], seed: int = 0) -> Network:
    """Return an equal network with new random parameters in some layers; it shares all others with the original.

    Args:
        network: not changed.
        names: of layers or blocks of layers; a parameter's new value depends only on its name and the seed. A parameter
            that layers share is drawn for all of them, by the first of its names, when any of them is named.
        seed: of the draws.

    Raises:
        PathwayError: the network has no such layer.
    """
    known = layers(network)
    for name in names:
        _chosen(known, name, cascading=False)
    wanted, model = set(names), network.program.model
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    model = copy.deepcopy(model, shared)  # the modules; their tensors are the original's
    paths: dict[Tensor, list[str]] = {}
    for path, parameter in model.named_parameters(remove_duplicate=False):
        paths.setdefault(parameter, []).append(path)
    for tensor, shared_by in paths.items():
        if not wanted.isdisjoint(prefix for path in shared_by for prefix in _prefixes(path)):
            drawn = _drawn(tensor, f"{seed} {shared_by[0]}")
            for path in shared_by:
                owner, _, attribute = path.rpartition(".")
                setattr(model.get_submodule(owner), attribute, drawn)
    return network.with_model(model, name=f"{network.name}, randomised")


def compare(saliency: Tensor, other: Tensor) -> Similarity:
    """Return how similar two maps are; an undefined similarity raises no warning.

    Args:
        saliency: (H, W), signed.
        other: (H, W), signed.

    Raises:
        PathwayError: they are not two maps of one shape.
    """
    if saliency.ndim != 2 or saliency.shape != other.shape:
        got = f"{tuple(saliency.shape)} and {tuple(other.shape)}"
        raise PathwayError(f"Got maps of shape {got}, wanted two of one shape (H, W).")
    signed = [_doubles(each) for each in (saliency, other)]
    magnitudes = [_stretched(abs(each)) for each in signed]
    return Similarity(_spearman(*signed), _spearman(*magnitudes), _ssim(*magnitudes), _hog(*magnitudes))


def _chosen(known: Sequence[str], name: str, cascading: bool) -> tuple[str, ...]:
    """Return the layers that a stage randomises."""
    places = [place for place, layer in enumerate(known) if name in _prefixes(layer)]
    if not places:
        raise PathwayError(
            f"Got stage {name!r}, wanted a layer with parameters or a block of them: {', '.join(known)}."
        )
    return tuple(known[min(places) :]) if cascading else tuple(known[place] for place in places)


def _prefixes(path: str) -> list[str]:
    """Return the path itself and every module that contains it: a.b.c, a.b, a."""
    parts = path.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _drawn(parameter: Tensor, key: str) -> nn.Parameter:
    generator = torch.Generator().manual_seed(crc32(key.encode()))
    values = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) * SPREAD
    return nn.Parameter(values.to(parameter.device), requires_grad=False)


def _predicted(network: Network, image: Tensor) -> int:
    with torch.no_grad():
        return int(network.run(image).logits.argmax())


def _doubles(values: Tensor) -> Doubles:
    doubles: Doubles = values.detach().cpu().double().numpy()
    return doubles


def _stretched(values: Doubles) -> Doubles:
    """Return values shifted and scaled to [0, 1]; NaN if they are constant or have NaN."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if low < high < float("inf") else values * nan


def _spearman(a: Doubles, b: Doubles) -> float:
    from scipy.stats import rankdata  # takes a second to import

    return pearson(rankdata(a, nan_policy="propagate"), rankdata(b, nan_policy="propagate"))


def _ssim(a: Doubles, b: Doubles) -> float:
    from skimage.metrics import structural_similarity  # slow to import

    window = min(WINDOW, (min(a.shape) - 1) // 2 * 2 + 1)  # odd
    if window < 3 or bool(np.isnan(a + b).any()):
        return nan
    return float(structural_similarity(a, b, win_size=window, data_range=1.0))  # type: ignore[no-untyped-call]


def _hog(a: Doubles, b: Doubles) -> float:
    from skimage.feature import hog  # slow to import

    cell = min(CELL, min(a.shape) // BLOCK)
    if cell < 1 or bool(np.isnan(a + b).any()):
        return nan
    return pearson(*(hog(each, pixels_per_cell=(cell, cell), cells_per_block=(BLOCK, BLOCK)) for each in (a, b)))
