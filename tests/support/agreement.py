"""Comparison of torch and numpy on real sentences: taggers of every kind, weights as large as trained ones.

Scores must agree within 1e-5 * max(1, |score|). Labels must be equal if the margin of the best label exceeds
twice that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqtool.data.formats.blocks import raw_lines
from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.tagging.word_encoder import WordEncoder
from seqtool.data.tagging.word_vectors import PretrainedVectors
from seqtool.decoding import constraint_scores, viterbi
from seqtool.inference.load import load_tagger
from seqtool.inference.model_config import TaggerConfig, WordVocabulary
from seqtool.inference.tagger import TaggerModel
from seqtool.models.tagger import TaggerNetwork, WordInput, build_tagger_network
from seqtool.models.weights import load_weights, weight_arrays
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import TaggerSettings
from seqtool.settings.model import RICH_FEATURES, STANDARD_FEATURES, Feature
from seqtool.settings.model import TaggerModel as Network
from seqtool.spans import allowed_transitions
from seqtool.storage.model_directory import read_model
from seqtool.types import Array

Sentences = list[list[str]]

TOLERANCE = 1e-5
LABELS = ("O", *(f"{prefix}-{type_}" for type_ in ("person", "place", "group", "other") for prefix in "BIES"))
CELLS: dict[str, dict[str, Any]] = {
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "tanh": {"cell": "rnn"},
    "relu": {"cell": "rnn", "nonlinearity": "relu"},
}
FEATURES: dict[str, tuple[Feature, ...]] = {
    "standard": STANDARD_FEATURES,
    "rich": RICH_FEATURES,
    "char_lstm": (
        Feature(name="lower", dim=24, min_count=2),
        Feature(name="char_lstm", dim=20, char_dim=12),
        Feature(name="char_cnn", dim=16, char_dim=12, width=5),
    ),
    "vectors": (
        Feature(name="form", dim=24, unknown=False),
        Feature(name="vectors", dim=16),
        Feature(name="shape", dim=8),
    ),
}
DECODERS = ("softmax", "viterbi", "crf")
# Training enlarges the weights that torch initializes. These factors, of the recurrent layers and of the
# output layer, were measured on taggers trained on EWT (LSTM 160: 2.5 and 4.8; ReLU 48: 1.1 to 1.8 and 3.1).
# A random LSTM with a factor of 2.5 is chaotic, unlike a trained one, and amplifies rounding errors. Its
# factor is therefore 2.
GAINS = {"lstm": (2.0, 5.0), "gru": (2.0, 5.0), "rnn": (1.5, 3.0)}


@dataclass(frozen=True)
class Case:
    """One kind of tagger."""

    cell: str
    layers: int
    bidirectional: bool
    features: str
    decoder: str

    def __str__(self) -> str:
        directions = "both ways" if self.bidirectional else "one way"
        return f"{self.cell:<4} x {self.layers} {directions:<9} {self.features:<9} {self.decoder}"


CASES = tuple(Case(*values) for values in product(CELLS, (1, 2), (False, True), FEATURES, DECODERS))


@dataclass(frozen=True)
class Agreement:
    """Result of a comparison.

    Attributes:
        tokens: number of tokens.
        deviation: largest |numpy - torch| / max(1, |torch|) of a score.
        different: tokens with different labels.
        wrong: sentences with different labels in spite of a clear margin.
    """

    tokens: int
    deviation: float
    different: int
    wrong: int


@dataclass(frozen=True)
class Text:
    """Sentences to tag, and the words of the training data with their counts."""

    sentences: Sentences
    counts: Mapping[str, int]

    @classmethod
    def of(cls, folder: Path) -> Text:
        """Read the development sentences and the training words of EWT from a folder."""
        read = {part: list(_sentences(folder / f"en_ewt-ud-{part}.conllu")) for part in ("train", "dev")}
        return cls(read["dev"], Counter(word for sentence in read["train"] for word in sentence))


def _sentences(path: Path) -> Sentences:
    with path.open("rb") as stream:
        return [block.tokens for block in ConlluFormat().read(raw_lines(stream), path.name) if block.tokens]


def network_settings(case: Case, hidden: int) -> Network:
    """Return the settings of a case. Initial state, residual, projection and norm are random."""
    draw = np.random.default_rng(CASES.index(case))
    return Network(
        **CELLS[case.cell],
        hidden_size=hidden,
        num_layers=case.layers,
        bidirectional=case.bidirectional,
        features=FEATURES[case.features],
        decoder=case.decoder,  # type: ignore[arg-type]
        initial_state=("zeros", "learned", "random")[draw.integers(3)],
        residual=bool(draw.integers(2)),
        projection=hidden * int(draw.integers(2)),
        layer_norm=bool(draw.integers(2)),
    )


def both(model: Network, counts: Mapping[str, int]) -> tuple[TaggerNetwork, TaggerModel]:
    """Return a network in torch and a tagger in numpy with the same weights."""
    features = model.features
    assert isinstance(features, tuple)
    encoder = WordEncoder.build(features, counts, vectors=_vectors(features, counts))
    settings = TaggerSettings(data=TaggerData(train=("x",)), model=model)
    rows = [encoder.rows(index) for index in range(len(features))]
    allowed = allowed_transitions(LABELS, "bioes")
    network = build_tagger_network(
        settings, rows, len(encoder.characters or ()) + 3, len(LABELS), allowed, encoder.vectors
    )
    _enlarge(network, *GAINS[model.cell])
    vocabulary = WordVocabulary(LABELS, counts, encoder.to_json()["features"], encoder.characters)
    config = TaggerConfig(model, "bioes", "bioes")
    return network.eval(), TaggerModel(config, vocabulary, weight_arrays(network))


def _vectors(features: Sequence[Feature], counts: Mapping[str, int]) -> dict[int, PretrainedVectors]:
    words = tuple(list(counts)[::3])
    draw = np.random.default_rng(0)
    return {
        index: PretrainedVectors(
            words, draw.standard_normal((len(words) + 1, feature.dim)).astype(np.float32)
        )
        for index, feature in enumerate(features)
        if feature.name == "vectors"
    }


def _enlarge(network: TaggerNetwork, layers: float, output: float) -> None:
    """Enlarge weights as training does, and add noise to those that are initialized as zeros or ones."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith(("crf.", "encoder.initial.", "norm.")):
                parameter.add_(0.3 * torch.randn_like(parameter))
            elif not name.startswith("features."):
                parameter.mul_(output if name.startswith("output.") else layers)


