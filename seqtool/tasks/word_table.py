"""Numbers of words for a tagger: a table of the distinct words, and the replacement of rare words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from seqtool.data.sharding import Columns
from seqtool.models.tagger import CHARACTER_FEATURES, WordInput
from seqtool.models.weights import copy_to_device
from seqtool.settings.model import TaggerModel, feature_list
from seqtool.training.engine.ranks import select_columns
from seqtool.training.engine.rng import generator
from seqtool.types import Array

if TYPE_CHECKING:
    from seqtool.data.tagging.split import Sentence
    from seqtool.data.tagging.word_encoder import WordEncoder


@dataclass(frozen=True)
class WordTable:
    """Numbers of distinct words.

    Attributes:
        ids: value number of each look-up feature (words, look-up features).
        characters: character numbers (words, longest); None without features over characters.
        character_lengths: characters of each word (words,); None without features over characters.
        replacement: probability a / (a + count) that training replaces the word by the unknown word (words,),
            where a is the setting `word_replacement`.
    """

    ids: Array
    characters: Array | None
    character_lengths: Array | None
    replacement: Array

    @classmethod
    def of(
        cls, sentences: Sequence[Sentence], encoder: WordEncoder, strength: float
    ) -> tuple[WordTable, list[Array]]:
        """Encode the words of some sentences.

        Args:
            sentences: the sentences.
            encoder: numbers of words by features.
            strength: the setting `word_replacement`.

        Returns:
            The table, and for each sentence the indices of its words in the table (length,).
        """
        positions: dict[str, int] = {}
        words = [
            np.array([positions.setdefault(token, len(positions)) for token in sentence.tokens], np.int64)
            for sentence in sentences
        ]
        encoded = encoder.encode(list(positions))
        counts = np.array([encoder.count(word) for word in positions], np.float64)
        replacement = strength / (strength + counts) if strength else np.zeros(len(positions))
        return cls(encoded.ids, encoded.characters, encoded.lengths, replacement.astype(np.float32)), words

    def read(self, words: Array, device: torch.device) -> WordInput:
        """Return the numbers of a batch's words, given their indices in the table (time, batch)."""
        ids = copy_to_device(torch.from_numpy(self.ids[words]), device)
        if self.characters is None or self.character_lengths is None:
            return WordInput(ids)
        distinct, positions = np.unique(words, return_inverse=True)
        lengths = self.character_lengths[distinct]
        characters = np.ascontiguousarray(self.characters[distinct, : lengths.max()])
        tensors = (
            copy_to_device(torch.from_numpy(array), device)
            for array in (characters, lengths, positions.reshape(words.shape))
        )
        return WordInput(ids, *tensors)


class WordReplacement:
    """Random replacement of rare words by the unknown word, so that its embedding is trained.

    Forms and lower-case forms are replaced together. Pretrained vectors are replaced by a separate draw,
    since a word that does not occur in training may well have a vector. Affixes, shapes and characters are
    never replaced.

    Attributes:
        seed: of the run.
        is_active: whether the settings replace any feature.
    """

    def __init__(self, model: TaggerModel, seed: int) -> None:
        self.seed = seed
        lookups = [feature for feature in feature_list(model) if feature.name not in CHARACTER_FEATURES]
        self._forms = torch.tensor(
            [feature.name in ("form", "lower") and feature.unknown for feature in lookups]
        )
        self._vectors = torch.tensor([feature.name == "vectors" for feature in lookups])
        self.is_active = bool(model.word_replacement and (self._forms | self._vectors).any())

    def mask(
        self, probabilities: Array, draw: int, longest: int | None = None, columns: Columns | None = None
    ) -> Tensor:
        """Draw which feature values become 0 (time, batch, look-up features).

        Args:
            probabilities: probability of replacing each word (time, batch).
            draw: number of earlier batches in the run; it keys the random draws.
            longest: steps of the batch of all ranks, if the probabilities are those of one rank.
            columns: position of these sentences in the batch of all ranks; None: they are the whole batch.
        """
        thresholds = torch.from_numpy(probabilities)
        shape = thresholds.shape if columns is None else (longest or len(thresholds), columns.width)
        source = generator(self.seed, "replace", draw)

        def draw_words() -> Tensor:
            draws = select_columns(torch.rand(shape, generator=source), columns, 1)
            return (draws[: len(thresholds)] < thresholds).unsqueeze(2)

        mask = draw_words() & self._forms
        if bool(self._vectors.any()):
            mask |= draw_words() & self._vectors
        return mask
