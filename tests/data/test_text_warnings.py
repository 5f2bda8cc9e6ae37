"""Warnings about text that is probably wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqtool.data.text.corpus import load_char_corpus
from seqtool.settings.data import CharData
from tests.support.text_corpus import load_corpus


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        (
            "ab" * 20 + "xxyab",
            {"split": (8 / 9, 1 / 9)},
            "val has symbols that train lacks and no model can predict: x (2), y (1)",
        ),
        (
            "ab" * 20,
            {"val": "abé", "test": "ü "},
            "test has symbols that train lacks and no model can predict: ü (1), space (1)",
        ),
        (
            "ab" * 99 + "\0abc",
            {"split": (1.0, 0.0)},
            "train has 1 NUL characters: is it a binary file, or encoded in utf-16?",
        ),
        ("ab\ufffd" * 20, {}, "train has 18 U+FFFD, left by a wrong decoding"),
        ("abcdefghij", {}, "val: too short to be used (1 of its symbols)"),
        (
            "".join(map(chr, range(0x4E00, 0x4E00 + 2000))),
            {"split": (1.0, 0.0)},
            "2,000 symbols, 2,000 of which occur less than 5 times in train; "
            "`data.min_count: 5` replaces them by one unknown symbol",
        ),
        (
            "".join(map(chr, range(0x10000, 0x10000 + 31_000))),
            {"split": (1.0, 0.0)},
            "31,000 different symbols: is this text? `data.unit: byte` reads any file",
        ),
    ],
    ids=[
        "only in val",
        "only in test",
        "NUL",
        "wrong decoding",
        "no val",
        "rare symbols",
        "too many symbols",
    ],
)
def test_suspicious_text_causes_a_warning(
    tmp_path: Path, text: str, settings: dict[str, Any], expected: str
) -> None:
    assert expected in load_corpus(tmp_path, text, **settings).warnings


def test_file_used_for_two_parts_causes_a_warning(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abab", encoding="utf-8")
    path = (str(tmp_path / "a.txt"),)
    assert load_char_corpus(CharData(text=path, val=path), 1).warnings == ("a.txt is read for train and val",)