def trained(folder: Path) -> tuple[TaggerNetwork, TaggerModel]:
    """Return a trained tagger in torch and in numpy, from a model directory."""
    bundle = read_model(folder)
    tagger = load_tagger(bundle)
    settings = TaggerSettings(data=TaggerData(train=("x",)), model=tagger.settings)
    rows = [tagger.encoder.rows(index) for index in range(len(tagger.encoder.features))]
    allowed = allowed_transitions(tagger.labels, tagger.inner_scheme)
    network = build_tagger_network(
        settings, rows, len(tagger.encoder.characters or ()) + 3, len(tagger.labels), allowed
    )
    load_weights(network, bundle.weights)
    return network.eval(), tagger


def compare(network: TaggerNetwork, tagger: TaggerModel, text: Text) -> Agreement:
    """Compare the scores and labels of torch and numpy."""
    ours, theirs = tagger.scores(text.sentences), torch_scores(network, tagger, text.sentences)
    labels, expected = decoded(tagger, ours), decoded(tagger, theirs)
    converted = [tagger.to_file_scheme([tagger.labels[number] for number in path]) for path in labels]
    assert converted == tagger.tag(text.sentences)
    deviations = [
        np.abs(one - other) / np.maximum(1, np.abs(other)) for one, other in zip(ours, theirs, strict=True)
    ]
    return Agreement(
        sum(map(len, labels)),
        float(max(values.max() for values in deviations)),
        sum(int((one != other).sum()) for one, other in zip(labels, expected, strict=True)),
        sum(_is_wrong(tagger, *paths) for paths in zip(labels, expected, theirs, strict=True)),
    )


