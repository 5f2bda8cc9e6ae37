"""Tagging of a stream: sentences are tagged in batches and written in their order.

One or several processes tag. As long as input is available, a batch has some thousand words. Before a read
that would block, the caller flushes the stream: all sentences so far are tagged and written.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from seqtool.data.tagging.unlabeled import Item, unusual_ending
from seqtool.inference.tagger import TaggerModel

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

BATCH_WORDS = 8192
BATCH_ITEMS = 2048
NAMED_UNSEEN = 20  # unseen words that are named on stderr; further ones are not


@dataclass(frozen=True)
class TagOptions:
    """Results to compute in addition to the best labels.

    Attributes:
        probabilities: the probability of each label.
        nbest: the number of best label sequences; 0: only the best one.
        unseen: the words that the training data did not contain.
    """

    probabilities: bool = False
    nbest: int = 0
    unseen: bool = False


class Tags(NamedTuple):
    """Labels of a sentence; attributes as in `Tagged`."""

    labels: list[str]
    probabilities: list[float] | None = None
    nbest: list[tuple[list[str], float]] | None = None


@dataclass(frozen=True, slots=True)
class Tagged:
    """An item with its labels.

    Attributes:
        labels: one for each token.
        probabilities: probability of each label, if requested.
        nbest: the best label sequences with their log probabilities, if requested.
        unseen: for each token, whether its form is missing from the training data.
    """

    item: Item
    labels: list[str]
    probabilities: list[float] | None = None
    nbest: list[tuple[list[str], float]] | None = None
    unseen: list[bool] | None = None


Renderer = Callable[[Tagged], str]
Batch = list[tuple[Item, Renderer]]


class TaggingStream:
    """Tags items and writes them in their order.

    Attributes:
        problems: number of items that could not be read.
    """

    def __init__(
        self,
        model: TaggerModel,
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
        self._running: deque[tuple[Batch, Future[list[Tags]]]] = deque()
        self._pool = _start_pool(model, jobs) if jobs > 1 else None
        self._jobs = jobs
        self._named: set[str] = set()
        self._names_unseen = any(
            not feature.unknown and feature.name in ("form", "lower") for feature in model.encoder.features
        )
        self._known_ends = cache(model.encoder.endings)
        self._warned = False

    def __enter__(self) -> TaggingStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the items before an error, too. A closed pipe and Ctrl-C stop at once."""
        try:
            if kind is None or (
                error is not None and isinstance(error, Exception) and not isinstance(error, BrokenPipeError)
            ):
                self.flush()
        finally:
            if self._pool is not None:
                # The command exits without unloading its modules; a worker that is still running would keep
                # the pipe open.
                self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, item: Item, render: Renderer) -> None:
        """Add an item, which is written after the items before it."""
        if item.problem is not None:
            self.problems += 1
        if item.text is not None and not self._warned:
            self._check_ends(item)
        self._pending.append((item, render))
        self._words += len(item.tokens)
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
        sentences = [item.tokens for item, _ in batch]
        if self._pool is None:
            self._write_batch(batch, tag_sentences(self._model, sentences, self._options))
            return
        self._running.append((batch, self._pool.submit(_tag_in_worker, sentences, self._options)))
        if len(self._running) > 2 * self._jobs:
            self._finish_oldest()

    def _finish_oldest(self) -> None:
        batch, future = self._running.popleft()
        self._write_batch(batch, future.result())

    def _write_batch(self, batch: Batch, tags: list[Tags]) -> None:
        texts = []
        for (item, render), (labels, probabilities, nbest) in zip(batch, tags, strict=True):
            unseen = None
            if self._options.unseen or self._names_unseen:
                unseen = [not self._model.known(token) for token in item.tokens]
                self._name_unseen(item, unseen)
            texts.append(render(Tagged(item, labels, probabilities, nbest, unseen)))
        self._write("".join(texts))

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


def tag_sentences(model: TaggerModel, sentences: Sequence[Sequence[str]], options: TagOptions) -> list[Tags]:
    """Return the labels of sentences and the other requested results."""
    if options.nbest:
        lists = [model.nbest(sentence, options.nbest) for sentence in sentences]
        return [Tags(paths[0][0], None, paths) for paths in lists]
    if options.probabilities:
        tagged = model.tag_with_probabilities(sentences)
        return [Tags(labels, probabilities.tolist()) for labels, probabilities in tagged]
    return [Tags(labels) for labels in model.tag(sentences)]


# --- several processes --------------------------------------------------------------------------------------

_worker: list[TaggerModel] = []  # the model of a worker process


def _start_pool(model: TaggerModel, jobs: int) -> ProcessPoolExecutor:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # A forked process shares the memory of the model. Forking is safe on Linux only; elsewhere the model is
    # pickled.
    context: Any = get_context("fork" if sys.platform == "linux" else "spawn")
    return ProcessPoolExecutor(jobs, context, _start_worker, (model,))


def _start_worker(model: TaggerModel) -> None:
    import signal

    _worker.append(model)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C


def _tag_in_worker(sentences: Sequence[Sequence[str]], options: TagOptions) -> list[Tags]:
    return tag_sentences(_worker[0], sentences, options)
