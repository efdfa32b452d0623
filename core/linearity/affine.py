"""The affine map that a restricted network is around an image.

Around the image every site multiplies by 0 or 1 and every max pool picks the same elements; every other call f is
affine and turns a change t of its input into f(t) - f(0). Run by these rules, the program pushes changes of the image
through the network. The result is exact up to rounding and can be differentiated; many changes go as one batch; threads
do not share state (torch's forward mode has one level for the whole process). [Lee19]

References:
    [Lee19] Lee, Alvarez-Melis, Jaakkola, Towards Robust, Locally Linear Deep Networks, ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from core.linearity.boundaries import Boundaries, Windows, pool_boundaries, relu_boundaries
from core.linearity.double import Case
from core.network.ops import MAX_POOLS, kind_of
from core.network.program import Program, Values, walk

__all__ = ["AffineMap", "affine_map"]


@dataclass(frozen=True, eq=False)
class AffineMap:
    """What a restricted network does to small changes of one image; made by ``affine_map``.

    Attributes:
        program: of the network.
        boundaries: where the map ends.
        slopes: per site, 1 where the neuron passes changes on, else 0; (1, *site.shape).
        windows: per max pool.
        offsets: per call, f(0) where it is not 0; (1, ...).
    """

    program: Program
    boundaries: tuple[Boundaries, ...]
    slopes: Mapping[Node, Tensor]
    windows: Mapping[Node, Windows]
    offsets: Mapping[Node, Tensor]

    def push(self, change: Tensor, boundaries: Collection[Boundaries]) -> Iterator[tuple[Boundaries, Tensor]]:
        """Yield boundaries, each with the change of its source's value, (B, ...).

        Args:
            change: of the image, (B, ...).
            boundaries: those wanted; calls that none of them needs are not run.
        """
        left = {each.source for each in boundaries}
        for node, value in walk(self.program, change, self._change):
            for each in boundaries:
                if each.source is node:
                    yield each, value
            left.discard(node)
            if not left:
                return

    def _change(self, node: Node, changes: Values) -> Any:
        if node in self.slopes:
            return changes[node.all_input_nodes[0]] * self.slopes[node]
        if node in self.windows:
            return self.windows[node].pooled(changes[node.all_input_nodes[0]])
        value = self.program.call(node, changes)
        return value - self.offsets[node] if node in self.offsets else value


def affine_map(case: Case) -> AffineMap:
    """Return the affine map of a case whose network ``check_piecewise_affine`` accepts; two runs."""
    program, relus = case.network.program, {relu.node: relu for relu in case.network.relus}
    boundaries: list[Boundaries] = []
    slopes: dict[Node, Tensor] = {}
    windows: dict[Node, Windows] = {}

    def record(node: Node, values: Values) -> Any:
        value, relu = program.call(node, values), relus.get(node)
        if relu is not None:
            z, (value, mask) = values[node.all_input_nodes[0]], case.restricted(relu, value)
            boundaries.append(relu_boundaries(relu, z, mask))
            slopes[node] = ((z > 0) & (z < relu.ceiling) & mask).to(z.dtype)
            return value
        if program.facts[node].sees_image and kind_of(program, node) in MAX_POOLS:
            found, windows[node] = pool_boundaries(program, node, values[node.all_input_nodes[0]])
            boundaries.append(found)
        return value

    with torch.no_grad():
        for _ in walk(program, case.image, record):
            pass
        offsets = _offsets(program, torch.zeros_like(case.image))
    return AffineMap(program, tuple(boundaries), slopes, windows, offsets)


def _offsets(program: Program, zeros: Tensor) -> dict[Node, Tensor]:
    """Return each call's output for zeros, if it is not zeros."""
    offsets: dict[Node, Tensor] = {}

    def record(node: Node, values: Values) -> Any:
        value = program.call(node, values)
        if not program.facts[node].sees_image or not isinstance(value, Tensor):
            return value
        if bool(value.any()):
            offsets[node] = value
        return torch.zeros_like(value)

    for _ in walk(program, zeros, record):
        pass
    return offsets
