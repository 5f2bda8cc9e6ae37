"""`score`: probability of a text under a character model."""

from __future__ import annotations

import sys
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Encoding, Files, ModelOption, RunsDir, known_encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seqtool.errors import DataError
    from seqtool.inference.character import CharacterModel
    from seqtool.inference.text_scoring import TextScores
    from seqtool.reports.text_results import ScorePrinter


class Unknown(StrEnum):
    """Treatment of symbols that are not in the vocabulary."""

    FAIL = "fail"
    SKIP = "skip"


Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TEXT]...", help="Texts; without any, standard input as one text.", show_default=False
    ),
]
Lines = Annotated[
    bool,
    typer.Option("--lines", help="Score each line: nats, bits, perplexity and the line, separated by tabs."),
]
Symbols = Annotated[bool, typer.Option("--symbols", help="Print each symbol, a tab, and its bits.")]

UnknownOption = Annotated[
    Unknown,
    typer.Option("--unknown", help="skip: leave out symbols that are not in the vocabulary."),
]

SKIP_HINT = "leave such symbols out with --unknown skip"
BATCH_LINES = 1024
BATCH_CHARACTERS = 1 << 16


@command
def score(
    texts: Texts = None,
    files: Files = None,
    encoding: Encoding = None,
    lines: Lines = False,
    symbols: Symbols = False,
    unknown: UnknownOption = Unknown.FAIL,
    model: ModelOption = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Score a text in nats and bits per character,
    e.g. seqtool score "Good night!", or score --lines --file a.txt
    """
    from seqtool.cli.models import text_model
    from seqtool.reports.text_results import ScoreOptions, ScorePrinter

    network = text_model(model, runs_dir).model
    several = len(texts or ()) > 1 or len(files or ()) > 1
    options = ScoreOptions(lines, symbols, as_json=json, named=several)
    printer = ScorePrinter(network.vocabulary, network.boundary, options)
    read_as = known_encoding(encoding)
    reader = _UnknownSymbols(network, skip=unknown is Unknown.SKIP)
    if lines:
        _score_lines(network, texts, files, printer, reader, read_as)
    else:
        for name, whole in _whole_texts(texts, files, network, read_as):
            text = reader.read(whole)
            printer(name, text, _score_text(network, name, text))
            sys.stdout.flush()
    reader.report()


class _UnknownSymbols:
    """Counts symbols that the vocabulary lacks, and leaves them out if the user wants that.

    A model with an unknown symbol scores them as this symbol.
    """

    def __init__(self, model: CharacterModel, *, skip: bool) -> None:
        self._model = model
        self._skip = skip
        self._counts: Counter[str] = Counter()

    def read(self, text: str) -> str:
        """Return the text to score."""
        vocabulary = self._model.vocabulary
        if vocabulary.unknown is None and not self._skip:
            return text  # scoring fails at the first unknown symbol
        text = self._model.normalize(text)
        symbols = vocabulary.split(text)
        lacking = vocabulary.lacking(symbols)
        self._counts.update(symbol for symbol in symbols if symbol in lacking) if lacking else None
        return vocabulary.join(symbols.translate(dict.fromkeys(map(ord, lacking)))) if self._skip else text

    def report(self) -> None:
        """Print the number of these symbols, and the most frequent ones."""
        from seqtool.errors import pluralize
        from seqtool.reports.console import say

        if not self._counts:
            return
        shown = " ".join(self._model.vocabulary.show(symbol) for symbol, _ in self._counts.most_common(10))
        treatment = "left out" if self._skip else "scored as the unknown symbol"
        count = pluralize(self._counts.total(), "symbol")
        say(f"note: {count} not in the vocabulary, {treatment}: {shown}")


def _whole_texts(
    texts: list[str] | None, files: list[Path] | None, model: CharacterModel, encoding: str
) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each argument and file.

    Raises:
        DataError: a file is empty, or not in its encoding.
    """
    from seqtool.cli.inputs import decode_whole, open_inputs, text_arguments

    for number, text in enumerate(text_arguments(texts), start=1):
        yield f"argument {number}", text
    for name, stream in open_inputs(texts, files):
        text = decode_whole(stream.read(), name, model, encoding)
        if not text:
            raise _empty(name)
        yield name, text


def _empty(name: str) -> DataError:
    from seqtool.errors import DataError

    return DataError("expected text to score, found none", place=name, hint="give a text that is not empty")


def _score_lines(
    model: CharacterModel,
    texts: list[str] | None,
    files: list[Path] | None,
    printer: ScorePrinter,
    reader: _UnknownSymbols,
    encoding: str,
) -> None:
    """Print one result per line; all results are flushed before a read that would block."""
    from seqtool.cli.inputs import open_inputs, open_lines, text_arguments
    from seqtool.data.formats.blocks import BOM, LineStream

    scorer = _LineScorer(model, printer)
    as_bytes = model.vocabulary.unit == "byte"

    def flush() -> None:
        scorer.flush()
        sys.stdout.flush()

    for argument, text in enumerate(text_arguments(texts), start=1):
        for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
            scorer.add(f"argument {argument}", number, reader.read(line))
    for name, binary in open_inputs(texts, files):
        stream = (
            LineStream(binary, name, flush)  # yields lone surrogates for wrong bytes
            if as_bytes
            else open_lines(binary, name, flush, encoding, model.encoding)
        )
        number = 0
        for number, line in enumerate(stream, start=1):
            if not as_bytes:
                stream.check(number)
            content = (line.removeprefix(BOM) if number == 1 and not as_bytes else line).rstrip("\r\n")
            scorer.add(name, number, reader.read(content))
        if number == 0 and files:
            raise _empty(name)
    flush()


def _score_text(model: CharacterModel, name: str, text: str) -> TextScores:
    """Return the scores of a whole text.

    Raises:
        DataError: an unknown symbol, with its line and column.
    """
    from seqtool.errors import DataError
    from seqtool.inference.character import unknown_symbol

    text = text.replace("\r\n", model.boundary) if model.boundary else text  # as training reads lines
    try:
        return model.score(text)
    except DataError:
        raise unknown_symbol(model, text, name, hint=SKIP_HINT) from None


class _LineScorer:
    """Scores lines in batches and reports them in their order.

    Args:
        report: called with the name of the stream, a line, and its scores.
    """

    def __init__(self, model: CharacterModel, report: Callable[[str, str, TextScores], None]) -> None:
        self._model = model
        self._report = report
        self._pending: list[tuple[str, int, str]] = []
        self._characters = 0

    def add(self, name: str, number: int, line: str) -> None:
        """Add a line, without its line break.

        Args:
            name: name of the stream.
            number: line number.
        """
        self._pending.append((name, number, line))
        self._characters += len(line)
        if self._characters >= BATCH_CHARACTERS or len(self._pending) >= BATCH_LINES:
            self.flush()

    def flush(self) -> None:
        """Score and report all added lines.

        Raises:
            DataError: an unknown symbol, with its line and column. The lines before it are reported.
        """
        from seqtool.errors import DataError

        pending, self._pending, self._characters = self._pending, [], 0
        try:
            results = self._model.score_lines([line for _, _, line in pending])
        except DataError:
            for name, number, line in pending:
                self._score_one(name, number, line)
            return
        for (name, _, line), scores in zip(pending, results, strict=True):
            self._report(name, line, scores)

    def _score_one(self, name: str, number: int, line: str) -> None:
        from seqtool.errors import DataError
        from seqtool.inference.character import unknown_symbol

        try:
            (scores,) = self._model.score_lines([line])
        except DataError:
            raise unknown_symbol(self._model, line, name, number, SKIP_HINT) from None
        self._report(name, line, scores)
