"""Directories that this process may not read or not change, also if root runs the tests."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch


@contextmanager
def unreadable(folder: Path) -> Iterator[None]:
    """Refuse access to everything inside a directory, as if its mode were 000."""
    inside = str(folder.resolve())

    def refusing(function: Callable[..., Any], *, lists: bool) -> Callable[..., Any]:
        def call(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            if isinstance(path, str | os.PathLike):
                name = str(Path.cwd() / path)
                if name.startswith(inside + os.sep) or (lists and name == inside):
                    raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return function(path, *arguments, **options)

        return call

    with ExitStack() as stack:
        for name, lists in (
            ("stat", False),
            ("lstat", False),
            ("open", True),
            ("listdir", True),
            ("scandir", True),
        ):
            stack.enter_context(patch.object(os, name, refusing(getattr(os, name), lists=lists)))
        yield


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Refuse every change inside a directory, as a file system that is mounted read-only does."""
    inside = str(folder.resolve())

    def refuses(path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and str(Path.cwd() / path).startswith(inside)

    def refusing(function: Callable[..., Any], changes: Callable[..., bool]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            if refuses(path) and changes(*arguments, **options):
                raise OSError(errno.EROFS, "Read-only file system", str(path))
            return function(path, *arguments, **options)

        return call

    def opens_to_write(flags: int = 0, *_: Any, **__: Any) -> bool:
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))

    def has_write_mode(mode: str = "r", *_: Any, **__: Any) -> bool:
        return bool(set(mode) & set("wxa+"))

    def access(path: Any, mode: int, **options: Any) -> bool:
        return not (refuses(path) and mode & os.W_OK) and real_access(path, mode, **options)

    real_access = os.access
    with ExitStack() as stack:
        for name in ("mkdir", "rename", "replace", "unlink", "rmdir", "link", "symlink"):
            changed = refusing(getattr(os, name), lambda *_, **__: True)
            stack.enter_context(patch.object(os, name, changed))
        stack.enter_context(patch.object(os, "open", refusing(os.open, opens_to_write)))
        stack.enter_context(patch.object(io, "open", refusing(io.open, has_write_mode)))
        stack.enter_context(patch.object(os, "access", access))
        yield