def torch_scores(
    network: TaggerNetwork, tagger: TaggerModel, sentences: Sentences, batch: int = 128
) -> list[Array]:
    """Return the scores (tokens, labels) of the torch network, computed in padded batches."""
    order = sorted(range(len(sentences)), key=lambda number: -len(sentences[number]))
    by_sentence = [np.empty(0)] * len(sentences)
    for start in range(0, len(order), batch):
        numbers = order[start : start + batch]
        scores = _batch_scores(network, tagger, [sentences[number] for number in numbers])
        for column, number in enumerate(numbers):
            by_sentence[number] = scores[: len(sentences[number]), column]
    return by_sentence


def _batch_scores(network: TaggerNetwork, tagger: TaggerModel, sentences: Sentences) -> Array:
    places = {
        word: place
        for place, word in enumerate(dict.fromkeys(word for sentence in sentences for word in sentence))
    }
    encoded = tagger.encoder.encode(list(places))
    padded = np.zeros((len(sentences[0]), len(sentences)), np.int64)
    for column, sentence in enumerate(sentences):
        padded[: len(sentence), column] = [places[word] for word in sentence]
    words = WordInput(torch.from_numpy(encoded.ids[padded]))
    if encoded.characters is not None and encoded.lengths is not None:
        characters, lengths = torch.from_numpy(encoded.characters), torch.from_numpy(encoded.lengths)
        words = replace(
            words, characters=characters, character_lengths=lengths, distinct=torch.from_numpy(padded)
        )
    sizes = torch.tensor([len(sentence) for sentence in sentences])
    with torch.inference_mode():
        scores: Array = network(words, sizes, network.encoder.initial_state(len(sentences))).numpy()
    return scores


def sequence_scores(tagger: TaggerModel) -> tuple[Array, Array, Array]:
    """Return the scores of label sequences that training decodes with."""
    parts = constraint_scores(tagger.labels, tagger.inner_scheme)
    if tagger.settings.decoder == "softmax":
        return tuple(np.zeros_like(part) for part in parts)  # type: ignore[return-value]
    return (tagger.start, tagger.transitions, tagger.end) if tagger.settings.decoder == "crf" else parts


def decoded(tagger: TaggerModel, scores: Sequence[Array]) -> list[Array]:
    """Return the best label numbers of each sentence."""
    if tagger.settings.decoder == "softmax":
        return [sentence.argmax(1) for sentence in scores]
    parts = sequence_scores(tagger)
    lengths = np.array([len(sentence) for sentence in scores])
    padded = np.zeros((lengths.max(), len(scores), len(tagger.labels)))
    for column, sentence in enumerate(scores):
        padded[: len(sentence), column] = sentence
    paths = viterbi(padded, lengths, *parts)
    return [paths[:length, column] for column, length in enumerate(lengths)]


def _is_wrong(tagger: TaggerModel, ours: Array, theirs: Array, scores: Array) -> bool:
    """Return whether labels differ and their scores in torch differ by more than twice the tolerance."""
    if (ours == theirs).all():
        return False
    slack = 2 * TOLERANCE * np.maximum(1, np.abs(scores).max(1))
    if tagger.settings.decoder == "softmax":
        places = np.arange(len(scores))
        return bool((scores[places, theirs] - scores[places, ours] > slack).any())
    parts = sequence_scores(tagger)
    return bool(_path_score(scores, theirs, *parts) - _path_score(scores, ours, *parts) > slack.sum())


def _path_score(scores: Array, path: Array, start: Array, transitions: Array, end: Array) -> float:
    emitted = scores[np.arange(len(path)), path].astype(np.float64).sum()
    return float(emitted + start[path[0]] + transitions[path[:-1], path[1:]].sum() + end[path[-1]])
