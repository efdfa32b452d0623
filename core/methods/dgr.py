"""DGR, distillation-guided routing: gates that keep the answer while as much as possible is turned down.

One gate λ ≥ 0 a neuron multiplies its activation; gradient descent minimises

    CE( softmax F(x), softmax F(x; λ) ) + γ · Σ |λ|

and the gates of lowest loss among the iterations that predict as the original network does are the scores. As the
paper uses it: γ = 0.01, rate 0.01, momentum 0.9, 1000 iterations, gates clamped to [0, 100], started at 1 or uniformly
in (0, 1). Wang et al. gate whole channels: γ = 0.05, rate 0.1, 30 iterations. It keeps the whole answer and so ignores
the target.

Where no iteration keeps the prediction, it starts afresh with γ/10, then γ/100 (the paper's released code goes on from
where it was, up to 100 times).

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
    [Wang18] Wang et al., Interpret Neural Networks by Identifying Critical Data Routing Paths, CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import Cancelled, PathwayError
from core.methods.base import Scored, Scores
from core.network import Network
from core.progress import Progress, silent

__all__ = ["dgr_from_ones", "dgr_from_random"]

MOMENTUM, HIGHEST, TINY = 0.9, 100.0, 1e-20
STARTS = 3  # with γ, γ/10 and γ/100


@dataclass(frozen=True)
class _Settings:
    gamma: float
    rate: float
    iterations: int


_NEURONS = _Settings(gamma=0.01, rate=0.01, iterations=1000)
_CHANNELS = _Settings(gamma=0.05, rate=0.1, iterations=30)


def dgr_from_ones(
    network: Network,
    images: Tensor,
    targets: Tensor,
    *,
    iterations: int = 0,
    per_channel: int = 0,
    progress: Progress = silent,
) -> Scored:
    """Return for each image the gates found from all ones, or the error that none kept the prediction. [Khakzar21]

    Args:
        images: (N, *network.input_shape).
        targets: not used.
        iterations: 0 for the published number, 1000, or 30 for gates per channel.
        per_channel: 1 for one gate a channel, as [Wang18].
        progress: told the mean loss after each iteration.

    Raises:
        Cancelled: as ``progress`` raised it, with the best scores of each image so far in ``best``.
    """
    start = [torch.ones(_gate_shape(site.shape, per_channel)).to(images) for site in network.sites]
    return _search(network, images, [start] * STARTS, iterations, per_channel, progress)


def dgr_from_random(
    network: Network,
    images: Tensor,
    targets: Tensor,
    *,
    iterations: int = 0,
    per_channel: int = 0,
    seed: int = 0,
    progress: Progress = silent,
) -> Scored:
    """Return the gates found from uniform random ones. [Khakzar21]

    Args and errors are those of ``dgr_from_ones``, beside:
        seed: of the start.
    """
    generator = torch.Generator().manual_seed(seed)
    starts = [
        [torch.rand(_gate_shape(s.shape, per_channel), generator=generator).to(images) for s in network.sites]
        for _ in range(STARTS)
    ]
    return _search(network, images, starts, iterations, per_channel, progress)


def _gate_shape(shape: tuple[int, ...], per_channel: int) -> tuple[int, ...]:
    return (shape[0], *[1] * (len(shape) - 1)) if per_channel else shape


def _search(
    network: Network,
    images: Tensor,
    starts: Sequence[Sequence[Tensor]],
    iterations: int,
    per_channel: int,
    progress: Progress,
) -> Scored:
    """Descend from the first start for all images, then from the next ones for those that found nothing."""
    settings = _CHANNELS if per_channel else _NEURONS
    iterations = iterations or settings.iterations
    with torch.no_grad():
        original = network.run(images).logits
    found: dict[int, Scores | None] = dict.fromkeys(range(len(images)))
    for attempt, start in enumerate(starts):
        left = [row for row, scores in found.items() if scores is None]
        descent = _Descent(network, images[left], original[left], start, settings.gamma / 10**attempt, settings.rate)
        try:
            for iteration in range(1, iterations + 1):
                loss = descent.step()
                note = f"iterations, loss {loss:.4g}" + (f", attempt {attempt + 1}" if attempt else "")
                progress(attempt * iterations + iteration, (attempt + 1) * iterations, note)
        except Cancelled as stop:
            stop.best = [*(found | dict(zip(left, descent.scores(), strict=True))).values()]
            raise
        found.update(zip(left, descent.scores(), strict=True))
        if None not in found.values():
            break
    nothing = PathwayError(
        f"No gates kept the prediction in {len(starts)} starts of {iterations} iterations, down to γ = "
        f"{settings.gamma / 10 ** (len(starts) - 1):g}. Choose another start or more iterations."
    )
    return [nothing if scores is None else scores for scores in found.values()]


class _Descent:
    """Gates of several images on their way down, and the best of each so far; memory does not grow with the steps."""

    def __init__(
        self,
        network: Network,
        images: Tensor,
        original: Tensor,
        start: Sequence[Tensor],
        gamma: float,
        rate: float,
    ) -> None:
        self._network, self._images, self._gamma, self._rate = network, images, gamma, rate
        self._goal, self._prediction = original.softmax(1), original.argmax(1)
        self._gates = [gate.repeat(len(images), *[1] * gate.ndim).requires_grad_() for gate in start]  # (N, ...) a site
        self._speeds = [torch.zeros_like(gate) for gate in self._gates]
        self._best = [torch.empty_like(gate) for gate in self._gates]
        self._lowest = torch.full_like(original[:, 0], float("inf"))

    def step(self) -> float:
        """Move the gates once; return the mean loss they had before."""
        with torch.enable_grad():
            logits = self._network.run(self._images, lambda site, a: a * self._gates[site.index]).logits
            entropy = -(self._goal * (logits.softmax(1) + TINY).log()).sum(1)
            slopes = torch.autograd.grad(entropy.sum(), self._gates)
        with torch.no_grad():
            loss = entropy + self._gamma * torch.stack([gate.flatten(1).sum(1) for gate in self._gates]).sum(0)
            self._remember((logits.argmax(1) == self._prediction) & (loss < self._lowest), loss)
            self._descend(list(slopes))
        return float(loss.mean())

    def scores(self) -> list[Scores | None]:
        """Return the best gates of each image so far, one a neuron; None while none kept the prediction."""
        sites = self._network.sites
        return [
            Scores(gates[row].expand(site.shape).clone() for gates, site in zip(self._best, sites, strict=True))
            if lowest < float("inf")
            else None
            for row, lowest in enumerate(self._lowest.tolist())
        ]

    def _remember(self, better: Tensor, loss: Tensor) -> None:
        """Keep the gates of the images that have never had a lower loss, (N,) bool."""
        if bool(better.all()):
            torch._foreach_copy_(self._best, self._gates)
        elif bool(better.any()):
            for best, gates in zip(self._best, self._gates, strict=True):
                best[better] = gates[better]
        self._lowest = torch.where(better, loss, self._lowest)

    def _descend(self, slopes: list[Tensor]) -> None:
        """One step of SGD with momentum; |λ| has slope 1 above 0 and 0 at 0, as autograd takes it."""
        torch._foreach_mul_(self._speeds, MOMENTUM)
        torch._foreach_add_(self._speeds, slopes)
        torch._foreach_add_(self._speeds, torch._foreach_sign(self._gates), alpha=self._gamma)
        torch._foreach_add_(self._gates, self._speeds, alpha=-self._rate)
        torch._foreach_clamp_min_(self._gates, 0.0)
        torch._foreach_clamp_max_(self._gates, HIGHEST)
