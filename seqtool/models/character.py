"""The character model: symbols in, a score for every symbol out, at each step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqtool.models.recurrent import Masks, RecurrentStack, State
from seqtool.settings import CharModel


class CharacterNetwork(nn.Module):
    """Symbol input, recurrent stack, output layer (or the embedding again, for tied weights)."""

    def __init__(self, model: CharModel, symbols: int) -> None:
        super().__init__()
        self.model = model
        self.symbols = symbols
        onehot = model.input == "onehot"
        self.embedding = None if onehot else nn.Embedding(symbols, model.embedding_dim)
        self.input_size = symbols if onehot else model.embedding_dim
        self.encoder = RecurrentStack(model, self.input_size)
        linear = model.output == "linear"
        self.output = nn.Linear(model.hidden_size, symbols) if linear and not model.tied else None
        self.bridge: nn.Linear | None = None
        self.bias: nn.Parameter | None = None
        if linear and model.tied:
            if model.embedding_dim != model.hidden_size:
                self.bridge = nn.Linear(model.hidden_size, model.embedding_dim, bias=False)
            self.bias = nn.Parameter(torch.zeros(symbols))
            assert self.embedding is not None
            with torch.no_grad():  # scores of a tied layer start small, as those of a layer of its own do
                self.embedding.weight.mul_(model.embedding_dim**-0.5)

    def forward(self, symbols: Tensor, state: State, masks: Masks | None = None) -> tuple[Tensor, State]:
        """Scores of the next (or the aligned) symbol.

        Args:
            symbols: (time, batch) of symbol numbers.
            state: of the stack, see `RecurrentStack.initial_state`.

        Returns:
            logits (time, batch, symbols) and the state after the last step.
        """
        if self.embedding is None:
            x = functional.one_hot(symbols, self.symbols).to(self.encoder.layers[0].ahead.weight_ih.dtype)  # type: ignore[union-attr, arg-type]
        else:
            x = self.embedding(symbols)
        y, state = self.encoder(x, state, masks)
        return self.scores(y), state

    def scores(self, y: Tensor) -> Tensor:
        """The output layer: (…, hidden) to (…, symbols)."""
        if self.output is not None:
            return self.output(y)  # type: ignore[no-any-return]
        if self.bias is None:
            return y
        assert self.embedding is not None
        return functional.linear(y if self.bridge is None else self.bridge(y), self.embedding.weight, self.bias)
