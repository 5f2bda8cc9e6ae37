"""Verified directories, in which models and checkpoints are stored.

A verified directory contains a fixed list of plain files and a manifest. The manifest contains the SHA-256 of
each file and of itself. Each file is read once, up to a size limit; symbolic links are refused. The hashed
bytes are the parsed bytes. Pickle is never used.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
import os
import re
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from seqtool.errors import ModelError
from seqtool.storage.atomic import commit_directory, present
from seqtool.types import Array, Arrays, Json

MANIFEST = "manifest.json"
MANIFEST_LIMIT = 4 << 20  # bytes
DEEPEST = 100  # levels of nesting in JSON
READ_ATTEMPTS = 50
READ_DELAY = 0.01  # seconds between two attempts


@dataclass(frozen=True)
class DirectoryFormat:
    """Format of one type of verified directory.

    Attributes:
        noun: name of the content in messages: `model` or `checkpoint`.
        version: version of the format.
        limits: largest size in bytes of each file other than the manifest.
        repair: hint for a damaged directory.
        other_version: hint for a directory of another version.
    """

    noun: str
    version: int
    limits: Mapping[str, int]
    repair: str
    other_version: str


# --- writing ------------------------------------------------------------------------------------------------


def canonical_json(value: object) -> bytes:
    """Serialize a value as JSON for hashing: in UTF-8, with sorted keys, without spaces.

    Raises:
        ValueError: the value contains NaN or an infinity.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8", "surrogatepass")


def write_verified(
    folder: Path, form: DirectoryFormat, contents: Mapping[str, bytes], description: Mapping[str, object]
) -> None:
    """Write a directory. Readers find either the complete new directory or the earlier one.

    Args:
        folder: path of the directory; an earlier directory there is replaced.
        form: format of the directory.
        contents: bytes of the files by name.
        description: content of the manifest except format version and hashes.

    Raises:
        SeqtoolError: the directory cannot be written; an earlier directory is then unchanged.
    """
    files = {name: {"sha256": _sha256(content), "bytes": len(content)} for name, content in contents.items()}
    manifest = {**description, "format_version": form.version, "files": files}
    hashed_manifest = canonical_json({**manifest, "sha256": _sha256(canonical_json(manifest))})

    def fill(fresh: Path) -> None:
        for name, content in {**contents, MANIFEST: hashed_manifest}.items():
            (fresh / name).write_bytes(content)

    commit_directory(folder, fill)


# --- reading ------------------------------------------------------------------------------------------------


def read_verified(folder: Path, form: DirectoryFormat) -> tuple[Json, dict[str, bytearray]]:
    """Read and verify a directory; return its manifest and the bytes of every other file by name.

    If another process replaces the directory while it is read, a failed attempt is repeated.

    Raises:
        ModelError: the directory is missing, incomplete or of another version, or a byte was changed after
            writing.
    """
    for _ in range(READ_ATTEMPTS):
        before = _identity(folder)
        try:
            return _read(present(folder), form)
        except ModelError:
            if _identity(folder) == before:
                raise
        time.sleep(READ_DELAY)
    return _read(present(folder), form)


def _identity(folder: Path) -> tuple[int, ...]:
    """Return numbers that change when a directory is replaced; empty if there is no directory."""
    try:
        status = present(folder).stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _read(folder: Path, form: DirectoryFormat) -> tuple[Json, dict[str, bytearray]]:
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        hint = "train a model first, or name another with --model" if form.noun == "model" else form.repair
        raise ModelError(f"no {form.noun} directory here", place=str(folder), hint=hint) from error
    unexpected = sorted(names - {MANIFEST, *form.limits})
    if unexpected:
        message = f"a file that does not belong to a {form.noun}: {unexpected[0]!r}"
        raise ModelError(message, place=str(folder), hint=f"remove it, or {form.repair}")
    manifest = read_verified_manifest(folder, form)
    return manifest, {name: _verified(folder / name, manifest["files"][name], form) for name in form.limits}


def read_verified_manifest(folder: Path, form: DirectoryFormat) -> Json:
    """Read and verify the manifest of a directory without the other files.

    Raises:
        ModelError: the manifest is missing, damaged or of another version.
    """
    path = folder / MANIFEST
    content = _read_limited(path, MANIFEST_LIMIT, form)
    manifest = parse_object(path, content, form)
    if manifest.get("format_version") != form.version:
        version = repr(manifest.get("format_version"))[:40]
        message = f"expected format version {form.version}, found {version}"
        raise ModelError(message, place=str(path), hint=form.other_version)
    hashed = _sha256(canonical_json({key: value for key, value in manifest.items() if key != "sha256"}))
    # The hash of the values does not detect a number that was replaced by an equal one, such as 1.0 by 1e0.
    # The comparison of bytes does.
    if manifest.get("sha256") != hashed or content != canonical_json(manifest):
        raise _damaged(path, form)
    if not isinstance(manifest.get("files"), dict) or set(manifest["files"]) != set(form.limits):
        message = f"the manifest does not list the files of a {form.noun}"
        raise ModelError(message, place=str(path), hint=form.repair)
    return manifest


