"""A look at what a config would train on, before any time is spent: read as training reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.data.tagging.corpus import TaggedCorpus
from seqtool.data.tagging.sentences import Sentence
from seqtool.data.text.corpus import CharCorpus
from seqtool.reports.check import DataCheck, Malformed
from seqtool.settings import Scheme, TaggerSettings
from seqtool.spans import malformed, spans_of
from seqtool.tasks.prepare import prepare

if TYPE_CHECKING:
    from seqtool.config import ReadConfig

FEW_UPDATES = 100  # of a whole run
STEEP = 0.05  # learning rate of an optimiser that scales its steps
SCALING = ("adam", "adamw", "rmsprop")
ENDLESS = 1 << 40  # epochs, where another limit ends the run


def check(read: ReadConfig, cache: Path) -> DataCheck:
    """What will be trained on and what looks wrong.

    Raises:
        SeqtoolError: what training would raise before its first step.
    """
    read.check_trainable()
    prepared = prepare(read.settings, cache)
    corpus = prepared.corpus
    warnings = (*read.notes, *corpus.warnings)
    if isinstance(corpus, TaggedCorpus):
        assert isinstance(prepared.settings, TaggerSettings)
        return _tagged(corpus, (*warnings, *suspicious(prepared.settings, corpus)))
    return DataCheck("char", tuple(corpus.notes), warnings, {"train": _symbols(corpus)})


def _tagged(corpus: TaggedCorpus, warnings: tuple[str, ...]) -> DataCheck:
    every = {"train": corpus.train, "dev": corpus.dev, "test": corpus.test}
    parts = {name: sentences for name, sentences in every.items() if sentences}
    known = {sentence.tokens for sentence in corpus.train}
    unknown, repeated = {}, {}
    for name, sentences in parts.items():
        if name != "train":
            tokens = [token for sentence in sentences for token in sentence.tokens]
            unknown[name] = (len(tokens), sum(not corpus.encoder.is_known(token) for token in tokens))
            repeated[name] = (len(sentences), sum(sentence.tokens in known for sentence in sentences))
    marked = parts if corpus.scheme != "none" else {}
    return DataCheck(
        "tagger",
        tuple(corpus.notes),
        warnings,
        {name: _labels(sentences) for name, sentences in parts.items()},
        unknown,
        repeated,
        corpus.scheme,
        {
            name: Counter(span.type for one in sentences for span in spans_of(one.labels))
            for name, sentences in marked.items()
        },
        {name: _malformed(sentences, corpus.scheme) for name, sentences in marked.items()},
    )


def _malformed(sentences: tuple[Sentence, ...], scheme: Scheme) -> Malformed:
    wrong = [(sentence, places) for sentence in sentences if (places := malformed(sentence.labels, scheme))]
    if not wrong:
        return Malformed(0)
    first, places = wrong[0]
    around = slice(max(0, places[0] - 2), places[0] + 2)
    shown = tuple(
        f"{token}/{label}" for token, label in zip(first.tokens[around], first.labels[around], strict=True)
    )
    return Malformed(sum(len(found) for _, found in wrong), first.place, shown)


def _labels(sentences: tuple[Sentence, ...]) -> Counter[str]:
    return Counter(label for sentence in sentences for label in sentence.labels)


def _symbols(corpus: CharCorpus) -> Counter[str]:
    counts, symbols = corpus.vocabulary.counts, corpus.vocabulary.symbols
    return Counter({str(symbol): int(count) for symbol, count in zip(symbols, counts, strict=True)})


def suspicious(settings: TaggerSettings, corpus: TaggedCorpus) -> Iterator[str]:
    """Settings that are allowed but hardly meant, one line each."""
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
        limit for limit in (training.max_steps, in_epoch * (training.epochs or ENDLESS)) if limit is not None
    )
    if steps < FEW_UPDATES:
        yield f"only about {steps} updates in all: a smaller batch_words or batch_size, or more epochs, gives more"
    if training.warmup_steps >= steps:
        yield f"training.warmup_steps: {training.warmup_steps} is not over when the run ends after about {steps}"
    if training.lr > STEEP and training.optimizer in SCALING:
        yield f"training.lr: {training.lr:g} is very high for {training.optimizer}; 0.001 to 0.01 is usual"
