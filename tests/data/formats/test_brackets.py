"""Spans in brackets: labels and back, refused cells, detection, and writing into the column alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.formats.brackets import label_counts, to_cells, to_labels
from seqtool.data.formats.conll import ConllFormat
from seqtool.data.formats.detect import LABELED, detect_file
from seqtool.data.formats.detection import Detection, sentence_format
from seqtool.data.tagging.sentences import read_split
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData

ROWS = """bc/x/01 0 0 Ann NNP (TOP(S* - (PERSON) (0)
bc/x/01 0 1 saw VBD *  -  * -
bc/x/01 0 2 New NNP *  -  (GPE* -
bc/x/01 0 3 York NNP *)) - *) -

"""
CELLS = ["(PERSON)", "*", "(GPE*", "*)"]
LABELS = ["B-PERSON", "O", "B-GPE", "I-GPE"]


def place(token: int) -> str:
    """Return the location of a token."""
    return f"f:{token + 1}"


@st.composite
def span_labels(draw: st.DrawFn) -> list[str]:
    """Draw IOB2 labels of a sentence."""
    labels: list[str] = []
    for name, length in draw(st.lists(st.tuples(st.sampled_from(["", "A", "B-1"]), st.integers(1, 3)))):
        labels += [f"B-{name}", *[f"I-{name}"] * (length - 1)] if name else ["O"]
    return labels


@given(span_labels(), st.sampled_from([")", "*)"]))
def test_labels_are_equal_after_writing_and_reading(labels: list[str], single: str) -> None:
    cells = to_cells(labels, single)
    assert to_labels(cells, place) == labels
    assert to_cells(to_labels(cells, place), single) == cells


def test_cells_of_all_kinds() -> None:
    assert to_labels(CELLS, place) == LABELS
    assert to_cells(LABELS) == CELLS
    assert to_cells(["S-A", "B-A", "E-A"], "*)") == ["(A*)", "(A*", "*)"]
    assert label_counts({"(A)": 1, "(A*": 2, "*": 3, "*)": 4, "-": 5}) == {"B-A": 3, "O": 7, "-": 5}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["*)"], r"found '\*\)'"),
        (["(A*", "(B*", "*)", "*)"], r"found '\(B\*'"),
        (["(A(B*", "*))"], r"found '\(A\(B\*'"),
        (["(A*", "*"], "the end of the sentence"),
        (["-"], "found '-'"),
    ],
)
def test_other_brackets_are_refused(cells: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        to_labels(cells, place)
    assert error.value.problems[0].place.startswith("f:")


def test_labels_that_mark_no_spans_are_not_written() -> None:
    with pytest.raises(DataError, match="found 'NN'"):
        to_cells(["O", "NN"])


def detection(tmp_path: Path, text: str, label: str) -> tuple[Detection, TaggerData]:
    """Return what is detected with a label column."""
    path = tmp_path / "a.conll"
    path.write_text(text)
    data = TaggerData(train=(str(path),), label=label)
    return detect_file(path, data, LABELED), data


def test_named_column_is_read_as_spans(tmp_path: Path) -> None:
    found, data = detection(tmp_path, ROWS * 3, "8")
    assert found.brackets == (7,) and found.scheme == "iob2"
    assert read_split("train", [tmp_path / "a.conll"], data).sentences[0].labels == tuple(LABELS)
    assert "spans in brackets" in found.describe(data)
    without, _ = detection(tmp_path, ROWS * 3, "auto")
    assert without.label == 4
    readable = "column 8 marks spans with brackets; `data.label: 8` reads them"
    assert any(line.startswith(readable) for line in without.evidence)
    assert any("column 6 marks spans with brackets, which are not read" in line for line in without.evidence)


def test_column_without_spans_is_outside(tmp_path: Path) -> None:
    text = "\n".join(" ".join([*line.split()[:7], "*", "-"]) if line else "" for line in ROWS.split("\n"))
    found, data = detection(tmp_path, text * 2, "8")
    assert found.brackets == (7,)
    assert read_split("train", [tmp_path / "a.conll"], data).sentences[0].labels == ("O",) * 4


@given(st.lists(st.sampled_from(["O", "B-A", "B-C"]), min_size=4, max_size=4), st.booleans())
def test_only_changed_cells_are_written(labels: list[str], star: bool) -> None:
    rows = ROWS.replace("(PERSON)", "(PERSON*)") if star else ROWS
    form = ConllFormat("space", 9, 3, 7, brackets=(7,))
    (block,) = form.read(rows.splitlines(keepends=True), "f")
    assert "".join(form.fill(block, block.labels or [])) == rows
    lines = form.fill(block, labels)
    (again,) = form.read(lines, "f")
    assert again.labels == labels
    other = [[cell for index, cell in enumerate(line.split()) if index != 7] for line in lines]
    assert other == [[cell for index, cell in enumerate(line.split()) if index != 7] for line in block.lines]


def test_several_widths_with_names_of_columns(tmp_path: Path) -> None:
    wider = "\n".join(f"{line} x" if line else "" for line in ROWS.split("\n"))
    path = tmp_path / "a.conll"
    path.write_text((ROWS + wider) * 3)
    columns = tuple("form" if index == 3 else f"column{index}" for index in range(9))
    data = TaggerData(train=(str(path),), columns=columns, label="column7")
    found = detect_file(path, data, LABELED)
    assert found.varying and found.width == 9
    assert isinstance(sentence_format(found, data), ConllFormat)
    assert len(read_split("train", [path], data).sentences) == 6
