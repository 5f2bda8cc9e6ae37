"""Tables of weights and of units of taggers: all values, within the width of the terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqtool.inference.load import load_tagger
from seqtool.inspection.trace import Unit
from seqtool.reports.tagger_inspection import tagger_walk
from seqtool.reports.weights import SMALL, unit_table, weight_lines
from seqtool.settings.model import CharModel, Feature, TaggerModel
from tests.support.random_models import character_parts, stored_model, tagger, tagger_parts
from tests.support.shell import seqtool_in_process
from tests.support.stored_models import store

TOKENS = ("The", "dog", "ate")


@pytest.mark.parametrize("width", [40, 60, 80])
def test_weights_are_complete_and_fit(width: int) -> None:
    weights = {"a": np.arange(40, dtype=np.float32).reshape(2, 20), "b": np.array([0.5, 1.5], np.float32)}
    lines = list(weight_lines(weights, width))
    assert max(map(len, lines)) <= width
    numbers = [float(part) for line in lines if line.startswith("    ") for part in line.split()]
    assert numbers == [*range(40), 0.5, 1.5]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("width", [40, 60, 80])
def test_units_of_a_tagger_are_complete_and_fit(width: int, bidirectional: bool) -> None:
    model = tagger(
        TaggerModel(features=(Feature(name="form", dim=3),), bidirectional=bidirectional, hidden_size=5)
    )
    states = model.states(TOKENS)
    lines = list(
        unit_table(TOKENS, [Unit(0, part, index) for part in "hc" for index in range(5)], states, width)
    )
    assert max(map(len, lines)) <= width
    heads = [name for line in lines if line.startswith("token") for name in line.split()[1:]]
    signs = "><" if bidirectional else [""]
    assert heads == [f"{part}{index + 1}{sign}" for part in "hc" for index in range(5) for sign in signs]
    shown = [float(value) for line in lines if line.startswith("dog") for value in line.split()[1:]]
    directions = ("forward.", "backward.") if bidirectional else ("",)
    expected = [
        states[f"encoder.0.{direction}{part}"][1, index]
        for part in "hc"
        for index in range(5)
        for direction in directions
    ]
    assert np.allclose(shown, expected, atol=6e-5)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_table_of_features_fits(width: int) -> None:
    """Every column is in one of the tables, each beginning with the tokens."""
    features = tuple(Feature(name="prefix", length=length, dim=2) for length in range(1, 12))
    parts = tagger_parts(TaggerModel(features=features, hidden_size=2))
    model = load_tagger(stored_model(parts))
    lines = list(tagger_walk(model, parts[2], TOKENS, width))
    end = next(place for place, line in enumerate(lines) if line.startswith("  token numbers"))
    table = lines[2:end]
    assert max(map(len, table)) <= width
    heads = [name for line in table if line.startswith("  token") for name in line.split()[1:]]
    assert heads == [*(f"prefix{length}" for length in range(1, 12)), "label", "probability"]
    tables = sum(line.startswith("  token") for line in table)
    assert sum(line.startswith("  The ") for line in table) == tables > 1


def test_inspect_shows_units_and_weights_of_a_tagger(tmp_path: Path) -> None:
    features = (Feature(name="form", dim=2),)
    network = TaggerModel(features=features, projection=0, hidden_size=2, decoder="softmax")
    parts = tagger_parts(network, ("A", "B"), scheme="none")
    assert sum(array.size for array in parts[2].values()) < SMALL
    store(tmp_path / "runs/small", parts)
    units = seqtool_in_process("inspect", "small", "--text", "The dog", "--units", "h1,f2", cwd=tmp_path)
    assert units.code == 0 and "h1>" in units.stdout and "f2<" in units.stdout
    whole = seqtool_in_process("inspect", "small", "--text", "The dog", cwd=tmp_path).stdout
    assert whole.count("\nweights\n") == 1 and "encoder.0.backward.weight_hh  8x2" in whole
    missing = seqtool_in_process("inspect", "small", "--units", "h1", cwd=tmp_path)
    assert missing.code == 2 and "--units needs a sentence" in missing.stderr
    wrong = seqtool_in_process("inspect", "small", "--text", "The", "--units", "z9", cwd=tmp_path)
    assert wrong.code == 2 and "an lstm has no 'z'" in wrong.stderr


@pytest.mark.parametrize(
    ("cell", "line"), [("lstm", "c1 = f * c0 + i * g = ["), ("gru", "h1 = (1 - z) * n + z * h0 = [")]
)
def test_first_step_of_lstm_and_gru_is_worked_out(tmp_path: Path, cell: str, line: str) -> None:
    network = CharModel(cell=cell, hidden_size=4, input="onehot")  # type: ignore[arg-type]
    store(tmp_path / "runs/small", character_parts(network, "hielo", kind="pairs"))
    shown = seqtool_in_process("inspect", "small", "--text", "hihell", cwd=tmp_path).stdout
    assert line in shown and "W_hh_" in shown