def _verified(path: Path, expected: object, form: DirectoryFormat) -> bytearray:
    content = _read_limited(path, form.limits[path.name], form)
    if not isinstance(expected, dict) or expected.get("sha256") != _sha256(content):
        raise _damaged(path, form)
    return content


def _read_limited(path: Path, limit: int, form: DirectoryFormat) -> bytearray:
    """Read a plain file of at most `limit` bytes; refuse a symbolic link."""
    plain_only = f"a {form.noun} directory contains plain files only"
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        is_link = path.is_symlink()
        reason, hint = ("a symbolic link", plain_only) if is_link else (error.strerror, form.repair)
        raise ModelError(f"cannot read: {reason}", place=str(path), hint=hint) from error
    try:
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ModelError("not a plain file", place=str(path), hint=plain_only)
            if status.st_size > limit:
                message = f"{status.st_size:,} bytes, more than the {limit:,} allowed"
                raise ModelError(message, place=str(path), hint=form.repair)
            # The buffer is one byte longer than the file, so that a file that has grown gets another hash.
            content = bytearray(status.st_size + 1)
            del content[file.readinto(content) :]
            return content
    except OSError as error:
        raise ModelError(f"cannot read: {error.strerror}", place=str(path), hint=form.repair) from error


def _sha256(content: bytes | bytearray) -> str:
    return hashlib.sha256(content).hexdigest()


def _damaged(path: Path, form: DirectoryFormat) -> ModelError:
    return ModelError(
        "damaged: its SHA-256 differs from the one in the manifest", place=str(path), hint=form.repair
    )


# --- JSON ---------------------------------------------------------------------------------------------------

_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_OPENS = {byte: 1 if byte in b"[{" else -1 for byte in b"[]{}"}
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def parse_object(path: Path, content: bytes | bytearray, form: DirectoryFormat) -> Json:
    """Parse the JSON object that a file contains.

    Raises:
        ModelError: the file contains anything else.
    """
    try:
        value = strict_json(content)
    except ValueError as error:
        message = f"not the JSON of a {form.noun}: {error}"
        raise ModelError(message, place=str(path), hint=form.repair) from error
    if not isinstance(value, dict):
        raise ModelError("expected a JSON object", place=str(path), hint=form.repair)
    return value


def strict_json(content: bytes | bytearray) -> Any:
    """Parse JSON of at most `DEEPEST` levels, without NaN and infinities.

    Raises:
        ValueError: the content is not such JSON; the message gives the reason.
    """
    # Brackets inside strings do not count. Removing the strings is slow, so a quick test comes first.
    if _depth(content) > DEEPEST and _depth(_STRING.sub(b"", content)) > DEEPEST:
        raise ValueError(f"nested too deep, more than {DEEPEST} levels")
    text = content.decode("utf-8", "surrogatepass")
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _depth(content: bytes | bytearray) -> int:
    brackets = content.translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_OPENS.__getitem__, brackets)), default=0)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text[:40])


# --- arrays -------------------------------------------------------------------------------------------------


def pack_arrays(arrays: Mapping[str, Array]) -> bytes:
    """Serialize arrays as a safetensors file without metadata, whose order in the file is random."""
    import numpy as np
    from safetensors.numpy import save

    return bytes(save({name: np.asarray(array, order="C") for name, array in arrays.items()}))


_DTYPES = {"F32": "<f4", "F16": "<f2"}


def unpack_arrays(path: Path, content: bytearray, form: DirectoryFormat) -> Arrays:
    """Read the arrays of a safetensors file. All must be finite and of type float32 or float16.

    The arrays are views of `content`. The safetensors library would copy them, which takes 5 % of the cold
    start of `tag`.

    Raises:
        ModelError: the file is damaged, or a weight is not finite.
    """
    import numpy as np

    size = int.from_bytes(content[:8], "little")
    data = memoryview(content)[8 + size :]
    try:
        header = strict_json(content[8 : 8 + size])
        arrays = {name: _array(name, entry, data) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"not a safetensors file: {str(error)[:200]}"
        raise ModelError(message, place=str(path), hint=form.repair) from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{name}: a weight is not finite", place=str(path), hint="train the model again")
    return arrays


def _array(name: str, entry: Json, data: memoryview) -> Array:
    """Return the array that an entry of the header describes.

    Raises:
        ValueError: the type is not F32 or F16, or the bytes do not fit the shape or `data`.
    """
    import numpy as np

    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"{name}: expected F32 or F16, found {entry['dtype']}")
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    shape = tuple(map(operator.index, entry["shape"]))
    first, last = entry["data_offsets"]
    inside = 0 <= first <= last <= len(data)
    if min(shape, default=0) < 0 or not inside or math.prod(shape) * dtype.itemsize != last - first:
        raise ValueError(f"{name}: its bytes do not fit its shape")
    array: Array = np.frombuffer(data[first:last], dtype).reshape(shape)
    return array
