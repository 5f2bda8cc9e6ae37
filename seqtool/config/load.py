"""Reading a config: the file, its options, the checks, and one error that holds every mistake in the order of the file.

What the caller gets remembers where each setting came from and can blame a key later, when the data shows it wrong.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqtool.config.checks import idle
from seqtool.config.overrides import apply_override
from seqtool.config.paths import absolute
from seqtool.config.schema import SECTIONS, TASKS, keys, section_class
from seqtool.config.schema import Path as KeyPath
from seqtool.config.validate import build, dotted, find, locate, nearest
from seqtool.config.yaml_parser import MAX_BYTES, decode, read_tree
from seqtool.config.yaml_tree import Mark, Mistake, Node, Scalar, Source, Table, describe_node
from seqtool.errors import ConfigError, Problem
from seqtool.settings import Settings

MAX_PROBLEMS = 50
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class ReadConfig:
    """A config that has been read and found good.

    Attributes:
        settings: the settings, paths absolute.
        path: the file, or None when the text came from elsewhere.
        text: the file's text.
        provenance: for each dotted key `default`, `file:line` or `--set`.
        notes: lines for the user about settings that have no effect.
        tree: the text with its places.
    """

    settings: Settings
    path: Path | None
    text: str
    provenance: Mapping[str, str]
    notes: tuple[str, ...]
    tree: Table

    def problem(self, key: str, message: str, hint: str = "") -> Problem:
        """A problem that points at a key such as `data.alphabet` or `data.pairs[0]`, or at what stands above it."""
        parts: KeyPath = tuple(
            int(part[1:-1]) if part.startswith("[") else part for part in re.findall(r"[^.\[]+|\[\d+\]", key)
        )
        return Mistake(locate(self.tree, parts), f"{key}: {message}", hint).problem()

    def check_trainable(self) -> None:
        """Raise ConfigError for a config that only shows an untrained network (characters without data)."""
        data = self.settings.data
        if not (getattr(data, "text", ()) or getattr(data, "pairs", ()) or getattr(data, "train", ())):
            hint = "give data.text or data.pairs; an untrained network is looked at with seqtool inspect CONFIG --text TEXT"
            raise ConfigError([self.problem("data", "there is nothing to train on", hint)])


def read_settings(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> ReadConfig:
    """Read a config file and lay `--set` options over it.

    Args:
        path: a YAML file; relative paths in it are relative to its folder.
        overrides: `key=value` texts; relative paths in them are relative to the current folder.

    Raises:
        ConfigError: with every mistake of the file and the options.
    """
    name = os.fspath(path)
    text = read_text(Path(name))
    return parse_settings(text, name=name, folder=Path(name).parent, overrides=overrides, path=Path(name))


def parse_settings(
    text: str, *, name: str, folder: Path, overrides: Sequence[str] = (), path: Path | None = None
) -> ReadConfig:
    """Read a config from text; `name` and `folder` stand for the file's name and folder.

    Raises:
        ConfigError: with every mistake of the text and the options.
    """
    tree = read_tree(Source(name, text, absolute(str(folder), str(Path.cwd()))))
    if not tree.whole:
        raise config_error(tree.mistakes)
    root = _root_table(tree.root, name, path)
    mistakes = list(tree.mistakes)
    for rank, option in enumerate(overrides, start=1):
        mistakes += apply_override(root, option, rank, str(Path.cwd()))
    task, wrong = _task(root)
    mistakes += wrong
    settings = None
    if task:
        settings, found = build(root, task)
        mistakes += found
    if settings is None or mistakes:
        raise config_error(mistakes)
    return ReadConfig(settings, path, text, _provenance(root, settings.task), idle(settings), root)


def looks_like_config(path: str | os.PathLike[str]) -> bool:
    """Whether a file given in a config's place is one: by its ending, or without one by a line `task:`."""
    path = Path(path)
    if path.suffix.lower() in SUFFIXES:
        return True
    if path.suffix or path.is_dir():
        return False
    try:
        if not path.is_file():
            return True
        with path.open("rb") as file:
            return re.search(rb"^task[ \t]*:", file.read(4096), re.MULTILINE) is not None
    except OSError:
        return True


# --- the file ---------------------------------------------------------------------------------------------------------


