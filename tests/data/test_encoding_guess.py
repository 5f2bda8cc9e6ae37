"""Encodings of text that is not UTF-8: guessed, or refused with the two most likely names."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtool.data.encoding import OPTION, decode, examine
from seqtool.data.encoding_guess import rank
from seqtool.errors import DataError

FRENCH = (
    "L'été dernier, après la fête, où étiez-vous ? Le garçon a dû goûter le gâteau à la crème brûlée. "
    "Noël approche : les élèves préfèrent les îles où l'hôtel était déjà réservé. Ça va être très agréable.\n"
)
GERMAN = (
    "Die Bäuerin saß müde vor dem großen Haus und hörte die Vögel über den Dächern. "
    "Früher wären die Brüder gern größer gewesen; später fühlten sie sich glücklich und schön.\n"
)
RUSSIAN = (
    "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему. "
    "Всё смешалось в доме Облонских. Жена узнала, что муж был в связи с бывшею в их доме гувернанткой.\n"
)
POLISH = (
    "Gdzieś w dużym mieście żył źle ubrany człowiek, który łowił ryby i śpiewał pieśni. "
    "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.\n"
)
CZECH = (
    "Příliš žluťoučký kůň úpěl ďábelské ódy. Všichni lidé se rodí svobodní a sobě rovní co do důstojnosti "
    "a práv. Mají rozum a svědomí a mají spolu jednat v duchu bratrství.\n"
)
JAPANESE = "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。\n"
CHINESE = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。\n"
TRADITIONAL = "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神相對待。\n"
KOREAN = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.\n"
GREEK = "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.\n"
TEXTS = {
    "French": (FRENCH, ("cp1252", "latin-1", "mac_roman", "cp850")),
    "German": (GERMAN, ("cp1252", "latin-1", "mac_roman")),
    "Russian": (RUSSIAN, ("cp1251", "koi8-r", "cp866", "iso8859-5")),
    "Polish": (POLISH, ("cp1250", "iso8859-2")),
    "Czech": (CZECH, ("cp1250", "iso8859-2")),
    "Japanese": (JAPANESE, ("cp932", "euc_jp")),
    "Chinese": (CHINESE, ("gb18030",)),
    "traditional Chinese": (TRADITIONAL, ("big5",)),
    "Korean": (KOREAN, ("cp949",)),
    "Greek": (GREEK, ("cp1253",)),
}
CASES = [(name, encoding) for name, (_, encodings) in TEXTS.items() for encoding in encodings]


@pytest.mark.parametrize(("language", "encoding"), CASES)
def test_text_of_a_language_is_read_in_its_encoding(language: str, encoding: str) -> None:
    text = TEXTS[language][0] * 4
    decoded, facts = decode(text.encode(encoding), "file.txt")
    assert decoded == text
    assert facts.guessed and facts.encoding in facts.warnings()[0]


@pytest.mark.parametrize(("language", "encoding"), CASES)
def test_few_bytes_are_refused_with_the_likely_encodings(language: str, encoding: str) -> None:
    content = TEXTS[language][0][:20].encode(encoding)
    with pytest.raises(DataError) as caught:
        decode(content, "file.txt", way=OPTION)
    problem = caught.value.problems[0]
    assert "too few to guess" in problem.hint and problem.place == "file.txt:1"
    assert problem.hint.count("--encoding ") == 2


@pytest.mark.parametrize("text", ["Caf\xe9\tB-ORG\n", "\x93Zo\xeb\x94\n", "M\xfcller\nSch\xf6n\n"])
def test_few_western_bytes_propose_cp1252_and_latin_1(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"a\n" + text.encode("latin-1"))
    with pytest.raises(DataError) as caught:
        examine(path)
    problem = caught.value.problems[0]
    assert problem.place == f"{path}:2"
    assert "`data.encoding: cp1252`" in problem.hint and "`data.encoding: latin-1`" in problem.hint


@pytest.mark.parametrize("bad", [b"\xff", b"\xe9\xe9", b"\xc3"])
def test_damaged_utf8_is_not_guessed(bad: bytes) -> None:
    with pytest.raises(DataError) as caught:
        decode(RUSSIAN.encode() + bad + b"\n" + FRENCH.encode(), "file.txt")
    assert "iconv" in caught.value.problems[0].hint
    assert caught.value.problems[0].place == "file.txt:2"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_refused_by_name(encoding: str) -> None:
    with pytest.raises(DataError) as caught:
        decode(b"\n".join([b"plain text of ASCII characters"] * 9).decode().encode(encoding), "file.txt")
    assert f"`--encoding {encoding}`" in caught.value.problems[0].hint


def test_the_encoding_of_the_training_files_is_used_before_a_guess() -> None:
    text = FRENCH[:20]
    decoded, facts = decode(text.encode("cp850"), "file.txt", expected="cp850")
    assert (decoded, facts.encoding, facts.guessed) == (text, "cp850", False)
    assert decode(text.encode(), "file.txt", expected="cp850")[0] == text


ENCODINGS = ["utf-8", "utf-16", "utf-32", "cp1252", "latin-1", "cp1251", "cp1250", "gb18030", "cp932", "big5"]
ALPHABETS = st.sampled_from([FRENCH, GERMAN, RUSSIAN, POLISH, CZECH, JAPANESE, CHINESE, TRADITIONAL])


@given(
    ALPHABETS.flatmap(lambda text: st.lists(st.sampled_from(text.split()), min_size=1, max_size=60)),
    st.sampled_from(ENCODINGS),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_text_is_read_as_itself_or_doubt_is_reported(
    words: list[str], encoding: str, end: str, bom: bool
) -> None:
    lines = [" ".join(words[start : start + 5]) for start in range(0, len(words), 5)]
    content = (end.join(lines) + end).encode(encoding, "ignore")
    expected = content.decode(encoding)
    if bom and encoding == "utf-8":
        content = codecs.BOM_UTF8 + content
    try:
        decoded, facts = decode(content, "file.txt")
    except DataError as error:
        assert encoding not in ("utf-8", "utf-16", "utf-32")
        assert error.problems[0].hint
        return
    if facts.cr_lines:
        expected = expected.replace("\r", "\n")
    assert decoded == expected or facts.guessed  # a guess is printed


@given(st.binary(max_size=300), st.sampled_from(["\n", "\r"]))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_refused(content: bytes, end: str) -> None:
    try:
        decoded, facts = decode(content + end.encode(), "file.txt")
    except DataError as error:
        assert error.problems[0].hint or error.problems[0].place
        return
    assert facts.size == len(content) + 1
    assert isinstance(decoded, str)


@pytest.mark.parametrize("text", ["„Það er gott“ sagði hún … ", "Þetta er „ágætt“ — já. "])
def test_controls_of_iso_8859_are_not_read_as_text(text: str) -> None:
    content = (text + "Íslenska er töluð á Íslandi; ýmsir þætti eru óbreyttir.\n").encode("cp1252") * 8
    for guess in rank(content):
        assert not any("\x80" <= character <= "\x9f" for character in guess.text)
