"""From words to numbers: the same for training and use, so that an unseen word follows the same path in both.

Values of features are numbered in the order in which training first had them. What the features are is in
`word_features.py`; pretrained vectors are read in `vectors.py`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtool.data.tagging.word_features import CHARACTER_FEATURES, values
from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.settings import Feature
from seqtool.types import Array

if TYPE_CHECKING:
    from seqtool.data.tagging.word_vectors import PretrainedVectors


UNKNOWN_CHARACTER, BEGIN, END = (
    0,
    1,
    2,
)  # numbers of a character not seen in training, and of the marks round a word
FIRST_CHARACTER = 3
LONGEST_WORD = 64  # of a longer word the first and last 32 characters are read, one by one


@dataclass(frozen=True)
class EncodedWords:
    """Words as numbers.

    Attributes:
        ids: (words, features that are looked up) int64, in the order of the settings; where a value was not seen in
            training 0 if the feature has a row for unknown values, else -1.
        characters: (words, longest) int64, begin and end marks included, padded with -1; None without character features.
        lengths: (words,) of `characters`, or None.
    """

    ids: Array
    characters: Array | None
    lengths: Array | None


class WordEncoder:
    """Numbers the features of words.

    Attributes:
        features: in the order of the settings.
        characters: those with numbers from 3 on, or None without character features.
        vectors: pretrained rows by the index of their feature, to start training from; not kept in JSON.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        values_of: Sequence[Sequence[str] | None],
        characters: Sequence[str] | None,
        counts: Mapping[str, int],
        normalize: str,
        vectors: Mapping[int, Array] | None = None,
    ) -> None:
        """Args: values_of: the numbered values of each feature, None for character features; counts: of training words."""
        self.features = tuple(features)
        self.normalize = normalize
        self.characters = None if characters is None else tuple(characters)
        self.vectors = dict(vectors or {})
        self._counts = counts
        self._rows = [
            None if found is None else _numbered(feature, found)
            for feature, found in zip(features, values_of, strict=True)
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
        """Number what training words have.

        Args:
            features: of the model, presets spelt out.
            counts: training words, normalised, in order of first appearance, with their frequencies.
            normalize: `nfc` or `none`: how words are looked up.
            vectors: pretrained rows for each feature that is called so, by its index; one that is missing has no words.
        """
        rows = dict(vectors or {})
        found: list[Sequence[str] | None] = []
        for index, feature in enumerate(features):
            if feature.name in CHARACTER_FEATURES:
                found.append(None)
            elif feature.name == "vectors":
                found.append(rows[index].words if index in rows else ())
            else:
                found.append(_frequent(values(feature, list(counts)), counts.values(), feature.min_count))
        matrices = {index: row.matrix for index, row in rows.items()}
        return cls(features, found, _characters(features, counts), counts, normalize, matrices)

    def to_json(self) -> dict[str, Any]:
        """What `vocab.json` holds of words: forms with counts, values of features, characters."""
        return {
            "forms": list(self._counts),
            "counts": list(self._counts.values()),
            "features": [None if rows is None else list(rows) for rows in self._rows],
            "characters": None if self.characters is None else list(self.characters),
        }

    @classmethod
    def from_json(cls, features: Sequence[Feature], vocab: Mapping[str, Any], normalize: str) -> WordEncoder:
        """The encoder that `to_json` wrote."""
        return cls(features, vocab["features"], vocab["characters"], form_counts(vocab), normalize)

    def rows(self, index: int) -> int:
        """How many rows the table of a feature has, that for unknown values counted; 0 for a character feature."""
        numbered = self._rows[index]
        return 0 if numbered is None else len(numbered) + _first_row(self.features[index])

    def is_known(self, form: str) -> bool:
        """Whether training had the word."""
        return self._normal(form) in self._counts

    def count(self, form: str) -> int:
        """How often training had the word."""
        return self._counts.get(self._normal(form), 0)

    def endings(self) -> set[str]:
        """The last characters of the training forms that have more than one."""
        return {form[-1] for form in self._counts if len(form) > 1}

    def _normal(self, form: str) -> str:
        return form if self.normalize == "none" or form.isascii() else unicodedata.normalize("NFC", form)

    def encode(self, forms: Sequence[str]) -> EncodedWords:
        """Numbers of words, which should be distinct: nothing is remembered from one to the next."""
        words = [self._normal(form) for form in forms]
        looked_up = [
            (feature, rows)
            for feature, rows in zip(self.features, self._rows, strict=True)
            if rows is not None
        ]
        ids = np.empty((len(words), len(looked_up)), np.int64)
        for column, (feature, rows) in enumerate(looked_up):
            ids[:, column] = np.fromiter(_numbers(feature, rows, words), np.int64, len(words))
        return EncodedWords(ids, *self._read_characters(words))

    def _read_characters(self, words: Sequence[str]) -> tuple[Array | None, Array | None]:
        """Characters (words, longest) between their marks, and their numbers (words,)."""
        if self._alphabet is None:
            return None, None
        half = LONGEST_WORD // 2
        clipped = [word if len(word) <= LONGEST_WORD else word[:half] + word[-half:] for word in words]
        sizes = np.array([len(word) for word in clipped], np.int64)
        found = np.full((len(words), int(sizes.max(initial=0)) + 2), -1, np.int64)
        inside = np.arange(found.shape[1] - 2) < sizes[:, None]
        found[:, 1:-1][inside] = self._alphabet.encode("".join(clipped))
        found[:, 0] = BEGIN
        found[np.arange(len(words)), sizes + 1] = END
        return found, sizes + 2


def form_counts(vocab: Mapping[str, Any]) -> dict[str, int]:
    """The training words that `vocab.json` lists, with their frequencies."""
    return dict(zip(vocab["forms"], vocab["counts"], strict=True))


def _numbers(feature: Feature, rows: Mapping[str, int], words: Sequence[str]) -> Iterator[int]:
    """The number that a looked-up feature gives each word."""
    missing = _first_row(feature) - 1
    if feature.name == "vectors":
        return (rows[word] if word in rows else rows.get(word.lower(), missing) for word in words)
    return map(rows.get, values(feature, words), repeat(missing))


def _first_row(feature: Feature) -> int:
    """The row of a feature's first value: 1 where row 0 is for unknown ones."""
    return int(feature.unknown or feature.name == "vectors")


def _numbered(feature: Feature, found: Sequence[str]) -> dict[str, int]:
    first = _first_row(feature)
    return dict(zip(found, range(first, first + len(found)), strict=True))


def _frequent(found: Sequence[str], weights: Any, least: int) -> list[str]:
    """Different values that occur at least so often, in order of first appearance."""
    totals: dict[str, int] = {}
    for value, weight in zip(found, weights, strict=True):
        totals[value] = totals.get(value, 0) + weight
    return [value for value, total in totals.items() if total >= least]


def _characters(features: Sequence[Feature], counts: Mapping[str, int]) -> list[str] | None:
    """The characters of training words, sorted; one set for all character features, by the least `min_count` of theirs."""
    wanted = [feature.min_count for feature in features if feature.name in CHARACTER_FEATURES]
    if not wanted:
        return None
    pairs = [(character, count) for word, count in counts.items() for character in word]
    return sorted(
        _frequent([character for character, _ in pairs], [count for _, count in pairs], min(wanted))
    )


def _alphabet(characters: Sequence[str]) -> SymbolVocabulary:
    """Numbers of characters; what stands before the first of them are marks, which no text contains."""
    marks = ["unknown", "begin", "end"]
    assert len(marks) == FIRST_CHARACTER
    return SymbolVocabulary([*marks, *characters], unknown=UNKNOWN_CHARACTER)
