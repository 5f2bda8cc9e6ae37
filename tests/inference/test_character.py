"""Tests of character models: prediction, sampling, scores and recorded states."""

from __future__ import annotations

import math
import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.decoding import log_softmax
from seqtool.errors import ConfigError, DataError, ModelError
from seqtool.inference.character import CharacterModel
from seqtool.inference.sampling import RECENT, Sampler, TextStream
from seqtool.inference.text_scoring import WARM_UP, carried_losses, iter_block_losses
from seqtool.settings.model import CharModel
from seqtool.types import Array
from tests.support.random_models import character_model

SYMBOLS = "\nabcdefg"
SETTINGS = CharModel(hidden_size=12, embedding_dim=5, num_layers=2)


def make(settings: CharModel = SETTINGS, symbols: Any = SYMBOLS, **options: Any) -> CharacterModel:
    return character_model(settings, symbols, **options)


def losses_by_definition(model: CharacterModel, ids: Array) -> Array:
    """Return the losses of single steps from the initial state."""
    state, losses = model.initial_state(), []
    for symbol, following in pairwise(ids.tolist()):
        logits, state = model.step(np.array([symbol]), state)
        losses.append(-log_softmax(logits)[0, following])
    return np.array(losses)


def random_text(length: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list("abcdefg"), length))


# --- the network --------------------------------------------------------------------------------------------


def test_step_does_not_change_the_old_state() -> None:
    model = make()
    _, state = model.forward(np.array([[1], [2]]))
    kept = [part.copy() for parts in state for part in parts]
    first, _ = model.step(np.array([3]), state)
    second, _ = model.step(np.array([3]), state)
    np.testing.assert_array_equal(first, second)
    assert all(
        (part == before).all()
        for part, before in zip((part for parts in state for part in parts), kept, strict=True)
    )


def test_empty_input_does_not_change_the_state() -> None:
    model = make()
    _, state = model.forward(np.array([[1], [2]]))
    logits, after = model.forward(np.zeros((0, 1), np.int64), state)
    assert logits.shape == (0, 1, len(SYMBOLS))
    assert after is state


def test_pickled_model_generates_the_same_text() -> None:
    model = make()
    assert "".join(pickle.loads(pickle.dumps(model)).sample("ab", 50)) == "".join(model.sample("ab", 50))


# --- predicting ---------------------------------------------------------------------------------------------


def test_prediction_is_the_best_symbol_at_each_step() -> None:
    model = make(kind="pairs")
    text = random_text(30)
    logits, _ = model.forward(model.encode(text)[:, None])
    assert model.predict(text) == "".join(SYMBOLS[number] for number in logits[:, 0].argmax(1))
    assert model.predict("") == ""


def test_prediction_of_a_long_text_in_parts_carries_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(kind="pairs")
    text = random_text(50)
    whole = model.predict(text)
    monkeypatch.setattr("seqtool.inference.character._SCORES", 7 * len(SYMBOLS))
    assert model.predict(text) == whole


def test_error_names_the_unknown_symbol() -> None:
    with pytest.raises(DataError, match="'x'"):
        make(kind="pairs").predict("abxa")


# --- generating ---------------------------------------------------------------------------------------------


