"""The graph of flow as a figure, on numbers small enough to read."""

from __future__ import annotations

import re
from base64 import b64decode

import plotly.graph_objects as go
import pytest

from explorer.plots.flow_graph import Group, Kind, Link, Node, flow_graph, least_width, legend
from explorer.plots.palette import DARK, FAINT, LIGHT, MARK, Theme, contrast, rgb

KINDS = [Kind("first", "#0072B2", "circle"), Kind("others", "#CBD0D8", "hexagon2"), Kind("ends", "#222222", "star")]
GROUPS = [
    Group(-1, "image", 0, [Node("", "the image", 2)]),
    Group(0, "features.0.relu", 1, [Node("7", "channel 7", 0), Node("+3", "3 others", 1)]),
    Group(1, "features.1.left_relu", 2, [Node("5", "channel 5", 0)]),
    Group(2, "features.1.right_relu", 2, [Node("1234", "channel 1234", 0)]),
    Group(-2, "cat", 3, [Node("", "the logit", 2)]),
]
LINKS = [
    Link((-1, 0), (0, 0), 4.0, "image to 7"),
    Link((0, 0), (1, 0), 1.0, "7 to 5"),
    Link((0, 1), (2, 0), -1.0, "others to 1234"),
    Link((0, 0), (-2, 0), 0.25, "7 past the others to the logit"),
]


def drawn(**options: object) -> go.Figure:
    return flow_graph(GROUPS, LINKS, KINDS, **options)  # type: ignore[arg-type]


def nodes(figure: go.Figure) -> dict[tuple[int, int], tuple[float, float, str, str]]:
    found = {}
    for trace in figure.data:
        for place, x, y, text in zip(trace.customdata or (), trace.x, trace.y, trace.text or (), strict=False):
            found[tuple(place)] = (x, y, text, trace.name)
    return found


def lines(figure: go.Figure) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.mode == "lines" and trace.x[0] is not None]


def test_every_node_is_drawn_once_at_its_depth_with_its_kind():
    found = nodes(drawn())
    assert {place: (x, text, kind) for place, (x, _, text, kind) in found.items()} == {
        (-1, 0): (0, "", "ends"),
        (0, 0): (1, "7", "first"),
        (0, 1): (1, "+3", "others"),
        (1, 0): (2, "5", "first"),
        (2, 0): (2, "1234", "first"),
        (-2, 0): (3, "", "ends"),
    }
    assert found[0, 1][1] - found[0, 0][1] == 1  # below each other
    assert found[2, 0][1] - found[1, 0][1] > 3  # room for a name between sites of one depth
    middle = (found[1, 0][1] + found[2, 0][1]) / 2
    assert abs(found[0, 0][1] - middle) < 2.5


def test_symbols_differ_as_colours_do():
    shapes = {trace.name: (trace.marker.symbol, trace.marker.color) for trace in drawn().data if trace.customdata}
    assert shapes == {kind.name: (kind.symbol, kind.colour) for kind in KINDS}


def test_links_lead_from_node_to_node():
    figure = drawn()
    places = {place: (x, round(y, 3)) for place, (x, y, *_) in nodes(figure).items()}
    ends = set()
    for trace in lines(figure):
        points = [*zip(trace.x, trace.y, strict=True)]
        gaps = [i for i, (x, _) in enumerate(points) if x is None]
        starts = [0, *(i + 1 for i in gaps[:-1])]
        ends |= {(points[a], points[b - 1]) for a, b in zip(starts, gaps, strict=True)}
    assert ends == {(places[link.start], places[link.end]) for link in LINKS}


def test_width_grows_with_flow_and_a_negative_one_is_dashed():
    figure = drawn()
    found = {(trace.line.dash, trace.line.width) for trace in lines(figure)}
    assert {dash for dash, _ in found} == {"solid", "4px,3px"}
    widths = sorted(width for dash, width in found if dash == "solid")
    small, one, four = widths  # of 0.25, 1 and 4
    assert (four - 0.8) / (one - 0.8) == pytest.approx(4)
    assert small < one
    assert {width for dash, width in found if dash != "solid"} == {one}  # -1 is as wide as 1


def test_the_legend_has_the_symbols_of_the_nodes_and_the_dashes_of_the_links():
    shown = legend(KINDS, LIGHT)
    marks = [b64decode(mark).decode() for mark in re.findall(r"base64,([^\"]+)", shown)]
    assert len(marks) == 2 + len(KINDS)
    assert ["dasharray" in mark for mark in marks] == [False, True, False, False, False]
    for kind, mark in zip(KINDS, marks[2:], strict=True):
        assert f'fill="{kind.colour}"' in mark
        assert kind.name in shown
    assert shown != legend(KINDS, DARK)


