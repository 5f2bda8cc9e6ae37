"""Record of the file operations of a function, and the states of the disk that a crash can leave.

The model of the disk is weaker than any common file system. Writes to a file reach the disk in any order, in
parts or not at all, until the file is synced. Changes of a directory (new names, renames, deletions) reach it
in their order, but independently of the data of files and of other directories, until the directory is
synced. A rename between two directories is one change of both. Bytes that are not on the disk are zero.
"""

from __future__ import annotations

import builtins
import io
import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

Tree = dict[str, Any]  # content of a directory: bytes of files and trees of directories, by name
BLOCK = 4096  # bytes that a disk writes as a whole


@dataclass(frozen=True)
class Names:
    """Change of directories: pairs of a directory and a name, and the node of the name; None deletes it."""

    changes: tuple[tuple[int, str, int | None], ...]

    @property
    def directories(self) -> set[int]:
        """Nodes of the changed directories."""
        return {directory for directory, _, _ in self.changes}


@dataclass(frozen=True)
class Write:
    """Bytes written to a file at an offset; None for the bytes truncates the file there."""

    node: int
    offset: int
    data: bytes | None


@dataclass(frozen=True)
class Sync:
    """fsync of a file or of a directory."""

    node: int


Operation = Names | Write | Sync


@dataclass
class Recording:
    """File operations below a directory.

    Attributes:
        root: node of the directory.
        directories: content of each directory before the operations, by node: nodes by name.
        files: content of each file before the operations, by node.
        operations: what was done.
    """

    root: int = 0
    directories: dict[int, dict[str, int]] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)


# --- recording ----------------------------------------------------------------------------------------------


class _Recorder:
    def __init__(self, root: Path) -> None:
        self.recording = Recording()
        self._nodes: dict[tuple[int, int], int] = {}
        self._count = itertools.count()
        self.recording.root = self._read(root)

    def _read(self, path: Path) -> int:
        node = self._new_node(path.stat())
        if path.is_dir():
            entries = sorted(entry for entry in path.iterdir() if not entry.is_symlink())
            self.recording.directories[node] = {entry.name: self._read(entry) for entry in entries}
        else:
            self.recording.files[node] = path.read_bytes()
        return node

    def _new_node(self, status: os.stat_result) -> int:
        node = next(self._count)
        self._nodes[status.st_dev, status.st_ino] = node
        return node

    def node(self, status: os.stat_result) -> int | None:
        return self._nodes.get((status.st_dev, status.st_ino))

    def place(self, path: Any, folder: int | None = None) -> tuple[int, str] | None:
        """Return the node of the directory that contains a path, and its name; None outside the root."""
        parent, name = os.path.split(os.fspath(path))
        status = os.stat(parent or ".", dir_fd=folder) if parent or folder is None else os.fstat(folder)
        directory = self.node(status)
        return None if directory is None else (directory, os.fsdecode(name))

    def created(self, path: Any, folder: int | None, *, directory: bool = False) -> None:
        place = self.place(path, folder)
        if place is not None:
            node = self._new_node(os.stat(path, dir_fd=folder))
            if directory:
                self.recording.directories[node] = {}
            else:
                self.recording.files[node] = b""
            self._add(Names(((*place, node),)))

    def deleted(self, place: tuple[int, str] | None) -> None:
        if place is not None:
            self._add(Names(((*place, None),)))

    def renamed(
        self, node: int | None, before: tuple[int, str] | None, after: tuple[int, str] | None
    ) -> None:
        if node is not None and before is not None and after is not None:
            self._add(Names(((*before, None), (*after, node))))

    def written(self, descriptor: int, offset: int, data: bytes | None) -> None:
        node = self.node(os.fstat(descriptor))
        if node is not None:
            self._add(Write(node, offset, data))

    def synced(self, descriptor: int) -> None:
        node = self.node(os.fstat(descriptor))
        if node is not None:
            self._add(Sync(node))

    def _add(self, operation: Operation) -> None:
        self.recording.operations.append(operation)


def _exists(path: Any, folder: int | None = None) -> bool:
    with suppress(OSError):
        os.stat(path, dir_fd=folder, follow_symlinks=False)
        return True
    return False


