"""A trained tagger at work: sentences in, labels out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
from seqtool.inference import model_config as settings_of
from seqtool.inference.encoder import Encoder, TableGates, Watch
from seqtool.inference.packed_sequences import Packing
from seqtool.inference.word_features import WordVectors
from seqtool.inference.word_gate_cache import WordCache, WordGates
from seqtool.settings import Scheme
from seqtool.spans import convert
from seqtool.types import Array

Sentence = Sequence[str]

BATCH_SENTENCES = 256
BATCH_WORDS = 16384  # padding counted; a longer sentence is a batch of its own


@dataclass(frozen=True)
class _Batch:
    """Scores of some sentences, packed.

    Attributes:
        numbers: which sentences, the longest first: (batch,).
        packing: how they are packed.
        flat: where each place lies when the sentences stand one after the other: (total,).
        scores: (total, labels).
    """

    numbers: Array
    packing: Packing
    flat: Array
    scores: Array

    @property
    def starts(self) -> list[int]:
        """Where each sentence begins in flat order, and the end of the last."""
        return [0, *np.cumsum(self.packing.lengths).tolist()]

    def flattened(self, packed: Array) -> Array:
        """Values of places (total, …) in flat order."""
        found = np.empty_like(packed)
        found[self.flat] = packed
        return found


class TaggerModel:
    """A tagger, ready to be used. It can be pickled, and shared by threads (which take turns).

    Attributes:
        labels: what the network tells apart, in `inner_scheme`.
        scheme: of the labels that are given out.
        encoder: the features of words, and which words training knew.
        settings: of the network, presets spelt out.
        tokenizer: for raw text: `whitespace`, `basic`, or None for a script that needs tokens as input.
        start, transitions, end: scores of label sequences; zeros for the softmax decoder.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        labels: Sequence[str],
        encoder: WordEncoder,
        weights: Mapping[str, Array],
    ) -> None:
        self.settings = settings_of.tagger(config["model"])
        self.labels = tuple(labels)
        self.scheme: Scheme = config["scheme"]
        self.inner_scheme: Scheme = config["inner_scheme"]
        self.tokenizer: str | None = config.get("tokenizer")
        self.encoder = encoder
        self._recurrent = Encoder.from_weights(self.settings, weights, self.settings.bidirectional)
        self._cache = WordCache(
            encoder, WordVectors.from_weights(self.settings, weights), self._recurrent.cells[0]
        )
        self._output = np.ascontiguousarray(weights["output.weight"].T, np.float32)
        self._bias = weights["output.bias"].astype(np.float32)
        self.start, self.transitions, self.end = self._sequence_scores(weights)
        self._names = np.array(self.labels, object)

    @classmethod
    def from_parts(
        cls, config: Mapping[str, Any], vocab: Mapping[str, Any], weights: Mapping[str, Array]
    ) -> TaggerModel:
        """A tagger from what a model directory holds; `load.load_model` checks that as well."""
        features = settings_of.tagger_features(config["model"])
        encoder = WordEncoder.from_json(features, vocab, config["words"]["normalize"])
        return cls(config, vocab["labels"], encoder, weights)

    def _sequence_scores(self, weights: Mapping[str, Array]) -> tuple[Array, Array, Array]:
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

    def outer_labels(self) -> list[str]:
        """The labels that may be given out, in the scheme of the training files."""
        if self.inner_scheme == "none":
            return list(self.labels)
        types = sorted({label[2:] for label in self.labels if label != "O"})
        prefixes = {"io": "I", "iob1": "IB", "iob2": "BI", "bioes": "BIES"}[self.scheme]
        return ["O", *(f"{prefix}-{type_}" if type_ else prefix for type_ in types for prefix in prefixes)]

    def known(self, token: str) -> bool:
        """Whether the training data had the token's form."""
        return self.encoder.is_known(token)

    # --- labels -------------------------------------------------------------------------------------------------------

    def tag(self, sentences: Sequence[Sentence]) -> list[list[str]]:
        """The best labels of each sentence's tokens, in the scheme of the training files.

        Give many sentences at a time: they are sorted by length and worked on together. From an endless stream some
        thousand words at a time are enough.
        """
        found: list[list[str]] = [[] for _ in sentences]
        for batch in self._batches(sentences):
            names = self._names[batch.flattened(self._best(batch))].tolist()
            starts = batch.starts
            for place, number in enumerate(batch.numbers.tolist()):
                found[number] = self._outer(names[starts[place] : starts[place + 1]])
        return found

    def _best(self, batch: _Batch) -> Array:
        """The best label of each place, as a number: (total,)."""
        if self.settings.decoder == "softmax":
            return argmax(batch.scores)
        packing = batch.packing
        padded = np.zeros((len(packing.offsets) - 1, packing.batch, len(self.labels)))
        padded[packing.steps, packing.columns] = batch.scores
        found: Array = viterbi(padded, packing.lengths, self.start, self.transitions, self.end)[
            packing.steps, packing.columns
        ]
        return found

    def _outer(self, labels: list[str]) -> list[str]:
        """Labels as they are given out."""
        return labels if self.inner_scheme == "none" else convert(labels, self.inner_scheme, self.scheme)

    def tag_with_probabilities(self, sentences: Sequence[Sentence]) -> list[tuple[list[str], Array]]:
        """The best labels, and the probability of each: a CRF's marginal, else that of the token by itself."""
        found: list[tuple[list[str], Array]] = [([], np.zeros(0)) for _ in sentences]
        for batch in self._batches(sentences):
            best, scores, starts = (
                batch.flattened(self._best(batch)),
                batch.flattened(batch.scores),
                batch.starts,
            )
            for place, number in enumerate(batch.numbers.tolist()):
                inside = slice(starts[place], starts[place + 1])
                chosen = self._label_probabilities(scores[inside])[
                    np.arange(starts[place + 1] - starts[place]), best[inside]
                ]
                found[number] = self._outer(self._names[best[inside]].tolist()), chosen
        return found

    def probabilities(self, sentences: Sequence[Sentence]) -> list[Array]:
        """The probability of each of `labels` at each token, (tokens, labels), as in `tag_with_probabilities`."""
        return [self._label_probabilities(scores) for scores in self.scores(sentences)]

    def _label_probabilities(self, scores: Array) -> Array:
        if self.settings.decoder == "crf":
            return marginals(scores, self.start, self.transitions, self.end)
        probabilities: Array = np.exp(log_softmax(scores))
        return probabilities

    def nbest(self, sentence: Sentence, count: int) -> list[tuple[list[str], float]]:
        """The best label sequences of a sentence, best first, exactly, each with its log probability.

        With constraints, that is the probability among the well-formed sequences. There are fewer than `count` where
        there are no more, or where the scheme of the files writes several alike (as IO does).
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
        found: dict[tuple[str, ...], float] = {}
        for path, score in paths:
            found.setdefault(tuple(self._outer(self._names[path].tolist())), score)
        return [(list(labels), score) for labels, score in found.items()]

    # --- scores -------------------------------------------------------------------------------------------------------

    def scores(self, sentences: Sequence[Sentence]) -> list[Array]:
        """What the network says of each of `labels` at each token: (tokens, labels), before any decoding."""
        found: list[Array] = [np.zeros((0, len(self.labels)), np.float32) for _ in sentences]
        for batch in self._batches(sentences):
            scores, starts = batch.flattened(batch.scores), batch.starts
            for place, number in enumerate(batch.numbers.tolist()):
                found[number] = scores[starts[place] : starts[place + 1]]
        return found

    def states(self, sentence: Sentence, wanted: Collection[str] | None = None) -> dict[str, Array]:
        """States and gates at each token, (tokens, hidden), by names such as `encoder.0.backward.c`.

        Args:
            wanted: which to give; None: all.
        """
        watch = Watch(wanted)
        for _ in self._batches([sentence], watch):
            pass
        return watch.found

    def _batches(self, sentences: Sequence[Sentence], watch: Watch | None = None) -> Iterator[_Batch]:
        """Scores of all sentences that have tokens, in batches of like length."""
        lengths = np.array([len(sentence) for sentence in sentences], np.int64)
        order = np.argsort(-lengths, kind="stable")[: int((lengths > 0).sum())]
        start = 0
        while start < len(order):
            size = min(BATCH_SENTENCES, max(1, BATCH_WORDS // int(lengths[order[start]])))
            numbers, tokens = self._fitting(sentences, order[start : start + size])
            start += len(numbers)
            packing = Packing.of(lengths[numbers])
            flat = packing.flat(np.cumsum(packing.lengths) - packing.lengths)
            scores = self._run(tokens, flat, packing, watch)
            scores += self._bias
            yield _Batch(numbers, packing, flat, scores)

    def _fitting(self, sentences: Sequence[Sentence], numbers: Array) -> tuple[Array, list[str]]:
        """The first of some sentences, as many as have no more distinct words than the cache holds (half, a quarter …), and their words."""
        while True:
            tokens = [token for number in numbers.tolist() for token in sentences[number]]
            if len(numbers) == 1 or self._cache.holds(tokens):
                return numbers, tokens
            numbers = numbers[: len(numbers) // 2]

    def _run(self, tokens: Sequence[str], flat: Array, packing: Packing, watch: Watch | None) -> Array:
        """Scores of packed sentences without the bias: (total, labels)."""
        back = packing.back if self._recurrent.cells[0].directions == 2 else None
        with self._cache.looked_up(tokens) as found:
            if found is not None:
                table, rows = found
                return self._recurrent.run(
                    TableGates(table, rows[flat], back), packing, None, watch, self._output
                )[0]
        gates = WordGates(self._cache, tokens, flat, back)
        return self._recurrent.run(gates, packing, None, watch, self._output)[0]
