"""Networks are loaded once; photos have their facts."""

from __future__ import annotations

import pytest

from core.data.samples import sample_images
from explorer.compute import catalogue

pytestmark = pytest.mark.usefixtures("nothing_made")


def test_networks_are_loaded_once_and_labelled():
    assert catalogue.network("squeezenet1_1") is catalogue.network("squeezenet1_1")
    labels = catalogue.network_labels()
    assert labels["squeezenet1_1"] == "squeezenet1_1 · embedded"
    assert labels["alexnet"] == "alexnet · 233 MB"
    assert "vit_b_16" not in labels


def test_facts_of_photos():
    facts = catalogue.sample_facts("chelsea")
    assert facts is sample_images()["chelsea"]
    assert catalogue.sample_facts("upload-0123") is None
