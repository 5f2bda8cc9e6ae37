"""The tagger: the words of sentences in, a score for every label out, at each word."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from seqtool.models.crf import Crf
from seqtool.models.recurrent import Masks, RecurrentStack, State, reversal
from seqtool.models.word_features import Projection, WordFeatures, WordInput
from seqtool.settings import TaggerModel, feature_list


class TaggerNetwork(nn.Module):
    """Word features, a dense layer, recurrent layers, an output layer, and a CRF where the settings say so.

    Args:
        rows: rows of the embedding of each feature (0 for those over characters).
        characters: how many characters the character features tell apart.
        allowed: which label sequences are well-formed, see `Crf`.
        vectors: pretrained rows by feature.
    """

    def __init__(
        self,
        model: TaggerModel,
        rows: list[int],
        characters: int,
        labels: int,
        allowed: tuple[np.ndarray, np.ndarray, np.ndarray],  # type: ignore[type-arg]
        vectors: dict[int, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.features = WordFeatures(feature_list(model), rows, characters, vectors or {})
        self.projection = Projection(model, self.features.width) if model.projection else None
        self.encoder = RecurrentStack(model, model.projection or self.features.width, bidirectional=model.bidirectional)
        self.output = nn.Linear(self.encoder.width, labels)
        self.crf = Crf(allowed) if model.decoder == "crf" else None

    def forward(self, words: WordInput, lengths: Tensor, state: State, masks: Masks | None = None) -> Tensor:
        """Label scores (time, batch, labels) of padded sentences with lengths (batch,).

        The input mask of a tagger lies on its word features, before the dense layer.
        """
        x = self.features(words)
        if masks is not None and masks.input is not None:
            x = x * masks.input
            masks = Masks(between=masks.between, output=masks.output, recurrent=masks.recurrent)
        if self.projection is not None:
            x = self.projection(x)
        back = reversal(lengths, x.shape[0]) if self.model.bidirectional else None
        y, _ = self.encoder(x, state, masks, back)
        return self.output(y)  # type: ignore[no-any-return]
