"""What the app measures of attributions is what core says of each alone, part by part and made once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.attribution import BASELINES
from core.data.preprocessing import Crop, Preprocessing
from core.errors import PathwayError
from core.evaluation import (
    degradation,
    deletion,
    insertion,
    layers,
    removals,
    sanity_check,
    sensitivity_n,
)
from core.methods import METHODS
from core.network import Network, trace
from core.pathways.ranking import rank
from core.pathways.restriction import pathway_gradient
from explorer.compute import evaluation, task_queue
from explorer.compute.attributions import Made, attribute, contributions
from explorer.compute.scene import Scene, make_scene
from explorer.compute.tasks import TaskGroup
from explorer.state.view import View
from tests.networks import SHAPE, TOYS, seeded
from tests.waiting import finished

PHOTO = Image.fromarray(np.random.default_rng(3).integers(0, 256, (9, 12, 3), np.uint8))
pytestmark = pytest.mark.usefixtures("nothing_made")


@pytest.fixture
def scene() -> Scene:
    preprocessing = Preprocessing(size=8, resize=9)
    network = trace(seeded(TOYS["Residual"]()), SHAPE, name="toy", preprocessing=preprocessing, weights_hash="toy")
    return make_scene(network, PHOTO, Crop(), 1)


def made(scene: Scene, name: str) -> tuple[str, Made]:
    found = Made(("test", name), BASELINES[name](scene.network, scene.image, scene.target), 0.0)
    return name, found


def both(scene: Scene) -> list[tuple[str, Made]]:
    return [made(scene, "Gradient"), made(scene, "InputMCT")]


def there(group: TaskGroup[Any]) -> tuple[Any, ...]:
    return task_queue.QUEUE.peek(group).result


def finish(group: TaskGroup[Any]) -> tuple[Any, ...]:
    ticket = finished(group)
    assert ticket.state == "ready", ticket.error
    return ticket.result


def made_anew(group: TaskGroup[Any]) -> tuple[Any, ...]:
    assert set(there(group)) == {None}
    return finish(group)


# -------------------------------------------------------------------------------------------------------------- curves


@pytest.mark.parametrize("order", ["lerf", "morf", "insertion", "deletion"])
@pytest.mark.parametrize("replacement", ["mean", "black", "blur"])
def test_curves_are_cores(scene, order, replacement):
    view = View(order=order, replacement=replacement)
    found = both(scene)
    parts = made_anew(evaluation.curve_tasks(scene, found, view))
    for (_, made), part in zip(found, parts, strict=True):
        case = (scene.network, scene.image, scene.target, made.attribution.relevance)
        expected = {
            "lerf": lambda case=case: degradation(*case, order="lerf", replacement=replacement),
            "morf": lambda case=case: degradation(*case, order="morf", replacement=replacement),
            "insertion": lambda case=case: insertion(*case, replacement=replacement),
            "deletion": lambda case=case: deletion(*case, replacement=replacement),
        }[order]()
        assert part.curve == expected
    assert parts[0].curve != parts[1].curve


def test_another_order_or_replacement_is_another_curve(scene):
    found = both(scene)
    made_anew(evaluation.curve_tasks(scene, found, View()))
    for other in (View(order="morf"), View(replacement="blur")):
        assert set(there(evaluation.curve_tasks(scene, found, other))) == {None}
    assert None not in there(evaluation.curve_tasks(scene, found, View(near=False)))  # the same, drawn further


def test_the_papers_curve_is_lerf_by_the_mean():
    view = View(order="insertion", replacement="blur", near=False, sparsity=0.5)
    assert evaluation.as_the_paper(view) == replace(view, order="lerf", replacement="mean")


# --------------------------------------------------------------------------------------------------------- sensitivity


def test_sensitivities_are_cores_and_share_their_passes(scene, monkeypatch):
    calls = []
    monkeypatch.setattr(evaluation, "removals", lambda *a, **k: calls.append(1) or removals(*a, **k))
    found = both(scene)
    parts = made_anew(evaluation.sensitivity_tasks(scene, found))
    more = [*found, made(scene, "Grad-CAM")]
    assert there(evaluation.sensitivity_tasks(scene, more)) == (*parts, None)
    again = finish(evaluation.sensitivity_tasks(scene, more))
    assert len(calls) == 1
    removed = removals(scene.network, scene.image, scene.target, subsets=100)
    for (_, each), part in zip(more, again, strict=True):
        expected = sensitivity_n(removed, contributions(scene, each))
        assert part.curve.sizes == expected.sizes
        np.testing.assert_array_equal(part.curve.correlations, expected.correlations)


def test_a_gradient_is_multiplied_by_the_image_and_a_contribution_is_not(scene):
    (_, gradient), (_, contribution) = both(scene)
    torch.testing.assert_close(contributions(scene, gradient), contributions(scene, contribution))
    torch.testing.assert_close(contributions(scene, contribution), contribution.attribution.values.sum(0))


def test_the_number_of_passes_is_said_as_it_is(scene, monkeypatch):
    seen = []
    run = Network.run
    monkeypatch.setattr(
        Network, "run", lambda self, image, *a, **k: seen.append(len(image)) or run(self, image, *a, **k)
    )
    removals(scene.network, scene.image, scene.target, subsets=evaluation.SUBSETS)
    assert 0 <= sum(seen) - evaluation.passes(scene) <= 1


# --------------------------------------------------------------------------------------------------------------- sanity


@pytest.mark.parametrize("cascade", [True, False])
def test_sanity_checks_are_cores(scene, cascade):
    view = View(cascade=cascade, sparsity=0.5)
    names = [("Gradient", "Gradient"), ("NeuronMCT", "NeuronMCT 50 %")]
    parts = made_anew(evaluation.sanity_tasks(scene, names, view))
    for (name, _), sane in zip(names, parts, strict=True):
        expected = sanity_check(
            scene.network,
            scene.image,
            scene.target,
            attribute(name, view),
            cascading=cascade,
            stages=evaluation.stages(scene),
        )
        assert [stage.name for stage in sane.stages] == [stage.name for stage in expected]
        for own, stage in zip(sane.stages, expected, strict=True):
            torch.testing.assert_close(own.saliency, stage.saliency)
            np.testing.assert_equal(own.similarity, stage.similarity)
        values = [s.similarity.ssim for s in expected[1:]]
        np.testing.assert_allclose(sane.mean("ssim"), np.nanmean(values))


def test_a_pathway_is_chosen_anew_in_each_network(scene):
    view = View(sparsity=0.5, off="frozen", options=(("Random.seed", 3),))
    for name in ("NeuronMCT", "Random"):
        pathway = rank(METHODS[name](scene.network, scene.image, 2, **view.strategy(name).chosen)).pathway(0.5)
        expected = pathway_gradient(scene.network, scene.image, 2, pathway, off="frozen")
        found = attribute(name, view)(scene.network, scene.image, 2)
        torch.testing.assert_close(found.values, expected)
        assert found.is_gradient


def test_what_changes_the_maps_changes_the_key(scene):
    def key(name: str, view: View) -> object:
        return evaluation.sanity_tasks(scene, [(name, name)], view).key

    base = View()
    for other in (View(sparsity=0.5), View(off="frozen"), View(cascade=False)):
        assert key("NeuronMCT", base) != key("NeuronMCT", other)
    assert key("Gradient", base) == key("Gradient", View(sparsity=0.5, off="frozen"))
    assert key("Random", base) != key("Random", base.with_option("Random", "seed", 1))
    assert key("Gradient", base) != key("InputMCT", base)


def test_stages_are_layers_from_the_last_to_the_first(scene, monkeypatch):
    assert evaluation.stages(scene) == layers(scene.network)[::-1]
    monkeypatch.setattr(evaluation, "MOST_STAGES", 2)
    assert evaluation.stages(scene) == (layers(scene.network)[-1], layers(scene.network)[0])


# --------------------------------------------------------------------------------------------------------------- object


def test_a_box_is_in_percent_and_goes_before_the_pictures_own_mask(scene):
    own = torch.zeros(8, 8, dtype=torch.bool)
    own[0, 0] = True
    assert evaluation.object_mask(scene, None, None) is None
    assert evaluation.object_mask(scene, None, own) is own
    mask = evaluation.object_mask(scene, (25, 50, 75, 100), own)
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[4:8, 2:6] = True
    assert torch.equal(mask, expected)
    with pytest.raises(PathwayError):
        evaluation.object_mask(scene, (0, 0, 1, 1), None)  # less than a pixel
