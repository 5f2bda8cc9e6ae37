"""`tag`: label the words of raw text or of sentences from arguments, files or a pipe."""

from __future__ import annotations

import codecs
import os
import sys
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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
    Input,
    InputOption,
    Jobs,
    Nbest,
    OneSentence,
    Output,
    OutputOption,
    Pretokenized,
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

    from seqtool.cli.models import LoadedTagger
    from seqtool.data.formats.blocks import SentenceFormat
    from seqtool.data.formats.layout import Layout
    from seqtool.data.tagging.formatted import FormattedReader
    from seqtool.data.tagging.unlabeled import TextReader
    from seqtool.inference.tag_stream import Renderer, Tagged, TaggingStream
    from seqtool.reports.tagged import OutputFormat


STDIN = Path("/dev/stdin")  # a file that the shell opened can be read again under this name on Linux


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
    one_sentence: OneSentence = False,
    pretokenized: Pretokenized = False,
    probs: Probs = False,
    nbest: Nbest = 0,
    jobs: Jobs = 1,
    errors: ErrorsOption = Errors.STOP,
    tokenizer: TokenizerOption = None,
    json: AsJson = False,
) -> None:
    """Tag the words of raw text or of sentences, e.g. seqtool tag "The dog ate the apple" """
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
        one_sentence=one_sentence,
        pretokenized=pretokenized,
    )
    request.check()
    from seqtool.cli.inputs import open_inputs, text_arguments
    from seqtool.cli.models import tagger

    arguments = text_arguments(texts)
    inputs = open_inputs(texts, files)
    # Before further imports, most of which are done while it is read.
    loaded = tagger(model, runs_dir, raw_text=request.reads_raw_text)
    _tag(_Job(loaded, request, _text_reader(loaded, request), count(1)), arguments, inputs, jobs)


class _Job(NamedTuple):
    """Model, options and reader that all inputs of a command share.

    Attributes:
        text_reader: reader of raw text.
        numbers: numbers of the sentences of raw texts in CoNLL-U.
    """

    loaded: LoadedTagger
    request: TagRequest
    text_reader: TextReader
    numbers: Iterator[int]


def _text_reader(loaded: LoadedTagger, request: TagRequest) -> TextReader:
    """Return the reader of raw text for the trained tokenizer of the model, or for a rule."""
    from seqtool.data.tagging.unlabeled import ParagraphReader, TextReader

    if loaded.tokenizer is not None:
        return ParagraphReader(joins_lines=request.input_format is Input.TEXT)
    return TextReader(request.rule or loaded.model.tokenizer)


def _chosen_output(output: Output | None, json: bool) -> Output | None:
    from seqtool.errors import SeqtoolError

    if json and output not in (None, Output.JSONL):
        raise SeqtoolError("--json is short for --format jsonl", hint="give one of them")
    return Output.JSONL if json else output


def _tag(job: _Job, arguments: list[str], inputs: Iterator[tuple[str, BinaryIO]], jobs: int) -> None:
    """Tag the text arguments and the inputs.

    Raises:
        DataError: a sentence cannot be read.
    """
    from seqtool.data.tagging.unlabeled import Item
    from seqtool.errors import DataError
    from seqtool.inference.tag_stream import TaggingStream
    from seqtool.inference.text_tagger import TagOptions, TextTagger
    from seqtool.reports.console import say

    request, model = job.request, TextTagger(job.loaded.model, job.loaded.tokenizer)
    request.columns_of(model.tagger.columns)  # an unknown one is an error even without input
    options = TagOptions(request.probs, request.nbest, request.shows_table, request.one_sentence)
    with (
        options_in_hints("--label", "--token", "--column", "--input-format", "--encoding"),
        TaggingStream(model, _writer(request), say, options, jobs) as stream,
    ):
        render = _renderer(job, job.text_reader)
        for number, text in enumerate(arguments, 1):
            stream.add(job.text_reader.sentence(text, f"argument {number}"), render)
        end = ""
        for name, binary in inputs:
            if end:
                stream.add(Item([]), partial(_text, end))
            end = _tag_input(stream, job, name, binary)
    if stream.problems:
        failed = "1 sentence" if stream.problems == 1 else f"{stream.problems} sentences"
        raise DataError(f"{failed} could not be read", hint="the output contains an error for each of them")


