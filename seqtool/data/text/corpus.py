"""Everything a character model is trained on: aligned pairs, running text or lines, as numbers, and what was found on the way.

How files become numbers is in `encoded_text.py`, how they are parted in `text_parts.py`, and what looks wrong in
`text_suspicions.py`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from seqtool.data.input_files import expand
from seqtool.data.text.cache import StoredText, TextCache
from seqtool.data.text.encode import ALPHABET_HINT, encode_files, merge_rare, renumber
from seqtool.data.text.reader import TextForm
from seqtool.data.text.splits import LinePlaces, Stretch, divided, lines_of, stretches
from seqtool.data.text.warnings import text_warnings
from seqtool.data.vocabulary import BOUNDARY, UNKNOWN, SymbolVocabulary, Unit
from seqtool.errors import DataError
from seqtool.settings import CharData
from seqtool.types import Array

Progress = Callable[[str, int, int], None]
Kind = Literal["pairs", "text", "lines"]
Parts = Mapping[str, Stretch | LinePlaces]


@dataclass(frozen=True)
class Sequences:
    """Whole sequences.

    Attributes:
        inputs: symbol numbers of each, (length,).
        targets: what is to be predicted at each of them, of the same lengths.
    """

    inputs: Sequence[Array]
    targets: Sequence[Array]

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class CharCorpus:
    """Encoded data, and what is derived from them.

    Attributes:
        kind: `text`: train, val and test are arrays of symbol numbers (length,), memory-mapped where there is a cache, of the
            smallest unsigned type. `lines`: sequences, a line's input with the boundary (a line feed) before it, its target
            with the boundary behind it. `pairs`: sequences.
        vocabulary: its counts are those of train.
        train, val, test: val and test may be None.
        pairs: as they are read; empty for the other kinds.
        files: SHA-256 of every file read.
        notes: what was found, one line each.
        warnings: what looks wrong, one line each.
    """

    kind: Kind
    vocabulary: SymbolVocabulary
    train: Any
    val: Any = None
    test: Any = None
    pairs: tuple[tuple[str, str], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def load_char_corpus(
    data: CharData,
    seed: int,
    cache: Path | None = None,
    progress: Progress | None = None,
    base: SymbolVocabulary | None = None,
) -> CharCorpus:
    """Read, encode and part the data.

    Without `data.alphabet` the symbols are those of all the text, parts for validation and test included, so that their losses
    are those of other programs; one that training lacks is warned of, and with `data.min_count` becomes the unknown symbol.

    Args:
        data: the settings.
        seed: decides which lines are for validation and test.
        cache: folder for encoded texts; None: they are held in memory.
        progress: called with what is being done, the bytes done and their number.
        base: the symbols of a model that training starts from; they keep their numbers, and new ones follow.

    Raises:
        DataError: a file that is missing or cannot be read; a symbol that is not in the alphabet; too little to learn from.
    """
    if data.pairs:
        return _pairs_corpus(data, base)
    if not data.text:
        raise DataError(
            "expected text or pairs to learn from, found neither",
            hint="give `data.text` (a file) or `data.pairs`",
        )
    given = (("text", data.text), ("val", data.val), ("test", data.test))
    paths = {part: expand(names, data.source) for part, names in given if names}
    form = TextForm(data.unit, data.encoding, data.normalize, data.per_line)
    store = TextCache(cache)
    stored, files, facts = encode_files(paths, form, data.alphabet, store, progress)
    parts, said = _parts(stored, data, seed)
    _check_parts(parts, stored, paths)
    counts = {
        name: part.counts(stored.arrays, len(stored.symbols)) for name, part in parts.items() if len(part)
    }
    stored, vocabulary, rare = _merged(stored, counts["train"], data, facts, store)
    found = {name: part for name, part in parts.items() if _usable(part)}
    notes = [
        *_sizes(found, seed if data.per_line and not data.val else None),
        *said,
        *_symbol_notes(vocabulary, rare, counts["train"]),
    ]
    warnings = text_warnings(paths, parts, found, vocabulary, counts, rare)
    if base is not None:
        vocabulary = vocabulary.appended_to(base)
        stored = renumber(stored, "".join(vocabulary.symbols), facts, store)
    return CharCorpus(
        kind="lines" if data.per_line else "text",
        vocabulary=vocabulary,
        **{name: _taken(part, stored) for name, part in found.items()},
        files=files,
        notes=tuple(notes),
        warnings=tuple(warnings),
    )


# --- parts ------------------------------------------------------------------------------------------------------------


def _parts(stored: StoredText, data: CharData, seed: int) -> tuple[Parts, list[str]]:
    """Which stretches or lines train, val and test are, and what is said of lines left aside."""
    if not data.per_line:
        return stretches(stored.arrays, data.split), []
    lines: dict[str, LinePlaces] = {}
    said = []
    for name, array in stored.arrays.items():
        lines[name], empty = lines_of(name, array, stored.symbols.index(BOUNDARY))
        said += [f"{name}: {_number(empty, 'empty line')} left aside"] if empty else []
    text = lines.pop("text")
    if "val" in lines:
        return {"train": text, **lines}, said
    return divided(text, data.split[:2] if "test" in lines else data.split, seed) | lines, said


def _usable(part: Stretch | LinePlaces) -> bool:
    """Whether there is a symbol to predict."""
    return len(part) >= (2 if isinstance(part, Stretch) else 1)


def _check_parts(parts: Parts, stored: StoredText, paths: Mapping[str, Sequence[Path]]) -> None:
    """Training data, and every part that has files of its own, must hold something to predict."""
    for name, part in parts.items():
        if (name == "train" or part.text != "text") and not _usable(part):
            place = str(paths[part.text][0])
            if isinstance(part, LinePlaces):
                raise DataError("expected lines, found only empty ones", place=place)
            found = f"found {_number(len(part), 'symbol')}" + (
                "" if len(part) == len(stored.arrays[part.text]) else " in its part for training"
            )
            raise DataError(
                f"expected a text of at least 2 symbols, {found}", place=place, hint="give a longer text"
            )


def _taken(part: Stretch | LinePlaces, stored: StoredText) -> Any:
    return part.of(stored.arrays) if isinstance(part, Stretch) else Sequences(*part.of(stored.arrays))


def _sizes(parts: Parts, seed: int | None) -> list[str]:
    notes = []
    for name, part in parts.items():
        if isinstance(part, Stretch):
            notes.append(f"{name}: {_number(len(part), 'symbol')}")
        else:
            notes.append(
                f"{name}: {_number(len(part), 'line')}, {_number(int(part.lengths.sum()), 'symbol')} with the end of each"
            )
    if seed is not None and len(parts) > 1:
        notes.append(f"lines are parted by seed {seed} (data.split)")
    return notes


# --- symbols ----------------------------------------------------------------------------------------------------------


def _merged(
    stored: StoredText, counts: Array, data: CharData, facts: Any, cache: TextCache
) -> tuple[StoredText, SymbolVocabulary, tuple[int, int]]:
    """The text with rare symbols read as the unknown one, the vocabulary, and how many symbols that are, and how often in train."""
    kept = _kept(
        stored.symbols, counts, data.min_count if data.alphabet is None else 1, data.unit, data.per_line
    )
    if len(kept) == len(stored.symbols):
        return stored, SymbolVocabulary(stored.symbols, data.unit, None, counts.tolist()), (0, 0)
    rare = int(counts.sum() - counts[kept].sum())
    merged = merge_rare(stored, kept, UNKNOWN[data.unit], facts, cache)
    vocabulary = SymbolVocabulary(merged.symbols, data.unit, len(kept), [*counts[kept].tolist(), rare])
    return merged, vocabulary, (len(stored.symbols) - len(kept), rare)


def _kept(
    symbols: Sequence[str], counts: Array | Sequence[int], least: int, unit: Unit, lines: bool = False
) -> list[int]:
    """Numbers of the symbols that are frequent enough; all of them, unless one is not.

    Raises:
        DataError: none is.
    """
    if least <= 1:
        return list(range(len(symbols)))
    rare = {
        symbol
        for symbol, count in zip(symbols, counts, strict=True)
        if count < least and not (lines and symbol == BOUNDARY)
    }
    if not rare:
        return list(range(len(symbols)))
    rare.add(UNKNOWN[unit])  # in the text itself it means the same
    kept = [number for number, symbol in enumerate(symbols) if symbol not in rare]
    if not kept or (lines and len(kept) == 1):
        found = f"the most frequent is seen {_number(int(max(counts)), 'time')}"
        raise DataError(
            f"expected symbols seen {least:,} times or more in train, {found}",
            hint="set a lower `data.min_count`",
        )
    return kept


def _symbol_notes(vocabulary: SymbolVocabulary, rare: tuple[int, int], counts: Array) -> list[str]:
    notes = [
        f"symbols: {vocabulary.listing()}" if len(vocabulary) <= 100 else f"symbols: {len(vocabulary):,}"
    ]
    if vocabulary.unknown is not None:
        share = rare[1] / max(int(counts.sum()), 1)
        name = vocabulary.show(vocabulary.symbols[vocabulary.unknown])
        notes.append(
            f"the unknown symbol, {name}, stands for {_number(rare[0], 'rare symbol')} (data.min_count), {share:.3%} of train"
        )
    return notes


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


# --- pairs ------------------------------------------------------------------------------------------------------------


def _pairs_corpus(data: CharData, base: SymbolVocabulary | None) -> CharCorpus:
    """Aligned pairs as the settings give them."""
    pairs = tuple((_normal(source, data), _normal(target, data)) for source, target in data.pairs)
    counts = Counter(symbol for pair in pairs for text in pair for symbol in _symbols(text, data.unit))
    symbols = list(data.alphabet) if data.alphabet is not None else sorted(counts)
    seen = [counts[symbol] for symbol in symbols]
    kept = _kept(symbols, seen, data.min_count if data.alphabet is None else 1, data.unit)
    if len(kept) < len(symbols):
        rare = sum(seen) - sum(seen[number] for number in kept)
        chosen = [*(symbols[number] for number in kept), UNKNOWN[data.unit]]
        vocabulary = SymbolVocabulary(
            chosen, data.unit, len(kept), [*(seen[number] for number in kept), rare]
        )
    else:
        vocabulary = SymbolVocabulary(symbols, data.unit, None, seen)
    if base is not None:
        vocabulary = vocabulary.appended_to(base)
    encoded = [_encoded_pair(index, pair, vocabulary) for index, pair in enumerate(pairs)]
    sequences = Sequences([source for source, _ in encoded], [target for _, target in encoded])
    notes = (
        f"train: {_number(len(pairs), 'pair')}, {_number(sum(map(len, sequences.inputs)), 'symbol')}",
        f"symbols: {vocabulary.listing()}",
    )
    return CharCorpus("pairs", vocabulary, sequences, pairs=pairs, notes=notes)


def _normal(text: str, data: CharData) -> str:
    return unicodedata.normalize("NFC", text) if data.normalize == "nfc" and data.unit == "char" else text


def _symbols(text: str, unit: Unit) -> str:
    return text if unit == "char" else text.encode("utf-8", "surrogatepass").decode("latin-1")


def _encoded_pair(index: int, pair: tuple[str, str], vocabulary: SymbolVocabulary) -> tuple[Array, Array]:
    place = f"data.pairs[{index}]"
    sides = [_symbols(text, vocabulary.unit) for text in pair]
    if len(sides[0]) != len(sides[1]) or not sides[0]:
        found = f"{pair[0]!r} of {len(sides[0])} and {pair[1]!r} of {len(sides[1])}"
        message = f"expected input and target of the same number of symbols, found {found}"
        raise DataError(message, place=place, hint="they are aligned symbol by symbol")
    strange = next((symbol for side in sides for symbol in side if symbol not in vocabulary), None)
    if strange is not None and vocabulary.unknown is None:
        raise vocabulary.unknown_symbol_error(strange, place=place, hint=ALPHABET_HINT)
    return vocabulary.encode(pair[0]), vocabulary.encode(pair[1])
