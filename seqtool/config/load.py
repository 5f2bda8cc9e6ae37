"""Reading of a config: the file, its `--set` options and all checks, with one error for all mistakes.

The result knows the origin of each setting. It can also point at a key later, if the data shows that its
value is wrong.
"""

from __future__ import annotations

import os
import re
import stat
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqtool.config.checks import notes_on_settings
from seqtool.config.hints import nearest
from seqtool.config.overrides import apply_override
from seqtool.config.schema import TASKS, KeyPath, key_paths, listing
from seqtool.config.validate import absolute, build_settings
from seqtool.config.yaml_parser import MAX_BYTES, decode, read_tree
from seqtool.config.yaml_tree import (
    MappingNode,
    Mark,
    Mistake,
    Node,
    ScalarNode,
    Source,
    describe_node,
    dotted,
    find,
    locate,
)
from seqtool.errors import ConfigError, Problem
from seqtool.settings.experiment import Settings
from seqtool.storage.find_model import CONFIG, MODEL
from seqtool.storage.plain_files import is_directory, is_pipe, read_plain

MAX_PROBLEMS = 50
SUFFIXES = (".yaml", ".yml", ".json")
_TASK_LINE = re.compile(rb"^\W*task\W*:", re.MULTILINE)  # in YAML or JSON


@dataclass(frozen=True)
class ReadConfig:
    """Valid config.

    Attributes:
        settings: the settings, with absolute paths.
        path: the file, or None if the text does not come from a file.
        text: the text of the file.
        provenance: for each dotted key `default`, `file:line` or `--set`.
        notes: lines for the user about settings without effect.
        tree: the nodes of the file and the options, with their positions.
    """

    settings: Settings
    path: Path | None
    text: str
    provenance: Mapping[str, str]
    notes: tuple[str, ...]
    tree: MappingNode

    def problem(self, key: str, message: str, hint: str = "") -> Problem:
        """Return a problem at a key such as `data.pairs[0]`, or at its parent if the file lacks the key."""
        parts: KeyPath = tuple(
            int(part[1:-1]) if part.startswith("[") else part for part in re.findall(r"[^.\[]+|\[\d+\]", key)
        )
        return Mistake(locate(self.tree, parts), f"{key}: {message}", hint).problem()

    def check_trainable(self) -> None:
        """Raise ConfigError for a config without training data, which describes an untrained network."""
        if not self.settings.data.has_training_data:
            hint = (
                "give data.text or data.pairs; to see an untrained network, run "
                "seqtool inspect CONFIG --text TEXT"
            )
            raise ConfigError([self.problem("data", "there is nothing to train on", hint)])


