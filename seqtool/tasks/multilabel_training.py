"""Training and validation of a tagger with several labels: weighted sum of losses, scores of each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqtool.data.batches import SentenceBatch, SentenceBatches
from seqtool.data.tagging.known_lemmas import without_frequent
from seqtool.data.tagging.label_columns import LabelColumn
from seqtool.data.tagging.lemma_scripts import apply_script
from seqtool.decoding import constraint_scores, log_softmax
from seqtool.evaluation.label_columns import ALL_TAGS
from seqtool.inference.encoder import Packing
from seqtool.inference.label_columns import ColumnDecoder, LabelCombinations, LemmaChoice
from seqtool.metrics import LossCount, Tally
from seqtool.models.tagger import TaggerNetwork
from seqtool.settings.experiment import TaggerSettings
from seqtool.tasks.tagger_training import EVALUATION_WORDS, EncodedSentences, TaggingTask
from seqtool.tasks.word_table import WordTable
from seqtool.training.engine.ranks import ALONE, Ranks
from seqtool.training.engine.task import ShouldStop, check_stop, evaluation_mode, stop_together
from seqtool.types import Array

if TYPE_CHECKING:
    from seqtool.data.tagging.corpus import TaggedCorpus
    from seqtool.data.tagging.split import Sentence

FURTHER_WEIGHT = 0.3  # of every label except the first; equal weights cost the first label 0.1 to 0.7 points
TOGETHER = 0.5  # share of the loss of combinations in the loss of the labels that are scored together
UNKNOWN_COMBINATION = -1


class MultiLabelTask(TaggingTask):
    """Batches, loss and evaluation of a tagger with several labels; a `TrainingTask`.

    The loss is the weighted sum of the cross-entropies of all labels. Of the labels that are scored together,
    half of the weight goes to the cross-entropy of the combination, with the weight of the first label.
    """

    def __init__(
        self,
        network: TaggerNetwork,
        corpus: TaggedCorpus,
        settings: TaggerSettings,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        """Move the network to the device and encode the training sentences; errors as `TaggingTask`."""
        assert corpus.columns is not None
        self._columns = corpus.columns
        self._numbers = {row: number for number, row in enumerate(corpus.columns.combinations)}
        self._column_weights = column_weights(
            settings.training.label_weights, [column.name for column in corpus.columns.columns]
        )
        self._tags = [index for index, column in enumerate(corpus.columns.columns) if column.kind == "label"]
        super().__init__(network, corpus, settings, device, ranks)

    def _encode(self, sentences: Sequence[Sentence]) -> EncodedSentences:
        table, words = WordTable.of(sentences, self.corpus.encoder, self.settings.model.word_replacement)
        return EncodedSentences(table, words, list(self._columns.encode(sentences)))

    def _encode_training(self) -> EncodedSentences:
        encoded, column = super()._encode_training(), self._columns.lemma
        if column is None:
            return encoded
        labels = without_frequent(self.corpus.lemmas, self.corpus.train, encoded.labels, column.index)
        return replace(encoded, labels=labels)

    # --- training -------------------------------------------------------------------------------------------

    def loss(self, batch: SentenceBatch, index: int, draw: int) -> Tensor:  # noqa: ARG002 - an argument of the interface
        """Return the weighted sum of the cross-entropies in nats; see `TaggingTask.loss`."""
        lemma = self._columns.lemma
        places = None if lemma is None else np.flatnonzero(batch.labels[..., lemma.index] >= 0)
        chosen = None if places is None else self._tensor(places)
        scores = self.network.column_scores(*self._network_input(batch, draw), chosen)
        loss = scores[0].new_zeros(())
        for column, (part, weight) in enumerate(zip(scores, self._column_weights, strict=True)):
            share = 1 - TOGETHER if column in self._columns.combined else 1.0
            labels = batch.labels[..., column].reshape(-1)
            if lemma is not None and column == lemma.index:
                labels = labels[places]
            loss = loss + weight * share * self._cross_entropy(part.flatten(0, -2), labels)
        if self._columns.combined:
            assert self.network.heads is not None
            together = self.network.heads.combination_scores(scores)
            weight = self._column_weights[0] * TOGETHER
            numbers = self._combinations(batch.labels)[None]
            loss = loss + weight * self._cross_entropy(together[None], numbers)
        return loss * 0 if batch.columns.idle else loss

    def _cross_entropy(self, scores: Tensor, labels: Array) -> Tensor:
        """Return the summed cross-entropy of scores (words, labels) and label numbers (words,).

        With combinations instead, the shapes are (1, combinations, words) and (1, words).
        """
        return functional.cross_entropy(
            scores,
            self._tensor(np.ascontiguousarray(labels)),
            reduction="sum",
            ignore_index=-1,
            label_smoothing=self.settings.training.label_smoothing,
        )

    def _combinations(self, labels: Array) -> Array:
        """Return the number of each word's combination (time * batch,); -1 for padding."""
        rows = labels[..., self._columns.combined].reshape(-1, len(self._columns.combined)).tolist()
        numbers = [self._numbers.get(tuple(row), UNKNOWN_COMBINATION) for row in rows]
        return np.array(numbers, np.int64)

    # --- validation -----------------------------------------------------------------------------------------

    def evaluate(self, should_stop: ShouldStop) -> dict[str, float]:
        """Return the loss of the first label, the accuracy of each label, and of all but the lemma together.

        The loss is in nats per token whose label occurs in training.

        Raises:
            StopEvaluation: a stop was requested on any rank.
        """
        if self._dev is None:
            self._dev = self._encode(self.corpus.dev)
        with evaluation_mode(self.network), stop_together(self.ranks, should_stop) as stop:
            loss, tallies = self._evaluate_columns(self._dev, stop)
        sums = (value for tally in tallies for value in (tally.right, tally.total))
        total, count, *counts = self.ranks.sums(loss.total, loss.count, *sums)
        accuracies = [
            Tally(int(right), int(tokens)).accuracy or 0.0
            for right, tokens in zip(counts[::2], counts[1::2], strict=True)
        ]
        names = ["val_accuracy", *(f"val_accuracy_{column.name}" for column in self._columns.columns[1:])]
        if len(self._tags) > 1:
            names.append(f"val_accuracy_{ALL_TAGS}")
        scores = zip(names, accuracies, strict=False)
        return {"val_loss": LossCount(total, int(count)).mean or 0.0, **dict(scores)}

    def _evaluate_columns(
        self, dev: EncodedSentences, should_stop: ShouldStop
    ) -> tuple[LossCount, list[Tally]]:
        """Count the loss, and the correct labels of each column and of all, in this rank's sentences."""
        batches = SentenceBatches(dev.words, dev.labels, 1, EVALUATION_WORDS, 0, False, self.ranks.shard)
        decoder, loss = self._decoder(), LossCount()
        tallies = [Tally() for _ in range(len(self._columns.columns) + 1)]
        for index in range(batches.steps(0)):
            check_stop(should_stop)
            batch = batches.batch(0, index)
            if batch.columns.idle:
                continue
            packing = Packing.of(batch.lengths)
            first, numbers = decoder.decode(self._packed_scores(dev.table, batch, packing), packing)
            self._use_known_lemmas(batch, packing, numbers)
            gold = batch.labels[packing.steps, packing.columns, 0]
            inside = np.flatnonzero(gold >= 0)
            loss += LossCount(-float(log_softmax(first)[inside, gold[inside]].sum()), len(inside))
            right, scored = self._correct(batch, packing, numbers)
            for column, (hits, asked) in enumerate(zip(right.T, scored.T, strict=True)):
                tallies[column] += Tally(int(hits.sum()), int(asked.sum()))
            tallies[-1] += Tally(int(right[:, self._tags].all(1).sum()), len(right))
        return loss, tallies

    def _packed_scores(self, table: WordTable, batch: SentenceBatch, packing: Packing) -> list[Array]:
        """Return the scores of each column by place (total, labels)."""
        state = self.network.encoder.initial_state(batch.words.shape[1])
        words, lengths = table.read(batch.words, self.device), self._tensor(batch.lengths)
        scores = self.network.column_scores(words, lengths, state)
        return [part.cpu().numpy()[packing.steps, packing.columns] for part in scores]

    def _use_known_lemmas(self, batch: SentenceBatch, packing: Packing, numbers: Array) -> None:
        """Set the scripts of known words, as inference does."""
        column, lemmas = self._columns.lemma, self.corpus.lemmas
        if column is None or not lemmas:
            return
        dev = self.corpus.dev
        places = zip(batch.order[packing.columns].tolist(), packing.steps.tolist(), strict=True)
        forms = (dev[sentence].tokens[step] for sentence, step in places)
        LemmaChoice(column.index, lemmas).apply(numbers, forms)

    def _decoder(self) -> ColumnDecoder:
        """Return the decoder with the present biases of the combinations."""
        constraints = tuple(
            None if column.inner_scheme == "none" else constraint_scores(column.labels, column.inner_scheme)
            for column in self._columns.columns
        )
        heads = self.network.heads
        if heads is None or heads.combinations is None:
            return ColumnDecoder(constraints)
        bias = heads.combinations.detach().cpu().numpy()
        combinations = LabelCombinations(np.array(self._columns.combinations, np.int64), bias)
        return ColumnDecoder(constraints, self._columns.combined, combinations)

    def _correct(self, batch: SentenceBatch, packing: Packing, numbers: Array) -> tuple[Array, Array]:
        """Return which labels are correct, and which are scored, both (total, columns)."""
        gold = batch.labels[packing.steps, packing.columns]
        right, scored = numbers == gold, np.ones(gold.shape, bool)
        for index, column in enumerate(self._columns.columns):
            if column.kind == "lemma":
                self._correct_lemmas(
                    batch, packing, column, numbers[:, index], right[:, index], scored[:, index]
                )
        return right, scored

    def _correct_lemmas(
        self,
        batch: SentenceBatch,
        packing: Packing,
        column: LabelColumn,
        numbers: Array,
        right: Array,
        scored: Array,
    ) -> None:
        """Compare lemmas instead of their scripts, where these differ; a missing lemma is not scored."""
        for place in np.flatnonzero(~right).tolist():
            sentence = self.corpus.dev[batch.order[packing.columns[place]]]
            step = packing.steps[place]
            lemma = sentence.column(column.index)[step]
            scored[place] = lemma != "_"
            right[place] = (
                scored[place] and apply_script(column.labels[numbers[place]], sentence.tokens[step]) == lemma
            )

    def quality(self, train_loss: float, scores: Mapping[str, float]) -> float:
        """Return the mean of the accuracies; without validation, minus the training loss."""
        accuracies = [value for name, value in scores.items() if name.startswith("val_accuracy")]
        return sum(accuracies) / len(accuracies) if accuracies else -train_loss


def column_weights(setting: str | Mapping[str, float], names: Sequence[str]) -> list[float]:
    """Return the weight of each label in the loss: as set, else 1 for the first and 0.3 for the others."""
    weights = {} if isinstance(setting, str) else setting
    return [weights.get(name, FURTHER_WEIGHT if index else 1.0) for index, name in enumerate(names)]
