"""Traced networks: the ReLU calls of a program, its runs, and edits to them.

network = trace(model, (3, 224, 224))
run = network.run(image, record=True)      # run.logits, run.activations, run.pre_activations
"""

from __future__ import annotations

from core.network.network import Network, trace
from core.network.sites import Cache, Edit, LeftOut, Run, Site

__all__ = ["Cache", "Edit", "LeftOut", "Network", "Run", "Site", "trace"]
