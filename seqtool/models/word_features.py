"""From words to vectors: the embeddings of a word's features, side by side, and the dense layer on top of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqtool.models.recurrent import Direction
from seqtool.settings import Feature, RecurrentModel, TaggerModel

CHARACTER_FEATURES = ("char_cnn", "char_lstm")


@dataclass(frozen=True)
class WordInput:
    """The words of a padded batch, as numbers.

    Attributes:
        ids: (time, batch, look-up features): rows of the embeddings, -1 for an unseen value of a feature without unknown row.
        characters: (distinct words, longest): characters of the batch's distinct words, padded with -1; None without such features.
        character_lengths: (distinct words,).
        distinct: (time, batch): each token's place among the distinct words.
    """

    ids: Tensor
    characters: Tensor | None = None
    character_lengths: Tensor | None = None
    distinct: Tensor | None = None


class LookUp(nn.Module):
    """An embedding of a feature's values."""

    def __init__(self, rows: int, dim: int, unknown: bool, vectors: Tensor | None = None, frozen: bool = False) -> None:
        super().__init__()
        self.unknown = unknown
        table = nn.Embedding(rows, dim)
        self.weight = table.weight
        if vectors is not None:
            with torch.no_grad():
                self.weight.copy_(vectors)
            self.weight.requires_grad_(not frozen)

    def forward(self, ids: Tensor) -> Tensor:
        """Rows of the table (…, dim) for ids (…); the mean of all rows for -1."""
        if self.unknown:
            return functional.embedding(ids, self.weight)
        if self.training or bool((ids >= 0).all()):
            return functional.embedding(ids, self.weight)
        return functional.embedding(ids + 1, torch.cat([self.weight.mean(0, keepdim=True), self.weight]))


class CharacterConvolution(nn.Module):
    """A convolution over a word's characters, ReLU, and the maximum over its own positions (Ma and Hovy 2016)."""

    def __init__(self, feature: Feature, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, feature.char_dim)
        self.conv = nn.Conv1d(feature.char_dim, feature.dim, feature.width)
        self.width = feature.width

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """Characters (words, longest) with lengths (words,) to (words, dim)."""
        characters, lengths = _at_least(characters, lengths, self.width)
        x = self.embedding(characters.clamp(min=0)).transpose(1, 2)
        y = functional.relu(self.conv(x))  # (words, dim, positions)
        inside = torch.arange(y.shape[2], device=y.device) < (lengths - self.width + 1).unsqueeze(1)
        return (y * inside.unsqueeze(1)).amax(2)  # after ReLU nothing is below the zeros of positions outside the word


def _at_least(characters: Tensor, lengths: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Words of fewer characters than a filter is wide, lengthened by end marks (2)."""
    if characters.shape[1] < width:
        characters = functional.pad(characters, (0, width - characters.shape[1]), value=-1)
    steps = torch.arange(characters.shape[1], device=characters.device)
    short = (steps >= lengths.unsqueeze(1)) & (steps < width)
    return characters.masked_fill(short, 2), lengths.clamp(min=width)


class CharacterRecurrence(nn.Module):
    """The last states of an LSTM read over a word's characters in both directions (Lample et al. 2016)."""

    def __init__(self, feature: Feature, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, feature.char_dim)
        cell = RecurrentModel(cell="lstm", hidden_size=feature.dim)
        self.ahead = Direction(cell, feature.char_dim)
        self.back = Direction(cell, feature.char_dim)

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """Characters (words, longest) with lengths (words,) to (words, 2 * dim)."""
        from seqtool.models.recurrent import reorder, reversal

        x = self.embedding(characters.clamp(min=0)).transpose(0, 1)  # (time, words, dim)
        words = torch.arange(x.shape[1], device=x.device)
        zeros = x.new_zeros(x.shape[1], self.ahead.weight_hh.shape[1])
        ahead, _ = self.ahead(x, (zeros, zeros))
        back, _ = self.back(reorder(x, reversal(lengths, x.shape[0])), (zeros, zeros))
        return torch.cat([ahead[lengths - 1, words], back[lengths - 1, words]], dim=1)


class WordFeatures(nn.Module):
    """All features of the words of a batch, side by side.

    Attributes:
        width: of what comes out.
    """

    def __init__(self, features: tuple[Feature, ...], rows: list[int], characters: int, vectors: dict[int, Tensor]) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        self.width = 0
        self.lookups: list[int] = []
        self.readers: list[int] = []
        for index, feature in enumerate(features):
            if feature.name in CHARACTER_FEATURES:
                kind = CharacterConvolution if feature.name == "char_cnn" else CharacterRecurrence
                parts.append(kind(feature, characters))
                self.readers.append(index)
                self.width += feature.dim * (1 if feature.name == "char_cnn" else 2)
            else:
                parts.append(
                    LookUp(rows[index], feature.dim, feature.unknown or feature.name == "vectors", vectors.get(index), feature.frozen)
                )
                self.lookups.append(index)
                self.width += feature.dim
        self.parts = nn.ModuleList(parts)

    def forward(self, words: WordInput) -> Tensor:
        """(time, batch, width)."""
        found: dict[int, Tensor] = {}
        for column, index in enumerate(self.lookups):
            found[index] = self.parts[index](words.ids[:, :, column])
        for index in self.readers:
            assert words.distinct is not None
            read = self.parts[index](words.characters, words.character_lengths)
            found[index] = functional.embedding(words.distinct, read)
        return torch.cat([found[index] for index in range(len(self.parts))], dim=2)


class Projection(nn.Module):
    """The dense layer between features and recurrent layers: linear, layer norm, GELU in its tanh form."""

    def __init__(self, model: TaggerModel, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, model.projection)
        self.norm = nn.LayerNorm(model.projection) if model.layer_norm else None

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) to (…, projection)."""
        y = self.linear(x)
        return functional.gelu(y if self.norm is None else self.norm(y), approximate="tanh")
