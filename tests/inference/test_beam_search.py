"""Beam search, compared with the list of all continuations and with its definition."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from seqtool.decoding import log_softmax
from seqtool.errors import ConfigError, DataError, ModelError
from seqtool.inference.beam_search import Continuation
from seqtool.inference.character import CharacterModel
from seqtool.settings.model import CharModel
from tests.support.random_models import character_model

SETTINGS = CharModel(hidden_size=7, embedding_dim=4, num_layers=2)
LENGTH = 4


def make(symbols: str = "\nabc", **options: Any) -> CharacterModel:
    return character_model(SETTINGS, symbols, scale=0.9, **options)


def log_probability(model: CharacterModel, text: str, prompt: str) -> float:
    """Return the log probability of symbols after a prompt, one step at a time."""
    before = model.encode(model.boundary + prompt)
    state, total = model.initial_state(), 0.0
    for number in before[:-1]:
        _, state = model.step(np.array([number]), state)
    last = before[-1]
    for number in model.encode(text).tolist():
        logits, state = model.step(np.array([last]), state)
        total += float(log_softmax(logits.astype(np.float64))[0, number])
        last = number
    return total


def all_continuations(model: CharacterModel, prompt: str, stop: str, norm: float) -> list[Continuation]:
    """Return every text that ends with its first stop text or has the largest length, the best first."""
    found = []
    for length in range(1, LENGTH + 1):
        for symbols in product(model.vocabulary.symbols, repeat=length):
            text = "".join(symbols)
            ended = bool(stop) and text.endswith(stop) and stop not in text[:-1]
            if not ended and (length < LENGTH or (stop and stop in text)):
                continue
            total = log_probability(model, text, prompt)
            shown = text.removesuffix(stop) if ended else text
            found.append(Continuation(shown, total, total / length**norm, length))
    return sorted(found, key=lambda one: -one.score)


@pytest.mark.parametrize("norm", [0.0, 0.7, 1.0, 3.0])
@pytest.mark.parametrize(("kind", "stop"), [("lines", ""), ("text", ""), ("text", "a"), ("text", "ab")])
def test_wide_beam_equals_exhaustive_search(kind: str, stop: str, norm: float) -> None:
    model = make(kind=kind)
    expected = all_continuations(model, "ab", stop or model.boundary, norm)
    found = model.beam("ab", LENGTH, width=500, length_norm=norm, stop=stop or None)
    assert [one.text for one in found] == [one.text for one in expected]
    np.testing.assert_allclose(
        [one[1:] for one in found], [one[1:] for one in expected], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("width", [1, 2, 3, 7])
@pytest.mark.parametrize("stop", ["", "b", "ca"])
def test_narrow_beam_equals_its_definition(width: int, stop: str) -> None:
    """Extend each kept text by each symbol; finished ones compete by score, others by probability."""
    model, length = make(), 9
    live, finished = [("", 0.0)], []
    for size in range(1, length + 1):
        longer = [
            (text + symbol, log_probability(model, text + symbol, "a"))
            for text, _ in live
            for symbol in model.vocabulary.symbols
        ]
        ended = [one for one in longer if stop and one[0].endswith(stop)]
        finished += [(text.removesuffix(stop), total / size) for text, total in ended]
        live = sorted((one for one in longer if one not in ended), key=lambda one: -one[1])[:width]
    finished += [(text, total / length) for text, total in live]
    expected = sorted(finished, key=lambda one: -one[1])[:width]
    found = model.beam("a", length, width=width, stop=stop or None)
    assert [one.text for one in found] == [text for text, _ in expected]
    np.testing.assert_allclose([one.score for one in found], [score for _, score in expected], atol=1e-4)


def test_beam_of_one_is_the_greedy_choice_of_a_text_without_end() -> None:
    model = make()
    assert model.beam("ab", 30, width=1)[0].text == "".join(model.sample("ab", 30, temperature=0))


def test_wider_beam_finds_no_less_probable_text_than_sampling() -> None:
    model = make()
    best = model.beam("a", 12, width=200)[0].log_probability
    sampled = [
        sum(piece.log_probability for piece in model.generate("a", 12, seed=seed)) for seed in range(50)
    ]
    assert best >= max(sampled) - 1e-4


def test_unknown_symbol_is_never_part_of_a_continuation() -> None:
    model = make("\N{REPLACEMENT CHARACTER}abc", unknown=0)
    model._bias[0] = 50
    assert all(set(one.text) <= set("abc") for one in model.beam("xyz", 5, width=40))


def test_bytes_become_characters() -> None:
    model = make("".join(map(chr, range(256))), unit="byte")
    for one in model.beam("é", 6, width=3):
        assert len(one.text.encode("utf-8", "surrogateescape")) == 6
        assert model.score(one.text.encode("utf-8", "surrogateescape"), "é").total == pytest.approx(
            -one.log_probability, abs=1e-3
        )


def test_no_symbols_are_one_empty_continuation() -> None:
    assert make().beam("a", 0, width=3) == [Continuation("", 0.0, 0.0, 0)]


def test_wrong_arguments_are_refused() -> None:
    model = make()
    wrong: list[dict[str, Any]] = [
        {"width": 0},
        {"width": 2, "length_norm": -1.0},
        {"width": 2, "length": -1},
    ]
    for arguments in wrong:
        with pytest.raises(ConfigError):
            model.beam("a", **arguments)
    with pytest.raises(DataError):
        model.beam("x", width=2)
    with pytest.raises(ModelError):
        make(kind="pairs").beam("a", width=2)
