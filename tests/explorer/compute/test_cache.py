"""The shared results: bounded by bytes, each made once however many ask."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.pathways.ranking import rank
from explorer.compute.cache import MOST, Results, size_of
from explorer.compute.flow import Flow


@dataclass(frozen=True)
class Sized:
    name: str
    nbytes: int


@dataclass(frozen=True)
class Holder:
    parts: object


def test_arrays_tensors_and_files_count_whole_and_all_else_little():
    for held in (torch.zeros(1000), np.zeros(1000, np.float32), bytes(4000), "a" * 4000):
        for value in (held, Holder(held), [held], {"map": (held,)}, Holder({"deep": [Holder(held)]})):
            assert 4000 <= size_of(value) < 4000 + 1000


def test_of_many_parts_of_unlike_sizes_each_counts():
    parts = tuple(torch.zeros(4**n) for n in range(12))
    assert 4 * sum(4**n for n in range(12)) <= size_of(Holder(parts)) < 4 * sum(4**n for n in range(12)) + 500


def test_shared_memory_counts_once_and_whole():
    whole = torch.zeros(100, 10)
    shared = whole.nbytes
    assert size_of(whole[0]) == size_of(whole.T) == shared
    assert size_of(torch.zeros(1).expand(1000)) == 4
    assert shared <= size_of(Holder(list(whole))) < shared + 1000
    assert size_of([whole, whole]) == size_of([whole, whole.T])
    same = bytes(1000)
    assert size_of([same, same]) < 1200


def test_what_holds_itself_is_weighed():
    ring: list[object] = [bytes(1000)]
    ring.append(ring)
    assert 1000 <= size_of(ring) < 1200


def test_what_says_its_size_is_believed():
    assert size_of(Sized("a" * 1000, 7)) == 7
    assert 7 <= size_of(Holder(Sized("a" * 1000, 7))) < 500


def test_the_text_of_a_table_counts():
    table = pd.DataFrame({"value": np.zeros(100), "error": pd.Series(["a" * 50] * 100, dtype=object)})
    assert size_of(table) > 100 * (8 + 50)


def test_a_ranking_holds_its_ranks_scores_and_activity():
    ranking = rank([torch.rand(20, 30), torch.rand(10)])
    tensors = 4 * 610 + ranking.scores.nbytes + ranking.activity.nbytes
    assert tensors <= size_of(ranking) < tensors + 1000


def test_a_flow_counts_the_edges_that_are_made_later():
    matrix = np.random.default_rng(0).normal(size=(40, 50))
    flow = Flow(((40, 1, 1), (50, 1, 1)), (1, 2), ((), ()), ((), ()), {(0, 1): matrix}, 0.0, 0.0)
    before = size_of(flow)
    assert 0.9 * size_of([matrix, flow.edges]) < before == size_of(flow) < 1.5 * size_of([matrix, flow.edges])


def held(results: Results, names: str) -> str:
    """Which of these are there; looking freshens them, so look once."""
    return "".join(name for name in names if results.peek(name) is not None)


def filled(max_bytes: int, **sizes: int) -> Results:
    results = Results(max_bytes)
    for name, size in sizes.items():
        results.put(name, Sized(name, size))
    return results


def test_what_was_used_longest_ago_goes_first():
    results = filled(100, a=40, b=40, c=30)
    assert held(results, "abc") == "bc"
    assert results.nbytes == 70


def test_as_many_go_as_room_is_wanted():
    results = filled(100, a=30, b=30, c=30, d=70)
    assert held(results, "abcd") == "cd"
    assert results.nbytes == 100


def test_exactly_full_drops_nothing():
    assert held(filled(100, a=60, b=40), "ab") == "ab"


def test_peek_and_get_freshen():
    results = filled(100, a=40, b=40)
    results.peek("a")
    results.put("c", Sized("c", 40))
    assert held(results, "abc") == "ac"
    results = filled(100, a=40, b=40)
    results.get("a", lambda: pytest.fail("made again"))
    results.put("c", Sized("c", 40))
    assert held(results, "abc") == "ac"


def test_the_newest_stays_even_if_it_alone_is_too_large():
    results = filled(100, a=40, b=40, big=1000)
    assert held(results, "ab") == ""
    assert results.peek("big") == Sized("big", 1000)
    assert results.nbytes == 1000
    results.put("c", Sized("c", 1))
    assert results.peek("big") is None
    assert results.nbytes == 1


def test_what_took_long_for_its_size_outlives_newer_entries_that_did_not():
    results = Results(100)
    results.put("slow", Sized("slow", 40), seconds=40 * MOST / 2)
    for name in "abcdef":
        results.put(name, Sized(name, 40), seconds=40 * MOST / 1000)
    assert held(results, "abcdef") == "f"
    assert results.peek("slow") == Sized("slow", 40)


def test_of_what_took_equally_long_the_smaller_stays():
    results = Results(100)
    results.put("small", Sized("small", 30), seconds=10 * MOST)
    results.put("large", Sized("large", 60), seconds=10 * MOST)
    results.put("c", Sized("c", 40))
    assert results.peek("large") is None
    assert results.peek("small") == Sized("small", 30)


def test_what_took_long_goes_when_nobody_wants_it_any_more():
    results = filled(100)
    results.put("slow", Sized("slow", 40), seconds=3600)
    for number in range(25):  # each is worth a tenth of what the slow one is
        results.put(number, Sized("new", 40), seconds=40 * MOST / 10)
    assert results.peek("slow") is None


def test_what_took_long_and_is_still_wanted_stays():
    results = filled(100)
    results.put("slow", Sized("slow", 40), seconds=3600)
    for number in range(25):
        results.put(number, Sized("new", 40), seconds=40 * MOST / 10)
        assert results.peek("slow") is not None


def test_get_keeps_what_making_took():
    results = Results(10 * 2**20)
    results.get("slow", lambda: time.sleep(0.5) or Sized("slow", 6 * 2**20))
    for name in "abc":
        results.get(name, lambda name=name: Sized(name, 3 * 2**20))
    assert held(results, "abc") == "c"
    assert results.peek("slow") is not None


def test_replacing_counts_the_new_bytes_alone():
    results = filled(100, a=40, b=40)
    results.put("a", Sized("new", 10))
    assert results.peek("a") == Sized("new", 10)
    assert results.nbytes == 50


@given(st.integers(1, 50), st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(0, 60))))
def test_bytes_are_always_those_of_what_is_held(max_bytes: int, puts: list[tuple[str, int]]):
    results, latest = Results(max_bytes), {}
    for name, size in puts:
        latest[name] = Sized(name, size)
        results.put(name, latest[name])
        assert results.peek(name) is latest[name]
    there = [results.peek(name) for name in "abcdefg"]
    assert results.nbytes == sum(value.nbytes for value in there if value)
    assert results.nbytes <= max_bytes or sum(value is not None for value in there) == 1
    assert all(value is None or value is latest[value.name] for value in there)


def test_of_sixteen_who_ask_at_once_one_makes_and_all_get_the_same():
    results, made, together = Results(1000), [], threading.Barrier(16)

    def make() -> Sized:
        made.append(threading.get_ident())
        time.sleep(0.05)
        return Sized("value", 10)

    def ask(_: int) -> Sized:
        together.wait(60)
        return results.get("key", make)

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, range(16)))
    assert len(made) == 1
    assert all(value is found[0] for value in found)
    assert results.nbytes == 10


def test_different_keys_are_made_at_the_same_time():
    results, both = Results(1000), threading.Barrier(2)

    def make() -> Sized:
        both.wait(60)  # breaks if one has to wait for the other
        return Sized("value", 1)

    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(lambda key: results.get(key, make), "ab"))) == 2


def test_after_a_failure_the_next_one_tries_again():
    results = Results(100)
    with pytest.raises(ZeroDivisionError):
        results.get("key", lambda: Sized("never", 1 // 0))
    assert results.peek("key") is None
    assert results.nbytes == 0
    assert results.get("key", lambda: Sized("value", 1)) == Sized("value", 1)


def test_those_who_waited_for_a_failure_try_themselves_one_at_a_time():
    results, tries, running, together = Results(100), [], [], threading.Barrier(8)

    def make() -> Sized:
        running.append(1)
        tries.append(len(running))
        time.sleep(0.02)
        running.pop()
        if len(tries) < 3:
            raise ValueError("not yet")
        return Sized("value", 1)

    def ask(_: int) -> Sized | None:
        together.wait(60)
        try:
            return results.get("key", make)
        except ValueError:
            return None

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert tries == [1, 1, 1]
    assert found.count(None) == 2
    assert len({id(value) for value in found if value}) == 1
