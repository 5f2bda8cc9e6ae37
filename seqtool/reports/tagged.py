"""Tagged sentences as text: a table for a person, and the formats that programs read.

What goes to a program is byte-exact; what goes to a terminal has its control characters made visible.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Sequence
from itertools import islice
from typing import Any, Literal

from seqtool.data.formats.blocks import SentenceFormat
from seqtool.data.formats.layout import Layout
from seqtool.data.tagging.unlabeled import Item
from seqtool.inference.tag_stream import Renderer, Tagged
from seqtool.safe_text import visible
from seqtool.settings import Scheme
from seqtool.spans import spans_of

OutputFormat = Literal["table", "tsv", "conll", "conllu", "jsonl", "inline"]
_BOLD, _DIM, _YELLOW, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[0m"
_LEFT_TO_RIGHT = "\u200e"
_ROWS = 1024  # of a long sentence that are held as strings of their own


def renderer(
    output: OutputFormat,
    form: SentenceFormat | None,
    scheme: Scheme,
    layout: Layout,
    *,
    colour: bool,
) -> Renderer:
    """How sentences are written.

    Args:
        output: the format.
        form: of the input; where it is that of the output, all the input's bytes come back with the labels set.
        scheme: of the labels.
        layout: of the training file, which says where in CoNLL-U the label goes.
        colour: whether a table is painted.
    """
    same = form is not None and form.format_name == output
    if output == "jsonl":
        return lambda tagged: _json(tagged, scheme, same)
    if same and form is not None:
        return lambda tagged: _filled(form, tagged)
    if output == "conllu":
        column = layout.label_in(output)
        return lambda tagged: _conllu(tagged, column)
    plain: dict[str, Renderer] = {
        "table": lambda tagged: _table(tagged, colour),
        "tsv": _tsv,
        "conll": _tsv,
        "inline": lambda tagged: _inline(tagged, scheme),
    }
    return plain[output]


def _error(tagged: Tagged) -> str:
    problem = tagged.item.problem
    assert problem is not None
    return visible(f"{problem.place}  {problem.message}")


def _filled(form: SentenceFormat, tagged: Tagged) -> str:
    if tagged.item.problem is not None:
        return f"# error: {_error(tagged)}\n\n"
    assert tagged.item.block is not None
    return "".join(form.fill(tagged.item.block, tagged.labels))


def _tsv(tagged: Tagged) -> str:
    if tagged.item.problem is not None:
        return f"# error: {_error(tagged)}\n\n"
    if tagged.item.block is not None and not tagged.item.tokens and len(tagged.item.block.lines[0].strip()):
        return ""  # comments and marks of another format
    columns: list[Sequence[str]] = [[_cell(token) for token in tagged.item.tokens], tagged.labels]
    if tagged.nbest is not None:
        columns[1:] = [labels for labels, _ in tagged.nbest]
    if tagged.probabilities is not None:
        columns.append([f"{probability:.4f}" for probability in tagged.probabilities])
    rows = ("\t".join(cells) + "\n" for cells in zip(*columns, strict=True))
    return "".join(iter(lambda: "".join(islice(rows, _ROWS)), "")) + "\n"


def _cell(token: str) -> str:
    """A token of JSON may hold what would break a line of columns."""
    if "\t" in token or "\n" in token or "\r" in token:
        return token.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return token


def _conllu(tagged: Tagged, column: str) -> str:
    """Ten columns; `column` (or `misc:Key`) is the one that the label goes to."""
    from seqtool.data.formats.conllu import COLUMNS

    if tagged.item.problem is not None:
        return f"# error: {_error(tagged)}\n\n"
    if not tagged.item.tokens:
        return ""
    lines = [] if tagged.item.text is None else [f"# text = {tagged.item.text}\n"]
    key = column.removeprefix("misc:") if column.startswith("misc:") else ""
    place = len(COLUMNS) - 1 if key else COLUMNS.index(column)
    for number, (token, label) in enumerate(zip(tagged.item.tokens, tagged.labels, strict=True), 1):
        cells = [str(number), _cell(token), *["_"] * 8]
        cells[place] = f"{key}={label}" if key else label
        lines.append("\t".join(cells) + "\n")
    return "".join(lines) + "\n"


def _json(tagged: Tagged, scheme: Scheme, same: bool) -> str:
    """One object on one line; where the input was JSON lines, its own fields first and as they were."""
    from seqtool.data.formats.jsonl import set_fields

    fields = {"error": _error(tagged)} if tagged.item.problem is not None else _json_fields(tagged, scheme)
    if same and tagged.item.block is not None and tagged.item.tokens:
        line = set_fields(tagged.item.block.lines[0], fields)
        return line if line.endswith("\n") else line + "\n"
    if same and tagged.item.block is not None and tagged.item.block.lines[0].strip(" \t\r\n"):
        return set_fields(tagged.item.block.lines[0].rstrip("\r\n"), fields) + "\n"
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _json_fields(tagged: Tagged, scheme: Scheme) -> dict[str, Any]:
    item, offsets = tagged.item, tagged.item.offsets
    fields: dict[str, Any] = {"tokens": item.tokens, "labels": tagged.labels}
    if offsets is not None:
        fields["offsets"] = offsets
    if scheme != "none":
        fields["spans"] = [
            {
                "start": span.start,
                "end": span.end,
                "type": span.type,
                "text": _span_text(item, offsets, span.start, span.end),
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


def _span_text(item: Item, offsets: list[tuple[int, int]] | None, start: int, end: int) -> str:
    if item.text is not None and offsets is not None:
        return item.text[offsets[start][0] : offsets[end - 1][1]]
    return " ".join(item.tokens[start:end])


def _inline(tagged: Tagged, scheme: Scheme) -> str:
    """`The/DET dog/NN`, or `[Ada Lovelace](person) wrote`, on one line."""
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


# --- for a person -----------------------------------------------------------------------------------------


def _table(tagged: Tagged, colour: bool) -> str:
    """Tokens and labels under each other; a form that training did not have is marked with an asterisk."""

    def paint(text: str, code: str) -> str:
        return f"{code}{text}{_RESET}" if colour else text

    if tagged.item.problem is not None:
        return f"error: {_error(tagged)}\n\n"
    tokens = [visible(token) for token in tagged.item.tokens]
    unseen = tagged.unseen or [False] * len(tokens)
    if not tokens:
        return ""
    columns = [labels for labels, _ in tagged.nbest] if tagged.nbest is not None else [tagged.labels]
    heads = (
        [f"p={math.exp(score):.3f}" for _, score in tagged.nbest] if tagged.nbest is not None else ["label"]
    )
    if tagged.probabilities is not None:
        columns, heads = (
            [*columns, [f"{value:.3f}" for value in tagged.probabilities]],
            [*heads, "probability"],
        )
    token_width = max(5, *(_width(token) + mark for token, mark in zip(tokens, unseen, strict=True)))
    widths = [
        max(len(head), *(len(cell) for cell in cells)) for head, cells in zip(heads, columns, strict=True)
    ]
    header = "  ".join(
        [
            f"{'token':<{token_width}}",
            *(f"{head:<{width}}" for head, width in zip(heads, widths, strict=True)),
        ]
    )
    lines = [paint(header.rstrip(), _BOLD)]
    for token, new, *cells in zip(tokens, unseen, *columns, strict=True):
        shown = paint(token, _YELLOW) + paint("*", _DIM) if new else token
        gap = " " * (token_width - _width(token) - new)
        rest = "  ".join(
            f"{visible(cell):<{width}}" for cell, width in zip(cells, widths, strict=True)
        ).rstrip()
        lines.append(f"{shown}{_LEFT_TO_RIGHT if _right_to_left(token) else ''}{gap}  {rest}")
    return "\n".join(lines) + "\n\n"


def _width(text: str) -> int:
    """Terminal columns: wide characters take two, combining marks and joiners none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _right_to_left(token: str) -> bool:
    """Whether a token would pull what follows it to its own side."""
    return not token.isascii() and any(
        unicodedata.bidirectional(character) in ("R", "AL") for character in token
    )
