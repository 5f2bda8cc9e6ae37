"""Tagging of a stream: sentences are tagged in batches and written in their order.

One or several processes tag. As long as input is available, a batch has some thousand words. Before a read
that would block, the caller flushes the stream: all sentences so far are tagged and written.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from seqtool.data.tagging.unlabeled import Item, unusual_ending
from seqtool.errors import OutputError, WorkerEnded
from seqtool.inference.tagger import TaggerModel

if TYPE_CHECKING:
    from concurrent.futures import Future
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from seqtool.processes import ParentWatch

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
    columns: list[list[str]] | None = None


@dataclass(frozen=True, slots=True)
class Tagged:
    """An item with its labels.

    Attributes:
        labels: one for each token.
        probabilities: probability of each label, if requested.
        nbest: the best label sequences with their log probabilities, if requested.
        unseen: for each token, whether its form is missing from the training data.
        columns: labels of each column, if the tagger predicts several; the first is `labels`.
    """

    item: Item
    labels: list[str]
    probabilities: list[float] | None = None
    nbest: list[tuple[list[str], float]] | None = None
    unseen: list[bool] | None = None
    columns: list[list[str]] | None = None


Renderer = Callable[[Tagged], str]
Batch = list[tuple[Item, Renderer]]
_WorkerBatch: TypeAlias = "tuple[list[list[str]], TagOptions, Future[list[Tags]]]"


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
        self._workers = _Workers(model, jobs) if jobs > 1 else None
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
        if self._workers is None:
            self._write_batch(batch, tag_sentences(self._model, sentences, self._options))
            return
        self._running.append((batch, self._workers.submit(sentences, self._options)))
        if len(self._running) > 2 * self._jobs:
            self._finish_oldest()

    def _finish_oldest(self) -> None:
        batch, future = self._running.popleft()
        self._write_batch(batch, future.result())

    def _write_batch(self, batch: Batch, tags: list[Tags]) -> None:
        texts = []
        try:
            for (item, render), (labels, probabilities, nbest, columns) in zip(batch, tags, strict=True):
                unseen = None
                if self._options.unseen or self._names_unseen:
                    unseen = [not self._model.known(token) for token in item.tokens]
                    self._name_unseen(item, unseen)
                texts.append(render(Tagged(item, labels, probabilities, nbest, unseen, columns)))
        finally:  # the sentences before one that cannot be written
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
    columns = model.tag_columns(sentences) if model.columns else None
    if options.probabilities:
        tagged = model.tag_with_probabilities(sentences)
        tags = [Tags(labels, probabilities.tolist()) for labels, probabilities in tagged]
        return (
            tags
            if columns is None
            else [tag._replace(columns=own) for tag, own in zip(tags, columns, strict=True)]
        )
    if columns is not None:
        return [Tags(own[0], columns=own) for own in columns]
    return [Tags(labels) for labels in model.tag(sentences)]


# --- several processes --------------------------------------------------------------------------------------


class _Workers:
    """Processes that tag. Each has its own pipe, so a killed worker cannot block the others.

    A thread of this process sends a batch to its worker and receives the labels, one batch after the other.
    """

    def __init__(self, model: TaggerModel, jobs: int) -> None:
        from multiprocessing import get_context
        from queue import SimpleQueue

        from seqtool.processes import ParentWatch

        # A forked process shares the memory of the model. Forking is safe on Linux only; elsewhere the model
        # is pickled.
        context: Any = get_context("fork" if sys.platform == "linux" else "spawn")
        self._batches: SimpleQueue[_WorkerBatch] = SimpleQueue()
        self._watch = ParentWatch()
        self._processes: list[BaseProcess] = []
        connections: list[Connection] = []
        with _without_interrupts():
            for _ in range(jobs):
                connection, theirs = context.Pipe()
                worker = context.Process(target=_work, args=(model, theirs, self._watch), daemon=True)
                worker.start()
                theirs.close()
                self._processes.append(worker)
                connections.append(connection)
        for worker, connection in zip(self._processes, connections, strict=True):
            Thread(target=self._serve, args=(worker, connection), daemon=True).start()

    def submit(self, sentences: list[list[str]], options: TagOptions) -> Future[list[Tags]]:
        """Put a batch into the queue. The result of the future may raise `WorkerEnded`."""
        from concurrent.futures import Future

        future: Future[list[Tags]] = Future()
        self._batches.put((sentences, options, future))
        return future

    def _serve(self, worker: BaseProcess, connection: Connection) -> None:
        """Pass batches to a worker until it ends."""
        while True:
            sentences, options, future = self._batches.get()
            try:
                connection.send((sentences, options))
                answer = connection.recv()
            except (EOFError, OSError):
                from seqtool.processes import cause_of_end

                worker.join()
                message = f"a worker process {cause_of_end(worker.exitcode)}; the output is incomplete"
                future.set_exception(WorkerEnded(message))
                return
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def end(self) -> None:
        """End all workers, also busy and paused ones."""
        for worker in self._processes:
            worker.kill()
        for worker in self._processes:
            worker.join()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block SIGINT in the processes that start inside the block: their parent handles Ctrl-C."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(model: TaggerModel, connection: Connection, watch: ParentWatch) -> None:
    """Tag batches until the parent ends; entry point of a worker process."""
    watch.start(lambda: os._exit(0))
    while True:
        sentences, options = connection.recv()
        try:
            answer: list[Tags] | Exception = tag_sentences(model, sentences, options)
        except Exception as error:
            answer = error
        connection.send(answer)
