"""Evaluation of text models, compared with single steps and with brute force."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.errors import DataError, SeqtoolError
from seqtool.evaluation import character as character_evaluation
from seqtool.evaluation import text_scores
from seqtool.evaluation.character import TextRequest, evaluate_character
from seqtool.evaluation.novelty import (
    NgramModel,
    longest_copy,
    ngram_losses,
    novelty_of_lines,
    novelty_of_text,
    seen_share,
)
from seqtool.evaluation.text_files import read_files
from seqtool.evaluation.text_scores import (
    SymbolTally,
    evaluate_lines,
    evaluate_text,
    fit_temperature,
    symbol_class,
)
from seqtool.inference.character import CharacterModel
from seqtool.reports.evaluation import text_report
from seqtool.settings.model import CharModel
from seqtool.storage.find_model import ModelFolders
from tests.support.random_models import character_model

SYMBOLS = "\n abcé1.?"
TEXTS = st.text(alphabet="ab\n", max_size=40)


def model(**more: Any) -> CharacterModel:
    return character_model(CharModel(hidden_size=9, embedding_dim=4), SYMBOLS, **more)


def text_of(length: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list(SYMBOLS), length))


def nats_one_by_one(network: CharacterModel, text: str) -> list[float]:
    """Return nats of each symbol but the first, from single steps."""
    ids, state, result = network.encode(text), network.initial_state(), []
    for number, following in pairwise(ids):
        scores, state = network.step(np.array([number]), state)
        shifted = scores[0].astype(np.float64)
        result.append(float(np.log(np.exp(shifted).sum()) - shifted[following]))
    return result


# --- running text -------------------------------------------------------------------------------------------


def test_both_protocols_and_the_classes_equal_single_steps() -> None:
    network, text = model(), text_of(700)
    result = evaluate_text(network, network.encode(text), (64, 100))
    single = nats_one_by_one(network, text)
    assert result.symbols == 699
    assert result.carried == pytest.approx(sum(single) / 699, abs=1e-6)
    for size in (64, 100):
        tiles = [
            nats
            for start in range(0, 699, size)
            for nats in nats_one_by_one(network, text[start : start + size + 1])
        ]
        assert result.blocks[size] == pytest.approx(sum(tiles) / 699, abs=1e-6)
    for kind, (nats, count) in result.classes.items():
        of_kind = [
            loss for loss, symbol in zip(single, text[1:], strict=True) if symbol_class(symbol) == kind
        ]
        assert nats == pytest.approx(sum(of_kind) / len(of_kind), abs=1e-6)
        assert count == len(of_kind)
    assert set(result.classes) == {"newline", "space", "letters", "digits", "punctuation"}


def test_carried_protocol_of_a_long_text_equals_one_pass_within_a_thousandth() -> None:
    network, text = model(), text_of(12_000)
    result = evaluate_text(network, network.encode(text), ())
    assert result.carried == pytest.approx(sum(nats_one_by_one(network, text)) / 11_999, abs=1e-3)


def test_known_block_losses_are_not_computed_again() -> None:
    network = model()
    assert evaluate_text(network, network.encode(text_of(90)), (64,), {64: 1.25}).blocks == {64: 1.25}


def test_context_losses_equal_single_steps_from_the_initial_state() -> None:
    network, text = model(), text_of(650)
    result = evaluate_text(network, network.encode(text), ()).contexts
    short = [nats_one_by_one(network, text[start : start + 11]) for start in range(0, 640, 10)]
    long = [nats_one_by_one(network, text[start : start + 201]) for start in range(0, 600, 200)]
    assert list(result) == [1, 2, 5, 10, 20, 50, 100, 200]
    for length in (1, 2, 5, 10):
        assert result[length] == pytest.approx(np.mean([nats[length - 1] for nats in short]), abs=1e-6)
    for length, near in ((20, range(17, 20)), (100, range(89, 100)), (200, range(179, 200))):
        assert result[length] == pytest.approx(
            np.mean([nats[place] for nats in long for place in near]), abs=1e-6
        )


def test_context_losses_of_few_tiles_are_close_to_those_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    network, ids = model(), model().encode(text_of(40_000))
    whole = evaluate_text(network, ids, ()).contexts
    monkeypatch.setattr(text_scores, "TILES", 100)
    assert evaluate_text(network, ids, ()).contexts == pytest.approx(whole, abs=0.1)


@pytest.mark.parametrize("length", [2, 5, 11, 150])
def test_short_text_has_only_the_contexts_that_fit(length: int) -> None:
    network = model()
    result = evaluate_text(network, network.encode(text_of(length)), (64,))
    assert result.symbols == length - 1
    assert list(result.contexts) == ([] if length < 11 else [1, 2, 5, 10])
    json.dumps(result.to_json(), allow_nan=False)


def test_bits_per_byte_count_utf8_bytes_and_unknown_symbols() -> None:
    network = character_model(
        CharModel(hidden_size=5, embedding_dim=4), [*"ab é", "\N{REPLACEMENT CHARACTER}"], unknown=4
    )
    result = evaluate_text(network, network.encode("aé é bz"), ())
    assert result.unknown == pytest.approx(1 / 6)
    assert result.bytes_per_symbol == pytest.approx(
        (2 + 1 + 2 + 1 + 1 + 3) / 6
    )  # U+FFFD replaces the z and has three bytes
    assert result.bits_per_byte == pytest.approx(result.carried / math.log(2) / result.bytes_per_symbol)


def test_tally_of_parts_equals_tally_of_the_whole() -> None:
    ids, losses = np.array([0, 2, 2, 1]), np.array([1.0, 2.0, 3.0, 4.0])
    whole = SymbolTally.empty(4).add(ids, losses)
    parts = SymbolTally.empty(4).add(ids[:3], losses[:3]).add(ids[3:], losses[3:])
    assert (whole.mean, whole.count) == (parts.mean, parts.count) == (2.5, 4)
    assert whole.by_class([symbol_class(symbol) for symbol in "a b!"]) == {
        "letters": (2.0, 3),
        "space": (4.0, 1),
    }


# --- lines --------------------------------------------------------------------------------------------------


def test_lines_are_scored_separately_with_their_ends() -> None:
    network, lines = model(kind="lines"), ["abc", "a", "é1?"]
    result = evaluate_lines(network, [network.encode(f"\n{line}\n") for line in lines])
    single = [nats for line in lines for nats in nats_one_by_one(network, f"\n{line}\n")]
    assert result.symbols == len(single) == 10
    assert result.carried == pytest.approx(sum(single) / 10, abs=1e-6)
    assert result.classes["newline"][1] == 3 and not result.blocks and not result.contexts


def test_file_of_lines_is_read_without_empty_lines(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_bytes(b"ab\r\n\r\nc")
    part = read_files(model(kind="lines"), [tmp_path / "lines.txt"])
    assert part.decode(model().vocabulary) == "ab\nc\n"


# --- n-grams ------------------------------------------------------------------------------------------------


def probability(text: str, context: str, symbol: str, symbols: int) -> float:
    """Return the Witten-Bell probability by its definition, directly from the text."""
    shorter = probability(text, context[1:], symbol, symbols) if context else 1 / symbols
    places = [
        place
        for place in range(len(text))
        if text.startswith(context, place) and place + len(context) < len(text)
    ]
    followers = Counter(text[place + len(context)] for place in places)
    total, kinds = sum(followers.values()), len(followers)
    return (followers[symbol] + kinds * shorter) / (total + kinds) if total else shorter


@given(
    st.text(alphabet="abc", min_size=1, max_size=30),
    st.text(alphabet="abcd", min_size=2, max_size=12),
    st.integers(1, 4),
)
def test_ngram_losses_equal_the_definition_of_witten_and_bell(train: str, text: str, order: int) -> None:
    numbers = {symbol: number for number, symbol in enumerate("abcd")}
    trained, scored = (np.array([numbers[symbol] for symbol in side]) for side in (train, text))
    result = NgramModel(trained, 4, order).losses(scored)
    expected = [
        -math.log(probability(train, text[max(0, place - order + 1) : place], text[place], 4))
        for place in range(1, len(text))
    ]
    assert result == pytest.approx(expected, rel=1e-9)


@given(st.text(alphabet="ab", min_size=1, max_size=30), st.integers(1, 3))
def test_ngram_probabilities_sum_to_one(train: str, order: int) -> None:
    trained = np.array(["abc".index(symbol) for symbol in train])
    ngram = NgramModel(trained, 3, order)
    for context in ([0], [1, 0], [2, 1, 1]):
        whole = sum(math.exp(-ngram.losses(np.array([*context, symbol]))[-1]) for symbol in range(3))
        assert whole == pytest.approx(1.0)


def test_orders_that_do_not_fit_in_64_bits_are_left_out() -> None:
    ids = np.array([0, 5, 7, 5])
    assert list(ngram_losses(ids, ids, 20_000)) == [1, 2, 3, 4]
    assert list(ngram_losses(ids, ids, 65)) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(ValueError, match="64 bits"):
        NgramModel(ids, 20_000, 5)


# --- novelty ------------------------------------------------------------------------------------------------


@given(TEXTS, TEXTS)
def test_longest_copy_is_the_longest_common_substring(sample: str, text: str) -> None:
    substrings = {sample[a:b] for a in range(len(sample)) for b in range(a, len(sample) + 1)}
    longest = max((len(substring) for substring in substrings if substring in text), default=0)
    result = longest_copy(sample, text)
    assert result in sample and result in text and len(result) == longest


@given(TEXTS, TEXTS, st.integers(1, 4))
def test_seen_share_equals_brute_force(sample: str, text: str, size: int) -> None:
    known: defaultdict[str, int] = defaultdict(int)
    for start in range(len(text) - size + 1):
        known[text[start : start + size]] += 1
    grams = [sample[start : start + size] for start in range(len(sample) - size + 1)]
    share = sum(known[gram] > 0 for gram in grams) / len(grams) if grams else None
    assert seen_share(sample, text, size) == share


def test_novelty_compares_a_sample_with_the_training_text() -> None:
    result = novelty_of_text("the cat sat", "on the mat the cat slept")
    assert result.longest_copy == "the cat s"
    assert result.seen_ngrams == {5: 5 / 7, 10: 0.0, 20: None}
    assert result.to_json()["seen_ngrams"] == {"5": 5 / 7, "10": 0.0, "20": None}


def test_novelty_separates_new_and_seen_lines() -> None:
    result = novelty_of_lines(["anna", "an", "zoe", "anna"], "anna\nzoe\n")
    assert (result.new_lines, result.seen_lines) == (("an",), ("anna", "zoe", "anna"))


# --- temperature, and the report ----------------------------------------------------------------------------


def test_fitted_temperature_recovers_the_sampling_temperature() -> None:
    network = model(scale=1.5)
    ids = network.encode("".join(network.sample("a", 3000, temperature=0.8, seed=1)))
    result = fit_temperature(network, ids, "the validation text", ids)
    assert result.value == pytest.approx(0.8, abs=0.06)
    assert result.fitted < result.without
    assert result.without == pytest.approx(evaluate_text(network, ids, ()).carried, abs=1e-3)
    assert result.nats == result.fitted


def place_without_run(tmp_path: Path) -> ModelFolders:
    return ModelFolders(tmp_path / "m", None)


def test_report_without_a_run_states_what_is_not_available(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(text_of(300), encoding="utf-8")
    request = TextRequest((tmp_path / "text.txt",), temperature=True)
    _, result = evaluate_character(model(), place_without_run(tmp_path), tmp_path, request)
    report = "\n".join(text_report(result, "char"))
    assert "n-gram baselines: not available" in report and "novelty of a sample: not available" in report
    assert "fitted on this very text" in report and "no score" in report
    assert result.to_json()["ngrams"] is None and result.to_json()["novelty"] is None


def test_training_text_makes_ngrams_and_novelty_available(tmp_path: Path) -> None:
    for name, seed in (("text", 0), ("train", 1)):
        (tmp_path / f"{name}.txt").write_text(text_of(400, seed), encoding="utf-8")
    request = TextRequest((tmp_path / "text.txt",), tmp_path / "train.txt")
    _, result = evaluate_character(model(), place_without_run(tmp_path), tmp_path, request)
    assert result.ngrams is not None and list(result.ngrams) == [1, 2, 3, 4, 5, 6]
    ids = [model().encode(text_of(400, seed)) for seed in (0, 1)]
    assert result.ngrams[3] == pytest.approx(NgramModel(ids[1], len(SYMBOLS), 3).losses(ids[0]).mean())
    report = "\n".join(text_report(result, "char"))
    assert (
        f"2-gram {result.ngrams[2]:.4f}" in report
        and "6-gram" in report
        and "longest copied stretch" in report
    )


def test_report_states_that_only_the_beginning_of_a_long_training_text_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, seed in (("text", 0), ("train", 1)):
        (tmp_path / f"{name}.txt").write_text(text_of(400, seed), encoding="utf-8")
    request = TextRequest((tmp_path / "text.txt",), tmp_path / "train.txt")
    message = "n-grams and novelty use the first 150 symbols of the training text"
    _, whole = evaluate_character(model(), place_without_run(tmp_path), tmp_path, request)
    assert (
        message not in "\n".join(text_report(whole, "char"))
        and whole.to_json()["train_symbols_looked_at"] is None
    )
    monkeypatch.setattr(character_evaluation, "TRAIN_LIMIT", 150)
    _, cut = evaluate_character(model(), place_without_run(tmp_path), tmp_path, request)
    ids = [model().encode(text_of(400, seed)) for seed in (0, 1)]
    assert cut.ngrams is not None
    assert cut.ngrams[3] == pytest.approx(NgramModel(ids[1][:150], len(SYMBOLS), 3).losses(ids[0]).mean())
    assert message in "\n".join(text_report(cut, "char")) and cut.to_json()["train_symbols_looked_at"] == 150


def test_byte_models_read_files_as_bytes(tmp_path: Path) -> None:
    network = character_model(
        CharModel(hidden_size=5, embedding_dim=4), [*map(chr, range(128, 256)), *"ab"], unit="byte"
    )
    (tmp_path / "a.bin").write_bytes(b"\xff\x80ab\xfe")
    assert read_files(network, [tmp_path / "a.bin"]).ids.tolist() == [127, 0, 128, 129, 126]
    (tmp_path / "b.bin").write_bytes(b"ab\x00")
    with pytest.raises(DataError, match="byte 0x00 at offset 2 is not in the alphabet"):
        read_files(network, [tmp_path / "b.bin"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ab\xff", "expected utf-8 text, found byte 0xff at offset 2"),
        ("abc\u4e00".encode(), "is not in the alphabet"),
        (None, "cannot read: No such"),
    ],
    ids=["no UTF-8", "unknown symbol", "missing"],
)
def test_error_names_a_file_that_cannot_be_scored(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SeqtoolError, match=message) as caught:
        evaluate_character(model(), place_without_run(tmp_path), tmp_path, TextRequest((path,)))
    assert caught.value.problems[0].place.removesuffix(":1") == str(path) and caught.value.problems[0].hint


def test_model_without_a_run_needs_a_text(tmp_path: Path) -> None:
    with pytest.raises(SeqtoolError, match="no text is named"):
        evaluate_character(model(), place_without_run(tmp_path), tmp_path, TextRequest())
