"""`tag`: label the words of sentences from arguments, files or a pipe."""

from __future__ import annotations

import codecs
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.cli.exit_codes import command
from seqtool.cli.options import (
    AsJson,
    Encoding,
    Files,
    LabelColumn,
    ModelOption,
    RunsDir,
    TokenColumn,
    known_encoding,
    options_in_hints,
)
from seqtool.cli.tag_options import (
    Column,
    Columns,
    Errors,
    ErrorsOption,
    InputOption,
    Jobs,
    Nbest,
    Output,
    OutputOption,
    Probs,
    ReplaceFields,
    TagPlaces,
    TagRequest,
    Texts,
    TokenizerOption,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from seqtool.cli.inputs import LoadedTagger
    from seqtool.data.formats.layout import Layout
    from seqtool.data.tagging.formatted import FormattedReader
    from seqtool.data.tagging.unlabeled import TextReader
    from seqtool.inference.tag_stream import Renderer, Tagged, TaggingStream
    from seqtool.reports.tagged import OutputFormat


@command
def tag(
    texts: Texts = None,
    files: Files = None,
    encoding: Encoding = None,
    model: ModelOption = None,
    runs_dir: RunsDir = None,
    input_format: InputOption = None,
    output: OutputOption = None,
    label: LabelColumn = None,
    token: TokenColumn = None,
    column: Column = None,
    replace_fields: ReplaceFields = False,
    columns: Columns = None,
    probs: Probs = False,
    nbest: Nbest = 0,
    jobs: Jobs = 1,
    errors: ErrorsOption = Errors.STOP,
    tokenizer: TokenizerOption = None,
    json: AsJson = False,
) -> None:
    """Tag the words of sentences, e.g. seqtool tag "The dog ate the apple" """
    from seqtool.reports.console import is_terminal

    if jobs > 1:
        os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before numpy is loaded
    request = TagRequest(
        input_format=input_format,
        output=_chosen_output(output, json),
        places=TagPlaces(column, label, token, replace_fields),
        probs=probs,
        nbest=nbest,
        keep_errors=errors is Errors.KEEP,
        tokenizer=tokenizer,
        terminal=is_terminal(sys.stdout),
        encoding=known_encoding(encoding),
        columns=tuple(name.strip() for name in columns.split(",")) if columns else (),
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
    request: TagRequest,
    arguments: list[str],
    inputs: Iterator[tuple[str, BinaryIO]],
    jobs: int,
) -> None:
    """Tag the text arguments and the inputs.

    Raises:
        DataError: a sentence cannot be read.
    """
    from seqtool.data.tagging.unlabeled import Item, TextReader
    from seqtool.errors import DataError
    from seqtool.inference.tag_stream import TaggingStream, TagOptions
    from seqtool.reports.console import say

    tokenizer = request.tokenizer.value if request.tokenizer else loaded.model.tokenizer
    text_reader = TextReader(tokenizer)
    options = TagOptions(request.probs, request.nbest, unseen=request.shows_table)
    with (
        options_in_hints("--label", "--token", "--column", "--input-format"),
        TaggingStream(loaded.model, _writer(request), say, options, jobs) as stream,
    ):
        for number, text in enumerate(arguments, 1):
            sentence = text_reader.sentence(text, f"argument {number}")
            stream.add(sentence, _renderer(loaded, request, text_reader))
        end = ""
        for name, binary in inputs:
            if end:
                stream.add(Item([]), partial(_text, end))
            end = _tag_input(stream, loaded, request, text_reader, (name, binary))
    if stream.problems:
        count = "1 sentence" if stream.problems == 1 else f"{stream.problems} sentences"
        raise DataError(f"{count} could not be read", hint="the output contains an error for each of them")


def _text(text: str, _: Tagged) -> str:
    return text


def _writer(request: TagRequest) -> Callable[[str], object]:
    """Return the function that writes output; a table makes control characters visible itself."""
    from seqtool.safe_text import visible_lines

    if request.terminal and not request.shows_table:
        return lambda text: sys.stdout.write(visible_lines(text))
    return sys.stdout.write


def _tag_input(
    stream: TaggingStream,
    loaded: LoadedTagger,
    request: TagRequest,
    text_reader: TextReader,
    source: tuple[str, BinaryIO],
) -> str:
    """Tag a file or standard input, and return what is missing at its end before another input.

    The columns of a pipe are known once its first sentence is read.
    """
    from seqtool.cli.inputs import open_lines
    from seqtool.reports.console import say

    name, binary = source
    reader = _reader(loaded, request, text_reader, name, binary)
    lines = open_lines(
        binary,
        name,
        stream.flush,
        request.encoding,
        _layout(loaded).encoding,
        keep_errors=request.keep_errors,
    )
    render, last = None, ""
    for item in reader.read(lines, keep_errors=request.keep_errors):
        if render is None:
            _report(reader)
            request.check_input(reader.format)
            render = _renderer(loaded, request, reader)
            if lines.encoding != "utf-8" and request.repeats(reader.format):
                is_json = reader.format is not None and reader.format.format_name == "jsonl"
                render = _in_encoding(render, lines.encoding, name, as_json=is_json)
                say(f"note: {Path(name).name}: the output is {lines.encoding}, as the input")
        stream.add(item, render)
        last = item.block.lines[-1] if item.block is not None else ""
    if not last or last.endswith(("\n", "\r")):
        return ""
    return "\n" if reader.format is None or reader.format.format_name in ("jsonl", "word_tag") else "\n\n"


def _in_encoding(render: Renderer, encoding: str, name: str, *, as_json: bool) -> Renderer:
    """Return a function that formats sentences for a file in another encoding than UTF-8.

    The text has lone surrogates for the bytes that are not UTF-8; the output stream writes these bytes.

    Args:
        encoding: encoding of the output.
        name: name of the input in messages.
        as_json: the output is JSON lines, in which an escape replaces a character that the encoding lacks.

    Raises:
        DataError: by the returned function; the encoding lacks a character of a label.
    """

    from seqtool.errors import DataError

    def encoded(tagged: Tagged) -> str:
        text = render(tagged)
        errors = "json-escape" if as_json else "strict" if tagged.item.problem is None else "backslashreplace"
        try:
            return text.encode(encoding, errors).decode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            message = f"the label has the character {text[error.start]!r}, which {encoding} lacks"
            hint = "write UTF-8 in another format: --format tsv"
            raise DataError(message, place=name, hint=hint) from None

    return encoded


def _json_escape(error: UnicodeError) -> tuple[str, int]:
    """Return JSON escapes of the characters that an encoding lacks."""
    import json

    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error("json-escape", _json_escape)


def _reader(
    loaded: LoadedTagger, request: TagRequest, text_reader: TextReader, name: str, binary: BinaryIO
) -> TextReader | FormattedReader:
    """Return the reader of an input: that of an option, of the file name, of the content, or of raw text."""
    from seqtool.cli.inputs import is_file
    from seqtool.data.tagging.unlabeled import input_format

    by_name = input_format(name, request.input_format.value if request.input_format else None)
    path = Path(name) if binary is not sys.stdin.buffer and is_file(binary) else None
    if by_name is None and path is None and request.places.column is not None:
        from seqtool.errors import SeqtoolError

        hint = "add --input-format csv or --input-format jsonl"
        raise SeqtoolError("--column names a column or a field, and a pipe is read as raw text", hint=hint)
    if by_name == "text" or (by_name is None and path is None):
        return text_reader
    from seqtool.data.formats.label_column import with_all_prefixes
    from seqtool.data.tagging.formatted import FormattedReader, Places

    options = request.places
    known = with_all_prefixes(loaded.model.labels)
    surface = loaded.config["words"].get("tokens", "words") == "surface"
    places = Places(*options, surface=surface, encoding=request.encoding)
    reader = FormattedReader(by_name, _layout(loaded), known, text_reader, places)
    if path is None or reader.examine(path, keep_errors=request.keep_errors):
        return reader
    return text_reader


def _report(reader: TextReader | FormattedReader) -> None:
    from seqtool.reports.console import say

    for note in reader.notes:
        say(f"note: {note}")
    for warning in reader.warnings:
        say(f"warning: {warning}")


def _renderer(loaded: LoadedTagger, request: TagRequest, reader: TextReader | FormattedReader) -> Renderer:
    from seqtool.reports.tagged import renderer, with_columns

    default = "table" if request.terminal else "tsv" if reader.format is None else reader.format.format_name
    output: OutputFormat = request.output.value if request.output else default
    color = request.terminal and not os.environ.get("NO_COLOR")
    label = _layout(loaded).label_in("conllu") if output == "conllu" else "upos"
    names = loaded.model.columns
    chosen = request.columns_of(names)
    render = renderer(
        output,
        reader.format,
        loaded.model.scheme,
        conllu_label=label,
        names=chosen,
        main=names[0] if names else "",
        color=color,
    )
    return render if chosen == names else with_columns(render, [names.index(name) for name in chosen])


def _layout(loaded: LoadedTagger) -> Layout:
    from seqtool.data.formats.layout import Layout

    return Layout.from_json(loaded.config.get("layout", {}))
