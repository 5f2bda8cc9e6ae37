"""Network of the character model: symbols in, a score for every symbol out, at each step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqtool.models.adaptive import adaptive_log_probabilities, adaptive_loss
from seqtool.models.recurrent import Masks, RecurrentStack, State
from seqtool.models.weights import seed_generator
from seqtool.settings.experiment import CharSettings
from seqtool.settings.model import CharModel


def summed_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy in nats, summed over all targets.

    Args:
        logits: scores of the symbols (time, batch, symbols).
        targets: symbol numbers (time, batch); -1 is not counted.
        smoothing: share of the target probability that is spread over all symbols.
    """
    return functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="sum", ignore_index=-1, label_smoothing=smoothing
    )


class OutputBias(nn.Module):
    """Bias of each symbol's score: the only own weight of an output layer that is tied to the embedding."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(symbols))


class CharacterNetwork(nn.Module):
    """Symbol input, recurrent stack and output layer.

    With tied weights the output layer uses the embedding matrix (Press and Wolf 2017). A network of lines
    with conditions reads the embedding of the line's condition after that of each symbol.
    """

    def __init__(self, model: CharModel, symbols: int, conditions: int = 0) -> None:
        """Draw the weights from torch's global generator, from the input upwards.

        Args:
            model: the settings.
            symbols: size of the vocabulary.
            conditions: number of conditions; 0 for a network without conditions.
        """
        super().__init__()
        self.model = model
        self.symbols = symbols
        onehot = model.input == "onehot"
        self.embedding = None if onehot else nn.Embedding(symbols, model.embedding_dim)
        self.condition = nn.Embedding(conditions, model.condition_dim) if conditions else None
        width = symbols if onehot else model.embedding_dim
        self.encoder = RecurrentStack(model, width + (model.condition_dim if conditions else 0))
        self.bridge: nn.Linear | None = None
        self.output: nn.Linear | OutputBias | None = None
        self.clusters: nn.Linear | None = None
        self.bounds = model.output_bounds(symbols)
        if model.output != "none":
            self.output = self._tied_output(model) if model.tied else nn.Linear(model.hidden_size, symbols)
        if len(self.bounds) > 1:
            width = model.embedding_dim if model.tied else model.hidden_size
            self.clusters = nn.Linear(width, len(self.bounds) - 1)

    def _tied_output(self, model: CharModel) -> OutputBias:
        """Prepare the embedding as output matrix, with a bridge if its width differs from the hidden size.

        The embedding is scaled down, so that the first scores are as small as those of a separate output
        layer.
        """
        assert self.embedding is not None
        if model.embedding_dim != model.hidden_size:
            self.bridge = nn.Linear(model.hidden_size, model.embedding_dim, bias=False)
        with torch.no_grad():
            self.embedding.weight.mul_(model.embedding_dim**-0.5)
        return OutputBias(self.symbols)

    def forward(
        self, symbols: Tensor, state: State, masks: Masks | None = None, conditions: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Score the next symbol, or the aligned one, at each step.

        Args:
            symbols: symbol numbers (time, batch).
            state: of the recurrent stack, see `RecurrentStack.initial_state`.
            masks: dropout of this step.
            conditions: condition number of each sequence (batch,), for a network with conditions.

        Returns:
            logits (time, batch, symbols) and the state after the last step. Those of an adaptive output are
            log probabilities.
        """
        y, state = self.read(symbols, state, masks, conditions)
        return self.scores(y), state

    def read(
        self, symbols: Tensor, state: State, masks: Masks | None = None, conditions: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Return the output of the recurrent layers (time, batch, hidden), and the state; see `forward`."""
        if self.embedding is None:
            x = functional.one_hot(symbols, self.symbols).to(state[0][0].dtype)
        else:
            x = self.embedding(symbols)
        if masks is not None and masks.symbols is not None:
            x = x * masks.symbols[symbols]
        if self.condition is not None:
            of_sequence = self.condition(conditions).to(x.dtype)
            x = torch.cat([x, of_sequence.expand(len(x), -1, -1)], dim=2)
        return self.encoder(x, state, masks)  # type: ignore[no-any-return]

    def scores(self, y: Tensor) -> Tensor:
        """Apply the output layer: (…, hidden) to (…, symbols). Without one, return the hidden states."""
        if self.output is None:
            return y
        y = y if self.bridge is None else self.bridge(y)
        scores = functional.linear(y, *self._output_weights())
        return scores if self.clusters is None else self._log_probabilities(scores, y)

    def _log_probabilities(self, scores: Tensor, y: Tensor) -> Tensor:
        assert self.clusters is not None
        return adaptive_log_probabilities(scores, self.clusters(y), self.bounds)

    def _output_weights(self) -> tuple[Tensor, Tensor]:
        """Return the output matrix (symbols, width) and the bias of each symbol."""
        if isinstance(self.output, OutputBias):
            assert self.embedding is not None
            return self.embedding.weight, self.output.bias
        assert self.output is not None
        return self.output.weight, self.output.bias

    def loss(self, y: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the cross-entropy in nats, summed over all targets.

        Args:
            y: output of the recurrent layers (time, batch, hidden).
            targets: symbol numbers (time, batch); -1 is not counted.
            smoothing: share of the target probability that is spread over all symbols, without clusters.
        """
        if self.clusters is None:
            return summed_cross_entropy(self.scores(y), targets, smoothing)
        y = (y if self.bridge is None else self.bridge(y)).flatten(0, 1)
        return adaptive_loss(y, targets.flatten(), *self._output_weights(), self.clusters(y), self.bounds)


def build_character_network(settings: CharSettings, symbols: int, conditions: int = 0) -> CharacterNetwork:
    """Return a character network with new weights, drawn as `seed` and `seed_skip` determine."""
    seed_generator(settings.seed, settings.training.seed_skip)
    return CharacterNetwork(settings.model, symbols, conditions)
