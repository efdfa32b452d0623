"""The view and its way to and from the address bar: nothing lost, nothing believed that is wrong, never an error."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.images import Crop
from core.methods import METHODS
from explorer.view import SPARSITIES, View, beside, nearest_sparsity

FAMILIES = {name: method.family for name, method in METHODS.items()}
MAIN = [name for name, family in FAMILIES.items() if family != "baseline"]
OPTIONS = [(method, option) for method in METHODS.values() for option in method.options]

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=30).filter(lambda n: n.strip("_-"))
shares = st.floats(0, 1)
indices = st.integers(0, 10**9 - 1)


@st.composite
def views(draw: st.DrawFn) -> View:
    first = draw(st.sampled_from(MAIN))
    view = View(
        network=draw(names),
        image=draw(names),
        x=draw(shares),
        y=draw(shares),
        zoom=draw(st.floats(1, 8)),
        target=draw(st.none() | indices),
        first=first,
        second=draw(st.sampled_from(beside(first))),
        sparsity=draw(st.sampled_from(SPARSITIES)),
        off=draw(st.sampled_from(["zero", "frozen"])),
        scale=draw(st.sampled_from(["shared", "panel"])),
        style=draw(st.sampled_from(["magnitude", "signed"])),
        opacity=draw(st.integers(0, 100)),
        site=draw(indices),
        only_site=draw(st.booleans()),
        neuron=draw(st.none() | st.tuples(indices, indices)),
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
        network="resnet18", image="coffee", x=0.25, y=0.75, zoom=2.0, target=7, first="GreedyPruning",
        second="NeuronMCT", options=(("GreedyPruning.steps", 20),), sparsity=0.5, off="frozen", scale="panel",
        style="signed", opacity=40, site=3, only_site=True, neuron=(3, 70),
    )  # fmt: skip
    assert all(getattr(other, field.name) != getattr(View(), field.name) for field in fields(View))
    assert other.params() == {
        "network": "resnet18", "image": "coffee", "x": "0.25", "y": "0.75", "zoom": "2.0", "target": "7",
        "first": "GreedyPruning", "second": "NeuronMCT", "GreedyPruning.steps": "20", "sparsity": "0.5",
        "off": "frozen", "scale": "panel", "style": "signed", "opacity": "40", "site": "3", "only_site": "True",
        "neuron": "3-70",
    }  # fmt: skip


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
        ("network", ""), ("network", "../../etc"), ("network", "a" * 65), ("network", "<script>"),
        ("image", "a b"), ("image", "--"),
        ("x", "nan"), ("x", "-0.1"), ("x", "1.1"), ("x", "1e999"), ("x", "left"), ("y", ""), ("y", "inf"),
        ("zoom", "0.5"), ("zoom", "9"), ("zoom", "nan"),
        ("target", "-1"), ("target", "cat"), ("target", "1.5"), ("target", "²"), ("target", "1" * 5000),
        ("first", "Random"), ("first", "neuronmct"), ("first", ""), ("second", "Best"), ("second", ""),
        ("sparsity", "-0.01"), ("sparsity", "1.01"), ("sparsity", "ninety"), ("sparsity", "nan"),
        ("off", "on"), ("off", "Zero"), ("scale", "both"), ("style", "jet"),
        ("opacity", "101"), ("opacity", "-1"), ("opacity", "nan"),
        ("site", "-1"), ("site", "x"), ("only_site", "yes"), ("only_site", "1"),
        ("neuron", "3"), ("neuron", "3-4-5"), ("neuron", "-3-4"), ("neuron", "a-b"), ("neuron", ""),
        ("NeuronIntGrad.n_steps", "0"), ("NeuronIntGrad.n_steps", "201"), ("NeuronIntGrad.n_steps", "eleven"),
        ("NeuronIntGrad.steps", "11"), ("NeuronMCT.n_steps", "11"), ("Best.steps", "3"), (".", "1"), ("a.b.c", "1"),
        ("Random.self", "1"), ("Random.", "1"), ("Random.seed", "1" * 5000),
        ("options", "GreedyPruning.steps"), ("crop", "1"), ("family", "pruning"), ("", ""), ("params", "1"),
    ],
)  # fmt: skip
def test_a_broken_parameter_is_left_at_its_default_and_named(name: str, text: str):
    view, notes = View.from_params({name: text})
    assert view == View()
    assert notes == [f"{name}={text}"[:80]]


def test_a_broken_parameter_does_not_take_the_others_along():
    view, notes = View.from_params({"sparsity": "lots", "site": "3", "off": "never", "style": "signed"})
    assert view == View(site=3, style="signed")
    assert notes == ["sparsity=lots", "off=never"]


PARAMETERS = [*(f.name for f in fields(View)), *(f"{m.name}.{o.name}" for m, o in OPTIONS)]


@given(
    st.dictionaries(st.sampled_from(PARAMETERS) | st.text(), st.text() | st.floats().map(str) | st.integers().map(str))
)
@example({"Random.checked": "1", "NeuronMCT.self": "1", "GreedyPruning.__init__": "2"})
def test_no_link_is_an_error_and_every_view_from_one_is_sound(params: dict[str, str]):
    view, notes = View.from_params(params)
    assert FAMILIES[view.first] != "baseline"
    assert FAMILIES[view.first] != FAMILIES[view.second]
    assert view.sparsity in SPARSITIES
    assert 0 <= view.opacity <= 100
    assert isinstance(view.crop, Crop)
    for method in METHODS:
        view.chosen_options(method)
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


# ------------------------------------------------------------------------------------------------------------ options


def test_options_are_kept_for_each_method_and_dropped_at_their_default():
    view = View().with_option("NeuronIntGrad", "n_steps", 5).with_option("GreedyPruning", "steps", 50)
    assert view.options == (("GreedyPruning.steps", 50), ("NeuronIntGrad.n_steps", 5))
    assert view.chosen_options("NeuronIntGrad") == {"n_steps": 5, "as_released": 0}
    assert view.chosen_options("GreedyPruning") == {"steps": 50, "as_released": 0}
    assert view.chosen_options("NeuronMCT") == {}
    assert view.with_option("NeuronIntGrad", "n_steps", 11).options == (("GreedyPruning.steps", 50),)
    assert View().chosen_options("NeuronIntGrad") == {"n_steps": 11, "as_released": 0}


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
