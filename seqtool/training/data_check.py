"""Check the data and the settings of a config before training, on the data as training reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.data.tagging.corpus import TaggedCorpus
from seqtool.data.tagging.sentences import Sentence
from seqtool.data.text.corpus import CharCorpus
from seqtool.settings import Scheme, TaggerSettings
from seqtool.spans import malformed, spans_of
from seqtool.tasks.prepare import prepare

if TYPE_CHECKING:
    from seqtool.config import ReadConfig

FEW_UPDATES = 100  # in a whole run
HIGH_LR = 0.05  # for an optimizer that scales its steps
SCALING = ("adam", "adamw", "rmsprop")
UNLIMITED = 1 << 40  # epochs of a run that another limit ends


@dataclass(frozen=True)
class MalformedLabels:
    """Labels of one part that break the rules of its span scheme.

    Attributes:
        count: number of such labels.
        place: `file:line` of the sentence that contains the first one; empty if there is none.
        shown: the first such label and its neighbors, each as `token/label`.
    """

    count: int
    place: str = ""
    shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeldOutOverlap:
    """Overlap of a held-out part with the training data.

    Attributes:
        words: number of words in the part.
        unknown: number of these words that do not occur in the training data.
        sentences: number of sentences in the part.
        repeated: number of these sentences that also occur in the training data.
    """

    words: int
    unknown: int
    sentences: int
    repeated: int


@dataclass(frozen=True)
class LabelCheck:
    """Properties of labeled data.

    Attributes:
        held_out: overlap of each held-out part with the training data, by the name of the part.
        scheme: span scheme of the labels.
        spans: number of spans by type, for each part; empty if the labels do not mark spans.
        malformed: malformed labels of each part; empty if the labels do not mark spans.
    """

    held_out: dict[str, HeldOutOverlap]
    scheme: Scheme
    spans: dict[str, Counter[str]]
    malformed: dict[str, MalformedLabels]


@dataclass(frozen=True)
class DataCheck:
    """Result of checking the data of a config.

    Attributes:
        task: `char` or `tagger`.
        unit: the thing that is counted, `symbol` or `label`.
        notes: properties of the data and choices made for it, one line each.
        warnings: probable mistakes, one line each.
        counts: frequency of each label or symbol, by the name of the part; `train` is always present.
        labels: properties of labeled data; None for plain text.
    """

    task: str
    unit: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: dict[str, Counter[str]]
    labels: LabelCheck | None = None


def check(read: ReadConfig, cache: Path) -> DataCheck:
    """Read the data of a config and collect its properties and probable mistakes.

    Raises:
        SeqtoolError: an error that training would raise before its first step.
    """
    read.check_trainable()
    prepared = prepare(read.settings, cache)
    corpus = prepared.corpus
    warnings = (*read.notes, *corpus.warnings)
    if isinstance(corpus, TaggedCorpus):
        assert isinstance(prepared.settings, TaggerSettings)
        return _check_tagged(corpus, (*warnings, *suspicious(prepared.settings, corpus)))
    return DataCheck("char", "symbol", tuple(corpus.notes), warnings, {"train": _symbols(corpus)})


def _check_tagged(corpus: TaggedCorpus, warnings: tuple[str, ...]) -> DataCheck:
    every = {"train": corpus.train, "dev": corpus.dev, "test": corpus.test}
    parts = {name: sentences for name, sentences in every.items() if sentences}
    in_train = {sentence.tokens for sentence in corpus.train}
    with_spans = parts if corpus.scheme != "none" else {}
    labels = LabelCheck(
        {name: _overlap(sentences, corpus, in_train) for name, sentences in parts.items() if name != "train"},
        corpus.scheme,
        {
            name: Counter(span.type for one in sentences for span in spans_of(one.labels))
            for name, sentences in with_spans.items()
        },
        {name: _malformed(sentences, corpus.scheme) for name, sentences in with_spans.items()},
    )
    counts = {name: _labels(sentences) for name, sentences in parts.items()}
    return DataCheck("tagger", "label", tuple(corpus.notes), warnings, counts, labels)


def _overlap(
    sentences: tuple[Sentence, ...], corpus: TaggedCorpus, in_train: set[tuple[str, ...]]
) -> HeldOutOverlap:
    tokens = [token for sentence in sentences for token in sentence.tokens]
    return HeldOutOverlap(
        words=len(tokens),
        unknown=sum(not corpus.encoder.is_known(token) for token in tokens),
        sentences=len(sentences),
        repeated=sum(sentence.tokens in in_train for sentence in sentences),
    )


def _malformed(sentences: tuple[Sentence, ...], scheme: Scheme) -> MalformedLabels:
    wrong = [(sentence, places) for sentence in sentences if (places := malformed(sentence.labels, scheme))]
    if not wrong:
        return MalformedLabels(0)
    first, places = wrong[0]
    around = slice(max(0, places[0] - 2), places[0] + 2)
    shown = tuple(
        f"{token}/{label}" for token, label in zip(first.tokens[around], first.labels[around], strict=True)
    )
    return MalformedLabels(sum(len(places) for _, places in wrong), first.place, shown)


def _labels(sentences: tuple[Sentence, ...]) -> Counter[str]:
    return Counter(label for sentence in sentences for label in sentence.labels)


def _symbols(corpus: CharCorpus) -> Counter[str]:
    counts, symbols = corpus.vocabulary.counts, corpus.vocabulary.symbols
    return Counter({str(symbol): int(count) for symbol, count in zip(symbols, counts, strict=True)})


def suspicious(settings: TaggerSettings, corpus: TaggedCorpus) -> Iterator[str]:
    """Yield one line for each setting that is allowed but probably a mistake."""
    training = settings.training
    if not corpus.dev:
        yield "nothing is held out: the kept epoch will be the one with the least training loss; data.dev or data.split changes that"
    if corpus.inner_scheme != "none" and settings.model.decoder == "softmax":
        yield "the labels mark spans, which decoder: softmax does not keep well-formed; viterbi and crf do"
    words = sum(len(sentence.tokens) for sentence in corpus.train)
    in_epoch = max(
        1, words // training.batch_words if training.batch_words else len(corpus.train) // training.batch_size
    )
    steps = min(
        limit
        for limit in (training.max_steps, in_epoch * (training.epochs or UNLIMITED))
        if limit is not None
    )
    if steps < FEW_UPDATES:
        yield f"only about {steps} updates in all: a smaller batch_words or batch_size, or more epochs, gives more"
    if training.warmup_steps >= steps:
        yield f"training.warmup_steps: {training.warmup_steps} is not over when the run ends after about {steps}"
    if training.lr > HIGH_LR and training.optimizer in SCALING:
        yield f"training.lr: {training.lr:g} is very high for {training.optimizer}; 0.001 to 0.01 is usual"
