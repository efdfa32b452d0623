"""Selection methods: a function of (network, image, target) to one score tensor a site.

    scores = METHODS["NeuronMCT"](network, image, target)

One file a method; none imports another. ``METHODS`` keeps them in the order in which people meet them.
"""

from __future__ import annotations

from core.methods.base import Family, Method, Option, Scores, Step
from core.methods.greedy_pruning import greedy_pruning
from core.methods.neuron_intgrad import neuron_intgrad
from core.methods.neuron_mct import neuron_mct
from core.methods.random_scores import random_scores

__all__ = ["METHODS", "Family", "Method", "Option", "Scores", "Step"]

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
            passes=lambda network, n_steps: 0.3 * n_steps * len(network.sites),
            options=(Option("n_steps", 11, 1, 200, "Midpoints of the integral; more is closer, and slower."),),
        ),
        Method(
            "GreedyPruning",
            "pruning",
            "What is left when the weakest contributors are removed step by step and dead neurons never are.",
            greedy_pruning,
            passes=lambda network, steps: steps,
            options=(Option("steps", 100, 10, 200, "Removals; each takes an equal number of neurons."),),
        ),
        Method(
            "Random",
            "baseline",
            "Neurons in random order: what any selection has to beat.",
            random_scores,
            passes=lambda network, seed: 0,
            options=(Option("seed", 0, 0, 9999, "Another number, another order."),),
        ),
    )
}
