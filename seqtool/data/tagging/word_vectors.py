"""Pretrained word vectors from text files of word2vec (with a header line), GloVe or fastText (`.vec`).

A line is a word and its numbers, separated by spaces. Only the rows that a model can use are kept: those of
training words, as written and in lower case, and the first rows of the file, which belong to the most
frequent words of the language.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from seqtool.data.input_files import ProgressCallback
from seqtool.errors import DataError
from seqtool.types import Array

EXTRA_WORDS = 20_000  # rows kept for words that are not in the training data but may occur in use
REPORT_EVERY = 1 << 16  # lines between two progress reports
HINT = (
    "`dim` of the feature must be that of the file, "
    "which must be a text file in word2vec, GloVe or fastText layout (not the binary one)"
)


@dataclass(frozen=True)
class PretrainedVectors:
    """Rows of a file of word vectors.

    Attributes:
        words: words that have a row.
        matrix: (words + 1, dim) float32; row 0, for all other words, is the mean of the others.
        notes: facts about the file, one line each.
        warnings: likely mistakes in the file, one line each.
    """

    words: tuple[str, ...]
    matrix: Array
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_vectors(
    path: Path,
    dim: int,
    counts: Mapping[str, int],
    normalize: str = "nfc",
    extra: int = EXTRA_WORDS,
    source: str = "",
    progress: ProgressCallback | None = None,
) -> PretrainedVectors:
    """Read the rows of training words and the first `extra` other rows of a file.

    Args:
        path: file of vectors.
        dim: number of values in a row.
        counts: normalized training words.
        normalize: `nfc` or `none`: normalization of words in the file; the first of several equal words is
            kept.
        extra: number of other rows to keep.
        source: place to get the file from, for the hint if it is missing.
        progress: called with the number of bytes read and their total.

    Raises:
        DataError: a line is not a word and `dim` finite numbers (location `file:line`), or the file has no
            usable row.
    """
    wanted = frozenset(counts) | {word.lower() for word in counts}
    reader = _VectorReader(path, dim, wanted, normalize, extra)
    try:
        with path.open("rb") as stream:
            for line in _lines_with_progress(stream, path, progress):
                reader.add(line)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        raise DataError(message, place=str(path), hint=source) from None
    return reader.result(counts)


def _lines_with_progress(stream: BinaryIO, path: Path, progress: ProgressCallback | None) -> Iterator[bytes]:
    size, done = path.stat().st_size, 0
    for number, line in enumerate(stream):
        done += len(line)
        if progress is not None and number % REPORT_EVERY == 0:
            progress(f"reading {path.name}", done, size)
        yield line


@dataclass
class _VectorReader:
    """Reader of the lines of a file, and the rows kept so far.

    Attributes:
        extra: number of rows that may still be kept for words not in `wanted`.
        line: number of the last line read.
        header: number of words by the header line; None without a header.
        words: number of rows read.
        undecodable: number of rows whose word is not UTF-8.
    """

    path: Path
    dim: int
    wanted: frozenset[str]
    normalize: str
    extra: int
    rows: dict[str, Array] = field(default_factory=dict)
    line: int = 0
    header: int | None = None
    words: int = 0
    undecodable: int = 0

    def add(self, line: bytes) -> None:
        """Read the next line of the file."""
        self.line += 1
        line = line.rstrip(b" \t\r\n")
        if self.line == 1 and self._read_header(line.removeprefix(b"\xef\xbb\xbf").split()):
            return
        if not line:
            return
        self.words += 1
        # A word may contain spaces (as in GloVe 840B). A line with other than `dim` spaces is split from its
        # right end.
        word, numbers = line.split(b" ", 1) if line.count(b" ") == self.dim else self._split_right(line)
        try:
            form = word.decode()
        except UnicodeDecodeError:
            self.undecodable += 1
            return
        if self.normalize == "nfc" and not form.isascii():
            form = unicodedata.normalize("NFC", form)
        if (form in self.wanted or self.extra > 0) and form not in self.rows:
            self.extra -= form not in self.wanted
            self.rows[form] = self._row(numbers)

    def _read_header(self, cells: list[bytes]) -> bool:
        """Read the header line with the numbers of words and dimensions; return False if it is not one."""
        if len(cells) != 2 or not (cells[0].isdigit() and cells[1].isdigit()):
            return False
        if self.dim == 1 and cells[1] != b"1":
            return False
        if int(cells[1]) != self.dim:
            message = f"expected vectors of {self.dim} numbers (`dim`), found a file of {int(cells[1])}"
            hint = f"set `dim: {int(cells[1])}` for the feature"
            raise DataError(message, place=f"{self.path}:1", hint=hint)
        self.header = int(cells[0])
        return True

    def _split_right(self, line: bytes) -> tuple[bytes, bytes]:
        """Return word and numbers of a line with tabs, or with spaces inside the word."""
        cells = line.rsplit(None, self.dim)
        size = len(line.split()) - 1
        # The first line of a file without a header shows its dimension, unless numbers belong to the word.
        other_dim = (
            self.line == 1 and size != self.dim and size > 0 and all(map(_is_number, line.split()[1:]))
        )
        if other_dim or len(cells) != self.dim + 1 or not _is_number(cells[1]):
            hint = f"set `dim: {size}` for the feature" if other_dim else HINT
            raise self._wrong_numbers(f"{size} number{'' if size == 1 else 's'}", hint)
        return cells[0], b" ".join(cells[1:])

    def _row(self, numbers: bytes) -> Array:
        try:
            with np.errstate(
                over="ignore"
            ):  # a number too large for float32 becomes infinite and is refused below
                row = np.array(numbers.split(), np.float64).astype(np.float32)
        except ValueError:
            wrong = next(cell for cell in numbers.split() if not _is_number(cell)).decode("utf-8", "replace")
            raise self._wrong_numbers(repr(wrong), HINT) from None
        if not np.isfinite(row).all():
            message = "expected finite numbers, found one that is not"
            raise DataError(message, place=f"{self.path}:{self.line}")
        return row

    def _wrong_numbers(self, found: str, hint: str) -> DataError:
        message = f"expected a word and {self.dim} numbers, found {found}"
        return DataError(message, place=f"{self.path}:{self.line}", hint=hint)

    def result(self, counts: Mapping[str, int]) -> PretrainedVectors:
        """Return the kept rows with notes and warnings."""
        if not self.rows:
            message = "expected word vectors, found no usable row"
            raise DataError(message, place=str(self.path), hint=HINT)
        rows = np.stack(list(self.rows.values()))
        covered = sum(word in self.rows or word.lower() in self.rows for word in counts)
        coverage = f"{covered:,} of {len(counts):,} training words have a vector"
        note = f"vectors: {self.path.name}: {coverage}; {len(rows):,} of {self.words:,} rows are kept"
        warnings = [*self._warnings()]
        if 2 * covered < len(counts):
            warnings.insert(0, f"only {coverage}: are language and spelling those of the training data?")
        return PretrainedVectors(
            tuple(self.rows),
            np.concatenate([rows.mean(0, keepdims=True), rows]),
            (note,),
            tuple(f"{self.path.name}: {warning}" for warning in warnings),
        )

    def _warnings(self) -> Iterator[str]:
        if self.header is not None and self.header != self.words:
            yield f"{self.header:,} words by its first line, {self.words:,} found: is the file complete?"
        if self.undecodable:
            yield f"{self.undecodable:,} words that are not UTF-8 skipped"


def _is_number(cell: bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
