"""Encoding of text files as symbol numbers, and the cache of encoded texts.

The first pass over the files finds the symbols, and the second pass writes their numbers. Both need constant
memory. The cache stores the result on disk under a hash of the files and settings. Later runs map it into
memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.data.batches import release_pages
from seqtool.data.input_files import ProgressCallback, file_hashes
from seqtool.data.text.reader import TextRules, find_symbols, symbol_numbers
from seqtool.errors import DataError, ModelError, SeqtoolError
from seqtool.storage.atomic import make_directory, sync, write_file, writing
from seqtool.storage.plain_files import open_plain, read_object
from seqtool.types import Array, Arrays

ENCODING_VERSION = 2  # part of the cache key; must be increased when the encoding changes
PIECE = 1 << 22  # symbols that are processed at once
ABANDONED_AFTER = 86_400  # seconds after which an unfinished cache entry is deleted
_UNFINISHED = ".unfinished."
_DESCRIPTION = "facts.json"
_VERIFIED = "verified.json"  # what was verified since the computer was started
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LARGEST = 1 << 62  # bytes of a file; the description states the size
Symbols = Sequence[str]  # in the order of their numbers: a text of characters or bytes, or a tuple of words
# Errors of `_open` if an entry is missing or damaged.
_INVALID_ENTRY = (ModelError, OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class EncodedText:
    """Texts as symbol numbers.

    Attributes:
        symbols: symbols in the order of their numbers: a text of characters or bytes, or a tuple of words.
        arrays: symbol numbers (length,) of each text, by name. Their type is the smallest unsigned type that
            holds all numbers. They are memory-mapped if there is a cache.
    """

    symbols: Symbols
    arrays: Arrays


@dataclass(frozen=True)
class EncodedFiles:
    """Encoded text files.

    Attributes:
        text: the encoded texts.
        hashes: SHA-256 of each file, by path.
        key: cache key of the texts: a JSON value with file hashes and settings.
    """

    text: EncodedText
    hashes: dict[str, str]
    key: object


# --- encoding -----------------------------------------------------------------------------------------------


def encode_files(
    paths: Mapping[str, Sequence[Path]],
    rules: TextRules,
    alphabet: Sequence[str] | None,
    cache: TextCache,
    progress: ProgressCallback | None = None,
) -> EncodedFiles:
    """Encode all texts. A text is the concatenation of its files.

    Args:
        paths: existing files by name of the text: `text`, `val`, `test`.
        rules: rules for reading the files.
        alphabet: symbols in the order of their numbers; None for the sorted symbols of all files.
        cache: cache that is searched first; it stores a new result.
        progress: called with the current action, the number of bytes done and the total number of bytes.

    Raises:
        DataError: a file cannot be read as text, contains a symbol that is not in the alphabet, or changed
            while it was read.
        SeqtoolError: the cache cannot be written.
    """
    before = _stamps(paths)
    hashes = {name: file_hashes(group) for name, group in paths.items()}
    key = {
        "version": ENCODING_VERSION,
        "form": rules.key(),
        "alphabet": None if alphabet is None else list(alphabet),
        "files": {name: list(group.values()) for name, group in hashes.items()},
    }
    text = cache.find(key)
    if text is None:
        symbols = find_symbols(paths, rules, alphabet, progress)
        numbers = {name: symbol_numbers(group, rules, symbols, progress) for name, group in paths.items()}
        text = cache.store(key, symbols, numbers)
    if _stamps(paths) != before:
        place = str(next(iter(paths.values()))[0])
        raise DataError("a file changed while it was read", place=place, hint="start again")
    return EncodedFiles(
        text, {path: digest for group in hashes.values() for path, digest in group.items()}, key
    )


def _stamps(paths: Mapping[str, Sequence[Path]]) -> list[tuple[int, int]]:
    """Return the size and the modification time of every file."""
    status = [path.stat() for group in paths.values() for path in group]
    return [(stat.st_size, stat.st_mtime_ns) for stat in status]


# --- other numbers for an encoded text ----------------------------------------------------------------------


def renumber(text: EncodedText, symbols: Symbols, key: object, cache: TextCache) -> EncodedText:
    """Return the text with the numbers of another list of symbols.

    Args:
        text: the encoded text.
        symbols: list that contains all symbols of the text.
        key: cache key of the encoded files.
        cache: cache that is searched first; it stores a new result.
    """
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    table = np.array([numbers[symbol] for symbol in text.symbols], np.min_scalar_type(len(symbols)))
    return _translate(text, table, symbols, {"renumbered": key, "symbols": symbols}, cache)


def merge_rare(
    text: EncodedText, kept: Sequence[int], unknown: str, key: object, cache: TextCache
) -> EncodedText:
    """Replace every symbol that is not kept by the unknown symbol, which gets the last number.

    Args:
        text: the encoded text.
        kept: numbers of the symbols that are kept, in the order of their new numbers.
        unknown: the unknown symbol.
        key: cache key of the encoded files.
        cache: cache that is searched first; it stores a new result.
    """
    symbols = "".join(text.symbols[number] for number in kept) + unknown
    table = np.full(len(text.symbols), len(kept), np.min_scalar_type(len(kept)))
    table[list(kept)] = np.arange(len(kept))
    return _translate(text, table, symbols, {"merged": key, "symbols": symbols}, cache)


def _translate(
    text: EncodedText, table: Array, symbols: Symbols, key: object, cache: TextCache
) -> EncodedText:
    """Replace each number by its entry in the table (old numbers,)."""
    arrays = {name: (table[piece] for piece in pieces_of(array)) for name, array in text.arrays.items()}
    return cache.find(key) or cache.store(key, symbols, arrays)


def pieces_of(array: Array) -> Iterator[Array]:
    """Yield an array in pieces. After each piece, release the pages of a memory-mapped array."""
    for start in range(0, len(array), PIECE):
        yield np.asarray(array[start : start + PIECE])
        release_pages(array)


# --- the cache ----------------------------------------------------------------------------------------------


class TextCache:
    """Cache of encoded texts in a directory. Without one that can be written, texts are held in memory.

    An entry is a directory: a file of numbers for each text, and a JSON file with symbols, lengths and
    hashes. It is written under a temporary name, synced and then renamed, so that a crash leaves no
    incomplete entry. Each computer verifies the hashes once after it was started, or when a file changed. A
    damaged entry is replaced.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def find(self, key: object) -> EncodedText | None:
        """Return the entry of a key (a JSON value), or None if it is missing or damaged."""
        if self.folder is None:
            return None
        try:
            return _open(self.folder / _entry_name(key))
        except _INVALID_ENTRY:
            return None

    def store(self, key: object, symbols: Symbols, numbers: Mapping[str, Iterable[Array]]) -> EncodedText:
        """Store the texts of a key and return them.

        Args:
            key: a JSON value.
            symbols: symbols in the order of their numbers.
            numbers: pieces (length,) of the symbol numbers of each text, by name.

        Raises:
            SeqtoolError: the entry cannot be written, although the directory can be.
        """
        dtype = np.min_scalar_type(max(len(symbols) - 1, 0))
        if self.folder is None or _is_read_only(self.folder):
            arrays = {
                name: np.concatenate([np.zeros(0, dtype), *pieces]).astype(dtype, copy=False)
                for name, pieces in numbers.items()
            }
            return EncodedText(symbols, arrays)
        with writing(self.folder):
            make_directory(self.folder)
            _delete_abandoned(self.folder)
            return _write(self.folder / _entry_name(key), symbols, numbers, dtype)


