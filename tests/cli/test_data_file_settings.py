"""Settings for a data file: they follow the user's options, and no error points at a file nobody wrote."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.cli.options import config_keys
from seqtool.config.overrides import override_count, override_text
from seqtool.errors import ConfigError, SeqtoolError
from seqtool.init.config import settings_for
from seqtool.settings.experiment import Settings
from seqtool.tasks.interface import DataFiles
from tests.support.shell import Result, seqtool_in_process
from tests.support.small_runs import sentences_file, text_file

COUNTS = st.one_of(st.integers(1, 12), st.integers(1, 100_000))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a data file of each task."""
    folder = tmp_path_factory.mktemp("data")
    return {"char": text_file(folder), "tagger": sentences_file(folder, 12)}


def settings_with(path: Path, task: str, overrides: list[str]) -> Settings:
    return settings_for(DataFiles(path, (), ()), task, overrides).settings


@pytest.mark.parametrize("task", ["char", "tagger"])
@hypothesis.settings(max_examples=30)
@given(
    lengths=st.dictionaries(st.sampled_from(["max_steps", "epochs", "batch_size", "window"]), COUNTS),
    sectioned=st.booleans(),
)
def test_warm_up_follows_the_length_of_the_run(
    task: str, lengths: dict[str, int], sectioned: bool, files: dict[str, Path]
) -> None:
    if task == "tagger":
        lengths = {key: value for key, value in lengths.items() if key != "window"}
        if "batch_size" in lengths:
            lengths["batch_words"] = lengths.pop("batch_size")
    overrides = [f"training.{key}={value}" for key, value in lengths.items()]
    if sectioned and lengths:
        overrides = [f"training={{{', '.join(f'{key}: {value}' for key, value in lengths.items())}}}"]
    training = settings_with(files[task], task, overrides).training
    for key, value in lengths.items():
        assert getattr(training, key) == value
    if training.max_steps is not None:
        assert training.warmup_steps < training.max_steps
        if "epochs" not in lengths and "max_steps" in lengths:
            assert training.epochs is None  # the run is as long as the user wants


@pytest.mark.parametrize("task", ["char", "tagger"])
def test_settings_without_options_are_those_of_init(task: str, files: dict[str, Path]) -> None:
    from seqtool.tasks.interface import definition

    plain, other = (
        definition(task).suggest(DataFiles(files[task], (), ()), overrides)
        for overrides in ([], ["training.lr=0.1"])
    )
    assert plain == other


@pytest.mark.parametrize("task", ["char", "tagger"])
def test_no_error_points_at_a_line_of_the_suggested_settings(task: str, files: dict[str, Path]) -> None:
    refused = 0
    for key in config_keys():
        for value in ("1", "[a, b]"):
            option = f"{key}={value}"
            try:
                settings_with(files[task], task, [option])
            except ConfigError as error:
                refused += 1
                assert {problem.place for problem in error.problems} <= {f"--set {option}", str(files[task])}
                assert not any(problem.source for problem in error.problems)
            except SeqtoolError:
                pass  # a file that does not exist
    assert refused > 40


def test_contradiction_names_the_option_that_is_part_of_it(files: dict[str, Path]) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_with(files["char"], "char", ["training.max_steps=9", "training.warmup_steps=9"])
    (problem,) = caught.value.problems
    assert problem.place == "--set training.warmup_steps=9"


def test_value_of_an_option_is_read_as_in_a_config() -> None:
    options = ["training.epochs=3", "training={max_steps: 5, epochs: 4}", "wrong", "model.cell=gru"]
    assert override_count(options, ("training", "epochs")) == 4
    assert override_count(options, ("training", "max_steps")) == 5
    assert override_text(options, ("model", "cell")) == "gru"
    for text in ("0", "-1", "x", "1.5", "[1]", "9" * 40):
        assert override_count([f"training.epochs={text}"], ("training", "epochs")) is None


# --- data from a pipe ---------------------------------------------------------------------------------------


def with_pipe(content: str, folder: Path, *command: str) -> Result:
    """Run a command whose argument `PIPE` is a pipe with this content, as `<(command)` gives it."""
    reading, writing = os.pipe()
    os.write(writing, content.encode())
    os.close(writing)
    try:
        path = f"/dev/fd/{reading}"
        return seqtool_in_process(*(path if part == "PIPE" else part for part in command), cwd=folder)
    finally:
        os.close(reading)


@pytest.mark.parametrize("content", ["some text\n" * 9, "the\tDET\ndog\tNN\n\n" * 9, ""])
@pytest.mark.parametrize(
    "command",
    [
        ("check", "PIPE"),
        ("train-char", "PIPE"),
        ("train-tagger", "PIPE"),
        ("init", "char", "PIPE"),
        ("init", "tagger", "PIPE"),
        ("check", "train.conll", "--dev", "PIPE"),
    ],
    ids=" ".join,
)
def test_data_from_a_pipe_are_refused_with_the_reason(
    command: tuple[str, ...], content: str, tmp_path: Path
) -> None:
    sentences_file(tmp_path)
    done = with_pipe(content, tmp_path, *command)
    assert done.code == 2
    assert "expected a file, found a pipe" in done.stderr and " to a file first" in done.stderr


def test_config_from_a_pipe_is_read(tmp_path: Path) -> None:
    config = "task: char\ndata: {pairs: [[hihell, ihello]]}\ntraining: {epochs: 1}\n"
    assert with_pipe(config, tmp_path, "check", "PIPE").code == 0
