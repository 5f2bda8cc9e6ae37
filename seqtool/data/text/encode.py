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
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.data.batches import release_pages
from seqtool.data.input_files import ProgressCallback, file_hashes
from seqtool.data.text.reader import TextForm, find_symbol
from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.errors import DataError
from seqtool.storage.atomic import writing
from seqtool.types import Array, Arrays

ENCODING_VERSION = 1  # part of the cache key; must be increased when the encoding changes
CODE_POINTS = 0x110000
PIECE = 1 << 22  # symbols that are processed at once
ABANDONED_AFTER = 86_400  # seconds after which an unfinished cache entry is deleted
ALPHABET_HINT = "add it to `data.alphabet`, or delete that key to use the symbols of the text"
_UNFINISHED = ".unfinished."
_DESCRIPTION = "facts.json"
# Errors of `_open` if an entry is missing or damaged.
_INVALID_ENTRY = (OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class EncodedText:
    """Texts as symbol numbers.

    Attributes:
        symbols: symbols in the order of their numbers, one character each.
        arrays: symbol numbers (length,) of each text, by name. Their type is the smallest unsigned type that
            holds all numbers. They are memory-mapped if there is a cache.
    """

    symbols: str
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
    form: TextForm,
    alphabet: Sequence[str] | None,
    cache: TextCache,
    progress: ProgressCallback | None = None,
) -> EncodedFiles:
    """Encode all texts. A text is the concatenation of its files.

    Args:
        paths: existing files by name of the text: `text`, `val`, `test`.
        form: rules for reading the files.
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
        "form": asdict(form),
        "alphabet": None if alphabet is None else list(alphabet),
        "files": {name: list(group.values()) for name, group in hashes.items()},
    }
    text = cache.find(key)
    if text is None:
        symbols = _find_symbols(paths, form, alphabet, progress)
        numbers = {name: _numbers(group, form, symbols, progress) for name, group in paths.items()}
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


def _find_symbols(
    paths: Mapping[str, Sequence[Path]],
    form: TextForm,
    alphabet: Sequence[str] | None,
    progress: ProgressCallback | None,
) -> str:
    """Return the symbols in the order of their numbers.

    Raises:
        DataError: a symbol is not in the alphabet.
    """
    files = [path for group in paths.values() for path in group]
    occurs = np.zeros(CODE_POINTS, bool)
    occurs[_codes(form.boundary)] = True
    for path in files:
        for piece in form.pieces(path, progress):
            occurs[_codes(piece)] = True
    found = "".join(map(chr, np.flatnonzero(occurs).tolist()))
    if alphabet is None:
        return found
    symbols = "".join(alphabet) + ("" if form.boundary in alphabet else form.boundary)
    if set(found) - set(symbols):
        symbol, path, line, column = find_symbol(files, form, symbols)
        raise SymbolVocabulary(symbols, form.unit).unknown_symbol_error(
            symbol, place=f"{path}:{line}:{column}", hint=ALPHABET_HINT
        )
    return symbols


def _codes(piece: str) -> Array:
    return np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)


def _numbers(
    group: Sequence[Path], form: TextForm, symbols: str, progress: ProgressCallback | None
) -> Iterator[Array]:
    """Yield the symbol numbers of files in pieces. A text of lines starts with the boundary symbol."""
    table = np.zeros(CODE_POINTS, np.min_scalar_type(max(len(symbols) - 1, 0)))
    table[_codes(symbols)] = np.arange(len(symbols))
    if form.boundary:
        yield table[_codes(form.boundary)]
    for path in group:
        for piece in form.pieces(path, progress, "encoding"):
            yield table[_codes(piece)]


# --- other numbers for an encoded text ----------------------------------------------------------------------


def renumber(text: EncodedText, symbols: str, key: object, cache: TextCache) -> EncodedText:
    """Return the text with the numbers of a longer list of symbols.

    Args:
        text: the encoded text.
        symbols: list that contains all symbols of the text.
        key: cache key of the encoded files.
        cache: cache that is searched first; it stores a new result.
    """
    table = np.array([symbols.index(symbol) for symbol in text.symbols], np.min_scalar_type(len(symbols)))
    return _translate(
        text, table, symbols, {"renumbered": key, "before": text.symbols, "symbols": symbols}, cache
    )


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


def _translate(text: EncodedText, table: Array, symbols: str, key: object, cache: TextCache) -> EncodedText:
    """Replace each number by its entry in the table (old numbers,)."""
    return cache.find(key) or cache.store(
        key,
        symbols,
        {name: (table[piece] for piece in pieces_of(array)) for name, array in text.arrays.items()},
    )


def pieces_of(array: Array) -> Iterator[Array]:
    """Yield an array in pieces. After each piece, release the pages of a memory-mapped array."""
    for start in range(0, len(array), PIECE):
        yield np.asarray(array[start : start + PIECE])
        release_pages(array)


# --- the cache ----------------------------------------------------------------------------------------------


class TextCache:
    """Cache of encoded texts in a directory. Without a directory, texts are only held in memory.

    An entry is a directory: a file of numbers for each text, and a JSON file with symbols and lengths. It is
    written under a temporary name and then renamed, so that a crash leaves no incomplete entry. An entry
    whose files have the wrong size is replaced.
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

    def store(self, key: object, symbols: str, numbers: Mapping[str, Iterable[Array]]) -> EncodedText:
        """Store the texts of a key and return them.

        Args:
            key: a JSON value.
            symbols: symbols in the order of their numbers.
            numbers: pieces (length,) of the symbol numbers of each text, by name.

        Raises:
            SeqtoolError: the entry cannot be written.
        """
        dtype = np.min_scalar_type(max(len(symbols) - 1, 0))
        if self.folder is None:
            arrays = {
                name: np.concatenate([np.zeros(0, dtype), *pieces]).astype(dtype, copy=False)
                for name, pieces in numbers.items()
            }
            return EncodedText(symbols, arrays)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            _delete_abandoned(self.folder)
            return _write(self.folder / _entry_name(key), symbols, numbers, dtype)


