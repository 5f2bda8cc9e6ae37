"""Format tagged sentences: a table for a person, and the formats for programs.

Output for a program is byte-exact. In output for a terminal, control characters are visible. A raw text that
a trained tokenizer split is one line of JSON or of inline text; in the other formats each sentence follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal, cast

from seqtool.data.formats.blocks import SentenceFormat
from seqtool.errors import DataError
from seqtool.inference.tag_stream import Renderer, Tagged
from seqtool.safe_text import escaped
from seqtool.settings.values import Scheme

if TYPE_CHECKING:  # raw text needs no format
    from seqtool.data.formats.csv_rows import CsvFormat
    from seqtool.data.formats.jsonl import JsonlFormat

OutputFormat = Literal["table", "tsv", "conll", "conllu", "jsonl", "csv", "word_tag", "inline"]
ROWS_AT_ONCE = 1024  # rows of a long sentence that are joined at a time, which bounds the memory


def renderer(
    output: OutputFormat,
    form: SentenceFormat | None,
    scheme: Scheme,
    *,
    conllu_label: str = "upos",
    names: Sequence[str] = (),
    places: Mapping[str, SentenceFormat] | None = None,
    color: bool,
    width: int | None = None,
    numbers: Iterator[int] | None = None,
) -> Renderer:
    """Return the function that formats a tagged sentence or raw text.

    Args:
        output: the output format.
        form: format of the input. If it is also the output format, every byte of the input is kept except for
            the labels.
        scheme: span scheme of the labels.
        conllu_label: place of the labels in CoNLL-U: a column, or `misc:Key`.
        names: names of the printed labels of a tagger that predicts several; empty for a single label.
        places: formats of the labels of such a tagger, if the output repeats the format of the input.
        color: whether a table has colors.
        width: columns of the terminal, which a table fits into; None for any width.
        numbers: numbers of the sentences of raw texts in CoNLL-U, which several inputs share.
    """
    same = form is not None and form.format_name == output
    if output == "jsonl":
        from seqtool.reports.tagged_json import json_line

        own = cast("JsonlFormat", form) if same else None
        return lambda tagged: json_line(tagged, scheme, names, own)
    if same and output == "csv" and cast("CsvFormat", form).rows_are_texts:
        rows = cast("CsvFormat", form)
        return lambda tagged: _row(rows, tagged, scheme)
    if same and form is not None:
        return lambda tagged: _filled(form, tagged, places or {}, names)
    if output == "conllu":
        from seqtool.reports.tagged_conllu import ConlluWriter

        return ConlluWriter(names or (conllu_label,), numbers)
    if output == "table":
        from seqtool.reports.tagged_table import Tables

        return _by_sentence(Tables(names, color, width), "")
    plain: dict[str, Renderer] = {
        "tsv": _by_sentence(_tsv, "\n"),
        "conll": _by_sentence(_tsv, "\n"),
        "csv": _by_sentence(_csv, "\n"),
        "word_tag": _by_sentence(_word_tag, ""),
        "inline": lambda tagged: _inline(tagged, scheme),
    }
    return plain[output]


def _by_sentence(render: Renderer, end: str) -> Renderer:
    """Return a renderer that formats each sentence of a raw text, and adds the end of a paragraph."""

    def text(tagged: Tagged) -> str:
        if tagged.sentences is None:
            return render(tagged)
        return "".join(map(render, tagged.sentences)) + end

    return text


def with_columns(render: Renderer, places: Sequence[int]) -> Renderer:
    """Return a renderer that gets some of the columns of labels only."""

    def chosen(tagged: Tagged) -> Tagged:
        columns, sentences = tagged.columns, tagged.sentences
        if columns is not None:
            tagged = tagged._replace(columns=[columns[at] for at in places])
        return tagged if sentences is None else tagged._replace(sentences=list(map(chosen, sentences)))

    return lambda tagged: render(chosen(tagged))


# --- formats for programs ---------------------------------------------------------------------------------


def _filled(
    form: SentenceFormat, tagged: Tagged, places: Mapping[str, SentenceFormat], names: Sequence[str]
) -> str:
    if tagged.item.problem is not None:
        return f"# error: {tagged.error}\n\n"
    assert tagged.item.block is not None
    if tagged.columns is not None:
        from seqtool.data.formats.several_labels import fill_columns

        return "".join(fill_columns(tagged.item.block, places, names, tagged.columns))
    return "".join(form.fill(tagged.item.block, tagged.labels))


def _row(form: CsvFormat, tagged: Tagged, scheme: Scheme) -> str:
    """Return the row of a text with an appended cell, which has the text with its labels."""
    block = tagged.item.block
    if tagged.item.problem is not None or block is None:
        return f"# error: {tagged.error}\n"
    cells = [_inline(tagged, scheme).rstrip("\n")] if block.tokens else []
    return "".join(form.fill(block, cells))


def _tsv(tagged: Tagged) -> str:
    rows = _rows(tagged)
    if isinstance(rows, str):
        return rows
    lines = ("\t".join(map(escaped, row)) + "\n" for row in rows)
    return "".join(iter(lambda: "".join(islice(lines, ROWS_AT_ONCE)), "")) + "\n"


def _csv(tagged: Tagged) -> str:
    rows = _rows(tagged)
    if isinstance(rows, str):
        return rows
    import csv
    from io import StringIO

    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue() + "\n"


def _rows(tagged: Tagged) -> Iterator[tuple[str, ...]] | str:
    """Return token, labels and probability of each token, or the text of an item without a sentence."""
    if tagged.item.problem is not None:
        return f"# error: {tagged.error}\n\n"
    if tagged.item.block is not None and not tagged.item.tokens and len(tagged.item.block.lines[0].strip()):
        return ""  # a comment or a document mark of another format
    columns: list[Sequence[str]] = [tagged.item.tokens, *(tagged.columns or [tagged.labels])]
    if tagged.nbest is not None:
        columns[1:] = [labels for labels, _ in tagged.nbest]
    if tagged.probabilities is not None:
        columns.append([f"{probability:.4f}" for probability in tagged.probabilities])
    return zip(*columns, strict=True)


def _word_tag(tagged: Tagged) -> str:
    """Return one line, as `The/DET dog/NOUN`.

    Raises:
        DataError: a token contains white space.
    """
    if tagged.item.problem is not None:
        return f"# error: {tagged.error}\n"
    token = next((token for token in tagged.item.tokens if token.split() != [token]), None)
    if token is not None:
        message = f"expected tokens without spaces, found {token!r}"
        raise DataError(message, hint="--format tsv or --format jsonl has a place for them")
    pairs = zip(tagged.item.tokens, tagged.labels, strict=True)
    return " ".join(f"{token}/{label}" for token, label in pairs) + "\n"


def _inline(tagged: Tagged, scheme: Scheme) -> str:
    """Return one line, as `The/DET dog/NN` or `[Ada Lovelace](person) wrote`."""
    if tagged.item.problem is not None:
        return f"error: {tagged.error}\n"
    tokens = [escaped(token) for token in tagged.item.tokens]
    if scheme == "none":
        return " ".join(f"{token}/{label}" for token, label in zip(tokens, tagged.labels, strict=True)) + "\n"
    from seqtool.reports.tagged_json import spans_in

    parts: list[str] = []
    at = 0
    for span in spans_in(tagged, scheme):
        parts += tokens[at : span.start]
        parts.append(f"[{' '.join(tokens[span.start : span.end])}]({span.type})")
        at = span.end
    return " ".join([*parts, *tokens[at:]]) + "\n"
