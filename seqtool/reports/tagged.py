"""Format tagged sentences: a table for a person, and the formats for programs.

Output for a program is byte-exact. In output for a terminal, control characters are visible.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Literal, cast

from seqtool.data.formats.blocks import SentenceFormat
from seqtool.data.tagging.unlabeled import Item
from seqtool.errors import DataError
from seqtool.inference.tag_stream import Renderer, Tagged
from seqtool.reports.formatting import cell_width
from seqtool.safe_text import cell, visible
from seqtool.settings import Scheme
from seqtool.spans import spans_of

if TYPE_CHECKING:  # raw text needs no format
    from seqtool.data.formats.csv_rows import CsvFormat
    from seqtool.data.formats.jsonl import JsonlFormat

OutputFormat = Literal["table", "tsv", "conll", "conllu", "jsonl", "csv", "word_tag", "inline"]
BOLD, DIM, YELLOW, RESET = "\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[0m"
LEFT_TO_RIGHT_MARK = "\u200e"
ROWS_AT_ONCE = 1024  # rows of a long sentence that are joined at a time, which bounds the memory


def renderer(
    output: OutputFormat,
    form: SentenceFormat | None,
    scheme: Scheme,
    *,
    conllu_label: str = "upos",
    names: Sequence[str] = (),
    main: str = "",
    color: bool,
) -> Renderer:
    """Return the function that formats a tagged sentence.

    Args:
        output: the output format.
        form: format of the input. If it is also the output format, every byte of the input is kept except for
            the labels.
        scheme: span scheme of the labels.
        conllu_label: place of the labels in CoNLL-U: a column, or `misc:Key`.
        names: names of the printed labels of a tagger that predicts several; empty for a single label.
        main: name of the main label of such a tagger.
        color: whether a table has colors.
    """
    same = form is not None and form.format_name == output
    if output == "jsonl":
        own = cast("JsonlFormat", form) if same else None
        return lambda tagged: _json(tagged, scheme, names, own)
    if same and output == "csv" and cast("CsvFormat", form).rows_are_texts:
        table = cast("CsvFormat", form)
        return lambda tagged: _row(table, tagged, scheme)
    if same and form is not None:
        return lambda tagged: _filled(form, tagged, main, names)
    if output == "conllu":
        return lambda tagged: _conllu(tagged, names or (conllu_label,))
    plain: dict[str, Renderer] = {
        "table": lambda tagged: _table(tagged, names, color),
        "tsv": _tsv,
        "conll": _tsv,
        "csv": _csv,
        "word_tag": _word_tag,
        "inline": lambda tagged: _inline(tagged, scheme),
    }
    return plain[output]


def with_columns(render: Renderer, places: Sequence[int]) -> Renderer:
    """Return a renderer that gets some of the columns of labels only."""

    def chosen(tagged: Tagged) -> str:
        columns = tagged.columns
        return render(tagged if columns is None else replace(tagged, columns=[columns[at] for at in places]))

    return chosen


# --- formats for programs ---------------------------------------------------------------------------------


def _error(tagged: Tagged) -> str:
    problem = tagged.item.problem
    assert problem is not None
    return visible(f"{problem.place}  {problem.message}")


def _filled(form: SentenceFormat, tagged: Tagged, main: str, names: Sequence[str]) -> str:
    if tagged.item.problem is not None:
        return f"# error: {_error(tagged)}\n\n"
    assert tagged.item.block is not None
    if tagged.columns is not None:
        from seqtool.data.formats.several_labels import fill_columns

        return "".join(fill_columns(form, tagged.item.block, main, names, tagged.columns))
    return "".join(form.fill(tagged.item.block, tagged.labels))


def _row(form: CsvFormat, tagged: Tagged, scheme: Scheme) -> str:
    """Return the row of a text with an appended cell, which has the text with its labels."""
    block = tagged.item.block
    if tagged.item.problem is not None or block is None:
        return f"# error: {_error(tagged)}\n"
    cells = [_inline(tagged, scheme).rstrip("\n")] if block.tokens else []
    return "".join(form.fill(block, cells))


def _tsv(tagged: Tagged) -> str:
    rows = _rows(tagged)
    if isinstance(rows, str):
        return rows
    lines = ("\t".join(map(_cell, row)) + "\n" for row in rows)
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
        return f"# error: {_error(tagged)}\n\n"
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
        return f"# error: {_error(tagged)}\n"
    token = next((token for token in tagged.item.tokens if token.split() != [token]), None)
    if token is not None:
        message = f"expected tokens without spaces, found {token!r}"
        raise DataError(message, hint="--format tsv or --format jsonl has a place for them")
    pairs = zip(tagged.item.tokens, tagged.labels, strict=True)
    return " ".join(f"{token}/{label}" for token, label in pairs) + "\n"


def _cell(token: str) -> str:
    """Return a token with tabs and line breaks escaped; tokens of JSON may contain them."""
    if "\t" in token or "\n" in token or "\r" in token:
        return token.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return token


def _conllu(tagged: Tagged, names: Sequence[str]) -> str:
    """Return ten columns.

    Args:
        names: for each label, the name of its column or `misc:KEY`; a label of another name goes to MISC.
    """
    from seqtool.data.formats.conllu import COLUMNS, LABELS, MISC

    if tagged.item.problem is not None:
        return f"# error: {_error(tagged)}\n\n"
    if not tagged.item.tokens:
        return ""
    lines = [] if tagged.item.text is None else [f"# text = {tagged.item.text}\n"]
    columns = tagged.columns or [tagged.labels]
    for number, (token, *labels) in enumerate(zip(tagged.item.tokens, *columns, strict=True), 1):
        cells = [str(number), _cell(token), *["_"] * 8]
        misc = []
        for name, label in zip(names, labels, strict=True):
            if name.lower() in LABELS:
                cells[COLUMNS.index(name.lower())] = label
            else:
                misc.append(f"{name.removeprefix('misc:')}={label}")
        cells[MISC] = "|".join(misc) or "_"
        lines.append("\t".join(cells) + "\n")
    return "".join(lines) + "\n"


def _json(tagged: Tagged, scheme: Scheme, names: Sequence[str], form: JsonlFormat | None) -> str:
    """Return one line of JSON.

    Args:
        names: names of the labels of a tagger that predicts several.
        form: format of the input if it was JSON. Only its label field is written then; if an object has none,
            fields are added after its own.
    """
    if tagged.item.problem is not None:
        return json.dumps({"error": _error(tagged)}, ensure_ascii=False) + "\n"
    block = tagged.item.block
    fields = _json_fields(tagged, scheme, names)
    if form is None or block is None:
        if block is not None and not tagged.item.tokens and block.lines[0].strip():
            return ""  # a comment, a document mark or a header of another format
        return json.dumps(fields, ensure_ascii=False) + "\n"
    requested = {
        key: value
        for key, value in fields.items()
        if key in ("probabilities", "nbest", *names) and key != form.label_key
    }
    if block.labels is not None or form.span_keys is not None:
        return "".join(form.fill_fields(block, tagged.labels, {}, requested))
    others = {key: value for key, value in fields.items() if key not in ("tokens", "labels")}
    return "".join(form.fill_fields(block, tagged.labels, {"tokens": fields["tokens"]}, others))


def _json_fields(tagged: Tagged, scheme: Scheme, names: Sequence[str]) -> dict[str, object]:
    item = tagged.item
    fields: dict[str, object] = {"tokens": item.tokens, "labels": tagged.labels}
    fields |= dict(zip(names, tagged.columns or [], strict=False))
    if item.offsets is not None:
        fields["offsets"] = list(map(list, item.offsets))
    if scheme != "none":
        fields["spans"] = [
            {
                "start": span.start,
                "end": span.end,
                "type": span.type,
                "text": _span_text(item, span.start, span.end),
            }
            for span in spans_of(tagged.labels, scheme=scheme)
        ]
    if tagged.probabilities is not None:
        fields["probabilities"] = [round(probability, 6) for probability in tagged.probabilities]
    if tagged.nbest is not None:
        fields["nbest"] = [
            {"labels": labels, "log_probability": round(score, 6)} for labels, score in tagged.nbest
        ]
    return fields


def _span_text(item: Item, start: int, end: int) -> str:
    if item.text is not None and item.offsets is not None:
        return item.text[item.offsets[start][0] : item.offsets[end - 1][1]]
    return " ".join(item.tokens[start:end])


def _inline(tagged: Tagged, scheme: Scheme) -> str:
    """Return one line, as `The/DET dog/NN` or `[Ada Lovelace](person) wrote`."""
    if tagged.item.problem is not None:
        return f"error: {_error(tagged)}\n"
    tokens = [_cell(token) for token in tagged.item.tokens]
    if scheme == "none":
        return " ".join(f"{token}/{label}" for token, label in zip(tokens, tagged.labels, strict=True)) + "\n"
    parts: list[str] = []
    at = 0
    for span in spans_of(tagged.labels, scheme=scheme):
        parts += tokens[at : span.start]
        parts.append(f"[{' '.join(tokens[span.start : span.end])}]({span.type})")
        at = span.end
    return " ".join([*parts, *tokens[at:]]) + "\n"


# --- the table for a person -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Column:
    """A column of the table: its heading and its cells."""

    heading: str
    cells: Sequence[str]

    @property
    def width(self) -> int:
        return max(len(self.heading), *(len(cell(text)) for text in self.cells))


def _table(tagged: Tagged, names: Sequence[str], color: bool) -> str:
    """Return tokens and labels in aligned columns; an asterisk marks a form without training data."""

    def paint(text: str, code: str) -> str:
        return f"{code}{text}{RESET}" if color else text

    if tagged.item.problem is not None:
        return f"error: {_error(tagged)}\n\n"
    tokens = [cell(token) for token in tagged.item.tokens]
    if not tokens:
        return ""
    unseen = tagged.unseen or [False] * len(tokens)
    columns = _columns(tagged, names)
    widths = [column.width for column in columns]
    token_width = max(5, *(cell_width(token) + new for token, new in zip(tokens, unseen, strict=True)))
    headings = _aligned([column.heading for column in columns], widths)
    lines = [paint(f"{'token':<{token_width}}  {headings}".rstrip(), BOLD)]
    for place, (token, new) in enumerate(zip(tokens, unseen, strict=True)):
        shown = paint(token, YELLOW) + paint("*", DIM) if new else token
        mark = LEFT_TO_RIGHT_MARK if _is_right_to_left(token) else ""
        gap = " " * (token_width - cell_width(token) - new)
        cells = _aligned([cell(column.cells[place]) for column in columns], widths).rstrip()
        lines.append(f"{shown}{mark}{gap}  {cells}")
    return "\n".join(lines) + "\n\n"


def _columns(tagged: Tagged, names: Sequence[str]) -> list[_Column]:
    """Return one column for each label or label sequence, and one for the probabilities."""
    if tagged.nbest is not None:
        columns = [_Column(f"p={math.exp(score):.3f}", labels) for labels, score in tagged.nbest]
    elif tagged.columns is not None:
        columns = [_Column(name, labels) for name, labels in zip(names, tagged.columns, strict=True)]
    else:
        columns = [_Column("label", tagged.labels)]
    if tagged.probabilities is not None:
        columns.append(_Column("probability", [f"{value:.3f}" for value in tagged.probabilities]))
    return columns


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))


def _is_right_to_left(token: str) -> bool:
    """Return true for a token that would change the direction of the text after it."""
    return not token.isascii() and any(
        unicodedata.bidirectional(character) in ("R", "AL") for character in token
    )
