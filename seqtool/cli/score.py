"""`score`: probability of a text under a character model."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Files, ModelOption, RunsDir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seqtool.inference.character import CharacterModel
    from seqtool.reports.text_results import ScorePrinter

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


@command
def score(
    texts: Texts = None,
    files: Files = None,
    lines: Lines = False,
    symbols: Symbols = False,
    model: ModelOption = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Score a text in nats and bits per character,
    e.g. seqtool score "Good night!", or score --lines --file a.txt
    """
    from seqtool.cli.inputs import text_model
    from seqtool.inference.score_stream import score_text
    from seqtool.reports.text_results import ScoreOptions, ScorePrinter

    network = text_model(model, runs_dir).model
    several = len(texts or ()) > 1 or len(files or ()) > 1
    options = ScoreOptions(lines, symbols, as_json=json, named=several)
    printer = ScorePrinter(network.vocabulary, network.boundary, options)
    if lines:
        _score_lines(network, texts, files, printer)
        return
    for name, text in _whole_texts(texts, files):
        printer(name, text, score_text(network, name, text))
        sys.stdout.flush()


def _whole_texts(texts: list[str] | None, files: list[Path] | None) -> Iterator[tuple[str, str]]:
    from seqtool.cli.inputs import decode_whole, open_inputs, text_arguments

    for number, text in enumerate(text_arguments(texts), start=1):
        yield f"argument {number}", text
    for name, stream in open_inputs(texts, files):
        yield name, decode_whole(stream.read(), name)


def _score_lines(
    model: CharacterModel, texts: list[str] | None, files: list[Path] | None, printer: ScorePrinter
) -> None:
    """Print one result per line; all results are flushed before a read that would block."""
    from seqtool.cli.inputs import open_inputs, text_arguments
    from seqtool.data.formats.blocks import BOM, LineStream
    from seqtool.inference.score_stream import LineScorer

    scorer = LineScorer(model, printer)

    def flush() -> None:
        scorer.flush()
        sys.stdout.flush()

    for argument, text in enumerate(text_arguments(texts), start=1):
        for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
            scorer.add(f"argument {argument}", number, line)
    for name, binary in open_inputs(texts, files):
        stream = LineStream(binary, name, flush)
        for number, line in enumerate(stream, start=1):
            stream.check(number)
            scorer.add(name, number, (line.removeprefix(BOM) if number == 1 else line).rstrip("\r\n"))
    flush()
