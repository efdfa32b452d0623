"""What stands under a picture: the likeliest classes, where they are few or alike."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from explorer.ui.captions import likeliest


def scene(classes: str, target: int = 0) -> Any:
    return SimpleNamespace(network=SimpleNamespace(class_names=tuple(classes)), target=target)


@pytest.mark.parametrize(
    ("probabilities", "names", "rest"),
    [
        ([0.1, 0.6, 0.3], "bca", ""),  # fewer classes than are listed
        ([0.05, 0.3, 0.2, 0.25, 0.2], "bdcea", ""),  # just as many
        ([0.02, 0.3, 0.2, 0.25, 0.19, 0.04], "bdcef", ""),
        ([0.1, 0.3, 0.2, 0.2, 0.1, 0.1], "bcd", "3 classes alike, 10.0 % each"),
        ([0.125] * 8, "", "8 classes alike, 12.5 % each"),
        ([0.2] * 5, "abcde", ""),
    ],
)
def test_the_likeliest_classes(probabilities, names, rest):
    shown, words = likeliest(scene("abcdefgh"[: len(probabilities)]), probabilities, 5)
    assert ("".join(name for name, _, _ in shown), words) == (names, rest)
    assert [share for _, share, _ in shown] == sorted((share for _, share, _ in shown), reverse=True)


def test_the_target_is_named():
    shown, _ = likeliest(scene("abc", target=2), [0.2, 0.5, 0.3], 2)
    assert shown == [("b", 0.5, False), ("c", 0.3, True)]
    assert likeliest(scene("abc", target=0), [0.2, 0.5, 0.3], 2)[0] == [("b", 0.5, False), ("c", 0.3, False)]
