"""Atomic writes: after a crash a file or a directory has its old or its new content.

A file is written under a temporary name in its own directory, synced and renamed. A directory `X` is
written and synced as `X.new`; then `X` is renamed to `X.old`, `X.new` to `X`, and `X.old` is deleted. Where
a crash left no `X`, readers use `X.old` (`present`), and the next writer restores it (`recover`). Errors of
the operating system, such as a full disk, become SeqtoolErrors.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqtool.errors import SeqtoolError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Convert errors of the operating system inside the block to a SeqtoolError about `path`.

    Raises:
        SeqtoolError: for any OSError other than a closed pipe.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise SeqtoolError(f"cannot write: {reason}", place=str(path), hint=_write_hint(error)) from error


def _write_hint(error: OSError) -> str:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "free some space or choose another directory with --runs-dir; earlier files are unchanged"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "choose a directory that you may write to, for example with --runs-dir"
    return "earlier files are unchanged"


def sync(path: Path) -> None:
    """Write a file's content, or a directory's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, content: bytes) -> None:
    """Replace a file as a whole, so that readers see its old or its new content.

    Raises:
        SeqtoolError: if the file cannot be written; its old content is then unchanged.
    """
    import tempfile  # not needed by commands that only read, which must start fast

    with writing(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
            sync(path.parent)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def new_name(path: Path) -> Path:
    """Return the path under which a directory is written before it replaces `path`."""
    return path.with_name(path.name + ".new")


def old_name(path: Path) -> Path:
    """Return the path of the previous directory during an exchange."""
    return path.with_name(path.name + ".old")


def present(path: Path) -> Path:
    """Return the directory to read for `path`.

    This is `path` itself unless an exchange of `path` or of its parent directory was interrupted; then it
    is the previous one.
    """
    if not path.exists():
        in_parent = [old_name(path.parent) / path.name] if path.parent.name else []
        for previous in (old_name(path), *in_parent):
            if previous.is_dir():
                return previous
    return path


def commit_directory(path: Path, fill: Callable[[Path], None]) -> None:
    """Replace a directory as a whole.

    Args:
        fill: writes plain files into the empty directory that it is given.

    Raises:
        SeqtoolError: if it cannot be written; the previous directory is then unchanged, and `present` finds
            it.
    """
    with writing(path):
        recover(path)
        new = new_name(path)
        new.mkdir(parents=True)
        try:
            fill(new)
            for file in new.iterdir():
                sync(file)
            sync(new)
            exchange(new, path)
        except BaseException:
            with suppress(OSError):
                shutil.rmtree(new)
            raise


def exchange(new: Path, path: Path, inherit: Callable[[Path, Path], None] | None = None) -> None:
    """Rename the directory `new` to `path`, then delete the directory that had this name before.

    Args:
        inherit: called with the previous and the new directory, to move entries that must not be deleted.
    """
    previous = old_name(path)
    if path.exists():
        path.rename(previous)
    new.rename(path)
    sync(path.parent)
    if inherit is not None and previous.is_dir():
        inherit(previous, path)
    shutil.rmtree(previous, ignore_errors=True)


def recover(path: Path, inherit: Callable[[Path, Path], None] | None = None) -> None:
    """Finish or undo an exchange that a crash interrupted, and delete its temporary directories.

    The caller holds the lock of the run. `inherit` is that of `exchange`.
    """
    if not path.exists() and old_name(path).is_dir():
        old_name(path).rename(path)
    if inherit is not None and old_name(path).is_dir():
        inherit(old_name(path), path)
    for temporary in (new_name(path), old_name(path)):
        shutil.rmtree(temporary, ignore_errors=True)


def delete_temporary_files(folder: Path) -> None:
    """Delete the temporary files of a killed process in a directory. The caller holds the run's lock."""
    for temporary in folder.glob(".*.tmp"):
        temporary.unlink(missing_ok=True)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
