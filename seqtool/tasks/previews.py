"""What the network makes of an example, for a row of the table: decoded by the runtime, the same code that serves users."""

from __future__ import annotations

from typing import Any

from seqtool.data.tagging.corpus import Sentence, TaggedCorpus
from seqtool.data.text.corpus import CharCorpus
from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_character_model, load_tagger
from seqtool.inference.tagger import TaggerModel
from seqtool.reports.training import Prediction
from seqtool.storage.model_directory import Manifest, StoredModel
from seqtool.tasks.prepare import Prepared

SAMPLE_LENGTH = 120
SAMPLED_LINES = 6
SCORED_SENTENCES = 500
LONGEST_EXAMPLE = 12
Weights = dict[str, Any]


class Preview:
    """Decodes the same example in every row."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared

    def prediction(self, weights: Weights) -> Prediction:
        """What a network with these weights says."""
        corpus = self.prepared.corpus
        if isinstance(corpus, TaggedCorpus):
            sentence = preview_sentence(corpus)
            labels = self._tagger(weights).tag([sentence.tokens])[0]
            return Prediction(tuple(labels), sentence.labels, " ")
        model = load_character_model(self._stored(weights))
        if corpus.kind == "pairs":
            source, target = corpus.pairs[0]
            return Prediction(tuple(model.predict(source)), tuple(target))
        return Prediction(tuple(self._sample(model, corpus)))

    def _sample(self, model: CharacterModel, corpus: CharCorpus) -> str:
        if corpus.kind == "lines":
            lines = [
                "".join(model.sample("", 40, temperature=0.8, seed=seed)).strip("\n")
                for seed in range(SAMPLED_LINES)
            ]
            return " · ".join(lines)
        start = "\n" if "\n" in corpus.vocabulary.symbols else str(corpus.vocabulary.decode([0]))
        return "".join(model.sample(start, SAMPLE_LENGTH, temperature=0.8, seed=self.prepared.settings.seed))

    def training_accuracy(self, weights: Weights) -> float | None:
        """Share of right labels on the (first) training sentences: what a tagger without validation can show."""
        corpus = self.prepared.corpus
        if not isinstance(corpus, TaggedCorpus):
            return None
        sentences = corpus.train[:SCORED_SENTENCES]
        tagged = self._tagger(weights).tag([sentence.tokens for sentence in sentences])
        right = sum(
            a == b
            for labels, sentence in zip(tagged, sentences, strict=True)
            for a, b in zip(labels, sentence.labels, strict=True)
        )
        return right / sum(len(sentence.tokens) for sentence in sentences)

    def side_by_side(self, weights: Weights) -> list[tuple[str, str, str]]:
        """Token, expected and generated label of the example sentence; empty for a character model."""
        corpus = self.prepared.corpus
        if not isinstance(corpus, TaggedCorpus):
            return []
        sentences = corpus.train if len(corpus.train) <= 2 else [preview_sentence(corpus)]
        tagged = self._tagger(weights).tag([sentence.tokens for sentence in sentences])
        return [
            row
            for sentence, labels in zip(sentences, tagged, strict=True)
            for row in zip(sentence.tokens, sentence.labels, labels, strict=True)
        ]

    def _tagger(self, weights: Weights) -> TaggerModel:
        return load_tagger(self._stored(weights))

    def _stored(self, weights: Weights) -> StoredModel:
        return StoredModel(self.prepared.config, self.prepared.vocab, weights, Manifest())


def preview_sentence(corpus: TaggedCorpus) -> Sentence:
    """A sentence short enough for a row: of the development data where there are some."""
    sentences = corpus.dev or corpus.train
    fitting = (sentence for sentence in sentences if 4 <= len(sentence.tokens) <= LONGEST_EXAMPLE)
    return next(fitting, sentences[0])
