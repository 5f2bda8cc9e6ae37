"""From tree to settings: runs the schema over it and says every mistake with its place and the nearest right word.

Pydantic decides what is wrong and where; the sentence comes from the schema's own description of the key. The reading
of files, the options and the checks of sense are elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from seqtool.config.checks import contradictions
from seqtool.config.paths import absolute
from seqtool.config.schema import (
    INIT_FROM,
    PATH_KEYS,
    SECTIONS,
    TASKS,
    Path,
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
from seqtool.config.yaml_tree import Entry, Items, Mark, Mistake, Node, Scalar, Table, describe_node, shown
from seqtool.settings import Feature, Settings

TYPE_ERRORS = frozenset(
    ("string_type", "tuple_type", "dict_type", "literal_error", "dataclass_type", "none_required")
)
# What is required and missing gets a stand-in, so that checking can go on.
STAND_INS: dict[Path, Any] = {("data",): {"train": "?"}, ("data", "train"): "?"}
FILLERS = frozenset(
    (
        "data",
        "model",
        "training",
        "did",
        "you",
        "mean",
        "belongs",
        "under",
        "it",
        "a",
        "of",
        "is",
        "key",
        "task",
        "this",
        "the",
    )
)


def build(root: Table, task: str) -> tuple[Settings | None, list[Mistake]]:
    """Settings from a tree; with mistakes there may be none, and all that could be found are listed."""
    mistakes: dict[Path, Mistake] = {}
    values = plain(root, (), task, mistakes)
    settings = _validate(values, root, task, mistakes)
    if settings is None:
        for path in mistakes:
            _cut(values, path)
        settings = _validate(values, root, task, {})
    found = list(mistakes.values())
    doubtful = _names(mistakes)
    lost = {path[0] for path in mistakes if len(path) == 1}
    for item in contradictions(settings) if settings else ():
        if item.path[0] not in lost and not doubtful & _words(
            f"{dotted(item.path)} {item.message} {item.hint}"
        ):
            found.append(
                Mistake(
                    locate(root, item.path, prefer_key=len(item.path) < 2),
                    f"{dotted(item.path)}: {item.message}",
                    item.hint,
                )
            )
    return settings, found


def _names(mistakes: dict[Path, Mistake]) -> set[str]:
    """The keys that are wrong already, or were meant by one that is unknown; a contradiction that names one may be an echo."""
    names = {str(part) for path in mistakes for part in path[1:2] or path}
    return names.union(
        *(_words(mistake.hint) for mistake in mistakes.values() if mistake.message.endswith("unknown key"))
    )


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text)) - FILLERS


# --- tree to plain values ---------------------------------------------------------------------------------------------


def plain(node: Node, path: Path, task: str, mistakes: dict[Path, Mistake]) -> Any:
    """A node as strings, lists and dicts; null where the key takes it, paths made absolute, what is empty left out."""
    if isinstance(node, Table):
        values = {}
        for name, entry in node.entries.items():
            if isinstance(entry.value, Scalar) and entry.value.is_empty:
                _empty(entry, (*path, name), task, mistakes)
            else:
                values[name] = plain(entry.value, (*path, name), task, mistakes)
        return values
    if isinstance(node, Items):
        return [plain(value, (*path, index), task, mistakes) for index, value in enumerate(node.values)]
    if node.is_empty:
        mistakes.setdefault(
            path,
            Mistake(node.mark, f"{dotted(path)}: has no value", 'write a value, or "" for an empty text'),
        )
    if node.is_null and takes_null(type_at(task, path)[0]):
        return None
    return absolute(node.text, node.mark.source.folder) if _is_path(path) else node.text


def _empty(entry: Entry, path: Path, task: str, mistakes: dict[Path, Mistake]) -> None:
    kind = type_at(task, path)[0]
    if kind is Any and path not in _all_sections():
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


def _all_sections() -> tuple[Path, ...]:
    return tuple((section,) for section in SECTIONS)


def _is_path(path: Path) -> bool:
    keys_only = [part for part in path if isinstance(part, str)]
    if len(keys_only) == 2 and keys_only[0] == "data":
        return keys_only[1] in PATH_KEYS
    return keys_only in (["model", "features", "path"], ["training", INIT_FROM])


def _cut(values: Any, path: Path) -> None:
    """Take what is wrong out of the values, or put a stand-in for what is missing; a list goes as a whole."""
    shortest = next((n for n, part in enumerate(path) if isinstance(part, int)), len(path))
    path = path[:shortest]
    for part in path[:-1]:
        values = values.get(part) if isinstance(values, dict) else None
    if isinstance(values, dict) and path:
        values.pop(path[-1], None)
        if path in STAND_INS:
            values[path[-1]] = STAND_INS[path]


# --- pydantic's findings in our words ---------------------------------------------------------------------------------


def _validate(values: Any, root: Table, task: str, mistakes: dict[Path, Mistake]) -> Settings | None:
    from pydantic import ValidationError

    try:
        settings: Settings = adapter(task).validate_python(values)
    except ValidationError as error:
        for path, kind in _distinct(root, task, error.errors(include_url=False, include_context=False)):
            if not any(path[: len(known)] == known for known in mistakes):
                mistakes[path] = _mistake(root, path, kind, task)
        return None
    return settings if not mistakes else None


def _distinct(root: Table, task: str, errors: list[Any]) -> Iterator[tuple[Path, str]]:
    """One finding a place: of a union's branches the one that got furthest."""
    found: dict[Path, str] = {}
    for error in errors:
        path = _walk(root, error["loc"], error["type"])
        while (
            error["type"] in TYPE_ERRORS and type_at(task, path)[0] is Any
        ):  # a key that happens to be called like a branch
            path = path[:-1]
        found.setdefault(path, error["type"])
    for path, kind in found.items():
        if not any(other != path and other[: len(path)] == path for other in found):
            yield path, kind


