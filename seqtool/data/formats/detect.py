"""Which of the three formats a file has, by its name and its first lines, and the reader for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal

from seqtool.data.formats.blocks import BOM, SentenceFormat, is_blank
from seqtool.data.formats.conll import ConllFormat
from seqtool.data.formats.conll_layout import describe_layout, find_layout
from seqtool.data.formats.conllu import COLUMNS, EMPTY_NODE, RANGE, ConlluFormat, find_label
from seqtool.data.formats.jsonl import JsonlFormat
from seqtool.settings import TaggerData

FormatName = Literal["conll", "conllu", "jsonl"]
SAMPLE_LINES = 2000  # a layout is found out from so many first lines
EXTENSIONS: dict[str, FormatName] = {
    ".conllu": "conllu",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
SAID = {"conll": "CoNLL columns", "conllu": "CoNLL-U", "jsonl": "JSON lines"}


def find_format(
    data: TaggerData,
    name: str,
    sample: Sequence[str],
    need_labels: bool = True,
    trained_width: int | None = None,
) -> tuple[SentenceFormat, str]:
    """The reader of a file, and how it came to be in one line.

    Args:
        data: what the settings say of the format.
        name: the file, as messages call it; its ending tells the format where the settings do not.
        sample: first raw lines of the file.
        need_labels: False allows a file of columns without the label's.
        trained_width: see `conll_layout.find_layout`.

    Raises:
        DataError: the label that the settings name is not in such a file.
    """
    kind, why = _name_format(data, name, sample)
    if kind == "conllu":
        conllu = ConlluFormat(find_label(data.label, name), data.tokens, data.empty_tokens)
        return conllu, f"{SAID[kind]} ({why}); tokens: {_tokens(conllu)}; label: {conllu.label}"
    if kind == "jsonl":
        jsonl = JsonlFormat(data.text_key, data.label_key, data.empty_tokens)
        return (
            jsonl,
            f"{SAID[kind]} ({why}); tokens: field {jsonl.text_key!r}; label: field {jsonl.label_key!r}",
        )
    layout = find_layout(
        sample,
        name,
        separator=data.separator,
        names=data.columns,
        label=data.label,
        empty_tokens=data.empty_tokens,
        need_labels=need_labels,
        trained_width=trained_width,
    )
    return layout, f"{SAID[kind]} ({why}); {describe_layout(layout)}"


def _tokens(conllu: ConlluFormat) -> str:
    return (
        "syntactic words" if conllu.tokens == "words" else "surface forms (labels of `n-m` words joined by +)"
    )


def _name_format(data: TaggerData, name: str, sample: Sequence[str]) -> tuple[FormatName, str]:
    """The format, and what told it."""
    if data.format != "auto":
        return data.format, "by the settings"
    if data.columns:
        return "conll", "by `data.columns`"
    suffix = PurePath(name).suffix.lower()
    if suffix in EXTENSIONS:
        return EXTENSIONS[suffix], f"by the ending {suffix}"
    return _by_content(sample), "by the content"


def _by_content(sample: Sequence[str]) -> FormatName:
    lines = [line.removeprefix(BOM) for line in sample]
    data = [line for line in lines if not is_blank(line) and not line.startswith("#")][:100]
    if data and all(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in data):
        return "jsonl"
    rows = [line.split("\t") for line in data]
    if rows and all(len(row) == len(COLUMNS) and _is_id(row[0]) for row in rows):
        return "conllu"
    return "conll"


def _is_id(cell: str) -> bool:
    return cell.isdecimal() or RANGE.fullmatch(cell) is not None or EMPTY_NODE.fullmatch(cell) is not None


def same_layout(first: SentenceFormat, other: SentenceFormat) -> bool:
    """Whether two files' columns can be taken for one another's: separators and comments aside."""
    if isinstance(first, ConllFormat) and isinstance(other, ConllFormat):
        return (first.width, first.token, first.label) == (other.width, other.token, other.label)
    return type(first) is type(other)