def read_settings(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> ReadConfig:
    """Read a config file with `--set` options, which override its values.

    Args:
        path: a YAML file; relative paths in it are relative to its folder. Those in the config of a pipe,
            which has no folder, are relative to the current folder.
        overrides: `key=value` texts; relative paths in them are relative to the current folder.

    Raises:
        ConfigError: the file cannot be read, or it or an option has mistakes; the error holds all of them.
    """
    name = os.fspath(path)
    in_run = Path(name).name == CONFIG and is_directory(Path(name).with_name(MODEL))
    text = read_run_text(Path(name).parent) if in_run else read_text(Path(name))
    folder = Path() if is_pipe(Path(name)) else Path(name).parent
    return parse_settings(text, name=name, folder=folder, overrides=overrides, path=Path(name))


def read_run_text(run: Path) -> str:
    """Return the text of a run's config, which is not trusted.

    Raises:
        ModelError: the file is missing, not a plain file or too large.
        ConfigError: it is not UTF-8.
    """
    text = decode(bytes(read_plain(run / CONFIG, MAX_BYTES)), str(run / CONFIG))
    if isinstance(text, Problem):
        raise ConfigError([text])
    return text


def read_run_settings(run: Path) -> ReadConfig:
    """Read the config of a run.

    Raises:
        ModelError: as `read_run_text`.
        ConfigError: it has mistakes.
    """
    path = run / CONFIG
    return parse_settings(read_run_text(run), name=str(path), folder=run, path=path)


def parse_settings(
    text: str,
    *,
    name: str,
    folder: Path,
    overrides: Sequence[str] = (),
    path: Path | None = None,
    generated: bool = False,
) -> ReadConfig:
    """Read a config from text.

    Args:
        text: YAML text.
        name: file name in messages.
        folder: relative paths in the text are relative to it.
        overrides: `key=value` texts, as for `read_settings`.
        path: the file that contains the text, if there is one.
        generated: the program wrote the text, so no message points at its lines.

    Raises:
        ConfigError: the text or an option has mistakes; the error holds all of them.
    """
    tree = read_tree(Source(name, text, absolute(str(folder), str(Path.cwd())), generated=generated))
    if not tree.complete:
        raise config_error(tree.mistakes)
    root = _root_mapping(tree.root, name, path)
    mistakes = list(tree.mistakes)
    for number, option in enumerate(overrides, start=1):
        mistakes += apply_override(root, option, number, str(Path.cwd()))
    task, task_mistakes = _task(root)
    mistakes += task_mistakes
    settings = None
    if task:
        settings, value_mistakes = build_settings(root, task)
        mistakes += value_mistakes
    if settings is None or mistakes:
        raise config_error(mistakes)
    return ReadConfig(
        settings, path, text, _provenance(root, settings.task), notes_on_settings(settings), root
    )


def looks_like_config(path: str | os.PathLike[str]) -> bool:
    """Return True for a config: by the ending of its name, or without an ending by a line `task:`.

    A JSON file with an array is no config.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in SUFFIXES and suffix != ".json":
        return True
    if (suffix and suffix != ".json") or path.is_dir():
        return False
    try:
        if not path.is_file():
            return True
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return True
    if suffix:
        return not head.removeprefix(BOM_UTF8).lstrip().startswith(b"[")
    return _TASK_LINE.search(head) is not None


# --- the file -----------------------------------------------------------------------------------------------


def read_text(path: Path) -> str:
    """Read the text of a YAML file.

    Raises:
        ConfigError: the file is missing, a named pipe, not readable, too large or not UTF-8.
    """
    try:
        # A named pipe waits for a writer that may never come. The pipe of `<(command)` has a path in /dev.
        if stat.S_ISFIFO(path.lstat().st_mode) and path.parts[:2] != ("/", "dev"):
            hint = "write its content to a file first, or give a config as <(command)"
            raise ConfigError("expected a file, found a named pipe", place=str(path), hint=hint)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        inner = path / "config.yaml"
        hint = f"did you mean {inner}?" if inner.is_file() else "give the YAML file in it"
        raise ConfigError("expected a config file, found a directory", place=str(path), hint=hint) from None
    except FileNotFoundError:
        raise ConfigError("there is no such file", place=str(path), hint=_similar_file(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot be read: {reason}", place=str(path)) from None
    if path.is_fifo() and _TASK_LINE.search(data) is None:
        hint = "data are read more than once: write them to a file first"
        message = "expected a file, found a pipe without a config in it"
        raise ConfigError(message, place=str(path), hint=hint)
    text = decode(data, str(path))
    if isinstance(text, Problem):
        raise ConfigError([text if looks_like_config(path) else _data_problem(str(path))])
    return text


def _similar_file(path: Path) -> str:
    """Return a hint for a file that does not exist."""
    folders = [folder for folder in (Path("configs"), path.parent) if folder.is_dir()]
    files = {
        entry.stem: entry
        for folder in folders
        for entry in sorted(folder.iterdir())
        if entry.suffix in SUFFIXES and entry.is_file()
    }
    near = nearest(path.stem, tuple(files))
    if near:
        return f"did you mean {files[near]}?"
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist either"
    return "give the path of a YAML file, such as configs/hihell.yaml"


def _data_problem(name: str) -> Problem:
    hint = "the name of a config ends in .yaml; its data are data.text (characters) or data.train (tagger)"
    return Problem("expected a YAML config, found what looks like data", name, hint)


def _root_mapping(root: Node | None, name: str, path: Path | None) -> MappingNode:
    if isinstance(root, MappingNode):
        return root
    if path is not None and root is not None and not looks_like_config(path):
        raise ConfigError([_data_problem(name)])
    if root is None or (isinstance(root, ScalarNode) and (root.is_empty or root.is_null)):
        hint = "the smallest config has the keys task: and data:; copy one from configs/"
        raise ConfigError("expected a config, found an empty file", place=name, hint=hint)
    message = f"expected keys and values, found {describe_node(root)}"
    raise config_error([Mistake(root.mark, message, "a config starts with task: char or task: tagger")])


def _task(root: MappingNode) -> tuple[str | None, list[Mistake]]:
    """Return the task and no mistake; or, if the task is missing or wrong, a guess and the mistake."""
    entry = root.entries.get("task")
    if entry and isinstance(entry.value, ScalarNode) and entry.value.text in TASKS:
        return entry.value.text, []
    data = find(root, ("data",))
    data_keys = data.entries if isinstance(data, MappingNode) else {}
    is_char = "text" in data_keys or "pairs" in data_keys
    guess = "tagger" if "train" in data_keys else "char" if is_char else None
    if entry is None:
        mistake = Mistake(
            Mark(root.mark.source), "task: is missing", f"start with task: {guess or 'char or task: tagger'}"
        )
    else:
        near = nearest(getattr(entry.value, "text", ""), tuple(TASKS)) or guess
        hint = (
            f"did you mean {near}?"
            if near
            else "char models symbols, tagger labels tokens, tokenizer finds tokens"
        )
        mark = entry.value.mark if not isinstance(entry.value, MappingNode) else entry.key
        mistake = Mistake(
            mark, f"task: expected {listing([*TASKS])}, found {describe_node(entry.value)}", hint
        )
        root.entries.pop("task")
        guess = near
    return guess or None, [mistake]


def _provenance(root: MappingNode, task: str) -> dict[str, str]:
    """Return the origin of the value of each dotted key."""
    origins = {}
    for path in key_paths(TASKS[task]):
        node = find(root, path)
        mark = locate(root, path, prefer_key=True) if node else None
        origins[dotted(path)] = "default" if mark is None else mark.origin
    return origins


def config_error(mistakes: list[Mistake]) -> ConfigError:
    """Return an error with the first mistakes in the order of the file and then of the options."""
    ordered = sorted(mistakes, key=lambda mistake: mistake.mark.order)
    problems = [mistake.problem() for mistake in ordered[:MAX_PROBLEMS]]
    if len(ordered) > MAX_PROBLEMS:
        problems.append(
            Problem(
                f"and {len(ordered) - MAX_PROBLEMS} more mistakes",
                ordered[0].mark.source.name,
                "correct these first",
            )
        )
    return ConfigError(problems)
