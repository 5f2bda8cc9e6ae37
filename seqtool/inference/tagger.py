"""Inference with a trained tagger: from sentences to labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from seqtool.data.tagging.word_encoder import WordEncoder
from seqtool.decoding import (
    argmax,
    constraint_scores,
    log_partition,
    log_softmax,
    marginals,
    nbest,
    nbest_independent,
    viterbi,
)
from seqtool.inference.encoder import Encoder, Packing, State, StateRecorder, TableGates
from seqtool.inference.model_config import TaggerConfig, WordVocabulary
from seqtool.inference.word_features import WordEmbedder
from seqtool.inference.word_gate_cache import WordGateCache, WordGates
from seqtool.settings.model import feature_list
from seqtool.spans import OUTSIDE, convert, spans_of
from seqtool.types import Array, Arrays

Sentence = Sequence[str]
Constraints = tuple[Array, Array, Array]  # scores of the first label, of label pairs, and of the last label

BATCH_SENTENCES = 256
BATCH_WORDS = 16384  # padding included; a longer sentence is a batch by itself


class PackedScores(NamedTuple):
    """Scores of some sentences, packed.

    Attributes:
        numbers: indices of the sentences (batch,), the longest sentence first.
        packing: packing of the sentences.
        positions: index of each place (total,) in the concatenated sentences.
        scores: network's scores (total, labels) by place.
        columns: numbers of all labels (total, columns) by place, if the tagger predicts several.
    """

    numbers: Array
    packing: Packing
    positions: Array
    scores: Array
    columns: Array | None = None

    @property
    def starts(self) -> list[int]:
        """Start of each sentence in the concatenated sentences, then the number of tokens."""
        return [0, *np.cumsum(self.packing.lengths).tolist()]

    def unpack(self, packed: Array) -> Array:
        """Return values by place (total, …) in the order of the concatenated sentences."""
        values = np.empty_like(packed)
        values[self.positions] = packed
        return values


class TaggerModel:
    """A trained tagger. It can be pickled and shared by threads; a lock protects the word cache.

    Attributes:
        settings: settings of the network, with presets resolved.
        labels: labels of the network, in `inner_scheme`.
        scheme: span scheme of the labels that are returned.
        inner_scheme: span scheme of the network's labels.
        tokenizer: tokenizer for raw text: `whitespace`, `basic`, or None for a script without spaces between
            words.
        encoder: encoder of word features; it contains the words of the training data.
        start, end: scores of the first and the last label (labels,); zeros for the softmax decoder.
        transitions: scores of label pairs (previous label, label); zeros for the softmax decoder.
        columns: names of the labels of a tagger that predicts several; empty for a single label.
    """

    columns: tuple[str, ...] = ()

    def __init__(self, config: TaggerConfig, vocabulary: WordVocabulary, weights: Arrays) -> None:
        self.settings = config.network
        self.labels = vocabulary.labels
        self.scheme = config.scheme
        self.inner_scheme = config.inner_scheme
        self.tokenizer = config.tokenizer
        self.encoder = WordEncoder(
            feature_list(config.network),
            vocabulary.features,
            vocabulary.characters,
            vocabulary.counts,
            config.normalize,
        )
        self._recurrent = Encoder.from_weights(self.settings, weights, self.settings.bidirectional)
        embedder = WordEmbedder.from_weights(self.settings, weights)
        self._cache = WordGateCache(self.encoder, embedder, self._recurrent.cells[0])
        self._output = np.ascontiguousarray(weights["output.weight"].T, np.float32)
        self._bias = weights["output.bias"].astype(np.float32)
        self.start, self.transitions, self.end = self._sequence_scores(weights)
        self._names = np.array(self.labels, object)

    def _sequence_scores(self, weights: Arrays) -> tuple[Array, Array, Array]:
        start, transitions, end = constraint_scores(self.labels, self.inner_scheme)
        if self.settings.decoder == "crf":
            return (
                start + weights["crf.start"],
                transitions + weights["crf.transitions"],
                end + weights["crf.end"],
            )
        if self.settings.decoder == "softmax":
            return np.zeros_like(start), np.zeros_like(transitions), np.zeros_like(end)
        return start, transitions, end

    def output_labels(self) -> list[str]:
        """Return all labels that the tagger can return, in the scheme of the training files."""
        if self.inner_scheme == "none":
            return list(self.labels)
        spans = {label: spans_of([label]) for label in self.labels}
        types = sorted({span.type for found in spans.values() for span in found})
        others = [label for label, found in spans.items() if not found and label != OUTSIDE]
        prefixes = {"io": "I", "iob1": "IB", "iob2": "BI", "bioes": "BIES"}[self.scheme]
        marks = [f"{prefix}-{type_}" if type_ else prefix for type_ in types for prefix in prefixes]
        return [OUTSIDE, *marks, *others]

    def file_labels(self) -> dict[str, frozenset[str]]:
        """Return the labels of each of several columns in all span schemes; empty for a single label."""
        return {}

    def known(self, token: str) -> bool:
        """Return whether the training data contain the form of a token."""
        return self.encoder.is_known(token)

    # --- labels ---------------------------------------------------------------------------------------------

    def tag(self, sentences: Sequence[Sentence]) -> list[list[str]]:
        """Return the best labels of each sentence's tokens, in the scheme of the training files.

        Pass many sentences in one call, because sentences of similar length are computed together. For a long
        stream of sentences, pass a few thousand words per call.
        """
        labels: list[list[str]] = [[] for _ in sentences]
        for batch in self._batches(sentences):
            names = self._names[batch.unpack(self._best(batch))].tolist()
            starts = batch.starts
            for index, number in enumerate(batch.numbers.tolist()):
                labels[number] = self.to_file_scheme(names[starts[index] : starts[index + 1]])
        return labels

    def tag_columns(self, sentences: Sequence[Sentence]) -> list[list[list[str]]]:
        """Return the labels of each column of each sentence; this tagger has one column."""
        return [[labels] for labels in self.tag(sentences)]

    def _best(self, batch: PackedScores) -> Array:
        """Return the number of the best label at each place: (total,)."""
        constraints = (self.start, self.transitions, self.end)
        return best_labels(
            batch.scores, batch.packing, None if self.settings.decoder == "softmax" else constraints
        )

    def to_file_scheme(self, labels: list[str]) -> list[str]:
        """Convert labels of the network to the scheme of the training files."""
        return labels if self.inner_scheme == "none" else convert(labels, self.inner_scheme, self.scheme)

    def tag_with_probabilities(self, sentences: Sequence[Sentence]) -> list[tuple[list[str], Array]]:
        """Return the best labels and their probabilities (tokens,).

        With a CRF, the probability of a label is its marginal probability. Otherwise it is the softmax of the
        scores of the token.
        """
        results: list[tuple[list[str], Array]] = [([], np.zeros(0)) for _ in sentences]
        for batch in self._batches(sentences):
            best, scores, starts = batch.unpack(self._best(batch)), batch.unpack(batch.scores), batch.starts
            for index, number in enumerate(batch.numbers.tolist()):
                sentence = slice(starts[index], starts[index + 1])
                tokens = np.arange(starts[index + 1] - starts[index])
                probabilities = self._label_probabilities(scores[sentence])[tokens, best[sentence]]
                labels = self.to_file_scheme(self._names[best[sentence]].tolist())
                results[number] = labels, probabilities
        return results

    def probabilities(self, sentences: Sequence[Sentence]) -> list[Array]:
        """Return the probabilities of all `labels` (tokens, labels), as in `tag_with_probabilities`."""
        return [self._label_probabilities(scores) for scores in self.scores(sentences)]

    def _label_probabilities(self, scores: Array) -> Array:
        if self.settings.decoder == "crf":
            return marginals(scores, self.start, self.transitions, self.end)
        probabilities: Array = np.exp(log_softmax(scores))
        return probabilities

    def nbest(self, sentence: Sentence, count: int) -> list[tuple[list[str], float]]:
        """Return the best label sequences of a sentence with their log probabilities, by exact search.

        With constraints, the probabilities of all well-formed sequences sum to 1. Fewer than `count`
        sequences are returned if there are no more, or if several sequences become equal in the scheme of the
        training files, as with IO.
        """
        if not sentence:
            return [([], 0.0)]
        scores = self.scores([sentence])[0]
        if self.settings.decoder == "softmax":
            paths = nbest_independent(log_softmax(scores), count)
        else:
            whole = log_partition(scores, self.start, self.transitions, self.end)
            paths = [
                (path, score - whole)
                for path, score in nbest(scores, self.start, self.transitions, self.end, count)
            ]
        sequences: dict[tuple[str, ...], float] = {}
        for path, score in paths:
            sequences.setdefault(tuple(self.to_file_scheme(self._names[path].tolist())), score)
        return [(list(labels), score) for labels, score in sequences.items()]

    # --- scores ---------------------------------------------------------------------------------------------

    def scores(self, sentences: Sequence[Sentence]) -> list[Array]:
        """Return the network's scores (tokens, labels) of each sentence, before decoding."""
        results: list[Array] = [np.zeros((0, len(self.labels)), np.float32) for _ in sentences]
        for batch in self._batches(sentences):
            scores, starts = batch.unpack(batch.scores), batch.starts
            for index, number in enumerate(batch.numbers.tolist()):
                results[number] = scores[starts[index] : starts[index + 1]]
        return results

    def states(self, sentence: Sentence, names: Collection[str] | None = None) -> dict[str, Array]:
        """Return states and gates (tokens, hidden) by name, such as `encoder.0.backward.c`.

        Args:
            names: names to return; None returns all.
        """
        recorder = StateRecorder(names)
        for _ in self._batches([sentence], recorder):
            pass
        return recorder.arrays

    def input_vectors(self, tokens: Sentence) -> Array:
        """Return the input of the first layer, (tokens, width): the features of each token."""
        return self._cache.input_vectors(tokens)

    def initial_state(self) -> State:
        """Return the state before the first token of a sentence, with arrays (directions, 1, hidden)."""
        return self._recurrent.initial_state(1)

    def column_scores(self, sentences: Sequence[Sentence]) -> list[list[Array]]:
        """Return for each sentence the scores of the labels of each column (tokens, labels)."""
        return [[scores] for scores in self.scores(sentences)]

    def _batches(
        self, sentences: Sequence[Sentence], recorder: StateRecorder | None = None
    ) -> Iterator[PackedScores]:
        """Yield the scores of all sentences that have tokens, in batches of similar length."""
        lengths = np.array([len(sentence) for sentence in sentences], np.int64)
        order = np.argsort(-lengths, kind="stable")[: int((lengths > 0).sum())]
        start = 0
        while start < len(order):
            size = min(BATCH_SENTENCES, max(1, BATCH_WORDS // int(lengths[order[start]])))
            numbers, tokens = self._fit_to_cache(sentences, order[start : start + size])
            start += len(numbers)
            packing = Packing.of(lengths[numbers])
            positions = packing.positions(np.cumsum(packing.lengths) - packing.lengths)
            scores = self._run(tokens, positions, packing, recorder)
            scores += self._bias
            yield PackedScores(numbers, packing, positions, scores)

    def _fit_to_cache(self, sentences: Sequence[Sentence], numbers: Array) -> tuple[Array, list[str]]:
        """Halve a batch until the cache can hold its words; return the remaining numbers and tokens."""
        while True:
            tokens = [token for number in numbers.tolist() for token in sentences[number]]
            if len(numbers) == 1 or self._cache.fits(tokens):
                return numbers, tokens
            numbers = numbers[: len(numbers) // 2]

    def _run(
        self, tokens: Sequence[str], positions: Array, packing: Packing, recorder: StateRecorder | None
    ) -> Array:
        """Return the scores of packed sentences without the bias: (total, labels)."""
        backward = packing.backward if self._recurrent.cells[0].directions == 2 else None
        with self._cache.lookup(tokens) as entry:
            if entry is not None:
                table, rows = entry
                gates = TableGates(table, rows[positions], backward)
                return self._recurrent.run(gates, packing, None, recorder, self._output)[0]
        word_gates = WordGates(self._cache, tokens, positions, backward)
        return self._recurrent.run(word_gates, packing, None, recorder, self._output)[0]


def best_labels(scores: Array, packing: Packing, constraints: Constraints | None) -> Array:
    """Return the best label at each place (total,), of the best label sequences if there are constraints.

    Args:
        scores: scores by place (total, labels).
    """
    if constraints is None:
        return argmax(scores)
    padded = np.zeros((len(packing.offsets) - 1, packing.batch, scores.shape[1]))
    padded[packing.steps, packing.columns] = scores
    best: Array = viterbi(padded, packing.lengths, *constraints)[packing.steps, packing.columns]
    return best
