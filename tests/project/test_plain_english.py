"""The English of code, tests and documents: few question words at the start of docstrings, few idioms."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.plain_english import CLASSES, Wording
from tests.support.shell import PROJECT

COUNTED = ("seqtool", "tests", "docs", "configs", ".ci", "README.md", "CHANGELOG.md", "setup.py")
MOST_QUESTIONS = 0.01  # of all docstrings
MOST_IDIOMS = 1.0  # per 1,000 words


@pytest.fixture(scope="module")
def wording() -> Wording:
    counts = Wording()
    for root in map(PROJECT.joinpath, COUNTED):
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.suffix in (".py", ".md", ".yaml"):
                counts.count_file(path, str(path.relative_to(PROJECT)))
    return counts


def test_docstrings_rarely_open_with_a_question_word(wording: Wording) -> None:
    assert wording.docstrings > 1000
    assert len(wording.questions) <= MOST_QUESTIONS * wording.docstrings, "\n".join(wording.questions)


@pytest.mark.parametrize("kind", CLASSES)
def test_idioms_are_rare(kind: str, wording: Wording) -> None:
    assert wording.words[kind] > 5000
    assert wording.idioms_per_thousand(kind) <= MOST_IDIOMS, "\n".join(wording.idioms[kind])


def test_counter_finds_each_class_of_text(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text('"""How it goes on."""\nx = "was told so"  # somebody said\ny = """stands"""\n')
    document = tmp_path / "text.md"
    document.write_text("It stands beside.")
    counts = Wording()
    counts.count_file(code, "code.py")
    counts.count_file(document, "text.md")
    assert (counts.docstrings, counts.questions) == (1, ["code.py:1: How it goes on."])
    assert counts.words == {"docstrings": 4, "comments and messages": 6, "documents": 3}
    assert {kind: len(places) for kind, places in counts.idioms.items()} == {
        "docstrings": 1,
        "comments and messages": 2,
        "documents": 2,
    }
