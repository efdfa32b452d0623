"""Charts: what is drawn is what the numbers were."""

from __future__ import annotations

from explorer import charts


def test_the_strip_shows_percentages_site_by_site():
    shares = {"NeuronMCT": [0.5, 0.0, 0.25], "Random": [0.1, 0.2, 1.0]}
    strip = charts.layer_strip(shares, ["#0072B2", "#7A7A7A"], ["a", "b", "c"], at=2)
    assert [bar.name for bar in strip.data] == ["NeuronMCT", "Random"]
    assert [list(bar.y) for bar in strip.data] == [[50, 0, 25], [10, 20, 100]]
    assert [list(bar.x) for bar in strip.data] == [[0, 1, 2]] * 2
    assert [bar.marker.color for bar in strip.data] == ["#0072B2", "#7A7A7A"]
    assert list(strip.data[0].customdata) == ["a", "b", "c"]
    assert strip.data[0].marker.pattern.shape != strip.data[1].marker.pattern.shape  # not by colour alone
    (frame,) = strip.layout.shapes
    assert (frame.x0, frame.x1) == (1.5, 2.5)
