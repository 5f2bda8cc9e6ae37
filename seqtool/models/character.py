"""Network of the character model: symbols in, a score for every symbol out, at each step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqtool.models.recurrent import Masks, RecurrentStack, State
from seqtool.models.weights import seed_generator
from seqtool.settings import CharModel, CharSettings


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
        if model.output == "linear":
            self.output = self._tied_output(model) if model.tied else nn.Linear(model.hidden_size, symbols)

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
            logits (time, batch, symbols) and the state after the last step.
        """
        if self.embedding is None:
            x = functional.one_hot(symbols, self.symbols).to(state[0][0].dtype)
        else:
            x = self.embedding(symbols)
        if self.condition is not None:
            of_sequence = self.condition(conditions).to(x.dtype)
            x = torch.cat([x, of_sequence.expand(len(x), -1, -1)], dim=2)
        y, state = self.encoder(x, state, masks)
        return self.scores(y), state

    def scores(self, y: Tensor) -> Tensor:
        """Apply the output layer: (…, hidden) to (…, symbols). Without one, return the hidden states."""
        if isinstance(self.output, OutputBias):
            assert self.embedding is not None
            y = y if self.bridge is None else self.bridge(y)
            return functional.linear(y, self.embedding.weight, self.output.bias)
        return y if self.output is None else self.output(y)


def build_character_network(settings: CharSettings, symbols: int, conditions: int = 0) -> CharacterNetwork:
    """Return a character network with new weights, drawn as `seed` and `seed_skip` determine."""
    seed_generator(settings.seed, settings.training.seed_skip)
    return CharacterNetwork(settings.model, symbols, conditions)
