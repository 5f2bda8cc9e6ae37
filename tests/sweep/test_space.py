"""Space files: choices and ranges, and every mistake with its location and a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtool.config.load import read_settings
from seqtool.errors import ConfigError, Problem
from seqtool.sweep.space import Dimension, number_text, read_space

CONFIG = "task: char\ndata: {text: x.txt}\ntraining: {epochs: 1}\n"


def read(folder: Path, text: str) -> tuple[Dimension, ...]:
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "space.yaml").write_text(text, encoding="utf-8")
    return read_space(folder / "space.yaml", lambda more: read_settings(folder / "config.yaml", more))


def mistakes(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as raised:
        read(folder, text)
    return raised.value.problems


def test_keys_are_read_with_dots_and_inside_sections(tmp_path: Path) -> None:
    text = """
    training.lr: {low: 1e-4, high: 1e-2, log: true}
    model:
      hidden_size: {low: 32, high: 128, step: 32}
      cell: [lstm, "gru"]
    training.betas: [[0.9, 0.99], [0.8, 0.95]]
    seed: [1, 2]
    """
    assert read(tmp_path, text) == (
        Dimension("training.lr", (), 1e-4, 1e-2, None, True),
        Dimension("model.hidden_size", (), 32, 128, 32),
        Dimension("model.cell", ("lstm", '"gru"')),
        Dimension("training.betas", ("[0.9, 0.99]", "[0.8, 0.95]")),
        Dimension("seed", ("1", "2")),
    )


@pytest.mark.parametrize(
    ("dimension", "values"),
    [
        (Dimension("x", ("a", "b")), ("a", "b")),
        (Dimension("x", (), 1, 7, 3), ("1", "4", "7")),
        (Dimension("x", (), 1, 3), ("1", "2", "3")),
        (Dimension("x", (), 0.0, 0.3, 0.1), ("0.0", "0.1", "0.2", "0.3")),
        (Dimension("x", (), 0.0, 0.3), ()),
        (Dimension("x", (), 1, 100, None, True), ()),
    ],
)
def test_grid_contains_all_values_of_a_finite_dimension(
    dimension: Dimension, values: tuple[str, ...]
) -> None:
    assert dimension.grid == values


def test_number_text_hides_rounding_errors() -> None:
    assert number_text(0.1 + 0.2) == "0.3" and number_text(7) == "7"


@pytest.mark.parametrize(
    ("line", "place", "message", "hint"),
    [
        ("training.lrr: [1, 2]", "1:1", "training.lrr: unknown key", "did you mean lr?"),
        ("training.lrr: {low: 1, high: 2}", "1:1", "training.lrr: unknown key", "did you mean lr?"),
        (
            "model.cell: [lstm, grr]",
            "1:20",
            "model.cell: expected rnn, lstm or gru, found grr",
            "did you mean gru?",
        ),
        (
            "model.dropout: {low: 0, high: 1.5}",
            "1:31",
            "model.dropout: expected a number of at least 0 and below 1",
            "",
        ),
        (
            "model.dropout: {low: 0, high: 0.5, stepp: 1}",
            "1:36",
            "a range has no key stepp",
            "did you mean step?",
        ),
        (
            "training.lr: {low: 0.1, high: 0.1}",
            "1:31",
            "expected high above low",
            "give the smaller number as low",
        ),
        ("training.lr: {low: 0.1}", "1:14", "the range has no high", "give choices"),
        (
            "training.lr: {low: 0, high: 1, log: true}",
            "1:20",
            "a logarithmic range starts above 0",
            "raise low",
        ),
        (
            "training.lr: {low: 0.1, high: 1, log: yes}",
            "1:39",
            "expected true or false for log, found yes",
            "",
        ),
        (
            "training.lr: {low: 0.1, high: 1, log: true, step: 0.1}",
            "1:45",
            "has no step",
            "delete step or log",
        ),
        ("model.hidden_size: {low: 1.5, high: 3}", "1:26", "expected a whole number for low, found 1.5", ""),
        ("training.lr: {low: [1], high: 2}", "1:20", "expected a number for low, found a list of 1", ""),
        ("training.lr: {low: -.inf, high: 2}", "1:20", "expected a number for low, found -.inf", ""),
        ("training.lr: {low: low, high: 2}", "1:20", "expected a number for low, found low", ""),
        ("training.lr: {low: 0.1, high: 1, step: 0}", "1:40", "expected a step above 0", ""),
        ("training.lr: [{a: 1}]", "1:15", "training.lr: expected a number", ""),
        ("training.lr: 0.1", "1:14", "expected choices or a range, found 0.1", "give choices"),
        ("training.lr:", "1:1", "expected choices or a range, found nothing", "give choices"),
        ("training.lr: []", "1:14", "expected choices or a range, found an empty list", "give choices"),
        ("name: [a, b]", "1:1", "name: cannot be searched over", "name a key"),
        ("training.lr: [0.1]\ntraining.lr: [0.2]", "2:1", "given twice", ""),
        ("training: {lr: [0.1]}\ntraining.lr: [0.2]", "2:1", "given twice", ""),
        ("training.lr: &a [0.1]", "1:14", "anchors", ""),
        ("- training.lr", "1:1", "expected keys to search over, found a list of 1", "give choices"),
    ],
)
def test_mistake_has_a_location_and_a_hint(
    tmp_path: Path, line: str, place: str, message: str, hint: str
) -> None:
    problem = mistakes(tmp_path, line)[0]
    assert problem.place == f"{tmp_path / 'space.yaml'}:{place}"
    assert message in problem.message and hint in problem.hint


def test_all_mistakes_are_reported_together_and_an_empty_file_is_one(tmp_path: Path) -> None:
    problems = mistakes(tmp_path, "training.lr: 1\nmodel.cell: [a]\nmodel.hiden_size: [1]\n")
    assert [problem.place.rpartition("yaml:")[2].split(":")[0] for problem in problems] == ["1", "2", "3"]
    assert "found none" in mistakes(tmp_path, "# nothing\n")[0].message
    with pytest.raises(ConfigError, match="no such file"):
        read_space(tmp_path / "none.yaml", lambda more: read_settings(tmp_path / "config.yaml", more))
