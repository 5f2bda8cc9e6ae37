"""Text files encoded: two streaming passes (which symbols, then their numbers) in constant memory, kept in the cache.

The vocabulary here is that of the files as they are; symbols too rare to learn are put together afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.data.input_files import file_hashes
from seqtool.data.text.cache import StoredText, TextCache, pieces_of
from seqtool.data.text.reader import Progress, TextForm, find_symbol
from seqtool.data.vocabulary import BOUNDARY, SymbolVocabulary
from seqtool.errors import DataError
from seqtool.types import Array

VERSION = 1  # of the way texts are encoded: another one makes new entries
CODES = 0x110000
ALPHABET_HINT = "add it to `data.alphabet`, or delete that key to use the symbols of the text"


def encode_files(
    paths: Mapping[str, Sequence[Path]],
    form: TextForm,
    alphabet: Sequence[str] | None,
    cache: TextCache,
    progress: Progress | None = None,
) -> tuple[StoredText, dict[str, str], Any]:
    """Encode the files of each part, one after the other.

    Args:
        paths: existing files by part.
        alphabet: the symbols in order; None: those of all the files, sorted.

    Returns:
        The encoded parts, SHA-256 of each file, and the facts by which the cache knows them.

    Raises:
        DataError: a file that cannot be read as text, or a symbol that is not in the alphabet, with its place.
    """
    before = _stamps(paths)
    hashes = {part: file_hashes(group) for part, group in paths.items()}
    contents = {part: list(found.values()) for part, found in hashes.items()}
    facts = {
        "version": VERSION,
        "form": asdict(form),
        "alphabet": None if alphabet is None else list(alphabet),
        "files": contents,
    }
    stored = cache.find(facts)
    if stored is None:
        symbols = _symbols(paths, form, alphabet, progress)
        parts = {part: _numbers(group, form, symbols, progress) for part, group in paths.items()}
        stored = cache.store(facts, symbols, parts)
    if _stamps(paths) != before:
        raise DataError(
            "a file changed while it was read", place=str(next(iter(paths.values()))[0]), hint="start again"
        )
    return stored, {path: digest for found in hashes.values() for path, digest in found.items()}, facts


def _stamps(paths: Mapping[str, Sequence[Path]]) -> list[tuple[int, int]]:
    found = [path.stat() for group in paths.values() for path in group]
    return [(stat.st_size, stat.st_mtime_ns) for stat in found]


def _symbols(
    paths: Mapping[str, Sequence[Path]],
    form: TextForm,
    alphabet: Sequence[str] | None,
    progress: Progress | None,
) -> str:
    """The symbols in the order of their numbers."""
    seen = np.zeros(CODES, bool)
    for group in paths.values():
        for path in group:
            for piece in form.pieces(path, progress):
                seen[_codes(piece)] = True
    if form.lines:
        seen[ord(BOUNDARY)] = True
    found = "".join(map(chr, np.flatnonzero(seen).tolist()))
    if alphabet is None:
        return found
    given = "".join(alphabet) + (BOUNDARY if form.lines and BOUNDARY not in alphabet else "")
    if set(found) - set(given):
        symbol, path, line, column = find_symbol(
            [path for group in paths.values() for path in group], form, given
        )
        raise SymbolVocabulary(given, form.unit).unknown_symbol_error(
            symbol, place=f"{path}:{line}:{column}", hint=ALPHABET_HINT
        )
    return given


def _codes(piece: str) -> Array:
    return np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)


def _numbers(
    group: Sequence[Path], form: TextForm, symbols: str, progress: Progress | None
) -> Iterator[Array]:
    """Symbol numbers of files, piece by piece; of lines, with the boundary before the first."""
    size = np.min_scalar_type(max(len(symbols) - 1, 0))
    table = np.zeros(CODES, size)
    table[_codes(symbols)] = np.arange(len(symbols))
    if form.lines:
        yield table[_codes(BOUNDARY)]
    for path in group:
        for piece in form.pieces(path, progress, "encoding"):
            yield table[_codes(piece)]


def renumber(stored: StoredText, symbols: str, facts: Any, cache: TextCache) -> StoredText:
    """The same text in the numbers of a longer list of symbols."""
    renumbered = {"renumbered": facts, "before": stored.symbols, "symbols": symbols}
    found = cache.find(renumbered)
    if found is not None:
        return found
    table = np.array([symbols.index(symbol) for symbol in stored.symbols], np.min_scalar_type(len(symbols)))
    return cache.store(
        renumbered,
        symbols,
        {part: (table[piece] for piece in pieces_of(array)) for part, array in stored.arrays.items()},
    )


def merge_rare(
    stored: StoredText, kept: Sequence[int], unknown: str, facts: Any, cache: TextCache
) -> StoredText:
    """The same text with every symbol that is not among `kept` (numbers, in order) read as the unknown one, which comes last."""
    symbols = "".join(stored.symbols[number] for number in kept) + unknown
    merged = {"merged": facts, "symbols": symbols}
    found = cache.find(merged)
    if found is not None:
        return found
    table = np.full(len(stored.symbols), len(kept), np.min_scalar_type(len(kept)))
    table[list(kept)] = np.arange(len(kept))
    return cache.store(
        merged,
        symbols,
        {part: (table[piece] for piece in pieces_of(array)) for part, array in stored.arrays.items()},
    )
