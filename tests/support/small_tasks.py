"""Small training tasks: a corpus in memory, its network and its trainer, without files and vocabularies."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from seqtool.models.character import build_character_network
from seqtool.models.tagger import build_tagger_network
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import CharSettings, TaggerSettings
from seqtool.settings.model import CharModel, Feature, TaggerModel, feature_list
from seqtool.settings.training import Training
from seqtool.settings.values import Scheme
from seqtool.spans import allowed_transitions, convert
from seqtool.tasks.character_training import CharacterTask
from seqtool.tasks.tagger_training import TaggingTask
from seqtool.training.engine.ranks import ALONE, Ranks
from seqtool.training.engine.task import ShouldStop
from seqtool.training.engine.trainer import Trainer
from seqtool.types import Array

CPU = torch.device("cpu")
CHARACTERS = SimpleNamespace(unit="char")  # stands for a vocabulary
HIHELL = CharSettings(
    seed=777,
    model=CharModel(cell="rnn", input="onehot", hidden_size=4),
    training=Training(epochs=15, optimizer="adam", lr=0.1, seed_skip=16, shuffle=False, device="cpu"),
)
# Character model with all kinds of randomness and state.
STATEFUL = CharModel(
    hidden_size=5,
    num_layers=2,
    embedding_dim=3,
    dropout=0.3,
    weight_dropout=0.2,
    state_reset=0.3,
    initial_state="random",
)
TOY = TaggerSettings(
    seed=777,
    data=TaggerData(train=("toy",)),
    model=TaggerModel(
        features=(Feature(name="form", dim=6, unknown=False),),
        projection=0,
        cell="lstm",
        hidden_size=6,
        bidirectional=False,
        initial_state="random",
        forget_bias=None,
        decoder="softmax",
        word_replacement=0,
    ),
    training=Training(
        epochs=300, print_every=30, batch_size=1, shuffle=False, optimizer="sgd", lr=0.1, device="cpu"
    ),
)
TOY_SENTENCES = [("The dog ate the apple", "DET NN V DET NN"), ("Everybody read that book", "NN V DET NN")]


def never() -> bool:
    """Return False, as a run does that is not stopped."""
    return False


def symbol_numbers(text: str, alphabet: str) -> Array:
    """Return the number of every symbol of a text."""
    return np.array([alphabet.index(symbol) for symbol in text], np.int64)


def hihell_task(settings: CharSettings = HIHELL) -> CharacterTask:
    """Return the aligned pair of the lecture."""
    sequences = SimpleNamespace(
        inputs=[symbol_numbers("hihell", "hielo")], targets=[symbol_numbers("ihello", "hielo")]
    )
    corpus: Any = SimpleNamespace(kind="pairs", vocabulary=CHARACTERS, train=sequences, val=None)
    return CharacterTask(build_character_network(settings, 5), corpus, settings, CPU)


def random_text(length: int, symbols: int, seed: int = 0) -> Array:
    """Return a random text in which each symbol depends on the previous one."""
    draw = np.random.default_rng(seed)
    steps = draw.integers(1, 3, length).cumsum()
    return (steps % symbols).astype(np.uint8)


def text_task(
    settings: CharSettings,
    symbols: int = 7,
    train: int = 600,
    val: int | None = 90,
    ranks: Ranks = ALONE,
    *,
    reverse_val: bool = False,
) -> CharacterTask:
    """Return a task of running text.

    Args:
        train: symbols of the training text.
        val: symbols of the validation text; None for a run without validation.
        reverse_val: reverse the validation text, so that its loss grows while the training text is learned.
    """
    text = random_text(train + (val or 0), symbols)
    held_out = None if val is None else text[train:]
    if reverse_val and held_out is not None:
        held_out = held_out[::-1].copy()
    corpus: Any = SimpleNamespace(kind="text", vocabulary=CHARACTERS, train=text[:train], val=held_out)
    return CharacterTask(build_character_network(settings, symbols), corpus, settings, CPU, ranks)


def lines_task(
    settings: CharSettings, symbols: int = 6, val: bool = True, ranks: Ranks = ALONE, conditions: int = 0
) -> CharacterTask:
    """Return a task of 40 lines; with `val`, the first nine are its validation data.

    Args:
        conditions: number of conditions that lines have in turn; 0 for lines without conditions.
    """
    draw = np.random.default_rng(3)
    lines = [
        random_text(int(length), symbols, int(length)).astype(np.int64) for length in draw.integers(1, 12, 40)
    ]
    lines = [line for line in lines if len(line) > 1]
    of_lines = np.arange(len(lines)) % conditions if conditions else None
    whole = SimpleNamespace(
        inputs=[line[:-1] for line in lines], targets=[line[1:] for line in lines], conditions=of_lines
    )
    part = SimpleNamespace(
        inputs=whole.inputs[:9],
        targets=whole.targets[:9],
        conditions=of_lines if of_lines is None else of_lines[:9],
    )
    corpus: Any = SimpleNamespace(kind="lines", vocabulary=CHARACTERS, train=whole, val=part if val else None)
    network = build_character_network(settings, symbols, conditions)
    return CharacterTask(network, corpus, settings, CPU, ranks)


class SmallEncoder:
    """Encoder of words without a vocabulary file, with the attributes of `WordEncoder` that training reads.

    The number of an unknown value is 0, or -1 if the feature has no row for unknown values.
    """

    def __init__(self, features: tuple[Feature, ...], counts: Counter[str]) -> None:
        self.counts = counts
        self.features = features
        self.characters = sorted({character for word in counts for character in word})
        self.values = [self._values(feature) for feature in features]

    def _values(self, feature: Feature) -> list[str]:
        totals: Counter[str] = Counter()
        for word, count in self.counts.items():
            totals[self._value(feature, word)] += count
        return [value for value, total in totals.items() if total >= feature.min_count]

    @staticmethod
    def _value(feature: Feature, word: str) -> str:
        if feature.name == "suffix":
            return word[-feature.length :]
        return word.lower() if feature.name == "lower" else word

    def rows(self, index: int) -> int:
        feature = self.features[index]
        return len(self.values[index]) + (feature.unknown or feature.name == "vectors")

    def count(self, word: str) -> int:
        return self.counts[word]

    def encode(self, words: list[str]) -> Any:
        columns = []
        for feature, values in zip(self.features, self.values, strict=True):
            if not feature.name.startswith("char_"):
                first = int(feature.unknown or feature.name == "vectors")
                known = {value: number for number, value in enumerate(values, first)}
                columns.append([known.get(self._value(feature, word), first - 1) for word in words])
        ids = np.array(columns, np.int64).reshape(len(columns), len(words)).T
        if not any(feature.name.startswith("char_") for feature in self.features):
            return SimpleNamespace(ids=ids, characters=None, lengths=None)
        lengths = np.array([len(word) + 2 for word in words])
        characters = np.full((len(words), lengths.max()), -1, np.int64)
        for row, word in zip(characters, words, strict=True):
            row[: len(word) + 2] = [
                1,
                *(self.characters.index(c) + 3 if c in self.characters else 0 for c in word),
                2,
            ]
        return SimpleNamespace(ids=ids, characters=characters, lengths=lengths)


def sentence(tokens: str, labels: str) -> Any:
    """Return a sentence; both arguments are separated by spaces."""
    return SimpleNamespace(tokens=tuple(tokens.split()), labels=tuple(labels.split()))


def tagging_corpus(
    settings: TaggerSettings, train: list[Any], dev: list[Any], scheme: Scheme = "none"
) -> Any:
    """Return a corpus in memory, with the attributes of `TaggedCorpus` that training reads."""
    inner: Scheme = "none" if scheme == "none" else "bioes"

    def inner_labels(sentence: Any) -> list[str]:
        return list(sentence.labels) if scheme == "none" else convert(sentence.labels, scheme, inner)

    counts = Counter(token for sentence in train for token in sentence.tokens)
    labels = tuple(dict.fromkeys(label for sentence in train for label in inner_labels(sentence)))
    encoder = SmallEncoder(feature_list(settings.model), counts)
    return SimpleNamespace(
        train=tuple(train),
        dev=tuple(dev),
        labels=labels,
        scheme=scheme,
        inner_scheme=inner,
        encoder=encoder,
        inner_labels=inner_labels,
    )


def tagging_task(
    settings: TaggerSettings, train: list[Any], dev: list[Any], scheme: Scheme = "none", ranks: Ranks = ALONE
) -> TaggingTask:
    """Return a tagging task; features of pretrained vectors get random ones."""
    corpus = tagging_corpus(settings, train, dev, scheme)
    count = len(feature_list(settings.model))
    vectors = {
        index: np.random.default_rng(0)
        .standard_normal((corpus.encoder.rows(index), feature.dim))
        .astype(np.float32)
        for index, feature in enumerate(feature_list(settings.model))
        if feature.name == "vectors"
    }
    network = build_tagger_network(
        settings,
        [corpus.encoder.rows(index) for index in range(count)],
        len(corpus.encoder.characters) + 3,
        len(corpus.labels),
        allowed_transitions(corpus.labels, corpus.inner_scheme),
        vectors,
    )
    return TaggingTask(network, corpus, settings, CPU, ranks)


def toy_task(seed: int = 777, **training: Any) -> TaggingTask:
    """Return the tagging task of the lecture."""
    settings = replace(TOY, seed=seed, training=replace(TOY.training, **training))
    return tagging_task(settings, [sentence(*pair) for pair in TOY_SENTENCES], [])


def random_sentences(count: int, seed: int = 0, *, spans: bool = False) -> list[Any]:
    """Return sentences in which a label depends on the word and the previous word.

    Args:
        spans: whether the labels mark spans of two types.
    """
    draw = np.random.default_rng(seed)
    sentences = []
    for length in draw.integers(1, 9, count):
        words = draw.integers(0, 12, length)
        if spans:
            labels = []
            for word, before in zip(words, [-1, *words[:-1]], strict=True):
                labels.append(
                    "O" if word < 7 else ("I-" if before == word else "B-") + ("x" if word < 10 else "y")
                )
            labels = [
                label
                if label[0] != "I" or (place and labels[place - 1][1:] == label[1:])
                else "B" + label[1:]
                for place, label in enumerate(labels)
            ]
        else:
            labels = [
                "ABC"[(word + before) % 3] for word, before in zip(words, [0, *words[:-1]], strict=True)
            ]
        sentences.append(
            sentence(" ".join(f"W{word}" if word % 5 else f"w{word}x" for word in words), " ".join(labels))
        )
    return sentences


def trainer(task: CharacterTask | TaggingTask, should_stop: ShouldStop = never) -> Trainer:
    """Return the trainer of a task."""
    return Trainer(task, task.settings.training, should_stop)