def test_equal_seeds_give_equal_texts_and_others_differ() -> None:
    model = make()
    texts = ["".join(model.sample("ab", 60, seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert len(texts[0]) == 60


def test_log_probability_of_a_sample_equals_its_score() -> None:
    model = make()
    choices: list[dict[str, Any]] = [{}, {"temperature": 0.5, "top_k": 3}, {"temperature": 0.0}]
    for choice in choices:
        pieces = list(model.generate("ab", 40, seed=3, **choice))
        text = "".join(piece.text for piece in pieces)
        assert math.isclose(
            -sum(piece.log_probability for piece in pieces), model.score(text, "ab").total, rel_tol=1e-5
        )


def test_temperature_zero_takes_the_best_symbol() -> None:
    model = make()
    text = "a"
    for _ in range(20):
        text += model.predict(text)[-1]
    assert "".join(model.sample("a", 20, temperature=0)) == text[1:]


def test_sampled_line_stops_at_its_end_which_has_a_probability_but_no_text() -> None:
    model = make(kind="lines")
    for seed in range(5):
        pieces = list(model.generate("a", 400, seed=seed))
        name = "".join(piece.text for piece in pieces)
        assert "\n" not in name
        assert len(pieces) == len(name) + 1
        scores = model.score("a" + name)
        assert math.isclose(
            -sum(piece.log_probability for piece in pieces), scores.losses[1:].sum(), rel_tol=1e-5
        )


@pytest.mark.parametrize("stop", ["a", "ab", "aab", "\n\n"])
def test_stop_text_ends_the_sample_before_it(stop: str) -> None:
    model = make()
    free = "".join(model.sample("c", 500, seed=4))
    stopped = "".join(model.sample("c", 500, seed=4, stop=stop))
    assert stopped == free.split(stop)[0]


@given(st.text("ab", max_size=30), st.text("ab", min_size=1, max_size=5))
def test_text_stream_releases_text_as_soon_as_it_is_certain(text: str, stop: str) -> None:
    stream, shown = TextStream("char", stop), ""
    for number, symbol in enumerate(text, 1):
        shown += stream.add(symbol)
        assert text.startswith(shown) and stop not in shown
        if stream.stopped:
            break
        held = text[len(shown) : number]
        assert stop.startswith(held) and (len(held) == 0 or len(held) < len(stop))
        assert not any(stop.startswith(text[start:number]) for start in range(len(shown)))
    assert shown + stream.end() == text.split(stop)[0]


@given(st.text(max_size=20))
def test_text_stream_decodes_bytes_to_whole_characters(text: str) -> None:
    stream = TextStream("byte", "")
    encoded = text.encode("utf-8", "replace")
    pieces = [stream.add(chr(byte)) for byte in encoded]
    assert "".join(pieces) + stream.end() == encoded.decode("utf-8")


def test_text_stream_keeps_the_bytes_of_an_incomplete_character() -> None:
    stream = TextStream("byte", "")
    assert stream.add("\xe2") + stream.add("\x82") == ""
    assert stream.end().encode("utf-8", "surrogateescape") == b"\xe2\x82"


def test_unknown_symbol_is_read_but_never_sampled() -> None:
    model = make(symbols="\N{REPLACEMENT CHARACTER}abc", unknown=0)
    model._bias[0] = 50
    assert set("".join(model.sample("xyz", 200))) <= set("abc")


def test_sample_without_prompt_starts_at_a_line_or_after_the_first_symbol() -> None:
    model = make()
    assert "".join(model.sample("", 30)) == "".join(model.sample("\n", 30))
    other = make(symbols="abcd")
    assert "".join(other.sample("", 30)) == "".join(other.sample("a", 30))


def test_wrong_arguments_are_reported_by_the_call() -> None:
    model = make()
    with pytest.raises(DataError, match="'x'"):
        model.sample("abx")
    wrong: list[dict[str, Any]] = [
        {"temperature": -1.0},
        {"temperature": math.nan},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"min_p": 0.0},
        {"min_p": 1.1},
        {"repetition_penalty": 0.0},
        {"repetition_penalty": math.inf},
        {"length": -1},
    ]
    for arguments in wrong:
        with pytest.raises(ConfigError):
            model.sample("a", **arguments)
    with pytest.raises(ModelError, match="no output layer"):
        make(CharModel(hidden_size=3, input="onehot", output="none")).sample("a")


SCORES = np.log(np.array([0.1, 0.4, 0.2, 0.3])) + 5


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Sampler(), [0.1, 0.4, 0.2, 0.3]),
        (Sampler(temperature=0.5), [0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3]),
        (Sampler(temperature=0), [0, 1, 0, 0]),
        (Sampler(temperature=1e-300), [0, 1, 0, 0]),
        (Sampler(top_k=2), [0, 4 / 7, 0, 3 / 7]),
        (Sampler(top_k=9), [0.1, 0.4, 0.2, 0.3]),
        (Sampler(top_p=0.4), [0, 1, 0, 0]),
        (Sampler(top_p=0.5), [0, 4 / 7, 0, 3 / 7]),
        (Sampler(top_p=1.0), [0.1, 0.4, 0.2, 0.3]),
        (Sampler(top_p=1e-9), [0, 1, 0, 0]),
        (Sampler(top_k=3, top_p=0.7), [0, 4 / 7, 0, 3 / 7]),
        (Sampler(min_p=0.1), [0.1, 0.4, 0.2, 0.3]),
        (Sampler(min_p=0.3), [0, 4 / 9, 2 / 9, 3 / 9]),
        (Sampler(min_p=0.7), [0, 4 / 7, 0, 3 / 7]),
        (Sampler(min_p=1), [0, 1, 0, 0]),
        (Sampler(temperature=0.5, min_p=0.3), [0, 0.16 / 0.25, 0, 0.09 / 0.25]),
        (Sampler(top_k=2, min_p=0.8), [0, 1, 0, 0]),
    ],
)
def test_sampler_follows_its_definition(choice: Sampler, expected: list[float]) -> None:
    np.testing.assert_allclose(choice.probabilities(SCORES), expected, atol=1e-12)
    draw = np.random.default_rng(0)
    counts = np.bincount([choice.draw(SCORES, draw) for _ in range(2000)], minlength=4)
    assert (counts[np.array(expected) == 0] == 0).all()
    np.testing.assert_allclose(counts / 2000, expected, atol=0.04)


