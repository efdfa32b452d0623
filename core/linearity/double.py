"""A network and one restricted case of it in float64: linear radii are smaller than float32 resolves in a response."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from core.network import Edit, LeftOut, Network, Site
from core.pathways.ranking import Off, Pathway, check_off, check_pathway
from core.pathways.restriction import restricting

__all__ = ["Case", "as_double", "double_case"]


@dataclass(frozen=True)
class Case:
    """One image and restriction of a float64 network.

    Attributes:
        network: in float64.
        image: (1, *network.input_shape), float64.
        edit: restricts a run, with frozen activations computed in float64; None for the original network.
        masks: one per site, bool, True where the neuron is not held.
    """

    network: Network
    image: Tensor
    edit: Edit | None
    masks: tuple[Tensor, ...]

    def restricted(self, relu: Site | LeftOut, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return the value a ReLU call passes on, and a mask of its neurons that are not held, (*relu.shape)."""
        if isinstance(relu, LeftOut):
            return value, torch.ones(relu.shape, dtype=torch.bool, device=value.device)
        return self.edit(relu, value) if self.edit else value, self.masks[relu.index]


def as_double(network: Network) -> Network:
    """Return an equal network in float64, or the network itself if it already is; it is not traced again.

    No tensor is shared. It is on the network's device, or on the CPU if that has no float64 (mps).
    """
    if network.dtype == torch.float64:
        return network
    device = torch.device("cpu") if network.device.type == "mps" else network.device
    model = deepcopy(network.program.model).to(device, torch.float64)
    for module in model.modules():  # constants found by the trace are plain attributes, which ``to`` does not convert
        for name, value in list(vars(module).items()):
            if isinstance(value, Tensor):
                setattr(module, name, value.to(device, torch.float64 if value.is_floating_point() else None))
    return network.with_model(model, weights_hash=network.weights_hash)


def double_case(
    network: Network, image: Tensor, target: int, pathway: Pathway | None, off: Off, reference: Tensor | None
) -> Case:
    """Return the case in float64; the image, and the reference if given, is (1, *network.input_shape).

    Args and errors are those of ``core.pathways.restriction.restrict``.
    """
    network.check_target(target)
    check_off(off)
    if pathway is not None:
        check_pathway(network, pathway)
    given = [network.check_image(each, one=True) for each in (image, reference) if each is not None]
    double = as_double(network)
    start, *held = (each.detach().to(double.device, torch.float64) for each in given)
    if pathway is None:
        masks = tuple(torch.ones(site.shape, dtype=torch.bool, device=double.device) for site in double.sites)
        return Case(double, start, None, masks)
    masks = tuple(mask.to(double.device) for mask in pathway.masks)
    return Case(double, start, restricting(double, start, Pathway(masks), off, held[0] if held else None), masks)