def _walk(root: Table, location: Path, kind: str) -> Path:
    """The part of pydantic's location that leads through the tree; names of branches and wrapped scalars fall out."""
    path: Path = ()
    node: Node | None = root
    for index, part in enumerate(location):
        missing = kind.startswith("missing") and index == len(location) - 1
        if isinstance(node, Table) and isinstance(part, str) and (part in node.entries or missing):
            node = node.entries[part].value if part in node.entries else None
            path = (*path, part)
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.values):
            node = node.values[part]
            path = (*path, part)
    return path


def _mistake(root: Table, path: Path, kind: str, task: str) -> Mistake:
    name = dotted(path)
    if kind.startswith("missing"):
        return Mistake(locate(root, path[:-1], prefer_key=True), f"{name}: is missing", _missing_hint(path))
    if kind == "unexpected_keyword_argument":
        message, hint = _unknown_key(path, task)
        return Mistake(locate(root, path, prefer_key=True), message, hint)
    wanted, limits = type_at(task, path)
    node = find(root, path)
    found = describe_node(node) if node else "nothing"
    expected = describe_type(wanted, limits)
    return Mistake(
        locate(root, path), f"{name}: expected {expected}, found {found}", _value_hint(wanted, node)
    )


def _missing_hint(path: Path) -> str:
    if path == ("data",):
        return "a tagger needs a section data: with train: and the training file"
    return (
        "name the training file: train: my.conllu"
        if path == ("data", "train")
        else "give the feature its name: {name: form, dim: 64}"
    )


def _value_hint(wanted: Any, node: Node | None) -> str:
    if not isinstance(node, Scalar):
        return ""
    near = nearest(node.text, choices(wanted))
    if near:
        return f"did you mean {near}?"
    number = _as_float(node.text)
    if (
        int in members(wanted)
        and number is not None
        and number.is_integer()
        and not node.text.lstrip("+-").isdecimal()
    ):
        return f"write {int(number)}"
    if float in members(wanted) and "," in node.text and _as_float(node.text.replace(",", ".")) is not None:
        return f"write {node.text.replace(',', '.')}, with a point"
    return ""


def _as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _unknown_key(path: Path, task: str) -> tuple[str, str]:
    """The sentence and the hint for a key that is not in the schema."""
    *above, name = path
    return f"{dotted(path)}: unknown key", _key_hint(tuple(above), str(name), task)


def _key_hint(above: Path, name: str, task: str) -> str:
    owner = type_at(task, above)[0] if above else TASKS[task]
    owner = next(
        (member for member in members(owner) if is_section(member)), Feature if "features" in above else None
    )
    if owner is None:
        return ""
    here = "" if not above else f" under {above[0]}"
    for section in ("", *SECTIONS):
        if name in keys(section_class(task, section) if section else TASKS[task]):
            return (
                f"{name} belongs under {section}"
                if section
                else f"{name} belongs at the top level, not{here}"
            )
    for other in (key for key in TASKS if key != task):
        for section in SECTIONS:
            if name in keys(section_class(other, section)):
                return f"{name} is a key of task: {other}, this is task: {task}"
    near = nearest(name, tuple(keys(owner)))
    if near:
        return f"did you mean {near}?"
    elsewhere = [
        (section, near)
        for section in SECTIONS
        if (near := nearest(name, tuple(keys(section_class(task, section)))))
    ]
    if elsewhere:
        return f"did you mean {elsewhere[0][1]}? it belongs under {elsewhere[0][0]}"
    return (
        "the keys are " + ", ".join(keys(owner))
        if len(keys(owner)) < 15
        else "configs/README.md lists the keys"
    )


# --- small helpers ----------------------------------------------------------------------------------------------------


def nearest(word: str, words: tuple[str, ...]) -> str:
    """The word most like this one, in any case and with dashes for underscores; empty if none is near."""
    if len(word) > 100:
        return ""
    found = get_close_matches(word.lower().replace("-", "_"), words, n=1, cutoff=0.6)
    return found[0] if found else ""


def dotted(path: Path) -> str:
    """`data.pairs[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in path).lstrip(".")


def find(root: Node, path: Path) -> Node | None:
    """The node at a path, or None."""
    node: Node | None = root
    for part in path:
        if isinstance(node, Table) and isinstance(part, str) and part in node.entries:
            node = node.entries[part].value
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.values):
            node = node.values[part]
        elif part != 0:
            return None
    return node


def locate(root: Table, path: Path, *, prefer_key: bool = False) -> Mark:
    """Where a key or value stands; for what the file does not say, the nearest thing above it."""
    for length in range(len(path), 0, -1):
        parent, node = find(root, path[: length - 1]), find(root, path[:length])
        if node is None:
            continue
        part = path[length - 1]
        whole = length < len(path) or isinstance(node, Table)
        if (
            isinstance(parent, Table)
            and isinstance(part, str)
            and part in parent.entries
            and (prefer_key or whole)
        ):
            return parent.entries[part].key
        return node.mark
    return Mark(root.mark.source)