def _text(text: str, _: Tagged) -> str:
    return text


def _writer(request: TagRequest) -> Callable[[str], object]:
    """Return the function that writes output; a table makes control characters visible itself."""
    from seqtool.safe_text import visible_lines

    if request.terminal and not request.shows_table:
        return lambda text: sys.stdout.write(visible_lines(text))
    return sys.stdout.write


def _tag_input(stream: TaggingStream, job: _Job, name: str, binary: BinaryIO) -> str:
    """Tag a file or standard input, and return what is missing at its end before another input.

    The columns of a pipe are known once its first sentence is read.
    """
    from seqtool.cli.inputs import open_lines
    from seqtool.reports.console import say

    request, reader = job.request, _reader(job, name, binary)
    lines = open_lines(
        binary,
        name,
        stream.flush,
        request.encoding,
        _layout(job.loaded).encoding,
        keep_errors=request.keep_errors,
    )
    render, last = None, ""
    for item in reader.read(lines, keep_errors=request.keep_errors):
        if render is None:
            _report(reader)
            request.check_input(reader.format)
            render = _renderer(job, reader)
            if lines.encoding != "utf-8" and request.repeats(reader.format):
                is_json = reader.format is not None and reader.format.format_name == "jsonl"
                render = _in_encoding(render, lines.encoding, name, as_json=is_json)
                say(f"note: {Path(name).name}: the output is {lines.encoding}, as the input")
        stream.add(item, render)
        last = item.block.lines[-1] if item.block is not None else ""
    if lines.in_second:
        count = "1 line was" if lines.in_second == 1 else f"{lines.in_second:,} lines were"
        encodings = f"not {lines.encoding} and read as {lines.second}"
        say(f"note: {Path(name).name}: {count} {encodings}; the output is UTF-8")
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


def _reader(job: _Job, name: str, binary: BinaryIO) -> TextReader | FormattedReader:
    """Return the reader of an input: that of an option, of the file name, of the content, or of raw text."""
    from seqtool.cli.inputs import is_file
    from seqtool.data.tagging.unlabeled import input_format

    loaded, request, text_reader = job.loaded, job.request, job.text_reader
    by_name = input_format(name, request.given_format)
    path = None
    if is_file(binary):
        from_stdin = binary is sys.stdin.buffer
        path = (STDIN if by_name and sys.platform == "linux" else None) if from_stdin else Path(name)
    if by_name is None and path is None and request.places.column is not None:
        from seqtool.errors import SeqtoolError

        hint = "add --input-format csv or --input-format jsonl"
        raise SeqtoolError("--column names a column or a field, and a pipe is read as raw text", hint=hint)
    if by_name == "text" or (by_name is None and (path is None or request.pretokenized)):
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


def _renderer(job: _Job, reader: TextReader | FormattedReader) -> Renderer:
    from shutil import get_terminal_size

    from seqtool.reports.console import NARROWEST
    from seqtool.reports.tagged import renderer, with_columns

    loaded, request = job.loaded, job.request
    default = "table" if request.terminal else "tsv" if reader.format is None else reader.format.format_name
    output: OutputFormat = request.output.value if request.output else default
    color = request.terminal and not os.environ.get("NO_COLOR")
    label = _layout(loaded).label_in("conllu") if output == "conllu" else "upos"
    names = loaded.model.columns
    chosen = request.columns_of(names)
    repeats = reader.format is not None and reader.format.format_name == output
    render = renderer(
        output,
        reader.format,
        loaded.model.scheme,
        conllu_label=label,
        names=chosen,
        places=_label_places(loaded, reader, chosen) if repeats else None,
        color=color,
        width=max(NARROWEST, get_terminal_size().columns) if request.terminal else None,
        numbers=job.numbers,
    )
    return render if chosen == names else with_columns(render, [names.index(name) for name in chosen])


def _label_places(
    loaded: LoadedTagger, reader: TextReader | FormattedReader, names: tuple[str, ...]
) -> dict[str, SentenceFormat]:
    from seqtool.data.tagging.formatted import FormattedReader

    labels = loaded.model.file_labels()
    return reader.label_places(labels, names) if isinstance(reader, FormattedReader) else {}


def _layout(loaded: LoadedTagger) -> Layout:
    from seqtool.data.formats.layout import Layout

    return Layout.from_json(loaded.config.get("layout", {}))
