"""What looks wrong in text though it can be read: said as warnings before any time is spent on training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.types import Array

LISTED = 10
MANY = 1000  # symbols, of which some may be too rare to learn
RARE = 5  # times
HUGE = 30_000  # symbols: no script but Han has so many, and no text uses all of those


def text_warnings(
    paths: Mapping[str, Sequence[Path]],
    parts: Mapping[str, Any],
    usable: Mapping[str, Any],
    vocabulary: SymbolVocabulary,
    counts: Mapping[str, Array],
    rare: tuple[int, int],
) -> list[str]:
    """All warnings about a text, one line each.

    Args:
        paths: files by part.
        parts: train, val and test; those without anything to predict are not `usable`.
        vocabulary: with the counts of train.
        counts: of each part by the symbols before rare ones were put together.
        rare: how many symbols that were, and how often they are in train.
    """
    found = _shared_files(paths)
    found += [
        f"{name}: too short to be used ({len(part)} of its symbols)"
        for name, part in parts.items()
        if len(part) and name not in usable
    ]
    if "val" in parts and not len(parts["val"]):
        found.append("val: nothing is left for it (data.split); the run goes without validation")
    if not rare[0]:
        found += [
            line
            for name in ("val", "test")
            if name in counts
            for line in _new_symbols(name, vocabulary, counts[name], counts["train"])
        ]
    return found + _strange_symbols(vocabulary)


def _shared_files(paths: Mapping[str, Sequence[Path]]) -> list[str]:
    names: dict[Path, list[str]] = {}
    for part, group in paths.items():
        for path in group:
            names.setdefault(path.resolve(), []).append("train" if part == "text" else part)
    return [
        f"{path.name} is read for {' and '.join(found)}" for path, found in names.items() if len(found) > 1
    ]


def _new_symbols(name: str, vocabulary: SymbolVocabulary, counts: Array, train: Array) -> list[str]:
    """Symbols that no model can learn, since training has none of them."""
    new = [(int(counts[number]), number) for number in np.flatnonzero((train == 0) & (counts > 0))]
    if not new:
        return []
    listed = ", ".join(
        f"{vocabulary.show(vocabulary.symbols[number])} ({count:,})"
        for count, number in sorted(new, reverse=True)[:LISTED]
    )
    more = f", and {len(new) - LISTED:,} more" if len(new) > LISTED else ""
    return [f"{name} has symbols that train lacks and no model can predict: {listed}{more}"]


def _strange_symbols(vocabulary: SymbolVocabulary) -> list[str]:
    found = []
    counts = np.array(vocabulary.counts)
    size, seldom = len(vocabulary), int((counts < RARE).sum())
    if size > HUGE:
        found.append(f"{size:,} different symbols: is this text? `data.unit: byte` reads any file")
    elif size > MANY and seldom > 0.1 * size:
        found.append(
            f"{size:,} symbols, {seldom:,} of them seen less than {RARE} times in train; `data.min_count: {RARE}` reads those as one"
        )
    if vocabulary.unit == "byte":
        return found
    if "\0" in vocabulary.symbols:
        count = vocabulary.counts[vocabulary.symbols.index("\0")]
        found.append(f"train has {count:,} NUL characters: is it a binary file, or encoded in utf-16?")
    broken = "\N{REPLACEMENT CHARACTER}"
    if broken in vocabulary.symbols and vocabulary.unknown is None:
        found.append(
            f"train has {vocabulary.counts[vocabulary.symbols.index(broken)]:,} U+FFFD, left by a wrong decoding"
        )
    return found
