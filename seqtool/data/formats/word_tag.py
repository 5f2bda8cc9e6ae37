"""Lines of words with their tags, such as `The/DT dog/NN ran/VBD` or `The_DT dog_NN`: one sentence per line.

The tag follows the last separator of a word, so `1/2/CD` is the token `1/2` with the label `CD`. Words are
separated by spaces or tabs. The Brown corpus and many taggers write such files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from seqtool.data.formats.blocks import BOM, Block, EmptyTokens, FormatName, is_blank
from seqtool.data.formats.conll import WORD
from seqtool.errors import DataError

SEPARATORS = ("/", "_")  # characters that are tried between a word and its tag


@dataclass(frozen=True)
class WordTagFormat:
    """Format of lines of words with their tags.

    Attributes:
        separator: the character between a word and its tag.
        empty_tokens: refuse an empty token, or read it as `_`.
    """

    format_name: ClassVar[FormatName] = "word_tag"

    separator: str = "/"
    empty_tokens: EmptyTokens = "refuse"

    def describe(self) -> str:
        """Return the form of a word in one line."""
        return f"words as `word{self.separator}TAG`, one sentence per line"

    def read(self, lines: Iterable[str], name: str) -> Iterator[Block]:
        """Yield one block for each line; a blank line is a block without tokens.

        Raises:
            DataError: a word has no tag, an empty tag, or no characters before its tag (unless repaired).
        """
        for number, raw in self.split(lines):
            yield self.block(raw, name, number)

    def split(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield each line with its number."""
        return ((number, [line]) for number, line in enumerate(lines, 1))

    def block(self, raw: list[str], name: str, first: int) -> Block:
        """Read one block from its line; raises the errors of `read`."""
        content = (raw[0].removeprefix(BOM) if first == 1 else raw[0]).rstrip("\r\n")
        if is_blank(content):
            return Block(raw, [], [], [], name, first)
        tokens: list[str] = []
        labels: list[str] = []
        for match in WORD.finditer(content):
            token, separator, label = match[0].rpartition(self.separator)
            place = f"{name}:{first}"
            if not separator or not label:
                raise self._wrong_word(match[0], separator, place)
            tokens.append(token or self._empty_token(match[0], place))
            labels.append(label)
        return Block(raw, tokens, labels, [0] * len(tokens), name, first)

    def _wrong_word(self, word: str, separator: str, place: str) -> DataError:
        found = "an empty tag" if separator else "no tag"
        return DataError(
            f"expected a word with its tag, such as `dog{self.separator}NN`, found {found} in {word[:40]!r}",
            place=place,
            hint="every word of the line needs a tag; `data.separator` is the character before the tag, "
            "and `data.format` the format of the file",
        )

    def _empty_token(self, word: str, place: str) -> str:
        if self.empty_tokens == "repair":
            return "_"
        message = f"expected a word before the tag, found none in {word[:40]!r}"
        raise DataError(message, place=place, hint="`data.empty_tokens: repair` reads it as `_`")

    def fill(self, block: Block, labels: Sequence[str]) -> list[str]:
        """Return the line of a block with new tags and no other byte changed."""
        line = block.lines[0]
        mark = BOM if block.first_line == 1 and line.startswith(BOM) else ""
        content = line.removeprefix(mark)
        if list(labels) == (block.labels or []):
            return [line]
        parts, at = [mark], 0
        words = (match for match in WORD.finditer(content.rstrip("\r\n")))
        for match, label in zip(words, labels, strict=True):
            start = match.start() + match[0].rindex(self.separator) + 1
            parts += [content[at:start], label]
            at = match.end()
        return ["".join([*parts, content[at:]])]


def find_word_separator(lines: Iterable[str]) -> str | None:
    """Return the separator that all words of the lines have between two other characters; None without one.

    One word such as `and/or` is no evidence: at least two words are needed.
    """
    words = [match[0] for line in lines for match in WORD.finditer(line.rstrip("\r\n"))]
    for separator in SEPARATORS if len(words) > 1 else ():
        if all(separator in word[1:-1] for word in words):
            return separator
    return None
