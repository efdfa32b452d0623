"""Links that people have saved still open the views they were saved for."""

from __future__ import annotations

import json
from dataclasses import fields
from urllib.parse import parse_qsl

import pytest

from explorer.state.view import View
from tests.saved_links import SAVED, links, shown

KEPT = json.loads(SAVED.read_text("utf-8"))
DEFAULT = KEPT.pop("default")


@pytest.mark.parametrize("name", KEPT)
def test_a_saved_link_opens_the_same_view(name):
    view, notes = View.from_params(dict(parse_qsl(KEPT[name]["link"], keep_blank_values=True)))
    assert notes == []
    assert shown(view) == DEFAULT | KEPT[name]["differs"]
    assert View.from_params(view.params()) == (view, [])


def test_every_field_option_lesson_and_preset_has_a_saved_link():
    """After ``python -m tests.saved_links``, which adds those that are new."""
    assert set(links()) <= set(KEPT)
    told = {field for saved in KEPT.values() for field in saved["differs"]}
    assert told == {field.name for field in fields(View)}
    assert shown(View()).keys() == DEFAULT.keys()
