"""Schema of a config: the keys of `settings` with their types, and the pydantic adapters that check them.

Everything is derived from the types and the metadata of the fields. Error messages and the reference describe
a key with the same words.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from seqtool.settings.data import CharData, TaggerData, TokenizerData
from seqtool.settings.experiment import CharSettings, TaggerSettings, TokenizerPart, TokenizerSettings
from seqtool.settings.keys import OneOrMany
from seqtool.settings.model import CharModel, Feature, TaggerModel, TokenizerModel
from seqtool.settings.training import TokenizerTraining, Training

if TYPE_CHECKING:
    from pydantic import TypeAdapter

KeyPath = tuple[str | int, ...]  # keys and list positions from the top, such as ("data", "pairs", 0)
Number = int | float

TASKS: Mapping[str, type[Any]] = {
    "char": CharSettings,
    "tagger": TaggerSettings,
    "tokenizer": TokenizerSettings,
}
SECTIONS = ("data", "model", "training")
# Keys of `data` that hold paths. Other paths are `path` of a feature and INIT_FROM of `training`.
PATH_KEYS = frozenset(("text", "val", "train", "dev", "test"))
INIT_FROM = "init_from"

_CLASSES: tuple[Any, ...] = (
    CharData,
    TaggerData,
    TokenizerData,
    CharModel,
    TaggerModel,
    TokenizerModel,
    Feature,
    Training,
    TokenizerPart,
    TokenizerTraining,
    *TASKS.values(),
)
for _cls in _CLASSES:
    _cls.__pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}


@cache
def adapter(task: str) -> TypeAdapter[Any]:
    """Return the pydantic adapter that validates and builds the settings of a task."""
    from pydantic import TypeAdapter

    return TypeAdapter(TASKS[task])


@dataclass(frozen=True)
class Limits:
    """Limits on the values of a key, with the names that pydantic uses."""

    ge: Number | None = None
    gt: Number | None = None
    le: Number | None = None
    lt: Number | None = None
    pattern: str | None = None
    min_length: int = 0
    max_length: int | None = None

    @classmethod
    def of(cls, field: Field[Any]) -> Limits:
        """Read the limits from the metadata of a field."""
        names = {limit.name for limit in fields(cls)}
        return cls(**{name: value for name, value in field.metadata.items() if name in names})


@dataclass(frozen=True)
class Key:
    """Key of a section as the schema declares it."""

    name: str
    type: Any
    field: Field[Any]

    @property
    def meaning(self) -> str:
        """Meaning in one line."""
        return str(self.field.metadata.get("description", ""))

    @property
    def required(self) -> bool:
        """True if the key has no default."""
        return self.field.default is MISSING and self.field.default_factory is MISSING

    @property
    def default(self) -> Any:
        """Default value; the default of a section is the section with all its defaults."""
        return self.field.default if self.field.default_factory is MISSING else self.field.default_factory()

    @property
    def expected(self) -> str:
        """Description of the accepted values."""
        return describe_type(self.type, Limits.of(self.field))


_KEYS: dict[type[Any], Mapping[str, Key]] = {}


def keys(cls: type[Any]) -> Mapping[str, Key]:
    """Return the keys of a section, in the order of the dataclass."""
    if cls not in _KEYS:
        hints = get_type_hints(cls, include_extras=True)
        _KEYS[cls] = {field.name: Key(field.name, hints[field.name], field) for field in fields(cls)}
    return _KEYS[cls]


def section_class(task: str, section: str) -> type[Any]:
    """Return the dataclass of a section of a task."""
    cls: type[Any] = keys(TASKS[task])[section].type
    return cls


def key_paths(cls: type[Any], above: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the path of every key, in the order of the schema, and of every section that may be null."""
    for name, key in keys(cls).items():
        inner = section_among(key.type)
        if inner is None or takes_null(key.type):
            yield (*above, name)
        if inner is not None:
            yield from key_paths(inner, (*above, name))


# --- types --------------------------------------------------------------------------------------------------


def is_section(kind: Any) -> bool:
    """Return True if a type is a mapping of declared keys."""
    return isinstance(kind, type) and is_dataclass(kind)


