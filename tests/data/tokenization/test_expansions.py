"""Expansions: words of known forms in any case, rules for unknown forms, forms with certain words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.data.tokenization.expansions import Expansions

FRENCH = [("du", ("de", "le"))] * 3 + [("Du", ("De", "le")), ("AUX", ("À", "LES")), ("aux", ("à", "les"))]
SPANISH = [("dárselo", ("dar", "se", "lo")), ("mandárselo", ("mandar", "se", "lo")), ("del", ("de", "el"))]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("du", ("de", "le")),
        ("Du", ("De", "le")),
        ("DU", ("DE", "LE")),
        ("AUX", ("À", "LES")),
        ("Aux", ("À", "les")),
        ("des", None),
    ],
)
def test_known_forms_in_any_case(form: str, words: tuple[str, ...] | None) -> None:
    assert Expansions.learn(FRENCH).words(form) == words


def test_irregular_case_is_stored() -> None:
    expansions = Expansions.learn([("Im", ("in", "dem")), ("im", ("in", "dem"))])
    assert expansions.words("Im") == ("in", "dem")
    assert expansions.words("IM") == ("IN", "DEM")
    assert expansions.forms == {"im": ("in", "dem"), "Im": ("in", "dem")}


def test_the_most_frequent_words_win() -> None:
    expansions = Expansions.learn([("x", ("a", "b")), ("x", ("c", "d")), ("x", ("c", "d"))])
    assert expansions.words("x") == ("c", "d")


def test_endings_give_rules() -> None:
    expansions = Expansions.learn(SPANISH)
    assert expansions.words("contárselo") == ("contar", "se", "lo")
    assert expansions.words("Contárselo") == ("Contar", "se", "lo")
    assert expansions.words("al") is None, "one form teaches no rule"


def test_beginnings_give_rules() -> None:
    expansions = Expansions.learn([("للكتاب", ("ل", "الكتاب")), ("للبيت", ("ل", "البيت"))])
    assert expansions.words("للباب") == ("ل", "الباب")


def test_a_rule_that_follows_from_a_shorter_one_is_not_stored() -> None:
    forms = [(f"{stem}árselo", (f"{stem}ar", "se", "lo")) for stem in ("d", "mand", "cont", "pint")]
    assert Expansions.learn(forms).suffixes == {"árselo": "ar se lo"}


def test_words_of_a_form_do_not_change_when_those_of_its_lower_case_are_learned() -> None:
    expansions = Expansions.learn([("aB", ("a", "a")), ("aB", ("a", "a")), ("ab", ("a", "A"))])
    assert expansions.words("aB") == ("a", "a")
    examples = [("aB", ("a", "a")), ("aB", ("a", "a")), ("ab", ("a", "aa"))]
    expansions = Expansions.learn(examples)
    assert {expansions.words(form) for form, _ in examples} == {("a", "a"), ("a", "aa")}


@given(
    st.lists(
        st.tuples(st.text("abAB", min_size=1), st.lists(st.text("abc", min_size=1), min_size=2, max_size=3))
    )
)
def test_every_form_of_training_has_words_of_training(examples: list[tuple[str, list[str]]]) -> None:
    expansions = Expansions.learn((form, tuple(words)) for form, words in examples)
    for form, _ in examples:
        assert expansions.words(form) in {tuple(words) for other, words in examples if other == form}


TOKENS = st.lists(
    st.tuples(
        st.text("abAB ", min_size=1, max_size=2),
        st.lists(st.text("ab", min_size=1, max_size=1), min_size=2, max_size=2) | st.just([]),
    ),
    max_size=8,
)


def learned(tokens: list[tuple[str, tuple[str, ...]]]) -> Expansions:
    """Learn from tokens; those that are one word have no words."""
    multiword = [(form, words) for form, words in tokens if words]
    return Expansions.learn([], multiword, [form for form, words in tokens if not words])


@given(TOKENS, st.text("abAB", min_size=1, max_size=2))
def test_certain_words_are_those_of_all_occurrences(tokens: list[tuple[str, list[str]]], form: str) -> None:
    seen = [(other, tuple(words)) for other, words in tokens]
    found = learned(seen).certain_words(form)
    own = {words for other, words in seen if other == form}
    in_any_case = {tuple(map(str.lower, words)) for other, words in seen if other.lower() == form.lower()}
    if len(own) != 1 or not any(own):  # several analyses, or one word, or unknown
        assert found is None or (not own and len(in_any_case) == 1)
    elif form != form.lower() or len(in_any_case) == 1:
        assert {found} == own
    else:
        assert found is None


def test_certain_words_of_an_unknown_case_have_its_case() -> None:
    tokens = [
        ("im", ("i", "m")),
        ("Im", ("I", "m")),
        ("its", ("it", "s")),
        ("its", ()),
        ("Lets", ("Let", "s")),
    ]
    expansions = learned([*tokens, ("lets", ())])
    assert expansions.always == {"Im": ("I", "m"), "Lets": ("Let", "s"), "im": ("i", "m")}
    words = {form: expansions.certain_words(form) for form in ("IM", "Im", "its", "Its", "Lets", "LETS")}
    assert words == {"IM": ("I", "M"), "Im": ("I", "m"), "Lets": ("Let", "s")} | dict.fromkeys(
        ("its", "Its", "LETS")
    )
