"""Validation: conversion of a tree of YAML nodes to settings, or to mistakes with positions and hints.

Pydantic finds the mistakes and their positions. The messages use the descriptions of the schema. The `checks`
modules find contradictions between valid values.
"""
# ruff: noqa: PTH100, PTH111, PTH118 - pathlib cannot resolve `..` without following links

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from seqtool.config.checks import COMMON, Contradiction, Contradictions
from seqtool.config.checks_char import CHAR
from seqtool.config.checks_tagger import TAGGER
from seqtool.config.checks_tokenizer import TOKENIZER
from seqtool.config.hints import missing_hint, unknown_key, value_hint
from seqtool.config.schema import (
    INIT_FROM,
    PATH_KEYS,
    KeyPath,
    adapter,
    describe_type,
    members,
    section_among,
    takes_null,
    type_at,
)
from seqtool.config.yaml_tree import (
    Entry,
    MappingNode,
    Mistake,
    Node,
    ScalarNode,
    SequenceNode,
    describe_node,
    dotted,
    find,
    locate,
)
from seqtool.settings.experiment import Settings

# Errors of pydantic that a branch of a union reports.
TYPE_ERRORS = frozenset(
    ("string_type", "tuple_type", "dict_type", "literal_error", "dataclass_type", "none_required")
)
# Values for required keys that are missing or wrong. With them, the other settings can still be checked.
PLACEHOLDERS: dict[KeyPath, Any] = {("data",): {"train": "?"}, ("data", "train"): "?"}
# Words of hints that do not name a wrong key.
COMMON_WORDS = frozenset(
    re.findall(r"\w+", "data model training did you mean belongs under it a of is key task this the")
)


PART_SECTIONS = ("model", "training")  # sections that each part of a run has for itself
Checks = tuple[Callable[[Any], Contradictions], ...]
CHECKS: dict[str, Checks] = {"char": CHAR, "tagger": TAGGER, "tokenizer": TOKENIZER}


def absolute(path: str, folder: str) -> str:
    """Return the absolute path of a path relative to `folder`; an empty path stays empty."""
    return os.path.abspath(os.path.join(folder, os.path.expanduser(path))) if path else ""


def contradictions(settings: Settings) -> list[Contradiction]:
    """Return all contradictions between the settings."""
    *others, main = settings.parts
    found = [item for check in COMMON + CHECKS[main.task] for item in check(main)]
    for part in others:  # they share the data, which the checks of the main part cover
        of_part = (item for check in COMMON + CHECKS[part.task] for item in check(part))
        found += [item.of_part(part.task) for item in of_part if item.path[0] in PART_SECTIONS]
    return found


def build_settings(root: MappingNode, task: str) -> tuple[Settings | None, list[Mistake]]:
    """Build settings from the tree of a config.

    Args:
        root: the top level of the config.
        task: name of the task.

    Returns:
        The settings and all mistakes. If there are mistakes, the settings are incomplete or None.
    """
    mistakes: dict[KeyPath, Mistake] = {}
    values = _plain_values(root, (), task, mistakes)
    settings = _validate(values, root, task, mistakes)
    if settings is None:
        for path in mistakes:
            _remove_value(values, path)
        settings = _validate(values, root, task, {})
    return settings, [*mistakes.values(), *_contradictions_to_report(settings, root, mistakes)]


def _contradictions_to_report(
    settings: Settings | None, root: MappingNode, mistakes: dict[KeyPath, Mistake]
) -> Iterator[Mistake]:
    """Yield the contradictions that are not consequences of the other mistakes."""
    wrong_keys = _wrong_keys(mistakes)
    wrong_sections = {path[0] for path in mistakes if len(path) == 1}
    for item in contradictions(settings) if settings else ():
        name = dotted(item.path)
        is_consequence = wrong_keys & _words(f"{name} {item.message} {item.hint}")
        if item.path[0] not in wrong_sections and not is_consequence:
            mark = locate(root, item.path, prefer_key=len(item.path) < 2)
            yield Mistake(mark, f"{name}: {item.message}", item.hint)


def _wrong_keys(mistakes: dict[KeyPath, Mistake]) -> set[str]:
    """Return the keys that are wrong, and the known keys that the hints for unknown keys suggest."""
    names = {str(part) for path in mistakes for part in path[1:2] or path}
    return names.union(
        *(_words(mistake.hint) for mistake in mistakes.values() if mistake.message.endswith("unknown key"))
    )


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text)) - COMMON_WORDS


# --- tree to plain values -----------------------------------------------------------------------------------


