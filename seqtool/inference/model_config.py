"""The settings of a network from the JSON of a model directory, without pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from seqtool.errors import ModelError
from seqtool.settings import CharModel, Feature, TaggerModel

T = TypeVar("T")
PLACE = "config.json"


def character(value: Mapping[str, Any]) -> CharModel:
    """The settings of a character model.

    Raises:
        ModelError: a key that is not known, or a value that no such key can have.
    """
    return _read(CharModel, value, "model")


def tagger(value: Mapping[str, Any]) -> TaggerModel:
    """The settings of a tagger; errors as `character`."""
    return _read(TaggerModel, {**value, "features": tagger_features(value)}, "model")


def tagger_features(value: Mapping[str, Any]) -> tuple[Feature, ...]:
    """The features of a tagger; errors as `character`."""
    given = value.get("features")
    if not isinstance(given, list | tuple) or not given:
        raise ModelError("model.features: expected a list of features", place=PLACE)
    return tuple(
        item if isinstance(item, Feature) else _read(Feature, item, f"model.features.{at}")
        for at, item in enumerate(given)
    )


def _read(cls: type[T], value: Any, where: str) -> T:
    if not isinstance(value, Mapping):
        raise ModelError(f"{where}: expected a JSON object", place=PLACE)
    hints = _hints(cls)  # type: ignore[arg-type]
    for name, item in value.items():
        if name not in hints:
            raise ModelError(
                f"{where}.{name}: unknown key",
                place=PLACE,
                hint="the model was written by another version of seqtool",
            )
        if not _fits(item, hints[name]):
            raise ModelError(f"{where}.{name}: not a value that it can have: {item!r}", place=PLACE)
    for field in fields(cls):  # type: ignore[arg-type]
        least = field.metadata.get("ge")
        given = value.get(field.name)
        if least is not None and given is not None and given < least:
            raise ModelError(f"{where}.{field.name}: expected at least {least}, found {given}", place=PLACE)
    return cls(**value)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    return get_type_hints(cls)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type; covers the types that settings of networks have."""
    origin = get_origin(hint)
    if origin is Literal:
        return any(value == allowed and type(value) is type(allowed) for allowed in get_args(hint))
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, get_args(hint)[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint
