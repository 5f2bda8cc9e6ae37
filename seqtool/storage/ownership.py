"""Ownership: entries that seqtool may delete or overwrite, and paths that no command may write to.

`Contents` states the names that seqtool writes into a directory. Everything else in it belongs to the user
and is kept, links, pipes and devices included. Links are never followed.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from seqtool.errors import SeqtoolError

NEW = ".seqtool-new"  # ending of a directory that is being written
OLD = ".seqtool-old"  # ending of the previous directory during an exchange
KEPT = ".seqtool-kept"  # ending of a previous directory that will be renamed to `NAME~1`
REMOVED = ".seqtool-removed"  # ending of a directory that is being deleted
TEMPORARY = ".seqtool-tmp"  # ending of a file that is being written
# Shipped models: NAME/README.md, NAME/LICENSE and NAME/model/. No command writes here.
PRETRAINED = Path(__file__).parent.parent / "pretrained"
MARK_PLACE = 4096  # bytes at the start and at the end of a file in which its mark is
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NO_LINK


# --- plain files --------------------------------------------------------------------------------------------


def open_own(path: Path | str, flags: int, folder: int | None = None) -> int:
    """Open a plain file without following a link and without waiting, and return its descriptor.

    Args:
        flags: those of `os.open`.
        folder: descriptor of the directory that a relative path starts from.

    Raises:
        OSError: if it cannot be opened.
        SeqtoolError: if the path is a link, a directory, a pipe or a device.
    """
    no_wait = getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | _NO_LINK | no_wait, 0o666, dir_fd=folder)
    except OSError:
        check_plain(path, folder)
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_plain(path)
    return descriptor


def check_plain(path: Path | str, folder: int | None = None) -> None:
    """Check that a path is free or a plain file.

    Raises:
        SeqtoolError: if it is a link, a directory, a pipe or a device.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path, dir_fd=folder, follow_symlinks=False).st_mode):
            raise _not_plain(path)


def _not_plain(path: Path | str) -> SeqtoolError:
    message = "expected a plain file or a free path, found a link, a directory, a pipe or a device"
    return SeqtoolError(message, place=str(path), hint="remove it, or choose another path")


def create_temporary(path: Path) -> tuple[int, Path]:
    """Create the file that will replace `path`; return its descriptor and its path.

    It is locked until the descriptor is closed. Files that a killed process left for this path are not
    locked, and they are deleted.

    Raises:
        OSError: if it cannot be created.
    """
    import tempfile  # not needed by commands that only read, which must start fast

    with suppress(OSError):  # a directory that cannot be listed
        _delete_left_files(path)
    while True:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=TEMPORARY, dir=path.parent)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.lexists(name):
            return descriptor, Path(name)
        os.close(descriptor)  # another process took it for a file that was left, before it was locked


def _delete_left_files(path: Path) -> None:
    left = re.compile(rf"\.{re.escape(path.name)}\.\w{{8}}{re.escape(TEMPORARY)}", re.ASCII)
    for file in [entry for entry in path.parent.iterdir() if left.fullmatch(entry.name)]:
        with suppress(OSError, SeqtoolError):
            descriptor = open_own(file, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink()
            finally:
                os.close(descriptor)


# --- directories --------------------------------------------------------------------------------------------


class Contents(NamedTuple):
    """Names of the entries that seqtool writes into a directory.

    Attributes:
        files: regular expression of the names of plain files.
        folders: regular expression of the names of subdirectories, and their contents.
    """

    files: str
    folders: tuple[tuple[str, Contents], ...] = ()

    def has_file(self, name: str) -> bool:
        """Return whether seqtool writes a file of this name."""
        return re.fullmatch(self.files, name) is not None

    def folder(self, name: str) -> Contents | None:
        """Return the contents of the subdirectory of this name; None if seqtool writes no such directory."""
        return next((inner for names, inner in self.folders if re.fullmatch(names, name)), None)

    def has_name(self, name: str) -> bool:
        """Return whether seqtool writes a file or a subdirectory of this name."""
        return self.has_file(name) or self.folder(name) is not None


def exchanged(names: str) -> str:
    """Return the expression of directory names together with those that they have during an exchange."""
    return rf"(?:{names})|\.(?:{names})(?:{NEW}|{OLD}|(?:~\d+)?{REMOVED})"


def foreign_entry(folder: Path, contents: Contents) -> Path | None:
    """Return the first entry that seqtool did not write, or None. Links and pipes are never its own."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        inner = contents.folder(entry.name) if entry.is_dir(follow_symlinks=False) else None
        if inner is not None:
            found = foreign_entry(path, inner)
            if found is not None:
                return found
        elif not (entry.is_file(follow_symlinks=False) and contents.has_file(entry.name)):
            return path
    return None


def delete_own(folder: Path | str, contents: Contents, parent: int | None = None) -> bool:
    """Delete all entries of a directory that seqtool wrote, then the directory if it is empty.

    Returns:
        Whether the directory is gone.

    Raises:
        OSError: if an entry cannot be deleted.
    """
    try:
        descriptor = os.open(folder, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        return True
    except NotADirectoryError:  # a file, or a link
        return False
    try:
        with os.scandir(descriptor) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    inner = contents.folder(entry.name)
                    if inner is not None:
                        delete_own(entry.name, inner, descriptor)
                elif entry.is_file(follow_symlinks=False) and contents.has_file(entry.name):
                    with suppress(FileNotFoundError):  # another process deletes it, too
                        os.unlink(entry.name, dir_fd=descriptor)
        with os.scandir(descriptor) as entries:
            empty = next(entries, None) is None
        if empty:
            with suppress(FileNotFoundError):
                os.rmdir(folder, dir_fd=parent)
        return empty
    finally:
        os.close(descriptor)


# --- runs ---------------------------------------------------------------------------------------------------

_HIDDEN = rf"\..+{TEMPORARY}"  # temporary files that a killed process left
_MODEL = Contents(r"manifest\.json|config\.json|vocab\.json|weights\.safetensors")
CHECKPOINT_CONTENTS = Contents(
    r"manifest\.json|(?:state\.json|tensors\.safetensors|metrics\.jsonl|samples\.jsonl)"
)
CHECKPOINTS_CONTENTS = Contents("", ((exchanged(r"\d+"), CHECKPOINT_CONTENTS),))
_CACHE = Contents(
    "", ((r"[0-9a-f]{32}|\.unfinished\..+", Contents(rf".+\.bin|facts\.json|verified\.json|{_HIDDEN}")),)
)
_PROTECTED = r"config\.yaml|metrics\.jsonl|samples\.jsonl|evaluation\.json|lock"
_PARTS = ((exchanged("model"), _MODEL), (exchanged("checkpoints"), CHECKPOINTS_CONTENTS))
_FILES = rf"{_PROTECTED}|report\.html|play\.html|model(\.tokenizer)?\.onnx|{_HIDDEN}"
# One run, and the same without its lock. A model directory that lies among the runs counts as a run.
RUN_CONTENTS = Contents(rf"{_FILES}|{_MODEL.files}", _PARTS)
UNLOCKED_CONTENTS = Contents(rf"(?!lock$)(?:{_FILES})", _PARTS)
# Files that a run or a sweep contains next to the directories of seeds and trials.
_GROUP_FILES = r"sweep\.db(?:~\d+)?(?:-journal|-wal|-shm)?|best\.yaml"
GROUP_CONTENTS = Contents(
    rf"{RUN_CONTENTS.files}|{_GROUP_FILES}",
    (*_PARTS, (r"\.cache", _CACHE), (r"[^.].*|\..+\.seqtool-.+", RUN_CONTENTS)),
)


def is_run_entry(name: str) -> bool:
    """Return whether an entry of a run directory has a name that seqtool writes, inner runs not counted."""
    return RUN_CONTENTS.has_name(name)


# --- output paths -------------------------------------------------------------------------------------------


def is_pretrained(path: Path) -> bool:
    """Return whether a path is that of the shipped models, or inside it."""
    return path.resolve().is_relative_to(PRETRAINED.resolve())


def check_output(
    path: Path,
    inputs: Iterable[Path | str] = (),
    *,
    mark: bytes = b"",
    option: str = "--out",
    directory: bool = False,
) -> None:
    """Check that a command may write to a path that the user named; every command with an output calls this.

    Args:
        inputs: files and directories that the command reads.
        mark: bytes near the start or the end of every file that the command writes. A file without them is
            not replaced, unless it is empty. Without a mark, the caller decides what is replaced.
        option: name of the option, for the hint.
        directory: whether a directory is written, not a plain file.

    Raises:
        SeqtoolError: if the path is an input, part of a model, a file of a run, or inside the shipped models,
            or if something other than a plain file with the mark has this name. Nothing is changed.
    """
    hint = f"choose another path with {option}"
    check_not_input(path, inputs, hint)
    owner = "the pretrained models" if is_pretrained(path) else _owner(Path(os.path.realpath(path)))
    if owner:
        raise SeqtoolError(f"this is a part of {owner}", place=str(path), hint=hint)
    if not directory:
        check_plain(path)
        if mark and path.exists() and not _has_mark(path, mark):
            message = "this file exists, and this command did not write it"
            raise SeqtoolError(message, place=str(path), hint=f"{hint}, or delete the file")
    elif path.is_symlink():
        raise SeqtoolError("expected a directory or a free path, found a link", place=str(path), hint=hint)


def _has_mark(path: Path, mark: bytes) -> bool:
    """Return whether a file is empty, or has a mark near its start or its end."""
    try:
        descriptor = open_own(path, os.O_RDONLY)
    except OSError as error:
        raise SeqtoolError(f"cannot read: {error.strerror}", place=str(path)) from error
    try:
        end = os.fstat(descriptor).st_size
        parts = [os.pread(descriptor, MARK_PLACE, start) for start in (0, max(0, end - MARK_PLACE))]
        return end == 0 or any(mark in part for part in parts)
    finally:
        os.close(descriptor)


def check_not_input(path: Path, inputs: Iterable[Path | str], hint: str) -> None:
    """Check that a path is none of the inputs, and no directory that contains one.

    Raises:
        SeqtoolError: if it is.
    """
    real = Path(os.path.realpath(path))
    if any(_is_input(real, Path(name)) for name in inputs):
        raise SeqtoolError("this is an input of the command", place=str(path), hint=hint)


def _is_input(path: Path, name: Path) -> bool:
    """Return whether a path is an input, or a directory that contains one."""
    real = Path(os.path.realpath(name))
    with suppress(OSError):
        if path.samefile(real):
            return True
    return path == real or path in real.parents


def _owner(path: Path) -> str:
    """Return what a path belongs to: a model, a checkpoint, a run or the text cache; empty for none."""
    below = path.name
    for folder in path.parents:
        for noun, weights in (("model", "weights"), ("checkpoint", "tensors")):
            if (folder / "manifest.json").exists() and (folder / f"{weights}.safetensors").exists():
                return f"the {noun} {folder}"
        if _is_run(folder) and (re.fullmatch(_PROTECTED, below) or RUN_CONTENTS.folder(below)):
            return f"the run {folder}"
        if (folder / "sweep.db").exists() and re.fullmatch(_GROUP_FILES, below):
            return f"the sweep {folder}"
        if below == ".cache" and path.parent != folder:
            inner = path.relative_to(folder / below).parts[0]
            if _CACHE.folder(inner):
                return f"the text cache {folder / below}"
        below = folder.name
    return ""


def _is_run(folder: Path) -> bool:
    """Return whether a directory is a run: it contains a model, or it is unfinished."""
    return folder.name.endswith(".partial") or (folder / "model" / "manifest.json").exists()
