"""Format tagged sentences: a table for a person, and the formats for programs.

Output for a program is byte-exact. In output for a terminal, control characters are visible.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from seqtool.data.formats.blocks import Block, SentenceFormat
from seqtool.data.tagging.unlabeled import Item
from seqtool.errors import DataError
from seqtool.inference.tag_stream import Renderer, Tagged
from seqtool.reports.formatting import cell_width
from seqtool.safe_text import cell, visible
from seqtool.settings import Scheme
from seqtool.spans import spans_of

OutputFormat = Literal["table", "tsv", "conll", "conllu", "jsonl", "inline"]
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
    replace_fields: bool = False,
    color: bool,
) -> Renderer:
    """Return the function that formats a tagged sentence.

    Args:
        output: the output format.
        form: format of the input. If it is also the output format, every byte of the input is kept except for
            the labels.
        scheme: span scheme of the labels.
        conllu_label: place of the labels in CoNLL-U: a column, or `misc:Key`.
        names: names of the labels of a tagger that predicts several; empty for a single label.
        replace_fields: replace fields of JSON lines that have the name of a label.
        color: whether a table has colors.
    """
    same = form is not None and form.format_name == output
    if output == "jsonl":
        return lambda tagged: _json(tagged, scheme, names, same, replace_fields)
    if same and form is not None:
        return lambda tagged: _filled(form, tagged, names)
    if output == "conllu":
        return lambda tagged: _conllu(tagged, (conllu_label, *names[1:]))
    plain: dict[str, Renderer] = {
        "table": lambda tagged: _table(tagged, names, color),
        "tsv": _tsv,
        "conll": _tsv,
        "inline": lambda tagged: _inline(tagged, scheme),
    }
    return plain[output]


# --- formats for programs ---------------------------------------------------------------------------------


def _error(tagged: Tagged) -> str:
    problem = tagged.item.problem
    assert problem is not None
    return visible(f"{problem.place}  {problem.message}")


def _filled(form: SentenceFormat, tagged: Tagged, names: Sequence[str]) -> str:
    if tagged.item.problem is not None:
        return f"# error: {_error(tagged)}\n\n"
    assert tagged.item.block is not None
    if tagged.columns is not None:
        from seqtool.data.formats.several_labels import fill_columns

        return "".join(fill_columns(form, tagged.item.block, names, tagged.columns))
    return "".join(form.fill(tagged.item.block, tagged.labels))


def _tsv(tagged: Tagged) -> str:
    if tagged.item.problem is not None:
        return f"# error: {_error(tagged)}\n\n"
    if tagged.item.block is not None and not tagged.item.tokens and len(tagged.item.block.lines[0].strip()):
        return ""  # a comment or a document mark of another format
    columns: list[Sequence[str]] = [[_cell(token) for token in tagged.item.tokens], tagged.labels]
    columns += (tagged.columns or [])[1:]
    if tagged.nbest is not None:
        columns[1:] = [labels for labels, _ in tagged.nbest]
    if tagged.probabilities is not None:
        columns.append([f"{probability:.4f}" for probability in tagged.probabilities])
    rows = ("\t".join(cells) + "\n" for cells in zip(*columns, strict=True))
    return "".join(iter(lambda: "".join(islice(rows, ROWS_AT_ONCE)), "")) + "\n"


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


def _json(tagged: Tagged, scheme: Scheme, names: Sequence[str], same: bool, replace_fields: bool) -> str:
    """Return one line of JSON.

    Args:
        names: names of the labels of a tagger that predicts several.
        same: whether the input was JSON lines; its own fields then come first and stay unchanged.
        replace_fields: replace fields that have the name of a label.

    Raises:
        DataError: the line has a field with the name of a label, and it is not to be replaced.
    """
    from seqtool.data.formats.jsonl import set_fields

    is_error = tagged.item.problem is not None
    fields = {"error": _error(tagged)} if is_error else _json_fields(tagged, scheme, names)
    if same and names and not is_error and not replace_fields and tagged.item.block is not None:
        _check_fields(tagged.item.block, names)
    if same and tagged.item.block is not None and tagged.item.tokens:
        line = set_fields(tagged.item.block.lines[0], fields)
        return line if line.endswith("\n") else line + "\n"
    if same and tagged.item.block is not None and tagged.item.block.lines[0].strip(" \t\r\n"):
        return set_fields(tagged.item.block.lines[0].rstrip("\r\n"), fields) + "\n"
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _check_fields(block: Block, names: Sequence[str]) -> None:
    line = block.lines[0].strip()
    taken = [name for name in names if name in (json.loads(line) if line else {})]
    if taken:
        message = f"the field {taken[0]!r} has the name of a label, and would be replaced"
        raise DataError(message, place=block.place, hint="--replace-fields replaces it; or rename the field")


def _json_fields(tagged: Tagged, scheme: Scheme, names: Sequence[str]) -> dict[str, object]:
    item = tagged.item
    fields: dict[str, object] = {"tokens": item.tokens, "labels": tagged.labels}
    fields |= dict(zip(names, tagged.columns or [], strict=False))
    if item.offsets is not None:
        fields["offsets"] = item.offsets
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
