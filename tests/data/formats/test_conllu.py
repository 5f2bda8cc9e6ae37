"""CoNLL-U: every kind of line and label; new labels change no other byte."""

from __future__ import annotations

import io
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.formats.blocks import Block
from seqtool.data.formats.conllu import ConlluFormat, find_label, find_missing
from seqtool.errors import DataError

FRENCH = """\
# sent_id = 1
# text = Il va au_ 20 000
1\tIl\til\tPRON\t_\tGender=Masc\t2\tnsubj\t_\t_
2\tva\taller\tVERB\tV\t_\t0\troot\t_\tSpaceAfter=No|Ner=O
3-4\tau\t_\t_\t_\t_\t_\t_\t_\t_
3\tà\tà\tADP\tE\t_\t6\tcase\t_\tNer=B-x
4\tle\tle\tDET\tR\t_\t6\tdet\t_\t_
4.1\tvide\t_\tX\t_\t_\t_\t_\t_\t_
5\t_\t_\tSYM\tS\t_\t6\tdep\t_\t_
6\t20 000\t20\tNUM\tN\t_\t2\tobl\t_\tNer=_|X

"""


def read(text: str, file_format: ConlluFormat | None = None) -> list[Block]:
    return list((file_format or ConlluFormat()).read(io.StringIO(text, newline="\n"), "f"))


def test_read_returns_words_and_skips_other_lines() -> None:
    (block,) = read(FRENCH)
    assert block.tokens == ["Il", "va", "à", "le", "_", "20 000"]
    assert block.labels == ["PRON", "VERB", "ADP", "DET", "SYM", "NUM"]
    assert (block.text, block.place, block.comments) == ("Il va au_ 20 000", "f:3", 2)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("xpos", ["_", "V", "E", "R", "S", "N"]),
        ("feats", ["Gender=Masc", "_", "_", "_", "_", "_"]),
        ("deprel", ["nsubj", "root", "case", "det", "dep", "obl"]),
        ("misc:Ner", ["_", "O", "B-x", "_", "_", "_"]),
    ],
)
def test_read_returns_the_chosen_label(label: str, expected: list[str]) -> None:
    assert read(FRENCH, ConlluFormat(label))[0].labels == expected


def test_surface_token_has_the_joined_labels_of_its_words() -> None:
    (block,) = read(FRENCH, ConlluFormat(tokens="surface"))
    assert block.tokens == ["Il", "va", "au", "_", "20 000"]
    assert block.labels == ["PRON", "VERB", "ADP+DET", "SYM", "NUM"]
    assert [block.lines[index].split("\t")[0] for index in block.token_lines] == ["1", "2", "3-4", "5", "6"]


