"""Word features and their encoding as integers, for training and inference.

A feature is a string function of a word, such as its suffix. Its values are numbered in the order of their
first appearance in the training words. Pretrained vectors are read in `word_vectors.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.settings.model import Feature
from seqtool.types import Array, Json

if TYPE_CHECKING:
    from seqtool.data.tagging.word_vectors import PretrainedVectors

# A network computes these features from the characters of a word. Other features are looked up in a table.
CHARACTER_FEATURES = ("char_cnn", "char_lstm")
LONGEST_RUN = 4  # equal kinds of characters in a row that a shape shows
LONGEST_SHAPE = 24
REPEATED = re.compile(rf"(.)\1{{{LONGEST_RUN},}}", re.DOTALL)

UNKNOWN_CHARACTER, BEGIN, END = range(3)  # numbers of an unknown character and of the marks around a word
FIRST_CHARACTER = 3
LONGEST_WORD = 64  # character features read only the first and last 32 characters of a longer word


# --- features -----------------------------------------------------------------------------------------------


def feature_values(feature: Feature, words: Sequence[str]) -> Sequence[str]:
    """Return the value of a feature for each word. The value of a form or a vector is the word itself."""
    length = feature.length
    if feature.name == "lower":
        return [word.lower() for word in words]
    if feature.name == "prefix":
        return [word[:length] for word in words]
    if feature.name == "suffix":
        return [word[-length:] for word in words]
    if feature.name == "shape":
        return [shape(word) for word in words]
    return words


def shape(word: str) -> str:
    """Return the shape of a word: the kinds of its characters. `Berlin-2000` has the shape `Xxxxx-dddd`.

    The kinds are X (upper case), x (lower case), d (digit), c (letter of a script without case) and m (mark).
    The kind of any other character is the character itself. The number of shapes is kept small: a run of
    equal kinds is cut to four, and the whole shape to 24 kinds.
    """
    # Fast path: most words are in lower case, except for the first letter.
    if word.isascii() and word.isalpha():
        if word.islower():
            return "x" * min(len(word), LONGEST_RUN)
        if word.istitle():
            return "X" + "x" * min(len(word) - 1, LONGEST_RUN)
    kinds = word.translate(_KINDS)
    if len(kinds) > LONGEST_RUN:
        kinds = REPEATED.sub(lambda run: run[1] * LONGEST_RUN, kinds)
    return kinds[:LONGEST_SHAPE]


class _Kinds(dict[int, str]):
    """Kind of each character by code point, computed on first use."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        kind = {"Lu": "X", "Lt": "X", "Ll": "x", "Nd": "d"}.get(category)
        kind = kind or {"L": "c", "M": "m"}.get(category[0], character)
        self[code] = kind
        return kind


_KINDS = _Kinds()


# --- encoder ------------------------------------------------------------------------------------------------


class EncodedWords(NamedTuple):
    """Words as integers.

    Attributes:
        ids: numbers of feature values (words, looked-up features), int64. The features are in the order of
            the settings. A value that does not occur in training is 0 if the feature has a row for unknown
            values, else -1.
        characters: character numbers (words, longest word + 2), int64, with begin and end marks, padded with
            -1; None without character features.
        lengths: number of characters and marks of each word (words,), int64; None without character features.
    """

    ids: Array
    characters: Array | None
    lengths: Array | None


