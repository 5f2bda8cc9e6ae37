"""`score`: probability of a text under a character model."""

from __future__ import annotations

import sys
from collections import Counter
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqtool.cli.conditions import ConditionOption, Prior, PriorOption
from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Encoding, Files, ModelOption, RunsDir, known_encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from seqtool.errors import DataError
    from seqtool.inference.character import CharacterModel
    from seqtool.inference.conditional import ConditionalModel
    from seqtool.inference.text_scoring import TextScores


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

Classify = Annotated[
    bool,
    typer.Option("--classify", help="Print the most probable condition of each line, and its probability."),
]
UnknownOption = Annotated[
    Unknown,
    typer.Option("--unknown", help="skip: leave out symbols that are not in the vocabulary."),
]

Exact = Annotated[bool, typer.Option("--exact", help="Read long files in one pass, not as parallel streams.")]

SKIP_HINT = "leave such symbols out with --unknown skip"
MIXTURE = "a line is scored as a mixture of all conditions"
BATCH_LINES = 1024
BATCH_CHARACTERS = 1 << 16


@command
def score(
    texts: Texts = None,
    files: Files = None,
    encoding: Encoding = None,
    lines: Lines = False,
    symbols: Symbols = False,
    condition: ConditionOption = None,
    classify: Classify = False,
    prior: PriorOption = None,
    exact: Exact = False,
    unknown: UnknownOption = Unknown.FAIL,
    model: ModelOption = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Score a text in nats and bits per character,
    e.g. seqtool score "Good night!", or score --lines --file a.txt
    """
    from seqtool.cli.conditions import note_unknown_condition, under_condition, with_conditions
    from seqtool.cli.models import text_model
    from seqtool.reports.progress import progress_bar
    from seqtool.reports.text_results import ScoreOptions, ScorePrinter

    _check_options(
        classify, prior, {"--condition": condition, "--lines": lines, "--symbols": symbols, "--exact": exact}
    )
    if exact and lines:
        from seqtool.errors import SeqtoolError

        raise SeqtoolError("--exact has no effect with --lines", hint="each line is read in one pass")
    loaded = text_model(model, runs_dir)
    network = under_condition(loaded.model, condition, loaded.name)
    several = len(texts or ()) > 1 or len(files or ()) > 1
    options = ScoreOptions(lines, symbols, as_json=json, named=several)
    printer = ScorePrinter(network.vocabulary, network.boundary, options)
    read_as = known_encoding(encoding)
    reader = _UnknownSymbols(network, skip=unknown is Unknown.SKIP)
    if classify:
        conditional = with_conditions(network, "--classify", loaded.name)
        scorer = _LineScorer(*_classification(conditional, prior, as_json=json), network)
        _read_lines(network, texts, files, scorer, reader, read_as)
    elif lines:
        note_unknown_condition(network, MIXTURE)
        _read_lines(
            network, texts, files, _LineScorer(network.score_lines, printer, network), reader, read_as
        )
    else:
        note_unknown_condition(network, MIXTURE)
        for name, whole, is_pipe in _whole_texts(texts, files, network, read_as):
            text = reader.read(whole)
            with progress_bar():
                scores = _score_text(network, name, text, exact=exact or is_pipe)
            printer(name, text, scores)
            sys.stdout.flush()
    reader.report()


def _check_options(classify: bool, prior: Prior | None, others: Mapping[str, object]) -> None:
    """Refuse options that do not go together.

    Raises:
        SeqtoolError: `--prior` without `--classify`, or `--classify` with an option of `others`.
    """
    from seqtool.errors import SeqtoolError

    if prior is not None and not classify:
        raise SeqtoolError("--prior is for --classify", hint="add --classify, or omit --prior")
    other = next((name for name, value in others.items() if classify and value), None)
    if other is not None:
        raise SeqtoolError(f"--classify does not go with {other}", hint=f"omit {other}")


def _classification(
    model: ConditionalModel, prior: Prior | None, *, as_json: bool
) -> tuple[Callable[[list[str]], list[Any]], Callable[[str, str, Any], None]]:
    """Return the function that classifies lines, and the one that prints a result."""
    from seqtool.inference.conditional import PRIOR
    from seqtool.reports.text_results import ConditionPrinter

    chosen = prior.value if prior is not None else PRIOR
    return partial(model.classify, prior=chosen), ConditionPrinter(model.conditions.names, as_json=as_json)


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
        return vocabulary.without(symbols, lacking) if self._skip else text

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
) -> Iterator[tuple[str, str, bool]]:
    """Yield the name and the text of each argument and file, and whether it comes from a pipe.

    Raises:
        DataError: a file is empty, or not in its encoding.
    """
    from seqtool.cli.inputs import decode_whole, is_file, open_inputs, text_arguments

    for number, text in enumerate(text_arguments(texts), start=1):
        yield f"argument {number}", text, False
    for name, stream in open_inputs(texts, files):
        is_pipe = not is_file(stream)
        text = decode_whole(stream.read(), name, model, encoding)
        if not text:
            raise _empty(name)
        yield name, text, is_pipe


def _empty(name: str) -> DataError:
    from seqtool.errors import DataError

    return DataError("expected text to score, found none", place=name, hint="give a text that is not empty")


def _read_lines(
    model: CharacterModel,
    texts: list[str] | None,
    files: list[Path] | None,
    scorer: _LineScorer,
    reader: _UnknownSymbols,
    encoding: str,
) -> None:
    """Print one result per line; all results are flushed before a read that would block."""
    from seqtool.cli.inputs import open_inputs, open_lines, text_arguments
    from seqtool.data.formats.blocks import BOM, LineStream

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


def _score_text(model: CharacterModel, name: str, text: str, *, exact: bool) -> TextScores:
    """Return the scores of a whole text.

    Args:
        exact: read it in one pass.

    Raises:
        DataError: an unknown symbol, with its line and column.
    """
    from seqtool.errors import DataError
    from seqtool.inference.character import unknown_symbol

    text = text.replace("\r\n", model.boundary) if model.boundary else text  # as training reads lines
    try:
        return model.score(text, exact=exact)
    except DataError:
        raise unknown_symbol(model, text, name, hint=SKIP_HINT) from None


class _LineScorer:
    """Scores or classifies lines in batches and reports them in their order.

    Args:
        score: returns the result of each line.
        report: called with the name of the stream, a line, and its result.
        model: model that gives the results.
    """

    def __init__(
        self,
        score: Callable[[list[str]], list[Any]],
        report: Callable[[str, str, Any], None],
        model: CharacterModel,
    ) -> None:
        self._score = score
        self._report = report
        self._model = model
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
            results = self._score([line for _, _, line in pending])
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
            (scores,) = self._score([line])
        except DataError:
            raise unknown_symbol(self._model, line, name, number, SKIP_HINT) from None
        self._report(name, line, scores)
