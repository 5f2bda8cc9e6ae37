"""Training and validation of a tagger: batches of sentences, losses per token, scores, class weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqtool.data.batches import SentenceBatch, SentenceBatches
from seqtool.decoding import argmax, constraint_scores, viterbi
from seqtool.errors import ConfigError
from seqtool.metrics import LossCount, SpanCounts, Tally, token_accuracy
from seqtool.models.recurrent import Masks, State, flatten_parameters
from seqtool.models.tagger import TaggerNetwork, WordInput
from seqtool.models.weights import copy_to_device
from seqtool.settings.experiment import TaggerSettings
from seqtool.spans import convert
from seqtool.tasks.word_table import WordReplacement, WordTable
from seqtool.training.engine.ranks import ALONE, Ranks
from seqtool.training.engine.rng import initial_state, stack_masks, word_dropout_mask
from seqtool.training.engine.task import (
    ShouldStop,
    check_divisible,
    check_stop,
    evaluation_mode,
    stop_together,
)
from seqtool.types import Array

if TYPE_CHECKING:
    from seqtool.data.tagging.corpus import TaggedCorpus
    from seqtool.data.tagging.split import Sentence

EVALUATION_WORDS = 4000  # words of an evaluation batch

# The arguments of a `TaggerNetwork`.
NetworkInput: TypeAlias = tuple[WordInput, Tensor, State, Masks | None, Tensor | None]


@dataclass(frozen=True)
class EncodedSentences:
    """Sentences as numbers.

    Attributes:
        table: the distinct words of all sentences.
        words: indices into the table, for each sentence (length,).
        labels: label numbers, for each sentence (length,); -1 is a label that does not occur in training.
    """

    table: WordTable
    words: list[Array]
    labels: list[Array]


class TaggingTask:
    """Batches, loss and evaluation of a tagger; a `TrainingTask`.

    Attributes:
        network: on its device, in training mode.
        corpus: the encoded data.
        settings: settings of the run.
        device: device of the network.
        ranks: the processes that train together.
        has_validation: whether there are development sentences.
    """

    def __init__(
        self,
        network: TaggerNetwork,
        corpus: TaggedCorpus,
        settings: TaggerSettings,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        """Move the network to the device and encode the training sentences.

        Raises:
            ConfigError: a batch has fewer sentences than there are ranks, or the class weights do not fit the
                labels.
        """
        self.network = flatten_parameters(network.to(device)).train()
        self.ranks = ranks
        self.corpus = corpus
        self.settings = settings
        self.device = device
        self.has_validation = bool(corpus.dev)
        self._label_numbers = {label: number for number, label in enumerate(corpus.labels)}
        training = settings.training
        train = self._encode_training()
        self._table = train.table
        sizes = training.batch_size, training.batch_words
        if training.batch_words is None:
            check_divisible(training.batch_size, ranks, "sentences")
        self._batches = SentenceBatches(
            train.words, train.labels, *sizes, settings.seed, training.shuffle, ranks.shard
        )
        self._replacement = WordReplacement(settings.model, settings.seed)
        self._weights = self._label_weights(train.labels)
        self._dev: EncodedSentences | None = None

    def _label_weights(self, labels: Sequence[Array]) -> Tensor | None:
        """Return the weight of each label in the loss (labels,); None if all labels count the same."""
        setting, corpus = self.settings.training.class_weights, self.corpus
        if setting == "none":
            return None
        counts = np.bincount(np.concatenate([*labels, np.zeros(0, np.int64)]), minlength=len(corpus.labels))
        weights = class_weights(setting, corpus.labels, counts, corpus.inner_scheme != "none")
        return torch.tensor(weights, dtype=torch.float32, device=self.device)

    def _encode(self, sentences: Sequence[Sentence]) -> EncodedSentences:
        table, words = WordTable.of(sentences, self.corpus.encoder, self.settings.model.word_replacement)
        labels = [
            np.array(
                [self._label_numbers.get(label, -1) for label in self.corpus.inner_labels(sentence)], np.int64
            )
            for sentence in sentences
        ]
        return EncodedSentences(table, words, labels)

    def _encode_training(self) -> EncodedSentences:
        return self._encode(self.corpus.train)

    # --- training -------------------------------------------------------------------------------------------

    def batches(self, epoch: int) -> int:
        """Return the number of batches in an epoch."""
        return self._batches.steps(epoch)

    def batch(self, epoch: int, index: int) -> tuple[SentenceBatch, int]:
        """Return this rank's sentences as a padded batch, and the number of tokens of all ranks."""
        batch = self._batches.batch(epoch, index)
        return batch, batch.items

    def loss(self, batch: SentenceBatch, index: int, draw: int) -> Tensor:  # noqa: ARG002 - an argument of the interface
        """Return the cross-entropy, or minus the CRF's log probability, in nats, summed.

        Args:
            batch: this rank's sentences.
            index: not used: a tagger carries no state within an epoch.
            draw: number of earlier batches in the whole run; it keys the random draws.
        """
        network_input = self._network_input(batch, draw)
        scores = self.network(*network_input)
        loss = self._summed_loss(scores, self._tensor(batch.labels), network_input[1], batch)
        return loss * 0 if batch.columns.idle else loss

    def _network_input(self, batch: SentenceBatch, draw: int) -> NetworkInput:
        """Return the arguments of the network, with rare words replaced and with all dropout masks."""
        seed, columns, encoder = self.settings.seed, batch.columns, self.network.encoder
        words = self._table.read(batch.words, self.device)
        if self._replacement.is_active:
            probabilities = self._table.replacement[batch.words]
            replaced = self._replacement.mask(probabilities, draw, batch.longest, columns)
            ids = words.ids.masked_fill_(copy_to_device(replaced, self.device), 0)
            words = replace(words, ids=ids)
        masks = stack_masks(encoder, columns.width, self.network.features.width, seed, draw, columns)
        state = initial_state(encoder, columns.width, seed, draw, columns)
        return words, self._tensor(batch.lengths), state, masks, self._word_mask(batch, draw)

    def _word_mask(self, batch: SentenceBatch, draw: int) -> Tensor | None:
        """Draw which words are visible (time, batch, 1); None without word dropout."""
        dropout = self.settings.model.word_dropout
        if not dropout:
            return None
        mask = word_dropout_mask(
            batch.longest, batch.columns.width, dropout, self.settings.seed, draw, batch.columns
        )
        return copy_to_device(mask[: len(batch.words)], self.device)

    def _summed_loss(self, scores: Tensor, labels: Tensor, lengths: Tensor, batch: SentenceBatch) -> Tensor:
        if self.network.crf is not None:
            inside = np.arange(len(batch.labels))[:, None] < batch.lengths
            return self.network.crf.loss(
                scores, labels, lengths, gaps=bool(((batch.labels < 0) & inside).any())
            )
        return functional.cross_entropy(
            scores.flatten(0, 1),
            labels.flatten(),
            weight=self._weights,
            reduction="sum",
            ignore_index=-1,
            label_smoothing=self.settings.training.label_smoothing,
        )

    def _tensor(self, array: Array) -> Tensor:
        return copy_to_device(torch.from_numpy(array), self.device)

    # --- validation -----------------------------------------------------------------------------------------

    def evaluate(self, should_stop: ShouldStop) -> dict[str, float]:
        """Return loss, accuracy and, for a span scheme, span F1 on the development sentences.

        The loss is in nats per token whose label occurs in training.

        Raises:
            StopEvaluation: a stop was requested on any rank.
        """
        if self._dev is None:
            self._dev = self._encode(self.corpus.dev)
        with evaluation_mode(self.network), stop_together(self.ranks, should_stop) as stop:
            loss, correct, spans = self._evaluate_shard(self._dev, stop)
        total, count, right, tokens, *span_counts = self.ranks.sums(
            loss.total, loss.count, correct.right, correct.total, spans.hits, spans.predicted, spans.gold
        )
        scores = {
            "val_loss": LossCount(total, int(count)).mean or 0.0,
            "val_accuracy": Tally(int(right), int(tokens)).accuracy or 0.0,
        }
        if self.corpus.inner_scheme != "none":
            scores["val_f1"] = SpanCounts(*map(int, span_counts)).f1
        return scores

    def _evaluate_shard(
        self, dev: EncodedSentences, should_stop: ShouldStop
    ) -> tuple[LossCount, Tally, SpanCounts]:
        """Count the loss, the correct labels and the spans of this rank's sentences."""
        batches = SentenceBatches(dev.words, dev.labels, 1, EVALUATION_WORDS, 0, False, self.ranks.shard)
        loss, correct, spans = LossCount(), Tally(), SpanCounts()
        for index in range(batches.steps(0)):
            check_stop(should_stop)
            batch = batches.batch(0, index)
            if batch.columns.idle:
                continue
            batch_loss, predicted = self._evaluate_batch(dev.table, batch)
            loss += batch_loss
            is_token = np.arange(len(batch.words))[:, None] < batch.lengths
            correct += token_accuracy(batch.labels, predicted, is_token)
            if self.corpus.inner_scheme != "none":
                spans += self._spans(batch, predicted)
        return loss, correct, spans

    def _evaluate_batch(self, table: WordTable, batch: SentenceBatch) -> tuple[LossCount, Array]:
        """Return the loss, without weights and smoothing, and the predicted labels (time, batch)."""
        lengths, labels = self._tensor(batch.lengths), self._tensor(batch.labels)
        state = self.network.encoder.initial_state(batch.words.shape[1])
        scores = self.network(table.read(batch.words, self.device), lengths, state)
        if self.network.crf is not None:
            loss = self.network.crf.loss(scores, labels, lengths)
        else:
            loss = functional.cross_entropy(
                scores.flatten(0, 1), labels.flatten(), reduction="sum", ignore_index=-1
            )
        loss_count = LossCount(loss.item(), int((batch.labels >= 0).sum()))
        return loss_count, self._decode(scores.cpu().numpy(), batch.lengths)

    def _decode(self, scores: Array, lengths: Array) -> Array:
        """Return the best labels (time, batch) for scores (time, batch, labels)."""
        if self.settings.model.decoder == "softmax":
            return argmax(scores)
        constraints = constraint_scores(self.corpus.labels, self.corpus.inner_scheme)
        crf = self.network.crf
        if crf is not None:
            learned = (part.detach().cpu().numpy() for part in (crf.start, crf.transitions, crf.end))
            start, transitions, end = (fixed + more for fixed, more in zip(constraints, learned, strict=True))
            constraints = (start, transitions, end)
        return viterbi(scores, lengths, *constraints)

    def _spans(self, batch: SentenceBatch, predicted: Array) -> SpanCounts:
        """Count spans in the scheme of the files, for predicted labels (time, batch)."""
        counts = SpanCounts()
        for column, sentence in enumerate(batch.order):
            inner = [self.corpus.labels[number] for number in predicted[: batch.lengths[column], column]]
            counts += SpanCounts.of(
                list(self.corpus.dev[sentence].labels),
                convert(inner, self.corpus.inner_scheme, self.corpus.scheme),
            )
        return counts

    def quality(self, train_loss: float, scores: Mapping[str, float]) -> float:
        """Return span F1 if there is one, else accuracy; without validation, minus the training loss."""
        return scores.get("val_f1", scores.get("val_accuracy", -train_loss))

    # --- state carried from batch to batch ------------------------------------------------------------------

    def carried_state(self) -> dict[str, Tensor]:
        """Return nothing: a tagger carries no state from sentence to sentence."""
        return {}

    def restore_carried_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Do nothing: there is no carried state."""


# --- class weights ------------------------------------------------------------------------------------------

_FILE_MARKS = {"S": "B", "E": "I"}  # span marks of the inner scheme -> marks that files have instead


def class_weights(
    setting: str | Mapping[str, float], labels: Sequence[str], counts: Array, spans: bool
) -> Array | None:
    """Return the weight of each label in the loss (labels,), with a mean of 1 over the training tokens.

    Args:
        setting: `none`; `balanced`, for the inverse square root of a label's frequency; or weights by label,
            with 1 for labels that are not named. A span label is named as in the files (`B-PER`) or by its
            type (`PER`).
        labels: labels that the network predicts.
        counts: frequency of each label in the training data (labels,).
        spans: whether the labels mark spans.

    Returns:
        None if all labels count the same.

    Raises:
        ConfigError: a weight names a label that the training data do not have, or all weights are 0.
    """
    if setting == "none":
        return None
    weights = (
        1 / np.sqrt(np.maximum(counts, 1.0))
        if isinstance(setting, str)
        else _named_weights(setting, labels, spans)
    )
    total = float((weights * counts).sum())
    if total <= 0:
        raise ConfigError(
            "expected a weight above 0 for a label of the training data, found none",
            place="training.class_weights",
            hint="0 leaves a label out of the loss",
        )
    scaled: Array = weights * (counts.sum() / total)
    return scaled


def _named_weights(weights: Mapping[str, float], labels: Sequence[str], spans: bool) -> Array:
    names = [_label_names(label, spans) for label in labels]
    for label in weights:
        if not any(label in known for known in names):
            raise ConfigError(
                f"the training data has no label {label!r}",
                place="training.class_weights",
                hint=f"its labels are {', '.join(list(dict.fromkeys(known[-1] for known in names))[:40])}",
            )
    return np.array([next((weights[name] for name in known if name in weights), 1.0) for known in names])


def _label_names(label: str, spans: bool) -> list[str]:
    """Return the names that the settings may use for a label, the most specific first."""
    mark, dash, kind = label.partition("-")
    if not (spans and dash):
        return [label]
    return [label, f"{_FILE_MARKS.get(mark, mark)}-{kind}", kind]