@given(
    st.lists(st.floats(-20, 20), min_size=2, max_size=6),
    st.sets(st.integers(0, 5)),
    st.floats(0.2, 5),
    st.floats(0.1, 3),
    st.floats(0.001, 1),
)
def test_repetition_penalty_and_min_p_follow_their_equations(
    values: list[float], recent: set[int], penalty: float, temperature: float, min_p: float
) -> None:
    recent = {number for number in recent if number < len(values)}
    scores = [
        (value / penalty if value > 0 else value * penalty) if number in recent else value
        for number, value in enumerate(values)
    ]
    weights = [math.exp((value - max(scores)) / temperature) for value in scores]
    kept = [weight if weight >= min_p * max(weights) else 0 for weight in weights]
    sampler = Sampler(temperature, min_p=min_p, repetition_penalty=penalty)
    found = sampler.probabilities(np.array(values), recent)
    near_limit = any(abs(weight - min_p * max(weights)) < 1e-9 for weight in weights)
    if not near_limit:
        np.testing.assert_allclose(found, np.array(kept) / sum(kept), atol=1e-9)


def test_repetition_penalty_looks_at_the_prompt_and_the_latest_symbols() -> None:
    """At temperature 0 each symbol has the best score after the penalty of the last 64 symbols."""
    model = make(scale=1.5)
    prompt, penalty = random_text(90), 4.0
    text = prompt
    for _ in range(100):
        scores = model.states(text, {"logits"})["logits"][-1].astype(np.float64)
        for number in set(model.encode(text)[-RECENT:].tolist()):
            scores[number] = scores[number] / penalty if scores[number] > 0 else scores[number] * penalty
        text += model.vocabulary.symbols[int(scores.argmax())]
    found = "".join(model.sample(prompt, 100, temperature=0, repetition_penalty=penalty))
    assert prompt + found == text
    assert found != "".join(model.sample(prompt, 100, temperature=0))


def test_line_break_before_a_text_without_prompt_is_not_penalized() -> None:
    model = make()
    model._bias[0] = 8
    assert "".join(model.sample("", 1, temperature=0, repetition_penalty=100)) == "\n"


# --- scoring ------------------------------------------------------------------------------------------------


def test_running_text_is_scored_from_its_second_symbol_or_after_a_context() -> None:
    model = make()
    text = random_text(40)
    expected = losses_by_definition(model, model.encode("ab" + text))
    scores = model.score(text, "ab")
    assert "".join(scores.symbols) == text
    np.testing.assert_allclose(scores.losses, expected[1:], atol=1e-5)
    assert scores.mean == pytest.approx(expected[1:].mean(), rel=1e-5)
    assert scores.bits == pytest.approx(expected[1:].mean() / math.log(2), rel=1e-5)
    alone = model.score(text)
    assert "".join(alone.symbols) == text[1:]
    np.testing.assert_allclose(alone.losses, losses_by_definition(model, model.encode(text)), atol=1e-5)


@pytest.mark.parametrize("text", ["", "a"])
def test_text_without_scored_symbols_has_no_mean(text: str) -> None:
    scores = make().score(text)
    assert scores.count == 0
    assert scores.mean is None and scores.bits is None


