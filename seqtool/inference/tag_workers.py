"""Processes that tag: each gets batches through its own pipe."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeAlias

from seqtool.errors import WorkerEnded
from seqtool.inference.text_tagger import TaggedText, TagOptions, Tags, TextTagger, Unit

if TYPE_CHECKING:
    from concurrent.futures import Future
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from seqtool.processes import ParentWatch

Answer: TypeAlias = "list[Tags | TaggedText]"
_WorkerBatch: TypeAlias = "tuple[Sequence[Unit], TagOptions, Future[Answer]]"


class Workers:
    """Processes that tag. Each has its own pipe, so a killed worker cannot block the others.

    A thread of this process sends a batch to its worker and receives the labels, one batch after the other.
    """

    def __init__(self, model: TextTagger, jobs: int) -> None:
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

    def submit(self, units: Sequence[Unit], options: TagOptions) -> Future[Answer]:
        """Put a batch into the queue. The result of the future may raise `WorkerEnded`."""
        from concurrent.futures import Future

        future: Future[Answer] = Future()
        self._batches.put((units, options, future))
        return future

    def _serve(self, worker: BaseProcess, connection: Connection) -> None:
        """Pass batches to a worker until it ends."""
        while True:
            units, options, future = self._batches.get()
            try:
                connection.send((units, options))
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


def _work(model: TextTagger, connection: Connection, watch: ParentWatch) -> None:
    """Tag batches until the parent ends; entry point of a worker process."""
    watch.start(lambda: os._exit(0))
    while True:
        units, options = connection.recv()
        try:
            answer: Answer | Exception = model.tag(units, options)
        except Exception as error:
            answer = error
        connection.send(answer)