@contextmanager
def recorded(root: Path) -> Iterator[Recording]:
    """Record the file operations of the block below `root`."""
    recorder = _Recorder(root)
    real = {
        name: getattr(os, name)
        for name in ("open", "fsync", "rename", "unlink", "mkdir", "rmdir", "truncate", "pwrite")
    }
    real_open = io.open

    class RecordedFile(io.FileIO):
        def write(self, data: Any) -> int:
            offset = os.fstat(self.fileno()).st_size if "a" in self.mode else self.tell()
            count = super().write(data)
            recorder.written(self.fileno(), offset, bytes(memoryview(data).cast("B")[:count]))
            return count

    def open_file(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **options: Any) -> Any:
        if not set(mode) & set("wax+"):
            return real_open(file, mode, buffering, *args, **options)
        is_path = not isinstance(file, int)
        existed = not is_path or _exists(file)
        raw = RecordedFile(file, mode.replace("b", "").replace("t", ""))
        if not existed:
            recorder.created(file, None)
        elif is_path and "w" in mode:
            recorder.written(raw.fileno(), 0, None)
        buffered: Any = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *args, **options)

    def open_descriptor(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        existed = not flags & os.O_CREAT or _exists(path, dir_fd)
        descriptor: int = real["open"](path, flags, mode, dir_fd=dir_fd)
        if not existed:
            recorder.created(path, dir_fd)
        return descriptor

    def fsync(descriptor: Any) -> None:
        real["fsync"](descriptor)
        recorder.synced(descriptor if isinstance(descriptor, int) else descriptor.fileno())

    def rename(source: Any, target: Any, **folders: Any) -> None:
        status, before = Path(source).lstat(), recorder.place(source)
        real["rename"](source, target, **folders)
        recorder.renamed(recorder.node(status), before, recorder.place(target))

    def deletion(name: str) -> Callable[..., None]:
        def delete(path: Any, *, dir_fd: int | None = None) -> None:
            place = recorder.place(path, dir_fd)
            real[name](path, dir_fd=dir_fd)
            recorder.deleted(place)

        return delete

    def mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        real["mkdir"](path, mode, dir_fd=dir_fd)
        recorder.created(path, dir_fd, directory=True)

    def truncate(descriptor: int, length: int) -> None:
        real["truncate"](descriptor, length)
        recorder.written(descriptor, length, None)

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        count: int = real["pwrite"](descriptor, data, offset)
        recorder.written(descriptor, offset, data[:count])
        return count

    functions: dict[str, Callable[..., Any]] = {
        "open": open_descriptor, "fsync": fsync, "rename": rename, "replace": rename, "mkdir": mkdir,
        "unlink": deletion("unlink"), "remove": deletion("unlink"), "rmdir": deletion("rmdir"),
        "truncate": truncate, "ftruncate": truncate, "pwrite": pwrite,
    }  # fmt: skip
    with ExitStack() as stack:
        for name, function in functions.items():
            stack.enter_context(patch.object(os, name, function))
        for module in (io, builtins):
            stack.enter_context(patch.object(module, "open", open_file))
        yield recorder.recording


# --- states after a crash -----------------------------------------------------------------------------------


def crash_states(recording: Recording, draw: random.Random, limit: int) -> Iterator[tuple[int, Tree]]:
    """Yield the different trees that a crash can leave, each with the number of operations before the crash.

    Args:
        limit: largest number of choices at one place. Where there are more (unsynced changes of directories,
            or unsynced files and their contents), so many are drawn at random.
    """
    known: set[object] = set()
    for count in range(len(recording.operations) + 1):
        done = recording.operations[:count]
        for included in _directory_changes(done, draw, limit):
            nodes = _apply(recording, done, included)
            for tree in _trees(recording, done, nodes, draw, limit):
                key = _frozen(tree)
                if key not in known:
                    known.add(key)
                    yield count, tree


def final_states(recording: Recording, draw: random.Random, limit: int) -> Iterator[Tree]:
    """Yield the trees that a crash after the last operation can leave."""
    done = recording.operations
    for included in _directory_changes(done, draw, limit):
        yield from _trees(recording, done, _apply(recording, done, included), draw, limit)


def random_state(recording: Recording, draw: random.Random) -> tuple[int, Tree]:
    """Return the number of operations before a crash and a tree that it can leave."""
    count = draw.randrange(len(recording.operations) + 1)
    done = recording.operations[:count]
    (included,) = _directory_changes(done, draw, 1)
    (tree,) = _trees(recording, done, _apply(recording, done, included), draw, 1)
    return count, tree


def _directory_changes(done: list[Operation], draw: random.Random, limit: int) -> Iterator[set[int]]:
    """Yield the sets of changes of directories that can be on the disk together, as positions in `done`."""
    changes: dict[int, list[int]] = {}  # positions of the changes of each directory
    synced: dict[int, int] = {}  # number of changes of each directory that are on the disk
    for position, operation in enumerate(done):
        if isinstance(operation, Names):
            for directory in operation.directories:
                changes.setdefault(directory, []).append(position)
        elif isinstance(operation, Sync) and operation.node in changes:
            synced[operation.node] = len(changes[operation.node])
    ranges = [range(synced.get(directory, 0), len(order) + 1) for directory, order in changes.items()]
    total = 1
    for one in ranges:
        total *= len(one)
    combinations: Iterator[tuple[int, ...]] = itertools.product(*ranges)
    if total > limit:
        combinations = (tuple(draw.choice(one) for one in ranges) for _ in range(limit))
    found = set()
    for lengths in combinations:
        included = {
            position
            for order, length in zip(changes.values(), lengths, strict=True)
            for position in order[:length]
        }
        complete = frozenset(_with_earlier_changes(included, done, changes))
        if complete not in found:
            found.add(complete)
            yield set(complete)


def _with_earlier_changes(
    included: set[int], done: list[Operation], changes: dict[int, list[int]]
) -> set[int]:
    """Add the changes that are on the disk because a later change of the same directory is."""
    while True:
        directories = {d: p for p in sorted(included) for d in done[p].directories}  # type: ignore[union-attr]
        more = {p for directory, last in directories.items() for p in changes[directory] if p <= last}
        if more <= included:
            return included
        included = included | more


def _apply(recording: Recording, done: list[Operation], included: set[int]) -> dict[int, dict[str, int]]:
    directories = {node: dict(entries) for node, entries in recording.directories.items()}
    for position in sorted(included):
        operation = done[position]
        assert isinstance(operation, Names)
        for directory, name, node in operation.changes:
            if node is None:
                directories[directory].pop(name, None)
            else:
                directories[directory][name] = node
    return directories


def _trees(
    recording: Recording,
    done: list[Operation],
    directories: dict[int, dict[str, int]],
    draw: random.Random,
    limit: int,
) -> Iterator[Tree]:
    """Yield the trees for all contents that the visible files can have."""
    visible = list(_visible_files(recording, directories, recording.root))
    contents = {node: _contents(recording.files[node], node, done) for node in visible}
    unsynced = [node for node in visible if len(contents[node]) > 1]
    total = 1
    for node in unsynced:
        total *= len(contents[node])
    choices: Iterator[tuple[bytes, ...]] = itertools.product(*(contents[node] for node in unsynced))
    if total > limit:
        choices = (tuple(draw.choice(contents[node]) for node in unsynced) for _ in range(limit))
    for choice in choices:
        chosen = {node: contents[node][0] for node in visible} | dict(zip(unsynced, choice, strict=True))
        yield _tree(recording, directories, chosen, recording.root)


def _visible_files(
    recording: Recording, directories: dict[int, dict[str, int]], directory: int
) -> Iterator[int]:
    for node in directories[directory].values():
        if node in recording.files:
            yield node
        else:
            yield from _visible_files(recording, directories, node)


def _tree(
    recording: Recording, directories: dict[int, dict[str, int]], contents: dict[int, bytes], directory: int
) -> Tree:
    return {
        name: contents[node] if node in contents else _tree(recording, directories, contents, node)
        for name, node in directories[directory].items()
    }


def _contents(before: bytes, node: int, done: list[Operation]) -> list[bytes]:
    """Return the different contents that a file can have after a crash, that without a loss first."""
    writes: list[Write] = []
    for operation in done:
        if isinstance(operation, Write) and operation.node == node:
            writes.append(operation)
        elif isinstance(operation, Sync) and operation.node == node:
            before, writes = _written(before, writes), []
    numbers = range(len(writes))
    kept = [set(numbers)]
    if len(writes) <= 4:
        kept += [set(some) for size in numbers for some in itertools.combinations(numbers, size)]
    else:
        kept += [set(numbers[:size]) for size in numbers] + [set(numbers) - {number} for number in numbers]
    contents = []
    for some in kept:
        chosen = [writes[number] for number in sorted(some)]
        contents.append(_written(before, chosen))
        if chosen and chosen[-1].data:
            contents += [_written(before, [*chosen[:-1], part]) for part in _torn(chosen[-1])]
    whole = contents[0]
    if writes:
        contents.append(bytes(len(whole)))  # the length is on the disk, the data is not
    return list(dict.fromkeys(contents))


def _torn(write: Write) -> list[Write]:
    """Return the parts of a write that can be on the disk alone."""
    data = write.data or b""
    middle = len(data) // 2 if len(data) <= BLOCK else len(data) // 2 // BLOCK * BLOCK
    return [
        Write(write.node, write.offset, data[:middle]),
        Write(write.node, write.offset + middle, data[middle:]),
    ]


def _written(content: bytes, writes: list[Write]) -> bytes:
    for write in writes:
        if write.data is None:
            content = content[: write.offset].ljust(write.offset, b"\0")
        else:
            end = write.offset + len(write.data)
            content = content.ljust(write.offset, b"\0")
            content = content[: write.offset] + write.data + content[end:]
    return content


def _frozen(tree: Tree) -> object:
    return tuple(
        (name, entry if isinstance(entry, bytes) else _frozen(entry)) for name, entry in sorted(tree.items())
    )


def write_tree(tree: Tree, folder: Path) -> None:
    """Replace a directory by a tree."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _write_entries(tree, folder)


def _write_entries(tree: Tree, folder: Path) -> None:
    for name, entry in tree.items():
        path = folder / name
        if isinstance(entry, bytes):
            path.write_bytes(entry)
        else:
            path.mkdir()
            _write_entries(entry, path)
