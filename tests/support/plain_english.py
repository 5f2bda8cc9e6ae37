"""Counts of wording that readers with another first language have to decipher.

Three classes of text are counted: docstrings; comments and messages (strings that contain a space); documents
(Markdown and YAML).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

QUESTION_WORDS = ("What", "Which", "Whether", "How", "Where", "Who", "When", "Why")
# One expression per line. A triple-quoted string is not a message, so this list is not counted itself.
IDIOMS = """
anew
beside
told
tell
tells
hear
hears
heard
goes on
go on
gone on
going on
lies
stand
stands
mend
of its own
somebody
nobody
spelt
worked out
at hand
in its place
the very
to be had
laid
held against
parted
take up
takes up
take away
takes away
is said
said of
come of
comes of
made of it
left lying
see to it
sees to it
see that
are parted
with it all
of like
one and the same
give out
gives out
likeliest
hardly
go by
goes by
nothing of
as it stands
what lacks
dealt
the others hear
afresh
"""
OPENS_WITH_QUESTION = re.compile(rf"(?:{'|'.join(QUESTION_WORDS)})\b")
# Longer expressions come first, so that the longest one matches.
IDIOM = re.compile(
    rf"\b(?:{'|'.join(sorted(IDIOMS.strip().splitlines(), key=len, reverse=True))})\b", re.IGNORECASE
)
CLASSES = ("docstrings", "comments and messages", "documents")


@dataclass
class Wording:
    """Counts over several files.

    Attributes:
        docstrings: number of docstrings.
        questions: places of docstrings that open with a question word.
        words: number of words in each class of text.
        idioms: places of idioms in each class of text.
    """

    docstrings: int = 0
    questions: list[str] = field(default_factory=list)
    words: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    idioms: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in CLASSES})

    def count_file(self, path: Path, name: str) -> None:
        """Count a Python file or a document; `name` begins every place."""
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".py":
            self.count_text("documents", text, name)
            return
        for line, docstring in docstrings(text):
            self.docstrings += 1
            if OPENS_WITH_QUESTION.match(docstring):
                self.questions.append(f"{name}:{line}: {docstring.splitlines()[0]}")
            self.count_text("docstrings", docstring, f"{name}:{line}")
        for line, piece in comments_and_messages(text):
            self.count_text("comments and messages", piece, f"{name}:{line}")

    def count_text(self, kind: str, text: str, place: str) -> None:
        """Count the words and the idioms of one text."""
        self.words[kind] += len(text.split())
        for match in IDIOM.finditer(text):
            context = " ".join(text[max(0, match.start() - 30) : match.end() + 30].split())
            self.idioms[kind].append(f"{place}: {match.group()!r} in: {context}")

    def idioms_per_thousand(self, kind: str) -> float:
        """Return the idioms per 1,000 words in a class of text."""
        return 1000 * len(self.idioms[kind]) / max(1, self.words[kind])


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def comments_and_messages(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every comment and of every string with a space."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_message = token.type == tokenize.STRING and " " in token.string
        if token.type == tokenize.COMMENT or (is_message and not token.string.startswith('"""')):
            yield token.start[0], token.string
