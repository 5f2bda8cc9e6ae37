"""`tag`: label the words of sentences from arguments, files or a pipe."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Encoding, Files, ModelOption, RunsDir, known_encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from seqtool.cli.inputs import LoadedTagger
    from seqtool.data.formats.layout import Layout
    from seqtool.data.tagging.unlabeled import FormattedReader, InputFormat, TextReader
    from seqtool.inference.tag_stream import Renderer, TaggingStream
    from seqtool.reports.tagged import OutputFormat


class Input(StrEnum):
    """Format of the input."""

    TEXT = "text"
    CONLL = "conll"
    CONLLU = "conllu"
    JSONL = "jsonl"


class Output(StrEnum):
    """Format of the output."""

    TABLE = "table"
    TSV = "tsv"
    CONLL = "conll"
    CONLLU = "conllu"
    JSONL = "jsonl"
    INLINE = "inline"


class Errors(StrEnum):
    """Treatment of sentences that cannot be read."""

    STOP = "stop"
    KEEP = "keep"


class TokenizerChoice(StrEnum):
    """Method that splits raw text into words."""

    WHITESPACE = "whitespace"
    BASIC = "basic"


Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TEXT]...", help="Sentences; without any, lines of standard input.", show_default=False
    ),
]
InputOption = Annotated[
    Input | None,
    typer.Option(
        "--input-format",
        help="Format of the input (default: by the ending of the file name, else text).",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Output | None,
    typer.Option(
        "--format",
        help="Format of the output (default: a table on a terminal, else as the input, tsv for text).",
        show_default=False,
    ),
]
TextKey = Annotated[
    str | None,
    typer.Option(
        "--text-key", help="JSON lines: field with a string or a list of tokens.", show_default=False
    ),
]
Probs = Annotated[
    bool, typer.Option("--probs", help="Print the probability of each label (table, tsv, jsonl).")
]
Nbest = Annotated[
    int,
    typer.Option(
        "--nbest",
        min=0,
        max=1000,
        help="Print the N best label sequences (formats as --probs).",
        show_default=False,
    ),
]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, max=256, help="Tag with this many processes, one thread each.")
]
ErrorsOption = Annotated[
    Errors,
    typer.Option(
        "--errors", help="keep: write an error instead of a sentence that cannot be read, and continue."
    ),
]
TokenizerOption = Annotated[
    TokenizerChoice | None,
    typer.Option(
        "--tokenizer", help="Method that splits raw text (default: that of the model).", show_default=False
    ),
]


ReplaceFields = Annotated[
    bool,
    typer.Option(
        "--replace-fields",
        help="JSON lines: replace fields that have the name of a label, such as lemma.",
    ),
]


class _Request(NamedTuple):
    """Options of the input and the output.

    Attributes:
        terminal: stdout is a terminal.
        encoding: encoding of files, or `auto`. The output is always UTF-8.
    """

    input_format: Input | None
    output: Output | None
    text_key: str | None
    probs: bool
    nbest: int
    keep_errors: bool
    tokenizer: TokenizerChoice | None
    terminal: bool
    encoding: str
    replace_fields: bool

    @property
    def shows_table(self) -> bool:
        """True if the output is a table, which marks unseen words and control characters."""
        return self.terminal if self.output is None else self.output is Output.TABLE

    def check(self) -> None:
        """Refuse options that do not go together.

        Raises:
            SeqtoolError: both --probs and --nbest, or one of them with a format without place for it.
        """
        from seqtool.errors import SeqtoolError

        if self.probs and self.nbest:
            raise SeqtoolError(
                "--probs and --nbest exclude each other",
                hint="--nbest prints the probability of each sequence (table, jsonl)",
            )
        _check_format(self.output, self)

    def check_input(self, input_format: InputFormat) -> None:
        """Check the format of an input if it is also the format of the output."""
        if self.output is None and not self.terminal and input_format in ("conll", "conllu"):
            _check_format(Output(input_format), self)


def _check_format(output: Output | None, request: _Request) -> None:
    from seqtool.errors import SeqtoolError

    if (request.probs or request.nbest) and output in (Output.CONLL, Output.CONLLU, Output.INLINE):
        raise SeqtoolError(
            f"--format {output.value} has no place for probabilities or several labels",
            hint="use --format tsv, jsonl or table",
        )


@command
def tag(
    texts: Texts = None,
    files: Files = None,
    encoding: Encoding = None,
    model: ModelOption = None,
    runs_dir: RunsDir = None,
    input_format: InputOption = None,
    output: OutputOption = None,
    text_key: TextKey = None,
    probs: Probs = False,
    nbest: Nbest = 0,
    jobs: Jobs = 1,
    errors: ErrorsOption = Errors.STOP,
    tokenizer: TokenizerOption = None,
    replace_fields: ReplaceFields = False,
    json: AsJson = False,
) -> None:
    """Tag the words of sentences, e.g. seqtool tag "The dog ate the apple" """
    from seqtool.reports.console import is_terminal

    if jobs > 1:
        os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before numpy is loaded
    request = _Request(
        input_format=input_format,
        output=_chosen_output(output, json),
        text_key=text_key,
        probs=probs,
        nbest=nbest,
        keep_errors=errors is Errors.KEEP,
        tokenizer=tokenizer,
        terminal=is_terminal(sys.stdout),
        encoding=known_encoding(encoding),
        replace_fields=replace_fields,
    )
    request.check()
    from seqtool.cli.inputs import open_inputs, tagger, text_arguments

    arguments = text_arguments(texts)
    inputs = open_inputs(texts, files)
    loaded = tagger(model, runs_dir)  # before further imports, most of which are done while it is read
    _tag(loaded, request, arguments, inputs, jobs)


def _chosen_output(output: Output | None, json: bool) -> Output | None:
    from seqtool.errors import SeqtoolError

    if json and output not in (None, Output.JSONL):
        raise SeqtoolError("--json is short for --format jsonl", hint="give one of them")
    return Output.JSONL if json else output


def _tag(
    loaded: LoadedTagger,
    request: _Request,
    arguments: list[str],
    inputs: Iterator[tuple[str, BinaryIO]],
    jobs: int,
) -> None:
    """Tag the text arguments and the inputs.

    Raises:
        DataError: a sentence cannot be read.
    """
    from seqtool.data.tagging.unlabeled import TextReader
    from seqtool.errors import DataError
    from seqtool.inference.tag_stream import TaggingStream, TagOptions
    from seqtool.reports.console import say

    tokenizer = request.tokenizer.value if request.tokenizer else loaded.model.tokenizer
    text_reader = TextReader(tokenizer)
    options = TagOptions(request.probs, request.nbest, unseen=request.shows_table)
    with TaggingStream(loaded.model, _writer(request), say, options, jobs) as stream:
        for number, text in enumerate(arguments, 1):
            sentence = text_reader.sentence(text, f"argument {number}")
            stream.add(sentence, _renderer(loaded, request, "text", text_reader))
        for name, binary in inputs:
            _tag_input(stream, loaded, request, text_reader, (name, binary))
    if stream.problems:
        count = "1 sentence" if stream.problems == 1 else f"{stream.problems} sentences"
        raise DataError(f"{count} could not be read", hint="the output contains an error for each of them")


def _writer(request: _Request) -> Callable[[str], object]:
    """Return the function that writes output; a table makes control characters visible itself."""
    from seqtool.safe_text import visible_lines

    if request.terminal and not request.shows_table:
        return lambda text: sys.stdout.write(visible_lines(text))
    return sys.stdout.write


def _tag_input(
    stream: TaggingStream,
    loaded: LoadedTagger,
    request: _Request,
    text_reader: TextReader,
    source: tuple[str, BinaryIO],
) -> None:
    """Tag a file or standard input. Its columns are known once its first sentence is read."""
    from seqtool.cli.inputs import open_lines
    from seqtool.data.tagging.unlabeled import FormattedReader
    from seqtool.data.tagging.unlabeled import input_format as format_of

    name, binary = source
    input_format = format_of(name, request.input_format.value if request.input_format else None)
    reader: TextReader | FormattedReader = text_reader
    if input_format != "text":
        tokens = loaded.config["words"].get("tokens", "words")
        reader = FormattedReader(input_format, _layout(loaded), text_reader, request.text_key, tokens)
    render = None
    lines = open_lines(
        binary,
        name,
        stream.flush,
        request.encoding,
        _layout(loaded).encoding,
        keep_errors=request.keep_errors,
    )
    for item in reader.read(lines, keep_errors=request.keep_errors):
        if render is None:
            request.check_input(input_format)
            render = _renderer(loaded, request, input_format, reader)
        stream.add(item, render)


def _renderer(
    loaded: LoadedTagger,
    request: _Request,
    input_format: InputFormat,
    reader: TextReader | FormattedReader,
) -> Renderer:
    from seqtool.reports.tagged import renderer

    default = "table" if request.terminal else "tsv" if input_format == "text" else input_format
    output: OutputFormat = request.output.value if request.output else default
    color = request.terminal and not os.environ.get("NO_COLOR")
    label = _layout(loaded).label_in("conllu") if output == "conllu" else "upos"
    return renderer(
        output,
        reader.format,
        loaded.model.scheme,
        conllu_label=label,
        names=loaded.model.columns,
        replace_fields=request.replace_fields,
        color=color,
    )


def _layout(loaded: LoadedTagger) -> Layout:
    from seqtool.data.formats.layout import Layout

    return Layout.from_json(loaded.config.get("layout", {}))
