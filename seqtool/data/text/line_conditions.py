"""Condition numbers of all lines of a text model's data, and notes and warnings about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqtool.data.text.conditions import LISTED, Conditions, similar
from seqtool.data.text.reader import TextRules
from seqtool.errors import DataError, pluralize
from seqtool.safe_text import visible
from seqtool.types import Array

FEW_LINES = 5  # training lines of a condition, below which it is too rare to learn
MANY_CONDITIONS = 0.2  # of the number of lines: so many conditions are probably no classes


class LineConditions(NamedTuple):
    """Conditions of all lines.

    Attributes:
        names: conditions in the order of their numbers.
        numbers: condition number of each line (lines,) by text; -1 for an empty line.
        headers: number of header rows by text; they are empty lines.
    """

    names: tuple[str, ...]
    numbers: Mapping[str, Array]
    headers: Mapping[str, int]

    def counted(self, train: Array) -> Conditions:
        """Return the conditions with the number of lines that have them; `train`: their numbers (lines,)."""
        counts = np.bincount(train, minlength=len(self.names))
        return Conditions(self.names, tuple(counts.tolist()))


def read_conditions(
    paths: Mapping[str, Sequence[Path]], rules: TextRules, known: Sequence[str] = ()
) -> LineConditions:
    """Read the conditions of all lines.

    Args:
        paths: files by name of the text: `text`, `val`, `test`.
        rules: rules for reading them, with the place of conditions.
        known: conditions of the model whose weights are used at first; they keep their numbers.

    Raises:
        DataError: a condition of val or test does not occur in training, there are fewer than two conditions,
            or a line has none.
    """
    assert rules.condition is not None
    found = {name: [(path, list(rules.conditions(path))) for path in group] for name, group in paths.items()}
    in_training = {name for _, conditions in found["text"] for name, _ in conditions if name}
    names = (*known, *sorted(in_training - set(known)))
    if len(names) < 2:
        listed = f"only {names[0]!r}" if names else "none"
        raise DataError(
            f"expected lines of at least two conditions, found {listed}",
            place=str(paths["text"][0]),
            hint="omit `data.condition` for a model without conditions",
        )
    for name, conditions in ((name, each) for group in found.values() for name, each in group):
        _check_known(name, [condition for condition, _ in conditions if condition], in_training | set(known))
    place = {name: number for number, name in enumerate(names)} | {"": -1}
    numbers = {
        text: np.concatenate([_repeated(conditions, place) for _, conditions in group])
        for text, group in found.items()
    }
    headers = {text: len(group) * rules.condition.has_header for text, group in paths.items()}
    return LineConditions(names, numbers, headers)


def _check_known(path: Path, conditions: Sequence[str], known: set[str]) -> None:
    unknown = next((name for name in conditions if name not in known), None)
    if unknown is not None:
        hint = similar(unknown, sorted(known)) or "give training lines of every condition"
        raise DataError(
            f"the condition {unknown!r} does not occur in the training text", place=str(path), hint=hint
        )


def _repeated(runs: Sequence[tuple[str, int]], place: Mapping[str, int]) -> Array:
    numbers = np.array([place[name] for name, _ in runs], np.int64)
    return np.repeat(numbers, [count for _, count in runs])


def condition_notes(conditions: Conditions) -> list[str]:
    """Return a note on the conditions with their numbers of training lines."""
    pairs = sorted(zip(conditions.names, conditions.counts, strict=True), key=lambda pair: -pair[1])
    shown = ", ".join(f"{visible(name)} {count:,}" for name, count in pairs[:LISTED])
    more = f" and {len(pairs) - LISTED:,} more" if len(pairs) > LISTED else ""
    return [f"{pluralize(len(pairs), 'condition')} (training lines): {shown}{more}"]


def condition_warnings(conditions: Conditions) -> list[str]:
    """Return warnings about rare conditions, and about a source that gives hardly any line a common one."""
    lines = sum(conditions.counts)
    if len(conditions.names) > max(2, MANY_CONDITIONS * lines):
        return [
            f"{len(conditions.names):,} conditions for {lines:,} lines: "
            "does `data.condition` name the class of each line?"
        ]
    pairs = zip(conditions.names, conditions.counts, strict=True)
    rare = [f"{visible(name)} ({count})" for name, count in pairs if 0 < count < FEW_LINES]
    if not rare:
        return []
    shown = ", ".join(rare[:LISTED]) + (f" and {len(rare) - LISTED:,} more" if len(rare) > LISTED else "")
    return [f"{pluralize(len(rare), 'condition')} with fewer than {FEW_LINES} training lines: {shown}"]
