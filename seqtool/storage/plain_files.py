"""Reading of files that are not trusted: every file under the runs root is opened here.

Anybody may have written these files: another program, another user, a failing disk. Only regular files are
opened, so that a FIFO or a device cannot block a command and a link cannot reveal another file. The size is
compared with a limit before anything is read. JSON that has more than one meaning is refused.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BufferedReader
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, TypeGuard

from seqtool.errors import DataError, ModelError
from seqtool.types import Json

LOG_LIMIT = 4 << 30  # bytes of `metrics.jsonl` and `samples.jsonl`
LINE_LIMIT = 64 << 20  # bytes of one of their lines
JSON_LIMIT = 256 << 20  # bytes of a JSON file without another limit
LARGEST = 1e30  # scores and times beyond it are damage
DEEPEST = 100  # levels of JSON
PLAIN_ONLY = "seqtool reads plain files only; replace it by a copy of the file"
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}

# --- files --------------------------------------------------------------------------------------------------


def open_plain(path: Path, limit: int, *, hint: str = "", size: int | None = None) -> BufferedReader:
    """Open a regular file for reading, not through a link.

    Args:
        limit: largest size in bytes that is accepted.
        hint: hint of the error messages.
        size: exact size in bytes, if it is known.

    Raises:
        ModelError: if it is missing, not readable, not a regular file, or of another size.
    """
    try:
        _expect_regular(path.lstat(), path)  # opening a device can have effects
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        file = os.fdopen(os.open(path, flags), "rb")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error, hint) from error
    try:
        status = os.fstat(file.fileno())
        _expect_regular(status, path)
        found = f"{status.st_size:,} bytes"
        if status.st_size > limit:
            message = f"{found}, more than the {limit:,} allowed"
            raise ModelError(message, place=str(path), hint=hint)
        if size is not None and status.st_size != size:
            message = f"damaged: expected the {size:,} bytes of the manifest, found {found}"
            raise ModelError(message, place=str(path), hint=hint)
    except BaseException:
        file.close()
        raise
    return file


def _expect_regular(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
        raise ModelError(f"expected a plain file, found {kind}", place=str(path), hint=PLAIN_ONLY)


def _unreadable(path: Path, error: OSError | ValueError, hint: str) -> ModelError:
    reason = getattr(error, "strerror", None) or str(error)
    return ModelError(f"cannot read: {reason}", place=str(path), hint=hint)


def read_plain(path: Path, limit: int, *, hint: str = "", size: int | None = None) -> bytearray:
    """Return the bytes of a regular file; the arguments are those of `open_plain`.

    Raises:
        ModelError: as `open_plain`; also if there is not enough memory.
    """
    with open_plain(path, limit, hint=hint, size=size) as file:
        length = os.fstat(file.fileno()).st_size
        try:
            content = bytearray(length + 1)  # one byte more, so that a file that has grown is not accepted
            del content[file.readinto(content) :]
        except MemoryError:
            message = f"{length:,} bytes do not fit into memory"
            raise ModelError(message, place=str(path), hint=hint) from None
        except OSError as error:
            raise _unreadable(path, error, hint) from error
    return content


def expect_end(stream: IO[bytes], name: str) -> None:
    """Refuse a device such as `/dev/zero`, whose only line has no end.

    Raises:
        DataError: the stream is a device other than a terminal and the null device.
    """
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # not a file of the operating system
        return
    is_device = stat.S_ISCHR(status.st_mode) and not stream.isatty()
    if is_device and status.st_rdev != Path(os.devnull).stat().st_rdev:
        hint = "name a file, or write through a pipe"
        raise DataError("expected a file or a pipe, found a device", place=name, hint=hint)


def exists(path: Path) -> bool:
    """Return whether there is a file or anything else of this name; False if it cannot be determined."""
    with suppress(OSError, ValueError):
        path.lstat()
        return True
    return False


def is_directory(path: Path) -> bool:
    """Return whether there is a directory of this name; False if it cannot be determined."""
    with suppress(OSError, ValueError):
        return stat.S_ISDIR(path.stat().st_mode)
    return False


def is_pipe(path: Path) -> bool:
    """Return whether there is a named pipe or `<(command)`; False if it cannot be determined."""
    with suppress(OSError, ValueError):
        return stat.S_ISFIFO(path.stat().st_mode)
    return False


def entries(folder: Path) -> list[Path]:
    """Return the entries of a directory in the order of their names; none if there is no directory.

    Raises:
        ModelError: if the directory cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError) as error:
        raise _unreadable(folder, error, "") from error


# --- JSON ---------------------------------------------------------------------------------------------------

