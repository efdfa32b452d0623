"""A small class of ``tests.load`` on a small network: no session gets a wrong picture or an error."""

from __future__ import annotations

import pytest

from tests import load
from tests.load import Seen, Server, check_alone, hold_class
from tests.serving import serving, serving_process

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(600)]


LINK = "network=fashion_vgg&image=fashion-mnist%3A123"


def test_what_three_people_see_at_once_is_what_each_would_see_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "THINK", (0.0, 0.2))
    seen = Seen()
    with serving_process() as served:
        hold_class(served.address, visitors=3, moves=2, seen=seen, opening=LINK)
        assert "Traceback" not in served.said()
        assert Server(served.process.pid).peak > 2e8
    assert seen.problems == []
    assert len(seen.waits["move"]) == 6
    uploaded = {own for _, own in seen.pictures if own is not None}
    assert uploaded == {0}
    query, own = next(key for key in seen.pictures if key[1] is None)
    ((name, digest), *rest) = next(iter(seen.pictures[query, own]))
    wrong = Seen(pictures={(query, own): {((name, digest[::-1]), *rest)}})
    with serving() as address:
        check_alone(address, seen, LINK)
        check_alone(address, wrong, LINK)
    assert seen.problems == []
    (problem,) = wrong.problems
    assert name in problem
