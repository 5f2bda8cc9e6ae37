"""Raw text of CoNLL-U files: spaces, paragraphs, multiword tokens, positions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.tokenization.corpus import hold_out_sentences, part_of
from seqtool.data.tokenization.paragraphs import Paragraph, SurfaceToken, has_raw_text, read_paragraphs
from seqtool.errors import DataError


def conllu(*sentences: str) -> str:
    """Return a CoNLL-U file. A line of a sentence is a comment, or `ID FORM MISC`; `~` is a space in FORM."""
    lines = []
    for sentence in sentences:
        number = 0
        for line in sentence.strip().split("\n"):
            if line.startswith("#"):
                lines.append(line)
                continue
            cells = line.split()
            if "-" not in cells[0] or not cells[0][0].isdigit():
                number += 1
                cells = [str(number), *cells]
            form, misc = cells[1].replace("~", " "), cells[2] if len(cells) > 2 else "_"
            lines.append("\t".join([cells[0], form, *"_______", misc]))
        lines.append("")
    return "\n".join(lines) + "\n"


def paragraphs(text: str) -> list[Paragraph]:
    return list(
        read_paragraphs(block for block in ConlluFormat().read(text.splitlines(True), "x") if block.tokens)
    )


def forms(paragraph: Paragraph) -> list[str]:
    return [paragraph.text[token.start : token.end] for token in paragraph.tokens]


def test_space_after_decides_between_tokens_and_sentences() -> None:
    text = conllu("Hi SpaceAfter=No\n! SpaceAfter=No", "No\n.")
    (paragraph,) = paragraphs(text)
    assert paragraph.text == "Hi!No ."
    assert forms(paragraph) == ["Hi", "!", "No", "."]
    assert paragraph.sentences == (2, 4)
    assert paragraph.spans() == [(0, 3), (3, 7)]


def test_text_comment_decides_without_space_after() -> None:
    (paragraph,) = paragraphs(conllu("# text = Hi, you.\nHi\n,\nyou\n.", "# text = Go.\nGo\n."))
    assert paragraph.text == "Hi, you. Go."


def test_text_comment_that_does_not_fit_is_ignored() -> None:
    (paragraph,) = paragraphs(conllu("# text = Hello, you.\nHi\n,\nyou\n."))
    assert paragraph.text == "Hi , you ."


@pytest.mark.parametrize("mark", ["# newpar", "# newdoc id = 3", "#newpar id=x"])
def test_marks_start_paragraphs(mark: str) -> None:
    found = paragraphs(conllu("# text = a b\na\nb", f"{mark}\n# text = c\nc", "# text = d\nd"))
    assert [item.text for item in found] == ["a b", "c d"]
    assert [item.sentences for item in found] == [(1 + 1,), (1, 2)]


def test_multiword_tokens_have_words() -> None:
    (paragraph,) = paragraphs(conllu("1-2 du SpaceAfter=No\nde\nle\n. "))
    assert paragraph.text == "du."
    assert paragraph.tokens[0] == SurfaceToken(0, 2, ("de", "le"))
    assert paragraph.tokens[1].words == ()


def test_white_space_inside_a_form_becomes_one_space() -> None:
    (paragraph,) = paragraphs(conllu("20~~000\nx"))
    assert paragraph.text == "20 000 x"
    assert forms(paragraph) == ["20 000", "x"]


@pytest.mark.parametrize(
    ("misc", "text"),
    [("SpaceAfter=No", "a b"), ("SpacesAfter=", "ab"), ("SpacesAfter=\\s\\s", "a b"), ("Other=1", "a b")],
)
def test_other_keys_of_misc(misc: str, text: str) -> None:
    first = "a" if misc == "SpaceAfter=No" else f"a {misc}"
    assert paragraphs(conllu(f"{first}\nb"))[0].text == text


def test_files_without_spaces_are_recognized() -> None:
    def known(text: str) -> bool:
        return has_raw_text(ConlluFormat().read(text.splitlines(True), "x"))

    assert not known(conllu("a\nb"))
    assert known(conllu("a SpaceAfter=No\nb"))
    assert known(conllu("# text = a b\na\nb"))


# --- held-out sentences -------------------------------------------------------------------------------------


@st.composite
def texts(draw: st.DrawFn) -> Sequence[Paragraph]:
    """Draw paragraphs of sentences of one to three tokens."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=30))
        count = sum(sizes)
        tokens = tuple(SurfaceToken(2 * index, 2 * index + 1) for index in range(count))
        ends = tuple(sum(sizes[: index + 1]) for index in range(len(sizes)))
        found.append(Paragraph(" ".join("abc"[index % 3] for index in range(count)), tokens, ends))
    return found


def sentences(items: Sequence[Paragraph]) -> list[str]:
    return [item.text[start:end] for item in items for start, end in item.spans()]


@given(texts(), st.floats(0.01, 0.9), st.integers(0, 5))
def test_every_sentence_is_in_one_part(items: Sequence[Paragraph], fraction: float, seed: int) -> None:
    if len(sentences(items)) < 2:
        with pytest.raises(DataError, match="at least 2 sentences"):
            hold_out_sentences(items, fraction, seed)
        return
    rest, held_out = hold_out_sentences(items, fraction, seed)
    assert rest and held_out
    assert sorted(sentences(rest) + sentences(held_out)) == sorted(sentences(items))
    assert (rest, held_out) == hold_out_sentences(items, fraction, seed)
    for item in (*rest, *held_out):
        assert item.sentences[-1] == len(item.tokens)
        assert item.text == item.text.strip()


@given(texts())
def test_part_of_a_paragraph_has_its_sentences(items: Sequence[Paragraph]) -> None:
    count = len(items[0].sentences)
    part = part_of(items[0], count // 2, count)
    assert sentences([part]) == sentences([items[0]])[count // 2 :]


@given(texts())
def test_the_lengths_of_sentences_divide_the_text(items: Sequence[Paragraph]) -> None:
    for item in items:
        lengths = item.sentence_lengths()
        starts = [sum(lengths[:number]) for number in range(len(lengths))]
        parts = [item.text[start : start + length] for start, length in zip(starts, lengths, strict=True)]
        assert "".join(parts) == item.text
        assert [part.strip() for part in parts] == sentences([item])
