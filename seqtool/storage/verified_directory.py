"""Verified directories, in which models and checkpoints are stored.

A verified directory contains a fixed list of plain files and a manifest. The manifest contains the SHA-256 of
each file and of itself. `plain_files.py` reads each file once, if it has the size in the manifest. The
hashed bytes are the parsed bytes. Pickle is never used.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from seqtool.errors import ModelError
from seqtool.storage.atomic import commit_directory, present
from seqtool.storage.ownership import Contents
from seqtool.storage.plain_files import parse_object, read_plain, strict_json
from seqtool.types import Array, Arrays, Json

MANIFEST = "manifest.json"
MANIFEST_LIMIT = 4 << 20  # bytes
READ_ATTEMPTS = 50
READ_DELAY = 0.01  # seconds between two attempts


class DirectoryFormat(NamedTuple):
    """Format of one type of verified directory.

    Attributes:
        noun: name of the content in messages: `model` or `checkpoint`.
        versions: versions of the format that can be read; the first one is written.
        limits: largest size in bytes of each file other than the manifest.
        repair: hint for a damaged directory.
        other_version: hint for a directory of another version.
        largest: largest absolute value of a number in an array.
        dtypes: accepted types of arrays, as safetensors names them.
    """

    noun: str
    versions: tuple[int, ...]
    limits: Mapping[str, int]
    repair: str
    other_version: str
    largest: float = math.inf
    dtypes: tuple[str, ...] = ("F32", "F16")

    @property
    def contents(self) -> Contents:
        """Names of all files in such a directory."""
        return Contents("|".join(map(re.escape, (MANIFEST, *self.limits))))


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
    folder: Path,
    directory_format: DirectoryFormat,
    contents: Mapping[str, bytes],
    description: Mapping[str, object],
) -> None:
    """Write a directory. Readers find either the complete new directory or the earlier one.

    Args:
        folder: path of the directory; an earlier directory there is replaced.
        directory_format: format of the directory.
        contents: bytes of the files by name.
        description: content of the manifest except format version and hashes.

    Raises:
        SeqtoolError: the directory cannot be written; an earlier directory is then unchanged.
    """
    files = {name: {"sha256": _sha256(content), "bytes": len(content)} for name, content in contents.items()}
    manifest = {**description, "format_version": directory_format.versions[0], "files": files}
    hashed_manifest = canonical_json({**manifest, "sha256": _sha256(canonical_json(manifest))})

    def fill(fresh: Path) -> None:
        for name, content in {**contents, MANIFEST: hashed_manifest}.items():
            (fresh / name).write_bytes(content)

    commit_directory(folder, fill, directory_format.contents)


# --- reading ------------------------------------------------------------------------------------------------


def read_verified(folder: Path, directory_format: DirectoryFormat) -> tuple[Json, dict[str, bytearray]]:
    """Read and verify a directory; return its manifest and the bytes of every other file by name.

    If another process replaces the directory while it is read, a failed attempt is repeated.

    Raises:
        ModelError: the directory is missing, incomplete or of another version, or a byte was changed after
            writing.
    """
    for _ in range(READ_ATTEMPTS):
        before = _identity(folder)
        try:
            return _read(present(folder), directory_format)
        except ModelError:
            if _identity(folder) == before:
                raise
        time.sleep(READ_DELAY)
    return _read(present(folder), directory_format)


def _identity(folder: Path) -> tuple[int, ...]:
    """Return numbers that change when a directory is replaced; empty if there is no directory."""
    try:
        status = present(folder).stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _read(folder: Path, directory_format: DirectoryFormat) -> tuple[Json, dict[str, bytearray]]:
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        hint = (
            "train a model first, or name another with --model"
            if directory_format.noun == "model"
            else directory_format.repair
        )
        raise ModelError(
            f"no {directory_format.noun} directory here", place=str(folder), hint=hint
        ) from error
    unexpected = sorted(names - {MANIFEST, *directory_format.limits})
    if unexpected:
        message = f"a file that does not belong to a {directory_format.noun}: {unexpected[0]!r}"
        raise ModelError(message, place=str(folder), hint=f"remove it, or {directory_format.repair}")
    manifest = read_verified_manifest(folder, directory_format)
    return manifest, {
        name: _verified(folder / name, manifest["files"][name], directory_format)
        for name in directory_format.limits
    }


def read_verified_manifest(folder: Path, directory_format: DirectoryFormat) -> Json:
    """Read and verify the manifest of a directory without the other files.

    Raises:
        ModelError: the manifest is missing, damaged or of another version.
    """
    path = folder / MANIFEST
    content = read_plain(path, MANIFEST_LIMIT, hint=directory_format.repair)
    manifest = parse_object(path, content, directory_format.repair)
    version = manifest.get("format_version")
    if type(version) is not int or version not in directory_format.versions:
        expected = " or ".join(map(str, directory_format.versions))
        message = f"expected format version {expected}, found {version!r:.40}"
        raise ModelError(message, place=str(path), hint=directory_format.other_version)
    hashed = _sha256(canonical_json({key: value for key, value in manifest.items() if key != "sha256"}))
    # The hash of the values does not detect a number that was replaced by an equal one, such as 1.0 by 1e0.
    # The comparison of bytes does.
    if manifest.get("sha256") != hashed or content != canonical_json(manifest):
        raise _damaged(path, directory_format)
    if not isinstance(manifest.get("files"), dict) or set(manifest["files"]) != set(directory_format.limits):
        message = f"the manifest does not list the files of a {directory_format.noun}"
        raise ModelError(message, place=str(path), hint=directory_format.repair)
    return manifest


def _verified(path: Path, expected: object, directory_format: DirectoryFormat) -> bytearray:
    """Read a file whose size and hash are those that the manifest states."""
    if not isinstance(expected, dict) or type(expected.get("bytes")) is not int:
        message = f"the manifest does not state the size of {path.name}"
        raise ModelError(message, place=str(path.parent / MANIFEST), hint=directory_format.repair)
    content = read_plain(
        path, directory_format.limits[path.name], hint=directory_format.repair, size=expected["bytes"]
    )
    if expected.get("sha256") != _sha256(content):
        raise _damaged(path, directory_format)
    return content


def _sha256(content: bytes | bytearray) -> str:
    return hashlib.sha256(content).hexdigest()


def _damaged(path: Path, directory_format: DirectoryFormat) -> ModelError:
    return ModelError(
        "damaged: its SHA-256 differs from the one in the manifest",
        place=str(path),
        hint=directory_format.repair,
    )


# --- arrays -------------------------------------------------------------------------------------------------


def pack_arrays(arrays: Mapping[str, Array]) -> bytes:
    """Serialize arrays as a safetensors file without metadata, whose order in the file is random."""
    import numpy as np
    from safetensors.numpy import save

    return bytes(save({name: np.asarray(array, order="C") for name, array in arrays.items()}))


_DTYPES = {"F32": "<f4", "F16": "<f2", "I8": "i1"}
_ENTRY = {"dtype", "shape", "data_offsets"}  # keys of the header for one array
HEADER_LIMIT = 64 << 20  # bytes


def unpack_arrays(path: Path, content: bytearray, directory_format: DirectoryFormat) -> Arrays:
    """Read the arrays of a safetensors file. All must be finite and of an accepted type.

    Each byte of the file belongs to the header or to one array. The arrays are views of `content`. The
    safetensors library would copy them, which takes 5 % of the cold start of `tag`.

    Raises:
        ModelError: the file is damaged, or a weight is not finite or larger than allowed.
    """
    import numpy as np

    size = int.from_bytes(content[:8], "little")
    try:
        if size > min(HEADER_LIMIT, len(content) - 8):
            raise ValueError("its header is longer than allowed")
        data = memoryview(content)[8 + size :]
        header = strict_json(content[8 : 8 + size])
        arrays = {name: _array(name, entry, data, directory_format.dtypes) for name, entry in header.items()}
        _check_offsets(header, len(data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"not a safetensors file: {str(error)[:200]}"
        raise ModelError(message, place=str(path), hint=directory_format.repair) from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{name}: a weight is not finite", place=str(path), hint="train the model again")
        if max(float(array.max(initial=0)), -float(array.min(initial=0))) > directory_format.largest:
            message = f"{name}: a weight is larger than {directory_format.largest:,.0f}"
            raise ModelError(message, place=str(path), hint="train the model again, with a lower training.lr")
    return arrays


def _array(name: str, entry: Json, data: memoryview, dtypes: tuple[str, ...]) -> Array:
    """Return the array that an entry of the header describes.

    Raises:
        ValueError: the type is not one of `dtypes`, or the bytes do not fit the shape or `data`.
    """
    import numpy as np

    if entry.keys() != _ENTRY or entry["dtype"] not in dtypes:
        raise ValueError(f"{name}: expected {' or '.join(dtypes)}, found {entry['dtype']}")
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    shape, (first, last) = tuple(entry["shape"]), entry["data_offsets"]
    whole_numbers = {type(number) for number in (*shape, first, last)} == {int}
    inside = whole_numbers and 0 <= first <= last <= len(data)
    if not inside or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != last - first:
        raise ValueError(f"{name}: its bytes do not fit its shape")
    array: Array = np.frombuffer(data[first:last], dtype).reshape(shape)
    return array


def _check_offsets(header: Json, size: int) -> None:
    """Check that the arrays cover all bytes of the data, each byte once.

    Raises:
        ValueError: if they overlap, or if bytes belong to no array.
    """
    end = 0
    for name, (first, last) in sorted(
        ((name, entry["data_offsets"]) for name, entry in header.items()), key=lambda item: item[1]
    ):
        if first != end:
            raise ValueError(f"{name}: expected data from byte {end:,}, found {first:,}")
        end = last
    if end != size:
        raise ValueError(f"{size - end:,} bytes after the last array")