def _entry_name(key: object) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]


def _delete_abandoned(folder: Path) -> None:
    """Delete unfinished entries that are older than a day. A crash left them."""
    for entry in folder.glob(f"{_UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - entry.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(entry, ignore_errors=True)


def _write(
    entry: Path, symbols: str, numbers: Mapping[str, Iterable[Array]], dtype: np.dtype[Any]
) -> EncodedText:
    unfinished = entry.parent / f"{_UNFINISHED}{os.getpid()}.{time.time_ns()}"
    unfinished.mkdir()
    try:
        lengths = {
            name: _write_array(unfinished / f"{name}.bin", pieces, dtype) for name, pieces in numbers.items()
        }
        description = {
            "symbols": [ord(symbol) for symbol in symbols],
            "dtype": dtype.str,
            "lengths": lengths,
        }
        (unfinished / _DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
        _publish(unfinished, entry)
        return _open(entry)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_array(path: Path, pieces: Iterable[Array], dtype: np.dtype[Any]) -> int:
    """Write the pieces of an array to a file, and return their total length."""
    length = 0
    with path.open("wb") as file:
        for piece in pieces:
            file.write(np.ascontiguousarray(piece, dtype).data)
            length += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return length


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
    """Map the arrays of an entry into memory.

    Raises:
        one of _INVALID_ENTRY: the entry is missing or damaged.
    """
    description = json.loads((entry / _DESCRIPTION).read_text(encoding="utf-8"))
    dtype = np.dtype(description["dtype"])
    if dtype.kind != "u":
        raise ValueError(f"{entry}: expected symbol numbers, found another type")
    arrays: dict[str, Array] = {}
    for name, length in description["lengths"].items():
        path = entry / f"{name}.bin"
        if path.stat().st_size != length * dtype.itemsize:
            raise ValueError(f"{path}: wrong size")
        arrays[name] = np.memmap(path, dtype, "r", shape=(length,)) if length else np.zeros(0, dtype)
    return EncodedText("".join(map(chr, description["symbols"])), arrays)
