"""Numbers of single neurons, channels and sites are core's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.data.preprocessing import Crop, Preprocessing
from core.methods import METHODS
from core.network import trace
from core.network.receptive_field import receptive_field
from core.pathways.restriction import saliency_map
from explorer.compute import neurons
from explorer.compute.scene import make_scene
from tests.explorer.compute.toys import PHOTO, scored
from tests.networks import SHAPE

pytestmark = pytest.mark.usefixtures("nothing_made")


def test_the_saliency_map_is_cores(scene):
    values = neurons.saliency(scene.original)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, saliency_map(scene.original.gradient).numpy())


def test_planes_of_a_site_are_mask_and_dead(network, scene):
    found = scored(scene, "Random")
    pathway = found.ranking.pathway(0.7)
    for site in network.sites:
        planes = neurons.site_planes(scene, found, 0.7, site.index)
        assert planes.mask.shape == planes.dead.shape == site.shape
        np.testing.assert_array_equal(planes.mask, pathway.masks[site.index].numpy())
        np.testing.assert_array_equal(planes.dead, scene.activations[site.index][0].numpy() == 0)


def test_top_neurons_are_in_order_with_their_numbers(network, scene):
    found, other = scored(scene, "NeuronMCT"), scored(scene, "Random")
    scores = METHODS["NeuronMCT"](network, scene.image, scene.target)
    rows = neurons.top_neurons(scene, found, [other], None, 40)
    assert len(rows) == 40
    assert [row.ranks[0] for row in rows] == list(range(40))
    flat = torch.cat([score.flatten() for score in scores]).sort(descending=True).values
    assert [row.score for row in rows] == pytest.approx(flat[:40].tolist())
    for row in rows:
        assert row.score == pytest.approx(float(scores[row.site].flatten()[row.position]))
        assert row.activation == float(scene.activations[row.site].flatten()[row.position])
        assert row.ranks[1] == int(other.ranking.ranks[row.site].flatten()[row.position])


def test_top_neurons_of_one_site_leave_out_the_others_and_those_without_a_score(network, scene):
    found = scored(scene, "NeuronMCT")
    rows = neurons.top_neurons(scene, found, [], 1, 10_000)
    positive = int((METHODS["NeuronMCT"](network, scene.image, scene.target)[1] > 0).sum())
    assert {row.site for row in rows} == {1}
    assert len(rows) == positive < network.sites[1].neurons
    assert all(row.score > 0 for row in rows)
    places = [row.ranks[0] for row in rows]
    assert places == sorted(places)


def test_a_neuron_without_a_score_has_no_place(scene):
    found = scored(scene, "NeuronMCT")
    position = int((scene.activations[0].flatten() == 0).nonzero()[0])
    row = neurons.neuron_row(scene, found, [scored(scene, "Random")], (0, position))
    assert (row.activation, row.score, row.ranks[0]) == (0.0, 0.0, None)
    assert row.ranks[1] is not None


def test_a_neurons_channel_and_what_it_sees(network, scene):
    neuron = (1, 2 * 64 + 3 * 8 + 5)  # channel 2, row 3, column 5
    channel = neurons.channel_activation(scene, neuron)
    np.testing.assert_array_equal(channel, scene.activations[1][0, 2].numpy())
    assert neurons.neuron_row(scene, scored(scene, "Random"), [], neuron).activation == channel[3, 5]
    assert neurons.sees(scene, neuron) == receptive_field(network, network.sites[1], neuron[1]) == (3, 1, 8, 6)


def test_a_vector_is_planes_of_one_pixel():
    vectors = trace(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).eval(),
        SHAPE,
        name="vectors",
        preprocessing=Preprocessing(size=8, resize=8),
    )
    scene = make_scene(vectors, PHOTO, Crop(), None)
    planes = neurons.site_planes(scene, scored(scene, "Random"), 0.5, 0)
    assert planes.mask.shape == (6, 1, 1)
    assert planes.mask.sum() == 3
    channel = neurons.channel_activation(scene, (0, 4))
    assert channel.shape == (1, 1)
    assert channel[0, 0] == float(scene.activations[0][0, 4])
    assert neurons.sees(scene, (0, 4)) == (0, 0, 8, 8)
