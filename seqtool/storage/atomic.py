"""Writing so that a crash leaves the old or the new, never a half.

One file is written under a temporary name in its own folder, synced and renamed. A directory is committed as
`X.new` written and synced, `X` -> `X.old`, `X.new` -> `X`, `X.old` deleted; readers take `X.old` where `X` is missing
(`present`), and the next writer cleans up. What the operating system refuses (a full disk, a read-only folder) becomes
one SeqtoolError.
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
    """Turn an operating system's refusal inside the block into one sentence about `path`.

    Raises:
        SeqtoolError: in place of any OSError other than a closed pipe.
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
        return "free some space or choose another place with --runs-dir; what was there before is untouched"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "choose a folder you may write to, for example with --runs-dir"
    return "what was there before is untouched"


def sync(path: Path) -> None:
    """Make a file's content, or a directory's entries, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, content: bytes) -> None:
    """Replace a file as a whole: readers see the old content or the new, after a crash too.

    Raises:
        SeqtoolError: if the file cannot be written; the old content is then untouched.
    """
    import tempfile  # readers, who never write, do without

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
    """Where a directory is prepared before it takes the place of `path`."""
    return path.with_name(path.name + ".new")


def old_name(path: Path) -> Path:
    """Where the previous directory lies for the moment of the exchange."""
    return path.with_name(path.name + ".old")


def present(path: Path) -> Path:
    """The directory a reader should take: `path`, or where it lies while its exchange, or that of the folder it is in, is cut short."""
    if not path.exists():
        above = [old_name(path.parent) / path.name] if path.parent.name else []
        for other in (old_name(path), *above):
            if other.is_dir():
                return other
    return path


def commit_directory(path: Path, fill: Callable[[Path], None]) -> None:
    """Write a directory whole: `fill` writes plain files into an empty folder, which then takes the place of `path`.

    Raises:
        SeqtoolError: if it cannot be written; the previous directory is then untouched (or is found by `present`).
    """
    with writing(path):
        recover(path)
        fresh = new_name(path)
        fresh.mkdir(parents=True)
        try:
            fill(fresh)
            for file in fresh.iterdir():
                sync(file)
            sync(fresh)
            exchange(fresh, path)
        except BaseException:
            with suppress(OSError):
                shutil.rmtree(fresh)
            raise


def exchange(fresh: Path, path: Path, inherit: Callable[[Path, Path], None] | None = None) -> None:
    """Put the directory `fresh` in the place of `path`, the previous one kept until the new one stands.

    Args:
        inherit: called with the previous and the new directory before the previous one is deleted, to move what shall stay.
    """
    previous = old_name(path)
    if path.exists():
        path.rename(previous)
    fresh.rename(path)
    sync(path.parent)
    if inherit is not None and previous.is_dir():
        inherit(previous, path)
    shutil.rmtree(previous, ignore_errors=True)


def recover(path: Path, inherit: Callable[[Path, Path], None] | None = None) -> None:
    """Finish or undo an exchange that a crash cut short, and sweep away what it left; the caller holds the run's lock."""
    if not path.exists() and old_name(path).is_dir():
        old_name(path).rename(path)
    if inherit is not None and old_name(path).is_dir():
        inherit(old_name(path), path)
    for leftover in (new_name(path), old_name(path)):
        shutil.rmtree(leftover, ignore_errors=True)


def sweep_temporary(folder: Path) -> None:
    """Take away what `write_file` left in a folder when it was killed; the caller holds the run's lock."""
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
