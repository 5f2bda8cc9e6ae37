"""Atomic writes: after a crash a file or a directory has its old or its new content.

A file is written under a temporary name in its own directory, synced and renamed. A directory `X` is
written and synced as `.X.seqtool-new`; then `X` is renamed to `.X.seqtool-old`, the new one to `X`, and the
old one is deleted. An old one that must not be deleted is renamed to `.X.seqtool-kept`, and after the
exchange to `X~1`. Where a crash left no `X`, readers use the old one (`present`), and the next writer
restores it (`recover`). Errors of the operating system, such as a full disk, become SeqtoolErrors.

Only entries that seqtool wrote are deleted, see `ownership.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from seqtool.errors import SeqtoolError
from seqtool.storage.ownership import (
    KEPT,
    NEW,
    OLD,
    REMOVED,
    TEMPORARY,
    Contents,
    check_plain,
    create_temporary,
    delete_own,
    foreign_entry,
)
from seqtool.storage.plain_files import entries


@contextmanager
def writing(path: Path, option: str = "") -> Iterator[None]:
    """Convert errors of the operating system inside the block to a SeqtoolError about `path`.

    The hint names the option that chooses another directory.

    Raises:
        SeqtoolError: for any OSError other than a closed pipe.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        message, hint = f"cannot write: {error.strerror or error}", _write_hint(error, option)
        raise SeqtoolError(message, place=str(path), hint=hint) from error


def _write_hint(error: OSError, option: str) -> str:
    import errno

    by_option = f" with {option}" if option else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"free some space or choose another directory{by_option}; earlier files are unchanged"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"choose a directory that you may write to{by_option}"
    return "earlier files are unchanged"


