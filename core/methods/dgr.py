"""DGR, distillation-guided routing: gates that keep the answer while as many as possible are turned down.

One gate λ ≥ 0 per neuron multiplies its activation; gradient descent minimises

    CE( softmax F(x), softmax F(x; λ) ) + γ · Σ |λ|

and the scores are the gates of lowest loss among the iterations that keep the original prediction. The paper's
settings: γ = 0.01, rate 0.01, momentum 0.9, 1000 iterations, gates clamped to [0, 100], started at 1 or uniformly in
(0, 1). Wang et al. gate whole channels: γ = 0.05, rate 0.1, 30 iterations. DGR keeps the whole answer, so it ignores
the target.

Where no iteration keeps the prediction, it restarts with γ/10, then γ/100 (the paper's released code continues from
the last gates, up to 100 times).

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
    [Wang18] Wang et al., Interpret Neural Networks by Identifying Critical Data Routing Paths, CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from core.errors import Cancelled, PathwayError
from core.methods.base import Scored, Scores
from core.network import Network, Run
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
    """Return for each image the gates found from a start at 1, or the error that none kept the prediction. [Khakzar21]

    Args:
        images: (N, *network.input_shape).
        targets: not used.
        iterations: 0 for the published number, 1000, or 30 for gates per channel.
        per_channel: 1 for one gate per channel, as [Wang18].
        progress: called with the loss after each iteration.

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
    """Return the gates found from a uniform random start. [Khakzar21]

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
    """Descend for one image after the other: in a batch, other rounding would lead to other gates within 1000 steps."""
    settings = _CHANNELS if per_channel else _NEURONS
    found: list[Scores | PathwayError] = []
    for number, image in enumerate(torch.split(images, 1), 1):
        which = f" of image {number} of {len(images)}" if len(images) > 1 else ""
        try:
            found.append(_find(network, image, starts, settings, iterations or settings.iterations, progress, which))
        except Cancelled as stop:
            stop.best = [*(each if isinstance(each, Scores) else None for each in found), stop.best]
            stop.best += [None] * (len(images) - number)
            raise
    return found


def _find(
    network: Network,
    image: Tensor,
    starts: Sequence[Sequence[Tensor]],
    settings: _Settings,
    iterations: int,
    progress: Progress,
    which: str,
) -> Scores | PathwayError:
    """Descend from the first start, and from the next ones until some gates keep the prediction."""
    with torch.no_grad():
        original = network.run(image, record=True)
    for attempt, start in enumerate(starts):
        descent = _Descent(network, image, original, start, settings.gamma / 10**attempt, settings.rate)
        try:
            for iteration in range(1, iterations + 1):
                loss = descent.step()
                note = f"iterations{which}, loss {loss:.4g}" + (f", attempt {attempt + 1}" if attempt else "")
                progress(attempt * iterations + iteration, (attempt + 1) * iterations, note)
        except Cancelled as stop:
            stop.best = descent.scores()
            raise
        scores = descent.scores()
        if scores is not None:
            return scores
    return PathwayError(
        f"No gates kept the prediction in {len(starts)} starts of {iterations} iterations, down to γ = "
        f"{settings.gamma / 10 ** (len(starts) - 1):g}. Choose another start or more iterations."
    )


class _Descent:
    """Gates of one image on their way down, and the best so far; memory does not grow with the steps."""

    def __init__(
        self, network: Network, image: Tensor, original: Run, start: Sequence[Tensor], gamma: float, rate: float
    ) -> None:
        self._network, self._image, self._gamma, self._rate = network, image, gamma, rate
        self._activations = original.activations
        self._goal, self._prediction = original.logits.softmax(1), int(original.logits.argmax())
        self._gates = [gate.clone().requires_grad_() for gate in start]
        self._speeds = [torch.zeros_like(gate) for gate in self._gates]
        self._best = [torch.empty_like(gate) for gate in self._gates]
        self._lowest = inf

    def step(self) -> float:
        """Move the gates once; return the loss they had before."""
        with torch.enable_grad():
            logits = self._network.run(self._image, lambda site, a: a * self._gates[site.index]).logits
            entropy = -(self._goal * (logits.softmax(1) + TINY).log()).sum()
            slopes = torch.autograd.grad(entropy, self._gates)
        with torch.no_grad():
            loss = float(entropy + self._gamma * torch.stack([gate.sum() for gate in self._gates]).sum())
            if int(logits.argmax()) == self._prediction and loss < self._lowest:
                torch._foreach_copy_(self._best, self._gates)
                self._lowest = loss
            self._descend(list(slopes))
        return loss

    def scores(self) -> Scores | None:
        """Return the best gates so far, one per neuron; None while none kept the prediction."""
        if self._lowest == inf:
            return None
        gates = (best.expand(site.shape).clone() for best, site in zip(self._best, self._network.sites, strict=True))
        return Scores(gates, [activation[0] for activation in self._activations])

    def _descend(self, slopes: list[Tensor]) -> None:
        """Take one step of SGD with momentum; |λ| has slope 1 above 0 and 0 at 0, as autograd takes it.

        Not ``torch.optim.SGD``: it adds up the same terms in another order, and after 1000 steps their rounding has
        exchanged about 1 % of a pathway's neurons, which would change the studies that come with the app.
        """
        torch._foreach_mul_(self._speeds, MOMENTUM)
        torch._foreach_add_(self._speeds, slopes)
        torch._foreach_add_(self._speeds, torch._foreach_sign(self._gates), alpha=self._gamma)
        torch._foreach_add_(self._gates, self._speeds, alpha=-self._rate)
        torch._foreach_clamp_min_(self._gates, 0.0)
        torch._foreach_clamp_max_(self._gates, HIGHEST)
