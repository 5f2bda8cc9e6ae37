"""A look at what a config would train on, before any time is spent: read as training reads it, and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.data.characters import CharCorpus
from seqtool.data.labelled import Sentence
from seqtool.data.tagged import TaggedCorpus
from seqtool.jobs.prepare import prepare
from seqtool.reports.check import distribution, unknown_rate, verdict

if TYPE_CHECKING:
    from seqtool.config import ReadConfig


def check(read: ReadConfig, cache: Path) -> Iterator[str]:
    """Lines that tell what will be trained on and what looks wrong.

    Raises:
        SeqtoolError: what training would raise before its first step.
    """
    read.check_trainable()
    prepared = prepare(read.settings, cache)
    corpus = prepared.corpus
    yield from corpus.notes
    yield ""
    yield from _tagged(corpus) if isinstance(corpus, TaggedCorpus) else _characters(corpus)
    yield from verdict([*read.notes, *corpus.warnings])


def _tagged(corpus: TaggedCorpus) -> Iterator[str]:
    held_out = corpus.dev or corpus.test
    name = "dev" if corpus.dev else "test"
    yield from distribution("label", _labels(corpus.train), _labels(held_out) if held_out else None, name)
    yield ""
    for split, sentences in (("dev", corpus.dev), ("test", corpus.test)):
        tokens = [token for sentence in sentences for token in sentence.tokens]
        if tokens:
            yield unknown_rate(split, len(tokens), sum(not corpus.encoder.is_known(token) for token in tokens))


def _labels(sentences: tuple[Sentence, ...]) -> Counter[str]:
    return Counter(label for sentence in sentences for label in sentence.labels)


def _characters(corpus: CharCorpus) -> Iterator[str]:
    counts = corpus.vocabulary.counts
    symbols = corpus.vocabulary.symbols
    yield from distribution("symbol", Counter({str(symbol): int(count) for symbol, count in zip(symbols, counts, strict=True)}))
