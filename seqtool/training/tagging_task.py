"""Training and validating a tagger: batches of whole sentences, losses per token, scores as users read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqtool.data.batches import SentenceBatch, SentenceBatches
from seqtool.data.tagged import Sentence, TaggedCorpus
from seqtool.decoding import argmax, constraint_scores, viterbi
from seqtool.metrics import SpanCounts
from seqtool.models.tagging import TaggerNetwork
from seqtool.models.word_features import WordInput
from seqtool.settings import TaggerSettings, feature_list
from seqtool.spans import convert
from seqtool.training.loop import StopEvaluation
from seqtool.training.randomness import generator, stack_masks

WHOLE_WORD_FEATURES = ("form", "lower", "vectors")  # what the unknown word replaces; affixes and shape stay
EVALUATION_WORDS = 4000

Stop = Callable[[], bool]


@dataclass(frozen=True)
class WordTable:
    """What the network reads of each distinct word.

    Attributes:
        ids: (words, look-up features).
        characters, character_lengths: (words, longest) and (words,), or None.
        replaced: (words,) probability that the unknown word stands in for it in training.
    """

    ids: np.ndarray[Any, Any]
    characters: np.ndarray[Any, Any] | None
    character_lengths: np.ndarray[Any, Any] | None
    replaced: np.ndarray[Any, Any]


class TaggingTask:
    """Batches, losses and evaluations of a tagger."""

    def __init__(self, network: TaggerNetwork, corpus: TaggedCorpus, settings: TaggerSettings, device: torch.device) -> None:
        self.network = network.to(device)
        self.corpus = corpus
        self.settings = settings
        self.device = device
        self.has_validation = bool(corpus.dev)
        self._numbers = {label: number for number, label in enumerate(corpus.labels)}
        training = settings.training
        self._table, words = self._encode(corpus.train)
        labels = [self._label_numbers(sentence) for sentence in corpus.train]
        self._batches = SentenceBatches(words, labels, training.batch_size, training.batch_words, settings.seed, training.shuffle)
        self._weights = self._class_weights(labels)
        lookups = [feature.name for feature in feature_list(settings.model) if feature.name not in ("char_cnn", "char_lstm")]
        self._replaceable = torch.tensor([name in WHOLE_WORD_FEATURES for name in lookups], device=device)
        self._dev: tuple[WordTable, list[np.ndarray[Any, Any]], list[np.ndarray[Any, Any]]] | None = None

    # --- numbers from words -------------------------------------------------------------------------------------------

    def _encode(self, sentences: Sequence[Sentence]) -> tuple[WordTable, list[np.ndarray[Any, Any]]]:
        """The table of distinct words, and each sentence as places in it."""
        places: dict[str, int] = {}
        words = [np.array([places.setdefault(token, len(places)) for token in sentence.tokens], np.int64) for sentence in sentences]
        encoded = self.corpus.encoder.encode(list(places))
        strength = self.settings.model.word_replacement
        counts = np.array([self.corpus.encoder.count(word) for word in places], np.float32)
        replaced = strength / (strength + counts) if strength else np.zeros(len(places), np.float32)
        return WordTable(encoded.ids, encoded.characters, encoded.lengths, replaced), words

    def _label_numbers(self, sentence: Sentence) -> np.ndarray[Any, Any]:
        return np.array([self._numbers.get(label, -1) for label in self.corpus.inner_labels(sentence)], np.int64)

    def _class_weights(self, labels: Sequence[np.ndarray[Any, Any]]) -> Tensor | None:
        """One weight for each label, with a mean of 1 over the training tokens; None where all count the same."""
        wanted = self.settings.training.class_weights
        if wanted == "none":
            return None
        counts = np.bincount(np.concatenate(labels), minlength=len(self.corpus.labels)).astype(np.float64)
        if isinstance(wanted, str):
            weights = 1 / np.sqrt(np.maximum(counts, 1))
        else:
            weights = np.array([wanted.get(label, 1.0) for label in self.corpus.labels])
        weights *= counts.sum() / (weights * counts).sum()
        return torch.tensor(weights, dtype=torch.float32, device=self.device)

    # --- training -----------------------------------------------------------------------------------------------------

    def batches(self, epoch: int) -> int:
        """Batches in an epoch."""
        return self._batches.steps(epoch)

    def batch(self, epoch: int, index: int) -> tuple[SentenceBatch, int]:
        """A padded batch of sentences, and its number of tokens."""
        made = self._batches.batch(epoch, index)
        return made, int(made.lengths.sum())

    def loss(self, batch: SentenceBatch, epoch: int, index: int, step: int) -> Tensor:  # noqa: ARG002 - the form of a Task
        """Summed loss in nats: cross-entropy, or minus the CRF's log probability."""
        self.network.train()
        words = self._input(self._table, batch.words, step)
        width = batch.words.shape[1]
        seed = self.settings.seed
        masks = stack_masks(self.network.encoder, width, self.network.features.width, seed, step)
        lengths = torch.from_numpy(batch.lengths).to(self.device)
        state = self.network.encoder.initial_state(width, generator(seed, "initial state", step))
        scores = self.network(words, lengths, state, masks)
        labels = torch.from_numpy(batch.labels).to(self.device)
        if self.network.crf is not None:
            return self.network.crf.loss(scores, labels, lengths)
        return self._cross_entropy(scores, labels)

    def _cross_entropy(self, scores: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(
            scores.flatten(0, 1),
            labels.flatten(),
            weight=self._weights,
            reduction="sum",
            ignore_index=-1,
            label_smoothing=self.settings.training.label_smoothing if self.network.training else 0.0,
        )

    def _input(self, table: WordTable, words: np.ndarray[Any, Any], step: int | None = None) -> WordInput:
        """The numbers of a batch's words (time, batch); with a step, rare words are replaced by the unknown one."""
        ids = torch.from_numpy(table.ids[words]).to(self.device)
        if step is not None and self.settings.model.word_replacement:
            draw = torch.rand(words.shape, generator=generator(self.settings.seed, "word replacement", step))
            replaced = (draw < torch.from_numpy(table.replaced[words])).to(self.device)
            ids = ids.masked_fill(replaced.unsqueeze(2) & self._replaceable, 0)
        if table.characters is None or table.character_lengths is None:
            return WordInput(ids)
        distinct, places = np.unique(words, return_inverse=True)
        lengths = table.character_lengths[distinct]
        characters = np.ascontiguousarray(table.characters[distinct, : lengths.max()])
        return WordInput(
            ids,
            torch.from_numpy(characters).to(self.device),
            torch.from_numpy(lengths).to(self.device),
            torch.from_numpy(places.reshape(words.shape)).to(self.device),
        )

    # --- validation ---------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def evaluate(self, should_stop: Stop) -> dict[str, float]:
        """Loss, accuracy and, for a span scheme, span F1 on the development sentences."""
        self.network.eval()
        if self._dev is None:
            self._dev = (*self._encode(self.corpus.dev), [self._label_numbers(sentence) for sentence in self.corpus.dev])
        table, words, labels = self._dev
        batches = SentenceBatches(words, labels, 1, EVALUATION_WORDS, 0, False)
        predicted: dict[int, np.ndarray[Any, Any]] = {}
        total, right, count, scored = 0.0, 0, 0, 0
        for index in range(batches.steps(0)):
            if should_stop():
                raise StopEvaluation
            made = batches.batch(0, index)
            loss, known, found = self._evaluate_batch(table, made)
            inside = np.arange(len(made.words))[:, None] < made.lengths
            right += int(((found == made.labels) & inside & (made.labels >= 0)).sum())
            count += int(made.lengths.sum())
            total, scored = total + loss, scored + known
            predicted.update({int(place): found[: made.lengths[column], column] for column, place in enumerate(made.order)})
        scores = {"val_loss": total / max(1, scored), "val_accuracy": right / count}
        if self.corpus.inner_scheme != "none":
            scores["val_f1"] = self._span_f1(predicted)
        return scores

    def _evaluate_batch(self, table: WordTable, made: SentenceBatch) -> tuple[float, int, np.ndarray[Any, Any]]:
        """Summed loss, the number of tokens it is over, and the predicted labels (time, batch)."""
        lengths = torch.from_numpy(made.lengths).to(self.device)
        state = self.network.encoder.initial_state(made.words.shape[1])
        scores = self.network(self._input(table, made.words), lengths, state)
        labels = torch.from_numpy(made.labels).to(self.device)
        known = int((made.labels >= 0).sum())
        if self.network.crf is not None:
            loss = self.network.crf.loss(scores, labels, lengths).item()
        else:
            loss = self._cross_entropy(scores, labels).item()
        return loss, known, self._decode(scores.cpu().numpy(), made.lengths)

    def _decode(self, scores: np.ndarray[Any, Any], lengths: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if self.settings.model.decoder == "softmax":
            return argmax(scores)
        start, transitions, end = constraint_scores(self.corpus.labels, self.corpus.inner_scheme)
        if self.network.crf is not None:
            crf = self.network.crf
            start, transitions, end = (
                fixed + learned.detach().cpu().numpy()
                for fixed, learned in zip((start, transitions, end), (crf.start, crf.transitions, crf.end), strict=True)
            )
        return viterbi(scores, lengths, start, transitions, end)

    def _span_f1(self, predicted: Mapping[int, np.ndarray[Any, Any]]) -> float:
        """F1 of the spans, both sides in the scheme of the files."""
        counts = SpanCounts()
        for place, sentence in enumerate(self.corpus.dev):
            inner = [self.corpus.labels[number] for number in predicted[place]]
            counts += SpanCounts.of(list(sentence.labels), convert(inner, self.corpus.inner_scheme, self.corpus.scheme))
        return counts.f1

    def quality(self, train_loss: float, scores: Mapping[str, float]) -> float:
        """Span F1 where there are spans, else accuracy; without validation the lower training loss."""
        return scores.get("val_f1", scores.get("val_accuracy", -train_loss))

    def carried_state(self) -> dict[str, Tensor]:
        """Nothing is carried from sentence to sentence."""
        return {}

    def restore_carried_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing to take back."""
