"""Suggested settings for texts of any size are valid, explained, and train for about a minute."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from seqtool.config.load import parse_settings
from seqtool.errors import DataError
from seqtool.settings.experiment import CharSettings
from seqtool.tasks.suggest_character import SIZES, TextSample, character_yaml, plan_for, suggest_character

CHARACTERS = [50, 1_000, 20_000, 60_000, 300_000, 1_115_394, 9_000_000, 100_000_000, 5_000_000_000]


@pytest.mark.parametrize("per_line", [False, True], ids=["text", "lines"])
@pytest.mark.parametrize("characters", CHARACTERS)
def test_text_of_any_size_gets_valid_settings_for_a_minute(characters: int, per_line: bool) -> None:
    sample = TextSample("char", "utf-8", characters, 60, 0, per_line)
    plan = plan_for(sample)
    read = parse_settings(character_yaml(Path("a.txt"), sample, plan), name="a", folder=Path.cwd())
    assert read.notes == () and isinstance(read.settings, CharSettings)
    training, data = read.settings.training, read.settings.data
    budget = next(size.budget for size in SIZES if characters < size.below)
    train = characters * data.split[0]
    trained_on = (
        train * training.epochs
        if training.epochs
        else (training.max_steps or 0) * training.batch_size * training.window
    )
    assert trained_on <= 1.6 * budget or per_line
    assert trained_on >= 0.6 * budget or training.epochs == 60 or per_line
    assert data.per_line is per_line
    assert characters * data.split[1] == pytest.approx(min(200_000, characters / 10), rel=0.3)
    assert (
        training.eval_every is not None and 8 <= plan.steps / training.eval_every <= 20
    ) or plan.steps < 20


def test_smaller_texts_get_more_dropout() -> None:
    plans = [
        plan_for(TextSample("char", "utf-8", characters, 60, 0, False)) for characters in reversed(CHARACTERS)
    ]
    dropouts = [plan.dropout for plan in plans]
    assert dropouts == sorted(dropouts) and dropouts[0] <= 0.05 and dropouts[-1] == 0.4


@pytest.mark.parametrize(
    ("content", "unit", "lines", "min_count", "encoding"),
    [
        ("To be, or not to be.\n" * 300, "char", False, 1, "auto"),
        ("\n".join(f"name{number}" for number in range(300)), "char", True, 1, "auto"),
        ("Überall ist's. " * 100 + "".join(map(chr, range(0x4E00, 0x4E40))), "char", False, 3, "auto"),
        ("To bé.\n".encode("utf-8-sig"), "char", False, 1, "auto"),
        ("Überall ist's. \U0001f600".encode("utf-16"), "char", False, 1, "utf-16"),
        (codecs.BOM_UTF16_BE + "Überall ist's.".encode("utf-16-be"), "char", False, 1, "utf-16"),
        ("Überall ist's. ".encode("utf-32"), "char", False, 1, "utf-32"),
    ],
    ids=[
        "prose",
        "list",
        "rare symbols",
        "mark",
        "utf-16",
        "big endian",
        "utf-32",
    ],
)
def test_unit_lines_and_encoding_are_detected(
    content: str | bytes, unit: str, lines: bool, min_count: int, encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / "some text.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    suggested = suggest_character(path)
    settings = parse_settings(suggested.yaml, name="a", folder=tmp_path).settings
    assert isinstance(settings, CharSettings)
    assert (settings.data.unit, settings.data.per_line, settings.data.min_count) == (unit, lines, min_count)
    assert settings.data.encoding == encoding
    assert settings.name == "some-text"
    assert suggested.notes[0].startswith("some text.txt: about ") and suggested.notes[1].startswith(
        "chosen: "
    )
    assert suggested.notes[1].endswith("less than a minute on two cores")


@pytest.mark.parametrize(
    "content", [b"\x00\xff\xfe" * 500, b"\xff\xfe\x00\xd8" * 9 + b"x", b"PK\x03\x04 \xff"]
)
def test_bytes_are_symbols_only_on_request(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(content)
    with pytest.raises(DataError):
        suggest_character(path)
    settings = parse_settings(
        suggest_character(path, ["data.unit=byte"]).yaml, name="a", folder=tmp_path
    ).settings
    assert isinstance(settings, CharSettings) and settings.data.unit == "byte"


def test_duration_depends_on_the_size() -> None:
    durations = {
        size: plan_for(TextSample("char", "utf-8", size, 60, 0, False)).duration for size in CHARACTERS
    }
    assert {size for size, time in durations.items() if time == "less than a minute"} == {
        50,
        1_000,
        20_000,
        60_000,
    }
    assert {time for size, time in durations.items() if size > 60_000} == {"about a minute"}
