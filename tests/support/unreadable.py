"""Directories that the operating system does not let this process read, also if root runs the tests."""

from __future__ import annotations

import errno
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
