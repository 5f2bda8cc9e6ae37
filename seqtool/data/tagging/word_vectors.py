"""Pretrained word vectors from text files: word2vec (with its header), GloVe (without) and fastText's `.vec`.

A line is a word and its numbers, between spaces. Only the rows that a model will use are kept: words of the training data,
as written and lower-cased, and the words the file begins with, which are the most frequent ones of its language.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from seqtool.errors import DataError
from seqtool.types import Array

Progress = Callable[[str, int, int], None]

EXTRA_WORDS = 20_000  # beyond those of the training data, so that a word only seen at use has its vector too
REPORTED = 1 << 16  # lines between two reports of progress
NUMBERS = "expected a word and {dim} numbers, found {found}"
HINT = "`dim` of the feature must be that of the file, a text file in word2vec, GloVe or fastText layout (not the binary one)"


@dataclass(frozen=True)
class PretrainedVectors:
    """Rows of a file of word vectors.

    Attributes:
        words: those that have a row.
        matrix: (words + 1, dim) float32; row 0, for every other word, is the mean of the others.
        notes: what was found, in lines.
        warnings: what looks wrong, in lines.
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
    progress: Progress | None = None,
) -> PretrainedVectors:
    """Read the rows of training words, and of the `extra` first words of the file.

    Args:
        dim: numbers in a row.
        counts: training words, normalised.
        normalize: `nfc` or `none`: how words are looked up. Of words that become one, the first is taken.
        source: where to get the file; said when it is missing.
        progress: called with what is being done, the bytes read and their number.

    Raises:
        DataError: with file and line: not a word and `dim` numbers, a number that is none; no row of use.
    """
    kept = _Kept(path, dim, frozenset(counts) | {word.lower() for word in counts}, normalize, extra)
    try:
        with path.open("rb") as stream:
            for line in _reported(stream, path, progress):
                kept.add(line)
    except OSError as error:
        raise DataError(
            f"the file cannot be read: {error.strerror or error}", place=str(path), hint=source
        ) from None
    return kept.finished(counts)


def _reported(stream: BinaryIO, path: Path, progress: Progress | None) -> Iterator[bytes]:
    size, done = path.stat().st_size, 0
    for number, line in enumerate(stream):
        done += len(line)
        if progress is not None and number % REPORTED == 0:
            progress(f"reading {path.name}", done, size)
        yield line


@dataclass
class _Kept:
    """The rows kept so far."""

    path: Path
    dim: int
    wanted: frozenset[str]
    normalize: str
    extra: int
    rows: dict[str, Array] = field(default_factory=dict)
    line: int = 0  # number of the last line read
    header: int | None = None  # how many words the file says it has
    words: int = 0
    undecodable: int = 0

    def add(self, line: bytes) -> None:
        """Look at the next line of the file."""
        self.line += 1
        line = line.rstrip(b" \t\r\n")
        if self.line == 1 and self._is_header(line.removeprefix(b"\xef\xbb\xbf").split()):
            return
        if not line:
            return
        self.words += 1
        # A word may have spaces inside (GloVe's 840B), so what counts is the right end.
        word, numbers = line.split(b" ", 1) if line.count(b" ") == self.dim else self._parted(line)
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

    def _is_header(self, cells: list[bytes]) -> bool:
        """Whether the first line is the number of words and that of their dimensions."""
        if (
            len(cells) != 2
            or not (cells[0].isdigit() and cells[1].isdigit())
            or (self.dim == 1 and cells[1] != b"1")
        ):
            return False
        if int(cells[1]) != self.dim:
            message = f"expected vectors of {self.dim} numbers (`dim`), found a file of {int(cells[1])}"
            raise DataError(
                message, place=f"{self.path}:1", hint=f"set `dim: {int(cells[1])}` for the feature"
            )
        self.header = int(cells[0])
        return True

    def _parted(self, line: bytes) -> tuple[bytes, bytes]:
        """Word and numbers of a line with other spaces than those between them, or with tabs."""
        cells = line.rsplit(None, self.dim)
        found = len(line.split()) - 1
        # The first line of a file without header tells its dim: there, numbers are no part of the word.
        other = self.line == 1 and found != self.dim and found > 0 and all(map(_is_number, line.split()[1:]))
        if other or len(cells) != self.dim + 1 or not _is_number(cells[1]):
            message = NUMBERS.format(dim=self.dim, found=f"{found} number{'' if found == 1 else 's'}")
            raise DataError(
                message,
                place=f"{self.path}:{self.line}",
                hint=f"set `dim: {found}` for the feature" if other else HINT,
            )
        return cells[0], b" ".join(cells[1:])

    def _row(self, numbers: bytes) -> Array:
        try:
            with np.errstate(over="ignore"):  # too large for float32: refused below
                row = np.array(numbers.split(), np.float64).astype(np.float32)
        except ValueError:
            wrong = next(cell for cell in numbers.split() if not _is_number(cell)).decode("utf-8", "replace")
            raise DataError(
                NUMBERS.format(dim=self.dim, found=repr(wrong)), place=f"{self.path}:{self.line}", hint=HINT
            ) from None
        if not np.isfinite(row).all():
            raise DataError(
                "expected finite numbers, found one that is not", place=f"{self.path}:{self.line}"
            )
        return row

    def finished(self, counts: Mapping[str, int]) -> PretrainedVectors:
        """The matrix, and what is said of it."""
        name = self.path.name
        if not self.rows:
            raise DataError("expected word vectors, found none of use", place=str(self.path), hint=HINT)
        rows = np.stack(list(self.rows.values()))
        covered = sum(word in self.rows or word.lower() in self.rows for word in counts)
        share = f"{covered:,} of {len(counts):,} training words have a vector"
        notes = [f"vectors: {name}: {share}; {len(rows):,} of {self.words:,} rows are kept"]
        warnings = []
        if 2 * covered < len(counts):
            warnings.append(
                f"{name}: only {share}: is it of the same language, and are its words written alike?"
            )
        if self.header is not None and self.header != self.words:
            warnings.append(
                f"{name}: {self.header:,} words by its first line, {self.words:,} found: is the file whole?"
            )
        if self.undecodable:
            warnings.append(f"{name}: {self.undecodable:,} words that are not UTF-8 left aside")
        return PretrainedVectors(
            tuple(self.rows),
            np.concatenate([rows.mean(0, keepdims=True), rows]),
            tuple(notes),
            tuple(warnings),
        )


def _is_number(cell: bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
