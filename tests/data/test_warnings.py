"""Warnings about labeled data: each one on data that needs it, none on correct data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.tagging.split import Sentence, Split
from seqtool.data.warnings import corpus_warnings
from seqtool.settings.values import Scheme
from seqtool.spans import Span, labels_of

FINE = [("a b c", "A B A"), ("d e", "B A")]
SPANS = [("a b c d", "B-x I-x O B-x"), ("a b", "O B-y")]


def split(sentences: list[tuple[str, str]]) -> Split:
    return Split(
        tuple(
            Sentence(tuple(words.split()), tuple(labels.split()), f"/data/f:{i}")
            for i, (words, labels) in enumerate(sentences, 1)
        )
    )


def warnings(
    train: list[tuple[str, str]],
    dev: list[tuple[str, str]] | None = None,
    scheme: Scheme = "none",
    inner: tuple[str, ...] = ("A", "B"),
) -> tuple[str, ...]:
    splits = {"train": split(train), "dev": split(dev or []), "test": Split()}
    return corpus_warnings({}, splits, inner, scheme, "none" if scheme == "none" else "bioes")


def test_correct_data_has_no_warnings() -> None:
    assert warnings(FINE, [("x y", "A B")]) == ()
    assert warnings(SPANS, [("x", "B-y")], "iob2", ("B-x", "E-x", "O", "S-x", "S-y")) == ()


@pytest.mark.parametrize(
    ("train", "dev", "scheme", "inner", "expected"),
    [
        (
            [("a b", "A A")],
            None,
            "none",
            ("A",),
            "every token of train has the label 'A': is `data.label` the right column?",
        ),
        (
            [("a", f"L{i}") for i in range(60)],
            None,
            "none",
            tuple(f"L{i}" for i in range(60)),
            "60 labels for 60 words in train: is `data.label` the right column?",
        ),
        (
            [("a b", f"L{i} A") for i in range(11)],
            None,
            "none",
            ("A", *(f"L{i}" for i in range(11))),
            "12 labels for 2 distinct words in train: is `data.label` the right column?",
        ),
        (
            [("a b c " * 40, "A B C " * 40)],
            None,
            "none",
            ("A", "B", "C"),
            "train: a sentence of 120 words at f:1: is a blank line missing?",
        ),
        (
            [("a " * 1001, "A " * 1000 + "B")],
            None,
            "none",
            ("A", "B"),
            "train: a sentence of 1,001 words at f:1: is a blank line missing?",
        ),
        (
            FINE,
            [("x\u200b \ufeffy z", "A B A")],
            "none",
            ("A", "B"),
            "dev: 2 tokens with an invisible character inside (U+200B, U+2060 or U+FEFF); kept as written",
        ),
        (
            [("a\ufffd b", "A B")],
            None,
            "none",
            ("A", "B"),
            "train: 1 token with U+FFFD, left by a wrong decoding",
        ),
        (
            FINE,
            [("x y z", "C D C")],
            "none",
            ("A", "B"),
            "dev has labels that train lacks; their tokens count as wrong: C (2), D (1)",
        ),
        (
            SPANS,
            [("x y", "B-y I-x"), ("x", "I-x")],
            "iob2",
            ("B-x", "E-x", "O", "S-x", "S-y"),
            "dev: 2 labels in a place that iob2 does not allow, first at f:1; read as conlleval does",
        ),
        (
            [*SPANS, ("a b", "B-y I-y")],
            [("x y z", "B-x I-x I-x")],
            "iob2",
            ("B-x", "E-x", "O", "S-x", "S-y", "B-y", "E-y"),
            "dev has spans of a shape that train lacks (bioes); they count as wrong: I-x (1)",
        ),
        (
            FINE,
            [("a b c", "A B A"), ("x", "A")],
            "none",
            ("A", "B"),
            "dev: 1 of 2 sentences also occur in train; scores on them say little about new text",
        ),
    ],
    ids=[
        "one label",
        "many labels",
        "labels for words",
        "one sentence",
        "long",
        "invisible",
        "broken",
        "new labels",
        "malformed",
        "new shapes",
        "repeated",
    ],
)
def test_one_problem_gives_one_warning(
    train: list[tuple[str, str]],
    dev: list[tuple[str, str]] | None,
    scheme: Scheme,
    inner: tuple[str, ...],
    expected: str,
) -> None:
    assert warnings(train, dev, scheme, inner) == (expected,)


def test_labels_of_another_scheme_are_reported() -> None:
    assert warnings(FINE, scheme="iob2") == (
        "the labels of train look as if they marked no spans, and are read as iob2",
    )
    assert warnings(SPANS, scheme="bioes")[0] == "the labels of train look like iob2, and are read as bioes"
    assert warnings([("a b", "I-x O")], scheme="iob1") == ()


def test_missing_parts_of_speech_are_reported() -> None:
    train = split([("a b", "X _"), ("c", "Y")])
    for label, expected in (
        ("xpos", ("train: 1 word with `_` for xpos; it is trained as a label",)),
        ("feats", ()),
    ):
        assert (
            corpus_warnings(
                {}, {"train": replace(train, format=ConlluFormat(label))}, ("X", "_", "Y"), "none", "none"
            )
            == expected
        )


def test_file_read_for_two_splits_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    paths = {
        "train": [path],
        "dev": [tmp_path / "b.tsv"],
        "test": [tmp_path / ".." / tmp_path.name / "a.tsv"],
    }
    assert corpus_warnings(paths, {"train": split(FINE)}, ("A", "B"), "none", "none") == (
        "a.tsv is read for train and test",
    )


def test_long_list_of_new_labels_is_cut() -> None:
    (warning,) = warnings(FINE, [(f"x{i}", f"N{i:02}") for i in range(13)])
    assert warning.endswith("N09 (1), and 3 more")


@pytest.mark.parametrize(("one", "other"), [("iob1", "iob2"), ("iob2", "iob1")])
def test_another_scheme_of_the_same_spans_is_named_and_no_label_is_called_new(
    one: Scheme, other: Scheme
) -> None:
    spans = [[Span(0, 2, "x"), Span(2, 3, "x")], [Span(1, 2, "y"), Span(2, 4, "y")]]
    train, dev = (
        [(" ".join(f"{name}{n}" for n in range(4)), " ".join(labels_of(item, 4, scheme))) for item in spans]
        for name, scheme in (("t", one), ("d", other))
    )
    inner = tuple(dict.fromkeys(label for item in spans for label in labels_of(item, 4, "bioes")))
    assert warnings(train, dev, one, inner) == (
        f"dev: the labels look like {other}, those of train like {one}; spans are read from both",
    )
    new = [*dev, ("d9", labels_of([Span(0, 1, "z")], 1, other)[0])]
    assert "dev has labels that train lacks" in warnings(train, new, one, inner)[-1]
