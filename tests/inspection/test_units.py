"""Hidden units: their names, traces of a text, and correlations with patterns, compared with brute force."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.errors import SeqtoolError
from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_character_model
from seqtool.inspection.trace import (
    Unit,
    ablate_words,
    character_states,
    parse_units,
    shades,
    tagger_states,
    trace_excerpt,
    trace_text,
    write_npz,
)
from seqtool.inspection.unit_ranking import excerpt, pattern_values, rank_units, state_arrays, symbol_pattern
from seqtool.reports.character_inspection import LEVELS, MARGIN, UnitDisplay, shown_symbols, unit_rows
from seqtool.settings.model import CharModel
from seqtool.settings.model import TaggerModel as TaggerSettings
from tests.support.random_models import FEATURES, character_model, character_parts, stored_model, tagger

SYMBOLS = '\n ()AB"abcd'
LSTM = CharModel(hidden_size=6, embedding_dim=4, num_layers=2)


def random_text(length: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list(SYMBOLS), length))


# --- units that follow a pattern ----------------------------------------------------------------------------


def planted() -> CharacterModel:
    """Return a ReLU network: h3 is the line position, h5 counts open brackets, h2 is 0 at spaces."""
    settings = CharModel(cell="rnn", nonlinearity="relu", input="onehot", hidden_size=6)
    config, vocab, weights = character_parts(settings, SYMBOLS, scale=0.1)
    w_ih, w_hh = weights["encoder.0.forward.weight_ih"], weights["encoder.0.forward.weight_hh"]
    for unit in (1, 2, 4):
        w_ih[unit] = w_hh[unit] = 0
        weights["encoder.0.forward.bias_ih"][unit] = weights["encoder.0.forward.bias_hh"][unit] = 0
    w_ih[2], w_hh[2, 2], w_ih[2, SYMBOLS.index("\n")] = 1, 1, -1000
    w_hh[4, 4], w_ih[4, SYMBOLS.index("(")], w_ih[4, SYMBOLS.index(")")] = 1, 1, -1
    w_ih[1] = [0.0 if symbol.isspace() else 1.0 for symbol in SYMBOLS]
    return load_character_model(stored_model((config, vocab, weights)))


@pytest.mark.parametrize(
    ("pattern", "unit", "correlation"),
    [("line-position", "h3", 1), ("brackets", "h5", 1), ("spaces", "h2", -1), (r"regex:[^\s]", "h2", 1)],
)
def test_planted_units_rank_first_with_their_sign(pattern: str, unit: str, correlation: float) -> None:
    model, text = planted(), random_text(2000)
    ranked = rank_units(model, text, {pattern: symbol_pattern(model, pattern, text)}, state_arrays(model))[
        pattern
    ]
    assert ranked[0].unit.name == unit
    assert ranked[0].correlation == pytest.approx(correlation, abs=1e-6)


@pytest.mark.parametrize("length", [300, 11_000], ids=["one pass", "streams"])
def test_ranking_agrees_with_brute_force(length: int) -> None:
    model, text = character_model(LSTM, SYMBOLS), random_text(length)
    patterns = {name: symbol_pattern(model, name, text) for name in ("line-position", "capitals", "quotes")}
    parts = [f"encoder.{layer}.{part}" for layer in (0, 1) for part in "hcifog"]
    result = rank_units(model, text, patterns, parts)
    states = model.states(text)
    for name, target in patterns.items():
        assert [abs(one.correlation) for one in result[name]] == sorted(
            (abs(one.correlation) for one in result[name]), reverse=True
        )
        assert len(result[name]) == 2 * 6 * 6
        for one in result[name]:
            expected = np.corrcoef(states[one.unit.array][:, one.unit.index].astype(np.float64), target)[0, 1]
            assert one.correlation == pytest.approx(expected, abs=1e-6)


def test_constant_unit_has_correlation_0() -> None:
    settings = CharModel(cell="rnn", input="onehot", hidden_size=2)
    config, vocab, weights = character_parts(settings, "ab")
    weights["encoder.0.forward.weight_ih"][0] = weights["encoder.0.forward.weight_hh"][0] = 0
    model = load_character_model(stored_model((config, vocab, weights)))
    ranked = rank_units(model, "abba", {"x": np.array([0.0, 1, 1, 0])}, state_arrays(model))["x"]
    assert (ranked[-1].unit.name, ranked[-1].correlation) == ("h1", 0.0)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("quotes", 'a "b" c', [0, 0, 1, 1, 0, 0, 0], id="straight"),
        pytest.param("quotes", "a“b”c", [0, 1, 1, 0, 0], id="curly"),
        pytest.param("quotes", '"a\n\nb"c', [1, 1, 1, 0, 0, 1, 1], id="blank line"),
        pytest.param("line-position", "ab\nc", [1, 2, 0, 1], id="line"),
        pytest.param("capitals", "aBÉ1", [0, 1, 1, 0], id="capitals"),
        pytest.param("spaces", "a b\n", [0, 1, 0, 1], id="spaces"),
        pytest.param("brackets", "a([b])c", [0, 1, 2, 2, 1, 0, 0], id="depth"),
        pytest.param("brackets", ")a(", [0, 0, 1], id="closed too often"),
        pytest.param("regex:^b+", "abb\nbb", [0, 0, 0, 0, 1, 1], id="regex, by lines"),
    ],
)
def test_pattern_values_equal_the_expected_ones(name: str, text: str, expected: list[float]) -> None:
    assert pattern_values(name, text).tolist() == expected


def test_bytes_have_the_pattern_value_of_their_character() -> None:
    model = character_model(LSTM, [chr(number) for number in range(256)], unit="byte")
    assert symbol_pattern(model, "capitals", "aÉb").tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("name", "part"),
    [("quote", "no such pattern"), ("regex:(", "unterminated"), ("quotes", "the same value everywhere")],
)
def test_patterns_that_no_unit_can_follow_are_refused(name: str, part: str) -> None:
    with pytest.raises(SeqtoolError, match=part):
        symbol_pattern(character_model(LSTM, SYMBOLS), name, "abc")


# --- names --------------------------------------------------------------------------------------------------


def test_parse_units_reads_lists_and_ranges() -> None:
    result = parse_units(["h2, 2.c1-3", "f6", "h2"], LSTM)
    assert [unit.name for unit in result] == ["h2", "2.c1", "2.c2", "2.c3", "f6"]
    assert result[1].array == "encoder.1.c"
    assert [unit.name for unit in parse_units(["2.h"], LSTM)] == [f"2.h{number}" for number in range(1, 7)]


@pytest.mark.parametrize(
    "name", ["", "x1", "h0", "h7", "h3-2", "3.h1", "0.h1", "h1-", "r1", "1", "h-1", "h١"]
)
def test_malformed_unit_names_are_refused(name: str) -> None:
    with pytest.raises(SeqtoolError) as error:
        parse_units([name], LSTM)
    assert (
        error.value.problems[0].place == "--units" and "6 units in 2 layers" in error.value.problems[0].hint
    )


def test_shades_map_gates_and_scale_states() -> None:
    assert shades(Unit(0, "f", 0), np.array([0.0, 0.5, 1.0])).tolist() == [-1, 0, 1]
    assert shades(Unit(0, "c", 0), np.array([-2.0, 0, 4])).tolist() == [-0.5, 0, 1]
    assert shades(Unit(0, "h", 0), np.zeros(2)).tolist() == [0, 0]


# --- traces -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text", "lines"])
def test_surprisal_equals_the_losses_of_score(kind: str) -> None:
    model, text = character_model(LSTM, SYMBOLS, kind=kind), "ab\ncd(A)\n\nb\n"
    trace = trace_text(model, text)
    bits = trace.bits if kind == "lines" else trace.bits[1:]
    np.testing.assert_allclose(bits, model.score(text).losses / math.log(2), rtol=1e-5)
    assert "".join(trace.symbols) == text
    assert math.isnan(trace.bits[0]) == (kind == "text")


def test_guesses_are_the_most_probable_symbols() -> None:
    model, text = character_model(LSTM, SYMBOLS), random_text(50)
    trace, logits = trace_text(model, text), model.states(text, {"logits"})["logits"]
    assert trace.guesses.tolist() == np.argsort(-logits, axis=1)[:, :5].tolist()
    whole = np.exp(logits.astype(np.float64))
    np.testing.assert_allclose(
        trace.probabilities, -np.sort(-whole / whole.sum(1, keepdims=True))[:, :5], rtol=1e-5
    )


def test_model_of_lines_traces_each_line_separately() -> None:
    model = character_model(LSTM, SYMBOLS, kind="lines")
    together = trace_text(model, "ab\nccc\na", {"encoder.1.h"})
    alone = [trace_text(model, line, {"encoder.1.h"}) for line in ("ab", "ccc", "a")]
    assert "".join(together.symbols) == "ab\nccc\na\n"
    np.testing.assert_allclose(
        together.states["encoder.1.h"],
        np.concatenate([one.states["encoder.1.h"] for one in alone]),
        atol=1e-6,
    )
    np.testing.assert_allclose(together.bits, np.concatenate([one.bits for one in alone]), atol=1e-5)


def test_trace_of_an_excerpt_includes_the_context_before_it() -> None:
    model, text = character_model(LSTM, SYMBOLS), random_text(400)
    unit = Unit(1, "c", 3)
    result = trace_excerpt(model, text, 100, 150, [unit])
    np.testing.assert_allclose(result.states[unit.array], model.states(text)[unit.array][100:150], atol=1e-6)
    assert "".join(result.symbols) == text[100:150]


def test_excerpt_begins_with_the_line_that_contains_the_pattern() -> None:
    text = "plain\nso (much)\nmore"
    assert text[slice(*excerpt(pattern_values("brackets", text), text, 8))] == "so (much"


# --- arrays in a file ---------------------------------------------------------------------------------------


def test_states_are_read_back_from_a_file_without_pickle(tmp_path: Path) -> None:
    model, text = character_model(LSTM, SYMBOLS), random_text(30)
    write_npz(tmp_path / "out", character_states(model, text))
    with np.load(tmp_path / "out", allow_pickle=False) as result:
        assert "".join(result["symbols"]) == text
        for name, values in model.states(text).items():
            if name != "logits":
                np.testing.assert_array_equal(result[name], values)
    write_npz(tmp_path / "some.npz", character_states(model, text, parse_units(["2.c3", "o1"], LSTM)))
    with np.load(tmp_path / "some.npz", allow_pickle=False) as result:
        assert sorted(result) == ["2.c3", "bits", "ids", "o1", "symbols"]
        np.testing.assert_array_equal(result["2.c3"], model.states(text)["encoder.1.c"][:, 2])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "some.npz"]


def small_tagger() -> Any:
    return tagger(TaggerSettings(features=FEATURES, hidden_size=6, projection=8))


def test_states_of_a_tagger_are_read_back_from_a_file(tmp_path: Path) -> None:
    model, tokens = small_tagger(), ["The", "dog", "ate"]
    write_npz(tmp_path / "t.npz", tagger_states(model, tokens))
    with np.load(tmp_path / "t.npz", allow_pickle=False) as result:
        assert result["tokens"].tolist() == tokens and result["labels"].tolist() == list(model.labels)
        np.testing.assert_array_equal(result["probabilities"], model.probabilities([tokens])[0])


def test_effects_equal_tagging_without_the_word() -> None:
    model, tokens = small_tagger(), ["The", "dog", "ate", "the", "apple"]
    inside = ablate_words(model, tokens)
    assert inside.effects is not None and inside.instead is not None
    (whole,) = model.probabilities([tokens])
    for left_out in range(5):
        rest = [place for place in range(5) if place != left_out]
        (without,) = model.probabilities([[tokens[place] for place in rest]])
        for row, place in enumerate(rest):
            best = int(whole[place].argmax())
            assert inside.effects[place, left_out] == pytest.approx(
                whole[place, best] - without[row, best], abs=1e-6
            )
            assert inside.instead[place, left_out] == without[row].argmax()
    assert not np.diag(inside.effects).any()
    assert ablate_words(model, ["dog"]).effects is None


# --- on a terminal ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [50, 80, 200])
def test_rows_contain_the_whole_text_and_fit_the_width(width: int) -> None:
    model = character_model(LSTM, SYMBOLS)
    text = random_text(300)
    units = parse_units(["h1", "2.c2"], LSTM)
    trace = trace_text(model, text, {unit.array for unit in units})
    rows = [
        row.plain
        for row in unit_rows(
            trace, model.vocabulary, UnitDisplay(units, "next", surprisal=True, width=width, color=False)
        )
    ]
    assert max(map(len, rows)) <= width
    levels = "".join(row[MARGIN:] for row in rows if row.lstrip().startswith("2.c2"))
    expected = shades(units[1], trace.states["encoder.1.c"][:, 1])
    assert levels == "".join(LEVELS[min(7, int((value + 1) * 4))] for value in expected.tolist())
    assert sum("bits, " in row for row in rows) == sum(row.lstrip().startswith("bits ") for row in rows)


def test_bytes_are_shown_as_characters() -> None:
    assert shown_symbols([chr(byte) for byte in "aé\n".encode() + b"\xff"], "byte") == [
        "a",
        "é",
        "·",
        "↵",
        "·",
    ]
    assert shown_symbols(["\x1b", "é", "\n"], "char") == ["␛", "é", "↵"]
