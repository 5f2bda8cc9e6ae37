"""`tag`: labels for the words of sentences, from arguments, files or a pipe."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Files, ModelOption, RunsDir

if TYPE_CHECKING:
    from seqtool.cli.model_argument import LoadedTagger
    from seqtool.data.formats.layout import Layout
    from seqtool.data.tagging.unlabeled import FormattedReader, TextReader
    from seqtool.inference.tag_stream import Renderer
    from seqtool.reports.tagged import OutputFormat


class Input(StrEnum):
    """How the input is laid out."""

    TEXT = "text"
    CONLL = "conll"
    CONLLU = "conllu"
    JSONL = "jsonl"


class Output(StrEnum):
    """How the labels are written."""

    TABLE = "table"
    TSV = "tsv"
    CONLL = "conll"
    CONLLU = "conllu"
    JSONL = "jsonl"
    INLINE = "inline"


class Errors(StrEnum):
    """What a line that cannot be read does."""

    STOP = "stop"
    KEEP = "keep"


class TokenizerChoice(StrEnum):
    """How raw text is cut into words."""

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
        help="Layout of the input (default: by a file's ending, else text).",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Output | None,
    typer.Option(
        "--format",
        help="Layout of the output (default: a table on a terminal, else the input's, tsv for text).",
        show_default=False,
    ),
]
TextKey = Annotated[
    str | None,
    typer.Option(
        "--text-key", help="JSON lines: the field with a string or a list of tokens.", show_default=False
    ),
]
Probs = Annotated[
    bool, typer.Option("--probs", help="Give the probability of each label (table, tsv, jsonl).")
]
Nbest = Annotated[
    int,
    typer.Option(
        "--nbest", min=0, max=1000, help="Give the N best label sequences (as --probs).", show_default=False
    ),
]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, max=256, help="Tag with this many processes, one thread each.")
]
ErrorsOption = Annotated[
    Errors, typer.Option("--errors", help="keep: write an error in the place of a bad line and go on.")
]
TokenizerOption = Annotated[
    TokenizerChoice | None,
    typer.Option("--tokenizer", help="How raw text is cut (default: as the model says).", show_default=False),
]


@command
def tag(
    texts: Texts = None,
    files: Files = None,
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
    json: AsJson = False,
) -> None:
    """Tag the words of sentences, e.g. seqtool tag "The dog ate the apple" """
    import os
    import sys

    if jobs > 1:
        os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before numpy is loaded
    _check_options(output, probs, nbest, json)
    output = Output.JSONL if json else output
    from seqtool.cli.inputs import open_inputs, text_arguments
    from seqtool.cli.model_argument import tagger

    given = text_arguments(texts)
    inputs = open_inputs(texts, files)
    used = tagger(model, runs_dir)  # before the imports below: most of them are loaded while it is read
    from seqtool.data.formats.blocks import LineStream
    from seqtool.data.tagging.unlabeled import FormattedReader, TextReader
    from seqtool.data.tagging.unlabeled import input_format as format_of
    from seqtool.errors import DataError
    from seqtool.inference.tag_stream import TaggingStream, TagOptions
    from seqtool.reports.console import is_terminal, say
    from seqtool.safe_text import visible_lines

    terminal = is_terminal(sys.stdout)
    raw = TextReader(tokenizer.value if tokenizer else used.config.get("tokenizer"))
    unseen = terminal if output is None else output is Output.TABLE
    unmarked = terminal and output is not None and output is not Output.TABLE  # a table sees to it itself
    write = (lambda text: sys.stdout.write(visible_lines(text))) if unmarked else sys.stdout.write
    with TaggingStream(used.model, write, say, TagOptions(probs, nbest, unseen), jobs) as stream:
        for number, text in enumerate(given, 1):
            stream.add(
                raw.sentence(text, f"argument {number}"), _renderer(used, output, "text", raw, terminal)
            )
        for name, binary in inputs:
            kind = format_of(name, input_format.value if input_format else None)
            words = used.config["words"].get("tokens", "words")
            reader = raw if kind == "text" else FormattedReader(kind, _layout(used), raw, text_key, words)
            render = None
            for item in reader.read(
                LineStream(binary, name, stream.flush), keep_errors=errors is Errors.KEEP
            ):
                if render is None:
                    _check_output(output, probs, nbest, kind, terminal)
                    render = _renderer(used, output, kind, reader, terminal)
                stream.add(item, render)
    if stream.problems:
        what = "1 sentence" if stream.problems == 1 else f"{stream.problems} sentences"
        raise DataError(f"{what} could not be read", hint="the errors stand in the output, in their places")


def _check_options(output: Output | None, probs: bool, nbest: int, json: bool = False) -> None:
    """See that the options go together.

    Raises:
        SeqtoolError: if they do not.
    """
    from seqtool.errors import SeqtoolError

    if json and output not in (None, Output.JSONL):
        raise SeqtoolError("--json stands for --format jsonl", hint="give one of them")
    if probs and nbest:
        raise SeqtoolError(
            "--probs and --nbest exclude each other",
            hint="--nbest gives the probability of each sequence (table, jsonl)",
        )
    if (probs or nbest) and output in (Output.CONLL, Output.CONLLU, Output.INLINE):
        raise SeqtoolError(
            f"--format {output.value} has no place for probabilities or several labels",
            hint="use --format tsv, jsonl or table",
        )


def _check_output(output: Output | None, probs: bool, nbest: int, kind: str, terminal: bool) -> None:
    """The same for a file's own format, where no output format is named."""
    if output is None and not terminal and kind in ("conll", "conllu"):
        _check_options(Output(kind), probs, nbest)


def _renderer(
    used: LoadedTagger, output: Output | None, kind: str, reader: TextReader | FormattedReader, terminal: bool
) -> Renderer:
    import os

    from seqtool.reports.tagged import renderer

    usual = "table" if terminal else "tsv" if kind == "text" else kind
    chosen: OutputFormat = output.value if output else usual  # type: ignore[assignment]
    colour = terminal and not os.environ.get("NO_COLOR")
    label = _layout(used).label_in("conllu") if chosen == "conllu" else "upos"
    return renderer(chosen, reader.format, used.model.scheme, conllu_label=label, color=colour)


def _layout(used: LoadedTagger) -> Layout:
    from seqtool.data.formats.layout import Layout  # not needed for raw text

    return Layout.from_json(used.config.get("layout", {}))