def sync(path: Path) -> None:
    """Write a file's content, or a directory's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Create a directory and its parents, so that a crash of the computer does not delete them.

    Raises:
        OSError: if they cannot be created, or if something else has their name.
    """
    if not path.is_dir():
        if not path.parent.exists() and path.parent != path:
            make_directory(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def write_file(path: Path, content: bytes) -> None:
    """Replace a file as a whole, so that readers see its old or its new content.

    Raises:
        SeqtoolError: if the file cannot be written, or if something other than a plain file has its name;
            nothing is then changed.
    """
    with replaced_file(path) as file:
        file.write(content)


@contextmanager
def replaced_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file for writing; at the end of the block it replaces the file at `path`.

    Raises:
        SeqtoolError: as `write_file`.
    """
    with writing(path):
        check_plain(path)
        descriptor, temporary = create_temporary(path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                temporary.chmod(0o666 & ~_umask())
                os.fsync(file.fileno())
                temporary.replace(path)  # before the end of its lock
            sync(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# --- names --------------------------------------------------------------------------------------------------


def new_name(path: Path) -> Path:
    """Return the path under which a directory is written before it replaces `path`."""
    return path.with_name(f".{path.name}{NEW}")


def old_name(path: Path) -> Path:
    """Return the path of the previous directory during an exchange."""
    return path.with_name(f".{path.name}{OLD}")


def kept_name(path: Path) -> Path:
    """Return the path of the previous directory during an exchange after which it is `NAME~1`."""
    return path.with_name(f".{path.name}{KEPT}")


def free_name(path: Path) -> Path:
    """Return the first of `NAME~1`, `NAME~2` and so on that does not exist."""
    number = 1
    while os.path.lexists(path.with_name(f"{path.name}~{number}")):
        number += 1
    return path.with_name(f"{path.name}~{number}")


def present(path: Path) -> Path:
    """Return the directory to read for `path`.

    This is `path` itself unless an exchange of `path` or of its parent directory was interrupted; then it
    is the previous one. If that will be renamed to `NAME~1`, it already has this name.
    """
    if not path.exists():
        for previous in (*_hidden(path), *(folder / path.name for folder in _hidden(path.parent))):
            if previous.is_dir():
                return previous
    return path


def _hidden(path: Path) -> list[Path]:
    """Return the paths that a directory of this name can have during an exchange."""
    if not path.name:
        return []
    kept = [kept_name(path.with_name(name)) for name in re.findall(r"(.+)~\d+$", path.name)]
    waiting = [folder for folder in kept if free_name(_visible(folder)) == path]
    return [old_name(path), kept_name(path), *waiting]


def _visible(hidden: Path) -> Path:
    """Return the path for which `old_name` or `kept_name` gives a hidden one."""
    return hidden.with_name(hidden.name[1:].removesuffix(OLD).removesuffix(KEPT))


def directories(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and path of each visible entry of `root`; during an exchange, of the previous directory.

    Raises:
        ModelError: if the directory cannot be read.
    """
    for folder in entries(root):
        name = folder.name
        if name.startswith("."):
            if not name.endswith((OLD, KEPT)):
                continue
            path = _visible(folder)
            if os.path.lexists(path):
                if name.endswith(OLD):
                    continue
                path = free_name(path)
            name = path.name
        yield name, folder


def remove_directory(folder: Path, name: Path, contents: Contents) -> None:
    """Delete a directory of seqtool. Other processes never see it half deleted.

    A crash leaves a hidden directory, which `complete_removals` deletes.

    Args:
        folder: present path of the directory.
        name: path that it had for the user.
    """
    hidden, number = name.with_name(f".{name.name}{REMOVED}"), 0
    while os.path.lexists(hidden):
        number += 1
        hidden = name.with_name(f".{name.name}~{number}{REMOVED}")
    folder.rename(hidden)
    sync(hidden.parent)
    delete_own(hidden, contents)


def removals(root: Path) -> list[tuple[str, Path]]:
    """Return name and hidden path of each directory in `root` whose deletion was interrupted."""
    try:
        hidden = [
            path for path in root.iterdir() if path.name.startswith(".") and path.name.endswith(REMOVED)
        ]
    except OSError:
        return []
    return [(path.name[1 : -len(REMOVED)], path) for path in sorted(hidden)]


def complete_removals(root: Path, contents: Contents) -> list[str]:
    """Complete interrupted deletions in `root`, and return the names that the directories had."""
    done = []
    for name, hidden in removals(root):
        with suppress(OSError):
            done += [name] if delete_own(hidden, contents) else []
    return done


# --- exchange of directories --------------------------------------------------------------------------------


def commit_directory(path: Path, fill: Callable[[Path], None], contents: Contents) -> None:
    """Replace a directory as a whole.

    Args:
        fill: writes plain files into the empty directory that it is given.
        contents: names of these files. A previous directory with other entries is renamed to `NAME~1`.

    Raises:
        SeqtoolError: if it cannot be written; the previous directory is then unchanged, and `present` finds
            it.
    """
    with writing(path):
        recover(path, contents)
        new = new_name(path)
        try:
            make_directory(new)
            fill(new)
            for file in new.iterdir():
                sync(file)
            sync(new)
            exchange(new, path, contents)
        except BaseException:
            with suppress(OSError):
                delete_own(new, contents)
            raise


Inherit = Callable[[Path, Path], None]


def exchange(
    new: Path, path: Path, contents: Contents, inherit: Inherit | None = None, *, keep: bool = False
) -> Path | None:
    """Rename the directory `new` to `path`, then delete the directory that had this name before.

    Args:
        contents: names of the entries that may be deleted. A previous directory with other entries is
            renamed to the first free `NAME~1`.
        inherit: called with the previous and the new directory, to move entries that must not be deleted.
        keep: rename the previous directory to `NAME~1`, whatever it contains.

    Returns:
        The new path of a previous directory that was renamed, else None.

    Raises:
        OSError: if a directory cannot be renamed; the previous directory then keeps its name.
    """
    previous = kept_name(path) if keep else old_name(path)
    if os.path.lexists(path):
        path.rename(previous)
    try:
        new.rename(path)
    except BaseException:
        with suppress(OSError):
            previous.rename(path)
        raise
    sync(path.parent)
    return _finish_exchange(path, contents, inherit)


def recover(path: Path, contents: Contents, inherit: Inherit | None = None) -> None:
    """Finish or undo an exchange that a crash interrupted, and delete its temporary directories.

    The caller holds the lock of the run. Arguments are those of `exchange`.
    """
    for previous in (old_name(path), kept_name(path)):
        if not os.path.lexists(path) and os.path.lexists(previous):
            previous.rename(path)
    _finish_exchange(path, contents, inherit)
    delete_own(new_name(path), contents)
    for name, hidden in removals(path.parent):
        if re.fullmatch(rf"{re.escape(path.name)}(~\d+)?", name):
            delete_own(hidden, contents)


def _finish_exchange(path: Path, contents: Contents, inherit: Inherit | None) -> Path | None:
    """Delete the previous directory, or rename it if it must be kept or contains entries of the user."""
    previous, kept = old_name(path), kept_name(path)
    if os.path.lexists(previous):
        is_directory = previous.is_dir() and not previous.is_symlink()
        if is_directory and inherit is not None:
            inherit(previous, path)
        if is_directory and foreign_entry(previous, contents) is None:
            with suppress(OSError):  # what is left is hidden, and the next exchange deletes it
                remove_directory(previous, path, contents)
        else:
            previous.rename(kept)
    if not os.path.lexists(kept):
        return None
    renamed = free_name(path)
    kept.rename(renamed)  # need not be synced: `present` finds both names
    return renamed


def delete_temporary_files(folder: Path) -> None:
    """Delete the temporary files of a killed process in a directory. The caller holds the run's lock."""
    for temporary in folder.glob(f".*{TEMPORARY}"):
        temporary.unlink(missing_ok=True)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
