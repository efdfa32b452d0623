"""The map that Grad-CAM weights: by default the last one through which all information from the image passes.

It is the last value with more than one position that no path from the image goes around: neither one branch of
several, nor an inner map that a skip connection bypasses. Maps of classes are not feature maps. Where only pools and
dropout lie between a site and this map, as in VGG, the site is taken.

References:
    [Selvaraju17] Selvaraju et al., Grad-CAM, ICCV 2017: the last convolutional layer, before dense layers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn
from torch.fx import Node

from core.errors import PathwayError
from core.network import Network, Site
from core.network.class_maps import kept_apart
from core.network.ops import MAX_POOLS, kind_of, sources, spellings
from core.network.program import Program, call_name

__all__ = ["FeatureMap", "feature_map"]

_AS_IT_IS = {nn.Identity, nn.Dropout, nn.Dropout2d, *spellings("dropout", "dropout2d", "contiguous", "clone")}
_POOLS = {
    *(nn.AvgPool2d, nn.AdaptiveAvgPool2d, *MAX_POOLS),
    *spellings("avg_pool2d", "adaptive_avg_pool2d"),
}


@dataclass(frozen=True)
class FeatureMap:
    """A value of a network that has channels and positions.

    Attributes:
        name: of the site, or of the call: the path of the module whose code makes it, and the function it calls.
        shape: (C, H, W).
        node: the call.
    """

    name: str
    shape: tuple[int, ...]
    node: Node = field(repr=False, compare=False)


def feature_map(network: Network, site: int | None = None) -> FeatureMap:
    """Return a site's map, or by default the network's last feature map.

    Args:
        network: traced.
        site: index of a site with a map of positions.

    Raises:
        PathwayError: there is no such site, it is a vector, or the network has no map.
    """
    if site is None:
        return _last(network)
    found = next((each for each in network.sites if each.index == site and len(each.shape) == 3), None)
    if found is None:
        known = f"from 0 to {len(network.sites) - 1}, a site with a map of positions"
        raise PathwayError(f"Got site={site!r} for Grad-CAM, wanted a whole number {known} in {network.name}.")
    return _of_site(found)


def _last(network: Network) -> FeatureMap:
    program, apart = network.program, kept_apart(network.program)
    place = {node: i for i, node in enumerate(program.nodes)}
    last: Node | None = None
    reach = 0  # the last call that uses a value computed so far
    for node in program.nodes:
        facts = program.facts[node]
        if not facts.sees_image:
            continue
        several = len(facts.shape) == 3 and facts.shape[1] * facts.shape[2] > 1
        if several and reach <= place[node] and node is not program.input and node not in apart:
            last = node
        reach = max(reach, *(place[user] for user in node.users if user in place), place[node])
    if last is None:
        raise PathwayError(f"{network.name} has no map of positions that all paths cross, as Grad-CAM needs.")
    sites = {site.node: site for site in network.sites}
    before = _before(program, last, _AS_IT_IS | _POOLS)
    if before in sites:
        return _of_site(sites[before])
    same = _before(program, last, _AS_IT_IS)
    return FeatureMap(call_name(same), program.facts[same].shape, same)


def _before(program: Program, node: Node, kinds: set[object]) -> Node:
    """Return the node that a value comes from, going back through calls of some kinds."""
    while kind_of(program, node) in kinds and len(sources(program, node)) == 1:
        node = sources(program, node)[0]
    return node


def _of_site(site: Site) -> FeatureMap:
    return FeatureMap(site.name, site.shape, site.node)
