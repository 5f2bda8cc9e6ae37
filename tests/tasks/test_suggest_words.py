"""Suggested settings of word models are valid for texts of any size, and train."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtool.config.load import parse_settings
from seqtool.settings.experiment import CharSettings
from seqtool.tasks.suggest_character import TextSample
from seqtool.tasks.suggest_words import BATCH, BUDGET, WINDOW, suggest_text_model, suggest_words
from tests.support.shell import seqtool_in_process


@pytest.mark.parametrize("per_line", [False, True], ids=["text", "lines"])
@pytest.mark.parametrize("characters", [50, 20_000, 300_000, 3_200_000, 1_000_000_000])
def test_text_of_any_size_gets_valid_settings_for_a_minute(characters: int, per_line: bool) -> None:
    sample = TextSample("char", "utf-8", characters, 60, 0, per_line)
    suggested = suggest_words(Path("a.txt"), sample, ())
    read = parse_settings(suggested.yaml, name="a", folder=Path.cwd())
    assert read.notes == () and isinstance(read.settings, CharSettings)
    data, training = read.settings.data, read.settings.training
    assert (data.unit, data.spell_unknown, data.per_line) == ("word", True, per_line)
    train = characters / 5 * data.split[0]
    words = train * training.epochs if training.epochs else (training.max_steps or 0) * BATCH * WINDOW
    assert words <= 1.6 * BUDGET
    assert words >= 0.6 * BUDGET or training.epochs == 20


def test_user_decides_on_unknown_words(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The cat sat on the mat. " * 50)
    suggested = suggest_text_model(tmp_path / "a.txt", ["data.unit=word", "data.spell_unknown=false"])
    assert "spell_unknown" not in suggested.yaml and "unit: word" in suggested.yaml


def test_data_file_trains_a_model_of_words(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The cat sat on the mat. A dog saw it. " * 40)
    options = ("--set", "data.unit=word", "--set", "training.epochs=1", "--set", "training.device=cpu")
    done = seqtool_in_process("train-char", "a.txt", *options, cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert "chosen: words of running text, LSTM of 128" in done.stderr
