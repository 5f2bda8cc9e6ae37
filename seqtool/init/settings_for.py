"""Settings of a training command: read from a config, or chosen for a data file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from seqtool.config.load import ReadConfig, looks_like_config, parse_settings, read_settings
from seqtool.data.formats.detect import looks_labeled
from seqtool.data.tagging.unlabeled import ENDINGS
from seqtool.errors import ConfigError, SeqtoolError
from seqtool.tasks.interface import DataFiles, definition


def settings_for(
    files: DataFiles,
    task: str | None = None,
    overrides: Sequence[str] = (),
    note: Callable[[str], None] | None = None,
) -> ReadConfig:
    """Read a config, or choose settings for a data file.

    Args:
        files: the config or the data file as `train`, and further data files that go with a data file.
        task: the task of a data file, or the task that a config must have; None accepts every config and uses
            the ending of the name of a data file.
        overrides: `KEY=VALUE` settings of the user.
        note: receives what was detected in a data file, one line at a time.

    Raises:
        ConfigError: a mistake in the config, or a config for another task.
        DataError: the data file cannot be read.
    """
    path = files.train
    if looks_like_config(path) or path.is_dir():
        return _read_config(files, task, overrides)
    suggested = definition(task or task_of_ending(path)).suggest(files, overrides)
    if note is not None:
        for line in suggested.notes:
            note(line)
    name = f"settings for {path.name}"
    return parse_settings(suggested.yaml, name=name, folder=Path.cwd(), overrides=list(overrides))


def task_of_ending(path: Path) -> str:
    """Return the task of a data file by the ending of its name."""
    return "tagger" if path.suffix.lower() in ENDINGS else "char"


def task_of_content(files: DataFiles) -> str | None:
    """Return the task of a data file by its content and the files that go with it; None for a config."""
    if looks_like_config(files.train):
        return None
    labeled = files.dev or files.test or looks_labeled(files.train)
    return "tagger" if labeled else task_of_ending(files.train)


def _read_config(files: DataFiles, task: str | None, overrides: Sequence[str]) -> ReadConfig:
    if files.dev or files.test:
        raise SeqtoolError(
            "--dev and --test go with a data file; a config names its own",
            hint="to change those of a config, use --set data.dev=FILE",
        )
    read = read_settings(files.train, list(overrides))
    if task and read.settings.task != task:
        hint = f"run: seqtool {definition(read.settings.task).command} {files.train}"
        message = f"expected {task}, found {read.settings.task}"
        raise ConfigError([read.problem("task", message, hint)])
    return read
