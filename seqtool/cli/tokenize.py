"""`tokenize`: sentences, tokens and words of raw text from arguments, files or a pipe."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Files, ModelOption, RunsDir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqtool.inference.tokenizer import TokenizerModel


class Output(StrEnum):
    """Format of the output."""

    TSV = "tsv"
    JSONL = "jsonl"
    CONLLU = "conllu"


class Paragraphs(StrEnum):
    """Division of the input into paragraphs."""

    LINES = "lines"
    TEXT = "text"


Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TEXT]...", help="Paragraphs; without any, lines of standard input.", show_default=False
    ),
]
OutputOption = Annotated[
    Output,
    typer.Option(
        "--format",
        help="tsv: token, start, end, words of a multiword token; a blank line ends a sentence, two end a "
        "paragraph.",
    ),
]
InputOption = Annotated[
    Paragraphs,
    typer.Option(
        "--input-format",
        help="lines: each line is a paragraph; text: blank lines separate paragraphs.",
    ),
]
BATCH_CHARACTERS = 1 << 16  # of paragraphs that are computed together


@command
def tokenize(
    texts: Texts = None,
    files: Files = None,
    input_format: InputOption = Paragraphs.LINES,
    output: OutputOption = Output.TSV,
    model: ModelOption = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Split raw text into sentences, tokens and words with a trained tokenizer,
    e.g. seqtool tokenize "Hello! It's me.", or tokenize --format conllu --file a.txt
    """
    from seqtool.cli.inputs import open_inputs, text_arguments
    from seqtool.cli.models import tokenizer
    from seqtool.data.formats.blocks import LineStream
    from seqtool.data.tokenization.raw_input import paragraphs_of_text, without_line_end

    printer = _Printer(tokenizer(model, runs_dir), Output.JSONL if json else output)
    for text in text_arguments(texts):
        printer.add(text)
    for name, stream in open_inputs(texts, files):
        lines = LineStream(stream, name, printer.flush)
        checked = _checked(lines)
        for text in paragraphs_of_text(checked) if input_format is Paragraphs.TEXT else checked:
            printer.add(without_line_end(text))
    printer.flush()


def _checked(lines: object) -> Iterator[str]:
    """Yield the lines of a stream without byte order mark.

    Raises:
        DataError: a line is not UTF-8.
    """
    from seqtool.data.formats.blocks import BOM, LineStream

    assert isinstance(lines, LineStream)
    for number, line in enumerate(lines, 1):
        lines.check(number)
        yield line.removeprefix(BOM) if number == 1 else line


class _Printer:
    """Collects paragraphs, and prints their tokens in batches."""

    def __init__(self, model: TokenizerModel, output: Output) -> None:
        self._model, self._output = model, output
        self._texts: list[str] = []
        self._characters = 0
        self._sentences = 0  # so far

    def add(self, text: str) -> None:
        """Add a paragraph."""
        self._texts.append(text)
        self._characters += len(text)
        if self._characters >= BATCH_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Print the collected paragraphs."""
        from seqtool.reports.raw_text import render_paragraph

        for text, sentences in zip(self._texts, self._model.stream(self._texts), strict=True):
            content = render_paragraph(self._output.value, text, sentences, self._sentences + 1)
            sys.stdout.write(content)
            self._sentences += len(sentences)
        self._texts, self._characters = [], 0
        sys.stdout.flush()
