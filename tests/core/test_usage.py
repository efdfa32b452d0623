"""The usage at the head of core's modules, run as it stands in their docstrings."""

from __future__ import annotations

import importlib
import re
from textwrap import dedent
from typing import Any

import pytest
import torch

import core
from core.data.datasets import open_dataset
from core.data.images import open_image
from core.data.preprocessing import Preprocessing
from core.methods import METHODS
from core.models.small_vgg import SmallVGG
from core.models.zoo import load_network
from core.pathways.ranking import rank

CHECKS = {
    "core": ["gradient.shape == (3, 224, 224)", "pathway.sparsity == approx(0.9)"],
    "core.attribution": ["attribution.values.shape == (3, 28, 28)"],
    "core.data.preprocessing": ["shown.size == (28, 28)", "image.shape == (1, 3, 28, 28)"],
    "core.evaluation.degradation": ["curve.change_area(0.1) > 0"],
    "core.flow": [
        "[each.node for each in edges] == [*links.before(5), core.BIAS]",
        "float(links.pre_activations[5].flatten()[position]) == approx(total(edges), rel=1e-3)",
        "(core.IMAGE, 0) in flow.flows",
    ],
    "core.network": ["len(run.activations) == 7", "bool((edited.logits != run.logits).any())"],
    "core.pathways.ranking": ["share == approx(0.1, abs=1e-4)"],
    "core.pathways.restriction": [
        "logits.shape == (1, 10) and bool((logits != network.run(image).logits).any())",
        "gradient.shape == (3, 28, 28) and relevance.shape == (28, 28)",
    ],
    "core.strategy": ["strategy.chosen['n_steps'] == 30", "len(scores) == len(network.sites)"],
    "core.studies": ["set(table['method']) == {'NeuronMCT', 'NeuronIntGrad', 'Random'}", "set(table['images']) == {8}"],
    "core.studies.plan": ["study.strategies[0].chosen['n_steps'] == 5"],
}
"""Per module, what holds after its usage."""


def usage(module: str) -> str:
    """Return the first indented lines of a module's docstring."""
    text = importlib.import_module(module).__doc__ or ""
    found = re.search(r"^ {4}\S.*\n(?: {4}.*\n)*", text, re.MULTILINE)
    assert found, f"The docstring of {module} has no usage."
    return dedent(found.group())


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    """Return the names that docstrings take as given: a small network, a picture, its pathway."""
    network, data = load_network("fashion_vgg"), open_dataset("fashion-mnist")
    picture = open_image(data.read(0))
    image = network.preprocess(picture)
    target = int(network.run(image).logits.argmax())
    attribution = core.BASELINES["Gradient"](network, image, target)
    assert isinstance(network.preprocessing, Preprocessing)
    return {
        "approx": pytest.approx,
        "total": lambda edges: sum(float(each.values.sum()) for each in edges),
        "core": core,
        "network": network,
        "data": data,
        "picture": picture,
        "preprocessing": network.preprocessing,
        "image": image,
        "target": target,
        "pathway": rank(METHODS["NeuronMCT"](network, image, target)).pathway(0.9),
        "attribution": attribution,
        "position": 3,
        "channels": [[0, 2] for _ in network.sites],
    }


@pytest.mark.parametrize("module", CHECKS)
def test_the_usage_runs_and_gives_what_it_says(module, given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {**vars(core), **vars(importlib.import_module(module)), **given}
    if module == "core.network":
        names["model"], names["image"] = SmallVGG(10, side=32).eval(), torch.rand(1, 3, 32, 32)
    if module == "core.studies":
        names["load_network"] = load_network
    code = usage(module)
    exec(code, names)
    assert [check for check in CHECKS[module] if not eval(check, names)] == []
