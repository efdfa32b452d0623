"""The ReLU calls of a traced network, and the results of its runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

from torch import Tensor
from torch.fx import Node

from core.network.program import Values

__all__ = ["Cache", "Edit", "LeftOut", "Run", "Site"]


@dataclass(frozen=True)
class Site:
    """One ReLU call.

    Attributes:
        index: of the site, in the order of calls.
        name: module path, with ``#k`` where a module is called more than once.
        shape: of its activation, without the batch axis: (C, H, W) or (C,).
        ceiling: the value at which it saturates: inf for ReLU, 6 for ReLU6.
        node: its call in the traced program.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    ceiling: float
    node: Node = field(repr=False, compare=False)

    @property
    def neurons(self) -> int:
        """Return how many neurons the site has."""
        return prod(self.shape)

    @property
    def planes(self) -> tuple[int, int, int]:
        """Return its shape as (channels, height, width); a vector has planes of one pixel."""
        channels, height, width = (*self.shape, 1, 1)[:3]
        return channels, height, width

    def place(self, position: int) -> tuple[int, int, int]:
        """Return channel, row and column of a flat position."""
        _, height, width = self.planes
        channel, rest = divmod(position, height * width)
        return channel, *divmod(rest, width)

    def position(self, channel: int, row: int, column: int) -> int:
        """Return the flat position of a channel, row and column; ``place`` is the inverse."""
        _, height, width = self.planes
        return (channel * height + row) * width + column


@dataclass(frozen=True)
class LeftOut:
    """A ReLU call that depends on the image but is not a site.

    Attributes:
        name, shape, ceiling, node: as for a site.
        reason: why it is not a site.
    """

    name: str
    shape: tuple[int, ...]
    ceiling: float
    node: Node = field(repr=False, compare=False)
    reason: str


Edit = Callable[[Site, Tensor], Tensor]


@dataclass(frozen=True)
class Run:
    """The results of one run; activations are those after the edit."""

    logits: Tensor  # (N, classes)
    activations: tuple[Tensor, ...] = ()  # one per site, (N, C, H, W) or (N, C)
    pre_activations: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Cache:
    """Logits and activations of a batch of images, often one, and the other values that resuming needs."""

    logits: Tensor
    activations: tuple[Tensor, ...]
    values: Values = field(repr=False)
