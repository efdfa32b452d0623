"""NeuronMCT: a neuron's first-order marginal contribution to the response.

    score_i = | a_i · dF/da_i |

the first term of the Taylor expansion of F(a) - F(a with a_i = 0), for every site from one forward and one backward
pass.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
"""

from __future__ import annotations

from torch import Tensor

from core.methods.base import Scored, contributions, each_image
from core.network import Network
from core.progress import Progress, silent

__all__ = ["neuron_mct"]


def neuron_mct(network: Network, images: Tensor, targets: Tensor, *, progress: Progress = silent) -> Scored:
    """Return |activation x gradient| of every neuron for each image. [Khakzar21]

    Args:
        images: (N, *network.input_shape).
        targets: (N,), class indices.
        progress: called once.
    """
    run, scores = contributions(network, images, targets)
    progress(1, 1, "pass")
    return each_image(scores, run.activations)
