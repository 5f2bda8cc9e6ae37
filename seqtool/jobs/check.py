"""A look at what a config would train on, before any time is spent: read as training reads it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.data.characters import CharCorpus
from seqtool.data.labelled import Sentence
from seqtool.data.tagged import TaggedCorpus
from seqtool.jobs.prepare import prepare
from seqtool.reports.check import Look

if TYPE_CHECKING:
    from seqtool.config import ReadConfig


def check(read: ReadConfig, cache: Path) -> Look:
    """What will be trained on and what looks wrong.

    Raises:
        SeqtoolError: what training would raise before its first step.
    """
    read.check_trainable()
    corpus = prepare(read.settings, cache).corpus
    warnings = (*read.notes, *corpus.warnings)
    if isinstance(corpus, TaggedCorpus):
        return _tagged(corpus, warnings)
    return Look("char", tuple(corpus.notes), warnings, {"train": _symbols(corpus)})


def _tagged(corpus: TaggedCorpus, warnings: tuple[str, ...]) -> Look:
    parts = {"train": corpus.train, "dev": corpus.dev, "test": corpus.test}
    counts = {name: _labels(sentences) for name, sentences in parts.items() if sentences}
    unknown = {}
    for name in ("dev", "test"):
        tokens = [token for sentence in parts[name] for token in sentence.tokens]
        if tokens:
            unknown[name] = (len(tokens), sum(not corpus.encoder.is_known(token) for token in tokens))
    return Look("tagger", tuple(corpus.notes), warnings, counts, unknown)


def _labels(sentences: tuple[Sentence, ...]) -> Counter[str]:
    return Counter(label for sentence in sentences for label in sentence.labels)


def _symbols(corpus: CharCorpus) -> Counter[str]:
    counts, symbols = corpus.vocabulary.counts, corpus.vocabulary.symbols
    return Counter({str(symbol): int(count) for symbol, count in zip(symbols, counts, strict=True)})
