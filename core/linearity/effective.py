"""How far a restricted response stays close to its linearisation, in random directions and along its gradient.

    effective radius along a unit step d:  the first t with  |F(x + t d) - F(x) - t g·d| > 0.05 |F(x + t d) - F(x)|

with g the gradient of F at x. The exact ball is tiny, since one neuron of millions is enough to end it; this distance
is the useful one. Every network has it, whatever its nonlinearities. Everything is in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf, log2, sqrt
from statistics import median

import torch
from torch import Tensor

from core.errors import PathwayError
from core.linearity.double import Case, double_case
from core.linearity.line import linearisation, moved
from core.network import Network
from core.pathways.ranking import Off, Pathway
from core.progress import Progress, silent

__all__ = ["EffectiveRadius", "effective_linear_radius"]

BATCH = 8  # points in one run; memory grows with it
SMALLEST = 1e-6  # the first distance tried, L2 in the network's input
NOISE = 1e-13  # of the largest logit
HALVINGS = 4  # of a factor of 2, on a logarithmic scale: a radius is found to within 2 ** (1 / 16), 4.4 %


@dataclass(frozen=True)
class EffectiveRadius:
    """How far one image's restricted response stays close to its linearisation; L2 in the network's input.

    Attributes:
        median: over the random directions.
        along_gradient: along the gradient of the response; inf where that is 0.
        values: one per random direction, inf where the response stays close up to the largest distance.
    """

    median: float
    along_gradient: float
    values: tuple[float, ...]


def effective_linear_radius(
    network: Network,
    image: Tensor,
    target: int,
    pathway: Pathway | None = None,
    *,
    off: Off = "zero",
    reference: Tensor | None = None,
    directions: int = 32,
    seed: int = 0,
    tolerance: float = 0.05,
    largest: float = 1e3,
    progress: Progress = silent,
) -> EffectiveRadius:
    """Return how far a restricted response stays close to its linearisation, at random and along its gradient.

    It tries 1e-6, 2e-6, 4e-6, ... up to ``largest`` until the response has strayed in every direction, then halves the
    last factor of 2 four times. So t is found to within 4.4 %; a response that strays and returns between two doublings
    can be missed. It costs (directions + 1) runs per doubling and per halving.

    Args:
        image: (1, *network.input_shape).
        target: class index.
        pathway: None for the original network.
        off: how neurons off the pathway are held.
        reference: the image whose activations are held under "frozen", (1, ...); default ``image`` itself.
        directions: number of unit steps, uniform on the sphere, at least 1.
        seed: of the directions.
        tolerance: share of the response's change by which its linearisation may be wrong, above 0.
        largest: the largest distance tried, above 1e-6; L2 in the network's input.
        progress: called after each doubling and halving.

    Raises:
        PathwayError: an argument does not fit.
    """
    if directions < 1 or not tolerance > 0 or not SMALLEST < largest < inf:
        got = f"{directions!r} directions, tolerance {tolerance!r} and largest {largest!r}"
        raise PathwayError(f"Got {got}, wanted at least 1, one above 0 and one above {SMALLEST}.")
    case = double_case(network, image, target, pathway, off, reference)
    rays = _rays(case, target, directions, seed)
    doublings = ceil(log2(largest / SMALLEST))
    near, far = [0.0] * (directions + 1), [inf] * (directions + 1)
    for step in range(doublings + HALVINGS + 1):
        if step <= doublings:
            t = min(SMALLEST * 2**step, largest)
            tried = {ray: t for ray, end in enumerate(far) if end == inf}
        else:
            tried = {ray: sqrt(near[ray] * end) for ray, end in enumerate(far) if near[ray] > 0 and end < inf}
        for ray, strays in zip(tried, rays.stray(tried, tolerance), strict=True):
            (far if strays else near)[ray] = tried[ray]
        progress(step + 1, doublings + HALVINGS + 1, "distances")
    return EffectiveRadius(median(far[:-1]), far[-1], tuple(far[:-1]))


@dataclass(frozen=True, eq=False)
class _Rays:
    """Lines from an image: unit steps (R, ...) and, along each, the slope of the response's linearisation, (R,).

    Differences below ``noise`` are rounding errors: a batch of another size sums in another order.
    """

    case: Case
    target: int
    response: Tensor
    steps: Tensor
    slopes: Tensor
    noise: float

    def stray(self, tried: Mapping[int, float], tolerance: float) -> list[bool]:
        """Return, for some rays, whether the response has strayed from its linearisation at the distance tried."""
        if not tried:
            return []
        rays = torch.tensor(list(tried), device=self.steps.device)
        ts = torch.tensor(list(tried.values()), dtype=self.steps.dtype, device=self.steps.device)
        with torch.no_grad():
            chunks = zip(torch.split(rays, BATCH), torch.split(ts, BATCH), strict=True)
            images = [moved(self.case.image, self.steps[ray], t) for ray, t in chunks]
            responses = torch.cat([self.case.network.run(x, self.case.edit).logits[:, self.target] for x in images])
        change = responses - self.response
        wrong = (change - ts * self.slopes[rays]).abs()
        strays: list[bool] = (wrong > tolerance * change.abs() + self.noise).tolist()
        return strays


def _rays(case: Case, target: int, directions: int, seed: int) -> _Rays:
    """Return rays in random directions and, last, along the gradient; a gradient of 0 stays 0."""
    response, gradient = linearisation(case, target)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(directions, *gradient.shape[1:], dtype=torch.float64, generator=generator)
    with torch.no_grad():
        scale = case.network.run(case.image, case.edit).logits.abs().max()
    steps = torch.cat([drawn.to(gradient.device), gradient])
    steps /= torch.linalg.vector_norm(steps, dim=tuple(range(1, steps.ndim)), keepdim=True).clamp_min(1e-300)
    return _Rays(case, target, response, steps, (steps * gradient).flatten(1).sum(1), NOISE * float(scale))
