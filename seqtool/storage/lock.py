"""Lock of a run directory: one process trains in it, and others can see which process that is.

The lock is an advisory lock (`flock`) on the file `lock` in the directory. The operating system releases it
when its process ends, however it ends. The file contains the process number and the host name of the owner.

This module is used in place of the package `filelock` (read in version 4.2.12), because `filelock` lacks
three things:

- The owner's name. `FileLock` writes nothing into its file, and a process that is refused cannot learn who
  holds the lock.
- A shared lock on the same file. `is_locked` tests with a shared lock, so that two commands that list runs
  do not take each other for a training process. `FileLock` is exclusive only, and `ReadWriteLock` is an
  SQLite database.
- Directories that are renamed. A finished run is renamed together with its lock file. `acquire_lock`
  compares the locked file with the file of that name and tries again if they differ. `FileLock` only
  notices files that were deleted.

A lock is a plain file that is empty or contains an owner's name. Links, pipes and other files of that name
are refused, and never followed, truncated or waited for.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from seqtool.errors import SeqtoolError
from seqtool.storage.atomic import make_directory
from seqtool.storage.ownership import open_own

LOCK = "lock"
SHARED_WAIT = 2.0  # seconds in which commands that only look at a lock must release it
SHARED_DELAY = 0.005  # seconds between two attempts
# An owner, or a part of it that a crash of the computer left; bytes that did not reach the disk are zero.
_OWNER = re.compile(rb"(process \d*( (o(n( [^\n]*\n?)?)?)?)?)?|\0[^\n]*\n?")


class DirectoryLock:
    """Exclusive lock on a directory, held until `release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self, folder: Path) -> None:
        """Delete the lock file, then the directory if it is empty, and release the lock.

        Args:
            folder: present path of the directory, which may have been renamed since the lock was acquired.
        """
        with suppress(OSError):
            if os.path.samestat((folder / LOCK).lstat(), os.fstat(self._descriptor)):
                (folder / LOCK).unlink()
                folder.rmdir()
        os.close(self._descriptor)


def acquire_lock(folder: Path) -> DirectoryLock:
    """Create a directory if it does not exist, and lock it.

    It waits at most `SHARED_WAIT` seconds, and only while no process holds the lock exclusively.

    Raises:
        SeqtoolError: if another process holds the lock (the message names that process), or if the directory
            or the lock is a link or anything else that seqtool does not write.
        OSError: if the directory or the lock file cannot be written.
    """
    while True:
        _make_directory(folder)
        try:
            descriptor = open_own(folder / LOCK, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            continue  # the run in this directory finished just now, and the directory was renamed
        try:
            _check_owner_file(descriptor, folder)
            _lock_file(descriptor, folder)
            if _is_lock_of(descriptor, folder):
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
                return DirectoryLock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(
            descriptor
        )  # the run finished before the lock was taken: the file is in the renamed directory


def _make_directory(folder: Path) -> None:
    with suppress(FileExistsError):
        make_directory(folder)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        hint = "remove it, or train under another --name"
        raise SeqtoolError("expected a directory, found a link or a file", place=str(folder), hint=hint)


def _is_lock_of(descriptor: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), (folder / LOCK).lstat())
    except FileNotFoundError:
        return False


def _check_owner_file(descriptor: int, folder: Path) -> None:
    """Check that a lock file contains an owner or nothing, so that no file of the user is overwritten."""
    if not _OWNER.fullmatch(os.pread(descriptor, 500, 0)):
        message = "expected a lock of seqtool, found another file"
        raise SeqtoolError(message, place=str(folder / LOCK), hint="move it to another place")


def _lock_file(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + SHARED_WAIT
    while not _try_lock(descriptor, fcntl.LOCK_EX):
        # A shared lock succeeds unless an owner holds the file: `is_locked` of other commands holds it then.
        shared = _try_lock(descriptor, fcntl.LOCK_SH)
        if shared:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        if not shared or time.monotonic() > deadline:
            owner = os.pread(descriptor, 500, 0).decode("utf-8", "replace").strip()
            hint = "wait for it, or train under another --name"
            raise SeqtoolError(f"held by {owner or 'another process'}", place=str(folder), hint=hint)
        time.sleep(SHARED_DELAY)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def delete_lock(folder: Path) -> None:
    """Delete a lock file that a killed process left in a finished run."""
    with suppress(OSError, SeqtoolError):
        descriptor = open_own(folder / LOCK, os.O_RDONLY)
        try:
            _check_owner_file(descriptor, folder)
            (folder / LOCK).unlink()
        finally:
            os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Return whether a running process holds the lock of a directory. A link or a pipe is no lock."""
    try:
        descriptor = open_own(folder / LOCK, os.O_RDONLY)
    except (OSError, SeqtoolError):
        return False
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    except OSError:
        return False
    finally:
        os.close(descriptor)
