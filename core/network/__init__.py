"""Traced networks: their ReLU calls, their runs, and edits to the activations.

    network = trace(model, (3, 32, 32))
    run = network.run(image, record=True)      # run.logits, run.activations, run.pre_activations
    edited = network.run(image, edit=lambda site, activation: activation * (site.index > 0))      # first site at 0

``core.network.network`` explains sites, edits and runs resumed at a site.
"""

from __future__ import annotations

from core.network.network import Network, trace
from core.network.sites import Cache, Edit, LeftOut, Run, Site

__all__ = ["Cache", "Edit", "LeftOut", "Network", "Run", "Site", "trace"]
