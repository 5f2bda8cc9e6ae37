"""The character model: symbols in, a score for every symbol out, at each step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqtool.models.recurrent import Masks, RecurrentStack, State
from seqtool.settings import CharModel


class TiedOutput(nn.Module):
    """What a tied output layer has of its own: the bias of each symbol's score."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(symbols))


class CharacterNetwork(nn.Module):
    """Symbol input, recurrent stack, output layer (or the embedding again: tied weights, Press and Wolf 2017)."""

    def __init__(self, model: CharModel, symbols: int) -> None:
        """Args: symbols: how many the vocabulary has. Weights are drawn from torch's generator, from the input upwards."""
        super().__init__()
        self.model = model
        self.symbols = symbols
        onehot = model.input == "onehot"
        self.embedding = None if onehot else nn.Embedding(symbols, model.embedding_dim)
        self.encoder = RecurrentStack(model, symbols if onehot else model.embedding_dim)
        self.bridge: nn.Linear | None = None
        self.output: nn.Linear | TiedOutput | None = None
        if model.output == "linear":
            self.output = self._tied_output(model) if model.tied else nn.Linear(model.hidden_size, symbols)

    def _tied_output(self, model: CharModel) -> TiedOutput:
        """Take the embedding as output weights, and a bridge to its width where that is not the hidden size."""
        assert self.embedding is not None
        if model.embedding_dim != model.hidden_size:
            self.bridge = nn.Linear(model.hidden_size, model.embedding_dim, bias=False)
        with torch.no_grad():  # scores then start small, as those of an output layer of its own do
            self.embedding.weight.mul_(model.embedding_dim**-0.5)
        return TiedOutput(self.symbols)

    def forward(self, symbols: Tensor, state: State, masks: Masks | None = None) -> tuple[Tensor, State]:
        """Scores of the next (or the aligned) symbol.

        Args:
            symbols: (time, batch) of symbol numbers.
            state: of the stack, see `RecurrentStack.initial_state`.
            masks: dropout of this step.

        Returns:
            logits (time, batch, symbols) and the state after the last step.
        """
        if self.embedding is None:
            x = functional.one_hot(symbols, self.symbols).to(state[0][0].dtype)
        else:
            x = self.embedding(symbols)
        y, state = self.encoder(x, state, masks)
        return self.scores(y), state

    def scores(self, y: Tensor) -> Tensor:
        """The output layer: (…, hidden) to (…, symbols); without one, the states themselves."""
        if isinstance(self.output, TiedOutput):
            assert self.embedding is not None
            return functional.linear(
                y if self.bridge is None else self.bridge(y), self.embedding.weight, self.output.bias
            )
        return y if self.output is None else self.output(y)
