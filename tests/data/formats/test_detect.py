"""Detection of the format of a file, and the reason in its description."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.formats.conll import ConllFormat
from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.formats.detect import LABELED, Request, detect_file, find_format
from seqtool.data.formats.detection import Detection, SentenceSample, sample_lines
from seqtool.data.formats.jsonl import JsonlFormat
from seqtool.data.tagging.sentences import same_layout
from seqtool.errors import DataError
from seqtool.reports.formatting import cell_width
from seqtool.settings.data import TaggerData

COLUMNS = ["a\tA\n", "b\tB\n"]
UNIVERSAL = ["# text = a b\n", "1-2\tab" + "\t_" * 8 + "\n", "1\ta\t_\tX" + "\t_" * 6 + "\n"]
UNLABELED = Request(labeled=True, optional_label=True)
JSON = ["\ufeff\n", '{"tokens": ["a"]}\n']


@pytest.mark.parametrize(
    ("name", "sample", "settings", "expected", "reason"),
    [
        (
            "x.conllu",
            COLUMNS,
            {},
            ConlluFormat(),
            "CoNLL-U (by the extension .conllu); tokens: syntactic words; label: upos",
        ),
        ("x.txt", UNIVERSAL, {}, ConlluFormat(), "CoNLL-U (by the content)"),
        ("x.conll", UNIVERSAL, {"label": "xpos"}, ConlluFormat("xpos"), "label: xpos"),
        ("x.conll", UNIVERSAL, {"tokens": "surface"}, ConlluFormat(tokens="surface"), "surface forms"),
        (
            "x.txt",
            COLUMNS,
            {},
            ConllFormat(),
            "CoNLL columns (by the content); 2 columns separated by a tab; token: column 1; label: column 2",
        ),
        ("x.conllu", COLUMNS, {"format": "conll"}, ConllFormat(), "by the settings"),
        (
            "x",
            COLUMNS,
            {"columns": ("pos", "form"), "label": "pos"},
            ConllFormat("tab", 2, 1, 0, ("pos", "form")),
            "by `data.columns`",
        ),
        (
            "x.JSONL",
            JSON,
            {},
            JsonlFormat(),
            "JSON lines (by the extension .jsonl); tokens: field 'tokens'; label: field 'labels'",
        ),
        (
            "x",
            JSON,
            {"text_key": "w", "empty_tokens": "repair"},
            JsonlFormat("w", "labels", "repair"),
            "by the content",
        ),
        ("x.tsv", ["{\tPUNCT\n", "}\tPUNCT\n"], {}, ConllFormat(), "CoNLL columns"),
    ],
)
def test_find_format_uses_settings_extension_and_content(
    name: str, sample: list[str], settings: dict[str, Any], expected: object, reason: str
) -> None:
    file_format, description = find_format(TaggerData(train=("x",), **settings), name, sample)
    assert file_format == expected
    assert reason in description


def test_label_of_another_format_is_refused() -> None:
    with pytest.raises(DataError, match="found 'ner'"):
        find_format(TaggerData(train=("x",), label="ner"), "x.conllu", UNIVERSAL)
    with pytest.raises(DataError, match="found 'upos'"):
        find_format(TaggerData(train=("x",), label="upos"), "x.tsv", COLUMNS)


def test_same_layout_ignores_separators() -> None:
    assert same_layout(ConllFormat("tab"), ConllFormat("space"))
    assert not same_layout(ConllFormat(width=3), ConllFormat())
    assert same_layout(JsonlFormat(), JsonlFormat("w"))
    assert not same_layout(JsonlFormat(), ConlluFormat())


PIECES = [
    "a",
    "\t",
    " ",
    "\n",
    "\r\n",
    "#",
    "-DOCSTART-",
    "1",
    "1-2",
    ".",
    "_",
    "\t_" * 8,
    "{",
    '"tokens"',
    ":",
    "[",
    "]",
    "}",
    ",",
    '"',
    "\ufeff",
    "\\ud800",
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join),
    st.sampled_from(["x", "x.conllu", "x.jsonl"]),
    st.sampled_from(["auto", "upos", "2", "misc:K", "-1"]),
    st.booleans(),
)
def test_any_text_is_read_without_loss_or_refused_with_its_location(
    text: str, name: str, label: str, need_labels: bool
) -> None:
    lines = list(io.StringIO(text, newline="\n"))
    try:
        file_format, _ = find_format(
            TaggerData(train=("x",), label=label), name, lines, LABELED if need_labels else UNLABELED
        )
        blocks = list(file_format.read(lines, name))
    except DataError as error:
        assert all(problem.place.startswith(name) for problem in error.problems)
        return
    assert [line for block in blocks for line in block.lines] == lines
    assert all(
        len(block.tokens) == len(block.token_lines) == len(block.labels or block.tokens) for block in blocks
    )
    if all(block.labels is not None for block in blocks):
        assert [line for block in blocks for line in file_format.fill(block, block.labels or [])] == lines
    new = [line for block in blocks for line in file_format.fill(block, ["N"] * len(block.tokens))]
    assert len(new) == len(lines)


@given(st.text('a"\t,;\r\n \0', max_size=40))
def test_any_quotes_and_line_ends_are_detected_or_refused(tmp_path_factory: Any, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "quotes.conll"
    path.write_text(text, encoding="utf-8", newline="")
    for request in (Request(), LABELED):
        try:
            detect_file(path, TaggerData(train=(str(path),)), request)
        except DataError as error:
            assert error.summary


@given(
    st.lists(st.text("ab字 ", max_size=9).map(str.strip).filter(bool), min_size=1, max_size=40),
    st.integers(34, 78),
)
def test_sentences_as_read_keep_each_token_above_its_label(tokens: list[str], columns: int) -> None:
    labels = [f"L{number}" for number in range(len(tokens))]
    found = Detection("a", "columns", sentences=(SentenceSample(tuple(tokens), tuple(labels)),))
    lines = sample_lines(found, columns)
    assert len(lines) % 2 == 0 and max(map(cell_width, lines)) <= columns
    shown = [label for below in lines[1::2] for label in below.split()]
    assert shown == labels[: len(shown)] and ("…" in lines[-2]) == (len(shown) < len(labels))
    for above, below in zip(lines[::2], lines[1::2], strict=True):
        for label in re.finditer(r"L([0-9]+)", below):
            before = next(at for at in range(len(above) + 1) if cell_width(above[:at]) == label.start())
            assert above[before:].startswith(tokens[int(label[1])].rstrip())
