"""A toy network, a photo of noise, and rankings of the two."""

from __future__ import annotations

from PIL import Image

from core.data.preprocessing import Preprocessing
from core.network import Network, trace
from core.strategy import Strategy
from explorer.compute import rankings
from explorer.compute.rankings import Scored
from explorer.compute.scene import Scene
from tests.networks import SHAPE, TOYS, seeded
from tests.waiting import finished

NAMES = ["cat", "dog", "boat", "fish"]
PHOTO = Image.effect_noise((12, 9), 90).convert("RGB")


def toy(kind: str = "Residual", *, names: list[str] = NAMES, weights_hash: str = "toy") -> Network:
    return trace(
        seeded(TOYS[kind]()),
        SHAPE,
        name=kind,
        preprocessing=Preprocessing(size=8, resize=9),
        class_names=names,
        weights_hash=weights_hash,
    )


def scored(scene: Scene, method: str, **options: int) -> Scored:
    """Look for it, or submit it until it is there, as a page does."""
    strategy = Strategy.of(method, **options)
    return rankings.ready_scores(scene, strategy) or finished(rankings.scores_task(scene, strategy)).result
