"""Lines of words with their tags: read, refused with their line, and tags replaced in place."""

from __future__ import annotations

from itertools import islice, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.formats.blocks import Block
from seqtool.data.formats.word_tag import WordTagFormat, find_word_separator
from seqtool.errors import DataError

SLASH = WordTagFormat()
CHARACTERS = st.text(st.sampled_from("aB/_1é.,-"), min_size=1, max_size=6)


def read(line: str, file_format: WordTagFormat = SLASH) -> Block:
    (block,) = file_format.read([line], "f")
    return block


@pytest.mark.parametrize(
    ("line", "separator", "tokens", "labels"),
    [
        ("The/DT dog/NN\n", "/", ["The", "dog"], ["DT", "NN"]),
        ("The_DT dog_NN\r\n", "_", ["The", "dog"], ["DT", "NN"]),
        ("\ufeff1/2/CD //: \t\\//SYM", "/", ["1/2", "/", "\\/"], ["CD", ":", "SYM"]),
        (" \n", "/", [], []),
    ],
    ids=["slash", "underscore", "separators in words", "blank"],
)
def test_the_tag_follows_the_last_separator(
    line: str, separator: str, tokens: list[str], labels: list[str]
) -> None:
    block = read(line, WordTagFormat(separator))
    assert (block.tokens, block.labels) == (tokens, labels)
    assert find_word_separator([line]) == (separator if len(tokens) > 1 else None)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("The/DT dog\n", "found no tag in 'dog'"),
        ("The/DT dog/\n", "found an empty tag in 'dog/'"),
        ("The/DT /NN\n", "expected a word before the tag, found none in '/NN'"),
    ],
    ids=["no tag", "empty tag", "empty word"],
)
def test_a_word_without_tag_is_refused_with_its_line(line: str, found: str) -> None:
    with pytest.raises(DataError, match=found) as error:
        list(SLASH.read(["a/b\n", line], "f"))
    assert error.value.problems[0].place == "f:2"
    assert error.value.problems[0].hint


def test_an_empty_word_is_repaired_on_request() -> None:
    assert read("/NN a/B", WordTagFormat(empty_tokens="repair")).tokens == ["_", "a"]


def test_running_text_has_no_word_separator() -> None:
    assert find_word_separator(["The dog and/or the cat\n", "a_b c_d e\n"]) is None
    assert find_word_separator(["and/or\n"]) is None


def test_each_line_is_yielded_as_it_arrives() -> None:
    blocks = list(islice(SLASH.read(repeat("a/B\n"), "f"), 3))
    assert [block.first_line for block in blocks] == [1, 2, 3]


@given(
    st.lists(st.tuples(CHARACTERS, CHARACTERS), min_size=1, max_size=8),
    st.lists(CHARACTERS, min_size=8, max_size=8),
    st.sampled_from((" ", "  ", "\t")),
    st.sampled_from("/_"),
)
def test_written_tags_are_read_back_and_all_other_bytes_are_equal(
    words: list[tuple[str, str]], labels: list[str], gap: str, separator: str
) -> None:
    file_format = WordTagFormat(separator)
    old = [(word, tag.replace(separator, "-")) for word, tag in words]
    labels = [label.replace(separator, "-") for label in labels][: len(words)]
    line = gap + gap.join(word + separator + tag for word, tag in old) + gap + "\r\n"
    block = read(line, file_format)
    assert list(zip(block.tokens, block.labels or [], strict=True)) == old
    (written,) = file_format.fill(block, labels)
    assert read(written, file_format).labels == labels
    assert file_format.fill(read(written, file_format), [tag for _, tag in old]) == [line]
