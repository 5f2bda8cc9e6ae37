"""Data of a character model: aligned pairs, running text or lines as symbol numbers, with notes and warnings.

Reading and encoding of files is in `reader.py` and `encode.py`, the split in `splits.py`, and warnings in
`warnings.py`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from seqtool.data.encoding import UTF8
from seqtool.data.input_files import ProgressCallback, expand
from seqtool.data.text.conditions import ConditionRule, Conditions
from seqtool.data.text.encode import (
    EncodedText,
    TextCache,
    encode_files,
    renumber,
)
from seqtool.data.text.line_conditions import (
    LineConditions,
    condition_notes,
    condition_warnings,
    read_conditions,
)
from seqtool.data.text.rare_symbols import frequent_symbols, replace_rare, symbol_notes
from seqtool.data.text.reader import ALPHABET_HINT, TextRules
from seqtool.data.text.splits import (
    LineSet,
    Part,
    Parts,
    Sequences,
    distinct_lines,
    find_lines,
    split_lines,
    split_text,
)
from seqtool.data.text.word_numbers import number_words
from seqtool.data.vocabulary import UNKNOWN, SymbolVocabulary, Unit
from seqtool.data.warnings import text_warnings
from seqtool.data.word_vocabulary import WordSymbols
from seqtool.errors import DataError, pluralize
from seqtool.settings.data import CharData
from seqtool.types import Array

Kind = Literal["pairs", "text", "lines"]


@dataclass(frozen=True)
class CharCorpus:
    """Encoded data of a character model.

    Attributes:
        kind: `text` for running text, `lines` or `pairs` for sequences.
        vocabulary: symbols, with their counts in train.
        train, val, test: of running text, symbol numbers (length,) of the smallest unsigned type,
            memory-mapped if there is a cache; else `Sequences`. The input of a line has the boundary (a line
            feed) before it, its target the boundary after it. val and test may be None.
        pairs: input and target texts; empty for the other kinds.
        files: SHA-256 of every file, by path.
        notes: facts about the data, one line each.
        warnings: probable mistakes, one line each.
        encoding: encoding of the first file.
        conditions: conditions of the lines, with the number of lines in train; None without conditions.
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
    encoding: str = UTF8
    conditions: Conditions | None = None

    @property
    def recorded_encoding(self) -> dict[str, str]:
        """Entry of `config.json` by which other files are read alike; empty for UTF-8."""
        return {} if self.encoding == UTF8 else {"encoding": self.encoding}


def load_char_corpus(
    data: CharData,
    seed: int,
    cache: Path | None = None,
    progress: ProgressCallback | None = None,
    base: SymbolVocabulary | None = None,
    base_conditions: Sequence[str] = (),
) -> CharCorpus:
    """Read, encode and split the data.

    Without `data.alphabet` the symbols are those of all the text, validation and test included. Losses are
    then comparable with those of other programs. A symbol that does not occur in train causes a warning, or
    becomes the unknown symbol if there is a `data.min_count`.

    Args:
        data: the settings.
        seed: of the draw of lines for validation and test.
        cache: folder for encoded texts; None: texts are in memory.
        progress: is called with the current action, the bytes done and their total.
        base: symbols of the model whose weights are used at first; they keep their numbers, and new ones
            follow.
        base_conditions: conditions of that model; they also keep their numbers.

    Raises:
        DataError: a file is missing or cannot be read, a symbol is not in the alphabet, or there is too
            little data.
    """
    if data.pairs:
        return _load_pairs(data, base)
    if not data.text:
        raise DataError(
            "expected text or pairs to learn from, found neither",
            hint="give `data.text` (a file) or `data.pairs`",
        )
    return _load_text(data, seed, TextCache(cache), progress, base, base_conditions)


def condition_rule(data: CharData) -> ConditionRule | None:
    """Return the place of each line's condition; None if lines have no condition."""
    if data.condition == "none":
        return None
    return ConditionRule(data.condition, data.separator, data.condition_column, data.text_column)


# --- text and lines -----------------------------------------------------------------------------------------


