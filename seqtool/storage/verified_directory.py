"""Sealed directories: a closed list of plain files, and a manifest that holds the SHA-256 of each of them and of itself.

Models and checkpoints are both kept so. Each file is read once, within a size limit and without following links; what was
hashed is what is parsed. Nothing is ever read with pickle.
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
from typing import TYPE_CHECKING, Any

from seqtool.errors import ModelError
from seqtool.storage.atomic import commit_directory, present
from seqtool.types import Array

if TYPE_CHECKING:
    pass  # imported where it is used: a file is read while numpy is being loaded

MANIFEST = "manifest.json"
MANIFEST_LIMIT = 4 << 20
DEEPEST = 100  # levels of JSON
Arrays = dict[str, Array]
Json = dict[str, Any]


@dataclass(frozen=True)
class DirectoryFormat:
    """What one kind of sealed directory holds.

    Attributes:
        noun: what a message calls it.
        version: of the format.
        limits: the largest size in bytes of each of its files, the manifest aside.
        mend: what to do about a damaged one.
        other_version: what to do about one of another version.
    """

    noun: str
    version: int
    limits: Mapping[str, int]
    mend: str
    other_version: str


# --- writing ----------------------------------------------------------------------------------------------------------


def canonical_json(value: Any) -> bytes:
    """JSON in the one form that is hashed: sorted keys, no spaces, no NaN, UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8", "surrogatepass")


def write_verified(
    folder: Path, form: DirectoryFormat, contents: Mapping[str, bytes], facts: Mapping[str, Any]
) -> None:
    """Commit a directory as a whole.

    Args:
        folder: where it shall lie; an earlier one there is replaced at once or not at all.
        facts: what the manifest says beyond format and hashes.

    Raises:
        SeqtoolError: if it cannot be written; the earlier one is then untouched.
    """
    files = {name: {"sha256": _sha256(content), "bytes": len(content)} for name, content in contents.items()}
    manifest: Json = {**facts, "format_version": form.version, "files": files}
    seal = canonical_json({**manifest, "sha256": _sha256(canonical_json(manifest))})

    def fill(fresh: Path) -> None:
        for name, content in {**contents, MANIFEST: seal}.items():
            (fresh / name).write_bytes(content)

    commit_directory(folder, fill)


# --- reading ----------------------------------------------------------------------------------------------------------


def read_verified(folder: Path, form: DirectoryFormat) -> tuple[Json, dict[str, bytearray]]:
    """The manifest, and the bytes of every other file.

    Raises:
        ModelError: if it is missing, incomplete, of another version, or if any byte of it is not what was written.
    """
    for _ in range(50):
        seen = _identity(folder)
        try:
            return _read(present(folder), form)
        except ModelError:
            if _identity(folder) == seen:
                raise
        time.sleep(0.01)  # it was in the moment of its exchange with a newer one: look again
    return _read(present(folder), form)


def _identity(folder: Path) -> tuple[int, ...]:
    """What tells a directory from another that takes its place."""
    try:
        facts = present(folder).stat()
    except OSError:
        return ()
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns


def _read(folder: Path, form: DirectoryFormat) -> tuple[Json, dict[str, bytearray]]:
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        hint = "train a model first, or name another with --model" if form.noun == "model" else form.mend
        raise ModelError(f"no {form.noun} directory here", place=str(folder), hint=hint) from error
    unexpected = sorted(names - {MANIFEST, *form.limits})
    if unexpected:
        message = f"a file that does not belong to a {form.noun}: {unexpected[0]!r}"
        raise ModelError(message, place=str(folder), hint=f"remove it, or {form.mend}")
    manifest = read_verified_manifest(folder, form)
    return manifest, {name: _verified(folder / name, manifest["files"][name], form) for name in form.limits}


def read_verified_manifest(folder: Path, form: DirectoryFormat) -> Json:
    """The verified manifest alone.

    Raises:
        ModelError: as `read_verified`.
    """
    path = folder / MANIFEST
    content = _read_limited(path, MANIFEST_LIMIT, form)
    manifest = parse_object(path, content, form)
    if manifest.get("format_version") != form.version:
        found = repr(manifest.get("format_version"))[:40]
        raise ModelError(
            f"expected format version {form.version}, found {found}", place=str(path), hint=form.other_version
        )
    claimed = manifest.get("sha256")
    hashed = _sha256(canonical_json({key: value for key, value in manifest.items() if key != "sha256"}))
    if claimed != hashed or content != canonical_json(manifest):  # other digits can be the same number
        raise _damaged(path, form)
    if not isinstance(manifest.get("files"), dict) or set(manifest["files"]) != set(form.limits):
        raise ModelError(
            f"the manifest does not list the files of a {form.noun}", place=str(path), hint=form.mend
        )
    return manifest


