"""Ranks find each other in a store that contains the keys of ended ranks, and compare what they tell."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtool.data.sharding import Shard
from seqtool.errors import SeqtoolError
from seqtool.training.engine.rank_meeting import (
    Meeting,
    Note,
    check_notes,
    meet,
    publish_error,
    published_error,
)


class Store:
    """Store in memory, from which a rank can be cut off as if it had been killed."""

    def __init__(self, values: dict[str, bytes] | None = None, life: float = 1e9) -> None:
        self.values = {} if values is None else values
        self.life = life  # number of calls until the rank is killed

    def _live(self) -> None:
        self.life -= 1
        if self.life < 0:
            raise RuntimeError("killed")

    def set(self, key: str, value: str) -> None:
        self._live()
        self.values[key] = value.encode()

    def get(self, key: str) -> bytes:
        self._live()
        return self.values[key]

    def check(self, keys: list[str]) -> bool:
        self._live()
        return all(key in self.values for key in keys)


def start(
    pool: ThreadPoolExecutor, store: Store, rank: int, size: int, note: str = "", patience: float = 20
) -> Future[Meeting]:
    return pool.submit(meet, store, Shard(rank, size), Note(f"host-{rank}", {"note": note}), patience)


@pytest.fixture(autouse=True)
def _short_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqtool.training.engine.rank_meeting.POLL", 0.001)
    monkeypatch.setattr("seqtool.training.engine.rank_meeting.LINGER", 0.05)


LIVES = st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), max_size=4)


@settings(max_examples=40, deadline=None)
@given(LIVES)
def test_ranks_of_one_start_meet_whatever_earlier_starts_left(earlier: list[list[int]]) -> None:
    """Each earlier start has three ranks, and each rank is killed after some number of calls."""
    values: dict[str, bytes] = {}
    tokens = set()
    with ThreadPoolExecutor(3) as pool:
        for lives in earlier:
            ended = [
                start(pool, Store(values, life), rank, 3, patience=0.1) for rank, life in enumerate(lives)
            ]
            tokens |= {one.result().token for one in ended if one.exception() is None}
        meetings = [start(pool, Store(values), rank, 3, note=str(rank)) for rank in range(3)]
        results = [meeting.result(timeout=20) for meeting in meetings]
    assert results[0] == results[1] == results[2]
    assert results[0].token not in tokens
    assert [note.terms["note"] for note in results[0].notes] == ["0", "1", "2"]


def test_rank_that_is_started_again_meets_the_others() -> None:
    values: dict[str, bytes] = {}
    with ThreadPoolExecutor(3) as pool:
        first = start(pool, Store(values), 0, 3)
        with pytest.raises(RuntimeError, match="killed"):
            start(pool, Store(values, life=30), 1, 3).result()
        others = [start(pool, Store(values), rank, 3, note="new") for rank in (1, 2)]
        results = [meeting.result(timeout=20) for meeting in (first, *others)]
    assert results[0] == results[1] == results[2] and results[0].notes[1].terms == {"note": "new"}


def test_first_rank_that_is_started_again_meets_the_others() -> None:
    values: dict[str, bytes] = {}
    with ThreadPoolExecutor(3) as pool:
        others = [start(pool, Store(values), 1, 3)]
        with pytest.raises(RuntimeError, match="killed"):
            start(pool, Store(values, life=30), 0, 3).result()
        assert any("confirmed" in key for key in values)  # the token of a rank that no longer lives
        others += [start(pool, Store(values), rank, 3) for rank in (2, 0)]
        results = [meeting.result(timeout=20) for meeting in others]
    assert results[0] == results[1] == results[2]


def test_ranks_of_another_number_do_not_meet() -> None:
    """A machine that has left does not keep the others from meeting."""
    values: dict[str, bytes] = {}
    with ThreadPoolExecutor(3) as pool:
        left = start(pool, Store(values), 2, 3, patience=0.2)
        meetings = [start(pool, Store(values), rank, 2) for rank in range(2)]
        assert len(meetings[0].result().notes) == 2 and meetings[0].result() == meetings[1].result()
        with pytest.raises(SeqtoolError, match="rank 0 did not start in time"):
            left.result()


def test_missing_ranks_are_named() -> None:
    with ThreadPoolExecutor(2) as pool:
        values: dict[str, bytes] = {}
        second = start(pool, Store(values), 1, 4, patience=0.3)
        with pytest.raises(SeqtoolError, match="these ranks did not start in time: 2, 3"):
            start(pool, Store(values), 0, 4, patience=0.1).result()
        with pytest.raises(SeqtoolError, match="rank 0 did not start in time"):
            second.result()


# --- agreement ----------------------------------------------------------------------------------------------

TERMS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2) | st.none())


@given(st.lists(TERMS, min_size=1, max_size=5))
def test_terms_agree_if_and_only_if_all_are_equal(all_terms: list[dict[str, Any]]) -> None:
    def known(terms: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in terms.items() if value is not None}

    notes = [Note(f"h{rank}", terms) for rank, terms in enumerate(all_terms)]
    different = {
        key for terms in all_terms for key in "abcd" if known(terms).get(key) != known(all_terms[0]).get(key)
    }
    if not different:
        check_notes(notes)
        return
    with pytest.raises(SeqtoolError) as error:
        check_notes(notes)
    messages = [problem.message for problem in error.value.problems]
    assert len(messages) == len(different)
    for key in different:
        assert any(f"the ranks differ in {key}: " in message for message in messages)


def test_difference_names_both_values_and_both_machines() -> None:
    with pytest.raises(SeqtoolError) as error:
        check_notes([Note("a", {"training.lr": 0.1}), Note("b", {"training.lr": 0.1}), Note("c", {})])
    assert error.value.summary == "the ranks differ in training.lr: 0.1 on rank 0 (a), nothing on rank 2 (c)"


def test_error_of_a_rank_is_one_line_on_all() -> None:
    with pytest.raises(SeqtoolError) as error:
        check_notes([Note("a", {"x": 1}), Note.of_this_rank({}, "no such file:\n  text.txt")])
    assert error.value.summary.startswith("rank 1 on ") and error.value.summary.endswith(
        " ended: no such file: text.txt"
    )


def test_first_published_error_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqtool.training.engine.rank_meeting.LOOK_BACK", 0.05)
    store = Store()
    assert published_error(store, "t") == ""
    publish_error(store, "t", 3, "out of memory")
    publish_error(store, "t", 0, "another rank has ended")
    assert published_error(store, "t").startswith("rank 3 on ")
    assert published_error(store, "t").endswith(" ended: out of memory")
    assert published_error(store, "of another start") == ""