class WordEncoder:
    """Encoder of words as numbers of feature values and of characters.

    Args:
        features: features in the order of the settings.
        values: values of each feature in the order of their numbers; None for character features.
        characters: characters in the order of their numbers; None without character features.
        counts: training words with their frequencies.
        normalize: `nfc` or `none`: normalization of a word before it is looked up.
        vectors: pretrained vectors (words, dimensions), by the index of their feature.

    Attributes:
        features: features in the order of the settings.
        normalize: `nfc` or `none`.
        characters: characters in the order of their numbers, which start at 3; None without character
            features.
        vectors: pretrained vectors by the index of their feature. `to_json` does not contain them.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        values: Sequence[Sequence[str] | None],
        characters: Sequence[str] | None,
        counts: Mapping[str, int],
        normalize: str,
        vectors: Mapping[int, Array] | None = None,
    ) -> None:
        self.features = tuple(features)
        self.normalize = normalize
        self.characters = None if characters is None else tuple(characters)
        self.vectors = dict(vectors or {})
        self._counts = counts
        self._rows = [
            None if numbered is None else _number_values(feature, numbered)
            for feature, numbered in zip(features, values, strict=True)
        ]
        self._alphabet = None if characters is None else _alphabet(characters)

    @classmethod
    def build(
        cls,
        features: Sequence[Feature],
        counts: Mapping[str, int],
        normalize: str = "nfc",
        vectors: Mapping[int, PretrainedVectors] | None = None,
    ) -> WordEncoder:
        """Number the feature values of training words.

        Args:
            features: features of the model, with presets resolved.
            counts: normalized training words with their frequencies, in order of first appearance.
            normalize: `nfc` or `none`: normalization of a word before it is looked up.
            vectors: pretrained vectors by the index of their feature. A feature without vectors has no words.
        """
        tables = dict(vectors or {})
        values: list[Sequence[str] | None] = []
        for index, feature in enumerate(features):
            if feature.name in CHARACTER_FEATURES:
                values.append(None)
            elif feature.name == "vectors":
                values.append(tables[index].words if index in tables else ())
            else:
                all_values = feature_values(feature, list(counts))
                values.append(_frequent(all_values, counts.values(), feature.min_count))
        matrices = {index: table.matrix for index, table in tables.items()}
        return cls(features, values, _known_characters(features, counts), counts, normalize, matrices)

    def to_json(self) -> Json:
        """Return the word part of `vocab.json`: forms with counts, feature values, characters."""
        return {
            "forms": list(self._counts),
            "counts": list(self._counts.values()),
            "features": [None if rows is None else list(rows) for rows in self._rows],
            "characters": None if self.characters is None else list(self.characters),
        }

    @classmethod
    def from_json(cls, features: Sequence[Feature], vocab: Mapping[str, Any], normalize: str) -> WordEncoder:
        """Return the encoder of a `vocab.json`, which contains the result of `to_json`."""
        return cls(features, vocab["features"], vocab["characters"], form_counts(vocab), normalize)

    def rows(self, index: int) -> int:
        """Return the number of rows in the table of a feature, including the row for unknown values.

        A character feature has no table, so the result is 0.
        """
        rows = self._rows[index]
        return 0 if rows is None else len(rows) + _first_row(self.features[index])

    def is_known(self, form: str) -> bool:
        """Return whether a word occurs in the training data."""
        return self.normalized(form) in self._counts

    def count(self, form: str) -> int:
        """Return the frequency of a word in the training data."""
        return self._counts.get(self.normalized(form), 0)

    def normalized(self, form: str) -> str:
        """Return a word as it is looked up."""
        return form if self.normalize == "none" or form.isascii() else unicodedata.normalize("NFC", form)

    def endings(self) -> set[str]:
        """Return the last characters of all training words of two or more characters."""
        return {form[-1] for form in self._counts if len(form) > 1}

    def encode(self, forms: Sequence[str]) -> EncodedWords:
        """Encode words. Pass distinct words, because each repeated word is encoded again."""
        words = [self.normalized(form) for form in forms]
        lookups = [
            (feature, rows)
            for feature, rows in zip(self.features, self._rows, strict=True)
            if rows is not None
        ]
        ids = np.empty((len(words), len(lookups)), np.int64)
        for column, (feature, rows) in enumerate(lookups):
            ids[:, column] = np.fromiter(_row_numbers(feature, rows, words), np.int64, len(words))
        return EncodedWords(ids, *self._encode_characters(words))

    def _encode_characters(self, words: Sequence[str]) -> tuple[Array | None, Array | None]:
        """Return `characters` and `lengths` of `EncodedWords`."""
        if self._alphabet is None:
            return None, None
        half = LONGEST_WORD // 2
        clipped = [word if len(word) <= LONGEST_WORD else word[:half] + word[-half:] for word in words]
        sizes = np.array([len(word) for word in clipped], np.int64)
        characters = np.full((len(words), int(sizes.max(initial=0)) + 2), -1, np.int64)
        inside = np.arange(characters.shape[1] - 2) < sizes[:, None]
        characters[:, 1:-1][inside] = self._alphabet.encode("".join(clipped))
        characters[:, 0] = BEGIN
        characters[np.arange(len(words)), sizes + 1] = END
        return characters, sizes + 2


def form_counts(vocab: Mapping[str, Any]) -> dict[str, int]:
    """Return the training words of `vocab.json` with their frequencies."""
    return dict(zip(vocab["forms"], vocab["counts"], strict=True))


# --- numbers of values and characters -----------------------------------------------------------------------


def _row_numbers(feature: Feature, rows: Mapping[str, int], words: Sequence[str]) -> Iterator[int]:
    """Yield the row of each word in the table of a feature."""
    missing = _first_row(feature) - 1
    if feature.name == "vectors":
        return (rows[word] if word in rows else rows.get(word.lower(), missing) for word in words)
    return map(rows.get, feature_values(feature, words), repeat(missing))


def _first_row(feature: Feature) -> int:
    """Return the row of a feature's first value: 1 if row 0 is for unknown values, else 0."""
    return int(feature.unknown or feature.name == "vectors")


def _number_values(feature: Feature, values: Sequence[str]) -> dict[str, int]:
    first = _first_row(feature)
    return dict(zip(values, range(first, first + len(values)), strict=True))


def _frequent(values: Sequence[str], weights: Iterable[int], min_count: int) -> list[str]:
    """Return distinct values whose weights sum to `min_count` or more, in order of first appearance."""
    totals: dict[str, int] = {}
    for value, weight in zip(values, weights, strict=True):
        totals[value] = totals.get(value, 0) + weight
    return [value for value, total in totals.items() if total >= min_count]


def _known_characters(features: Sequence[Feature], counts: Mapping[str, int]) -> list[str] | None:
    """Return the sorted characters of training words, or None without character features.

    All character features share them, so the lowest `min_count` of these features applies.
    """
    min_counts = [feature.min_count for feature in features if feature.name in CHARACTER_FEATURES]
    if not min_counts:
        return None
    words_by_count: dict[int, list[str]] = {}
    for word, count in counts.items():
        words_by_count.setdefault(count, []).append(word)
    totals: Counter[str] = Counter()
    for count, words in words_by_count.items():  # few different counts; each text is counted without a loop
        for character, number in Counter("".join(words)).items():
            totals[character] += number * count
    return sorted(character for character, total in totals.items() if total >= min(min_counts))


def _alphabet(characters: Sequence[str]) -> SymbolVocabulary:
    """Return the vocabulary of characters. Marks come first; no character equals their long names."""
    marks = ["unknown", "begin", "end"]
    assert len(marks) == FIRST_CHARACTER
    return SymbolVocabulary([*marks, *characters], unknown=UNKNOWN_CHARACTER)