def _plain_values(node: Node, path: KeyPath, task: str, mistakes: dict[KeyPath, Mistake]) -> Any:
    """Convert a node to strings, lists and dicts for pydantic.

    Null becomes None if the key accepts it. Paths become absolute. Empty values are added to `mistakes` and
    left out of the result.
    """
    if isinstance(node, MappingNode):
        values = {}
        for name, entry in node.entries.items():
            if isinstance(entry.value, ScalarNode) and entry.value.is_empty:
                _report_empty(entry, (*path, name), task, mistakes)
            else:
                values[name] = _plain_values(entry.value, (*path, name), task, mistakes)
        return values
    if isinstance(node, SequenceNode):
        return [
            _plain_values(value, (*path, index), task, mistakes) for index, value in enumerate(node.values)
        ]
    if node.is_empty:
        mistakes.setdefault(
            path,
            Mistake(node.mark, f"{dotted(path)}: has no value", 'write a value, or "" for an empty text'),
        )
    if node.is_null and takes_null(type_at(task, path)[0]):
        return None
    return absolute(node.text, node.mark.source.folder) if _is_path(path) else node.text


def _report_empty(entry: Entry, path: KeyPath, task: str, mistakes: dict[KeyPath, Mistake]) -> None:
    kind = type_at(task, path)[0]
    if kind is Any:
        unknown, hint = unknown_key(path, task)
        mistakes[path] = Mistake(entry.key, unknown, hint)
    elif section_among(kind):
        mistakes[path] = Mistake(
            entry.key,
            f"{dotted(path)}: the section is empty",
            f"write keys under it (the next lines, indented), or delete {path[-1]}:",
        )
    else:
        hint = "write a value after the colon, or delete the line" + (
            ' ("" is an empty text)' if str in members(kind) else ""
        )
        mistakes[path] = Mistake(entry.key, f"{dotted(path)}: has no value", hint)


def _is_path(path: KeyPath) -> bool:
    names = [part for part in path if isinstance(part, str)]
    if len(names) == 2 and names[0] == "data":
        return names[1] in PATH_KEYS
    return names in (["model", "features", "path"], ["training", INIT_FROM])


def _remove_value(values: Any, path: KeyPath) -> None:
    """Remove a wrong value, or the list that contains it; replace a required value by its placeholder."""
    end = next((n for n, part in enumerate(path) if isinstance(part, int)), len(path))
    path = path[:end]
    for part in path[:-1]:
        values = values.get(part) if isinstance(values, dict) else None
    if isinstance(values, dict) and path:
        values.pop(path[-1], None)
        if path in PLACEHOLDERS:
            values[path[-1]] = PLACEHOLDERS[path]


# --- messages for pydantic's errors -------------------------------------------------------------------------


def _validate(values: Any, root: MappingNode, task: str, mistakes: dict[KeyPath, Mistake]) -> Settings | None:
    from pydantic import ValidationError

    try:
        settings: Settings = adapter(task).validate_python(values)
    except ValidationError as error:
        for path, kind in _distinct(root, task, error.errors(include_url=False, include_context=False)):
            if not any(path[: len(known)] == known for known in mistakes):
                mistakes[path] = _mistake(root, path, kind, task)
        return None
    return settings if not mistakes else None


def _distinct(root: MappingNode, task: str, errors: list[Any]) -> Iterator[tuple[KeyPath, str]]:
    """Yield the path and the type of one error per position. For a union, it has the longest path."""
    types: dict[KeyPath, str] = {}
    for error in errors:
        path = _path_in_tree(root, error["loc"], error["type"])
        # A key of the user can have the same name as a branch of a union. The error is then in its parent.
        while error["type"] in TYPE_ERRORS and type_at(task, path)[0] is Any:
            path = path[:-1]
        types.setdefault(path, error["type"])
    for path, kind in types.items():
        if not any(other != path and other[: len(path)] == path for other in types):
            yield path, kind


def _path_in_tree(root: MappingNode, location: KeyPath, kind: str) -> KeyPath:
    """Remove the names of union branches and the indices of single values from pydantic's location."""
    path: KeyPath = ()
    node: Node | None = root
    for index, part in enumerate(location):
        missing = kind.startswith("missing") and index == len(location) - 1
        if isinstance(node, MappingNode) and isinstance(part, str) and (part in node.entries or missing):
            node = node.entries[part].value if part in node.entries else None
            path = (*path, part)
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.values):
            node = node.values[part]
            path = (*path, part)
    return path


def _mistake(root: MappingNode, path: KeyPath, kind: str, task: str) -> Mistake:
    name = dotted(path)
    if kind.startswith("missing"):
        return Mistake(locate(root, path[:-1], prefer_key=True), f"{name}: is missing", missing_hint(path))
    if kind == "unexpected_keyword_argument":
        message, hint = unknown_key(path, task)
        return Mistake(locate(root, path, prefer_key=True), message, hint)
    kind_expected, limits = type_at(task, path)
    node = find(root, path)
    found = describe_node(node) if node else "nothing"
    message = f"{name}: expected {describe_type(kind_expected, limits)}, found {found}"
    return Mistake(locate(root, path), message, value_hint(kind_expected, node))
