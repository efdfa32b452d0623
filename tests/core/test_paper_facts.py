"""What the paper says of its methods, on SqueezeNet at sparsity 0.9: on one photo; on all of them with ``-m slow``."""

from __future__ import annotations

import pytest

from core.data.samples import sample_images
from core.methods import METHODS
from core.models.zoo import load_network
from core.network import Network
from core.pathways.overlap import Membership, dead_neurons, membership
from core.pathways.ranking import rank

OPTIONS = {"NeuronMCT": {}, "NeuronIntGrad": {"n_steps": 4}, "DGR(init=1)": {"iterations": 200}, "Random": {}}
MCT, INTGRAD, DGR, RANDOM = range(len(OPTIONS))
OTHERS = sorted(set(sample_images()) - {"coffee"})


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network("squeezenet1_1", device="cpu")


def found_on(network: Network, photo: str) -> Membership:
    """The pathways of all four methods at sparsity 0.9."""
    image = network.preprocess(sample_images()[photo].open())
    target = int(network.run(image).logits.argmax())
    scores = (METHODS[name](network, image, target, **options) for name, options in OPTIONS.items())
    return membership([rank(score).pathway(0.9) for score in scores], dead_neurons(network, image))


@pytest.mark.thorough
@pytest.mark.parametrize("photo", ["coffee", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_pruning_keeps_dead_neurons_contribution_none_and_chance_its_share(network, photo):
    found = found_on(network, photo)
    shares, own = found.dead_shares(), found.dead.sum() / found.neurons.sum()
    assert shares[MCT] == shares[INTGRAD] == 0.0
    assert shares[DGR] > 0
    assert shares[RANDOM] == pytest.approx(own, abs=0.01)
    for other in (MCT, INTGRAD, DGR):
        assert found.overlaps()[RANDOM, other] == pytest.approx(found.chances()[RANDOM, other], abs=0.01)
