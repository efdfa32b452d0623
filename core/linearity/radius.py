"""The linear radius: how far around an image a restricted network is exactly affine. [Lee19]

    r = min over boundaries of  |gap| / ||d gap / dx||₂

over every boundary of ``core.linearity.boundaries``: kept neurons that switch or saturate, and max pools that change
their winner. Inside the ball no boundary is reached; at distance r along ``direction`` one is. Neurons off the pathway
are constant and set no boundary, and neither do gaps without gradient.

Millions of norms come from k probes: for v ~ N(0, I), S = Σ (d gap/dx · v)² is ||d gap/dx||² times a chi-square
variable of k degrees. Let q be its quantile at (1 - confidence) / boundaries. By the union bound, at the stated
confidence *all* norms are at most √(S / q), hence all quotients at least

    b = |gap| / √(S / q)

Exact norms are then computed by reverse mode in ascending order of b, until the least exact quotient is no larger than
every b left. So the result is the quotient of a real boundary, and the least of all at that confidence; more probes
only save exact norms. Everything is in float64: the smallest gaps are smaller than float32 resolves.

References:
    [Lee19] Lee, Alvarez-Melis, Jaakkola, Towards Robust, Locally Linear Deep Networks, ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Literal

import torch
from torch import Tensor

from core.errors import PathwayError
from core.linearity.affine import AffineMap, affine_map
from core.linearity.boundaries import Boundaries
from core.linearity.double import double_case
from core.linearity.piecewise import check_piecewise_affine
from core.network import Network
from core.pathways.ranking import Off, Pathway
from core.progress import Progress, silent

__all__ = ["Candidate", "LinearRadius", "linear_radius"]

NOISE = 1e-13  # of the largest norm: smaller ones are rounding errors, as where gradients cancel
Kind = Literal["relu", "relu6", "pool"]
BATCH = 8  # probes or exact norms in one pass; memory grows with it


@dataclass(frozen=True)
class Candidate:
    """A boundary whose norm was computed exactly.

    Attributes:
        kind: "relu": a neuron switches; "relu6": it meets the ceiling; "pool": another element of a window wins.
        name: of the site, or of the max pool's call.
        site: index of the site; None for a pool.
        position: flat, of the neuron in its site's activation; of the winner in the pool's input, (C, H, W).
        competitor: flat, of the element that would win; None for a site.
        margin: |gap|: the distance of the pre-activation from 0 or 6, or of the winner from its competitor.
        norm: of the gap's gradient to the image, L2.
    """

    kind: Kind
    name: str
    site: int | None
    position: int
    competitor: int | None
    margin: float
    norm: float

    @property
    def radius(self) -> float:
        """Return the distance of the boundary, L2 in the network's input; inf without gradient."""
        return self.margin / self.norm if self.norm > 0 else inf


@dataclass(frozen=True)
class LinearRadius:
    """How far one image's restricted network is affine.

    Attributes:
        radius: L2 in the network's input (normalised pixels); 0 for an exact tie, inf without boundaries.
        limit: the boundary that sets it; None without boundaries.
        candidates: how many boundaries have a gradient to the image.
        exact: how many norms were computed exactly.
        confidence: that no boundary is nearer.
        direction: unit step to the limit, shaped like one image, float64: image + radius * direction reaches it; 0
            without boundaries.
    """

    radius: float
    limit: Candidate | None
    candidates: int
    exact: int
    confidence: float
    direction: Tensor = field(repr=False, compare=False)


def linear_radius(
    network: Network,
    image: Tensor,
    target: int,
    pathway: Pathway | None = None,
    *,
    off: Off = "zero",
    reference: Tensor | None = None,
    confidence: float = 0.999,
    probes: int = 32,
    seed: int = 0,
    progress: Progress = silent,
) -> LinearRadius:
    """Return the L2 radius around an image inside which the restricted network is affine. [Lee19]

    It costs about ``probes`` runs and, as a rule, a few tens of backward passes, all in float64. All logits share the
    radius, so it does not depend on the target.

    Args:
        image: (1, *network.input_shape).
        target: class index.
        pathway: None for the original network.
        off: how neurons off the pathway are held.
        reference: the image whose activations are held under "frozen", (1, ...); default ``image`` itself.
        confidence: that the radius is the least, in (0, 1).
        probes: number of random directions, at least 1.
        seed: of the probes.
        progress: called after each pass.

    Raises:
        PathwayError: an argument does not fit, or calls other than ReLU, ReLU6 and max pools are not affine.
    """
    from scipy.stats import chi2  # takes a second to import

    check_piecewise_affine(network)
    if not 0 < confidence < 1 or probes < 1:
        raise PathwayError(f"Got confidence {confidence!r} and {probes!r} probes, wanted one in (0, 1) and at least 1.")
    case = double_case(network, image, target, pathway, off, reference)
    found = affine_map(case)
    squares = _probed(found, case.image, probes, seed, progress)
    gaps = torch.cat([each.gaps for each in found.boundaries])
    live = (squares > NOISE**2 * squares.max()) & gaps.isfinite()
    candidates = int(live.count_nonzero())
    quantile = float(chi2.ppf((1 - confidence) / max(candidates, 1), probes))
    bounds = torch.where(live, gaps.abs() / (squares / quantile).sqrt(), inf)
    limit, direction, exact = _least(found, case.image, bounds, probes, progress)
    radius = inf if limit is None else limit.radius
    return LinearRadius(radius, limit, candidates, exact, confidence, direction)


