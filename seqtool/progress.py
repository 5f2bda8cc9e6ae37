"""Progress of long work, told to whoever watches it.

Loops that may take long, such as those of an evaluation, tell how much is done. A command that shows progress
watches them. Without a watcher, as in a Python program, nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Watcher = Callable[[str, int, int], None]  # receives the name of the work, the amount done, and the total

_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


def tell_progress(work: str, done: int, total: int) -> None:
    """Tell the watcher that `done` of `total` units of some work are done."""
    watcher = _WATCHER.get()
    if watcher is not None:
        watcher(work, done, total)


@contextmanager
def watched_by(watcher: Watcher | None) -> Iterator[None]:
    """Tell a watcher about the work inside the block; None: nobody watches."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)
