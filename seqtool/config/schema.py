"""What may stand in a config: the dataclasses of `settings.py` as pydantic adapters, and questions about their keys.

Everything is derived from the fields' types and metadata; nothing is said twice. The reader asks here what a key
expects, the reference prints the same words.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from seqtool import settings
from seqtool.settings import CharSettings, Feature, OneOrMany, TaggerSettings

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Path = tuple[str | int, ...]
TASKS: Mapping[str, type[Any]] = {"char": CharSettings, "tagger": TaggerSettings}
SECTIONS = ("data", "model", "training")
PATH_KEYS = frozenset(
    ("text", "val", "train", "dev", "test")
)  # of data; a feature has `path`, training has INIT_FROM
INIT_FROM = "init_from"

CLOSED = {"extra": "forbid", "allow_inf_nan": False}
_DATA, _MODELS = (settings.CharData, settings.TaggerData), (settings.CharModel, settings.TaggerModel)
_CLASSES: tuple[Any, ...] = (*_DATA, *_MODELS, Feature, settings.Training, CharSettings, TaggerSettings)
for _cls in _CLASSES:
    _cls.__pydantic_config__ = CLOSED


@cache
def adapter(task: str) -> TypeAdapter[Any]:
    """The pydantic adapter that checks and builds the settings of a task."""
    from pydantic import TypeAdapter

    return TypeAdapter(TASKS[task])


@dataclass(frozen=True)
class Key:
    """One key of a section as the schema declares it."""

    name: str
    type: Any
    field: Field[Any]

    @property
    def meaning(self) -> str:
        """Its one-line meaning."""
        return str(self.field.metadata.get("description", ""))

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.field.default is MISSING and self.field.default_factory is MISSING

    @property
    def default(self) -> Any:
        """Its default; a section's is the section with all its defaults."""
        return self.field.default if self.field.default_factory is MISSING else self.field.default_factory()

    @property
    def expected(self) -> str:
        """What it takes, in words."""
        return describe_type(self.type, self.field.metadata)


_KEYS: dict[type[Any], Mapping[str, Key]] = {}


def keys(cls: type[Any]) -> Mapping[str, Key]:
    """The keys of a section, in the order of the dataclass."""
    if cls not in _KEYS:
        hints = get_type_hints(cls, include_extras=True)
        _KEYS[cls] = {field.name: Key(field.name, hints[field.name], field) for field in fields(cls)}
    return _KEYS[cls]


def section_class(task: str, section: str) -> type[Any]:
    """The dataclass of a section of a task."""
    cls: type[Any] = keys(TASKS[task])[section].type
    return cls


def is_section(kind: Any) -> bool:
    """Whether a type is a mapping of declared keys."""
    return isinstance(kind, type) and is_dataclass(kind)


# --- types ------------------------------------------------------------------------------------------------------------


def members(kind: Any) -> tuple[Any, ...]:
    """The members of a union, or the type alone; without the marks of `Annotated`."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def takes_null(kind: Any) -> bool:
    """Whether null is one of a type's values."""
    return types.NoneType in members(kind)


def type_at(task: str, path: Path) -> tuple[Any, Mapping[str, Any]]:
    """The type at a path of the settings and its limits; `Any` where the path leads nowhere.

    Args:
        task: "char" or "tagger".
        path: keys and list positions from the top, such as ("data", "pairs", 0).
    """
    kind: Any = TASKS[task]
    limits: Mapping[str, Any] = {}
    for part in path:
        kind, limits = _step(kind, part)
    return kind, limits


def _step(kind: Any, part: str | int) -> tuple[Any, Mapping[str, Any]]:
    for member in members(kind):
        if is_section(member) and part in keys(member):
            found = keys(member)[str(part)]
            return found.type, found.field.metadata
        if get_origin(member) is tuple and isinstance(part, int):
            inner = get_args(member)
            return (inner[0] if inner[-1] is Ellipsis else inner[min(part, len(inner) - 1)]), {}
        if get_origin(member) is dict and isinstance(part, str):
            return get_args(member)[1], {}
    return Any, {}


def choices(kind: Any) -> tuple[str, ...]:
    """The values that a type lists by name."""
    return tuple(
        value for member in members(kind) if get_origin(member) is Literal for value in get_args(member)
    )


def describe_type(kind: Any, limits: Mapping[str, Any]) -> str:
    """What a key takes, in words: `a whole number of at least 1, or null`."""
    if get_origin(kind) is Annotated and any(isinstance(mark, OneOrMany) for mark in get_args(kind)):
        return "a path or a list of paths"
    parts = [_describe_member(member, limits) for member in members(kind) if member is not types.NoneType]
    named = [
        *choices(kind),
        *(
            part
            for part, member in zip(parts, members(kind), strict=False)
            if get_origin(member) is not Literal
        ),
    ]
    return listing(named) + (", or null" if takes_null(kind) else "")


def listing(words: list[str]) -> str:
    """`a, b or c`."""
    return ", ".join(words[:-1]) + " or " + words[-1] if len(words) > 1 else "".join(words)


def _describe_member(kind: Any, limits: Mapping[str, Any]) -> str:
    if kind in (int, float):
        return ("a whole number" if kind is int else "a number") + _describe_range(limits)
    if kind is str:
        return (
            "letters, digits, dots, dashes and underscores, the first a letter or digit"
            if "pattern" in limits
            else "text"
        )
    if is_section(kind):
        return "a feature (name, dim, …)" if kind is Feature else "a section of keys"
    if get_origin(kind) is dict:
        return "a number for each label"
    if get_origin(kind) is tuple:
        return _describe_tuple(get_args(kind), limits)
    return {bool: "true or false"}.get(kind, "a value")


def _describe_range(limits: Mapping[str, Any]) -> str:
    low = (
        f"of at least {limits['ge']}" if "ge" in limits else f"above {limits['gt']}" if "gt" in limits else ""
    )
    high = f"at most {limits['le']}" if "le" in limits else f"below {limits['lt']}" if "lt" in limits else ""
    if "ge" in limits and "le" in limits:
        return f" from {limits['ge']} to {limits['le']}"
    if limits.get("lt", 0) > 2**53:  # as many as there are: not worth a word
        high = ""
    return f" {low} and {high}" if low and high else f" {low or high}".rstrip()


def _describe_tuple(inner: tuple[Any, ...], limits: Mapping[str, Any]) -> str:
    if inner == (str, str):
        return "a pair [input, target]"
    if inner[-1] is not Ellipsis:
        return f"a list of {len(inner)} numbers"
    plural = {str: "texts", float: "numbers", Feature: "features"}.get(inner[0], "pairs [input, target]")
    few = (
        listing([str(n) for n in range(limits["min_length"], limits["max_length"] + 1)]) + " "
        if "max_length" in limits
        else ""
    )
    return f"a list of {few}{plural}"
