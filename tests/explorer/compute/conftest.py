"""The toy network and its scene, for tests that bring no other."""

from __future__ import annotations

import pytest

from core.data.preprocessing import Crop
from core.network import Network
from explorer.compute.scene import Scene, make_scene
from tests.explorer.compute.toys import PHOTO, toy


@pytest.fixture(scope="module")
def network() -> Network:
    return toy()


@pytest.fixture
def scene(network: Network) -> Scene:
    return make_scene(network, PHOTO, Crop(), None)
