"""A scene is the photo in the original network, made once, dropped, and found again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from core.data.preprocessing import Crop
from core.errors import PathwayError
from core.pathways.overlap import dead_neurons
from core.pathways.restriction import pathway_gradient, restrict
from explorer.compute import cache, rankings
from explorer.compute.scene import make_scene, scene_again
from tests.explorer.compute.toys import NAMES, PHOTO, scored, toy

pytestmark = pytest.mark.usefixtures("nothing_made")


def test_a_scene_is_the_photo_in_the_original_network(network):
    crop = Crop(0.25, 0.5, 2.0)
    scene = make_scene(network, PHOTO, crop, None)
    image = network.preprocess(PHOTO, crop)
    run = network.run(image, record=True)
    assert torch.equal(scene.image, image)
    assert scene.picture.tobytes() == network.preprocessing.crop(PHOTO, crop).tobytes()
    assert scene.target == scene.prediction == int(run.logits.argmax())
    assert all(torch.equal(a, b) for a, b in zip(scene.activations, run.activations, strict=True))
    plain = restrict(network, image, scene.target)
    torch.testing.assert_close(scene.original.logits, plain.logits)
    torch.testing.assert_close(scene.original.gradient, plain.gradient)
    masks = dead_neurons(network, image)
    assert all(torch.equal(a, b) for a, b in zip(scene.dead, masks, strict=True))
    assert scene.dead_share == sum(int(m.sum()) for m in masks) / network.neurons
    assert 0 < scene.dead_share < 1


def test_a_target_is_explained_and_the_prediction_stays_known(network, scene):
    other = (scene.prediction + 1) % network.classes
    asked = make_scene(network, PHOTO, Crop(), other)
    assert (asked.target, asked.prediction) == (other, scene.prediction)
    assert not torch.equal(asked.original.gradient, scene.original.gradient)
    torch.testing.assert_close(asked.original.gradient, pathway_gradient(network, scene.image, other))


@pytest.mark.parametrize("target", [4, 999])
def test_a_target_that_the_network_lacks_is_refused(network, target):
    with pytest.raises(PathwayError, match="from 0 to 3"):
        make_scene(network, PHOTO, Crop(), target)


def test_what_was_dropped_is_found_again_as_it_was_and_holds_no_page_up(nothing_made, network):
    scene = make_scene(network, PHOTO, Crop(), None)
    selection = scored(scene, "NeuronIntGrad")
    find, choose = scene_again(scene), rankings.selection_again(selection)
    assert find() is scene
    assert choose(scene) is selection
    cache.RESULTS.clear()
    with ThreadPoolExecutor(1) as pool, rankings._SCORING:  # pages score meanwhile, which may take minutes
        again, ranked = pool.submit(lambda: (find(), choose(scene))).result(30)
    assert again is not scene
    assert ranked is not selection
    assert again.key == scene.key
    assert all(torch.equal(a, b) for a, b in zip(again.activations, scene.activations, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(ranked.ranking.ranks, selection.ranking.ranks, strict=True))


def test_a_scenes_bytes_are_at_least_its_tensors(scene):
    assert scene.nbytes >= sum(activation.nbytes for activation in scene.activations)
    assert cache.RESULTS.nbytes >= scene.nbytes


def test_the_same_weights_under_other_class_names_keep_their_own(network, scene):
    """Two sessions may bring the same file with different names, or one session names its classes later."""
    renamed = toy(names=["a", "b", "c", "d"])
    other = make_scene(renamed, PHOTO, Crop(), None)
    assert other.network.class_names == ("a", "b", "c", "d")
    assert make_scene(network, PHOTO, Crop(), None).network.class_names == tuple(NAMES)
    assert scored(other, "NeuronMCT") is scored(scene, "NeuronMCT")
