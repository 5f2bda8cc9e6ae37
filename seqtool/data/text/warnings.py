"""Warnings about text that can be read but is probably wrong, given before training starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqtool.data.text.splits import Parts
from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.types import Array

LISTED = 10  # symbols that a warning lists
MANY_SYMBOLS = 1000  # some of which may be too rare to learn
RARE = 5  # occurrences
TOO_MANY_SYMBOLS = 30_000  # only the Han script has that many, and no text uses all of them


@dataclass(frozen=True)
class RareSymbols:
    """Symbols that the unknown symbol replaces.

    Attributes:
        symbols: number of distinct symbols.
        occurrences: of all of them, in train.
    """

    symbols: int = 0
    occurrences: int = 0


def text_warnings(
    paths: Mapping[str, Sequence[Path]],
    parts: Parts,
    vocabulary: SymbolVocabulary,
    counts: Mapping[str, Array],
    rare: RareSymbols,
) -> list[str]:
    """Return all warnings about a text, one line each.

    Args:
        paths: files by name of the text.
        parts: train, val and test.
        vocabulary: with the counts of train.
        counts: occurrences in each part of all symbols, before rare ones were replaced.
        rare: the replaced symbols.
    """
    warnings = _shared_files(paths)
    warnings += [
        f"{name}: too short to be used ({len(part)} of its symbols)"
        for name, part in parts.items()
        if len(part) and not part.is_usable
    ]
    if "val" in parts and not len(parts["val"]):
        warnings.append("val: no text is left for it (data.split); training runs without validation")
    if not rare.symbols:
        for name in ("val", "test"):
            if name in counts:
                warnings += _new_symbols(name, vocabulary, counts[name], counts["train"])
    return warnings + _number_of_symbols(vocabulary) + _wrong_decoding(vocabulary)


def _shared_files(paths: Mapping[str, Sequence[Path]]) -> list[str]:
    """Return a warning for each file that is used for several parts."""
    uses: dict[Path, list[str]] = {}
    for name, group in paths.items():
        for path in group:
            uses.setdefault(path.resolve(), []).append("train" if name == "text" else name)
    return [
        f"{path.name} is read for {' and '.join(parts)}" for path, parts in uses.items() if len(parts) > 1
    ]


def _new_symbols(name: str, vocabulary: SymbolVocabulary, counts: Array, train: Array) -> list[str]:
    """Return a warning about symbols that a model cannot learn, because they do not occur in train."""
    new = [(int(counts[number]), number) for number in np.flatnonzero((train == 0) & (counts > 0))]
    if not new:
        return []
    listed = ", ".join(
        f"{vocabulary.show(vocabulary.symbols[number])} ({count:,})"
        for count, number in sorted(new, reverse=True)[:LISTED]
    )
    more = f", and {len(new) - LISTED:,} more" if len(new) > LISTED else ""
    return [f"{name} has symbols that train lacks and no model can predict: {listed}{more}"]


def _number_of_symbols(vocabulary: SymbolVocabulary) -> list[str]:
    size, rare = len(vocabulary), int((np.array(vocabulary.counts) < RARE).sum())
    if size > TOO_MANY_SYMBOLS:
        return [f"{size:,} different symbols: is this text? `data.unit: byte` reads any file"]
    if size > MANY_SYMBOLS and rare > 0.1 * size:
        return [
            f"{size:,} symbols, {rare:,} of which occur less than {RARE} times in train; "
            f"`data.min_count: {RARE}` replaces them by one unknown symbol"
        ]
    return []


def _wrong_decoding(vocabulary: SymbolVocabulary) -> list[str]:
    """Return warnings about characters that do not occur in text that was decoded correctly."""
    if vocabulary.unit == "byte":
        return []
    warnings = []
    counts = dict(zip(vocabulary.symbols, vocabulary.counts, strict=True))
    if "\0" in counts:
        warnings.append(
            f"train has {counts[chr(0)]:,} NUL characters: is it a binary file, or encoded in utf-16?"
        )
    broken = "\N{REPLACEMENT CHARACTER}"
    if broken in counts and vocabulary.unknown is None:
        warnings.append(f"train has {counts[broken]:,} U+FFFD, left by a wrong decoding")
    return warnings
