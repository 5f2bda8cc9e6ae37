"""Values of `config.json` and `vocab.json`, checked one by one without pydantic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, fields
from functools import cache
from types import UnionType
from typing import Any, Literal, NoReturn, TypeGuard, TypeVar, Union, get_args, get_origin, get_type_hints

from seqtool.errors import ModelError
from seqtool.safe_text import shorten
from seqtool.settings.model import Feature
from seqtool.types import Json

T = TypeVar("T")

CONFIG, VOCAB = "config.json", "vocab.json"
COPY_HINT = "copy the whole model directory again, or train it again"


def fail(place: str, message: str, hint: str = COPY_HINT) -> NoReturn:
    raise ModelError(message, place=place, hint=hint)


def section(config: Json, name: str) -> Json:
    value = config.get(name)
    if not isinstance(value, dict):
        fail(CONFIG, f"{name}: expected a JSON object")
    return value


def one_of(value: object, name: str, allowed: Sequence[T]) -> T:
    for option in allowed:
        if value == option:
            return option
    fail(CONFIG, f"{name}: expected one of {', '.join(map(str, allowed))}, found {shown(value)}")


def shown(value: object) -> str:
    return shorten(repr(value), 60)


def are_counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and set(map(type, value)) <= {int} and min(value, default=0) >= 0


def are_numbers(value: object, limit: int) -> TypeGuard[list[int]]:
    """Return whether a value is a list of whole numbers from 0 to below a limit."""
    return are_counts(value) and max(value, default=-1) < limit


def are_strings(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and set(map(type, value)) <= {str}


def read_features(items: object) -> tuple[Feature, ...]:
    if not isinstance(items, list | tuple) or not items:
        fail(CONFIG, "model.features: expected a list of features", hint="")
    return tuple(read_settings(Feature, item, f"model.features.{index}") for index, item in enumerate(items))


def read_settings(cls: type[T], value: object, where: str) -> T:
    """Read a dataclass of settings from a JSON object and check its types and lower limits.

    Keys that the object lacks are added to it.
    """
    if not isinstance(value, dict):
        fail(CONFIG, f"{where}: expected a JSON object", hint="")
    hints = _type_hints(cls)  # type: ignore[arg-type]
    lists = [name for name, item in value.items() if isinstance(item, list) and name in hints]
    value |= {name: tuple(value[name]) for name in lists if get_origin(hints[name]) is tuple}
    for name, item in value.items():
        if name not in hints:
            hint = "the model was written by another version of seqtool"
            fail(CONFIG, f"{where}.{name}: unknown key", hint)
        if not fits(item, hints[name]):
            fail(CONFIG, f"{where}.{name}: not an allowed value: {shown(item)}", hint="")
    for field in fields(cls):  # type: ignore[arg-type]
        least, number = field.metadata.get("ge"), value.get(field.name)
        if least is not None and number is not None and number < least:
            fail(CONFIG, f"{where}.{field.name}: expected at least {least}, found {number}", hint="")
        if number is None and field.default is MISSING and field.default_factory is MISSING:
            fail(CONFIG, f"{where}.{field.name}: is missing", hint="")
    settings = cls(**value)
    if len(value) < len(hints):
        value |= {name: getattr(settings, name) for name in hints.keys() - value.keys()}
    return settings


@cache
def _type_hints(cls: type) -> dict[str, object]:
    """Return the types of a dataclass's fields."""
    return get_type_hints(cls)


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value has an annotated type. Only the types of network settings are known."""
    origin = get_origin(hint)
    if origin is Literal:
        return any(value == allowed and type(value) is type(allowed) for allowed in get_args(hint))
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in get_args(hint))
    if origin is tuple:
        return isinstance(value, tuple) and all(fits(item, get_args(hint)[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint
