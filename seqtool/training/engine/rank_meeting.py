"""Meeting of ranks in torchrun's store before they connect: one token for all, and a note from each.

A store may outlive its ranks. After a restart it still contains what ended ranks have written, and torchrun
gives the ranks no number of the restart that all machines share. So the ranks do not derive the prefix of
their connection from their environment. Rank 0 draws a random token for each start and gives it to the ranks
that are alive: each of them says hello under a new random name, and waits for an answer to that name.
"""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from seqtool.data.sharding import Shard
from seqtool.errors import Problem, SeqtoolError
from seqtool.safe_text import shorten

Terms: TypeAlias = Mapping[str, object]  # values by the name that a message shows
POLL = 0.05  # seconds between two looks at the store
LINGER = 5.0  # seconds that rank 0 keeps the store for others that have not read the notes
LOOK_BACK = 1.0  # seconds in which the error of a rank that has ended must be in the store
_LONGEST_NOTE = 500  # characters of an error that other ranks show


class Store(Protocol):
    """The part of torch's stores that a meeting needs."""

    def set(self, key: str, value: str) -> None:
        """Store a value."""

    def get(self, key: str) -> bytes:
        """Return a value; wait until it is stored."""

    def check(self, keys: list[str]) -> bool:
        """Return whether all keys are stored."""


@dataclass(frozen=True)
class Note:
    """Message of a rank to the others.

    Attributes:
        host: name of its machine.
        terms: values that must be equal on all ranks, such as versions.
        error: message of the error that ends the rank; empty if there is none.
    """

    host: str
    terms: Terms
    error: str = ""

    @classmethod
    def of_this_rank(cls, terms: Terms, error: str = "") -> Note:
        """Make the note of this process."""
        return cls(socket.gethostname(), terms, shorten(" ".join(error.split()), _LONGEST_NOTE))


@dataclass(frozen=True)
class Meeting:
    """Result of a meeting, equal on all ranks.

    Attributes:
        token: random text that no other start has; prefix of the keys of this one.
        notes: the messages of all ranks, in the order of the ranks.
    """

    token: str
    notes: tuple[Note, ...]


def meet(store: Store, shard: Shard, note: Note, timeout: float) -> Meeting:
    """Wait for all ranks of this start, and return their notes.

    Args:
        store: the store that all ranks share.
        shard: rank of this process, and number of ranks.
        note: message of this rank.
        timeout: seconds to wait for the others.

    Raises:
        SeqtoolError: another rank did not come in time.
    """
    name, deadline = f"seqtool/{shard.size}", time.monotonic() + timeout
    text = json.dumps([uuid.uuid4().hex, note.host, note.terms, note.error])
    if shard.rank == 0:
        return _Host(store, name, shard.size, text).meet(deadline)
    return _join(store, name, shard.rank, text, deadline)


class _Host:
    """Rank 0: answers every hello, also the later one of a rank that was started again meanwhile."""

    def __init__(self, store: Store, name: str, size: int, text: str) -> None:
        self._store, self._name, self._text = store, name, text
        self._token = uuid.uuid4().hex
        self._hellos = dict.fromkeys(range(1, size), "")

    def meet(self, deadline: float) -> Meeting:
        """Answer until all have confirmed the token, then publish the notes."""
        while missing := self._answer():
            if time.monotonic() > deadline:
                ranks = ", ".join(map(str, missing))
                raise SeqtoolError(
                    f"these ranks did not start in time: {ranks}",
                    place="training.rank_timeout",
                    hint="see the output on the other machines",
                )
            time.sleep(POLL)
        texts = [self._text, *self._hellos.values()]
        self._store.set(f"{self._name}/{self._token}/notes", json.dumps(texts))
        self._wait_for_readers()
        return _meeting(self._token, texts)

    def _answer(self) -> list[int]:
        """Answer new hellos, and return the ranks that have not confirmed the token."""
        for rank, known in self._hellos.items():
            hello = _peek(self._store, f"{self._name}/hello/{rank}")
            if hello and hello != known:
                self._hellos[rank] = hello
                self._store.set(f"{self._name}/answer/{_own_name(hello)}", self._token)
        return [rank for rank in self._hellos if not self._has("confirmed", rank)]

    def _has(self, what: str, rank: int) -> bool:
        hello = self._hellos[rank]
        return bool(hello) and self._store.check([f"{self._name}/{self._token}/{what}/{_own_name(hello)}"])

    def _wait_for_readers(self) -> None:
        """Keep the store, which may end with this process, until the other ranks have read the notes."""
        end = time.monotonic() + LINGER
        while time.monotonic() < end and not all(self._has("read", rank) for rank in self._hellos):
            time.sleep(POLL)


def _join(store: Store, name: str, rank: int, text: str, deadline: float) -> Meeting:
    """Say hello, confirm the newest answer of rank 0, and wait for the notes."""
    own, token = _own_name(text), ""
    store.set(f"{name}/hello/{rank}", text)
    while time.monotonic() < deadline:
        answer = _peek(store, f"{name}/answer/{own}")
        if answer and answer != token:  # a later one if rank 0 was started again
            token = answer
            store.set(f"{name}/{token}/confirmed/{own}", "1")
        if token and (notes := _peek(store, f"{name}/{token}/notes")):
            store.set(f"{name}/{token}/read/{own}", "1")
            return _meeting(token, json.loads(notes))
        time.sleep(POLL)
    hint = "see the output on the machine of rank 0"
    raise SeqtoolError("rank 0 did not start in time", place="training.rank_timeout", hint=hint)


def _peek(store: Store, key: str) -> str:
    """Return a value of the store; empty if it is not stored."""
    return store.get(key).decode() if store.check([key]) else ""


def _own_name(text: str) -> str:
    name: str = json.loads(text)[0]
    return name


def _meeting(token: str, texts: Iterable[str]) -> Meeting:
    return Meeting(token, tuple(Note(*json.loads(text)[1:]) for text in texts))


# --- agreement and errors -----------------------------------------------------------------------------------


def check_notes(notes: Sequence[Note]) -> None:
    """Check that no rank has an error and that all have the terms of rank 0.

    Raises:
        SeqtoolError: the same on all ranks; one problem for each rank with an error, or for each difference.
    """
    problems = [
        Problem(f"rank {rank} on {note.host} ended: {note.error}", hint="correct it there")
        for rank, note in enumerate(notes)
        if note.error
    ]
    if not problems:
        hint = "start all ranks with the same settings, data files and versions"
        problems = [Problem(line, hint=hint) for line in _differences(notes)]
    if problems:
        raise SeqtoolError(problems)


def _differences(notes: Sequence[Note]) -> list[str]:
    """Name each term that differs once, with the first rank that has another value."""
    lines: dict[str, str] = {}
    expected = notes[0]
    for rank, note in enumerate(notes):
        for key in sorted(expected.terms.keys() | note.terms.keys()):
            here, there = expected.terms.get(key), note.terms.get(key)
            if here != there:
                values = f"{_shown(here)} on rank 0 ({expected.host}), {_shown(there)} on rank {rank}"
                lines.setdefault(key, f"the ranks differ in {key}: {values} ({note.host})")
    return list(lines.values())


def _shown(value: object) -> str:
    return shorten("nothing" if value is None else json.dumps(value, ensure_ascii=False), 40)


def publish_error(store: Store, token: str, rank: int, error: str) -> None:
    """Store the error that ends this rank, for the others."""
    if not store.check([f"seqtool/{token}/error"]):
        note = Note.of_this_rank({}, error)
        store.set(f"seqtool/{token}/error", json.dumps([rank, note.host, note.error]))


def published_error(store: Store, token: str) -> str:
    """Return the error that has ended another rank, in one line; empty if it stored none."""
    end = time.monotonic() + LOOK_BACK
    while time.monotonic() < end:
        if text := _peek(store, f"seqtool/{token}/error"):
            rank, host, error = json.loads(text)
            return f"rank {rank} on {host} ended: {error}"
        time.sleep(POLL)
    return ""