def test_lines_are_scored_separately_with_their_ends() -> None:
    model = make(kind="lines")
    lines = ["abc", "", "a", "gfedcba", "bb"]
    scores = model.score("\n".join(lines) + "\n")
    assert "".join(scores.symbols) == "\n".join(lines) + "\n"
    expected = [losses_by_definition(model, model.encode("\n" + line + "\n")) for line in lines]
    np.testing.assert_allclose(scores.losses, np.concatenate(expected), atol=1e-5)
    np.testing.assert_array_equal(model.score("\n".join(lines)).losses, scores.losses)


def test_aligned_model_can_neither_score_nor_sample() -> None:
    model = make(kind="pairs")
    for use in (model.score, model.sample):
        with pytest.raises(ModelError, match="pairs"):
            use("ab")


def test_parallel_streams_equal_a_single_pass() -> None:
    model = make()
    ids = model.encode(random_text(9 * WARM_UP + 77))
    single = carried_losses(model, ids, streams=1)
    np.testing.assert_allclose(single, losses_by_definition(model, ids), atol=1e-5)
    for streams in (2, 5, None):
        losses = carried_losses(model, ids, streams=streams)
        assert losses.shape == single.shape
        np.testing.assert_allclose(losses, single, atol=1e-3)


def block_losses(model: CharacterModel, ids: Array, block: int) -> Array:
    losses = np.zeros(len(ids) - 1)
    for positions, nats in iter_block_losses(model, ids, block):
        losses[positions] = nats
    return losses


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_blocks_start_from_the_initial_state(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make()
    ids = model.encode(random_text(300))
    starts = range(0, len(ids) - 1, block)
    expected = np.concatenate(
        [losses_by_definition(model, ids[start : start + block + 1]) for start in starts]
    )
    np.testing.assert_allclose(block_losses(model, ids, block), expected, atol=1e-5)
    monkeypatch.setattr("seqtool.inference.text_scoring._SCORES", 100)
    np.testing.assert_allclose(block_losses(model, ids, block), expected, atol=1e-5)


# --- looking inside -----------------------------------------------------------------------------------------


def test_states_equal_those_of_single_steps() -> None:
    model = make()
    text = random_text(20)
    shown = model.states(text)
    assert shown.keys() == {f"encoder.{layer}.{part}" for layer in (0, 1) for part in "hcifog"} | {"logits"}
    state = model.initial_state()
    for place, number in enumerate(model.encode(text)):
        logits, state = model.step(np.array([number]), state)
        np.testing.assert_allclose(shown["logits"][place], logits[0], atol=1e-5)
        for layer, parts in enumerate(state):
            for name, part in zip("hc", parts, strict=True):
                np.testing.assert_allclose(shown[f"encoder.{layer}.{name}"][place], part[0, 0], atol=1e-5)
    o, c = shown["encoder.1.o"], shown["encoder.1.c"]
    np.testing.assert_allclose(shown["encoder.1.h"], o * np.tanh(c), atol=1e-6)


def test_states_are_limited_to_requested_names() -> None:
    assert make().states("abc", {"encoder.1.c"}).keys() == {"encoder.1.c"}


def test_states_of_a_long_text_are_read_in_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make()
    text = random_text(6 * WARM_UP)
    whole = model.states(text)
    monkeypatch.setattr("seqtool.inference.text_scoring.SINGLE_PASS", 100)
    monkeypatch.setattr("seqtool.inference.text_scoring.STREAMS", 3)
    monkeypatch.setattr("seqtool.inference.text_scoring.stream_count", lambda _: 3)
    for name, values in model.states(text).items():
        np.testing.assert_allclose(values, whole[name], atol=1e-3)


def test_network_without_output_layer_returns_its_states() -> None:
    """Check the walk-through of the lecture: the scores of a single cell are its states."""
    model = make(CharModel(cell="rnn", hidden_size=2, input="onehot", output="none"), "helo")
    shown = model.states("hello")
    assert shown["encoder.0.h"].shape == (5, 2)
    np.testing.assert_array_equal(shown["logits"], shown["encoder.0.h"])
    _, state = model.forward(model.encode("hello")[:, None])
    np.testing.assert_array_equal(state[0][0][0, 0], shown["encoder.0.h"][-1])