def _load_text(
    data: CharData,
    seed: int,
    cache: TextCache,
    progress: ProgressCallback | None,
    base: SymbolVocabulary | None,
    base_conditions: Sequence[str],
) -> CharCorpus:
    named = (("text", data.text), ("val", data.val), ("test", data.test))
    paths = {name: expand(files, data.source) for name, files in named if files}
    rules = TextRules(
        data.unit, data.encoding, data.normalize, data.per_line, condition_rule(data), data.tokenized
    )
    rules = rules.for_files(path for group in paths.values() for path in group)
    files = encode_files(paths, rules, data.alphabet, cache, progress)
    text = files.text
    conditions = None if rules.condition is None else read_conditions(paths, rules, base_conditions)
    parts, skipped = _split(text, rules, data, seed, conditions)
    _check_parts(parts, text, paths)
    if data.unit == "word":
        assert base is None or isinstance(base, WordSymbols)
        numbered = number_words(files, parts, data, rules.boundary, cache, base)
        text, parts, counts, rare = numbered.text, numbered.parts, numbered.counts, numbered.rare
        vocabulary: SymbolVocabulary = numbered.vocabulary
    else:
        counts = {
            name: part.counts(text.arrays, len(text.symbols)) for name, part in parts.items() if len(part)
        }
        text, vocabulary, rare = replace_rare(files, counts["train"], data, rules.boundary, cache)
    usable = {name: part for name, part in parts.items() if part.is_usable}
    notes = [*rules.notes(), *(f"{name}: {part.size}" for name, part in usable.items())]
    if data.per_line and not data.val and len(usable) > 1:
        within = "" if conditions is None else ", within each condition"
        notes.append(f"lines are divided at random with seed {seed}{within} (data.split)")
    counted = _counted(parts["train"], conditions)
    notes += condition_notes(counted) if counted else []
    is_words = isinstance(vocabulary, WordSymbols)  # of which a spelled one has several symbols
    train_size = int((counts["train"] * (vocabulary.unit_sizes if is_words else 1)).sum())
    notes += [*skipped, *symbol_notes(vocabulary, rare, train_size)]
    warnings = rules.warnings() + text_warnings(paths, parts, vocabulary, counts, rare)
    warnings += condition_warnings(counted) if counted else []
    if base is not None and data.unit != "word":
        vocabulary = vocabulary.appended_to(base)
        text = renumber(text, "".join(vocabulary.symbols), files.key, cache)
    content = {name: part.data(text.arrays) for name, part in usable.items()}
    return CharCorpus(
        kind="lines" if data.per_line else "text",
        vocabulary=vocabulary,
        train=content["train"],
        val=content.get("val"),
        test=content.get("test"),
        files=files.hashes,
        notes=tuple(notes),
        warnings=tuple(warnings),
        encoding=rules.files[next(iter(rules.files))].encoding if data.unit != "byte" else UTF8,
        conditions=counted,
    )


def _split(
    text: EncodedText, rules: TextRules, data: CharData, seed: int, conditions: LineConditions | None
) -> tuple[Parts, list[str]]:
    """Return train, val and test, and a note for each text with empty lines, which are skipped."""
    if not rules.boundary:
        return split_text(text.arrays, data.split), []
    lines: dict[str, LineSet] = {}
    notes = []
    for name, array in text.arrays.items():
        own = None if conditions is None else conditions.numbers[name]
        lines[name], empty = find_lines(name, array, text.symbols.index(rules.boundary), own)
        empty -= 0 if conditions is None else conditions.headers[name]
        found, lines[name] = lines[name], distinct_lines(lines[name], array) if data.unique else lines[name]
        repeated = len(found) - len(lines[name])
        notes += [f"{name}: {pluralize(repeated, 'repeated line')} skipped (data.unique)"] if repeated else []
        notes += [f"{name}: {pluralize(empty, 'empty line')} skipped"] if empty else []
    whole = lines.pop("text")
    if "val" in lines:
        return {"train": whole, **lines}, notes
    return split_lines(whole, data.split[:2] if "test" in lines else data.split, seed) | lines, notes


