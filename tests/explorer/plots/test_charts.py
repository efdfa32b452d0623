"""Charts: what is drawn is what the numbers were."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.plots.bars import bars_beside, bars_with_level, layer_strip, membership_bars
from explorer.plots.lines import Axis, Line, curves, site_lines, sparsity_lines
from explorer.plots.matrices import overlap_matrix
from explorer.plots.palette import LIGHT, MARK, Theme, contrast, rgb

BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#7A7A7A"
NAN = float("nan")
SITES = ["a", "b", "c"]


def test_the_strip_shows_percentages_site_by_site():
    shares = {"NeuronMCT": [0.5, 0.0, 0.25], "Random": [0.1, 0.2, 1.0]}
    strip = layer_strip(shares, [BLUE, GREY], SITES, at=2)
    assert [bar.name for bar in strip.data] == ["NeuronMCT", "Random"]
    assert [list(bar.y) for bar in strip.data] == [[50, 0, 25], [10, 20, 100]]
    assert [list(bar.x) for bar in strip.data] == [[0, 1, 2]] * 2
    assert [bar.marker.color for bar in strip.data] == [BLUE, GREY]
    assert list(strip.data[0].customdata) == SITES
    assert strip.data[0].marker.pattern.shape != strip.data[1].marker.pattern.shape  # not by colour alone
    (frame,) = strip.layout.shapes
    assert (frame.x0, frame.x1) == (1.5, 2.5)


# -------------------------------------------------------------------------------------------------------------- lines


def test_lines_over_depth():
    lines = [Line("NeuronMCT", BLUE, [0.5, NAN, 0.25]), Line("chance", GREY, [0.1, 0.2, 1.0], quiet=True)]
    figure = site_lines(lines, SITES, at=1, title="dead share")
    assert [trace.name for trace in figure.data] == ["NeuronMCT", "chance"]
    assert [list(trace.x) for trace in figure.data] == [[0, 1, 2]] * 2
    assert [list(trace.y) for trace in figure.data] == [[50, None, 25], [10, 20, 100]]
    assert [trace.line.color for trace in figure.data] == [BLUE, GREY]
    assert [trace.mode for trace in figure.data] == ["lines+markers", "lines"]
    assert [trace.line.dash for trace in figure.data] == ["solid", "dot"]
    assert [list(trace.customdata) for trace in figure.data] == [SITES] * 2
    assert not any(trace.connectgaps for trace in figure.data)
    assert figure.layout.yaxis.title.text == "dead share, %"
    (frame,) = figure.layout.shapes
    assert (frame.x0, frame.x1) == (0.5, 1.5)


def test_curves_over_shares_numbers_and_names():
    lines = [Line("a", BLUE, [0.5, NAN, 1.0], [0.0, 0.05, 0.1]), Line("b", GREY, [1.0, 2.0], [0.0, 0.1])]
    figure = curves(lines, Axis("pixels", percent=True, ends=(0, 0.1)), Axis("change", ends=(0, 2)))
    assert [list(trace.x) for trace in figure.data] == [[0, 5, 10], [0, 10]]
    assert [list(trace.y) for trace in figure.data] == [[0.5, None, 1.0], [1.0, 2.0]]
    assert list(figure.data[0].customdata) == ["pixels: 0 %", "pixels: 5 %", "pixels: 10 %"]
    assert tuple(figure.layout.xaxis.range) == (0, 10)
    assert tuple(figure.layout.yaxis.range) == (0, 2)
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("pixels, %", "change")

    figure = curves([Line("a", BLUE, [0.1, 0.2], [1, 1000])], Axis("n", logarithmic=True, ends=(1, 1e4)), Axis("r"))
    assert figure.layout.xaxis.type == "log"
    assert tuple(figure.layout.xaxis.range) == (0, 4)
    assert list(figure.data[0].customdata) == ["n: 1", "n: 1,000"]

    figure = curves([Line("a", BLUE, [0.1, 0.2], [0, 1])], Axis("", names=["first", "last"]), Axis("r"))
    assert list(figure.layout.xaxis.ticktext) == ["first", "last"]
    assert list(figure.data[0].customdata) == ["first", "last"]


def test_bars_with_a_level():
    figure = bars_with_level(["a", "b"], [0.25, NAN], [BLUE, GREY], 0.4, "inside")
    bars, level = figure.data
    assert list(bars.y) == [25, None]
    assert list(bars.text) == ["25.0 %", ""]
    assert list(bars.marker.color) == [BLUE, GREY]
    assert (list(level.y), level.name) == ([40, 40], "chance, 40.0 %")
    assert figure.layout.yaxis.title.text == "inside, %"


def test_lines_differ_by_their_markers():
    lines = [Line(str(k), BLUE, [0.1, 0.2, 0.3], quiet=k == 2) for k in range(7)]
    figure = site_lines(lines, SITES, at=0, title="kept")
    symbols = {trace.marker.symbol for trace in figure.data if "markers" in trace.mode}
    assert symbols == {(s,) * 3 for s in ("circle", "square", "diamond", "triangle-up", "x", "cross")}


def test_what_the_legend_leaves_out_is_drawn():
    lines = [Line("a", BLUE, [0.1]), Line("chance", BLUE, [0.2], quiet=True, in_legend=False)]
    figure = site_lines(lines, ["only"], at=0, title="kept")
    assert [trace.showlegend for trace in figure.data] == [True, False]
    assert list(figure.data[1].y) == [20]


def test_high_sparsities_have_room():
    sparsities = [0.0, 0.5, 0.9, 0.99]
    lines = [Line("NeuronMCT", BLUE, [0.1, NAN, 0.3, 0.4], sparsities)]
    figure = sparsity_lines(lines, at=0.9, title="dead share", percent=True)
    (trace,) = figure.data
    assert list(trace.x) == pytest.approx([0, 0.30103, 1, 2])
    assert list(trace.y) == [10, None, 30, 40]
    assert list(trace.customdata) == ["sparsity 0 %", "sparsity 50 %", "sparsity 90 %", "sparsity 99 %"]
    assert list(figure.layout.xaxis.ticktext) == ["0", "50", "70", "80", "90", "95", "98", "99"]
    assert list(figure.layout.xaxis.tickvals) == pytest.approx(
        [0, 0.30103, 0.52288, 0.69897, 1, 1.30103, 1.69897, 2], abs=1e-5
    )
    (mark,) = figure.layout.shapes
    assert (mark.x0, mark.x1) == pytest.approx((1, 1))
    assert mark.line.color == MARK
    assert [note.text for note in figure.layout.annotations] == ["90 %"]
    assert figure.layout.yaxis.title.text == "dead share, %"


def test_the_axis_reaches_as_far_as_the_points_and_the_mark():
    reach = [
        sparsity_lines([Line("a", BLUE, [1.0], [s])], at, "p ratio", percent=False).layout.xaxis.range[1]
        for s, at in [(0.5, 0.7), (0.999, 0.7), (0.5, 0.9999), (1.0, 0.5)]
    ]
    assert reach == pytest.approx([2.06, 3.06, 4.06, 9.06])


def test_points_that_lost_the_prediction_are_hollow():
    lines = [
        Line("NeuronMCT", BLUE, [1.0, 0.5, 0.1], [0.5, 0.9, 0.95], ["kept", "near chance", "lost"]),
        Line("Random", GREY, [0.2, 0.1], [0.5, 0.9], ["lost", "kept"]),
        Line("DGR(init=1)", ORANGE, [0.2, 0.1], [0.5, 0.9]),
    ]
    figure = sparsity_lines(lines, at=0.5, title="p ratio", percent=False, level=1.0, chance=0.2)
    drawn = [trace for trace in figure.data if len(trace.x) > 1]
    assert [list(trace.y) for trace in drawn] == [[1.0, 0.5, 0.1], [0.2, 0.1], [0.2, 0.1]]
    assert [trace.marker.symbol for trace in drawn] == [
        ("circle", "circle-open-dot", "circle-open"),
        ("square-open", "square"),
        ("diamond", "diamond"),
    ]
    assert drawn[0].customdata[1] == "sparsity 90 % · prediction first, but near chance"
    assert drawn[1].customdata == ("sparsity 50 % · prediction not kept", "sparsity 90 %")
    legend = {trace.name: trace.marker.symbol for trace in figure.data if trace.showlegend is not False}
    assert legend == {
        "NeuronMCT": ("circle", "circle-open-dot", "circle-open"),
        "Random": "square",
        "DGR(init=1)": ("diamond", "diamond"),
        "prediction first, but near chance": "circle-open-dot",
        "prediction not kept": "circle-open",
    }  # a legend shows a trace's first symbol
    assert [(shape.y0, shape.y1) for shape in figure.layout.shapes if shape.y0 == shape.y1] == [(1, 1), (0.2, 0.2)]
    assert [shape.line.dash for shape in figure.layout.shapes if shape.y0 == shape.y1] == [None, "dash"]


def test_where_all_are_kept_nothing_says_otherwise():
    figure = sparsity_lines([Line("a", BLUE, [1.0], [0.5], ["kept"])], 0.5, "p ratio", percent=False)
    assert [trace.name for trace in figure.data] == ["a"]


@pytest.mark.parametrize(
    ("values", "percent", "kind", "drawn"),
    [
        ([0.0, 20.0, NAN], False, None, [0.0, 20.0, None]),
        ([0.0, 20.5, NAN], False, "log", [None, 20.5, None]),
        ([0.5, float("inf"), 1.0], False, None, [0.5, float("inf"), 1.0]),
        ([0.0, 0.5, NAN], True, None, [0, 50, None]),
        ([NAN, NAN, NAN], False, None, [None, None, None]),
    ],
)
def test_large_ratios_have_a_logarithmic_axis(values, percent, kind, drawn):
    figure = sparsity_lines([Line("a", BLUE, values, [0, 0.5, 0.9])], 0.5, "p ratio", percent)
    assert figure.layout.yaxis.type == kind
    assert list(figure.data[0].y) == drawn


def test_a_long_line_has_small_markers():
    few, many = (Line("a", BLUE, [0.5] * n, [k / n for k in range(n)]) for n in (40, 41))
    figure = sparsity_lines([few, many], 0.5, "dead share", percent=True)
    assert [set(trace.marker.size) for trace in figure.data] == [{8}, {4}]


@pytest.mark.parametrize("wrong", [{"x": [0.5]}, {"fates": ["kept", "lost", "kept"]}])
def test_a_line_has_as_many_of_each(wrong):
    with pytest.raises(ValueError, match="a has 2 points, but"):
        Line("a", BLUE, [0.1, 0.2], **wrong)


# ----------------------------------------------------------------------------------------------------- matrix and bars


def test_the_matrix_is_the_triangle_below_the_diagonal():
    overlaps = np.array([[1.0, 0.9, 0.9], [0.341, 1.0, 0.9], [0.0, 0.9996, 1.0]])
    chances = np.array([[1.0, 0.9, 0.9], [0.053, 1.0, 0.9], [0.0004, 0.1, 1.0]])
    figure = overlap_matrix(["NeuronMCT", "NeuronMCT", "Random"], overlaps, chances, LIGHT)
    (heatmap,) = figure.data
    np.testing.assert_array_equal(heatmap.z, [[0.341, np.nan], [0.0, 0.9996]])
    assert (heatmap.zmin, heatmap.zmax) == (0, 1)
    assert heatmap.hovertext[0][0] == "NeuronMCT and NeuronMCT:<br>overlap 34.1 %, 5.3 % by chance"
    assert heatmap.hovertext[1][0] == "Random and NeuronMCT:<br>overlap 0.0 %, < 0.1 % by chance"
    assert list(figure.layout.xaxis.ticktext) == ["NeuronMCT", "NeuronMCT"]
    assert list(figure.layout.yaxis.ticktext) == ["NeuronMCT", "Random"]
    assert figure.layout.yaxis.autorange == "reversed"
    texts = {(note.x, note.y): note.text for note in figure.layout.annotations}
    assert set(texts) == {(0, 0), (0, 1), (1, 1)}
    assert "34.1 %" in texts[0, 0]
    assert "chance 5.3 %" in texts[0, 0]
    assert "> 99.9 %" in texts[1, 1]


def test_what_cannot_be_compared_is_a_gap():
    overlaps = np.array([[1.0, NAN], [NAN, 1.0]])
    figure = overlap_matrix(["a", "b"], overlaps, overlaps, LIGHT)
    assert np.isnan(figure.data[0].z).all()
    assert [note.text for note in figure.layout.annotations] == ["–"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("share", np.linspace(0, 1, 21))
def test_every_cell_can_be_read(share, dark):
    overlaps = np.array([[1.0, 0.0], [share, 1.0]])
    figure = overlap_matrix(["a", "b"], overlaps, overlaps, Theme(dark))
    stops = np.array([rgb(colour) for _, colour in figure.data[0].colorscale], float)
    cell = [np.interp(share, [0, 0.5, 1], stops[:, channel]) for channel in range(3)]
    assert contrast(f"rgb({cell[0]}, {cell[1]}, {cell[2]})", figure.layout.annotations[0].font.color) >= 4.5


@pytest.mark.parametrize("names", [[], ["alone"]])
def test_fewer_than_two_have_no_pairs(names):
    figure = overlap_matrix(names, np.ones((len(names),) * 2), np.ones((len(names),) * 2), LIGHT)
    assert not figure.layout.annotations


def test_long_names_take_up_to_three_lines():
    overlaps = np.full((2, 2), 0.5)
    long = "DGR(init=r) (gamma=0.05, iterations=30, start=3, and more of the same)"
    figure = overlap_matrix(["NeuronMCT", long], overlaps, overlaps, LIGHT)
    (text,) = figure.layout.yaxis.ticktext
    assert text.startswith("DGR(init=r)<br>(gamma=0.05,<br>")
    assert text.count("<br>") == 2
    assert text.endswith("…")
    assert long in figure.data[0].hovertext[0][0]


def test_membership_is_stacked():
    parts = {"NeuronMCT only": [0.5, 0.0, 0.1], "both": [0.25, 0.1, 0.0], "Random only": [0.0, 0.2, 0.9]}
    figure = membership_bars(parts, [BLUE, "#222222", GREY], SITES, at=0)
    assert figure.layout.barmode == "stack"
    assert [bar.name for bar in figure.data] == ["NeuronMCT only", "both", "Random only"]
    assert [list(bar.y) for bar in figure.data] == [[50, 0, 10], [25, 10, 0], [0, 20, 90]]
    assert [list(bar.x) for bar in figure.data] == [[0, 1, 2]] * 3
    assert [bar.marker.color for bar in figure.data] == [BLUE, "#222222", GREY]
    assert len({bar.marker.pattern.shape for bar in figure.data}) == 3
    (frame,) = figure.layout.shapes
    assert (frame.x0, frame.x1) == (-0.5, 0.5)


def test_bars_beside_carry_their_numbers():
    groups = {"paper": [0.0779, None, 0.0], "here": [0.095, 0.0002, NAN]}
    figure = bars_beside(["DGR(init=1)", "a", "a"], groups, [GREY, BLUE], "dead share")
    assert [bar.name for bar in figure.data] == ["paper", "here"]
    assert [list(bar.y) for bar in figure.data] == [[pytest.approx(7.79), None, 0], [9.5, pytest.approx(0.02), None]]
    assert [list(bar.text) for bar in figure.data] == [["7.8", "", "0.0"], ["9.5", "< 0.1", ""]]
    assert [list(bar.x) for bar in figure.data] == [[0, 1, 2]] * 2
    assert list(figure.layout.xaxis.ticktext) == ["DGR(init=1)", "a", "a"]
    assert figure.data[0].marker.pattern.shape != figure.data[1].marker.pattern.shape
    assert figure.layout.yaxis.title.text == "dead share, %"


FIGURES = {
    "layer_strip": lambda: layer_strip({"a": [0.1, 0.2, 0.3]}, [BLUE], SITES, 1),
    "site_lines": lambda: site_lines([Line("a", BLUE, [0.1, 0.2, 0.3])], SITES, 1, "kept"),
    "sparsity_lines": lambda: sparsity_lines([Line("a", BLUE, [0.1], [0.5])], 0.9, "p ratio", False, 1.0),
    "overlap_matrix": lambda: overlap_matrix(SITES, np.full((3, 3), 0.5), np.full((3, 3), 0.1), LIGHT),
    "membership_bars": lambda: membership_bars({"a only": [0.1, 0.2, 0.3]}, [BLUE], SITES, 1),
    "bars_beside": lambda: bars_beside(SITES, {"a": [0.1, 0.2, 0.3]}, [BLUE], "kept"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_theme_paints_and_nothing_moves_under_the_hand(name):
    layout = FIGURES[name]().layout
    assert (layout.paper_bgcolor, layout.plot_bgcolor, layout.font.color) == (None, None, None)
    assert layout.title.text is None
    assert layout.dragmode is False
    assert layout.xaxis.fixedrange
    assert layout.yaxis.fixedrange


@pytest.mark.parametrize("name", ["layer_strip", "site_lines", "membership_bars"])
def test_a_click_on_a_site_dims_nothing(name):
    figure = FIGURES[name]()
    assert figure.layout.clickmode == "event+select"
    assert [trace.unselected.marker.opacity for trace in figure.data] == [1]
