"""The view and its way to and from the address bar: nothing lost, nothing believed that is wrong, never an error."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.data.preprocessing import Crop
from core.methods import METHODS
from core.models.zoo import load_network
from core.strategy import STRATEGIES, Strategy
from explorer.state.choices import ATTRIBUTIONS, REGULARISERS, SPARSITIES, nearest_sparsity
from explorer.state.knockout import Part
from explorer.state.sections import beside
from explorer.state.url import Within, limits, readers
from explorer.state.view import View
from tests.core.test_strategy import strategies

FAMILIES = {name: method.family for name, method in METHODS.items()}
MAIN = [name for name, family in FAMILIES.items() if family != "baseline"]
OPTIONS = [(method, option) for method in METHODS.values() for option in method.options]

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=30).filter(lambda n: n.strip("_-"))
shares = st.floats(0, 1)
indices = st.integers(0, 10**9 - 1)
titles = st.text("abcdefgh XYZ0123456789_-./:()=", min_size=1, max_size=30).filter(str.strip)


@st.composite
def pairs(draw: st.DrawFn, columns: int) -> tuple[int, int]:
    first, second = draw(st.permutations(range(columns)))[:2]
    return first, second


@st.composite
def boxes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    (left, right), (top, bottom) = (
        sorted(draw(st.lists(st.integers(0, 100), min_size=2, max_size=2, unique=True))) for _ in range(2)
    )
    return left, top, right, bottom


@st.composite
def views(draw: st.DrawFn) -> View:
    first = draw(st.sampled_from(MAIN))
    columns = draw(st.lists(strategies(), min_size=2, max_size=6).map(tuple))
    view = View(
        network=draw(names),
        image=draw(names),
        x=draw(shares),
        y=draw(shares),
        zoom=draw(st.floats(1, 8)),
        target=draw(st.none() | indices),
        first=first,
        second=draw(st.sampled_from(beside(first))),
        columns=columns,
        pair=draw(pairs(len(columns))),
        sparsity=draw(st.sampled_from(SPARSITIES)),
        scrub=draw(st.booleans()),
        off=draw(st.sampled_from(["zero", "frozen"])),
        scale=draw(st.sampled_from(["shared", "panel"])),
        style=draw(st.sampled_from(["magnitude", "signed"])),
        opacity=draw(st.integers(0, 100)),
        site=draw(indices),
        only_site=draw(st.booleans()),
        neuron=draw(st.none() | st.tuples(indices, indices)),
        whole=draw(st.booleans()),
        attributions=tuple(draw(st.lists(st.sampled_from(ATTRIBUTIONS), min_size=1, max_size=8, unique=True))),
        order=draw(st.sampled_from(["lerf", "morf", "insertion", "deletion"])),
        replacement=draw(st.sampled_from(["mean", "black", "blur"])),
        near=draw(st.booleans()),
        cascade=draw(st.booleans()),
        cam_site=draw(st.none() | st.integers(0, 99)),
        box=draw(st.none() | boxes()),
        parts=tuple(
            draw(
                st.lists(
                    st.builds(Part, st.integers(0, 999), st.integers(0, 99_999), st.booleans()), max_size=5, unique=True
                )
            )
        ),
        only=draw(st.booleans()),
        painted=tuple(draw(st.lists(st.sampled_from(STRATEGIES), min_size=1, unique=True))),
        painted_at=draw(st.sampled_from(SPARSITIES)),
        start=draw(st.sampled_from(["noise", "grey"])),
        regularisers=tuple(draw(st.lists(st.sampled_from(REGULARISERS), unique=True))),
        paint_steps=draw(st.integers(1, 1024)),
        paint_seed=draw(st.integers(0, 9999)),
        ray=draw(st.sampled_from(["gradient", "random", "coffee", "acanthus-mollis"])),
        ray_of=draw(st.integers(0, 5)),
        runs=tuple(draw(st.lists(titles, max_size=6, unique=True))),
        studied_at=draw(st.none() | shares),
        label=draw(st.just("") | titles),
        closer=draw(titles),
        spread=draw(names),
        compared=draw(names),
        lesson=draw(st.sampled_from(["", "pathway", "no-such"])),
        step=draw(st.integers(0, 99)),
        present=draw(st.booleans()),
    )
    for method, option in OPTIONS:
        view = view.with_option(method.name, option.name, draw(st.integers(option.low, option.high)))
    return view


# --------------------------------------------------------------------------------------------------------- round trip


@given(views())
def test_a_view_comes_back_from_its_parameters(view: View):
    params = view.params()
    assert View.from_params(params) == (view, [])
    assert all(isinstance(text, str) for text in params.values())


def test_every_field_of_a_view_is_in_its_parameters():
    other = View(
        network="resnet18",
        image="coffee",
        x=0.25,
        y=0.75,
        zoom=2.0,
        target=7,
        first="GreedyPruning",
        second="NeuronMCT",
        options=(("GreedyPruning.steps", 20),),
        columns=(Strategy("Original"), Strategy.of("DGR(init=r)", seed=3, per_channel=1), Strategy("Random")),
        pair=(2, 1),
        sparsity=0.5,
        scrub=True,
        off="frozen",
        scale="shared",
        style="signed",
        opacity=40,
        site=3,
        only_site=True,
        neuron=(3, 70),
        whole=True,
        attributions=("Grad-CAM", "Random"),
        order="morf",
        replacement="blur",
        near=False,
        cascade=False,
        cam_site=7,
        box=(10, 20, 100, 70),
        parts=(Part(9, 4, whole=True), Part(3, 70, whole=False)),
        only=True,
        painted=("Random", "Original"),
        painted_at=0.9,
        start="grey",
        regularisers=(),
        paint_steps=7,
        paint_seed=3,
        ray="coffee",
        ray_of=2,
        runs=("photos", "my run.2"),
        studied_at=0.995,
        label="T-shirt/top",
        closer="NeuronIntGrad (n_steps=5)",
        spread="dead_share",
        compared="energy_inside",
        lesson="dead-neurons",
        step=2,
        present=True,
    )
    assert all(getattr(other, field.name) != getattr(View(), field.name) for field in fields(View))
    assert other.params() == {
        "network": "resnet18",
        "image": "coffee",
        "x": "0.25",
        "y": "0.75",
        "zoom": "2.0",
        "target": "7",
        "first": "GreedyPruning",
        "second": "NeuronMCT",
        "GreedyPruning.steps": "20",
        "columns": "Original~DGR(init=r):per_channel=1,seed=3~Random",
        "pair": "2-1",
        "sparsity": "0.5",
        "scrub": "True",
        "off": "frozen",
        "scale": "shared",
        "style": "signed",
        "opacity": "40",
        "site": "3",
        "only_site": "True",
        "neuron": "3-70",
        "whole": "True",
        "parts": "9c4~3n70",
        "only": "True",
        "attributions": "Grad-CAM~Random",
        "order": "morf",
        "replacement": "blur",
        "near": "False",
        "cascade": "False",
        "cam_site": "7",
        "box": "10-20-100-70",
        "painted": "Random~Original",
        "painted_at": "0.9",
        "start": "grey",
        "regularisers": "",
        "paint_steps": "7",
        "paint_seed": "3",
        "ray": "coffee",
        "ray_of": "2",
        "runs": "photos~my run.2",
        "studied_at": "0.995",
        "label": "T-shirt/top",
        "closer": "NeuronIntGrad (n_steps=5)",
        "spread": "dead_share",
        "compared": "energy_inside",
        "lesson": "dead-neurons",
        "step": "2",
        "present": "True",
    }


def test_the_default_view_has_a_clean_address():
    assert View().params() == {}
    assert View.from_params({}) == (View(), [])


@given(views(), st.sampled_from([field.name for field in fields(View) if field.name != "options"]))
def test_only_what_differs_is_written(view: View, name: str):
    assert (name in view.params()) == (getattr(view, name) != getattr(View(), name))


# ------------------------------------------------------------------------------------------------------- broken links


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("network", ""),
        ("network", "../../etc"),
        ("network", "a" * 65),
        ("network", "<script>"),
        ("image", "a b"),
        ("image", "--"),
        ("x", "nan"),
        ("x", "-0.1"),
        ("x", "1.1"),
        ("x", "1e999"),
        ("x", "left"),
        ("y", ""),
        ("y", "inf"),
        ("zoom", "0.5"),
        ("zoom", "9"),
        ("zoom", "nan"),
        ("target", "-1"),
        ("target", "cat"),
        ("target", "1.5"),
        ("target", "²"),
        ("target", "1" * 5000),
        ("first", "Random"),
        ("first", "neuronmct"),
        ("first", ""),
        ("second", "Best"),
        ("second", ""),
        ("sparsity", "-0.01"),
        ("sparsity", "1.01"),
        ("sparsity", "ninety"),
        ("sparsity", "nan"),
        ("off", "on"),
        ("off", "Zero"),
        ("scale", "both"),
        ("style", "jet"),
        ("attributions", ""),
        ("attributions", "Gradient~Best"),
        ("attributions", "~".join(ATTRIBUTIONS[:9])),
        ("attributions", "Gradient,Random"),
        ("order", "first"),
        ("replacement", "white"),
        ("near", "1"),
        ("cascade", "no"),
        ("box", "1-2-3"),
        ("box", "50-0-50-10"),
        ("box", "0-0-101-10"),
        ("box", "0-9-10-8"),
        ("box", "a-b-c-d"),
        ("painted", ""),
        ("painted", "Best"),
        ("painted_at", "2"),
        ("start", "white"),
        ("regularisers", "fourier"),
        ("paint_steps", "0"),
        ("paint_steps", "1025"),
        ("paint_seed", "10000"),
        ("ray", "a b"),
        ("ray_of", "6"),
        ("runs", ""),
        ("runs", "a~~b"),
        ("runs", "~".join("abcdefg")),
        ("runs", "a\nb"),
        ("studied_at", "1.1"),
        ("studied_at", "nan"),
        ("label", ""),
        ("label", "a~b"),
        ("label", "a" * 81),
        ("closer", " "),
        ("spread", "a b"),
        ("lesson", "a b"),
        ("step", "-1"),
        ("present", "1"),
        ("opacity", "101"),
        ("opacity", "-1"),
        ("opacity", "nan"),
        ("site", "-1"),
        ("site", "x"),
        ("only_site", "yes"),
        ("only_site", "1"),
        ("neuron", "3"),
        ("neuron", "3-4-5"),
        ("neuron", "-3-4"),
        ("neuron", "a-b"),
        ("neuron", ""),
        ("NeuronIntGrad.n_steps", "0"),
        ("NeuronIntGrad.n_steps", "201"),
        ("NeuronIntGrad.n_steps", "eleven"),
        ("NeuronIntGrad.steps", "11"),
        ("NeuronMCT.n_steps", "11"),
        ("Best.steps", "3"),
        (".", "1"),
        ("a.b.c", "1"),
        ("Random.self", "1"),
        ("Random.", "1"),
        ("Random.seed", "1" * 5000),
        ("columns", ""),
        ("columns", "NeuronMCT"),
        ("columns", "~"),
        ("columns", "~".join(["Random"] * 7)),
        ("columns", "NeuronMCT~Best"),
        ("columns", "NeuronMCT~~Random"),
        ("columns", "NeuronMCT~Random~"),
        ("columns", "NeuronMCT-Random"),
        ("columns", "NeuronMCT,Random"),
        ("columns", "Original:seed=1~Random"),
        ("columns", "NeuronIntGrad:n_steps=0~Random"),
        ("columns", "NeuronIntGrad:n_steps=x~Random"),
        ("columns", "NeuronIntGrad:steps=11~Random"),
        ("columns", "NeuronMCT~Random:seed=10000"),
        ("columns", "2"),
        ("pair", ""),
        ("pair", "0"),
        ("pair", "0-0"),
        ("pair", "3-3"),
        ("pair", "0-6"),
        ("pair", "6-0"),
        ("pair", "0-1-2"),
        ("pair", "-1-0"),
        ("pair", "a-b"),
        ("pair", "0-1.0"),
        ("pair", "0-²"),
        ("pair", "0~1"),
        ("pair", "0-" + "1" * 5000),
        ("options", "GreedyPruning.steps"),
        ("crop", "1"),
        ("family", "pruning"),
        ("", ""),
        ("params", "1"),
    ],
)
def test_a_broken_parameter_is_left_at_its_default_and_named(name: str, text: str):
    view, notes = View.from_params({name: text})
    assert view == View()
    assert notes == [f"{name}={text}"[:80]]


def test_a_broken_parameter_does_not_take_the_others_along():
    view, notes = View.from_params({"sparsity": "lots", "site": "3", "off": "never", "style": "signed"})
    assert view == View(site=3, style="signed")
    assert notes == ["sparsity=lots", "off=never"]


@pytest.mark.parametrize("count", [1, 7])
def test_too_few_and_too_many_columns_are_named_and_the_default_ones_shown(count: int):
    text = "~".join(["Random:seed=12"] * count)
    assert View.from_params({"columns": text, "site": "3"}) == (View(site=3), [f"columns={text}"[:80]])


@pytest.mark.parametrize("count", [2, 6])
def test_as_few_and_as_many_columns_as_there_may_be(count: int):
    columns = tuple(Strategy.of("Random", seed=seed) for seed in range(count))
    view, notes = View.from_params({"columns": "~".join(map(str, columns)), "pair": f"{count - 1}-0"})
    assert (view, notes) == (View(columns=columns, pair=(count - 1, 0)), [])


@pytest.mark.parametrize("pair", ["0-4", "4-0", "3-5", "5-4"])
def test_a_pair_of_columns_that_are_not_there_is_the_first_two_and_named(pair: str):
    assert View.from_params({"pair": pair}) == (View(pair=(0, 1)), [f"pair={pair}"])


def test_the_default_pair_gives_way_to_the_first_two_where_its_columns_are_not_there():
    view, notes = View.from_params({"columns": "NeuronMCT~Original"})
    assert (view, notes) == (View(columns=(Strategy("NeuronMCT"), Strategy("Original")), pair=(0, 1)), [])


@pytest.mark.parametrize("turned", [False, True])
def test_a_pair_may_stand_before_its_columns_in_a_link(turned: bool):
    params = [("pair", "4-5"), ("columns", "~".join(STRATEGIES[:6]))]
    view, notes = View.from_params(dict(reversed(params) if turned else params))
    assert (view.pair, notes) == ((4, 5), [])


PARAMETERS = [*(f.name for f in fields(View)), *(f"{m.name}.{o.name}" for m, o in OPTIONS)]


@given(
    st.dictionaries(st.sampled_from(PARAMETERS) | st.text(), st.text() | st.floats().map(str) | st.integers().map(str))
)
@example({"Random.checked": "1", "NeuronMCT.self": "1", "GreedyPruning.__init__": "2"})
def test_no_link_is_an_error_and_every_view_from_one_is_sound(params: dict[str, str]):
    assert_sound(params)


pieces = st.sampled_from([*STRATEGIES, "Random:seed=3", "Random:seed=x", "Original:seed=1", "NeuronIntGrad:n_steps=5"])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "pair": st.tuples(st.integers(-1, 8), st.integers(0, 8)).map("{0[0]}-{0[1]}".format) | st.text("0123-"),
            "columns": st.lists(pieces, max_size=8).map("~".join),
        },
    )
)
def test_every_link_to_a_comparison_is_sound(params: dict[str, str]):
    assert_sound(params)


def assert_sound(params: dict[str, str]) -> None:
    view, notes = View.from_params(params)
    assert FAMILIES[view.first] != "baseline"
    assert FAMILIES[view.first] != FAMILIES[view.second]
    assert view.sparsity in SPARSITIES
    assert 0 <= view.opacity <= 100
    assert 2 <= len(view.columns) <= 6
    assert all(0 <= place < len(view.columns) for place in view.pair)
    assert view.pair[0] != view.pair[1]
    assert isinstance(view.crop, Crop)
    for method in METHODS:
        view.strategy(method)
    assert len(notes) <= len(params)
    assert View.from_params(view.params()) == (view, [])


# ---------------------------------------------------------------------------------------------------- toggle, methods


def test_the_toggle_swaps_the_two_methods():
    assert View().with_family("pruning") == View(first="GreedyPruning", second="NeuronMCT")
    assert View().with_family("pruning").with_family("contribution") == View()
    assert View().with_family("contribution") == View()


def test_the_toggle_beside_a_baseline_takes_the_familys_first_method():
    view = View(first="NeuronIntGrad", second="Random").with_family("pruning")
    assert (view.first, view.second) == ("GreedyPruning", "NeuronIntGrad")


def test_another_first_method_of_the_same_family_keeps_the_second():
    assert View(second="Random").with_first("NeuronIntGrad") == View(first="NeuronIntGrad", second="Random")


def test_a_second_method_of_the_first_ones_family_gives_way():
    assert View().with_first("GreedyPruning") == View(first="GreedyPruning", second="NeuronMCT")


@given(views(), st.sampled_from(MAIN), st.sampled_from(["contribution", "pruning"]))
def test_methods_side_by_side_are_of_two_families_and_nothing_else_moves(view: View, method: str, family):
    for other in (view.with_first(method), view.with_family(family)):
        assert FAMILIES[other.first] != FAMILIES[other.second]
        assert replace(other, first=view.first, second=view.second) == view
    assert view.with_first(method).first == method
    assert view.with_family(family).family == family


@pytest.mark.parametrize(("first", "second"), [(a, b) for a in MAIN for b in METHODS if FAMILIES[a] == FAMILIES[b]])
def test_a_link_with_two_methods_of_one_family_opens_with_the_first_one(first: str, second: str):
    view, notes = View.from_params({"first": first, "second": second})
    assert view.first == first
    assert FAMILIES[view.second] != FAMILIES[first]
    assert notes == []


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_another_family_may_stand_beside_one_baselines_last(method: str):
    others = beside(method)
    assert set(others) == {other for other in METHODS if FAMILIES[other] != FAMILIES[method]}
    assert [FAMILIES[other] == "baseline" for other in others] == sorted(
        FAMILIES[other] == "baseline" for other in others
    )
    assert beside("NeuronMCT")[0] == "GreedyPruning"
    assert beside("GreedyPruning")[0] == "NeuronMCT"


# ------------------------------------------------------------------------------------------------ columns and the pair

MCT, INTGRAD, GREEDY, RANDOM = map(Strategy, ("NeuronMCT", "NeuronIntGrad", "GreedyPruning", "Random"))


@given(views(), st.data())
def test_columns_and_pair_come_back_from_the_link(view: View, data: st.DataObject):
    columns = tuple(data.draw(st.lists(strategies(), min_size=2, max_size=6)))
    pair = data.draw(pairs(len(columns)))
    compared = replace(view, columns=columns, pair=pair)
    again, notes = View.from_params(compared.params())
    assert (again, again.columns, again.pair, notes) == (compared, columns, pair, [])


def test_columns_and_pair_in_a_link_as_people_see_them():
    view = View(columns=(RANDOM, Strategy.of("NeuronIntGrad", n_steps=30), MCT), pair=(2, 0))
    assert view.params() == {"columns": "Random~NeuronIntGrad:n_steps=30~NeuronMCT", "pair": "2-0"}
    assert View(pair=(2, 0)).params() == {"pair": "2-0"}
    assert View().columns == (MCT, INTGRAD, GREEDY, RANDOM)
    assert View().pair == (0, 2)


def test_another_strategy_in_a_place_leaves_the_others():
    dgr = Strategy.of("DGR(init=1)", iterations=20)
    assert View().with_column(0, dgr) == View(columns=(dgr, INTGRAD, GREEDY, RANDOM))
    assert View().with_column(2, dgr) == View(columns=(MCT, INTGRAD, dgr, RANDOM))
    assert View().with_column(3, MCT) == View(columns=(MCT, INTGRAD, GREEDY, MCT))
    assert View().with_column(2, dgr).with_column(2, GREEDY) == View()


def test_more_columns_are_those_not_there_yet_in_their_order_until_there_are_six():
    view = View()
    names = []
    for _ in range(4):
        view = view.with_more_columns()
        names.append([strategy.name for strategy in view.columns][4:])
    assert names == [["DGR(init=1)"], *[["DGR(init=1)", "DGR(init=r)"]] * 3]
    assert view == replace(View(), columns=view.columns)
    pair = View(columns=(Strategy("NeuronMCT"), Strategy.of("GreedyPruning", steps=20)), pair=(1, 0))
    assert pair.with_more_columns() == replace(pair, columns=(*pair.columns, INTGRAD))


@given(views())
def test_one_column_more_is_a_strategy_that_was_not_compared(view: View):
    more = view.with_more_columns()
    assert replace(more, columns=view.columns) == view
    if len(view.columns) == 6:
        assert more == view
    else:
        assert more.columns[:-1] == view.columns
        assert more.columns[-1].name not in {strategy.name for strategy in view.columns}
        assert more.columns[-1].options == ()


def test_one_column_less():
    assert View().without_column(1) == View(columns=(MCT, GREEDY, RANDOM), pair=(0, 1))
    assert View().without_column(3) == View(columns=(MCT, INTGRAD, GREEDY), pair=(0, 2))
    assert View(pair=(3, 1)).without_column(2) == View(columns=(MCT, INTGRAD, RANDOM), pair=(2, 1))
    first_gone = View().without_column(0)
    assert first_gone == View(columns=(INTGRAD, GREEDY, RANDOM), pair=first_gone.pair)
    assert sorted(first_gone.pair) == [0, 1]  # GreedyPruning, and the first other one
    two = View().without_column(1).without_column(1)
    assert two == View(columns=(MCT, RANDOM), pair=(0, 1))
    assert two.without_column(0) == two.without_column(1) == two


@given(views(), st.data())
def test_without_a_column_the_pair_keeps_to_its_own_strategies(view: View, data: st.DataObject):
    place = data.draw(st.integers(0, len(view.columns) - 1))
    less = view.without_column(place)
    if len(view.columns) == 2:
        assert less == view
        return
    assert replace(less, columns=view.columns, pair=view.pair) == view
    assert less.columns == view.columns[:place] + view.columns[place + 1 :]
    before, after = ([v.columns[i] for i in v.pair] for v in (view, less))
    assert less.pair[0] != less.pair[1]
    if place in view.pair:
        assert before[1 - view.pair.index(place)] in after
    else:
        assert after == before


def test_one_side_of_the_pair_moves_and_the_two_swap_where_they_meet():
    view = View()
    assert [view.with_pair(0, place).pair for place in range(4)] == [(0, 2), (1, 2), (2, 0), (3, 2)]
    assert [view.with_pair(1, place).pair for place in range(4)] == [(2, 0), (0, 1), (0, 2), (0, 3)]


@given(views(), st.integers(0, 1), st.data())
def test_a_pair_is_of_two_columns_whichever_side_moves(view: View, side: int, data: st.DataObject):
    place = data.draw(st.integers(0, len(view.columns) - 1))
    moved = view.with_pair(side, place)
    assert replace(moved, pair=view.pair) == view
    assert moved.pair[side] == place
    assert moved.pair[1 - side] == (view.pair[1 - side] if view.pair[1 - side] != place else view.pair[side])
    assert moved.pair[0] != moved.pair[1]


# ------------------------------------------------------------------------------------------------------------ options


def test_options_are_kept_for_each_method_and_dropped_at_their_default():
    view = View().with_option("NeuronIntGrad", "n_steps", 5).with_option("GreedyPruning", "steps", 50)
    assert view.options == (("GreedyPruning.steps", 50), ("NeuronIntGrad.n_steps", 5))
    assert view.strategy("NeuronIntGrad").chosen == {"n_steps": 5, "as_released": 0}
    assert view.strategy("GreedyPruning").chosen == {"steps": 50, "as_released": 0}
    assert view.strategy("NeuronMCT").chosen == {}
    assert view.with_option("NeuronIntGrad", "n_steps", 11).options == (("GreedyPruning.steps", 50),)
    assert View().strategy("NeuronIntGrad").chosen == {"n_steps": 11, "as_released": 0}


def test_the_order_of_setting_options_does_not_matter():
    one = View().with_option("Random", "seed", 5).with_option("GreedyPruning", "steps", 50)
    assert one == View().with_option("GreedyPruning", "steps", 50).with_option("Random", "seed", 5)


# ----------------------------------------------------------------------------------------------------------- sparsity


def test_the_sliders_stops():
    assert list(SPARSITIES) == sorted(set(SPARSITIES))
    assert (SPARSITIES[0], SPARSITIES[-1]) == (0.0, 0.99)
    assert View().sparsity in SPARSITIES
    assert {0.5, 0.7, 0.75, 0.9, 0.905, 0.95, 0.98, 0.981} < set(SPARSITIES)
    gaps = [high - low for low, high in pairwise(SPARSITIES)]
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(gaps))


@pytest.mark.parametrize(
    ("asked", "stop"), [("0.9", 0.9), ("0.9012", 0.9), ("0.904", 0.905), ("1", 0.99), ("0", 0.0), ("0.33", 0.35)]
)
def test_a_sparsity_between_two_stops_goes_to_the_nearest(asked: str, stop: float):
    assert View.from_params({"sparsity": asked}) == (View(sparsity=stop), [])
    assert nearest_sparsity(float(asked)) == stop


@pytest.mark.parametrize(
    ("name", "site", "shape"),
    [("squeezenet1_1", "features.9.squeeze_activation", (48, 13, 13)), ("fashion_vgg", "features.9", (32, 14, 14))],
)
def test_one_looks_first_into_a_site_that_reads_well(name, site, shape):
    network = load_network(name)
    chosen = network.sites[View().site_in(network)]
    assert (chosen.name, chosen.shape) == (site, shape)
    assert View(site=2).site_in(network) == 2
    assert View(site=999).site_in(network) == len(network.sites) - 1


def test_every_field_says_how_a_link_is_read():
    assert set(readers(View)) == {field.name for field in fields(View)} - {"options"}


def test_a_widget_and_a_link_have_the_same_limits():
    assert limits(View, "zoom") == Within(1.0, 8.0)
    assert limits(View, "image") is None
    view, notes = View.from_params({"zoom": "8", "opacity": "101", "paint_steps": "0"})
    assert (view.zoom, view.opacity, view.paint_steps) == (8.0, View().opacity, View().paint_steps)
    assert notes == ["opacity=101", "paint_steps=0"]