def _counted(train: Part, conditions: LineConditions | None) -> Conditions | None:
    """Return the conditions with their numbers of training lines."""
    if conditions is None or not isinstance(train, LineSet) or train.conditions is None:
        return None
    return conditions.counted(train.conditions)


def _check_parts(parts: Parts, text: EncodedText, paths: Mapping[str, Sequence[Path]]) -> None:
    """Refuse training data, or a part with its own files, that has nothing to predict.

    Raises:
        DataError: naming the first file of the part.
    """
    for name, part in parts.items():
        if part.is_usable or not (name == "train" or part.text != "text"):
            continue
        place = str(paths[part.text][0])
        if isinstance(part, LineSet):
            raise DataError("expected lines, found only empty ones", place=place)
        is_all = len(part) == len(text.arrays[part.text])
        found = f"found {pluralize(len(part), 'symbol')}{'' if is_all else ' in its part for training'}"
        message = f"expected a text of at least 2 symbols, {found}"
        raise DataError(message, place=place, hint="give a longer text")


# --- pairs --------------------------------------------------------------------------------------------------


def _load_pairs(data: CharData, base: SymbolVocabulary | None) -> CharCorpus:
    """Encode the aligned pairs in the settings."""
    pairs = tuple((_normalize(source, data), _normalize(target, data)) for source, target in data.pairs)
    vocabulary = _pair_vocabulary(pairs, data)
    if base is not None:
        vocabulary = vocabulary.appended_to(base)
    encoded = [_encode_pair(index, pair, vocabulary) for index, pair in enumerate(pairs)]
    sequences = Sequences([source for source, _ in encoded], [target for _, target in encoded])
    notes = (
        f"train: {pluralize(len(pairs), 'pair')}, {pluralize(sum(map(len, sequences.inputs)), 'symbol')}",
        f"symbols: {vocabulary.listing()}",
    )
    return CharCorpus("pairs", vocabulary, sequences, pairs=pairs, notes=notes)


def _pair_vocabulary(pairs: Sequence[tuple[str, str]], data: CharData) -> SymbolVocabulary:
    occurrences = Counter(symbol for pair in pairs for text in pair for symbol in _symbols(text, data.unit))
    symbols = list(data.alphabet) if data.alphabet is not None else sorted(occurrences)
    counts = [occurrences[symbol] for symbol in symbols]
    kept = frequent_symbols(symbols, counts, data)
    if len(kept) == len(symbols):
        return SymbolVocabulary(symbols, data.unit, None, counts)
    kept_counts = [counts[number] for number in kept]
    return SymbolVocabulary(
        [*(symbols[number] for number in kept), UNKNOWN[data.unit]],
        data.unit,
        len(kept),
        [*kept_counts, sum(counts) - sum(kept_counts)],
    )


def _normalize(text: str, data: CharData) -> str:
    return unicodedata.normalize("NFC", text) if data.normalize == "nfc" and data.unit == "char" else text


def _symbols(text: str, unit: Unit) -> str:
    """Return one character for each symbol."""
    return text if unit == "char" else text.encode("utf-8", "surrogatepass").decode("latin-1")


def _encode_pair(index: int, pair: tuple[str, str], vocabulary: SymbolVocabulary) -> tuple[Array, Array]:
    """Return the symbol numbers of input and target, of the same length.

    Raises:
        DataError: the lengths differ, or a symbol is not in the alphabet.
    """
    place = f"data.pairs[{index}]"
    source, target = (_symbols(text, vocabulary.unit) for text in pair)
    if len(source) != len(target) or not source:
        found = f"{pair[0]!r} of {len(source)} and {pair[1]!r} of {len(target)}"
        message = f"expected input and target of the same number of symbols, found {found}"
        raise DataError(message, place=place, hint="they are aligned symbol by symbol")
    unlisted = next((symbol for symbol in source + target if symbol not in vocabulary), None)
    if unlisted is not None and vocabulary.unknown is None:
        raise vocabulary.unknown_symbol_error(unlisted, place=place, hint=ALPHABET_HINT)
    return vocabulary.encode(pair[0]), vocabulary.encode(pair[1])
