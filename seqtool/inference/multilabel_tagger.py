"""Inference with a tagger that predicts several labels, such as part of speech, morphology and lemma."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from seqtool.data.tagging.lemma_scripts import apply_script
from seqtool.decoding import constraint_scores
from seqtool.inference.encoder import Packing, StateRecorder
from seqtool.inference.heads_config import HeadColumn
from seqtool.inference.label_columns import ColumnDecoder, LabelCombinations, LemmaChoice
from seqtool.inference.model_config import TaggerConfig, WordVocabulary
from seqtool.inference.tagger import PackedScores, Sentence, TaggerModel
from seqtool.inference.word_gate_cache import WordGateCache
from seqtool.spans import convert
from seqtool.types import Array, Arrays

PLACES = 2048  # whose scores get their word part at once; limits memory


class MultiLabelTagger(TaggerModel):
    """A trained tagger of several labels. Its inherited methods return the first label.

    Attributes:
        columns: names of the labels, the first one is that of `labels`.
        heads: description of each column.
        column_labels: labels of the network of each column.
        decoder: choice of the labels of all columns.
        lemmas: lemmas of known words; None without any.
    """

    def __init__(self, config: TaggerConfig, vocabulary: WordVocabulary, weights: Arrays) -> None:
        assert config.heads is not None
        super().__init__(config, vocabulary, weights)
        self.heads = config.heads.columns
        self.columns = tuple(head.name for head in self.heads)
        self.column_labels = labels = (vocabulary.labels, *vocabulary.further)
        self._column_names = [np.array(names, object) for names in labels]
        self._borders = np.cumsum([0, *map(len, labels)]).tolist()
        layers = [_layer(weights, f"heads.{column}.") for column in range(1, len(labels))]
        width = self._recurrent.width
        self._output = np.concatenate([self._output, *(weight[:width] for weight, _ in layers)], axis=1)
        self._bias = np.concatenate([self._bias, *(bias for _, bias in layers)])
        word_parts = [
            (index, weight[width:]) for index, (weight, _) in enumerate(layers, 1) if len(weight) > width
        ]
        # Columns that read the word, with their place in the scores of words.
        sizes = [weight.shape[1] for _, weight in word_parts]
        starts = np.cumsum([0, *sizes]).tolist()
        self._word_columns = [
            (slice(self._borders[index], self._borders[index + 1]), slice(start, start + size))
            for (index, _), start, size in zip(word_parts, starts, sizes, strict=False)
        ]
        if word_parts:
            cache, word_weights = self._cache, np.concatenate([weight for _, weight in word_parts], axis=1)
            self._cache = WordGateCache(cache.encoder, cache.embedder, cache.cell, cache.size, word_weights)
        self.decoder = _decoder(config, vocabulary, weights)
        kinds = [head.kind for head in self.heads]
        known = vocabulary.lemmas
        self.lemmas = LemmaChoice(kinds.index("lemma"), known) if known else None

    def file_labels(self) -> dict[str, frozenset[str]]:
        """Return the labels of each column in all span schemes; none for lemmas, which can be any text."""
        from seqtool.data.formats.label_column import with_all_prefixes

        return {
            head.name: with_all_prefixes(labels) if head.kind == "label" else frozenset()
            for head, labels in zip(self.heads, self.column_labels, strict=True)
        }

    def tag_columns(self, sentences: Sequence[Sentence]) -> list[list[list[str]]]:
        """Return for each sentence the labels of each column, one per token, as the training files have them.

        Pass many sentences in one call, as for `tag`.
        """
        results: list[list[list[str]]] = [[[] for _ in self.columns] for _ in sentences]
        for batch in self._batches(sentences):
            assert batch.columns is not None
            numbers, starts = batch.unpack(batch.columns), batch.starts
            names = [labels[numbers[:, column]].tolist() for column, labels in enumerate(self._column_names)]
            for index, number in enumerate(batch.numbers.tolist()):
                part = slice(starts[index], starts[index + 1])
                results[number] = [
                    _file_labels(head, labels[part], sentences[number])
                    for head, labels in zip(self.heads, names, strict=True)
                ]
        return results

    def _best(self, batch: PackedScores) -> Array:
        assert batch.columns is not None
        best: Array = batch.columns[:, 0]
        return best

    def _batches(
        self, sentences: Sequence[Sentence], recorder: StateRecorder | None = None
    ) -> Iterator[PackedScores]:
        """Yield the scores of the first label, and the numbers of all labels."""
        for batch in super()._batches(sentences, recorder):
            first, numbers = self.decoder.decode(self._by_column(batch.scores), batch.packing)
            if self.lemmas is not None:
                tokens = [token for number in batch.numbers.tolist() for token in sentences[number]]
                self.lemmas.apply(numbers, (tokens[position] for position in batch.positions.tolist()))
            yield batch._replace(scores=first, columns=numbers)

    def column_scores(self, sentences: Sequence[Sentence]) -> list[list[Array]]:
        """Return for each sentence the scores of the labels of each column (tokens, labels).

        They are the scores of the output layers, before labels are scored together.
        """
        results: list[list[Array]] = [self._by_column(np.zeros((0, self._borders[-1]))) for _ in sentences]
        for batch in super()._batches(sentences):
            scores, starts = batch.unpack(batch.scores), batch.starts
            for index, number in enumerate(batch.numbers.tolist()):
                results[number] = self._by_column(scores[starts[index] : starts[index + 1]])
        return results

    def _by_column(self, scores: Array) -> list[Array]:
        """Cut scores of all columns (total, labels of all columns) into those of each column."""
        return [np.ascontiguousarray(scores[:, start:end]) for start, end in pairwise(self._borders)]

    def _run(
        self, tokens: Sequence[str], positions: Array, packing: Packing, recorder: StateRecorder | None
    ) -> Array:
        """Return the scores of all columns without the bias (total, labels of all columns)."""
        scores = super()._run(tokens, positions, packing, recorder)
        if self._word_columns:
            for start in range(0, len(positions), PLACES):
                places = slice(start, start + PLACES)
                words = [tokens[position] for position in positions[places].tolist()]
                word_scores = self._cache.word_scores(words)
                for column, part in self._word_columns:
                    scores[places, column] += word_scores[:, part]
        return scores


def _layer(weights: Arrays, prefix: str) -> tuple[Array, Array]:
    """Return weight (inputs, labels) and bias (labels,) of an output layer."""
    weight = np.ascontiguousarray(weights[f"{prefix}weight"].T, np.float32)
    return weight, weights[f"{prefix}bias"].astype(np.float32)


def _decoder(config: TaggerConfig, vocabulary: WordVocabulary, weights: Arrays) -> ColumnDecoder:
    assert config.heads is not None
    labels = (vocabulary.labels, *vocabulary.further)
    constraints = tuple(
        None if head.inner_scheme == "none" else constraint_scores(names, head.inner_scheme)
        for head, names in zip(config.heads.columns, labels, strict=True)
    )
    if not config.heads.combined:
        return ColumnDecoder(constraints)
    bias = weights["heads.combinations"].astype(np.float32)
    combinations = LabelCombinations(np.array(vocabulary.combinations, np.int64), bias)
    return ColumnDecoder(constraints, config.heads.combined, combinations)


def _file_labels(head: HeadColumn, labels: list[str], tokens: Sentence) -> list[str]:
    """Return labels as the training files have them: in their span scheme, and lemmas instead of scripts."""
    if head.kind == "lemma":
        return [apply_script(script, token) for script, token in zip(labels, tokens, strict=True)]
    return labels if head.inner_scheme == "none" else convert(labels, head.inner_scheme, head.scheme)