@pytest.mark.parametrize("tokens", ["words", "surface"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_fill_changes_only_the_labels(tokens: Literal["words", "surface"], end: str) -> None:
    file_format = ConlluFormat("upos", tokens)
    text = "\ufeff" + (FRENCH + FRENCH.rstrip("\n")).replace("\n", end)
    blocks = read(text, file_format)
    assert [label for block in blocks for label in block.labels or []].count("NUM") == 2
    assert "".join(line for block in blocks for line in file_format.fill(block, block.labels or [])) == text
    new = [[label.lower() for label in block.labels or []] for block in blocks]
    filled = "".join(
        line for block, labels in zip(blocks, new, strict=True) for line in file_format.fill(block, labels)
    )
    expected = text
    for label in ("PRON", "VERB", "ADP", "DET", "SYM", "NUM"):
        expected = expected.replace(f"\t{label}\t", f"\t{label.lower()}\t")
    assert filled == expected


def test_surface_label_with_other_parts_than_words_goes_to_the_range_line() -> None:
    file_format = ConlluFormat(tokens="surface")
    (block,) = read(FRENCH, file_format)
    lines = file_format.fill(block, ["PRON", "VERB", "ADP", "SYM", "NUM"])
    assert [line.split("\t")[3] for line in lines[4:7]] == ["ADP", "_", "_"]


@pytest.mark.parametrize(
    ("misc", "label", "filled"),
    [
        ("_", "O", "Ner=O"),
        ("SpaceAfter=No", "O", "SpaceAfter=No|Ner=O"),
        ("A|Ner=O|B=1", "I-x", "A|Ner=I-x|B=1"),
        ("Ner=O", "_", "_"),
        ("A=1|Ner=O", "_", "A=1"),
        ("Ner=_|A", "_", "Ner=_|A"),
        ("A=1", "_", "A=1"),
    ],
)
def test_fill_sets_one_key_of_misc(misc: str, label: str, filled: str) -> None:
    file_format = ConlluFormat("misc:Ner")
    (block,) = read(f"1\ta\t_\t_\t_\t_\t_\t_\t_\t{misc}\r\n", file_format)
    assert file_format.fill(block, [label]) == [f"1\ta\t_\t_\t_\t_\t_\t_\t_\t{filled}\r\n"]


def row(ident: str, form: str = "a") -> str:
    return f"{ident}\t{form}" + "\t_" * 8 + "\n"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (row("1") + "2\tb\n", "f:2", "expected 10 columns separated by a tab, found 2"),
        ("1 a _ _ _ _ _ _ _ _\n", "f:1", "expected 10 columns separated by a tab, found 1"),
        (row("1") + row("3"), "f:2", "expected the id 2, 2-m or 1.m, found '3'"),
        (row("1") + row("1"), "f:2", "expected the id 2, 2-m or 1.m, found '1'"),
        (row("x"), "f:1", "expected the id 1, 1-m or 0.m, found 'x'"),
        (row("2.1"), "f:1", "expected the id 1, 1-m or 0.m, found '2.1'"),
        (row("2-3"), "f:1", "expected the id 1, 1-m or 0.m, found '2-3'"),
        (row("1-2") + row("1"), "f:1", "expected words up to 2 after the id 1-2, found 1"),
        (row("1-2") + row("1") + row("2-3"), "f:3", "expected the id 2, 2-m or 1.m, found '2-3'"),
        ("# c\n" + row("1", ""), "f:2", "expected a form, found an empty one"),
    ],
    ids=[
        "short",
        "spaces",
        "gap",
        "no blank line",
        "no number",
        "node",
        "range",
        "range too long",
        "ranges overlap",
        "empty form",
    ],
)
def test_errors_name_the_line(text: str, place: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(text)
    assert (caught.value.problems[0].place, caught.value.problems[0].message) == (place, message)
    assert caught.value.problems[0].hint


def test_empty_form_is_repaired_only_in_the_tokens() -> None:
    file_format = ConlluFormat(empty_tokens="repair")
    (block,) = read(row("1", ""), file_format)
    assert (block.tokens, file_format.fill(block, ["X"])) == (["_"], ["1\t\t_\tX" + "\t_" * 6 + "\n"])


@pytest.mark.parametrize(
    ("name", "label"),
    [("auto", "upos"), ("UPOS", "upos"), ("5", "xpos"), ("misc:Key", "misc:Key"), ("MISC:Key", "misc:Key")],
)
def test_find_label_accepts_names_and_numbers(name: str, label: str) -> None:
    assert find_label(name) == label


@pytest.mark.parametrize("label", ["misc:", "ner", "2", "11", "-1", "head"])
def test_find_label_refuses_other_columns(label: str) -> None:
    with pytest.raises(
        DataError, match="expected a label among lemma, upos, xpos, feats, deprel and misc:Key"
    ):
        find_label(label, "f")


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["A", "B", "_"])), min_size=1, max_size=6),
    st.data(),
)
def test_surface_labels_are_written_to_their_words(spans: list[tuple[int, str]], data: st.DataObject) -> None:
    lines: list[str] = []
    number = 1
    for width, label in spans:
        lines += [row(f"{number}-{number + width - 1}", "s")] if width > 1 else []
        lines += [row(str(number + i)).replace("\t_\t_", f"\t_\t{label}", 1) for i in range(width)]
        number += width
    file_format = ConlluFormat(tokens="surface")
    (block,) = file_format.read(lines, "f")
    assert file_format.fill(block, block.labels or []) == lines
    new = ["+".join(data.draw(st.sampled_from("XYZ_")) for _ in range(width)) for width, _ in spans]
    (again,) = file_format.read(file_format.fill(block, new), "f")
    assert again.labels == new
    (words,) = ConlluFormat().read(file_format.fill(block, new), "f")
    assert words.labels == [part for label in new for part in label.split("+")]


def _word(number: int, form: str, misc: str, upos: str = "X") -> str:
    return f"{number}\t{form}\t_\t{upos}\t_\t_\t0\troot\t_\t{misc}\n"


@pytest.mark.parametrize(
    ("miscs", "missing"),
    [
        (["NE=B-PER", "SpaceAfter=No"], "O"),
        (["SpaceAfter=No|NE=B-PER", "_"], "O"),
        (["NE=B-PER|X=1", "NE=O"], "O"),
        (["NE=PER", "_"], "_"),
        (["NE=B-PER", "NE=PER"], "_"),
        (["ONE=B-PER", "_"], "_"),
        (["_", "_"], "_"),
    ],
    ids=["BIO", "second key", "explicit O", "names", "mixed", "other key", "none"],
)
def test_a_missing_key_is_outside_if_the_others_are_span_labels(miscs: list[str], missing: str) -> None:
    lines = [_word(number, "a", misc) for number, misc in enumerate(miscs, 1)]
    assert find_missing(["".join(lines)], "misc:NE") == missing
    file_format = ConlluFormat("misc:NE", missing=missing)
    (block,) = file_format.read(lines, "f")
    absent = ["NE=" not in misc or "ONE=" in misc for misc in miscs]
    assert [label == missing for label in block.labels or []][1] == absent[1] or "NE=O" in miscs
    assert file_format.fill(block, block.labels or []) == lines


def test_writing_the_missing_label_removes_the_key() -> None:
    file_format = ConlluFormat("misc:NE", missing="O")
    (block,) = file_format.read(
        [_word(1, "a", "NE=B-PER|X=1"), _word(2, "b", "X=2"), _word(3, "c", "_")], "f"
    )
    assert block.labels == ["B-PER", "O", "O"]
    assert file_format.fill(block, ["O", "B-LOC", "O"]) == [
        _word(1, "a", "X=1"),
        _word(2, "b", "X=2|NE=B-LOC"),
        _word(3, "c", "_"),
    ]


@pytest.mark.parametrize(
    ("label", "line"), [("upos", _word(1, "a", "_", "X ")), ("misc:NE", _word(1, "a", "NE=X "))]
)
def test_blanks_around_labels_are_not_part_of_them(label: str, line: str) -> None:
    file_format = ConlluFormat(label)
    (block,) = file_format.read([line], "f")
    assert block.labels == ["X"]
    assert file_format.fill(block, ["X"]) == [line]
