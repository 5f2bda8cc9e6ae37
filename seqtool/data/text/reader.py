"""Text files of any size as a stream of pieces: decoded, with uniform line ends and one Unicode normal form.

With `data.unit: byte` each byte is read as one of the characters U+0000 to U+00FF.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from seqtool.data.encoding import UTF8, FileEncoding, examine
from seqtool.data.formats.blocks import BOM
from seqtool.data.input_files import ProgressCallback
from seqtool.data.text.conditions import ConditionRule, runs
from seqtool.data.text.words import PATTERN, split_pieces
from seqtool.data.vocabulary import BOUNDARY, SymbolVocabulary, Unit
from seqtool.errors import DataError
from seqtool.types import Array, Json

CODE_POINTS = 0x110000
ALPHABET_HINT = "add it to `data.alphabet`, or delete that key to use the symbols of the text"
PIECE = 1 << 20  # bytes that are read at once
LINES = 1 << 13  # lines that are joined to a piece


@dataclass(frozen=True)
class TextRules:
    """Rules for reading a file as symbols.

    Attributes:
        unit: characters, bytes or words.
        encoding: of the file; not used for bytes. `auto` decides for each file.
        normalize: Unicode normal form, `nfc` or `none`.
        lines: each line is a sequence. CR LF then becomes LF, and the last line gets an LF if it has none.
        condition: place of the condition of each line; None: lines have no condition.
        tokenized: white space separates the words.
        files: what is already known about files, by path.
    """

    unit: Unit = "char"
    encoding: str = UTF8
    normalize: Literal["nfc", "none"] = "none"
    lines: bool = False
    condition: ConditionRule | None = None
    tokenized: bool = False
    files: Mapping[Path, FileEncoding] = field(default_factory=dict, compare=False)

    @property
    def is_text(self) -> bool:
        """False if the files are read as bytes."""
        return self.unit != "byte"

    @property
    def boundary(self) -> str:
        """Symbol between lines, or empty for running text."""
        return BOUNDARY if self.lines else ""

    def for_files(self, paths: Iterable[Path]) -> TextRules:
        """Return the rules with the encoding and line ends of each file.

        A file that is not UTF-8 is read in the encoding of the files before it, if it is valid in that.

        Raises:
            DataError: as `examine`.
        """
        files: dict[Path, FileEncoding] = {}
        expected = ""
        for path in paths:
            files[path] = self._examine(path, expected)
            expected = files[path].encoding
        return replace(self, files=files)

    def key(self) -> Json:
        """Return every rule that determines the symbols of its files."""
        values = asdict(replace(self, files={}))
        del values["files"]
        if not self.has_other_text:
            del values["condition"]
        if self.unit == "word":
            values["pattern"] = PATTERN
        encodings = [facts.encoding for facts in self.files.values()]
        if self.is_text:
            values["encoding"] = encodings if set(encodings) - {UTF8} else UTF8
        cr_lines = [facts.cr_lines for facts in self.files.values()]
        return values | ({"cr": cr_lines} if any(cr_lines) else {})

    @property
    def has_other_text(self) -> bool:
        """True if the lines of a file contain more than the text to learn."""
        return self.condition is not None and self.condition.source != "file"

    def conditions(self, path: Path) -> Iterator[tuple[str, int]]:
        """Yield the conditions of a file's lines, each with the number of successive lines that have it.

        Raises:
            DataError: as `pieces`, and as `ConditionRule.lines`.
        """
        assert self.condition is not None
        for name, count in runs(name for name, _ in self.condition.lines(self._whole(path), str(path))):
            is_bytes = self.unit == "byte" and self.has_other_text
            yield name.encode("latin-1").decode("utf-8", "replace") if is_bytes else name, count

    def pieces(
        self, path: Path, progress: ProgressCallback | None = None, label: str = "reading"
    ) -> Iterator[str]:
        """Yield the text of a file to learn, piece by piece; arguments and errors as for `_whole`.

        Raises:
            DataError: also as `ConditionRule.lines`.
        """
        whole = self._whole(path, progress, label)
        if self.condition is None or not self.has_other_text:
            yield from whole
            return
        lines = (text + BOUNDARY for _, text in self.condition.lines(whole, str(path)))
        while piece := "".join(islice(lines, LINES)):
            yield piece

    def _whole(
        self, path: Path, progress: ProgressCallback | None = None, label: str = "reading"
    ) -> Iterator[str]:
        """Yield all text of a file, piece by piece, without a byte order mark.

        Args:
            path: the file.
            progress: is called with label and file name, the bytes done and their total.
            label: names the current action.

        Raises:
            DataError: the file cannot be read, is empty, or is not in its encoding.
        """
        facts = self.files.get(path) or self._examine(path)
        text = self._decoded(path, facts, progress, label)
        if self.is_text:
            text = _without_byte_order_mark(text)
        if self.lines or (facts.cr_lines and self.is_text):
            text = _unix_line_ends(text, cr=facts.cr_lines)
        if self.normalize == "nfc":
            text = composed(text)
        last = ""
        for piece in text:
            if piece:
                yield piece
                last = piece[-1]
        if not last:
            raise DataError("expected text, found an empty file", place=str(path))
        if self.lines and last != BOUNDARY:
            yield BOUNDARY

    def symbols(
        self, path: Path, progress: ProgressCallback | None = None, label: str = "reading"
    ) -> Iterator[Sequence[str]]:
        """Yield the symbols of a file, piece by piece; arguments and errors as for `pieces`."""
        pieces = self.pieces(path, progress, label)
        return split_pieces(pieces, tokenized=self.tokenized) if self.unit == "word" else pieces

    def notes(self) -> list[str]:
        """Return what a person may want to know about the bytes of the files, one line each."""
        return [note for facts in self.files.values() if self.is_text for note in facts.notes()]

    def warnings(self) -> list[str]:
        """Return what is unusual about the bytes of the files; a warning about the text names its NULs."""
        facts = [each for each in self.files.values() if self.is_text or each.cr_lines]
        return [warning for each in facts for warning in each.warnings(nuls=False)]

    def _examine(self, path: Path, expected: str = "") -> FileEncoding:
        if self.is_text:
            return examine(path, self.encoding, expected=expected)
        return examine(path, "latin-1") if self.lines else FileEncoding(str(path), "latin-1")

    def _decoded(
        self, path: Path, facts: FileEncoding, progress: ProgressCallback | None, label: str
    ) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(facts.encoding)()
        try:
            size, done = path.stat().st_size, 0
            with path.open("rb") as stream:
                while piece := stream.read(PIECE):
                    if progress is not None:
                        progress(f"{label} {path.name}", done, size)
                    yield decoder.decode(piece)
                    done += len(piece)
            yield decoder.decode(b"", final=True)
        except OSError as error:
            raise DataError(f"the file cannot be read: {error.strerror or error}", place=str(path)) from None
        except UnicodeError:  # `examine` decoded all of it
            raise DataError(
                "the file changed while it was read", place=str(path), hint="start again"
            ) from None


def _without_byte_order_mark(text: Iterable[str]) -> Iterator[str]:
    first = True  # until a piece is not empty
    for piece in text:
        yield piece.removeprefix(BOM) if first else piece
        first = first and not piece


def _unix_line_ends(text: Iterable[str], *, cr: bool) -> Iterator[str]:
    """Replace CR LF by LF, and with `cr` also a CR alone."""
    held = ""  # a CR, if the next piece may start with its LF
    for piece in text:
        piece = held + piece
        held = "\r" if piece.endswith("\r") else ""
        piece = piece[: len(piece) - len(held)].replace("\r\n", "\n")
        yield piece.replace("\r", "\n") if cr else piece
    yield "\n" if held and cr else held


def composed(text: Iterable[str]) -> Iterator[str]:
    """Yield text in the normal form NFC, piece by piece.

    The end of a piece is held until the next one, if the next one may combine with it.
    """
    held = ""
    for piece in text:
        piece = held + piece
        cuts = (index for index in range(len(piece) - 1, 0, -1) if never_combines_backward(piece[index]))
        cut = next(cuts, 0)
        yield unicodedata.normalize("NFC", piece[:cut])
        held = piece[cut:]
    yield unicodedata.normalize("NFC", held)


def never_combines_backward(character: str) -> bool:
    """Return True if normalization never joins the character to one before it, nor reorders the two.

    Marks, the vowels and finals of Hangul and, since Unicode 16, some letters beyond U+FFFF may combine
    backward. False for another character costs time, but does not change the result.
    """
    if character < "\u0300":
        return True
    return (
        character <= "\uffff"
        and unicodedata.category(character)[0] != "M"
        and not "\u1160" <= character <= "\u11ff"
    )


def find_symbol(
    paths: Sequence[Path], rules: TextRules, known: Collection[str]
) -> tuple[str, Path, int, int]:
    """Return the first symbol in the files that is not known, with its file, line and column.

    The column is 0 if lines contain more than the text to learn.

    Raises:
        ValueError: all symbols are known.
    """
    unknown = re.compile(f"[^{''.join(map(re.escape, known))}]") if known else re.compile("(?s:.)")
    for path in paths:
        line, column = 1, 1
        for piece in rules.pieces(path):
            match = unknown.search(piece)
            before = piece[: match.start()] if match else piece
            line += before.count("\n")
            column = len(before) - before.rfind("\n") if "\n" in before else column + len(before)
            if match:
                return match[0], path, line, 0 if rules.has_other_text else column
    raise ValueError("every symbol is known")


# --- symbols ------------------------------------------------------------------------------------------------


def find_symbols(
    paths: Mapping[str, Sequence[Path]],
    rules: TextRules,
    alphabet: Sequence[str] | None,
    progress: ProgressCallback | None,
) -> Sequence[str]:
    """Return the symbols in the order of their numbers; one text for characters and bytes.

    Raises:
        DataError: a symbol is not in the alphabet.
    """
    files = [path for group in paths.values() for path in group]
    if rules.unit == "word":
        words = {word for path in files for piece in rules.symbols(path, progress) for word in piece}
        return tuple(sorted(words | {BOUNDARY} if rules.lines else words))
    occurs = np.zeros(CODE_POINTS, bool)
    occurs[_codes(rules.boundary)] = True
    for path in files:
        for piece in rules.pieces(path, progress):
            occurs[_codes(piece)] = True
    found = "".join(map(chr, np.flatnonzero(occurs).tolist()))
    if alphabet is None:
        return found
    symbols = "".join(alphabet) + ("" if rules.boundary in alphabet else rules.boundary)
    if set(found) - set(symbols):
        symbol, path, line, column = find_symbol(files, rules, symbols)
        raise SymbolVocabulary(symbols, rules.unit).unknown_symbol_error(
            symbol, place=f"{path}:{line}:{column}".removesuffix(":0"), hint=ALPHABET_HINT
        )
    return symbols


def _codes(piece: str) -> Array:
    return np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)


def symbol_numbers(
    group: Sequence[Path], rules: TextRules, symbols: Sequence[str], progress: ProgressCallback | None
) -> Iterator[Array]:
    """Yield the symbol numbers of files in pieces. A text of lines starts with the boundary symbol."""
    if not isinstance(symbols, str):
        yield from _word_numbers(group, rules, symbols, progress)
        return
    table = np.zeros(CODE_POINTS, np.min_scalar_type(max(len(symbols) - 1, 0)))
    table[_codes(symbols)] = np.arange(len(symbols))
    if rules.boundary:
        yield table[_codes(rules.boundary)]
    for path in group:
        for piece in rules.pieces(path, progress, "encoding"):
            yield table[_codes(piece)]


def _word_numbers(
    group: Sequence[Path], rules: TextRules, words: Sequence[str], progress: ProgressCallback | None
) -> Iterator[Array]:
    """Yield the numbers of the words of files in pieces."""
    numbers = {word: number for number, word in enumerate(words)}
    dtype = np.min_scalar_type(max(len(words) - 1, 0))
    if rules.boundary:
        yield np.array([numbers[rules.boundary]], dtype)
    for path in group:
        for piece in rules.symbols(path, progress, "encoding"):
            yield np.array([numbers[word] for word in piece], dtype)
