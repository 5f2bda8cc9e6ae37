"""Declaration of configuration keys: their meaning, default and limits as metadata of a dataclass field."""

from __future__ import annotations

from dataclasses import MISSING, field
from typing import Annotated, Any


class OneOrMany:
    """Annotation of a tuple that YAML may also give as a single value; pydantic calls its two methods."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        inner = handler(source)
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, list | tuple) else [value], inner
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        array = handler(schema)
        return {"anyOf": [array["items"], array]}


Paths = Annotated[tuple[str, ...], OneOrMany()]


def key(meaning: str, default: Any = MISSING, **limits: Any) -> Any:
    """Declare a configuration key with its meaning, default and limits; without a default it is required."""
    return field(default=default, metadata={"description": meaning, **limits}, kw_only=True)


def section(cls: type[Any], meaning: str) -> Any:
    """Declare a section that may be absent, since all its keys have defaults."""
    return field(default_factory=cls, metadata={"description": meaning}, kw_only=True)