def test_a_link_past_a_site_runs_below_all_nodes():
    figure = drawn()
    lowest = max(y for _, y, *_ in nodes(figure).values())
    below = [trace for trace in lines(figure) if max(y for y in trace.y if y is not None) > lowest + 0.5]
    assert [(trace.x[0], trace.x[-2]) for trace in below] == [(1, 3)]
    assert figure.layout.yaxis.range[0] > max(y for y in below[0].y if y is not None)


def test_hover_says_what_flows_and_what_nodes_are():
    words = [word for trace in drawn().data for word in trace.hovertext or ()]
    assert {link.words for link in LINKS} <= set(words)
    assert {node.words for group in GROUPS for node in group.nodes} <= set(words)


def test_the_selected_node_is_framed_and_its_links_come_last():
    figure = drawn(selected=(1, 0))
    ring = next(trace for trace in figure.data if trace.name == "selected")
    assert (ring.x[0], ring.y[0]) == nodes(figure)[1, 0][:2]
    assert ring.marker.color == MARK
    *others, own = lines(figure)
    assert own.opacity > 3 * max(trace.opacity for trace in others)
    assert own.x[0] == 1
    assert not [trace for trace in drawn().data if trace.name == "selected"]


def test_names_are_short_and_numbered():
    texts = [annotation.text for annotation in drawn().layout.annotations]
    assert texts == [
        "image",
        "<b>0</b><br>0.relu",
        "<b>1</b><br>1.left_<br>relu",
        "<b>2</b><br>1.right_<br>relu",
        "cat",
    ]


def test_what_most_names_end_in_is_left_out_unless_only_a_number_stays():
    names = ["features.1", "features.3.squeeze_activation", "features.3.expand_activation", "classifier.2"]
    groups = [Group(s, name, s, [Node("", "", 0)]) for s, name in enumerate([*names, "features.4.squeeze_activation"])]
    texts = [annotation.text for annotation in flow_graph(groups, [], KINDS).layout.annotations]
    assert [text.partition("</b><br>")[2] for text in texts] == [
        "features.<br>1",
        "3.squeeze",
        "3.expand",
        "classifier.<br>2",
        "4.squeeze",
    ]


def test_width_and_height_hold_every_node():
    assert least_width(GROUPS) == 100 + 3 * 47
    tall = [
        *GROUPS[:1],
        Group(0, "a", 1, [Node(str(n), "", 0) for n in range(40)]),
        Group(-2, "cat", 2, GROUPS[-1].nodes),
    ]
    figure = flow_graph(tall, [], KINDS)
    assert figure.layout.height > 40 * 20
    assert max(y for _, y, *_ in nodes(figure).values()) < figure.layout.yaxis.range[0]


@pytest.mark.parametrize("dark", [False, True])
def test_text_in_nodes_is_legible(dark):
    kinds = [Kind("pale", "#FFFFFF", "circle"), Kind("deep", "#222222", "square"), KINDS[2]]
    figure = flow_graph(GROUPS, LINKS, kinds, theme=Theme(dark))
    written = {trace.name: trace.textfont.color for trace in figure.data if trace.customdata}
    assert written["pale"] == "#000000"
    assert written["deep"] == "#FFFFFF"


@pytest.mark.parametrize("dark", [False, True])
def test_text_in_a_hollow_node_is_legible_on_the_page(dark):
    kinds = [Kind("hollow", FAINT, "circle-open"), *KINDS[1:]]
    written = {trace.name: trace.textfont.color for trace in flow_graph(GROUPS, LINKS, kinds, theme=Theme(dark)).data}
    assert contrast(written["hollow"], Theme(dark).page) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_links_stand_out_from_the_page_however_weak(dark):
    weak = [Link((0, 0), (1, 0), flow, "") for flow in (1.0, 1e-6, -1e-6)]
    lines = [trace for trace in flow_graph(GROUPS, weak, KINDS, theme=Theme(dark)).data if trace.mode == "lines"]
    assert len(lines) == 3
    for trace in lines:
        seen = (a + trace.opacity * (b - a) for a, b in zip(rgb(Theme(dark).page), rgb(trace.line.color), strict=True))
        assert contrast("#" + "".join(f"{round(c):02X}" for c in seen), Theme(dark).page) >= 3
