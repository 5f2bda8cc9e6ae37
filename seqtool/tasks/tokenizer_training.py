"""Training and validation of a tokenizer: batches of windows, losses per character, scores of raw text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqtool.data.tokenization.boundaries import CLASSES
from seqtool.data.tokenization.characters import CLASS_COUNT, plain_text
from seqtool.data.tokenization.windows import WindowBatch, WindowBatches
from seqtool.decoding import log_softmax
from seqtool.evaluation.raw_text import raw_text_scores
from seqtool.evaluation.tokenizer import gold_document, system_document
from seqtool.inference.tokenizer import TokenizerModel
from seqtool.inference.tokenizer_config import TokenizerConfig, TokenizerVocabulary
from seqtool.metrics import LossCount
from seqtool.models.recurrent import flatten_parameters
from seqtool.models.tokenizer import TokenizerNetwork
from seqtool.models.weights import copy_to_device, weight_arrays
from seqtool.settings.experiment import TokenizerSettings
from seqtool.training.engine.ranks import ALONE, Ranks, select_columns
from seqtool.training.engine.rng import generator, initial_state, stack_masks
from seqtool.training.engine.task import ShouldStop, check_divisible, check_stop, stop_together
from seqtool.types import Array

if TYPE_CHECKING:
    from seqtool.data.tokenization.corpus import TokenizerCorpus


class TokenizingTask:
    """Batches, loss and evaluation of a tokenizer; a `TrainingTask`.

    Attributes:
        network: on its device, in training mode.
        corpus: the encoded data.
        settings: settings of the run.
        device: device of the network.
        ranks: the processes that train together.
        has_validation: whether there are development paragraphs.
    """

    def __init__(
        self,
        network: TokenizerNetwork,
        corpus: TokenizerCorpus,
        settings: TokenizerSettings,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        """Move the network to the device and encode the training text.

        Raises:
            ConfigError: a batch has fewer windows than there are ranks.
        """
        self.network = flatten_parameters(network.to(device)).train()
        self.ranks = ranks
        self.corpus = corpus
        self.settings = settings
        self.device = device
        self.has_validation = bool(corpus.dev)
        training = settings.training
        check_divisible(training.batch_size, ranks, "windows")
        sizes = training.window, training.batch_size
        text = corpus.encode(corpus.train)
        self._batches = WindowBatches(text, *sizes, settings.seed, training.shuffle, ranks.shard)
        self._gold = gold_document(corpus.dev)

    # --- training -------------------------------------------------------------------------------------------

    def batches(self, epoch: int) -> int:
        """Return the number of batches in an epoch."""
        return self._batches.steps(epoch)

    def batch(self, epoch: int, index: int) -> tuple[WindowBatch, int]:
        """Return this rank's windows as a padded batch, and the number of characters of all ranks."""
        batch = self._batches.batch(epoch, index)
        return batch, batch.items

    def loss(self, batch: WindowBatch, index: int, draw: int) -> Tensor:  # noqa: ARG002 - an argument of the interface
        """Return the cross-entropy of the classes and of the sentence ends in nats, summed.

        Args:
            batch: this rank's windows.
            index: not used: a tokenizer carries no state within an epoch.
            draw: number of earlier batches in the whole run; it keys the random draws.
        """
        seed, columns, encoder = self.settings.seed, batch.columns, self.network.encoder
        symbols = self._tensor(self._hide(batch, draw))
        masks = stack_masks(encoder, columns.width, encoder.input_size, seed, draw, columns)
        state = initial_state(encoder, columns.width, seed, draw, columns)
        scores = self.network(symbols, self._tensor(batch.lengths), state, masks)
        loss = functional.cross_entropy(
            scores[..., :CLASSES].flatten(0, 1),
            self._tensor(batch.classes).flatten(),
            reduction="sum",
            ignore_index=-1,
            label_smoothing=self.settings.training.label_smoothing,
        )
        at_ends = np.flatnonzero(batch.sentences.ravel() >= 0)
        loss = loss + functional.binary_cross_entropy_with_logits(
            scores[..., CLASSES].flatten()[self._tensor(at_ends)],
            self._tensor(batch.sentences.ravel()[at_ends]).to(scores.dtype),
            reduction="sum",
        )
        return loss * 0 if columns.idle else loss

    def _hide(self, batch: WindowBatch, draw: int) -> Array:
        """Replace characters by the unknown character of their class, with probability `unknown`."""
        probability, columns = self.settings.model.unknown, batch.columns
        if not probability:
            return batch.symbols
        window = self.settings.training.window
        chances = torch.rand(
            (window, columns.width), generator=generator(self.settings.seed, "unknown characters", draw)
        )
        hidden = select_columns(chances, columns, 1).numpy()[: len(batch.symbols)] < probability
        classes = self.corpus.characters.classes[batch.symbols]
        symbols: Array = np.where(hidden & (batch.symbols >= CLASS_COUNT), classes, batch.symbols)
        return symbols

    def _tensor(self, array: Array) -> Tensor:
        return copy_to_device(torch.from_numpy(array), self.device)

    # --- validation -----------------------------------------------------------------------------------------

    def evaluate(self, should_stop: ShouldStop) -> dict[str, float]:
        """Return the loss in nats per character, and F1 of tokens, sentences and words of the dev text.

        The network of `inference` computes the scores, on every rank alike.

        Raises:
            StopEvaluation: a stop was requested on any rank.
        """
        corpus = self.corpus
        config = TokenizerConfig(self.settings.model, corpus.inner_spaces)
        vocabulary = TokenizerVocabulary(corpus.characters, corpus.expansions)
        model = TokenizerModel(config, vocabulary, weight_arrays(self.network))
        with stop_together(self.ranks, should_stop) as stop:
            check_stop(stop)
            texts = [paragraph.text for paragraph in corpus.dev]
            scores = model.scores([plain_text(text) for text in texts])
            loss = self._loss_of(scores)
            check_stop(stop)
            counts = raw_text_scores(self._gold, system_document(model.decode(texts, scores)))
        return {
            "val_loss": loss.mean or 0.0,
            "val_token_f1": counts["Tokens"].f1,
            "val_sentence_f1": counts["Sentences"].f1,
            "val_word_f1": counts["Words"].f1,
        }

    def _loss_of(self, scores: Sequence[Array]) -> LossCount:
        """Return the loss of the dev text, without label smoothing."""
        text = self.corpus.encode(self.corpus.dev)
        joined = np.concatenate(scores).astype(np.float64)
        trained = np.flatnonzero(text.classes >= 0)
        likely = log_softmax(joined[trained, :CLASSES])[np.arange(len(trained)), text.classes[trained]]
        ends = np.flatnonzero(text.sentences >= 0)
        signed = np.where(text.sentences[ends] == 1, 1, -1) * joined[ends, CLASSES]
        return LossCount(float(np.logaddexp(0, -signed).sum() - likely.sum()), len(joined))

    def quality(self, train_loss: float, scores: Mapping[str, float]) -> float:
        """Return the sum of the F1 of tokens and sentences; without validation, minus the training loss."""
        if "val_token_f1" not in scores:
            return -train_loss
        return scores["val_token_f1"] + scores["val_sentence_f1"]

    # --- state carried from batch to batch ------------------------------------------------------------------

    def carried_state(self) -> dict[str, Tensor]:
        """Return nothing: a tokenizer carries no state from window to window."""
        return {}

    def restore_carried_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Do nothing: there is no carried state."""
