"""Training and validating a tagger: batches of whole sentences, losses per token, scores as users read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqtool.data.batches import SentenceBatch, SentenceBatches
from seqtool.decoding import argmax, constraint_scores, viterbi
from seqtool.metrics import LossCount, SpanCounts, Tally, token_accuracy
from seqtool.models.recurrent import flatten_parameters
from seqtool.models.tagger import TaggerNetwork
from seqtool.models.weights import copy_to_device
from seqtool.settings import TaggerSettings
from seqtool.spans import convert
from seqtool.tasks.class_weights import class_weights
from seqtool.tasks.word_table import Replacement, WordTable
from seqtool.training.engine.ranks import ALONE, Ranks
from seqtool.training.engine.rng import stack_masks, training_state, word_dropout_mask
from seqtool.training.engine.task import Stop, check_divisible, evaluating, leave_if, leaving_together
from seqtool.types import Array

if TYPE_CHECKING:
    from seqtool.data.tagging.corpus import TaggedCorpus
    from seqtool.data.tagging.sentences import Sentence

EVALUATION_WORDS = 4000  # in a batch of evaluation


@dataclass(frozen=True)
class Numbered:
    """Sentences as numbers: the table of their words, and for each sentence its words (places in the table) and labels."""

    table: WordTable
    words: list[Array]
    labels: list[Array]


class TaggingTask:
    """Batches, losses and evaluations of a tagger."""

    def __init__(
        self,
        network: TaggerNetwork,
        corpus: TaggedCorpus,
        settings: TaggerSettings,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.network = flatten_parameters(network.to(device)).train()
        self.ranks = ranks
        self.corpus = corpus
        self.settings = settings
        self.device = device
        self.has_validation = bool(corpus.dev)
        self._numbers = {label: number for number, label in enumerate(corpus.labels)}
        training = settings.training
        train = self._number(corpus.train)
        self._table = train.table
        sizes = training.batch_size, training.batch_words
        if training.batch_words is None:
            check_divisible(training.batch_size, ranks, "sentences")
        self._batches = SentenceBatches(
            train.words, train.labels, *sizes, settings.seed, training.shuffle, ranks.shard
        )
        self._replacement = Replacement(settings.model, settings.seed)
        counts = np.bincount(
            np.concatenate([*train.labels, np.zeros(0, np.int64)]), minlength=len(corpus.labels)
        )
        weights = class_weights(training.class_weights, corpus.labels, counts, corpus.inner_scheme != "none")
        self._weights = None if weights is None else torch.tensor(weights, dtype=torch.float32, device=device)
        self._dev: Numbered | None = None

    def _number(self, sentences: Sequence[Sentence]) -> Numbered:
        table, words = WordTable.of(sentences, self.corpus.encoder, self.settings.model.word_replacement)
        labels = [
            np.array([self._numbers.get(label, -1) for label in self.corpus.inner_labels(sentence)], np.int64)
            for sentence in sentences
        ]
        return Numbered(table, words, labels)

    # --- training -----------------------------------------------------------------------------------------------------

    def batches(self, epoch: int) -> int:
        """Batches in an epoch."""
        return self._batches.steps(epoch)

    def batch(self, epoch: int, index: int) -> tuple[SentenceBatch, int]:
        """A padded batch of sentences (of this rank's), and the number of tokens (of all ranks)."""
        made = self._batches.batch(epoch, index)
        return made, made.items

    def loss(self, batch: SentenceBatch, index: int, draw: int) -> Tensor:  # noqa: ARG002 - the form of a TrainingTask
        """Summed loss in nats: cross-entropy, or minus the CRF's log probability."""
        seed, columns, encoder = self.settings.seed, batch.columns, self.network.encoder
        words = self._table.read(batch.words, self.device)
        if self._replacement.acts:
            replaced = copy_to_device(
                self._replacement.mask(self._table.replaced[batch.words], draw, batch.longest, columns),
                self.device,
            )
            words = replace(words, ids=words.ids.masked_fill_(replaced, 0))
        masks = stack_masks(encoder, columns.width, self.network.features.width, seed, draw, columns)
        lengths, labels = self._tensor(batch.lengths), self._tensor(batch.labels)
        state = training_state(encoder, columns.width, seed, draw, columns)
        scores = self.network(words, lengths, state, masks, self._seen(batch, draw))
        loss = self._summed_loss(scores, labels, lengths, batch)
        return loss * 0 if columns.idle else loss

    def _seen(self, batch: SentenceBatch, draw: int) -> Tensor | None:
        dropout = self.settings.model.word_dropout
        if not dropout:
            return None
        seen = word_dropout_mask(
            batch.longest, batch.columns.width, dropout, self.settings.seed, draw, batch.columns
        )
        return copy_to_device(seen[: len(batch.words)], self.device)

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

    # --- validation ---------------------------------------------------------------------------------------------------

    def evaluate(self, should_stop: Stop) -> dict[str, float]:
        """Nats per token (whose label is known), accuracy and, for a span scheme, span F1 on the development sentences."""
        if self._dev is None:
            self._dev = self._number(self.corpus.dev)
        with evaluating(self.network), leaving_together(self.ranks, should_stop) as stop:
            loss, right, spans = self._evaluate_share(self._dev, stop)
        total, count, hits, tokens, *found = self.ranks.sums(
            loss.total, loss.count, right.right, right.total, spans.hits, spans.predicted, spans.gold
        )
        scores = {
            "val_loss": LossCount(total, int(count)).mean or 0.0,
            "val_accuracy": Tally(int(hits), int(tokens)).accuracy or 0.0,
        }
        if self.corpus.inner_scheme != "none":
            scores["val_f1"] = SpanCounts(*map(int, found)).f1
        return scores

    def _evaluate_share(self, dev: Numbered, should_stop: Stop) -> tuple[LossCount, Tally, SpanCounts]:
        """What is counted on this rank's sentences."""
        batches = SentenceBatches(dev.words, dev.labels, 1, EVALUATION_WORDS, 0, False, self.ranks.shard)
        loss, right, spans = LossCount(), Tally(), SpanCounts()
        for index in range(batches.steps(0)):
            leave_if(should_stop)
            made = batches.batch(0, index)
            if made.columns.idle:
                continue
            more, found = self._evaluate_batch(dev.table, made)
            loss += more
            right += token_accuracy(made.labels, found, np.arange(len(made.words))[:, None] < made.lengths)
            if self.corpus.inner_scheme != "none":
                spans += self._spans(made, found)
        return loss, right, spans

    def _evaluate_batch(self, table: WordTable, made: SentenceBatch) -> tuple[LossCount, Array]:
        """The loss, unweighted and unsmoothed, and the predicted labels (time, batch)."""
        lengths, labels = self._tensor(made.lengths), self._tensor(made.labels)
        state = self.network.encoder.initial_state(made.words.shape[1])
        scores = self.network(table.read(made.words, self.device), lengths, state)
        if self.network.crf is not None:
            loss = self.network.crf.loss(scores, labels, lengths)
        else:
            loss = functional.cross_entropy(
                scores.flatten(0, 1), labels.flatten(), reduction="sum", ignore_index=-1
            )
        return LossCount(loss.item(), int((made.labels >= 0).sum())), self._decode(
            scores.cpu().numpy(), made.lengths
        )

    def _decode(self, scores: Array, lengths: Array) -> Array:
        if self.settings.model.decoder == "softmax":
            return argmax(scores)
        parts = constraint_scores(self.corpus.labels, self.corpus.inner_scheme)
        crf = self.network.crf
        if crf is not None:
            learned = (part.detach().cpu().numpy() for part in (crf.start, crf.transitions, crf.end))
            start, transitions, end = (fixed + more for fixed, more in zip(parts, learned, strict=True))
            parts = (start, transitions, end)
        return viterbi(scores, lengths, *parts)

    def _spans(self, made: SentenceBatch, found: Array) -> SpanCounts:
        """The spans of a batch with found labels (time, batch), both sides in the scheme of the files."""
        counts = SpanCounts()
        for column, place in enumerate(made.order):
            inner = [self.corpus.labels[number] for number in found[: made.lengths[column], column]]
            counts += SpanCounts.of(
                list(self.corpus.dev[place].labels),
                convert(inner, self.corpus.inner_scheme, self.corpus.scheme),
            )
        return counts

    def quality(self, train_loss: float, scores: Mapping[str, float]) -> float:
        """Span F1 where there are spans, else accuracy; without validation the lower training loss."""
        return scores.get("val_f1", scores.get("val_accuracy", -train_loss))

    # --- what is carried from batch to batch --------------------------------------------------------------------------

    def carried_state(self) -> dict[str, Tensor]:
        """Nothing is carried from sentence to sentence."""
        return {}

    def restore_carried_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing to take back."""
