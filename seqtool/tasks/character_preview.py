"""The example that a text model decodes for each row of the table of epochs: a pair, or a sample."""

from __future__ import annotations

from typing import cast

import numpy as np

from seqtool.data.text.corpus import CharCorpus
from seqtool.data.vocabulary import valid_text
from seqtool.inference.character import CharacterModel
from seqtool.inference.conditional import ConditionalModel
from seqtool.inference.load import load_character_model
from seqtool.safe_text import shorten
from seqtool.tasks.interface import ComparedToken, Prepared
from seqtool.training.engine.events import Prediction
from seqtool.types import Arrays

SAMPLE_LENGTH, SAMPLED_LINES = 120, 6  # symbols, lines
SAMPLED_LINE_LENGTH = 40  # symbols
SAMPLED_WORDS = 25
LONGEST_NAME = 20  # characters of a condition
PREVIEW_TEMPERATURE = 0.8


class CharacterPreview:
    """Predict the first pair, or sample a text or some lines."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.corpus = cast(CharCorpus, prepared.corpus)

    def prediction(self, weights: Arrays) -> Prediction:
        """Decode the pair, or sample with fixed seeds."""
        model = load_character_model(self.prepared.stored(weights))
        if self.corpus.pairs:
            source, target = self.corpus.pairs[0]
            return Prediction(tuple(valid_text(model.predict(source))), tuple(target))
        sample = self._lines(model) if self.prepared.kind == "lines" else self._text(model)
        return Prediction(tuple(valid_text(sample)))

    def _lines(self, model: CharacterModel) -> str:
        return " · ".join(self._line(model, seed) for seed in range(SAMPLED_LINES))

    def _line(self, model: CharacterModel, seed: int) -> str:
        """Sample a line; if there are conditions, under the most frequent ones in turn, with their names."""
        name = ""
        if isinstance(model, ConditionalModel):
            by_count = np.argsort(-np.array(model.conditions.counts), kind="stable")
            name = model.conditions.names[by_count[seed % len(by_count)]]
            model, name = model.under(name), f"{shorten(name, LONGEST_NAME)}: "
        pieces = model.sample("", SAMPLED_LINE_LENGTH, temperature=PREVIEW_TEMPERATURE, seed=seed)
        return name + "".join(pieces).strip("\n")

    def _text(self, model: CharacterModel) -> str:
        vocabulary, seed = self.corpus.vocabulary, self.prepared.settings.seed
        prompt = "\n" if "\n" in vocabulary else str(vocabulary.decode([0]))
        length = SAMPLED_WORDS if vocabulary.unit == "word" else SAMPLE_LENGTH
        return "".join(model.sample(prompt, length, temperature=PREVIEW_TEMPERATURE, seed=seed))

    def training_accuracy(self, weights: Arrays) -> None:
        """Return None, because symbols are not labels."""

    def comparison(self, weights: Arrays) -> tuple[ComparedToken, ...]:  # noqa: ARG002
        """Return an empty tuple, because symbols are not labels."""
        return ()