def _probed(found: AffineMap, image: Tensor, probes: int, seed: int, progress: Progress) -> Tensor:
    """Return Σ (d gap/dx · v)² over the probes v, one sum per gap, all boundaries concatenated."""
    generator = torch.Generator().manual_seed(seed)
    squares = {each: torch.zeros_like(each.gaps) for each in found.boundaries}
    for done in range(0, probes, BATCH):
        count = min(BATCH, probes - done)
        probe = torch.randn(count, *image.shape[1:], dtype=image.dtype, generator=generator).to(image.device)
        with torch.no_grad():
            for each, change in found.push(probe, found.boundaries):
                squares[each] += each.changes(change).square().sum(0)
        progress(done + count, 2 * probes, "probes")
    return torch.cat([squares[each] for each in found.boundaries])


def _least(
    found: AffineMap, image: Tensor, bounds: Tensor, probes: int, progress: Progress
) -> tuple[Candidate | None, Tensor, int]:
    """Return the boundary of least quotient, the unit step towards it, and how many quotients were computed.

    Args:
        found: the affine map.
        image: (1, ...).
        bounds: lower bounds of all quotients, inf for gaps that set no boundary; changed in place.
        probes: how many were made, for the progress.
        progress: called after each pass, from one half on.
    """
    least, limit, direction, exact = inf, None, torch.zeros_like(image[0]), 0
    left = torch.nonzero(bounds < least).flatten()
    while len(left):
        chosen = left[bounds[left].topk(min(BATCH, len(left)), largest=False).indices]
        for candidate, step in _exact(found, image, chosen.tolist()):
            if candidate.radius < least:
                least, limit, direction = candidate.radius, candidate, step
        bounds[chosen] = inf
        exact += len(chosen)
        left = torch.nonzero(bounds < least).flatten()
        progress(probes + probes * exact // (exact + len(left)), 2 * probes, "exact norms")
    return limit, direction, exact


def _exact(found: AffineMap, image: Tensor, chosen: list[int]) -> Iterator[tuple[Candidate, Tensor]]:
    """Yield candidates and the unit steps towards them; one run and one backward pass, batched."""
    places = [_place(found, index) for index in chosen]
    wanted = {each for each, _ in places}
    with torch.enable_grad():
        start = image.new_zeros(len(chosen), *image.shape[1:]).requires_grad_()
        total = start.new_zeros(())
        for passed, change in found.push(start, wanted):
            for row, (each, index) in enumerate(places):
                total = total + each.change(change[row], index) if each is passed else total
        (gradients,) = torch.autograd.grad(total, start)
    for (each, index), gradient in zip(places, gradients, strict=True):
        candidate = _candidate(each, index, float(gradient.norm()))
        ahead = each.gaps[index] < 0 or (each.gaps[index] == 0 and candidate.kind == "relu")
        yield candidate, gradient / (candidate.norm or 1.0) * (1 if ahead else -1)


def _place(found: AffineMap, index: int) -> tuple[Boundaries, int]:
    """Return the boundaries that a gap belongs to, and its index there, given its index in all of them concatenated."""
    for each in found.boundaries:
        if index < len(each.gaps):
            return each, index
        index -= len(each.gaps)
    raise IndexError(index)


def _candidate(boundaries: Boundaries, index: int, norm: float) -> Candidate:
    position, competitor = boundaries.positions(index)
    kind: Kind = "pool" if boundaries.windows else "relu6" if boundaries.capped[index] else "relu"
    margin = abs(float(boundaries.gaps[index]))
    return Candidate(kind, boundaries.name, boundaries.site, position, competitor, margin, norm)
