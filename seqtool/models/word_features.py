"""From words to vectors: the embeddings of a word's features, side by side.

What a word's characters say is worked out once for each distinct word of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqtool.models.recurrent import Direction, add_directions, reorder, reversal
from seqtool.settings import Feature, RecurrentModel

CHARACTER_FEATURES = ("char_cnn", "char_lstm")
END = 2  # number of the mark behind a word's last character


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
    """An embedding of a feature's values.

    Rows are drawn from N(0, scale²), unless they come from a file. A row that is hardly ever trained stays about what it was
    drawn: if that is small, a rare value says little rather than something random.
    """

    def __init__(
        self, feature: Feature, rows: int, vectors: Tensor | None = None, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.randn(rows, feature.dim) * scale
            if vectors is None
            else vectors.to(torch.float32, copy=True)
        )
        self.weight.requires_grad_(not (feature.name == "vectors" and feature.frozen))
        self.has_unknown_row = feature.unknown or feature.name == "vectors"

    def forward(self, ids: Tensor) -> Tensor:
        """Rows of the table (…, dim) for ids (…); the mean of all rows for -1."""
        if self.has_unknown_row or (
            not ids.is_cuda and bool((ids >= 0).all())
        ):  # asking a GPU would mean to wait for it
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
        outside = torch.arange(y.shape[2], device=y.device) >= (lengths - self.width + 1).unsqueeze(1)
        return y.masked_fill(outside.unsqueeze(1), 0.0).amax(
            2
        )  # after ReLU a 0 is never more than the maximum


def _at_least(characters: Tensor, lengths: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Words of fewer characters than a filter is wide, lengthened by end marks."""
    if characters.shape[1] < width:
        characters = functional.pad(characters, (0, width - characters.shape[1]), value=-1)
    steps = torch.arange(characters.shape[1], device=characters.device)
    short = (steps >= lengths.unsqueeze(1)) & (steps < width)
    return characters.masked_fill(short, END), lengths.clamp(min=width)


class CharacterRecurrence(nn.Module):
    """The last states of an LSTM read over a word's characters in both directions (Lample et al. 2016)."""

    def __init__(self, feature: Feature, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, feature.char_dim)
        cell = RecurrentModel(cell="lstm", hidden_size=feature.dim)
        self.directions = [Direction(cell, feature.char_dim) for _ in range(2)]
        self.dim = feature.dim
        add_directions(self, self.directions)

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """Characters (words, longest) with lengths (words,) to (words, 2 * dim)."""
        x = self.embedding(characters.clamp(min=0)).transpose(0, 1)  # (time, words, char_dim)
        places = torch.arange(x.shape[1], device=x.device)
        zeros = x.new_zeros(x.shape[1], self.dim)
        ahead, _ = self.directions[0](x, (zeros, zeros))
        back, _ = self.directions[1](reorder(x, reversal(lengths, x.shape[0])), (zeros, zeros))
        return torch.cat([ahead[lengths - 1, places], back[lengths - 1, places]], dim=1)


class WordFeatures(nn.Module):
    """All features of the words of a batch, side by side; feature i is the submodule named i.

    Attributes:
        width: of what comes out.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        rows: Sequence[int],
        characters: int,
        vectors: Mapping[int, Tensor],
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.parts: list[LookUp | CharacterConvolution | CharacterRecurrence] = []
        self.width = 0
        for index, feature in enumerate(features):
            if feature.name == "char_cnn":
                self.parts.append(CharacterConvolution(feature, characters))
            elif feature.name == "char_lstm":
                self.parts.append(CharacterRecurrence(feature, characters))
            else:
                self.parts.append(LookUp(feature, rows[index], vectors.get(index), scale))
            self.width += feature.dim * (2 if feature.name == "char_lstm" else 1)
            self.add_module(str(index), self.parts[-1])

    def forward(self, words: WordInput) -> Tensor:
        """(time, batch, width)."""
        found, column = [], 0
        for part in self.parts:
            if isinstance(part, LookUp):
                found.append(part(words.ids[:, :, column]))
                column += 1
            else:
                assert words.distinct is not None
                found.append(
                    functional.embedding(words.distinct, part(words.characters, words.character_lengths))
                )
        return torch.cat(found, dim=2)
