"""Hints for wrong keys and values of a config: the right place, the name in this project, a similar name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from seqtool.config.other_names import other_key, other_value
from seqtool.config.schema import (
    SECTIONS,
    TASKS,
    KeyPath,
    choices,
    keys,
    members,
    section_among,
    section_class,
    takes_null,
    type_at,
)
from seqtool.config.yaml_tree import Node, ScalarNode, dotted
from seqtool.settings.model import Feature


def missing_hint(path: KeyPath) -> str:
    if path == ("data",):
        return "a tagger needs a section data: with train: and the training file"
    if path == ("data", "train"):
        return "name the training file: train: my.conllu"
    return "give the name of the feature: {name: form, dim: 64}"


def value_hint(kind: Any, node: Node | None) -> str:
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


def unknown_key(path: KeyPath, task: str) -> tuple[str, str]:
    """Return the message and the hint for a key that is not in the schema."""
    *parents, name = path
    return f"{dotted(path)}: unknown key", _key_hint(tuple(parents), str(name), task)


def _key_hint(parents: KeyPath, name: str, task: str) -> str:
    owner = section_among(type_at(task, parents)[0]) if parents else TASKS[task]
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
        or _near_key_of_other_section(parents, name, task)
        or ("the keys are " + ", ".join(known) if len(known) < 15 else "configs/README.md lists the keys")
    )


def _sections(parents: KeyPath, task: str) -> dict[str, type[Any]]:
    """Return the sections by dotted name. Those of the part in which a key was found come first."""
    groups: dict[str, dict[str, type[Any]]] = {"": {}}
    for name, key in keys(TASKS[task]).items():
        section = section_among(key.type)
        if section is not None and takes_null(key.type):
            groups[name] = {f"{name}.{inner}": inner_key.type for inner, inner_key in keys(section).items()}
        elif section is not None:
            groups[""][name] = section
    found = groups.pop(str(parents[0]), {}) if parents else {}
    for group in groups.values():
        found |= group
    return found


def _other_place(parents: KeyPath, name: str, task: str) -> str:
    """Return a hint for a key that belongs to another section or to another task; else an empty text."""
    if name in keys(TASKS[task]):
        return f"{name} belongs at the top level, not" + (f" under {parents[0]}" if parents else "")
    for section, cls in _sections(parents, task).items():
        if name in keys(cls):
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
    here = dotted(parents)
    sections = _sections(parents, task)
    for target in other_key(name):
        section, _, key = target.partition(":")[0].rpartition(".")
        own = next((full for full in sections if full == section or full.endswith(f".{section}")), "")
        known = keys(sections[own]) if own else {} if section else keys(TASKS[task])
        if key not in known or (name == key and here == own):
            continue
        if target.partition(":")[2]:
            return f"write {target}"
        return f"did you mean {key}?" + (f" it belongs under {own}" if here != own else "")
    return ""


def _near_key_of_other_section(parents: KeyPath, name: str, task: str) -> str:
    for section, cls in _sections(parents, task).items():
        near = nearest(name, tuple(keys(cls)))
        if near:
            return f"did you mean {near}? it belongs under {section}"
    return ""


def nearest(word: str, words: tuple[str, ...]) -> str:
    """Return the most similar word, or an empty text. Case is ignored, and a dash equals an underscore."""
    if len(word) > 100:
        return ""
    similar = get_close_matches(word.lower().replace("-", "_"), words, n=1, cutoff=0.6)
    return similar[0] if similar else ""