_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_COUNTED_TOGETHER = 1 << 16  # brackets
_STEPS = {byte: 1 if byte in b"[{" else -1 for byte in b"[]{}"}
# The text from a bracket outside strings to the next string. Possessive: needs no memory for other matches.
_AFTER_STRINGS = re.compile(rb'[^"\[\]{}]*+(?:"(?:[^"\\]++|\\.)*+"[^"\[\]{}]*+)*+([^"]*+)', re.DOTALL)
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19  # digits; a number with fewer has at most 64 bits
# After an even number of backslashes; after an odd one, the text is a backslash and letters.
_HALF_CHARACTER = re.compile(rb"(?<!\\)(?:\\\\)*+\\u[dD][89a-fA-F]")


def strict_json(content: bytes | bytearray, *, surrogates: bool = True) -> Any:
    """Parse JSON of at most `DEEPEST` levels that has one meaning.

    NaN, infinities, whole numbers of more than 64 bits and objects with the same key twice are refused.

    Args:
        surrogates: accept lone surrogates, which file names that are not UTF-8 have.

    Raises:
        ValueError: with the reason.
    """
    if _is_too_deep(content):
        raise ValueError(f"nested too deep, more than {DEEPEST} levels")
    if not surrogates and b"\\u" in content and _HALF_CHARACTER.search(content):
        raise ValueError("half of a character (a surrogate)")
    long_numbers: Callable[[str], int] | None = _at_most_64_bits
    if _LONG_NUMBER not in content.translate(_DIGITS):
        long_numbers = None  # the fast way of the parser
    text = content.decode("utf-8", "surrogatepass" if surrogates else "strict")
    try:
        return json.loads(
            text,
            parse_constant=refuse_constant,
            parse_float=_finite,
            parse_int=long_numbers,
            object_pairs_hook=_different_keys,
        )
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _is_too_deep(content: bytes | bytearray) -> bool:
    """Return whether JSON has more than `DEEPEST` levels, in constant memory besides a copy."""
    if content.count(b"[") + content.count(b"{") <= DEEPEST:
        return False
    level, end = 0, 0  # brackets inside strings do not count
    while (match := _AFTER_STRINGS.match(content, end)) and match[1]:
        brackets = match[1].translate(None, _NOT_BRACKETS)
        for start in range(0, len(brackets), _COUNTED_TOGETHER):
            part = brackets[start : start + _COUNTED_TOGETHER]
            if level + max(accumulate(map(_STEPS.__getitem__, part))) > DEEPEST:
                return True
            level += 2 * (part.count(b"[") + part.count(b"{")) - len(part)
        end = match.end()
    return False


def refuse_constant(name: str) -> float:
    """Refuse NaN and infinities, which Python reads and JSON does not have.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else refuse_constant(text[:40])


def _at_most_64_bits(text: str) -> int:
    if len(text) <= 20 and -(2**63) <= (value := int(text)) < 2**63:
        return value
    raise ValueError(f"{text[:40]} has more than 64 bits")


def _different_keys(pairs: list[tuple[str, Any]]) -> Json:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value of a JSON file is a number that can be computed with and drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def parse_object(path: Path, content: bytes | bytearray, hint: str = "", *, surrogates: bool = True) -> Json:
    """Parse the JSON object that a file contains.

    Raises:
        ModelError: if the file contains anything else.
    """
    try:
        value = strict_json(content, surrogates=surrogates)
    except MemoryError:
        message = "its content does not fit into memory"
        raise ModelError(message, place=str(path), hint=hint) from None
    except ValueError as error:
        raise ModelError(f"not the expected JSON: {error}", place=str(path), hint=hint) from error
    if not isinstance(value, dict):
        raise ModelError("expected a JSON object", place=str(path), hint=hint)
    return value


def read_object(path: Path, limit: int = JSON_LIMIT) -> Json:
    """Read a file that contains a JSON object.

    Raises:
        ModelError: as `read_plain` and `parse_object`.
    """
    return parse_object(path, read_plain(path, limit))


def read_json_lines(path: Path) -> Iterator[Json]:
    """Yield the objects of a `.jsonl` file, up to a last line that a crash cut; none without a file.

    Raises:
        ModelError: if the file cannot be read, or at a line that is not a JSON object.
    """
    if not exists(path):
        return
    with open_plain(path, LOG_LIMIT) as file:
        for number, line in enumerate(iter(lambda: file.readline(LINE_LIMIT), b""), 1):
            try:
                yield parse_object(path.with_name(f"{path.name}:{number}"), line)
            except ModelError:
                if not line.endswith(b"\n") and not file.read(1):
                    return
                raise
