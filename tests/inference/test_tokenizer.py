"""The tokenizer in numpy: equal to torch, independent of other paragraphs, positions in the original text."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from seqtool.data.tokenization.boundaries import OUTPUTS
from seqtool.data.tokenization.characters import plain_text
from seqtool.data.tokenization.pieces import CONTEXT, PIECE
from seqtool.inference.tokenizer import GROUP_CHARACTERS, RawToken, TokenizerModel
from seqtool.settings.model import TokenizerModel as Settings
from tests.support.random_tokenizers import ALPHABET, random_tokenizer

SMALL = Settings(hidden_size=6, embedding_dim=5, class_dim=3, filters=7)
TOLERANCE = 1e-5


def texts(count: int, longest: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(ALPHABET, k=draw.randint(0, longest))) for _ in range(count)]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(cell="gru", hidden_size=12, width=3),
        Settings(cell="rnn", hidden_size=12, width=1, num_layers=2, residual=True),
        Settings(hidden_size=12, num_layers=2, initial_state="learned"),
    ],
    ids=["default", "gru", "rnn", "two layers"],
)
def test_scores_are_those_of_torch(settings: Settings) -> None:
    network, model = random_tokenizer(settings)
    plain = [plain_text(text) for text in [*texts(12, 60), "x", "é\u4e00 ß"]]
    symbols = [model.characters.encode(text.codes) for text in plain]
    lengths = torch.tensor([len(item) for item in symbols])
    padded = torch.zeros((int(lengths.max()), len(symbols)), dtype=torch.int64)
    for column, item in enumerate(symbols):
        padded[: len(item), column] = torch.from_numpy(item.astype(np.int64))
    with torch.no_grad():
        expected = network(padded, lengths, network.encoder.initial_state(len(symbols))).numpy()
    for column, scores in enumerate(model.scores(plain)):
        want = expected[: len(scores), column]
        assert scores.shape == (int(lengths[column]), OUTPUTS)
        assert (np.abs(scores - want) <= TOLERANCE * np.maximum(1, np.abs(want))).all()


def test_a_result_does_not_depend_on_the_other_paragraphs() -> None:
    _, model = random_tokenizer(SMALL)
    paragraphs = texts(40, 300, seed=1)
    together = model.tokenize(paragraphs)
    assert together == [model.tokenize([text])[0] for text in paragraphs]
    assert together == list(model.stream(paragraphs))


def test_scores_of_a_long_paragraph_are_those_of_its_pieces() -> None:
    _, model = random_tokenizer(SMALL)
    text = "".join(texts(1, 1, seed=3)) + "".join(random.Random(2).choices(ALPHABET[:9], k=3 * PIECE))
    (scores,) = model.scores([plain_text(text)])
    inner = text[PIECE - CONTEXT : 2 * PIECE + CONTEXT]
    (alone,) = model.scores([plain_text(inner)])
    np.testing.assert_allclose(scores[PIECE : 2 * PIECE], alone[CONTEXT:-CONTEXT], atol=1e-5)


@pytest.mark.parametrize("inner_spaces", [False, True])
def test_tokens_have_positions_in_the_original_text(inner_spaces: bool) -> None:
    _, model = random_tokenizer(SMALL, inner_spaces=inner_spaces)
    for text in [*texts(30, 80, seed=4), " a \n\n b\u00a0\tc ", "", " \n", "😀 a\ud800"]:
        sentences = model.tokenize([text])[0]
        tokens = [token for sentence in sentences for token in sentence]
        at = 0
        for token in tokens:
            assert token.form == " ".join(text[token.start : token.end].split())
            assert inner_spaces or token.form == text[token.start : token.end]
            assert not text[at : token.start].strip()
            at = token.end
            assert not token.words or len(token.words) > 1
        assert not text[at:].strip()
        assert all(sentences)


def trained_to(model: TokenizerModel, classes: dict[str, int]) -> TokenizerModel:
    """Return a model whose class of a character depends on the character alone."""

    class Fixed(TokenizerModel):
        def scores(self, texts):  # type: ignore[no-untyped-def]
            found = []
            for text in texts:
                scores = np.zeros((len(text.codes), OUTPUTS), np.float32)
                for at, code in enumerate(text.codes):
                    scores[at, classes.get(chr(code), 0)] = 1
                    scores[at, -1] = 20 if chr(code) == "." else -20
                found.append(scores)
            return found

    fixed = Fixed.__new__(Fixed)
    fixed.__dict__.update(model.__dict__)
    return fixed


def test_words_are_looked_up_or_cut() -> None:
    _, model = random_tokenizer(SMALL)
    model = trained_to(model, {"b": 2, "c": 3, "d": 1, ".": 1})
    assert model.tokenize(["ab AB acad eb. f"]) == [
        [
            [
                RawToken("ab", 0, 2, ("a", "the", "b")),
                RawToken("AB", 3, 5),
                RawToken("acad", 6, 10, ("ac", "ad")),
                RawToken("eb", 11, 13),
                RawToken(".", 13, 14),
            ],
            [RawToken("f", 15, 16)],
        ]
    ]


def test_a_form_that_is_always_a_multiword_token_is_expanded_in_any_case() -> None:
    _, model = random_tokenizer(SMALL)
    model = trained_to(model, {"d": 1, "c": 3})
    model.expansions = replace(model.expansions, always={"acd": ("a", "d"), "Bed": ("B", "d")})
    (tokens,) = model.tokenize(["acd ACD Bed bed eacd."])[0]
    words = {token.form: token.words for token in tokens}
    assert words == {
        "acd": ("a", "d"),
        "ACD": ("A", "D"),
        "Bed": ("B", "d"),
        "bed": (),
        "eacd": ("eac", "d"),
        ".": (),
    }


def test_many_paragraphs_are_streamed_in_groups() -> None:
    _, model = random_tokenizer(SMALL)
    model = trained_to(model, {})
    text = "ab " * (GROUP_CHARACTERS // 9)
    assert [len(sentences[0]) for sentences in model.stream([text] * 5)] == [GROUP_CHARACTERS // 9] * 5


def test_a_tokenizer_can_be_pickled() -> None:
    _, model = random_tokenizer(SMALL)
    paragraphs = texts(3, 50)
    assert pickle.loads(pickle.dumps(model)).tokenize(paragraphs) == model.tokenize(paragraphs)


def test_a_token_with_a_space_is_one_word() -> None:
    _, model = random_tokenizer(SMALL, inner_spaces=True)
    model = trained_to(model, {"c": 3, "d": 1, ".": 1})
    (sentence,) = model.tokenize(["ac ad eced."])[0]
    assert [(token.form, token.words) for token in sentence] == [
        ("ac ad", ()),
        ("eced", ("ec", "ed")),
        (".", ()),
    ]
