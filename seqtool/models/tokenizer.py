"""Network of the tokenizer: the characters of a text in, a score for each class of boundary out.

The embeddings of a character and of its class pass a convolution over neighboring characters, and then the
recurrent layers in both directions.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqtool.models.recurrent import Masks, RecurrentStack, State, reversal
from seqtool.models.weights import seed_generator
from seqtool.settings.model import TokenizerModel
from seqtool.types import Array


class TokenizerNetwork(nn.Module):
    """Embeddings, convolution, ReLU, recurrent layers in both directions, and an output layer.

    Attributes:
        class_of_symbol: class of each symbol (symbols,); not a weight.
    """

    class_of_symbol: Tensor

    def __init__(self, model: TokenizerModel, classes: Array, outputs: int) -> None:
        """Draw the weights from torch's global generator.

        Args:
            model: the settings.
            classes: class of each symbol (symbols,).
            outputs: number of scores for each character.
        """
        super().__init__()
        self.model = model
        self.register_buffer("class_of_symbol", torch.from_numpy(classes), persistent=False)
        self.embedding = nn.Embedding(len(classes), model.embedding_dim)
        self.classes = nn.Embedding(int(classes.max()) + 1, model.class_dim)
        width = model.embedding_dim + model.class_dim
        self.conv = nn.Conv1d(width, model.filters, model.width)
        self.encoder = RecurrentStack(model, model.filters, bidirectional=True)
        self.output = nn.Linear(self.encoder.width, outputs)

    def forward(self, symbols: Tensor, lengths: Tensor, state: State, masks: Masks | None = None) -> Tensor:
        """Return the scores (time, batch, outputs) of padded windows.

        Args:
            symbols: symbol numbers (time, batch), padded with 0, the number of a position outside the text.
            lengths: characters of each window (batch,).
            state: initial state of the recurrent layers.
            masks: dropout of this step; the input mask applies to the output of the convolution.
        """
        around = self.model.width // 2
        symbols = functional.pad(symbols, (0, 0, around, around))  # 0 is a position outside the text
        embedded = torch.cat([self.embedding(symbols), self.classes(self.class_of_symbol[symbols])], dim=2)
        x = functional.relu(self.conv(embedded.permute(1, 2, 0))).permute(2, 0, 1)
        if masks is not None and masks.input is not None:
            x = x * masks.input
            masks = replace(masks, input=None)
        y, _ = self.encoder(x, state, masks, reversal(lengths, x.shape[0]))
        return self.output(y)  # type: ignore[no-any-return]


def build_tokenizer_network(
    model: TokenizerModel, classes: Array, outputs: int, seed: int, seed_skip: int = 0
) -> TokenizerNetwork:
    """Build the network with random weights; the arguments are those of the class and of the seed."""
    seed_generator(seed, seed_skip)
    return TokenizerNetwork(model, classes, outputs)
