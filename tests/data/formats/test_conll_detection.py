"""Detection of the columns of a file, and its errors."""

from __future__ import annotations

from typing import Any

import pytest

from seqtool.data.formats.blocks import SentenceFormat
from seqtool.data.formats.conll import ConllFormat
from seqtool.data.formats.detect import LABELED, Request, find_format
from seqtool.data.formats.layout import Layout
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData


def detected(text: str, options: dict[str, Any], request: Request = LABELED) -> SentenceFormat:
    """Return the reader of a file with this text."""
    data = TaggerData(train=("f",), **options)
    return find_format(data, "f", text.splitlines(keepends=True), request)[0]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("a\tA\nb\tB\n", {}, ConllFormat("tab", 2, 0, 1)),
        ("a A\nb B\n", {}, ConllFormat("space", 2, 0, 1)),
        ("# text\n-DOCSTART- -X- O\n\n\ufeffa x A\n", {}, ConllFormat("space", 3, 0, 2)),
        ("20 000\tA\nb\tB\n", {}, ConllFormat("tab", 2, 0, 1)),
        ("#\tA\n#x\tB\n", {}, ConllFormat("tab", 2, 0, 1)),
        ("a A\nb\nc C\nd D\n", {}, ConllFormat("space", 2, 0, 1)),
        (
            "A|a\n",
            {"separator": "|", "columns": ("pos", "form"), "label": "pos"},
            ConllFormat("|", 2, 1, 0, ("pos", "form")),
        ),
        ("a\tA\tx\n", {"label": "2"}, ConllFormat("tab", 3, 0, 1)),
        ("a\tA\tx\n", {"label": "-2"}, ConllFormat("tab", 3, 0, 1)),
        (
            "a\tA\tx\n",
            {"label": "pos", "columns": ("form", "pos", "chunk")},
            ConllFormat("tab", 3, 0, 1, ("form", "pos", "chunk")),
        ),
        ("a\tA\n", {"label": "1"}, ConllFormat("tab", 2, 1, 0)),
        ("a\tA\n", {"separator": "\t"}, ConllFormat("tab", 2, 0, 1)),
    ],
    ids=[
        "tab",
        "space",
        "marks",
        "inner space",
        "hash tokens",
        "majority",
        "other",
        "number",
        "from the end",
        "name",
        "the first",
        "literal tab",
    ],
)
def test_detection_detects_columns(text: str, options: dict[str, Any], expected: ConllFormat) -> None:
    assert detected(text, options) == expected


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("a\nb c\nd\n", {}, ConllFormat("tab", 1, 0, None)),
        ("a\tP\n", {"trained_width": 3}, ConllFormat("tab", 2, 0, None)),
        ("a\tP\tA\n", {"trained_width": 3}, ConllFormat("tab", 3, 0, 2)),
        (
            "a\tP\n",
            {"columns": ("form", "pos", "ner"), "label": "ner"},
            ConllFormat("tab", 2, 0, None, ("form", "pos", "ner")),
        ),
        ("a\tP\n", {"label": "3", "trained_width": 3}, ConllFormat("tab", 2, 0, None)),
        ("", {}, ConllFormat("tab", 1, 0, None)),
    ],
    ids=["one column", "last is missing", "all there", "named", "numbered", "nothing yet"],
)
def test_file_to_be_tagged_may_lack_the_label(
    text: str, options: dict[str, Any], expected: ConllFormat
) -> None:
    width = options.pop("trained_width", None)
    request = Request(labeled=True, optional_label=True, trained=Layout(width=width) if width else None)
    assert detected(text, options, request) == expected


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a\nb\n", {}, "expected at least 2 columns separated by a tab (a token and its label), found 1"),
        ("a:A\n", {}, "expected at least 2 columns separated by a tab (a token and its label), found 1"),
        ("a\tA\n", {"label": "pos"}, "expected the label in a column (1 to 2), found 'pos'"),
        ("a\tA\n", {"label": "3"}, "expected the label in a column (1 to 2), found '3'"),
        ("a\tA\n", {"label": "0"}, "expected the label in a column (1 to 2), found '0'"),
        ("a\tA\n", {"label": "-3"}, "expected the label in a column (1 to 2), found '-3'"),
        (
            "a\tA\n",
            {"label": "x", "columns": ("form", "pos")},
            "expected the label in one of the columns form, pos (1 to 2), found 'x'",
        ),
        (
            "a\tA\n",
            {"label": "form", "columns": ("form", "pos")},
            "expected different columns for tokens and labels, found 'form' for both",
        ),
    ],
    ids=[
        "one column",
        "unknown separator",
        "no names",
        "too far",
        "zero",
        "too far back",
        "unknown name",
        "the token's",
    ],
)
def test_detection_refuses_a_missing_label_column(text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        detected(text, options)
    (problem,) = caught.value.problems
    assert (problem.message, problem.place) == (message, "f")
    assert "data.label" in problem.hint and "data.separator" in problem.hint


def test_describe_names_columns_and_separator() -> None:
    named = ConllFormat("space", 3, 0, 2, ("form", "pos", "ner"))
    assert named.describe() == "3 columns separated by spaces; token: column 1 (form); label: column 3 (ner)"
    unlabeled = ConllFormat("tab", 1, 0, None)
    assert unlabeled.describe() == "1 column separated by a tab; token: column 1; label: none in the file"
