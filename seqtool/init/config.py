"""`init`: write a config for the user's data, or a shipped example, and the JSON Schema for editors.

`settings_for` gives the settings of a training command: from a config, or chosen for a data file.

Heavy modules are imported inside functions, because shell completion lists the examples.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.errors import ConfigError, DataError, Problem, SeqtoolError
from seqtool.storage.atomic import make_directory, write_file, writing
from seqtool.storage.ownership import check_output

if TYPE_CHECKING:
    from seqtool.config.load import ReadConfig
    from seqtool.tasks.interface import DataFiles


@dataclass(frozen=True)
class InitResult:
    """Result of `init`.

    Attributes:
        config: path of the YAML file.
        written: files that were written, without those that had this content before.
        notes: what was detected in the data, or what to fill in.
        command: the next command.
    """

    config: str
    written: tuple[str, ...]
    notes: tuple[str, ...]
    command: str


def write_example(name: str, *, overwrite: bool = False) -> InitResult:
    """Write a shipped example, config and data, to the current directory.

    Raises:
        SeqtoolError: no example has this name, or a file of the user would be replaced.
    """
    names = example_names()
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise SeqtoolError("no shipped example has this name", place=f"--example {name}", hint=hint)
    shipped = example(name)
    return InitResult(f"configs/{name}.yaml", _write(shipped.files, overwrite), (), shipped.command)


def write_template(task: str, *, overwrite: bool = False) -> InitResult:
    """Write a config for data that do not exist yet.

    Raises:
        SeqtoolError: a file of the user would be replaced.
    """
    from seqtool.config.dump import SCHEMA
    from seqtool.tasks.interface import definition

    template = definition(task).template()
    note = f"replace {template.file} by the name of your file ({template.key})"
    return _write_config(task, template.name, f"{SCHEMA}\n{template.yaml}", (note,), overwrite)


def write_suggested(task: str, files: DataFiles, *, overwrite: bool = False) -> InitResult:
    """Write the settings that training straight from a data file uses.

    Raises:
        DataError: the data cannot be read.
        SeqtoolError: a file of the user would be replaced.
    """
    from seqtool.data.input_files import run_name
    from seqtool.tasks.interface import definition

    name = run_name(files.train)
    check_output(Path(f"{name}.yaml"), [files.train, *files.dev, *files.test], option="another directory")
    suggested = definition(task).suggest(files)
    notes = (*suggested.notes, *(f"warning: {doubt}" for doubt in suggested.doubts))
    return _write_config(task, name, suggested.yaml, notes, overwrite)


def _write_config(task: str, name: str, yaml: str, notes: tuple[str, ...], overwrite: bool) -> InitResult:
    from seqtool.config.dump import SCHEMA_FILE
    from seqtool.config.reference import json_schema
    from seqtool.tasks.interface import definition

    config = f"{name}.yaml"
    schema = json.dumps(json_schema(), indent=2).encode() + b"\n"
    written = _write({config: yaml.encode(), SCHEMA_FILE: schema}, overwrite)
    return InitResult(config, written, notes, f"seqtool {definition(task).command} {config}")


def _write(files: Mapping[str, bytes], overwrite: bool) -> tuple[str, ...]:
    """Write all files or none. A file with other content belongs to the user and is not replaced."""
    changed = {path: content for path, content in files.items() if _content(Path(path)) != content}
    for path in changed:
        check_output(Path(path), option="another directory")
        if Path(path).exists() and not overwrite and not _is_schema(Path(path)):
            hint = "move it to another place, or replace it with --overwrite"
            raise SeqtoolError("this file exists and has other content", place=path, hint=hint)
    for path, content in changed.items():
        with writing(Path(path)):
            make_directory(Path(path).parent)
        write_file(Path(path), content)
    return tuple(changed)


def _is_schema(path: Path) -> bool:
    """Return whether a file is the JSON Schema of an earlier version."""
    return path.name.endswith("schema.json") and b'"title": "seqtool config"' in (_content(path) or b"")


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


PACKAGE = Path(__file__).parent.parent
TOY_DATA = ("data/toy.conll",)
NEEDS_DATA = {"toy_tagger": TOY_DATA, "python_source": ("configs/python_source.py",)}


@dataclass(frozen=True)
class Example:
    """A shipped config and the files that it needs.

    Attributes:
        files: content of each file by its path relative to the current directory.
        command: the command that trains it.
    """

    files: dict[str, bytes]
    command: str


def shipped_folder() -> Path:
    """Return the folder that contains `configs` and `data`: of an installed package, else of the clone."""
    packed = PACKAGE / "examples"
    return packed if packed.is_dir() else PACKAGE.parent


def example_names() -> list[str]:
    """Return the names of the shipped examples."""
    return sorted(path.stem for path in (shipped_folder() / "configs").glob("*.yaml"))


def example(name: str) -> Example:
    """Return an example. Its files have the same paths as in a clone, so that its comments are correct."""
    folder = shipped_folder()
    paths = (f"configs/{name}.yaml", "configs/schema.json", *NEEDS_DATA.get(name, ()))
    files = {path: (folder / path).read_bytes() for path in paths}
    lines = files[paths[0]].decode("utf-8").splitlines()
    command = next(line.removeprefix("#").strip() for line in lines if line.startswith("#   seqtool "))
    return Example(files, command)


# --- settings of a training command ------------------------------------------------------------------------


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
    from seqtool.config.load import looks_like_config, parse_settings
    from seqtool.tasks.interface import definition

    path = files.train
    if looks_like_config(path) or path.is_dir():
        return _read_config(files, task, overrides)
    initial: list[str] = []
    try:
        task = task or task_of_ending(path)
        initial = _initial_network(task, overrides)
        overrides = [*initial, *overrides]
        suggested = definition(task).suggest(files, overrides)
        if note is not None:
            for line in suggested.notes:
                note(line)
        return parse_settings(
            suggested.yaml, name=str(path), folder=Path.cwd(), overrides=overrides, generated=True
        )
    except ConfigError as error:
        problems = [_at_override(problem, str(path), overrides) for problem in error.problems]
        raise ConfigError(problems) from None
    except DataError as error:
        problems = [_with_labels(problem, initial, overrides) for problem in error.problems]
        if tuple(problems) == error.problems:
            raise
        raise DataError(problems) from None


def _with_labels(problem: Problem, initial: Sequence[str], overrides: Sequence[str]) -> Problem:
    """Name the labels of the initial model in the hint about a label column, if the user chose none.

    Args:
        problem: a mistake in the data file.
        initial: settings of the initial model.
        overrides: the same, and those of the user.
    """
    from seqtool.data.formats.conll import LABEL_HINT

    start = "data.labels="
    given = [option.removeprefix(start) for option in overrides if option.startswith(start)]
    if problem.hint != LABEL_HINT or len(given) != 1 or start + given[0] not in initial:
        return problem
    known = ", ".join(json.loads(given[0]))
    hint = f"the initial model has the labels {known}; give the column of one: `--set data.label=NUMBER`"
    return Problem(problem.message, problem.place, hint, problem.source)


def _initial_network(task: str, overrides: Sequence[str]) -> list[str]:
    """Return the settings of the network that training starts from, so that a data file needs no config."""
    from seqtool.config.overrides import override_text

    reference = override_text(overrides, ("training", "init_from"))
    if not reference:
        return []
    from seqtool.tasks.init_from import network_of_initial_model

    label = override_text(overrides, ("data", "label")) or "auto"
    return network_of_initial_model(reference, task, one_label=label != "auto")


def _at_override(problem: Problem, name: str, overrides: Sequence[str]) -> Problem:
    """Place a mistake in the settings for a data file at the `--set` option that is part of it."""
    if problem.place != name:
        return problem
    words = set(re.findall(r"\w+", problem.message))
    keys = {option: option.partition("=")[0].rpartition(".")[2].strip() for option in overrides}
    options = [option for option, key in keys.items() if key in words]
    hint = f"{problem.hint}; the other settings were chosen for {name}".lstrip("; ")
    return Problem(problem.message, f"--set {options[0]}" if options else name, hint)


def task_of_ending(path: Path) -> str:
    """Return the task of a data file by the ending of its name."""
    from seqtool.data.tagging.unlabeled import ENDINGS

    return "tagger" if path.suffix.lower() in ENDINGS else "char"


def task_of_content(files: DataFiles, overrides: Sequence[str] = ()) -> str | None:
    """Return the task of a data file by its content and the files that go with it; None for a config.

    Args:
        overrides: `KEY=VALUE` settings of the user; the file is read in the encoding in them.
    """
    from seqtool.config.load import looks_like_config
    from seqtool.config.overrides import override_text
    from seqtool.data.encoding import AUTO
    from seqtool.data.formats.detect import detect_file
    from seqtool.data.input_files import check_data_file
    from seqtool.settings.data import TaggerData
    from seqtool.settings.values import is_text_encoding

    if looks_like_config(files.train):
        return None
    check_data_file(files.train)
    try:
        encoding = override_text(overrides, ("data", "encoding")) or AUTO
        data = TaggerData(train=(), encoding=encoding if is_text_encoding(encoding) else AUTO)
        labeled = bool(files.dev or files.test) or detect_file(files.train, data).is_labeled
    except DataError:  # the task reports it
        labeled = False
    return "tagger" if labeled else task_of_ending(files.train)


def _read_config(files: DataFiles, task: str | None, overrides: Sequence[str]) -> ReadConfig:
    from seqtool.config.load import read_settings
    from seqtool.tasks.interface import definition

    if files.dev or files.test:
        raise SeqtoolError(
            "--dev and --test go with a data file; a config names its own",
            hint="to change those of a config, use --set data.dev=FILE",
        )
    read = read_settings(files.train, list(overrides))
    command = definition(read.settings.task).command
    if task and command != definition(task).command:
        hint = f"run: seqtool {command} {files.train}"
        message = f"expected {task}, found {read.settings.task}"
        raise ConfigError([read.problem("task", message, hint)])
    return read
