"""The tagger: the words of sentences in, a score for every label out, at each word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional

from seqtool.models.crf import Crf
from seqtool.models.recurrent import Masks, RecurrentStack, State, reversal
from seqtool.models.word_features import WordFeatures, WordInput
from seqtool.settings import TaggerModel, feature_list
from seqtool.types import Array

Allowed = tuple[Array, Array, Array]


class TaggerNetwork(nn.Module):
    """Word features, a dense layer, recurrent layers, an output layer, and a CRF where the settings say so.

    Attributes:
        projection: the dense layer between features and recurrent layers, or None.
        norm: its layer norm, or None.
    """

    def __init__(
        self,
        model: TaggerModel,
        rows: Sequence[int],
        characters: int,
        labels: int,
        allowed: Allowed,
        vectors: Mapping[int, Tensor] | None = None,
    ) -> None:
        """Draw the weights from torch's generator, from the features upwards.

        Args:
            rows: rows of the embedding of each feature (0 for those over characters).
            characters: how many characters the character features tell apart.
            labels: how many labels there are.
            allowed: which label sequences are well-formed, see `Crf`.
            vectors: pretrained rows (rows, dim) by feature.
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

    def forward(
        self,
        words: WordInput,
        lengths: Tensor,
        state: State,
        masks: Masks | None = None,
        seen: Tensor | None = None,
    ) -> Tensor:
        """Label scores (time, batch, labels) of padded sentences with lengths (batch,).

        The input mask (batch, features' width) lies on the features, before the dense layer, so that a feature's absence is learned.

        Args:
            seen: (time, batch, 1): 0 where a word is hidden, else 1; None: all are seen.
        """
        x = self.features(words)
        if seen is not None:
            x = x * seen
        if masks is not None and masks.input is not None:
            x = x * masks.input
            masks = replace(masks, input=None)
        back = reversal(lengths, x.shape[0]) if self.model.bidirectional else None
        y, _ = self.encoder(self._project(x), state, masks, back)
        return self.output(y)  # type: ignore[no-any-return]

    def _project(self, x: Tensor) -> Tensor:
        """The dense layer, layer norm and GELU in its tanh form: (…, features' width) to (…, projection)."""
        if self.projection is None:
            return x
        y = self.projection(x)
        return functional.gelu(y if self.norm is None else self.norm(y), approximate="tanh")
