"""Validation: conversion of a tree of YAML nodes to settings, or to mistakes with positions and hints.

Pydantic finds the mistakes and their positions. The messages use the descriptions of the schema. The `checks`
modules find contradictions between valid values.
"""
# ruff: noqa: PTH100, PTH111, PTH118 - pathlib cannot resolve `..` without following links

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

from seqtool.config.checks import COMMON, Contradiction, Contradictions
from seqtool.config.checks_char import CHAR
from seqtool.config.checks_tagger import TAGGER
from seqtool.config.checks_tokenizer import TOKENIZER
from seqtool.config.other_names import other_key, other_value
from seqtool.config.schema import (
    INIT_FROM,
    PATH_KEYS,
    SECTIONS,
    TASKS,
    KeyPath,
    adapter,
    choices,
    describe_type,
    is_section,
    keys,
    members,
    section_class,
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
from seqtool.settings import Feature, Settings

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


Checks = tuple[Callable[[Any], Contradictions], ...]
CHECKS: dict[str, Checks] = {"char": CHAR, "tagger": TAGGER, "tokenizer": TOKENIZER}


def absolute(path: str, folder: str) -> str:
    """Return the absolute path of a path relative to `folder`; an empty path stays empty."""
    return os.path.abspath(os.path.join(folder, os.path.expanduser(path))) if path else ""


def contradictions(settings: Settings) -> list[Contradiction]:
    """Return all contradictions between the settings."""
    checks: Checks = COMMON + CHECKS[settings.task]
    return [contradiction for check in checks for contradiction in check(settings)]


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
        unknown, hint = _unknown_key(path, task)
        mistakes[path] = Mistake(entry.key, unknown, hint)
    elif is_section(kind):
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
        return Mistake(locate(root, path[:-1], prefer_key=True), f"{name}: is missing", _missing_hint(path))
    if kind == "unexpected_keyword_argument":
        message, hint = _unknown_key(path, task)
        return Mistake(locate(root, path, prefer_key=True), message, hint)
    kind_expected, limits = type_at(task, path)
    node = find(root, path)
    found = describe_node(node) if node else "nothing"
    message = f"{name}: expected {describe_type(kind_expected, limits)}, found {found}"
    return Mistake(locate(root, path), message, _value_hint(kind_expected, node))


def _missing_hint(path: KeyPath) -> str:
    if path == ("data",):
        return "a tagger needs a section data: with train: and the training file"
    if path == ("data", "train"):
        return "name the training file: train: my.conllu"
    return "give the name of the feature: {name: form, dim: 64}"


def _value_hint(kind: Any, node: Node | None) -> str:
    if not isinstance(node, ScalarNode):
        return ""
    near = other_value(node.text, choices(kind)) or nearest(node.text, choices(kind))
    if near:
        return f"did you mean {near}?"
    text = node.text
    number = _as_float(text)
    if int in members(kind) and number is not None and not text.lstrip("+-").isdecimal():
        return f"write {int(number)}" if number.is_integer() else ""
    if float in members(kind) and "," in text and _as_float(text.replace(",", ".")) is not None:
        return f"write {text.replace(',', '.')}, with a decimal point"
    return ""


def _as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _unknown_key(path: KeyPath, task: str) -> tuple[str, str]:
    """Return the message and the hint for a key that is not in the schema."""
    *parents, name = path
    return f"{dotted(path)}: unknown key", _key_hint(tuple(parents), str(name), task)


def _key_hint(parents: KeyPath, name: str, task: str) -> str:
    owner = type_at(task, parents)[0] if parents else TASKS[task]
    owner = next((member for member in members(owner) if is_section(member)), None)
    if owner is None and "features" in parents:
        owner = Feature
    if owner is None:
        return ""
    known = tuple(keys(owner))
    near = nearest(name, known)
    return (
        _other_place(parents, name, task)
        or key_of_other_tool(name, task, parents)
        or (f"did you mean {near}?" if near else "")
        or _near_key_of_other_section(name, task)
        or ("the keys are " + ", ".join(known) if len(known) < 15 else "configs/README.md lists the keys")
    )


def _other_place(parents: KeyPath, name: str, task: str) -> str:
    """Return a hint for a key that belongs to another section or to another task; else an empty text."""
    if name in keys(TASKS[task]):
        return f"{name} belongs at the top level, not" + (f" under {parents[0]}" if parents else "")
    for section in SECTIONS:
        if name in keys(section_class(task, section)):
            return f"{name} belongs under {section}"
    for other in (key for key in TASKS if key != task):
        if any(name in keys(section_class(other, section)) for section in SECTIONS):
            return f"{name} is a key of task: {other}, this is task: {task}"
    return ""


def key_of_other_tool(name: str, task: str, parents: KeyPath = ()) -> str:
    """Return a hint for a key that other tools call by this name; empty if the task has none.

    Args:
        parents: the section in which the name was found.
    """
    for target in other_key(name):
        section, _, key = target.partition(":")[0].rpartition(".")
        known = keys(section_class(task, section)) if section else keys(TASKS[task])
        if key not in known or (name == key and parents == (section,)):
            continue
        if target.partition(":")[2]:
            return f"write {target}"
        return f"did you mean {key}?" + (f" it belongs under {section}" if parents[:1] != (section,) else "")
    return ""


def _near_key_of_other_section(name: str, task: str) -> str:
    for section in SECTIONS:
        near = nearest(name, tuple(keys(section_class(task, section))))
        if near:
            return f"did you mean {near}? it belongs under {section}"
    return ""


def nearest(word: str, words: tuple[str, ...]) -> str:
    """Return the most similar word, or an empty text. Case is ignored, and a dash equals an underscore."""
    if len(word) > 100:
        return ""
    similar = get_close_matches(word.lower().replace("-", "_"), words, n=1, cutoff=0.6)
    return similar[0] if similar else ""
