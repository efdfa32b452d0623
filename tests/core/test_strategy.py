"""Strategies and their way to and from a link: what is written comes back, what does not fit is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import PathwayError
from core.methods import METHODS
from core.strategy import STRATEGIES, Strategy


@st.composite
def strategies(draw: st.DrawFn) -> Strategy:
    name = draw(st.sampled_from(STRATEGIES))
    options = METHODS[name].options if name in METHODS else ()
    chosen = {o.name: draw(st.just(o.default) | st.integers(o.low, o.high)) for o in options if draw(st.booleans())}
    return Strategy.of(name, **chosen)


def test_all_there_are_in_the_order_in_which_people_meet_them():
    assert STRATEGIES == (
        "NeuronMCT",
        "NeuronIntGrad",
        "GreedyPruning",
        "DGR(init=1)",
        "DGR(init=r)",
        "Random",
        "Original",
        "ActiveSubnet",
    )


# ------------------------------------------------------------------------------------------------------------- a link


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        (Strategy.of("NeuronMCT"), "NeuronMCT"),
        (Strategy.of("Original"), "Original"),
        (Strategy.of("ActiveSubnet"), "ActiveSubnet"),
        (Strategy.of("Random", seed=0), "Random"),
        (Strategy.of("Random", seed=9999), "Random:seed=9999"),
        (Strategy.of("NeuronIntGrad", n_steps=30, as_released=0), "NeuronIntGrad:n_steps=30"),
        (Strategy.of("DGR(init=r)", seed=7, per_channel=1), "DGR(init=r):per_channel=1,seed=7"),
        (Strategy.of("DGR(init=1)", iterations=5000), "DGR(init=1):iterations=5000"),
    ],
)
def test_how_a_link_names_them(strategy: Strategy, text: str):
    assert str(strategy) == text
    assert Strategy.parse(text) == strategy


@given(strategies())
def test_a_strategy_comes_back_from_its_text(strategy: Strategy):
    again = Strategy.parse(str(strategy))
    assert again == strategy
    assert (hash(again), again.chosen) == (hash(strategy), strategy.chosen)


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_by_its_name_alone(name: str):
    assert Strategy.parse(name) == Strategy.of(name) == Strategy(name)
    assert str(Strategy(name)) == name


def test_the_order_of_options_and_defaults_that_are_spelt_out_do_not_matter():
    wanted = Strategy("NeuronIntGrad", (("as_released", 1), ("n_steps", 3)))
    assert Strategy.parse("NeuronIntGrad:n_steps=3,as_released=1") == wanted
    assert Strategy.parse("NeuronIntGrad:as_released=1,n_steps=3") == wanted
    assert Strategy.parse("NeuronIntGrad:n_steps=11,as_released=0") == Strategy("NeuronIntGrad")


@pytest.mark.parametrize(
    ("saved", "text"),
    [
        ("Random!seed=9999", "Random:seed=9999"),
        ("DGR(init=r)!per_channel=1!seed=7", "DGR(init=r):per_channel=1,seed=7"),
    ],
)
def test_links_saved_in_the_earlier_form_are_read(saved: str, text: str):
    assert str(Strategy.parse(saved)) == text


REFUSED = [
    "",
    "neuronmct",
    "NeuronMCT ",
    " Random",
    "NeuronMCT~Random",
    "Best",
    "Method",
    "!",
    "!seed=1",
    "Original!seed=1",
    "ActiveSubnet!n_steps=3",
    "Original!",
    "NeuronMCT!n_steps=11",
    "NeuronIntGrad:steps=11",
    "NeuronIntGrad:self=1",
    "NeuronIntGrad!=11",
    "NeuronIntGrad!n_steps",
    "NeuronIntGrad!",
    "NeuronIntGrad!!n_steps=11",
    "NeuronIntGrad!n_steps=11!",
    "NeuronIntGrad n_steps=11",
    "NeuronIntGrad:n_steps=0",
    "NeuronIntGrad:n_steps=201",
    "NeuronIntGrad!n_steps=-1",
    "NeuronIntGrad:as_released=2",
    "NeuronIntGrad!n_steps=eleven",
    "NeuronIntGrad!n_steps=11.0",
    "NeuronIntGrad!n_steps=nan",
    "NeuronIntGrad!n_steps=True",
    "NeuronIntGrad!n_steps=",
    "NeuronIntGrad!n_steps=1=2",
    "Original:seed=1",
    "NeuronMCT:n_steps=11",
    "NeuronIntGrad:",
    "NeuronIntGrad:n_steps=3,",
    "NeuronIntGrad:,n_steps=3",
    "NeuronIntGrad:n_steps",
    "NeuronIntGrad:n_steps=-1",
    "Random:seed=3!seed=4",
    "Random:seed=10000",
    "Random!seed=" + "1" * 5000,
]


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:40] or "empty")
def test_what_does_not_fit_is_refused(text: str):
    with pytest.raises(PathwayError):
        Strategy.parse(text)


@pytest.mark.parametrize("text", ["Random:seed=1,seed=2", "Random:seed=1,seed=1"])
def test_an_option_named_twice_is_refused(text: str):
    with pytest.raises(PathwayError):
        Strategy.parse(text)


@given(
    st.text() | st.lists(st.sampled_from([*STRATEGIES, "seed", "n_steps", "=", "!", "~", "1", "-1", "x"])).map("".join)
)
@example("Random:seed=1,seed=2")
def test_any_text_is_read_soundly_or_refused_and_nothing_else_is_raised(text: str):
    try:
        found = Strategy.parse(text)
    except PathwayError:
        return
    assert found.name in STRATEGIES
    assert Strategy.parse(str(found)) == found


def test_a_refusal_says_what_there_is():
    with pytest.raises(PathwayError, match=r"There is no strategy 'Best'; wanted one of NeuronMCT, .*ActiveSubnet"):
        Strategy.of("Best")
    with pytest.raises(PathwayError, match=r"Original has no options; got seed\."):
        Strategy.of("Original", seed=1)
    with pytest.raises(PathwayError, match="Random has no option 'cls'; it has seed"):
        Strategy.of("Random", cls=1)
    with pytest.raises(PathwayError, match="Got seed=True for Random, wanted a whole number from 0 to 9999"):
        Strategy.of("Random", seed=True)
    with pytest.raises(PathwayError, match=r"Got seed=1\.0 for Random"):
        Strategy.of("Random", seed=1.0)


# ------------------------------------------------------------------------------------------------------------ options


@given(strategies())
def test_an_option_set_and_set_back_gives_an_equal_strategy(strategy: Strategy):
    for option in strategy.method.options if strategy.method else ():
        before = strategy.chosen[option.name]
        other = option.high if before != option.high else option.low
        changed = strategy.with_option(option.name, other)
        assert changed != strategy
        assert changed.chosen == {**strategy.chosen, option.name: other}
        assert changed.with_option(option.name, before) == strategy
        at_default = changed.with_option(option.name, option.default)
        assert option.name not in dict(at_default.options)
        assert at_default.chosen[option.name] == option.default


def test_options_back_at_their_defaults_leave_none():
    strategy = Strategy("DGR(init=r)").with_option("seed", 3).with_option("iterations", 20)
    assert strategy.options == (("iterations", 20), ("seed", 3))
    assert strategy.chosen == {"iterations": 20, "per_channel": 0, "seed": 3}
    assert strategy.with_option("seed", 0).with_option("iterations", 0) == Strategy("DGR(init=r)")


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("Original", "seed", 1),
        ("ActiveSubnet", "seed", 0),
        ("NeuronMCT", "seed", 1),
        ("Random", "seed", 10_000),
        ("Random", "steps", 10),
        ("GreedyPruning", "steps", 9),
    ],
)
def test_an_option_that_does_not_fit_cannot_be_set(name: str, option: str, value: int):
    with pytest.raises(PathwayError):
        Strategy(name).with_option(option, value)


# -------------------------------------------------------------------------------------------------- what people read


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("NeuronMCT", "NeuronMCT"),
        ("NeuronIntGrad:n_steps=30", "NeuronIntGrad (n_steps=30)"),
        ("GreedyPruning!as_released=1", "GreedyPruning (as released)"),
        ("GreedyPruning!steps=20!as_released=1", "GreedyPruning (steps=20, as released)"),
        ("DGR(init=1):per_channel=1", "DGR(init=1) (per channel)"),
        ("DGR(init=r):seed=7", "DGR(init=r) (seed=7)"),
        ("Original", "Original network"),
        ("ActiveSubnet", "Active subnet"),
    ],
)
def test_titles(text: str, title: str):
    assert Strategy.parse(text).title == title


def test_families_methods_and_who_heeds_the_target():
    assert {name: Strategy(name).family for name in STRATEGIES} == {
        "NeuronMCT": "contribution",
        "NeuronIntGrad": "contribution",
        "GreedyPruning": "pruning",
        "DGR(init=1)": "pruning",
        "DGR(init=r)": "pruning",
        "Random": "baseline",
        "Original": "reference",
        "ActiveSubnet": "reference",
    }
    assert {name for name in STRATEGIES if Strategy(name).uses_target} == {
        "NeuronMCT",
        "NeuronIntGrad",
        "GreedyPruning",
    }
    assert [Strategy(name).method for name in STRATEGIES] == [*METHODS.values(), None, None]
    assert Strategy("Original").chosen == Strategy("ActiveSubnet").chosen == Strategy("NeuronMCT").chosen == {}


def test_each_has_a_sentence_of_its_own():
    summaries = [Strategy(name).summary for name in STRATEGIES]
    assert len(set(summaries)) == 8
    assert all(summary.endswith(".") for summary in summaries)
    assert Strategy("Original").summary == "All neurons: nothing is selected."
    assert Strategy.of("Random", seed=3).summary == METHODS["Random"].summary