def _verified(path: Path, expected: Any, form: DirectoryFormat) -> bytearray:
    content = _read_limited(path, form.limits[path.name], form)
    if not isinstance(expected, dict) or expected.get("sha256") != _sha256(content):
        raise _damaged(path, form)
    return content


def _read_limited(path: Path, limit: int, form: DirectoryFormat) -> bytearray:
    """A plain file's bytes, not through a link and never more than its limit."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        link = path.is_symlink()
        hint = f"a {form.noun} directory holds plain files only" if link else form.mend
        raise ModelError(
            f"cannot read: {'a symbolic link' if link else error.strerror}", place=str(path), hint=hint
        ) from error
    try:
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise ModelError(
                    "not a plain file",
                    place=str(path),
                    hint=f"a {form.noun} directory holds plain files only",
                )
            if facts.st_size > limit:
                raise ModelError(
                    f"{facts.st_size:,} bytes, more than the {limit:,} allowed",
                    place=str(path),
                    hint=form.mend,
                )
            content = bytearray(facts.st_size + 1)  # one more, to see whether it has grown
            del content[file.readinto(content) :]
            return content
    except OSError as error:
        raise ModelError(f"cannot read: {error.strerror}", place=str(path), hint=form.mend) from error


def _sha256(content: bytes | bytearray) -> str:
    return hashlib.sha256(content).hexdigest()


def _damaged(path: Path, form: DirectoryFormat) -> ModelError:
    return ModelError("damaged: its SHA-256 is not the one in the manifest", place=str(path), hint=form.mend)


# --- JSON -------------------------------------------------------------------------------------------------------------

_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_OPENS = {byte: 1 if byte in b"[{" else -1 for byte in b"[]{}"}
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def parse_object(path: Path, content: bytes | bytearray, form: DirectoryFormat) -> Json:
    """A JSON object.

    Raises:
        ModelError: if the file holds anything else.
    """
    try:
        value = strict_json(content)
    except ValueError as error:
        raise ModelError(
            f"not the JSON that a {form.noun} holds: {error}", place=str(path), hint=form.mend
        ) from error
    if not isinstance(value, dict):
        raise ModelError("expected a JSON object", place=str(path), hint=form.mend)
    return value


def strict_json(content: bytes | bytearray) -> Any:
    """Parse JSON of bounded depth, without NaN and infinities.

    Raises:
        ValueError: with the reason.
    """
    if (
        _depth(content) > DEEPEST and _depth(_STRING.sub(b"", content)) > DEEPEST
    ):  # brackets in strings do not count
        raise ValueError(f"nested too deep, more than {DEEPEST} levels")
    try:
        return json.loads(
            content.decode("utf-8", "surrogatepass"), parse_constant=_refuse, parse_float=_finite
        )
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _depth(content: bytes | bytearray) -> int:
    brackets = content.translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_OPENS.__getitem__, brackets)), default=0)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text[:40])


# --- arrays -----------------------------------------------------------------------------------------------------------


def pack_arrays(arrays: Mapping[str, Array]) -> bytes:
    """Arrays as the bytes of a safetensors file. It carries no metadata, whose order is random."""
    import numpy as np
    from safetensors.numpy import save

    return bytes(save({name: np.asarray(array, order="C") for name, array in arrays.items()}))


_KINDS = {"F32": "<f4", "F16": "<f2"}


def unpack_arrays(path: Path, content: bytearray, form: DirectoryFormat) -> Arrays:
    """Arrays from the bytes of a safetensors file, finite and of a floating type.

    They stay where they were read: the library would copy them, which is a twentieth of the time that `tag` takes to start.

    Raises:
        ModelError: naming the array that is not.
    """
    import numpy as np

    size = int.from_bytes(content[:8], "little")
    data = memoryview(content)[8 + size :]
    try:
        header = strict_json(content[8 : 8 + size])
        arrays = {name: _array(name, entry, data) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"not a safetensors file: {str(error)[:200]}", place=str(path), hint=form.mend
        ) from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{name}: a weight is not finite", place=str(path), hint="train the model again")
    return arrays


def _array(name: str, entry: Json, data: memoryview) -> Array:
    """One array, given its entry in the header and the bytes behind that.

    Raises:
        ValueError: if it is of another type, or does not lie within the bytes.
    """
    import numpy as np

    if entry["dtype"] not in _KINDS:
        raise ValueError(f"{name}: expected F32 or F16, found {entry['dtype']}")
    kind, shape, (first, last) = (
        np.dtype(_KINDS[entry["dtype"]]),
        tuple(map(operator.index, entry["shape"])),
        entry["data_offsets"],
    )
    if (
        min(shape, default=0) < 0
        or not 0 <= first <= last <= len(data)
        or math.prod(shape) * kind.itemsize != last - first
    ):
        raise ValueError(f"{name}: its bytes do not fit its shape")
    array: Array = np.frombuffer(data[first:last], kind).reshape(shape)
    return array
