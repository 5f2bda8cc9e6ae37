"""Contradictions in the lines of a text model and in their conditions."""

from __future__ import annotations

from seqtool.config.checks import Contradiction, Contradictions
from seqtool.settings.data import CharData
from seqtool.settings.experiment import CharSettings
from seqtool.settings.model import CharModel

DEFAULTS = CharData()


def condition_without_lines(settings: CharSettings) -> Contradictions:
    """Restrict conditions to lines."""
    data = settings.data
    if data.condition != "none" and not data.per_line:
        yield Contradiction(
            ("data", "condition"),
            "is for lines, but data.per_line is false",
            "set data.per_line: true, or delete data.condition",
        )


def unique_without_lines(settings: CharSettings) -> Contradictions:
    """Restrict the removal of repetitions to lines."""
    if settings.data.unique and not settings.data.per_line:
        yield Contradiction(
            ("data", "unique"),
            "is for lines, but data.per_line is false",
            "set data.per_line: true, or delete data.unique",
        )


def condition_keys_without_condition(settings: CharSettings) -> Contradictions:
    """Refuse keys that describe the place of conditions elsewhere."""
    data = settings.data
    if data.separator != DEFAULTS.separator and data.condition not in ("prefix", "column"):
        yield Contradiction(
            ("data", "separator"),
            "has no effect without data.condition: prefix or column",
            "delete it, or set data.condition",
        )
    for name in ("condition_column", "text_column"):
        if getattr(data, name) != getattr(DEFAULTS, name) and data.condition != "column":
            yield Contradiction(
                ("data", name),
                "has no effect without data.condition: column",
                "delete it, or set data.condition: column",
            )
    if settings.model.condition_dim != CharModel().condition_dim and data.condition == "none":
        yield Contradiction(
            ("model", "condition_dim"),
            "has no effect without data.condition",
            "delete it, or set data.condition",
        )


def wrong_columns(settings: CharSettings) -> Contradictions:
    """Require different columns of conditions and lines, and a separator that a table can have."""
    data = settings.data
    if data.condition == "column" and data.condition_column == data.text_column:
        yield Contradiction(
            ("data", "text_column"),
            f"is the column of the conditions, too: {data.text_column}",
            "conditions and lines are in different columns",
        )
    for name in ("condition_column", "text_column"):
        if not getattr(data, name) or getattr(data, name) == "0":
            yield Contradiction(
                ("data", name), "expected the name of a column, or its number from 1", "the first column is 1"
            )
    if "\n" in data.separator or "\r" in data.separator:
        yield Contradiction(("data", "separator"), "cannot be a line end", "a tab is written as tab")
    elif data.condition == "column" and data.separator not in ("auto", "tab") and len(data.separator) > 1:
        yield Contradiction(
            ("data", "separator"),
            f"expected auto, tab or one character between cells, found {len(data.separator)} characters",
            "with data.condition: prefix, it may be longer",
        )


CONDITION = (unique_without_lines, condition_without_lines, condition_keys_without_condition, wrong_columns)
