"""Network of the tagger: the words of padded sentences in, a score for every label out, at each word.

The first layer puts the embeddings of a word's features next to each other. Features that are computed from a
word's characters are computed once for each distinct word of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from seqtool.models.crf import AllowedLabels, Crf
from seqtool.models.label_heads import HeadSizes, LabelHeads
from seqtool.models.recurrent import (
    Direction,
    Masks,
    RecurrentStack,
    State,
    add_directions,
    reversal,
    run_directions,
)
from seqtool.models.weights import seed_generator
from seqtool.settings.experiment import TaggerSettings
from seqtool.settings.model import Feature, RecurrentModel, TaggerModel, feature_list
from seqtool.types import Array

CHARACTER_FEATURES = ("char_cnn", "char_lstm")
END = 2  # number of the end mark, which follows a word's last character


# --- word features ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WordInput:
    """Words of a padded batch, as numbers.

    Attributes:
        ids: rows of the embeddings (time, batch, look-up features); -1 for an unseen value of a feature that
            has no unknown row.
        characters: characters of the batch's distinct words (distinct words, longest), padded with -1; None
            without such features.
        character_lengths: number of characters (distinct words,).
        distinct: index of each token among the distinct words (time, batch).
    """

    ids: Tensor
    characters: Tensor | None = None
    character_lengths: Tensor | None = None
    distinct: Tensor | None = None


class FeatureEmbedding(nn.Module):
    """Embedding of a feature's values.

    Rows are drawn from N(0, scale²), unless there are pretrained vectors. Training changes the row of a rare
    value only slightly. With a small scale such a row has little influence.
    """

    def __init__(
        self, feature: Feature, rows: int, vectors: Tensor | None = None, scale: float = 1.0
    ) -> None:
        super().__init__()
        if vectors is None:
            table = torch.randn(rows, feature.dim) * scale
        else:
            table = vectors.to(torch.float32, copy=True)
        self.weight = nn.Parameter(table)
        self.weight.requires_grad_(not (feature.name == "vectors" and feature.frozen))
        self.has_unknown_row = feature.unknown or feature.name == "vectors"

    def forward(self, ids: Tensor) -> Tensor:
        """Look up rows (…, dim) for ids (…); -1 gives the mean of all rows.

        On a GPU the ids are not checked for -1, since the host would wait for the answer.
        """
        if self.has_unknown_row or (not ids.is_cuda and bool((ids >= 0).all())):
            return functional.embedding(ids, self.weight)
        return functional.embedding(ids + 1, torch.cat([self.weight.mean(0, keepdim=True), self.weight]))


class CharacterCnn(nn.Module):
    """Convolution over a word's characters, ReLU, and maximum over the positions (Ma and Hovy 2016)."""

    def __init__(self, feature: Feature, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, feature.char_dim)
        self.conv = nn.Conv1d(feature.char_dim, feature.dim, feature.width)
        self.width = feature.width

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """Map characters (words, longest) with lengths (words,) to (words, dim).

        Positions in the padding are set to 0. They never exceed the maximum, because no value is negative
        after ReLU.
        """
        characters, lengths = _extend_short_words(characters, lengths, self.width)
        x = self.embedding(characters.clamp(min=0)).transpose(1, 2)
        y = functional.relu(self.conv(x))  # (words, dim, positions)
        outside = torch.arange(y.shape[2], device=y.device) >= (lengths - self.width + 1).unsqueeze(1)
        return y.masked_fill(outside.unsqueeze(1), 0.0).amax(2)


