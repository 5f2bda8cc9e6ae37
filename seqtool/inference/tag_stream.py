"""Tagging whatever comes: sentences are gathered, worked on together, and given out in their order.

A full pipe is worked on in batches of some thousand words, by one process or by several; before a read that would block
all that came is tagged and written.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any

from seqtool.data.tagging.unlabeled import Item, unusual_ending
from seqtool.inference.tagger import TaggerModel
from seqtool.reports.tagged import Renderer, Tagged

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

BATCH_WORDS = 8192
BATCH_ITEMS = 2048
NAMED_UNSEEN = 20  # unseen words that are named on stderr before the rest is only counted
Found = list[tuple[list[str], list[float] | None, list[tuple[list[str], float]] | None]]


@dataclass(frozen=True)
class TagOptions:
    """What is wanted beside the best labels."""

    probabilities: bool = False
    nbest: int = 0
    unseen: bool = False


class TaggingStream:
    """Takes items one by one and writes them, tagged, in the same order.

    Args:
        model: the tagger.
        write: called with text; it may raise BrokenPipeError.
        say: called with a line for the person.
        jobs: processes that tag; 1: this one.
    """

    def __init__(
        self,
        model: TaggerModel,
        write: Callable[[str], object],
        say: Callable[[str], None],
        wanted: TagOptions,
        jobs: int = 1,
    ) -> None:
        self.problems = 0
        self._model = model
        self._write = write
        self._say = say
        self._wanted = wanted
        self._pending: list[tuple[Item, Renderer]] = []
        self._words = 0
        self._running: deque[tuple[list[tuple[Item, Renderer]], Future[Found]]] = deque()
        self._pool = _pool(model, jobs) if jobs > 1 else None
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
        """Give out what came before a mistake, too; a reader that has gone or Ctrl-C end the work at once."""
        try:
            if kind is None or (
                error is not None and isinstance(error, Exception) and not isinstance(error, BrokenPipeError)
            ):
                self.flush()
        finally:
            if self._pool is not None:
                # Waited for: the process ends without unloading, and a worker left behind would hold the pipe open.
                self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, item: Item, render: Renderer) -> None:
        """Take an item; its labels come out in its turn."""
        if item.problem is not None:
            self.problems += 1
        if item.text is not None and not self._warned:
            self._check_ends(item)
        self._pending.append((item, render))
        self._words += len(item.tokens)
        if self._words >= BATCH_WORDS or len(self._pending) >= BATCH_ITEMS:
            self._send()

    def flush(self) -> None:
        """Tag and write all that came."""
        self._send()
        while self._running:
            self._finish_oldest()
        sys.stdout.flush()

    def _send(self) -> None:
        batch, self._pending, self._words = self._pending, [], 0
        if not batch:
            return
        sentences = [item.tokens for item, _ in batch]
        if self._pool is None:
            self._give_out(batch, find(self._model, sentences, self._wanted))
            return
        self._running.append((batch, self._pool.submit(_work, sentences, self._wanted)))
        if len(self._running) > 2 * self._jobs:
            self._finish_oldest()

    def _finish_oldest(self) -> None:
        batch, future = self._running.popleft()
        self._give_out(batch, future.result())

    def _give_out(self, batch: list[tuple[Item, Renderer]], found: Found) -> None:
        texts = []
        for (item, render), (labels, probabilities, nbest) in zip(batch, found, strict=True):
            unseen = None
            if self._wanted.unseen or self._names_unseen:
                unseen = [not self._model.known(token) for token in item.tokens]
                self._name_unseen(item, unseen)
            texts.append(render(Tagged(item, labels, probabilities, nbest, unseen)))
        self._write("".join(texts))

    def _name_unseen(self, item: Item, unseen: Sequence[bool]) -> None:
        """Say once of each unseen word that the mean of all words stands in for it, where the model has nothing better."""
        if not self._names_unseen or len(self._named) > NAMED_UNSEEN:
            return
        for token, new in zip(item.tokens, unseen, strict=True):
            if new and token not in self._named:
                self._named.add(token)
                if len(self._named) > NAMED_UNSEEN:
                    self._say("note: further unseen words are not named")
                    return
                self._say(
                    f"note: {token!r} is not in the training data; the mean of all words stands in for it"
                )

    def _check_ends(self, item: Item) -> None:
        odd = unusual_ending(item.tokens, self._known_ends)
        if odd is not None:
            self._warned = True
            self._say(
                f"warning: {odd!r} ends in punctuation as no word of the training data does; set punctuation apart with spaces"
            )


def find(model: TaggerModel, sentences: Sequence[Sequence[str]], wanted: TagOptions) -> Found:
    """Labels of sentences, with what else is wanted."""
    if wanted.nbest:
        lists = [model.nbest(sentence, wanted.nbest) for sentence in sentences]
        return [(paths[0][0], None, paths) for paths in lists]
    if wanted.probabilities:
        return [(labels, chosen.tolist(), None) for labels, chosen in model.tag_with_probabilities(sentences)]
    return [(labels, None, None) for labels in model.tag(sentences)]


# --- several processes ------------------------------------------------------------------------------------------------

_worker: list[TaggerModel] = []  # the model of a worker process


def _pool(model: TaggerModel, jobs: int) -> ProcessPoolExecutor:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # A forked process shares the model's memory; elsewhere than on Linux forking is not safe, so the model is sent.
    context: Any = get_context("fork" if sys.platform == "linux" else "spawn")
    return ProcessPoolExecutor(jobs, context, _start_worker, (model,))


def _start_worker(model: TaggerModel) -> None:
    import signal

    _worker.append(model)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's


def _work(sentences: Sequence[Sequence[str]], wanted: TagOptions) -> Found:
    return find(_worker[0], sentences, wanted)
