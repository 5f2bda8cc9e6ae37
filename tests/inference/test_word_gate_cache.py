"""Tests of the cache of input gates: its limit, the words that it keeps, and equal results."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from seqtool.inference.tagger import TaggerModel
from seqtool.inference.word_gate_cache import LEAST_WORDS, WordGateCache, WordGates
from seqtool.settings.model import TaggerModel as TaggerSettings
from seqtool.types import Array
from tests.support.random_models import FEATURES, tagger


@pytest.fixture
def model() -> TaggerModel:
    return tagger(TaggerSettings(features=FEATURES, projection=6, hidden_size=5))


def small(model: TaggerModel) -> WordGateCache:
    """Return an empty cache for 64 words of the model."""
    whole = model._cache
    return WordGateCache(whole.encoder, whole.embedder, whole.cell, size=0)


def gates(cache: WordGateCache, words: list[str]) -> Array:
    with cache.lookup(words) as found:
        assert found is not None
        gathered: Array = found[0][found[1]]
        return gathered


def words(first: int, last: int) -> list[str]:
    return [f"word{number}" for number in range(first, last)]


def test_gates_are_the_same_after_words_were_dropped(model: TaggerModel) -> None:
    cache, expected = small(model), gates(model._cache, words(0, 300))
    assert cache.capacity == LEAST_WORDS
    for start in (0, 40, 80, 10, 240, 0):
        part = words(start, start + 50)
        np.testing.assert_allclose(gates(cache, part), expected[start : start + 50], atol=1e-6)
        assert len(cache) <= cache.capacity


def test_cache_keeps_the_most_used_words(model: TaggerModel) -> None:
    cache = small(model)
    for _ in range(3):
        gates(cache, words(0, 20))
    gates(cache, words(20, 60))
    gates(cache, words(60, 90))
    assert set(words(0, 20)) <= set(cache._rows)
    assert not set(words(35, 60)) <= set(cache._rows)


def test_cache_reuses_its_rows_for_many_words(model: TaggerModel) -> None:
    cache = small(model)
    table = cache._table
    for start in range(0, 6000, 60):
        gates(cache, words(start, start + 60))
        assert len(cache) + len(cache._free) == cache.capacity
        assert sorted([*cache._rows.values(), *cache._free]) == list(range(cache.capacity))
    assert cache._table is table


def test_failed_computation_leaves_the_cache_unchanged(
    model: TaggerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = small(model)
    expected = gates(cache, words(0, 10))
    with monkeypatch.context() as patched:
        patched.setattr(WordGateCache, "input_vectors", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            gates(cache, words(5, 20))
    np.testing.assert_array_equal(gates(cache, words(0, 10)), expected)
    assert len(cache) + len(cache._free) == cache.capacity


def test_lookup_of_more_words_than_the_capacity_returns_none(model: TaggerModel) -> None:
    cache = small(model)
    with cache.lookup(words(0, cache.capacity + 1)) as found:
        assert found is None
    gates(cache, words(0, cache.capacity))
    assert len(cache) == cache.capacity


def test_sentence_with_more_words_than_the_capacity_gets_the_same_scores(model: TaggerModel) -> None:
    sentence = words(0, 200)
    expected = model.scores([sentence])[0]
    model._cache = small(model)
    assert len(model._cache) == 0
    np.testing.assert_allclose(model.scores([sentence])[0], expected, atol=1e-5)
    assert len(model._cache) == 0


def test_pickled_cache_is_empty_and_works(model: TaggerModel) -> None:
    before = gates(model._cache, words(0, 30))
    arrived = pickle.loads(pickle.dumps(model._cache))
    assert len(arrived) == 0
    np.testing.assert_array_equal(gates(arrived, words(0, 30)), before)


def test_threads_can_share_a_cache(model: TaggerModel) -> None:
    expected = gates(model._cache, words(0, 400))
    cache = small(model)

    def work(seed: int) -> bool:
        draw = np.random.default_rng(seed)
        for _ in range(30):
            numbers = draw.integers(0, 400, 40).tolist()
            if not np.allclose(
                gates(cache, [f"word{number}" for number in numbers]), expected[numbers], atol=1e-6
            ):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))


def test_cache_keeps_requested_words_even_if_others_are_used_more(
    model: TaggerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = small(model)
    gates(cache, words(0, 10))
    for _ in range(3):
        gates(cache, words(10, 64))
    computed: list[str] = []
    read = WordGateCache.input_vectors

    def record(self: WordGateCache, missing: list[str]) -> Array:
        computed.extend(missing)
        return read(self, missing)

    with monkeypatch.context() as patched:
        patched.setattr(WordGateCache, "input_vectors", record)
        gates(cache, words(0, 10) + words(64, 80))
    assert computed == words(64, 80)


def test_batches_are_halved_until_their_words_fit(
    model: TaggerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = [words(first, first + 20) for first in range(0, 400, 20)]
    expected = model.scores(sentences)
    model._cache = small(model)
    with monkeypatch.context() as patched:
        patched.setattr(WordGates, "__init__", lambda *_: 1 / 0)
        for one, other in zip(model.scores(sentences), expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