def _is_read_only(folder: Path) -> bool:
    present = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return not os.access(present, os.W_OK | os.X_OK)


def _entry_name(key: object) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]


def _delete_abandoned(folder: Path) -> None:
    """Delete unfinished entries that are older than a day. A crash left them."""
    for entry in folder.glob(f"{_UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - entry.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(entry, ignore_errors=True)


def _write(
    entry: Path, symbols: Symbols, numbers: Mapping[str, Iterable[Array]], dtype: np.dtype[Any]
) -> EncodedText:
    unfinished = entry.parent / f"{_UNFINISHED}{os.getpid()}.{time.time_ns()}"
    unfinished.mkdir()
    try:
        lengths, hashes = {}, {}
        for name, pieces in numbers.items():
            lengths[name], hashes[name] = _write_array(unfinished / f"{name}.bin", pieces, dtype)
        description = {
            "entry": entry.name,
            "symbols": [*map(ord, symbols)] if isinstance(symbols, str) else list(symbols),
            "dtype": dtype.str,
            "lengths": lengths,
            "sha256": hashes,
        }
        hashed = {**description, "description_sha256": _hash_of(description)}
        write_file(unfinished / _DESCRIPTION, json.dumps(hashed).encode())  # also syncs the directory
        _publish(unfinished, entry)
        sync(entry.parent)
        return _open(entry)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_array(path: Path, pieces: Iterable[Array], dtype: np.dtype[Any]) -> tuple[int, str]:
    """Write the pieces of an array to a file, and return their total length and the SHA-256 of the file."""
    length, digest = 0, hashlib.sha256()
    with path.open("wb") as file:
        for piece in pieces:
            content = np.ascontiguousarray(piece, dtype).data
            file.write(content)
            digest.update(content)
            length += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return length, digest.hexdigest()


def _hash_of(description: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def _publish(unfinished: Path, entry: Path) -> None:
    """Rename an unfinished entry, unless another run has published a valid entry first."""
    with suppress(OSError):
        unfinished.rename(entry)
        return
    with suppress(*_INVALID_ENTRY):
        _open(entry)
        return
    shutil.rmtree(entry)
    unfinished.rename(entry)


def _open(entry: Path) -> EncodedText:
    """Verify an entry, and map its arrays into memory.

    Raises:
        one of _INVALID_ENTRY: the entry is missing or damaged.
    """
    description = read_object(entry / _DESCRIPTION)
    if description.pop("description_sha256") != _hash_of(description) or description["entry"] != entry.name:
        raise ValueError(f"{entry}: the description is damaged")
    dtype = np.dtype(description["dtype"])
    if dtype.kind != "u":
        raise ValueError(f"{entry}: expected symbol numbers, found another type")
    arrays: dict[str, Array] = {}
    with ExitStack() as stack:
        files: dict[str, BufferedReader] = {}
        for name, length in description["lengths"].items():
            file = open_plain(entry / f"{name}.bin", _LARGEST, size=length * dtype.itemsize)
            files[name] = stack.enter_context(file)
        _verify(entry, files, description["sha256"])
        for name, length in description["lengths"].items():
            shape = (length,)
            arrays[name] = np.memmap(files[name], dtype, "r", shape=shape) if length else np.zeros(0, dtype)
    symbols = description["symbols"]
    is_words = bool(symbols) and isinstance(symbols[0], str)
    return EncodedText(tuple(symbols) if is_words else "".join(map(chr, symbols)), arrays)


def _verify(entry: Path, files: Mapping[str, BufferedReader], hashes: Mapping[str, str]) -> None:
    """Compare files with their hashes, unless this computer did so since it was started.

    Raises:
        ValueError: a file is damaged.
    """
    verified = {"boot": _boot_id(), "files": {name: _identity(file) for name, file in files.items()}}
    with suppress(*_INVALID_ENTRY):
        if verified["boot"] and read_object(entry / _VERIFIED) == verified:
            return
    for name, file in files.items():
        if hashlib.file_digest(file, "sha256").hexdigest() != hashes[name]:
            raise ValueError(f"{entry}: {name} is damaged")
    with suppress(SeqtoolError):  # the entry belongs to another user: each run verifies it
        write_file(entry / _VERIFIED, json.dumps(verified).encode())


def _boot_id() -> str:
    """Return a text that is new each time a computer is started; empty if the system has none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _identity(file: BufferedReader) -> str:
    """Return numbers that change with the content of a file, unless its disk is failing."""
    status = os.fstat(file.fileno())
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