def _extend_short_words(characters: Tensor, lengths: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Extend words shorter than the filter's width with end marks."""
    if characters.shape[1] < width:
        characters = functional.pad(characters, (0, width - characters.shape[1]), value=-1)
    steps = torch.arange(characters.shape[1], device=characters.device)
    short = (steps >= lengths.unsqueeze(1)) & (steps < width)
    return characters.masked_fill(short, END), lengths.clamp(min=width)


class CharacterLstm(nn.Module):
    """Last states of an LSTM that reads a word's characters in both directions (Lample et al. 2016)."""

    def __init__(self, feature: Feature, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, feature.char_dim)
        cell = RecurrentModel(cell="lstm", hidden_size=feature.dim)
        self.directions = [Direction(cell, feature.char_dim) for _ in range(2)]
        self.dim = feature.dim
        add_directions(self, self.directions)

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """Map characters (words, longest) with lengths (words,) to (words, 2 * dim)."""
        x = self.embedding(characters.clamp(min=0)).transpose(0, 1)  # (time, words, char_dim)
        words = torch.arange(x.shape[1], device=x.device)
        zeros = x.new_zeros(x.shape[1], self.dim)
        states, index = [(zeros, zeros)] * 2, reversal(lengths, x.shape[0])
        (forward, backward), _ = run_directions(self.directions, x, states, [None, None], index)
        return torch.cat([forward[lengths - 1, words], backward[0]], dim=1)


class WordFeatures(nn.Module):
    """All features of the words of a batch, concatenated; feature i is the submodule named i.

    Attributes:
        width: width of the output.
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
        self.parts: list[FeatureEmbedding | CharacterCnn | CharacterLstm] = []
        self.width = 0
        for index, feature in enumerate(features):
            if feature.name == "char_cnn":
                self.parts.append(CharacterCnn(feature, characters))
            elif feature.name == "char_lstm":
                self.parts.append(CharacterLstm(feature, characters))
            else:
                self.parts.append(FeatureEmbedding(feature, rows[index], vectors.get(index), scale))
            self.width += feature.dim * (2 if feature.name == "char_lstm" else 1)
            self.add_module(str(index), self.parts[-1])

    def forward(self, words: WordInput) -> Tensor:
        """Return the feature vectors (time, batch, width)."""
        outputs, column = [], 0
        for part in self.parts:
            if isinstance(part, FeatureEmbedding):
                outputs.append(part(words.ids[:, :, column]))
                column += 1
            else:
                assert words.distinct is not None
                table = part(words.characters, words.character_lengths)
                outputs.append(functional.embedding(words.distinct, table))
        return torch.cat(outputs, dim=2)


# --- the whole network --------------------------------------------------------------------------------------


class TaggerNetwork(nn.Module):
    """Word features, a dense layer, recurrent layers, an output layer, and a CRF if the settings ask for one.

    Attributes:
        projection: the dense layer between features and recurrent layers, or None.
        norm: layer norm after the dense layer, or None.
        heads: output layers of further labels, or None.
    """

    def __init__(
        self,
        model: TaggerModel,
        rows: Sequence[int],
        characters: int,
        labels: int,
        allowed: AllowedLabels,
        vectors: Mapping[int, Tensor] | None = None,
        heads: HeadSizes | None = None,
    ) -> None:
        """Draw the weights from torch's global generator, from the features upwards.

        Args:
            model: the settings.
            rows: rows of each feature's embedding; 0 for features over characters.
            characters: number of distinct characters for the features over characters.
            labels: number of labels.
            allowed: label sequences that are well-formed, see `Crf`.
            vectors: pretrained rows (rows, dim) by index of the feature.
            heads: sizes of the output layers of several labels; None for a single label.
        """
        super().__init__()
        self.model = model
        self.features = WordFeatures(
            feature_list(model), rows, characters, vectors or {}, model.initial_scale
        )
        width = model.projection or self.features.width
        self.projection = nn.Linear(self.features.width, model.projection) if model.projection else None
        self.norm = nn.LayerNorm(model.projection) if model.projection and model.layer_norm else None
        self.encoder = RecurrentStack(model, width, bidirectional=model.bidirectional)
        self.output = nn.Linear(self.encoder.width, labels)
        self.crf = Crf(allowed) if model.decoder == "crf" else None
        self.heads = None if heads is None else LabelHeads(heads, self.encoder.width, width)

    def forward(
        self,
        words: WordInput,
        lengths: Tensor,
        state: State,
        masks: Masks | None = None,
        visible: Tensor | None = None,
    ) -> Tensor:
        """Return label scores (time, batch, labels) of padded sentences; of several labels, the first one.

        The input mask applies to the features, before the dense layer, so that the network learns to do
        without a feature.

        Args:
            words: the words, padded.
            lengths: words of each sentence (batch,).
            state: initial state of the recurrent stack.
            masks: dropout of this step; its input mask is (batch, features' width).
            visible: 0 for a hidden word, else 1: (time, batch, 1); None hides no word.
        """
        y, _ = self._encode(words, lengths, state, masks, visible)
        return self.output(y)  # type: ignore[no-any-return]

    def column_scores(
        self,
        words: WordInput,
        lengths: Tensor,
        state: State,
        masks: Masks | None = None,
        visible: Tensor | None = None,
        places: Tensor | None = None,
    ) -> list[Tensor]:
        """Return the scores of each of several labels, see `LabelHeads.forward` and `forward`."""
        assert self.heads is not None
        y, x = self._encode(words, lengths, state, masks, visible)
        return self.heads(self.output(y), y, x, places)  # type: ignore[no-any-return]

    def _encode(
        self, words: WordInput, lengths: Tensor, state: State, masks: Masks | None, visible: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return output and input of the recurrent layers, both (time, batch, width)."""
        x = self.features(words)
        if visible is not None:
            x = x * visible
        if masks is not None and masks.input is not None:
            x = x * masks.input
            masks = replace(masks, input=None)
        back_index = reversal(lengths, x.shape[0]) if self.model.bidirectional else None
        x = self._project(x)
        y, _ = self.encoder(x, state, masks, back_index)
        return y, x

    def _project(self, x: Tensor) -> Tensor:
        """Apply dense layer, layer norm and tanh-form GELU: (…, features' width) to (…, projection)."""
        if self.projection is None:
            return x
        y = self.projection(x)
        return functional.gelu(y if self.norm is None else self.norm(y), approximate="tanh")


def build_tagger_network(
    settings: TaggerSettings,
    rows: Sequence[int],
    characters: int,
    labels: int,
    allowed: AllowedLabels,
    vectors: Mapping[int, Array] | None = None,
    heads: HeadSizes | None = None,
) -> TaggerNetwork:
    """Return a tagger with new weights, drawn as `seed` and `seed_skip` determine.

    The other arguments are those of `TaggerNetwork`.
    """
    seed_generator(settings.seed, settings.training.seed_skip)
    tables = {
        index: torch.from_numpy(np.asarray(table, np.float32)) for index, table in (vectors or {}).items()
    }
    return TaggerNetwork(settings.model, rows, characters, labels, allowed, tables, heads)
