"""Vocabulary of a model of words, chosen by the counts in train, and the text in its numbers.

Words have numbers in the order of their counts, the most frequent first. Rarer words become the unknown word,
or are spelled: then a word has several numbers, and the parts of the text get other places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seqtool.data.text.encode import EncodedFiles, EncodedText, TextCache, pieces_of, renumber
from seqtool.data.text.splits import Part, Parts, TextRange
from seqtool.data.vocabulary import UNKNOWN
from seqtool.data.warnings import RareSymbols
from seqtool.data.word_vocabulary import WordSymbols
from seqtool.errors import DataError, pluralize
from seqtool.settings.data import CharData
from seqtool.types import Array


@dataclass(frozen=True)
class NumberedWords:
    """A text in the numbers of its vocabulary.

    Attributes:
        text: the encoded text.
        parts: train, val and test.
        vocabulary: with the counts of train.
        counts: occurrences of each symbol in each part.
        rare: words that are not in the vocabulary.
    """

    text: EncodedText
    parts: Parts
    vocabulary: WordSymbols
    counts: dict[str, Array]
    rare: RareSymbols


def number_words(
    files: EncodedFiles,
    parts: Parts,
    data: CharData,
    boundary: str,
    cache: TextCache,
    base: WordSymbols | None = None,
) -> NumberedWords:
    """Choose the vocabulary and return the text in its numbers.

    Args:
        files: text in which each word has a number.
        parts: its parts.
        data: the settings.
        boundary: symbol between lines; it is always in the vocabulary.
        cache: searched first; it stores a new result.
        base: vocabulary of the model whose weights are used at first.

    Raises:
        DataError: no word is frequent enough.
    """
    words = files.text.symbols
    counts = parts["train"].counts(files.text.arrays, len(words))
    kept = _kept(words, counts, data, boundary)
    rare = RareSymbols(len(words) - len(kept), int(counts.sum() - counts[kept].sum()))
    vocabulary = _vocabulary(words, counts, kept, data)
    if base is not None:
        vocabulary = vocabulary.following(base)
    text, parts = _translated(files, parts, vocabulary, cache)
    symbols = len(vocabulary)
    part_counts = {name: part.counts(text.arrays, symbols) for name, part in parts.items() if len(part)}
    own = part_counts["train"] + (0 if base is None else _old_counts(base, symbols))
    characters = vocabulary.characters
    vocabulary = WordSymbols(
        vocabulary.symbols[vocabulary.first :],
        vocabulary.unknown,
        own.tolist(),
        characters,
        tokenized=data.tokenized,
    )
    return NumberedWords(text, parts, vocabulary, part_counts, rare)


def _kept(words: Sequence[str], counts: Array, data: CharData, boundary: str) -> list[int]:
    """Return the numbers of the words of the vocabulary, the most frequent first.

    Raises:
        DataError: no word is frequent enough.
    """
    least = max(data.min_count, 1) if data.spell_unknown else data.min_count
    if least <= 1 and not data.spell_unknown:
        least = 0  # words of validation and test text, too
    order = np.lexsort((np.arange(len(words)), -counts))
    always = {boundary, UNKNOWN["word"] if data.tokenized else ""}
    kept = [number for number in order.tolist() if counts[number] >= least or words[number] in always]
    if data.max_symbols is not None and len(kept) > data.max_symbols:
        first = kept[: data.max_symbols]
        kept = first + [number for number in kept[data.max_symbols :] if words[number] in always]
    if not kept or (not data.spell_unknown and all(words[number] in always for number in kept)):
        most = int(counts.max())
        raise DataError(
            f"expected words that occur {least:,} times or more in train, "
            f"found words that occur at most {pluralize(most, 'time')}",
            hint="set a lower `data.min_count`",
        )
    return kept


def _vocabulary(words: Sequence[str], counts: Array, kept: Sequence[int], data: CharData) -> WordSymbols:
    """Return the vocabulary of the kept words; its unknown word has the place that its count gives it."""
    names = [words[number] for number in kept]
    if data.spell_unknown:
        characters = sorted(_characters(words, counts, data.min_count))
        return WordSymbols(names, None, (), characters, tokenized=data.tokenized)
    unknown = UNKNOWN["word"]
    if len(kept) < len(words) and unknown not in names:
        rare = counts.sum() - counts[list(kept)].sum()
        place = int((counts[list(kept)] >= rare).sum())
        names.insert(place, unknown)
    number = names.index(unknown) if unknown in names and (data.tokenized or len(kept) < len(words)) else None
    return WordSymbols(names, number, tokenized=data.tokenized)


def _characters(words: Sequence[str], counts: Array, least: int) -> Iterator[str]:
    """Yield the characters that occur often enough in train, all words of train counted."""
    totals: dict[str, int] = {}
    for word, count in zip(words, counts.tolist(), strict=True):
        for character in word if count else "":
            totals[character] = totals.get(character, 0) + count
    return (character for character, total in totals.items() if total >= least)


def _old_counts(base: WordSymbols, symbols: int) -> Array:
    counts = np.zeros(symbols, np.int64)
    counts[: len(base.counts)] = base.counts
    return counts


# --- translation --------------------------------------------------------------------------------------------


def _translated(
    files: EncodedFiles, parts: Parts, vocabulary: WordSymbols, cache: TextCache
) -> tuple[EncodedText, Parts]:
    """Return the text in the numbers of a vocabulary, and its parts."""
    text = files.text
    if vocabulary.characters is None and all(word in vocabulary for word in text.symbols):
        return renumber(text, vocabulary.symbols, files.key, cache), parts
    sequences = [_numbers_of(word, vocabulary) for word in text.symbols]
    spelling = _Spelling.of(sequences)
    key = {"numbered": files.key, "vocabulary": vocabulary.to_json(), "unknown": vocabulary.unknown}
    translated = cache.find(key) or cache.store(
        key,
        vocabulary.symbols,
        {name: map(spelling.translate, pieces_of(array)) for name, array in text.arrays.items()},
    )
    return translated, {name: spelling.moved(part, text.arrays[part.text]) for name, part in parts.items()}


def _numbers_of(word: str, vocabulary: WordSymbols) -> list[int]:
    number = vocabulary.number(word)
    if number is not None:
        return [number]
    if vocabulary.characters is not None:
        return vocabulary.spelled(word)
    assert vocabulary.unknown is not None
    return [vocabulary.unknown]


@dataclass(frozen=True)
class _Spelling:
    """Sequences of numbers that replace numbers.

    Attributes:
        numbers: all sequences, one after the other.
        starts: place of each sequence in `numbers` (old numbers,).
        lengths: length of each (old numbers,).
    """

    numbers: Array
    starts: Array
    lengths: Array

    @classmethod
    def of(cls, sequences: Sequence[Sequence[int]]) -> _Spelling:
        lengths = np.array([len(sequence) for sequence in sequences], np.int64)
        numbers = np.array([number for sequence in sequences for number in sequence], np.int64)
        return cls(numbers, np.cumsum(lengths) - lengths, lengths)

    def translate(self, piece: Array) -> Array:
        """Return the sequences of all numbers of a piece, one after the other."""
        lengths = self.lengths[piece]
        before = np.cumsum(lengths) - lengths
        places = np.repeat(self.starts[piece] - before, lengths) + np.arange(int(lengths.sum()))
        translated: Array = self.numbers[places]
        return translated

    def moved(self, part: Part, array: Array) -> Part:
        """Return a part of a text (old length,) at its place in the translated text."""
        if isinstance(part, TextRange):
            start = self._length(array[: part.start])
            return TextRange(part.text, start, start + self._length(array[part.start : part.stop]))
        ends = np.concatenate([[0], *self._running_lengths(array)])
        starts = ends[part.starts]
        return replace(part, starts=starts, lengths=ends[part.starts + part.lengths] - starts)

    def _length(self, array: Array) -> int:
        return sum(int(self.lengths[piece].sum()) for piece in pieces_of(array))

    def _running_lengths(self, array: Array) -> Iterator[Array]:
        total = 0
        for piece in pieces_of(array):
            sums = total + np.cumsum(self.lengths[piece])
            total = int(sums[-1])
            yield sums


def unknown_note(vocabulary: WordSymbols, rare: RareSymbols, train_size: int) -> str:
    """Return what becomes of the words that are not in the vocabulary; empty if there are none.

    Args:
        train_size: words of train.
    """
    if not rare.symbols:
        return ""
    share = f"{rare.occurrences / max(1, train_size):.3%} of train"
    words = pluralize(rare.symbols, "rare word")
    if vocabulary.characters is not None:
        return f"{words} are written as characters (data.spell_unknown), {share}"
    return f"the unknown word, <unk>, replaces {words}, {share}"
