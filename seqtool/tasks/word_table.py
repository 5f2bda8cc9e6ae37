"""What a tagger reads of words: a table of the distinct words of some sentences, and the numbers of a batch taken from it."""

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
from seqtool.settings import TaggerModel, feature_list
from seqtool.training.engine.ranks import own
from seqtool.training.engine.rng import generator
from seqtool.types import Array

if TYPE_CHECKING:
    from seqtool.data.tagging.sentences import Sentence
    from seqtool.data.tagging.word_encoder import WordEncoder


@dataclass(frozen=True)
class WordTable:
    """Numbers of distinct words.

    Attributes:
        ids: (words, look-up features).
        characters, character_lengths: (words, longest) and (words,), or None without features over characters.
        replaced: (words,): the probability that the unknown word stands in for it in training: a / (a + count).
    """

    ids: Array
    characters: Array | None
    character_lengths: Array | None
    replaced: Array

    @classmethod
    def of(
        cls, sentences: Sequence[Sentence], encoder: WordEncoder, strength: float
    ) -> tuple[WordTable, list[Array]]:
        """The table of all words of some sentences, and each sentence as places in it."""
        places: dict[str, int] = {}
        words = [
            np.array([places.setdefault(token, len(places)) for token in sentence.tokens], np.int64)
            for sentence in sentences
        ]
        encoded = encoder.encode(list(places))
        counts = np.array([encoder.count(word) for word in places], np.float64)
        replaced = strength / (strength + counts) if strength else np.zeros(len(places))
        return cls(encoded.ids, encoded.characters, encoded.lengths, replaced.astype(np.float32)), words

    def read(self, words: Array, device: torch.device) -> WordInput:
        """The numbers of a batch's words, given as places (time, batch) in the table."""
        ids = copy_to_device(torch.from_numpy(self.ids[words]), device)
        if self.characters is None or self.character_lengths is None:
            return WordInput(ids)
        distinct, places = np.unique(words, return_inverse=True)
        lengths = self.character_lengths[distinct]
        characters = np.ascontiguousarray(self.characters[distinct, : lengths.max()])
        parts = (
            copy_to_device(torch.from_numpy(part), device)
            for part in (characters, lengths, places.reshape(words.shape))
        )
        return WordInput(ids, *parts)


class Replacement:
    """Rare words read as the unknown word now and then, so that its row is trained.

    Forms and lower-cased forms are replaced together; pretrained vectors by a draw of their own, since a word that training
    has not seen may well have a vector. Affixes, shapes and characters stay.
    """

    def __init__(self, model: TaggerModel, seed: int) -> None:
        self.seed = seed
        lookups = [feature for feature in feature_list(model) if feature.name not in CHARACTER_FEATURES]
        self._forms = torch.tensor(
            [feature.name in ("form", "lower") and feature.unknown for feature in lookups]
        )
        self._vectors = torch.tensor([feature.name == "vectors" for feature in lookups])
        self.acts = bool(model.word_replacement and (self._forms | self._vectors).any())

    def mask(
        self, probabilities: Array, draw: int, longest: int | None = None, columns: Columns | None = None
    ) -> Tensor:
        """Which of the numbers (time, batch, look-up features) become 0, given probabilities (time, batch).

        Args:
            longest, columns: where the probabilities are those of a rank's share: steps of the whole batch, and its columns.
        """
        given = torch.from_numpy(probabilities)
        shape = given.shape if columns is None else (longest or len(given), columns.width)
        source = generator(self.seed, "replace", draw)

        def struck() -> Tensor:
            return (own(torch.rand(shape, generator=source), columns, 1)[: len(given)] < given).unsqueeze(2)

        found = struck() & self._forms
        if bool(self._vectors.any()):
            found |= struck() & self._vectors
        return found
