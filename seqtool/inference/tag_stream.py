"""Tagging of a stream: sentences are tagged in batches and written in their order.

One or several processes tag. As long as input is available, a batch has some thousand words. Before a read
that would block, the caller flushes the stream: all sentences so far are tagged and written.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from seqtool.data.tagging.unlabeled import Item, unusual_ending
from seqtool.errors import OutputError, WorkerEnded
from seqtool.inference.text_tagger import (
    LabelLists,
    TaggedText,
    TagOptions,
    Tags,
    TextTagger,
    join_nbest,
    words_of,
)
from seqtool.safe_text import visible

if TYPE_CHECKING:
    from concurrent.futures import Future

    from seqtool.inference.tag_workers import Answer, Workers
    from seqtool.inference.tokenizer import RawSentence

BATCH_WORDS = 8192
BATCH_ITEMS = 2048
WORD_CHARACTERS = 5  # characters of raw text that count as a word of a batch
NAMED_UNSEEN = 20  # unseen words that are named on stderr; further ones are not


class Tagged(NamedTuple):
    """An item with its labels.

    Attributes:
        labels: one for each token.
        probabilities: probability of each label, if requested.
        nbest: the best label sequences with their log probabilities, if requested.
        unseen: for each token, whether its form is missing from the training data.
        columns: labels of each column, if the tagger predicts several; the first is `labels`.
        raw: tokens of a sentence that the trained tokenizer found; the tokens of the item are their words.
        sentences: sentences of a raw text that the trained tokenizer split; the other attributes join theirs.
    """

    item: Item
    labels: list[str]
    probabilities: list[float] | None = None
    nbest: LabelLists | None = None
    unseen: list[bool] | None = None
    columns: list[list[str]] | None = None
    raw: RawSentence | None = None
    sentences: list[Tagged] | None = None

    @property
    def error(self) -> str:
        """Location and reason of an item that could not be read; empty for other ones."""
        problem = self.item.problem
        return "" if problem is None else visible(f"{problem.place}  {problem.message}")


Renderer = Callable[[Tagged], str]
Batch = list[tuple[Item, Renderer]]


class TaggingStream:
    """Tags items and writes them in their order.

    Attributes:
        problems: number of items that could not be read.
    """

    def __init__(
        self,
        model: TextTagger,
        write: Callable[[str], object],
        say: Callable[[str], None],
        options: TagOptions,
        jobs: int = 1,
    ) -> None:
        """Start a stream.

        Args:
            write: called with text; it may raise BrokenPipeError.
            say: called with a message for the user.
            jobs: number of processes that tag; 1 uses this process alone.
        """
        self.problems = 0
        self._model = model
        self._write = write
        self._say = say
        self._options = options
        self._pending: Batch = []
        self._words = 0
        self._running: deque[tuple[Batch, Future[Answer]]] = deque()
        self._workers = _workers(model, jobs) if jobs > 1 else None
        self._jobs = jobs
        self._named: set[str] = set()
        self._names_unseen = any(
            not feature.unknown and feature.name in ("form", "lower")
            for feature in model.tagger.encoder.features
        )
        self._known_ends = cache(model.tagger.encoder.endings)
        self._warned = False

    def __enter__(self) -> TaggingStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the items before an error, too. Failed writes, ended workers and Ctrl-C stop at once."""
        at_once = BrokenPipeError, OutputError, WorkerEnded
        try:
            if error is None or (isinstance(error, Exception) and not isinstance(error, at_once)):
                self.flush()
        finally:
            if self._workers is not None:
                self._workers.end()

    def add(self, item: Item, render: Renderer) -> None:
        """Add an item, which is written after the items before it."""
        if item.problem is not None:
            self.problems += 1
        if item.tokenizer is not None and not self._warned:
            self._check_ends(item)
        self._pending.append((item, render))
        self._words += len(item.tokens) or len(item.text or "") // WORD_CHARACTERS
        if self._words >= BATCH_WORDS or len(self._pending) >= BATCH_ITEMS:
            self._submit()

    def flush(self) -> None:
        """Tag and write all added items."""
        self._submit()
        while self._running:
            self._finish_oldest()
        sys.stdout.flush()

    def _submit(self) -> None:
        batch, self._pending, self._words = self._pending, [], 0
        if not batch:
            return
        units = [item.text or "" if item.is_raw else item.tokens for item, _ in batch]
        if self._workers is None:
            self._write_batch(batch, self._model.tag(units, self._options))
            return
        self._running.append((batch, self._workers.submit(units, self._options)))
        if len(self._running) > 2 * self._jobs:
            self._finish_oldest()

    def _finish_oldest(self) -> None:
        batch, future = self._running.popleft()
        self._write_batch(batch, future.result())

    def _write_batch(self, batch: Batch, answer: Answer) -> None:
        texts = []
        try:
            for (item, render), tags in zip(batch, answer, strict=True):
                texts.append(render(self._tagged(item, tags)))
        finally:  # the sentences before one that cannot be written
            self._write("".join(texts))

    def _tagged(self, item: Item, tags: Tags | TaggedText) -> Tagged:
        if isinstance(tags, Tags):
            return self._sentence(item, tags)
        sentences = [
            self._sentence(Item(words_of(raw), item.block, item.text, is_raw=True), own, raw)
            for raw, own in tags
        ]
        return _joined(item, sentences, self._options, len(self._model.tagger.columns))

    def _sentence(self, item: Item, tags: Tags, raw: RawSentence | None = None) -> Tagged:
        unseen = None
        if self._options.unseen or self._names_unseen:
            unseen = [not self._model.tagger.known(token) for token in item.tokens]
            self._name_unseen(item, unseen)
        labels, probabilities, nbest, columns = tags
        return Tagged(item, labels, probabilities, nbest, unseen, columns, raw)

    def _name_unseen(self, item: Item, unseen: Sequence[bool]) -> None:
        """Name each unseen word once, for a model that represents these words by a mean only."""
        if not self._names_unseen or len(self._named) > NAMED_UNSEEN:
            return
        for token, is_unseen in zip(item.tokens, unseen, strict=True):
            if is_unseen and token not in self._named:
                self._named.add(token)
                if len(self._named) > NAMED_UNSEEN:
                    self._say("note: further unseen words are not named")
                    return
                self._say(
                    f"note: {token!r} is not in the training data; the mean of all words is used instead"
                )

    def _check_ends(self, item: Item) -> None:
        odd = unusual_ending(item.tokens, self._known_ends)
        if odd is not None:
            self._warned = True
            self._say(
                f"warning: {odd!r} ends in punctuation, unlike every word of the training data; "
                "separate punctuation by spaces"
            )


def _joined(item: Item, sentences: list[Tagged], options: TagOptions, count: int) -> Tagged:
    """Return a raw text with the words and labels of all its sentences.

    Args:
        count: number of columns of a tagger that predicts several labels.
    """
    item = item._replace(tokens=[token for one in sentences for token in one.item.tokens])
    labels = [label for one in sentences for label in one.labels]
    tagged = Tagged(item, labels, sentences=sentences)
    if options.probabilities:
        values = [value for one in sentences for value in one.probabilities or ()]
        tagged = tagged._replace(probabilities=values)
    if options.nbest:
        lists = join_nbest([one.nbest or [] for one in sentences], options.nbest)
        return tagged._replace(nbest=lists)
    if not count:
        return tagged
    columns = [[label for one in sentences for label in (one.columns or [])[at]] for at in range(count)]
    return tagged._replace(columns=columns)


def _workers(model: TextTagger, jobs: int) -> Workers:
    """Start processes that tag. One process alone does without their module."""
    from seqtool.inference.tag_workers import Workers

    return Workers(model, jobs)
