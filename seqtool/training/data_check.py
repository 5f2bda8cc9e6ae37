"""Check the data and the settings of a config before training, on the data as training reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
class MalformedSpans:
    """Labels that break their span scheme in one split.

    Attributes:
        count: number of such labels.
        place: `file:line` of the sentence with the first one.
        context: the first one with its neighbors, as token/label.
    """

    count: int
    place: str = ""
    context: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataCheck:
    """Statistics of the data that a config would train on.

    Attributes:
        task: name of the task.
        unit: noun for what is counted: `label` or `symbol`.
        notes: what was detected and chosen, one line each.
        warnings: what looks wrong, one line each.
        counts: frequency of each label or symbol per split; `train` is always present.
        unknown: per held-out split, its words and the number of them that training lacks; None without words.
        repeated: per held-out split, its sentences and the number of them that training contains.
        scheme: span scheme of the labels.
        spans: number of spans of each type per split; empty for labels that mark no spans.
        malformed: labels per split that break the scheme.
    """

    task: str
    unit: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: Mapping[str, Counter[str]]
    unknown: Mapping[str, tuple[int, int]] | None = None
    repeated: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    scheme: str = "none"
    spans: Mapping[str, Counter[str]] = field(default_factory=dict)
    malformed: Mapping[str, MalformedSpans] = field(default_factory=dict)


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
    all_splits = {"train": corpus.train, "dev": corpus.dev, "test": corpus.test}
    splits = {name: sentences for name, sentences in all_splits.items() if sentences}
    held_out = {name: sentences for name, sentences in splits.items() if name != "train"}
    known = {sentence.tokens for sentence in corpus.train}
    with_spans = splits if corpus.scheme != "none" else {}
    return DataCheck(
        task="tagger",
        unit="label",
        notes=tuple(corpus.notes),
        warnings=warnings,
        counts={name: _labels(sentences) for name, sentences in splits.items()},
        unknown={name: _unknown(sentences, corpus) for name, sentences in held_out.items()},
        repeated={
            name: (len(sentences), sum(sentence.tokens in known for sentence in sentences))
            for name, sentences in held_out.items()
        },
        scheme=corpus.scheme,
        spans={
            name: Counter(span.type for one in sentences for span in spans_of(one.labels))
            for name, sentences in with_spans.items()
        },
        malformed={name: _malformed(sentences, corpus.scheme) for name, sentences in with_spans.items()},
    )


def _unknown(sentences: tuple[Sentence, ...], corpus: TaggedCorpus) -> tuple[int, int]:
    """Count words, and words that training lacks."""
    tokens = [token for sentence in sentences for token in sentence.tokens]
    return len(tokens), sum(not corpus.encoder.is_known(token) for token in tokens)


def _malformed(sentences: tuple[Sentence, ...], scheme: Scheme) -> MalformedSpans:
    wrong = [(sentence, places) for sentence in sentences if (places := malformed(sentence.labels, scheme))]
    if not wrong:
        return MalformedSpans(0)
    first, places = wrong[0]
    around = slice(max(0, places[0] - 2), places[0] + 2)
    shown = tuple(
        f"{token}/{label}" for token, label in zip(first.tokens[around], first.labels[around], strict=True)
    )
    return MalformedSpans(sum(len(places) for _, places in wrong), first.place, shown)


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
