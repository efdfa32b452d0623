"""The flow between chosen channels of all sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import PathwayError
from core.flow.links import BIAS, IMAGE, LOGIT, Links, checked_index
from core.network import Network

__all__ = ["ChannelFlow", "channel_flow"]


@dataclass(frozen=True)
class ChannelFlow:
    """The flow from chosen channels of every site to those of the sites directly after, summed over positions.

    Attributes:
        channels: those chosen at each site.
        flows: by (earlier node, later node), (K + 1, L + 1) float64 on the CPU: rows are the earlier node's K chosen
            channels and, as one, all its others; columns are those of the later node. IMAGE, BIAS and LOGIT have one.
    """

    channels: tuple[tuple[int, ...], ...]
    flows: Mapping[tuple[int, int], Tensor]


def channel_flow(links: Links, channels: Sequence[Sequence[int]]) -> ChannelFlow:
    """Return the flow between chosen channels of all sites; a site's other channels count as one.

    It costs a backward pass through the calls directly before each chosen channel, and one more per site.

    Args:
        links: of one image.
        channels: one sequence per site, of different channels; may be empty.

    Raises:
        PathwayError: a site's channels are missing, repeated or out of range.
    """
    chosen = _checked_channels(links.network, channels)
    nodes = dict(enumerate(chosen)) | dict.fromkeys((IMAGE, LOGIT, BIAS), ())
    flows: dict[tuple[int, int], Tensor] = {}
    for sink in (*range(len(chosen)), LOGIT):
        slope = links._slope(sink)
        weights = [*(slope * links.marks(sink, "channel", channel) for channel in nodes[sink]), slope]
        columns = [links._into(sink, weight) for weight in weights]
        for source in columns[0]:
            flows[source, sink] = _matrix([column[source] for column in columns], nodes[source])
    return ChannelFlow(chosen, flows)


def _matrix(columns: Sequence[Tensor], chosen: Sequence[int]) -> Tensor:
    """Return rows of the chosen channels and of the rest, from columns of which the last one is the total."""
    sums = [column.reshape(len(column) if column.ndim else 1, -1).sum(1) for column in columns]
    matrix = torch.stack(sums, dim=1).cpu().double()  # (channels, columns)
    matrix[:, -1] -= matrix[:, :-1].sum(1)
    picked = matrix[list(chosen)]
    return torch.cat([picked, (matrix.sum(0) - picked.sum(0))[None]])


def _checked_channels(network: Network, channels: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    if len(channels) != len(network.sites):
        raise PathwayError(f"Got channels of {len(channels)} sites, wanted those of all {len(network.sites)}.")
    for site, chosen in zip(network.sites, channels, strict=True):
        for channel in chosen:
            checked_index(channel, site.planes[0], "channel", f" of site {site.name}")
        if len(set(chosen)) < len(chosen):
            raise PathwayError(f"Got channels {list(chosen)} of site {site.name}, wanted each channel once.")
    return tuple(map(tuple, channels))
