"""Selection methods: a function of (network, image, target) to one score tensor per site.

    scores = METHODS["NeuronMCT"](network, image, target)

One file per method; none imports another. ``METHODS`` keeps them in the order in which they are shown.
"""

from __future__ import annotations

from core.methods.base import Family, Method, Option, Scored, Scores, Step
from core.methods.dgr import dgr_from_ones, dgr_from_random
from core.methods.greedy_pruning import greedy_pruning
from core.methods.neuron_intgrad import neuron_intgrad
from core.methods.neuron_mct import neuron_mct
from core.methods.random_scores import random_scores

__all__ = ["METHODS", "Family", "Method", "Option", "Scored", "Scores", "Step"]

_GATES = (
    Option("iterations", 0, 0, 5000, "Steps of gradient descent; 0 for the published number: 1000, per channel 30."),
    Option("per_channel", 0, 0, 1, "One gate per channel, as Wang et al. have it, with their rates."),
)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "NeuronMCT",
            "contribution",
            "How much each neuron contributes: its activation times the response's gradient to it.",
            neuron_mct,
            passes=lambda network: 1,
        ),
        Method(
            "NeuronIntGrad",
            "contribution",
            "How much each neuron contributes, averaged while its whole layer is turned up from zero.",
            neuron_intgrad,
            passes=lambda network, n_steps, as_released: 0.3 * n_steps * len(network.sites),
            options=(
                Option("n_steps", 11, 1, 200, "Midpoints of the integral; more is closer, and slower."),
                Option(
                    "as_released", 0, 0, 1, "The released code's 11 points, which go up to 5.5 times the activation."
                ),
            ),
        ),
        Method(
            "GreedyPruning",
            "pruning",
            "What is left when the weakest contributors, but never dead neurons, are removed step by step.",
            greedy_pruning,
            passes=lambda network, steps, as_released: steps,
            options=(
                Option("steps", 100, 10, 200, "Removals; each takes an equal number of neurons."),
                Option(
                    "as_released", 0, 0, 1, "What the released code does: every step brings back what the last removed."
                ),
            ),
            ordinal=True,
        ),
        Method(
            "DGR(init=1)",
            "pruning",
            "Gates that gradient descent turns down from 1 while the network's whole answer stays.",
            dgr_from_ones,
            passes=lambda network, iterations, per_channel: 1.3 * (iterations or (30 if per_channel else 1000)),
            options=_GATES,
            uses_target=False,
        ),
        Method(
            "DGR(init=r)",
            "pruning",
            "The same gates from a random start: other neurons that keep the same answer, if any are found.",
            dgr_from_random,
            passes=lambda network, iterations, per_channel, seed: 1.3 * (iterations or (30 if per_channel else 1000)),
            options=(*_GATES, Option("seed", 0, 0, 9999, "Another number gives another start.")),
            uses_target=False,
        ),
        Method(
            "Random",
            "baseline",
            "Neurons in random order: what any selection has to beat.",
            random_scores,
            passes=lambda network, seed: 0,
            options=(Option("seed", 0, 0, 9999, "Another number gives another order."),),
            uses_target=False,
            ordinal=True,
        ),
    )
}