def read_text(path: Path) -> str:
    """The text of a YAML file.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        inner = path / "config.yaml"
        hint = f"did you mean {inner}?" if inner.is_file() else "name the YAML file in it"
        raise ConfigError("expected a config file, found a directory", place=str(path), hint=hint) from None
    except FileNotFoundError:
        raise ConfigError("there is no such file", place=str(path), hint=_near_file(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot be read: {reason}", place=str(path)) from None
    text = decode(data, str(path))
    if isinstance(text, Problem):
        raise ConfigError([text if looks_like_config(path) else _data_problem(str(path))])
    return text


def _near_file(path: Path) -> str:
    """What the user may have meant by a file that is not there."""
    folders = [folder for folder in (Path("configs"), path.parent) if folder.is_dir()]
    named = {
        entry.stem: entry
        for folder in folders
        for entry in sorted(folder.iterdir())
        if entry.suffix in SUFFIXES and entry.is_file()
    }
    near = nearest(path.stem, tuple(named))
    if near:
        return f"did you mean {named[near]}?"
    if not path.parent.is_dir():
        return f"the folder {path.parent} is not there either"
    return "give the path of a YAML file, such as configs/hihell.yaml"


def _data_problem(name: str) -> Problem:
    hint = "a config's name ends in .yaml; a config names its data as data.text (characters) or data.train (tagger)"
    return Problem("expected a YAML config, found what looks like data", name, hint)


def _root_table(root: Node | None, name: str, path: Path | None) -> Table:
    if isinstance(root, Table):
        return root
    if path is not None and root is not None and not looks_like_config(path):
        raise ConfigError([_data_problem(name)])
    if root is None or (isinstance(root, Scalar) and (root.is_empty or root.is_null)):
        hint = "the smallest config says task: and data:; copy one from configs/"
        raise ConfigError("expected a config, found an empty file", place=name, hint=hint)
    message = f"expected keys and values, found {describe_node(root)}"
    raise config_error([Mistake(root.mark, message, "a config starts with task: char or task: tagger")])


def _task(root: Table) -> tuple[str | None, list[Mistake]]:
    """The task that the config names; if it does not, the one its data speak for, and the mistake."""
    entry = root.entries.get("task")
    if entry and isinstance(entry.value, Scalar) and entry.value.text in TASKS:
        return entry.value.text, []
    data = find(root, ("data",))
    named = data.entries if isinstance(data, Table) else {}
    guess = "tagger" if "train" in named else "char" if "text" in named or "pairs" in named else None
    if entry is None:
        mistake = Mistake(
            Mark(root.mark.source), "task: is missing", f"start with task: {guess or 'char or task: tagger'}"
        )
    else:
        near = nearest(getattr(entry.value, "text", ""), tuple(TASKS)) or guess
        hint = f"did you mean {near}?" if near else "char learns symbols, tagger labels tokens"
        mark = entry.value.mark if not isinstance(entry.value, Table) else entry.key
        mistake = Mistake(
            mark, f"task: expected {' or '.join(TASKS)}, found {describe_node(entry.value)}", hint
        )
        root.entries.pop("task")
        guess = near
    return guess or None, [mistake]


def _provenance(root: Table, task: str) -> dict[str, str]:
    """Where each key's value came from."""
    paths: list[KeyPath] = [(name,) for name in keys(TASKS[task]) if name not in SECTIONS]
    paths += [(section, name) for section in SECTIONS for name in keys(section_class(task, section))]
    origins = {}
    for path in paths:
        node = find(root, path)
        mark = locate(root, path, prefer_key=True) if node else None
        origins[dotted(path)] = (
            "default" if mark is None else "--set" if mark.source.rank else f"{mark.source.name}:{mark.line}"
        )
    return origins


def config_error(mistakes: list[Mistake]) -> ConfigError:
    """All mistakes in the order of the file, the options' after them; of very many the first."""
    ordered = sorted(mistakes, key=lambda mistake: mistake.mark.order)
    problems = [mistake.problem() for mistake in ordered[:MAX_PROBLEMS]]
    if len(ordered) > MAX_PROBLEMS:
        problems.append(
            Problem(
                f"and {len(ordered) - MAX_PROBLEMS} more mistakes",
                ordered[0].mark.source.name,
                "mend these first",
            )
        )
    return ConfigError(problems)