def section_among(kind: Any) -> type[Any] | None:
    """Return the section that a type is or may be; None if its values are no sections."""
    return next((member for member in members(kind) if is_section(member)), None)


def members(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type alone; `Annotated` is removed."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def takes_null(kind: Any) -> bool:
    """Return True if null is a value of a type."""
    return types.NoneType in members(kind)


def choices(kind: Any) -> tuple[str, ...]:
    """Return the values that a type lists by name."""
    return tuple(
        value for member in members(kind) if get_origin(member) is Literal for value in get_args(member)
    )


def type_at(task: str, path: KeyPath) -> tuple[Any, Limits]:
    """Return the type and the limits at a path of the settings; the type is `Any` if the path does not exist.

    Args:
        task: name of the task.
        path: keys and list positions from the top, such as ("data", "pairs", 0).
    """
    kind: Any = TASKS[task]
    limits = Limits()
    for part in path:
        kind, limits = _child_type(kind, part)
    return kind, limits


def _child_type(kind: Any, part: str | int) -> tuple[Any, Limits]:
    for member in members(kind):
        if is_section(member) and part in keys(member):
            key = keys(member)[str(part)]
            return key.type, Limits.of(key.field)
        if get_origin(member) is tuple and isinstance(part, int):
            inner = get_args(member)
            return (inner[0] if inner[-1] is Ellipsis else inner[min(part, len(inner) - 1)]), Limits()
        if get_origin(member) is dict and isinstance(part, str):
            return get_args(member)[1], Limits()
    return Any, Limits()


# --- descriptions -------------------------------------------------------------------------------------------


def describe_type(kind: Any, limits: Limits) -> str:
    """Describe the values of a type, such as `a whole number of at least 1, or null`."""
    if get_origin(kind) is Annotated and any(isinstance(mark, OneOrMany) for mark in get_args(kind)):
        return "a path or a list of paths"
    others = [
        _describe_member(member, limits)
        for member in members(kind)
        if member is not types.NoneType and get_origin(member) is not Literal
    ]
    return listing([*choices(kind), *others]) + (", or null" if takes_null(kind) else "")


def listing(words: list[str]) -> str:
    """Join words to `a, b or c`."""
    return ", ".join(words[:-1]) + " or " + words[-1] if len(words) > 1 else "".join(words)


def _describe_member(kind: Any, limits: Limits) -> str:
    if kind in (int, float):
        return ("a whole number" if kind is int else "a number") + _describe_range(limits)
    if kind is str:
        name = "letters, digits, dots, dashes and underscores, the first a letter or digit"
        return "text" if limits.pattern is None else name
    if is_section(kind):
        return "a feature (name, dim, …)" if kind is Feature else "a section of keys"
    if get_origin(kind) is dict:
        return "a number for each label"
    if get_origin(kind) is tuple:
        return _describe_tuple(get_args(kind), limits)
    return {bool: "true or false"}.get(kind, "a value")


def _describe_range(limits: Limits) -> str:
    if limits.ge is not None and limits.le is not None:
        return f" from {limits.ge} to {limits.le}"
    low = (
        f"of at least {limits.ge}"
        if limits.ge is not None
        else f"above {limits.gt}"
        if limits.gt is not None
        else ""
    )
    high = (
        f"at most {limits.le}"
        if limits.le is not None
        else f"below {limits.lt}"
        if limits.lt is not None and limits.lt <= 2**53  # a larger limit is of no interest to a reader
        else ""
    )
    return f" {low} and {high}" if low and high else f" {low or high}".rstrip()


def _describe_tuple(inner: tuple[Any, ...], limits: Limits) -> str:
    if inner == (str, str):
        return "a pair [input, target]"
    if inner[-1] is not Ellipsis:
        return f"a list of {len(inner)} numbers"
    plural = {str: "texts", float: "numbers", Feature: "features"}.get(inner[0], "pairs [input, target]")
    count = ""
    if limits.max_length is not None:
        count = listing([str(n) for n in range(limits.min_length, limits.max_length + 1)]) + " "
    return f"a list of {count}{plural}"
