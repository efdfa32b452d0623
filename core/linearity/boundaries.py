"""Where an affine map ends: at each boundary, a value that is affine in the image, its *gap*, reaches 0.

    z                  a neuron switches
    z - 6              a ReLU6 starts or stops to saturate
    a_win - a_j        another element j of a max pool's window wins

A neuron has the nearer of its two boundaries; a window has one per competitor, since the first to overtake the winner
need not be the second largest.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor
from torch.fx import Node
from torch.nn import functional as F

from core.network import LeftOut, Site
from core.network.ops import max_pool_settings, pair
from core.network.program import Program

__all__ = ["Boundaries", "Windows", "pool_boundaries", "pool_winners", "relu_boundaries"]


@dataclass(frozen=True, eq=False)
class Windows:
    """The L windows of a max pool in each channel, and their K elements.

    Attributes:
        elements: (K, L), flat position of each in the channel's plane, H x W; arbitrary in the padding.
        inside: (K, L), False in the padding.
        winners: (C, L), flat position of each window's largest element.
        shape: of the pooled value, (C, h, w), L = h w.
        plane: H W.
    """

    elements: Tensor
    inside: Tensor
    winners: Tensor
    shape: tuple[int, ...]
    plane: int

    def pooled(self, x: Tensor) -> Tensor:
        """Return each window's winner, (B, C, h, w), of values or their changes, (B, C, H, W)."""
        return x.flatten(2).gather(2, self.winners.expand(len(x), -1, -1)).view(-1, *self.shape)

    def leads(self, x: Tensor) -> Tensor:
        """Return winner minus element, (B, C, K, L), of values or their changes, (B, C, H, W)."""
        return self.pooled(x).flatten(2).unsqueeze(2) - _elements(x, self.elements)


@dataclass(frozen=True, eq=False)
class Boundaries:
    """The boundaries of a ReLU call or a max pool.

    Attributes:
        name: of the call: module path, with ``#k`` where called more than once, or node.
        site: index of the site; None for a pool, and for a ReLU call that is not a site.
        source: the call whose value the gaps are read from: a pre-activation, or a pool's input.
        gaps: (N,), signed, inf for none: one per neuron, or one per channel, element and window, flat.
        capped: (N,), whether the gap is to the ceiling; () for a pool.
        windows: of the pool; None for a ReLU call.
    """

    name: str
    site: int | None
    source: Node
    gaps: Tensor
    capped: Tensor
    windows: Windows | None = None

    def changes(self, change: Tensor) -> Tensor:
        """Return the changes of the gaps, (B, N), for changes of the source's value, (B, ...)."""
        return (change if self.windows is None else self.windows.leads(change)).flatten(1)

    def change(self, change: Tensor, index: int) -> Tensor:
        """Return the change of one gap, a scalar, for a change of the source's value (no batch axis)."""
        position, competitor = self.positions(index)
        flat = change.flatten()
        return flat[position] if competitor is None else flat[position] - flat[competitor]

    def positions(self, index: int) -> tuple[int, int | None]:
        """Return flat positions in the source's value: of a gap's neuron, and None; or of its winner and competitor."""
        if self.windows is None:
            return index, None
        elements, windows = self.windows.elements.shape
        channel, rest = divmod(index, elements * windows)
        element, window = divmod(rest, windows)
        start = channel * self.windows.plane
        winner, competitor = self.windows.winners[channel, window], self.windows.elements[element, window]
        return start + int(winner), start + int(competitor)


def relu_boundaries(relu: Site | LeftOut, z: Tensor, mask: Tensor) -> Boundaries:
    """Return the boundaries of a ReLU call's neurons on the pathway.

    Args:
        relu: the ReLU call.
        z: its pre-activation, (1, *relu.shape).
        mask: True on the pathway, of shape relu.shape; True everywhere for a call that is not a site.
    """
    capped = (z - relu.ceiling).abs() < z.abs()
    gaps = torch.where(mask, torch.where(capped, z - relu.ceiling, z), inf)
    site = relu.index if isinstance(relu, Site) else None
    return Boundaries(relu.name, site, relu.node.all_input_nodes[0], gaps.flatten(), capped.flatten())


def pool_boundaries(program: Program, node: Node, x: Tensor) -> tuple[Boundaries, Windows]:
    """Return a max pool's windows and their boundaries.

    Args:
        program: that calls it.
        node: the call.
        x: the pool's input, (1, C, H, W).
    """
    elements, inside = _geometry(program, node, *x.shape[2:])
    winners = pool_winners(program, node, x)[0]
    windows = Windows(elements, inside, winners, program.facts[node].shape, x[0, 0].numel())
    gaps = torch.where(inside & (elements != winners.unsqueeze(1)), windows.leads(x)[0], inf)
    return Boundaries(
        _name(program, node), None, node.all_input_nodes[0], gaps.flatten(), gaps.new_empty(0), windows
    ), windows


def _name(program: Program, node: Node) -> str:
    """Return the path of a called module, with ``#k`` where it is called more than once, or the function's node."""
    calls = [each for each in program.nodes if each.op == "call_module" and each.target == node.target]
    if node.op != "call_module":
        return node.name
    return str(node.target) if len(calls) == 1 else f"{node.target}#{calls.index(node) + 1}"


def pool_winners(program: Program, node: Node, x: Tensor) -> Tensor:
    """Return the flat position of each window's winner in its channel's plane, (B, C, L), of (B, C, H, W)."""
    _, winners = F.max_pool2d(x, **max_pool_settings(program, node), return_indices=True)
    return winners.flatten(2)


def _elements(x: Tensor, elements: Tensor) -> Tensor:
    """Return the elements of each window, (B, C, K, L), of (B, C, H, W)."""
    return x.flatten(2)[:, :, elements.flatten()].view(*x.shape[:2], *elements.shape)


def _geometry(program: Program, node: Node, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return ``elements`` and ``inside`` of a max pool's ``Windows``."""
    settings = max_pool_settings(program, node)
    settings["stride"] = settings["stride"] or settings["kernel_size"]
    each_way = (pair(settings[name]) for name in ("kernel_size", "stride", "padding", "dilation"))
    sides = zip(*each_way, program.facts[node].shape[1:], strict=True)
    device = program.parameter().device
    rows, columns = (
        step * torch.arange(count, device=device) - before + apart * torch.arange(length, device=device)[:, None]
        for length, step, before, apart, count in sides
    )  # (kernel, windows) along each side
    y, x = rows[:, None, :, None], columns[None, :, None, :]  # over (kernel rows, kernel columns, h, w)
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    elements = torch.where(inside, y * width + x, 0)
    return elements.flatten(2).flatten(0, 1), inside.flatten(2).flatten(0, 1)
