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
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from seqtool.errors import SeqtoolError

LOCK = "lock"


class DirectoryLock:
    """Exclusive lock on a directory, held until `release`."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def release(self, folder: Path) -> None:
        """Delete the lock file, then the directory if it is empty, and release the lock.

        Args:
            folder: present path of the directory, which may have been renamed since the lock was acquired.
        """
        with suppress(OSError):
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()
        self._file.close()


def acquire_lock(folder: Path) -> DirectoryLock:
    """Create a directory if it does not exist, and lock it without waiting.

    Raises:
        SeqtoolError: if another process holds the lock; the message names that process.
        OSError: if the directory or the lock file cannot be written.
    """
    path = folder / LOCK
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a+")
        except FileNotFoundError:
            continue  # the run in this directory finished just now, and the directory was renamed
        _lock_file(file, folder)
        if path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino:
            break
        file.close()  # the run finished before the lock was taken: this file is in the renamed directory
    file.truncate(0)
    file.write(f"process {os.getpid()} on {os.uname().nodename}\n")
    file.flush()
    return DirectoryLock(file)


def _lock_file(file: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        owner = file.read(500).strip() or "another process"
        file.close()
        hint = "wait for it, or train under another --name"
        raise SeqtoolError(f"held by {owner}", place=str(folder), hint=hint) from error


def is_locked(folder: Path) -> bool:
    """Return whether a running process holds the lock of a directory."""
    try:
        with (folder / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
