"""NeuronMCT: a neuron's first-order marginal contribution to the response.

    score_i = | a_i · dF/da_i |

the first term of the Taylor expansion of F(a) - F(a with a_i = 0), for every site from one forward and one backward
pass.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.methods.base import Scores, leaves, target_gradients
from core.network import Network
from core.progress import Progress, silent

__all__ = ["neuron_mct"]


def neuron_mct(network: Network, image: Tensor, target: int, *, progress: Progress = silent) -> Scores:
    """Return |activation x gradient| of every neuron. [Khakzar21]"""
    with torch.enable_grad():
        run = network.run(image, leaves(), record=True)
        gradients = target_gradients(run.logits, target, run.activations)
    progress(1, 1, "pass")
    return Scores((a.detach() * g).abs_()[0] for a, g in zip(run.activations, gradients, strict=True))
